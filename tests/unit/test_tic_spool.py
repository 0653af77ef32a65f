"""The spool: every frame that was put and is not done comes out, in order, whatever happens to process and file."""

import itertools
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from infra.errors import ConfigurationError
from producers.tic import spool as spool_module
from producers.tic import spool_file, spool_row
from producers.tic.spool import DONE_UNSAVED, MEMORY_FRAMES, Spool
from producers.tic.spool_file import Options, SpoolFile
from tests.spooling import BIG, counters, frames

ROOT = Path(__file__).parents[2]
MakeSpool = Callable[..., Spool]
QUICK = Options(synchronous="OFF")
"""Nothing here takes the power away; a killed process needs no fsync."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "spool.sqlite"


@pytest.fixture
def make_spool(path: Path) -> Iterator[MakeSpool]:
    made: list[Spool] = []

    def make(limit_bytes: int = BIG, at: Path = path, now_s: float = 1_800_000_000) -> Spool:
        made.append(Spool(at, limit_bytes, lambda: now_s, QUICK))
        return made[-1]

    yield make
    for one in made:
        one.close()


def left_after_a_crash(spool_path: Path, at: Path) -> Path:
    """The files as the disk has them now, as after kill -9."""
    at.mkdir(parents=True)
    for name in (spool_path.name, f"{spool_path.name}-wal"):
        if (spool_path.parent / name).exists():
            shutil.copy(spool_path.parent / name, at / name)
    return at / spool_path.name


def everything(spool: Spool) -> list[int]:
    return counters(spool.oldest(1_000_000))


def test_first_in_first_out(make_spool: MakeSpool) -> None:
    spool = make_spool()
    assert spool.oldest(5) == []
    spool.put(frames(0, 7))
    spool.put([])
    spool.put(frames(7, 3))
    found = spool.oldest(4)
    assert counters(found) == [0, 1, 2, 3]
    assert counters(spool.oldest(4)) == [0, 1, 2, 3]
    spool.done(found[2].seq)
    assert everything(spool) == list(range(3, 10))


def test_depth_tells_how_many_and_since_when(path: Path) -> None:
    now = itertools.chain([100.0, 130.0], itertools.repeat(160.0))
    spool = Spool(path, BIG, lambda: next(now))
    spool.put(frames(0, 5))
    spool.put(frames(5, 5))
    depth = spool.depth()
    assert (depth.frames, depth.oldest_age_s) == (10, 60.0)
    assert 0 < depth.bytes <= 10 * spool_file.PAGE_BYTES
    spool.done(spool.oldest(5)[-1].seq)
    assert (spool.depth().frames, spool.depth().oldest_age_s) == (5, 30.0)
    spool.done(spool.oldest(5)[-1].seq)
    assert (spool.depth().frames, spool.depth().oldest_age_s) == (0, 0.0)
    spool.close()


def test_who_listens_hears_of_each_put_until_it_wants_no_more(make_spool: MakeSpool) -> None:
    spool, heard = make_spool(), []
    forget = spool.listen(lambda: heard.append(1))
    spool.put(frames(0, 1))
    forget()
    spool.put(frames(1, 1))
    assert heard == [1]


def test_a_number_that_was_never_given_out_says_nothing(make_spool: MakeSpool) -> None:
    spool = make_spool()
    spool.put(frames(0, 3))
    spool.done(10**9)
    spool.done(-1)
    assert everything(spool) == [0, 1, 2]


def test_a_second_process_is_told_who_has_the_file(make_spool: MakeSpool) -> None:
    make_spool()
    with pytest.raises(ConfigurationError, match="used by another process"):
        make_spool()


@settings(max_examples=40, stateful_step_count=25)
class Life(RuleBasedStateMachine):
    """Puts, deliveries, stops and crashes in any order."""

    def __init__(self) -> None:
        super().__init__()
        folder = Path(os.environ["SPOOLS"])
        self._path = folder / f"{next(_numbers)}" / "spool.sqlite"
        self._spool = Spool(self._path, BIG, options=QUICK)
        self._put = self._done = 0

    @rule(count=st.integers(0, 30))
    def put(self, count: int) -> None:
        self._spool.put(frames(self._put, count))
        self._put += count

    @rule(most=st.integers(1, 40), part=st.floats(0, 1))
    def deliver(self, most: int, part: float) -> None:
        found = self._spool.oldest(most)
        assert counters(found) == list(range(self._done, min(self._done + most, self._put)))
        if found:
            self._spool.done(found[int(part * (len(found) - 1))].seq)
            self._done += 1 + int(part * (len(found) - 1))

    @rule()
    def stop(self) -> None:
        self._spool.close()
        self._spool = Spool(self._path, BIG, options=QUICK)

    @rule()
    def crash(self) -> None:
        path = left_after_a_crash(self._path, self._path.parent / f"after-{next(_numbers)}")
        self._spool.close()
        self._path = path
        self._spool = Spool(path, BIG, options=QUICK)
        found = everything(self._spool)
        assert found[len(found) - (self._put - self._done) :] == list(range(self._done, self._put)), "a frame is missing"
        assert found == list(range(self._put - len(found), self._put)), "out of order"
        assert len(found) - (self._put - self._done) <= DONE_UNSAVED
        self._done = self._put - len(found)

    @invariant()
    def counted(self) -> None:
        assert self._spool.depth().frames == self._put - self._done
        assert (self._spool.lost, self._spool.dropped, self._spool.broken, self._spool.trouble) == (0, 0, 0, None)

    def teardown(self) -> None:
        self._spool.close()


_numbers = itertools.count()


def test_every_life_of_a_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPOOLS", str(tmp_path))
    Life.TestCase().runTest()


def test_what_is_done_is_on_disk_after_a_thousand_frames(make_spool: MakeSpool, path: Path, tmp_path: Path) -> None:
    spool = make_spool()
    for first in range(0, 1200, 100):
        spool.put(frames(first, 100))
    spool.done(spool.oldest(1100)[-1].seq)
    again = make_spool(at=left_after_a_crash(path, tmp_path / "after"))
    assert everything(again) == list(range(1100, 1200))
    assert again.lost == 0


def test_what_was_delivered_and_taken_off_the_file_is_not_lost(make_spool: MakeSpool, path: Path, tmp_path: Path) -> None:
    spool = make_spool()
    spool.put(frames(0, 1))
    spool.put(frames(1, 1))
    spool.done(spool.oldest(1)[-1].seq)
    spool.put([])
    again = make_spool(at=left_after_a_crash(path, tmp_path / "after"))
    assert everything(again) == [1]
    assert again.lost == 0


# ---- kill, and damage


def test_kill_9_while_it_writes(path: Path) -> None:
    """What was said to be safe is there, as it was, three times over."""
    for kill_after in (7, 23, 58):
        path.unlink(missing_ok=True)
        Path(f"{path}-wal").unlink(missing_ok=True)
        command = [sys.executable, "-m", "tests.spooling", str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as filler:
            assert filler.stdout is not None
            said = [int(line) for line in itertools.islice(filler.stdout, kill_after)]
            filler.kill()
            said += [int(line) for line in filler.stdout]
        safe, done = max(said), max(0, -min(said) - 1)
        spool = Spool(path, BIG)
        found = everything(spool)
        assert found == list(range(found[0], found[-1] + 1))
        assert found[-1] + 1 >= safe
        assert found[0] <= done
        assert (spool.lost, spool.broken) == (0, 0)
        spool.close()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """Files with 600 frames in rows of 5, the first 100 done; True: all in one file, False: partly in its log."""
    made = {}
    for stopped in (True, False):
        path = tmp_path_factory.mktemp("filled") / "spool.sqlite"
        spool = Spool(path, BIG, options=QUICK)
        for first in range(0, 600, 5):
            spool.put(frames(first, 5))
            if first == 100:
                spool.done(spool.oldest(100)[-1].seq)
        if stopped:
            spool.close()
        made[stopped] = left_after_a_crash(path, path.parent / "left")
        spool.close()
    return made


def survives(spool: Spool, most_missing: int) -> None:
    """Nothing wrong comes out, in order, little is missing, and the spool goes on."""
    found = everything(spool)
    assert found == sorted(set(found)), "out of order, or twice"
    missing = set(range(100, 600)) - set(found)
    assert len(missing) <= most_missing, f"{len(missing)} frames are missing"
    spool.put(frames(600, 5))
    assert everything(spool)[-5:] == list(range(600, 605))
    spool.done(spool.oldest(1_000_000)[-1].seq)
    assert everything(spool) == []
    spool.put(frames(605, 1))
    assert everything(spool) == [605]


@pytest.mark.parametrize("stopped", [True, False], ids=["in one file", "partly in its log"])
@pytest.mark.parametrize("seed", range(12))
def test_bytes_turned_over_anywhere(
    make_spool: MakeSpool, filled: dict[bool, Path], tmp_path: Path, seed: int, stopped: bool
) -> None:
    found = left_after_a_crash(filled[stopped], tmp_path / "after")
    rng = random.Random(seed)
    for file in (found, Path(f"{found}-wal")):
        if not file.exists() or not file.stat().st_size:
            continue
        data = bytearray(file.read_bytes())
        for _ in range(3):
            data[rng.randrange(len(data))] ^= rng.randrange(1, 256)
        file.write_bytes(data)
    spool = make_spool(at=found)
    survives(spool, most_missing=6 * 5)


@pytest.mark.parametrize("name", ["", "-wal"])
@pytest.mark.parametrize("left", [0, 1, 100, 4096, 10_000, 0.5, 0.99])
def test_files_cut_off(make_spool: MakeSpool, filled: dict[bool, Path], tmp_path: Path, name: str, left: float) -> None:
    found = left_after_a_crash(filled[not name], tmp_path / "after")
    file = Path(f"{found}{name}")
    size = file.stat().st_size
    os.truncate(file, min(int(left * size) if 0 < left < 1 else int(left), size))
    survives(make_spool(at=found), most_missing=500)


@pytest.mark.parametrize("page", range(6))
def test_a_page_that_is_lost_takes_only_what_is_in_it(
    make_spool: MakeSpool, filled: dict[bool, Path], tmp_path: Path, page: int
) -> None:
    found = left_after_a_crash(filled[True], tmp_path / "after")
    data = bytearray(found.read_bytes())
    data[page * 4096 : (page + 1) * 4096] = bytes(4096)
    found.write_bytes(data)
    spool = make_spool(at=found)
    survives(spool, most_missing=40)
    assert spool.lost <= 40


@pytest.mark.parametrize("content", [b"no database at all", b"SQLite format 3\0" + b"x" * 5000, os.urandom(0) + b"\0" * 8192])
def test_a_file_that_is_something_else(make_spool: MakeSpool, path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    spool = make_spool()
    assert spool.broken == 1
    (aside,) = path.parent.glob("*.broken-*")
    assert aside.read_bytes() == content
    spool.put(frames(0, 2))
    assert everything(spool) == [0, 1]


def test_damage_while_it_runs(make_spool: MakeSpool, path: Path) -> None:
    """A page goes bad under a spool that is open: it begins anew with what can be read, and goes on counting."""
    spool = make_spool()
    spool.put(frames(0, 50))
    first = spool.oldest(3)[-1].seq
    spool.done(first)
    spool.close()
    spool = make_spool()
    data = bytearray(path.read_bytes())
    data[0:100] = bytes(100)
    data[4096:4120] = bytes(24)
    path.write_bytes(data)
    spool.put(frames(50, 5))
    found = everything(spool)
    assert found[-5:] == list(range(50, 55))
    assert found == sorted(set(found))


# ---- no room


def test_beyond_the_limit_the_oldest_go(make_spool: MakeSpool) -> None:
    spool = make_spool(100_000)
    for first in range(0, 3000, 10):
        spool.put(frames(first, 10))
    found = everything(spool)
    assert found == list(range(found[0], 3000))
    assert spool.dropped == found[0] > 0
    assert spool.depth().bytes <= 100_000
    assert (spool.lost, spool.depth().frames) == (0, len(found))
    assert len(found) > 300


def test_a_limit_below_one_row_keeps_the_newest(make_spool: MakeSpool) -> None:
    spool = make_spool(1)
    for first in range(0, 100, 10):
        spool.put(frames(first, 10))
    assert everything(spool) == list(range(90, 100))
    assert spool.dropped == 90


def test_a_full_disk(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full card: frames wait in memory, then the oldest go."""
    script = """
import resource, sys, json
from pathlib import Path
from producers.tic.spool import Spool, MEMORY_FRAMES
from tests.spooling import frames, counters, BIG
resource.setrlimit(resource.RLIMIT_FSIZE, (80_000, resource.RLIM_INFINITY))
spool = Spool(Path(sys.argv[1]), BIG)
for first in range(0, 4500, 100):
    spool.put(frames(first, 100))
found = counters(spool.oldest(100_000))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
spool.put(frames(4500, 100))
after = counters(spool.oldest(100_000))
print(json.dumps([found, spool.dropped, spool.lost, after, spool.trouble, spool.depth().frames]))
spool.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "spool.sqlite")], capture_output=True, cwd=ROOT, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found, dropped, lost, after, trouble_after, depth = json.loads(done.stdout.splitlines()[-1])
    assert dropped > 0
    assert found == sorted(set(found))
    assert found[-MEMORY_FRAMES:] == list(range(4500 - MEMORY_FRAMES, 4500))
    assert len(found) + dropped == 4500
    assert (lost, trouble_after) == (0, None)
    assert after == [*found, *range(4500, 4600)]
    assert depth == len(after)


def test_no_folder_at_first(tmp_path: Path) -> None:
    """A file stands where the folder should be; frames wait in memory and go to disk once there is one."""
    (tmp_path / "here").write_text("")
    path = tmp_path / "here" / "spool.sqlite"
    spool = Spool(path, BIG)
    spool.put(frames(0, 5))
    assert spool.trouble is not None
    first = spool.oldest(2)
    assert counters(first) == [0, 1]
    spool.done(first[-1].seq)
    (tmp_path / "here").unlink()
    spool.put(frames(5, 5))
    assert spool.trouble is None
    spool.done(first[-1].seq)  # a number of before: it names nothing now
    assert everything(spool) == list(range(2, 10))
    spool.close()
    again = Spool(path, BIG)
    assert everything(again) == list(range(2, 10))
    again.close()


def test_what_was_there_goes_before_what_came_meanwhile(make_spool: MakeSpool, path: Path) -> None:
    spool = make_spool()
    spool.put(frames(0, 5))
    spool.close()
    away = path.parent.rename(path.parent.parent / "away")
    path.parent.write_text("")
    spool = make_spool()
    spool.put(frames(5, 5))
    path.parent.unlink()
    away.rename(path.parent)
    assert everything(spool) == list(range(10))
    assert spool.lost == 0


def test_memory_has_its_limit_and_holes_are_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "MEMORY_FRAMES", 10)
    (tmp_path / "here").write_text("")
    spool = Spool(tmp_path / "here" / "spool.sqlite", BIG)
    for first in range(0, 30, 5):
        spool.put(frames(first, 5))
    assert everything(spool) == list(range(20, 30))
    assert (spool.dropped, spool.lost, spool.depth().frames) == (20, 0, 10)
    spool.close()


# ---- rows, and other builds


def test_a_frame_of_an_older_build_comes_out_by_the_schema_of_this_one(
    make_spool: MakeSpool, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file tells the schema it was written with."""
    old = json.loads(spool_module.text_of(spool_module.topics.TIC_FRAMES))
    old["doc"] = "an older one"
    old["fields"] = [field for field in old["fields"] if field["name"] != "later"]
    with monkeypatch.context() as patch:
        patch.setattr(spool_module, "text_of", lambda _: json.dumps(old))
        spool = make_spool()
        spool.put(frames(0, 5))
        spool.close()
    spool = make_spool()
    spool.put(frames(5, 5))
    assert everything(spool) == list(range(10))


def test_a_large_put_makes_rows_that_fit_a_page() -> None:
    bodies = [frame.body() for frame in frames(0, 700)]
    made = list(spool_row.rows(bodies, 1, 0, 5, b"x" * 8, spool_file.ROW_MAX_BYTES))
    assert len(made) > 1
    assert all(row.size <= spool_file.ROW_MAX_BYTES for row in made)
    assert [body for row in made for body in row.bodies()] == bodies
    assert [row.first for row in made] == [1, *(row.last + 1 for row in made[:-1])]


def test_rows_are_found_between_anything() -> None:
    bodies = [frame.body() for frame in frames(0, 9)]
    row = spool_row.Row(3, 9, 2, 5, b"x" * 8, spool_row.pack(bodies))
    sealed = row.sealed()
    assert spool_row.opened(sealed) == row
    assert [one for _, one in spool_row.found(b"\xf5TI" + sealed + sealed[:-1] + sealed + sealed[:30])] == [row, row]
    for at in range(len(sealed)):
        broken = bytearray(sealed)
        broken[at] ^= 1
        assert spool_row.opened(bytes(broken)) is None
        assert list(spool_row.found(bytes(broken))) == []


def test_a_row_lies_whole_in_its_page(path: Path) -> None:
    """Else it could not be found without the tables."""
    path.parent.mkdir()
    file = SpoolFile(path, (b"x" * 8, "{}"))
    packed = random.Random(1).randbytes(spool_file.ROW_MAX_BYTES - spool_row.HEAD_BYTES)
    row = spool_row.Row(1 << 61, 1, 0, 5, b"x" * 8, packed)
    file.write([row], 0)
    file.close()
    assert [one for _, one in spool_row.found(path.read_bytes())] == [row]
