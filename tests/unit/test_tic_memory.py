"""What a reader remembers of its earlier starts, and what it does not believe."""

import json
from pathlib import Path

import pytest

from producers.tic.memory import STARTS_MAX, Known, Memory
from tests.tic import records

ONE = "992262000043"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "spool.sqlite.line"


def test_what_was_kept_is_known_after_a_start(path: Path) -> None:
    memory = Memory(path)
    assert memory.known == Known()
    memory.keep(ONE, 9600, records()[:2])
    memory.start("b1", "m1")
    again = Memory(path)
    assert (again.known.meter_id, again.known.speed, again.known.starts) == (ONE, 9600, ("b1",))
    assert again.held == tuple(records()[:2])


def test_nothing_new_leaves_what_was_and_writes_nothing(path: Path) -> None:
    memory = Memory(path)
    memory.keep(ONE, 9600, ())
    before = path.stat().st_ino  # each write is a new file
    memory.keep("", 0, ())
    memory.keep(ONE, 9600, ())
    assert path.stat().st_ino == before
    assert (Memory(path).known.meter_id, Memory(path).known.speed) == (ONE, 9600)


def test_starts_are_of_one_start_of_the_machine_and_few(path: Path) -> None:
    memory = Memory(path)
    for number in range(STARTS_MAX + 2):
        memory.start(f"b{number}", "m1")
    assert memory.known.starts[0] == "b2"
    memory.start("c", "m2")
    assert Memory(path).starts("m2") == ("c",)
    assert Memory(path).starts("m1") == ()


def test_a_machine_without_a_name_has_no_earlier_starts(path: Path) -> None:
    memory = Memory(path)
    memory.start("b1", "")
    memory.start("b2", "")
    assert memory.starts("") == ()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"meter_id": 1, "speed": "fast", "machine": "", "starts": [], "held": ""}', "\udcff"],
    ids=["empty", "cut off", "a list", "no member", "a word for a number", "no text"],
)
def test_a_damaged_file_is_no_memory(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_bytes(text.encode(errors="surrogateescape"))
    assert Memory(path).known == Known()
    assert Memory(path).held == ()


def test_a_damaged_frame_is_none(path: Path) -> None:
    memory = Memory(path)
    memory.keep(ONE, 9600, records()[:1])
    known = json.loads(path.read_text())
    for at in range(0, len(known["held"]), 7):
        held = list(known["held"])
        held[at] = "A" if held[at] != "A" else "B"
        path.write_text(json.dumps(known | {"held": "".join(held)}))
        assert Memory(path).held in ((), memory.held)  # bits of base64 that say nothing
    path.write_text(json.dumps(known | {"held": "no base64"}))
    assert Memory(path).held == ()


def test_a_folder_that_takes_no_file_stops_nobody(path: Path) -> None:
    path.parent.write_text("in the way")
    memory = Memory(path)
    memory.keep(ONE, 9600, ())
    assert memory.known == Known()
