"""Times of frames that came before the clock was set."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from producers.tic import dating
from producers.tic.clock import machine, since_start_s
from producers.tic.dating import Dating
from producers.tic.spool import Entry
from schemas import avro, topics
from tests.tic import records


@dataclass
class Clock:
    right: bool = False

    def synchronised(self) -> bool:
        return self.right


def entry(boot_id: str = "b1", synchronised: bool = False) -> Entry:
    ago_ms = round(since_start_s() * 1000) - 5000
    frame = replace(records()[0], boot_id=boot_id, clock_synchronised=synchronised, received_at_ms=1, monotonic_ms=ago_ms)
    return Entry(7, frame.body(), frame.meter_id)


def times(one: Entry) -> tuple[int, bool]:
    found = avro.decode_body(topics.TIC_FRAMES, one.body, avro.raw_schema(topics.TIC_FRAMES), "ours")
    return found["received_at_ms"], found["clock_synchronised"]


def test_a_frame_gets_its_time_once_the_clock_is_set() -> None:
    clock = Clock()
    of = Dating(["b1"], clock)
    assert times(of.dated([entry()])[0]) == (1, False)
    clock.right = True
    (found,) = of.dated([entry()])
    received_ms, synchronised = times(found)
    assert abs(time.time() * 1000 - 5000 - received_ms) < 60_000
    assert synchronised
    assert (found.seq, found.meter_id) == (7, entry().meter_id)


def test_frames_of_an_earlier_start_of_the_reader_get_theirs_when_the_clock_is_set_by_now() -> None:
    of = Dating(["b1", "b2"], Clock(True))
    for boot_id in ("b1", "b2"):
        received_ms, synchronised = times(of.dated([entry(boot_id)])[0])
        assert abs(time.time() * 1000 - 5000 - received_ms) < 60_000
        assert synchronised
    assert of.wait_s() == 0


def test_the_machine_has_a_name_as_long_as_it_runs(tmp_path: Path) -> None:
    assert machine() == machine() != ""
    assert machine(tmp_path / "none") == ""


@pytest.mark.parametrize(
    "kept", [pytest.param({"boot_id": "b2"}, id="of another start"), pytest.param({"synchronised": True}, id="right")]
)
def test_other_frames_stay_as_they_are(kept: dict[str, object]) -> None:
    clock = Clock()
    of, one = Dating(["b1"], clock), entry(**kept)  # type: ignore[arg-type]
    clock.right = True
    assert of.dated([one]) == [one]


def test_a_clock_that_was_right_from_the_start_costs_nothing() -> None:
    entries = [entry()]
    assert Dating([], Clock(True)).dated(entries) is entries


def test_delivery_waits_while_the_machine_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dating, "STARTING_S", since_start_s() + 600)
    clock = Clock()
    of = Dating(["b1"], clock)
    assert of.wait_s() > 0
    clock.right = True
    assert of.wait_s() == 0
    monkeypatch.setattr(dating, "STARTING_S", 0)
    assert Dating(["b1"], Clock()).wait_s() == 0
