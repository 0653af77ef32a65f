"""The reader of a line, on a real pseudo-terminal: found, lost, found again; and its memory stays bounded."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from producers.tic.backlog import Backlog
from producers.tic.clock import Clock
from producers.tic.labels import Mode
from producers.tic.line import Line
from producers.tic.reader import Place, Reader
from producers.tic.reception import Reception
from producers.tic.rules import LINE, LINE_WITHOUT_PARITY
from producers.tic.tuning import Patience
from tests.fakes.pty_line import PtyLine
from tests.tic import GOLDEN, framed, standard
from tests.waiting import until

STANDARD = (GOLDEN / "frames" / "std_mono_hchp.tic").read_bytes()
HISTORIC = (GOLDEN / "frames" / "hist_mono_hc.tic").read_bytes()
QUICK = Patience(settled_s=0.8, by_speed_s={9600: 0.6, 1200: 0.6}, pause_s=0.3)


class Listening:
    """A reader in its thread."""

    def __init__(self, device: Path, speeds: tuple[int, ...], mode: Mode | None, backlog: Backlog) -> None:
        self.line = Line(time.monotonic(), bad_after_s=QUICK.settled_s)
        self.reception = Reception("boot", mode)
        self.backlog = backlog
        self.rounds = 0
        self.reader = Reader(
            Place(str(device), speeds, mode, QUICK), self.line, self.reception, backlog, Clock(device), self._beat
        )
        self.thread = threading.Thread(target=self.reader.run, daemon=True)

    def good(self) -> bool:
        return self.line.problem(time.monotonic()) is None

    def frames(self, more: int = 3) -> None:
        """Wait for more frames than there are."""
        wanted = self.line.quality.frames + more
        until(lambda: self.good() and self.line.quality.frames >= wanted, f"{more} frames; {self.line}")

    def bad(self) -> str:
        until(lambda: not self.good(), "the line is bad")
        return str(self.line.problem(time.monotonic()))

    def _beat(self) -> None:
        self.rounds += 1


Listen = Callable[..., Listening]


@pytest.fixture
def listen(tmp_path: Path) -> Iterator[Listen]:
    started: list[Listening] = []

    def start(*, speeds: tuple[int, ...] = (9600, 1200), mode: Mode | None = None, limit: int = 1000) -> Listening:
        listening = Listening(tmp_path / "port", speeds, mode, Backlog(limit))
        started.append(listening)
        listening.thread.start()
        return listening

    yield start
    for one in started:
        one.reader.stop()
        one.thread.join(10)
        assert not one.thread.is_alive()


@contextmanager
def meter(tmp_path: Path, *frames: bytes, baud: int = 0, parity: bool = True) -> Iterator[PtyLine]:
    with PtyLine(tmp_path / "port", list(frames), sent_baud=baud, parity=parity) as line:
        yield line


@pytest.mark.parametrize(
    ("frame", "baud", "parity", "mode", "speed"),
    [
        pytest.param(STANDARD, 9600, True, Mode.STANDARD, 9600, id="standard"),
        pytest.param(HISTORIC, 1200, True, Mode.HISTORIC, 1200, id="historic, after garbage at 9600"),
        pytest.param(HISTORIC, 9600, True, Mode.HISTORIC, 9600, id="an adapter that sends historic at 9600"),
        pytest.param(STANDARD, 9600, False, Mode.STANDARD, 9600, id="an adapter that throws the parity away"),
        pytest.param(HISTORIC, 1200, False, Mode.HISTORIC, 1200, id="both"),
    ],
)
def test_mode_speed_and_parity_are_found(
    tmp_path: Path, listen: Listen, frame: bytes, baud: int, parity: bool, mode: Mode, speed: int
) -> None:
    with meter(tmp_path, frame, baud=baud, parity=parity) as line:
        listening = listen()
        listening.frames()
        assert (listening.line.mode, listening.line.speed, line.speed) == (mode, speed, speed)
        assert listening.line.rules is (LINE if parity else LINE_WITHOUT_PARITY)


def test_the_first_frame_counts(tmp_path: Path, listen: Listen) -> None:
    with meter(tmp_path, STANDARD):
        listening = listen()
        listening.frames(5)
        records = listening.backlog.take()
        assert [one.counter for one in records] == list(range(len(records)))
        quality = listening.line.quality
        assert len(records) + quality.discarded.total() >= quality.frames
        assert {one.meter_id for one in records} == {"992562000017"}
        times = [one.monotonic_ms for one in records]
        assert times == sorted(times)


def test_a_device_that_is_unplugged_comes_back(tmp_path: Path, listen: Listen) -> None:
    with meter(tmp_path, STANDARD) as line:
        listening = listen()
        listening.frames()
        line.unplug()
        assert "no such device" in listening.bad() or "gone" in listening.bad()
        line.plug_in()
        listening.frames()
        assert listening.line.openings["gone"] == 1
        line.unplug()
        listening.bad()
        line.plug_in()
        listening.frames()
    counters = [one.counter for one in listening.backlog.take()]
    assert counters == list(range(len(counters)))


def test_a_port_that_is_not_there_yet(tmp_path: Path, listen: Listen) -> None:
    listening = listen()
    until(lambda: "no such device" in listening.line.trouble, "the trouble is known")
    with meter(tmp_path, STANDARD):
        listening.frames()


def test_a_port_that_another_reads(tmp_path: Path, listen: Listen) -> None:
    with meter(tmp_path, STANDARD):
        first = listen()
        first.frames()
        second = listen()
        until(lambda: "another program reads it" in second.line.trouble, f"the trouble is known; {second.line.trouble}")
        first.reader.stop()
        second.frames()


def test_silence_is_bad_and_frames_are_good_again(tmp_path: Path, listen: Listen) -> None:
    with meter(tmp_path, STANDARD) as line:
        listening = listen()
        listening.frames()
        line.speaks = False
        assert "no right frame for" in listening.bad()
        until(lambda: listening.line.openings["silent"] >= 2, "the silent port is opened again")
        assert "no byte comes" in str(listening.line.problem(time.monotonic()))
        assert listening.line.speed == 9600  # silence says nothing against a speed that was right
        line.speaks = True
        listening.frames()


def test_garbage_is_bad_and_the_other_speed_is_tried(tmp_path: Path, listen: Listen) -> None:
    with meter(tmp_path, STANDARD, baud=9600) as line:
        listening = listen()
        listening.frames()
        line.frames, line.sent_baud = [HISTORIC], 1200  # Enedis changed the mode, or another meter was connected
        listening.bad()
        until(lambda: "no right frame:" in str(listening.line.problem(time.monotonic())) or listening.good(), "garbage is seen")
        listening.frames()
        assert (listening.line.mode, listening.line.speed) == (Mode.HISTORIC, 1200)


def test_only_the_mode_that_is_asked_for(tmp_path: Path, listen: Listen) -> None:
    with meter(tmp_path, STANDARD) as line:
        listening = listen(mode=Mode.HISTORIC)
        until(lambda: listening.line.openings["garbage"] >= 2, "it is not what was asked for")
        assert not listening.backlog.take()
        line.frames = [HISTORIC]
        listening.frames()
        assert {one.mode for one in listening.backlog.take()} == {"historic"}


def test_a_label_that_is_always_refused_is_no_reason_to_close_the_port(tmp_path: Path, listen: Listen) -> None:
    newer = STANDARD.replace(b"\x03", standard("PRM", "123") + b"\x03")
    with meter(tmp_path, newer):
        listening = listen()
        listening.frames(40)
        assert listening.line.quality.whole == 0
        assert listening.line.openings.total() == 0


def test_a_backlog_that_nobody_empties_stays_small(tmp_path: Path, listen: Listen) -> None:
    with meter(tmp_path, framed(standard("ADSC", "992562000017"), standard("NTARF", "01"), standard("EAST", "000000001"))):
        listening = listen(limit=20)
        until(lambda: listening.backlog.dropped >= 50, "more than it holds")
    listening.reader.stop()
    listening.thread.join(10)
    kept = listening.backlog.take()
    assert len(kept) == 20
    counters = [one.counter for one in kept]
    assert counters == list(range(counters[0], counters[0] + 20))  # the newest are kept
    assert counters[0] == listening.backlog.dropped
