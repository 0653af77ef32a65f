"""A simulated Linky on its pseudo-terminal: what comes out of it, when nobody reads, and the command."""

import contextlib
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.errors import ConfigurationError
from producers.simulate.linky.contract import Contract
from producers.simulate.linky.line import Line
from producers.simulate.linky.port import Port
from producers.simulate.linky.run import Talk, talk
from producers.tic.decode import DecodedFrame, decode
from producers.tic.rules import LINE
from tests.waiting import until

BEGIN_S = 1_763_000_000.0


@pytest.fixture
def port(tmp_path: Path) -> Iterator[Port]:
    port = Port(tmp_path / "linky")
    yield port
    port.close()


def by_hand(step_s: float) -> Callable[[], float]:
    """A clock that goes on a step at each look."""
    moments = itertools.count()
    return lambda: BEGIN_S + next(moments) * step_s


class Reading:
    """A thread that reads a port."""

    def __init__(self, path: Path) -> None:
        self.data = bytearray()
        self._file = os.open(path, os.O_RDONLY | os.O_NOCTTY)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # the meter hung up
            while data := os.read(self._file, 4096):
                self.data += data
        os.close(self._file)


def test_what_the_meter_says_comes_out_of_the_port(port: Port, tmp_path: Path) -> None:
    reading = Reading(tmp_path / "linky")
    line = Line(Contract(), BEGIN_S, numbered=True)
    with (tmp_path / "truth").open("w") as truth:
        tally = talk([Talk(line, port)], by_hand(0.01), threading.Event(), speed=1e6, until_s=BEGIN_S + 5, truth_file=truth)
    assert (tally.frames, tally.damaged, tally.unread) == (6, 0, 0)
    until(lambda: reading.data.count(b"\x03") == 6, "six frames")
    frames = [event for event in decode([bytes(reading.data)], LINE) if isinstance(event, DecodedFrame)]
    assert [frame.groups["MSG1"].value for frame in frames] == [f"N{k}" for k in range(6)]
    assert len((tmp_path / "truth").read_text().splitlines()) == 6


def test_no_byte_comes_before_its_time(port: Port) -> None:
    sent, contract = next(Line(Contract(), BEGIN_S)), Contract()
    talks, stop = [Talk(Line(contract, BEGIN_S), port)], threading.Event()
    at_s = iter([BEGIN_S, BEGIN_S + 0.0011, BEGIN_S + 0.5])

    def now_s() -> float:
        moment = next(at_s, None)
        if moment is None:
            stop.set()
        return moment or BEGIN_S + 0.5

    talk(talks, now_s, stop, speed=1e6)
    assert talks[0].at == int(0.5 * 960)
    assert talks[0].sent == sent


def test_a_port_that_nobody_reads_never_blocks_and_the_truth_says_so(port: Port) -> None:
    tally = talk([Talk(Line(Contract(), BEGIN_S), port)], by_hand(0.05), threading.Event(), speed=1e6, until_s=BEGIN_S + 200)
    assert tally.frames > 200
    assert tally.unread > 100


def test_a_machine_that_slept_goes_on_at_the_present(port: Port) -> None:
    one = Talk(Line(Contract(), BEGIN_S), port)
    moments = iter([BEGIN_S + 3600.0])
    talk([one], lambda: next(moments, BEGIN_S + 3601), threading.Event(), speed=1e6, until_s=BEGIN_S + 3600)
    assert one.sent.begin_s >= BEGIN_S + 3600


def test_the_link_follows_the_port_and_goes_with_it(tmp_path: Path) -> None:
    link = tmp_path / "linky"
    first = Port(link)
    second = Port(link)  # a simulator that was killed leaves its link behind
    assert os.readlink(link) == second.name
    first.close()
    assert link.is_symlink()
    second.close()
    assert not link.is_symlink()
    link.write_text("something else")
    with pytest.raises(ConfigurationError, match="name a path that is free"):
        Port(link)
    assert link.read_text() == "something else"
