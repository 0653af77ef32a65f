"""STGE, RELAIS and the calendars by name."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.tic.calendars import switches
from producers.tic.relays import closed, relays_closed
from producers.tic.stge import FIELDS, status
from schemas.tic_frame import TicStatus, TicSwitch

TEMPO = TicStatus(
    contact_open=True,
    breaker="closed",
    cover_open=False,
    over_voltage=False,
    over_power=False,
    producer=False,
    energy_negative=False,
    supplier_index=2,
    distributor_index=2,
    clock_degraded=False,
    standard_mode=True,
    euridis="secured",
    plc="new_lock",
    plc_synchronised=False,
    tempo_today="blue",
    tempo_tomorrow="red",
    peak_announced=2,
    peak_running=0,
)


def test_the_worked_register() -> None:
    assert status("2D3A4401") == TEMPO


@pytest.mark.parametrize(
    ("bit", "field", "value"),
    [
        (1, "breaker", "over_power"),
        (4, "cover_open", True),
        (6, "over_voltage", True),
        (7, "over_power", True),
        (8, "producer", True),
        (9, "energy_negative", True),
        (13, "supplier_index", 9),
        (15, "distributor_index", 3),
        (16, "clock_degraded", True),
        (17, "standard_mode", True),
        (19, "euridis", "on"),
        (22, "plc", "registered"),
        (23, "plc_synchronised", True),
        (25, "tempo_today", "white"),
        (26, "tempo_tomorrow", "blue"),
        (28, "peak_announced", 1),
        (31, "peak_running", 2),
    ],
)
def test_one_bit_changes_one_field(bit: int, field: str, value: object) -> None:
    none, one = status("00000000"), status(f"{1 << bit:08X}")
    assert none is not None
    assert one is not None
    assert {name for name in FIELDS if getattr(none, name) != getattr(one, name)} == {field}
    assert getattr(one, field) == value


@given(st.integers(0, 0xFFFFFFFF))
@settings(deadline=None)
def test_every_register_has_a_meaning_and_unused_bits_none(register: int) -> None:
    found = status(f"{register:08X}")
    assert found is not None
    assert status(f"{register ^ (1 << 5 | 1 << 18):08X}") == found


@pytest.mark.parametrize("value", [None, 7, "", "2D3A440", "2d3a4401", "2D3A44010"])
def test_what_is_no_register(value: object) -> None:
    assert status(value) is None


@pytest.mark.parametrize(
    ("relais", "numbers"), [("140", [3, 4, 8]), ("001", [1]), ("000", []), ("255", [1, 2, 3, 4, 5, 6, 7, 8])]
)
def test_relays(relais: str, numbers: list[int]) -> None:
    mask = relays_closed(relais)
    assert mask is not None
    assert closed(mask) == numbers


@pytest.mark.parametrize("value", ["256", "0A1", "", None, 1])
def test_what_is_no_relays(value: object) -> None:
    assert relays_closed(value) is None


def test_a_profile() -> None:
    found = switches("0000C001 06308002 22300001 23457FF0 NONUTILE NONUTILE NONUTILE NONUTILE NONUTILE NONUTILE NONUTILE")
    assert found == [
        TicSwitch(0, 1, 0, "closed"),
        TicSwitch(6 * 60 + 30, 2, 0, "open"),
        TicSwitch(22 * 60 + 30, 1, 0, "unchanged"),
        TicSwitch(23 * 60 + 45, None, 0x7F, "tempo"),
    ]
    assert switches(" ".join(["NONUTILE"] * 11)) == []


@pytest.mark.parametrize("action", ["000B", "000F", "0000"])
def test_an_index_that_is_none_changes_nothing(action: str) -> None:
    found = switches(f"0000{action}")
    assert found is not None
    assert found[0].supplier_index is None


@pytest.mark.parametrize("value", [None, "", "2400C001", "0060C001", "0000C00G", "0000C001  NONUTILE", "NONUTILF"])
def test_what_is_no_profile(value: object) -> None:
    assert switches(value) is None
