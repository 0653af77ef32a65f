"""Rules over successive frames: a wrong index that passed everything else does not pass these."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.tic.bytes import with_parity
from producers.tic.decode import DecodedFrame, decode
from producers.tic.record import Received, record
from producers.tic.rules import LINE
from schemas.tic_frame import TicFrame
from streams.core.tic_integrity import METER_MAX_VA, OTHERS, Indexes, allowed_wh, check, contract_va
from tests.tic import CAPTURES, FRAMES, framed, standard

RECEIVED = Received("992562000017", "boot-1", 0, 1_766_899_543_120, True, 0, 0, 0)


def frame_of(data: bytes) -> TicFrame:
    (event,) = decode([with_parity(data)], LINE)
    assert isinstance(event, DecodedFrame)
    return record(event, RECEIVED)


def sending(**numbers: int) -> TicFrame:
    chars = {"PREF": 2, "NTARF": 2}
    return frame_of(framed(*(standard(name, str(value).rjust(chars.get(name, 9), "0")) for name, value in numbers.items())))


def rules(*frames: TicFrame, step_s: float = 1.0) -> list[list[str]]:
    """The rules that each frame breaks, frames a step apart."""
    known, told = Indexes(), []
    for at, frame in enumerate(frames):
        known, broken = check(known, frame, at * step_s)
        told.append([one.rule for one in broken])
        assert all("expected" in one.reason for one in broken)
    return told


@pytest.mark.parametrize("path", FRAMES + CAPTURES, ids=lambda path: path.stem)
def test_real_frames_break_no_rule(path: Path) -> None:
    frame = frame_of(path.read_bytes())
    assert rules(frame, frame, frame) == [[], [], []]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        pytest.param([1000, 1001, 1001, 1003], [[], [], [], []], id="a quiet home"),
        pytest.param([1000, 900, 1001, 1002], [[], ["index_back"], [], []], id="one damaged value, lower"),
        pytest.param([1000, 1_600_000, 1001, 1002], [[], ["index_slope"], [], []], id="one damaged value, higher"),
        pytest.param([1000, 5, 5, 6], [[], ["index_back"], [], []], id="a new meter is believed when it says so again"),
        pytest.param([900_000, 1000, 1001, 1002], [[], ["index_back"], [], []], id="the first of all was the damaged one"),
        pytest.param([1000, 7000, 9, 1001], [[], ["index_slope"], ["index_back"], []], id="two damaged ones that do not agree"),
    ],
)
def test_an_index(values: list[int], told: list[list[str]]) -> None:
    assert rules(*(sending(EAST=value, PREF=6) for value in values)) == told


@pytest.mark.parametrize(("label", "allowed"), [("EAST", False), *((label, True) for label in OTHERS)])
def test_what_a_contract_bounds(label: str, allowed: bool) -> None:
    """25 Wh in 1 s of a contract of 3 kVA: too much drawn, but the meter could inject that."""
    assert rules(sending(**{label: 0}, PREF=3), sending(**{label: 25}, PREF=3)) == [[], [] if allowed else ["index_slope"]]


def test_a_gap_allows_what_its_time_allows() -> None:
    frames = sending(EAST=0, PREF=6), sending(EAST=6000, PREF=6)
    assert rules(*frames, step_s=3600.0) == [[], []]
    assert rules(*frames, step_s=60.0) == [[], ["index_slope"]]
    assert rules(*frames, step_s=-3600.0) == [[], ["index_slope"]]


SUPPLIED = {f"EASF{index:02}": 100 for index in range(1, 11)}


@pytest.mark.parametrize(
    ("east", "told"),
    [(1000, []), (1003, []), (1100, ["sum_easf"]), (900, ["sum_easf"])],
    ids=["equal", "just drawn", "more", "less"],
)
def test_the_sum(east: int, told: list[str]) -> None:
    assert rules(sending(EAST=east, PREF=6, **SUPPLIED)) == [told]


def test_the_sum_needs_all_its_parts() -> None:
    parts = dict(list(SUPPLIED.items())[:9])
    assert rules(sending(EAST=5000, PREF=6, **parts)) == [[]]


@pytest.mark.parametrize(("ntarf", "told"), [(2, []), (1, ["tariff"])])
def test_the_tariff_in_force(ntarf: int, told: list[str]) -> None:
    assert rules(frame_of(framed(standard("STGE", "2D3A4401"), standard("NTARF", f"{ntarf:02}")))) == [told]


@pytest.mark.parametrize(
    ("numbers", "va"),
    [
        ({"PREF": 6, "PCOUP": 9}, 9000),
        ({"ISOUSC": 30}, 6000),
        ({"ISOUSC": 20, "IINST1": 3}, 12_000),
        ({}, METER_MAX_VA),
    ],
)
def test_the_contracts_power(numbers: dict[str, int], va: int) -> None:
    assert contract_va(numbers) == va


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=30), st.integers(0, 29), st.integers(-3000, 3000).filter(lambda by: abs(by) > 20))
def test_one_damaged_index_is_told_once_and_harms_no_other(steps: list[int], where: int, by: int) -> None:
    values, total = [], 5000
    for step in [*steps, 0, 0, 0]:
        total += step
        values.append(total)
    where = 1 + where % (len(values) - 2)
    values[where] += by
    told = rules(*(sending(EAST=value, PREF=6) for value in values))
    assert [at for at, broken in enumerate(told) if broken] == [where]
    assert allowed_wh(6000, 1) < 20
