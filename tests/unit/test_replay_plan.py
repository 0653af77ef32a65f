"""What a replay reads from where, whatever the log and the raw table still hold."""

import json

import pytest

from schemas.sensor_reading import AHEAD_S
from streams.core.replay_plan import NAME, Asked, Held, Plan, first_minute, log_from, plan
from streams.core.selection import Selection

T0 = 1_800_000_000
FULL = {0: Held(0, 500, 0), 1: Held(0, 0, 0)}
SHORT = {0: Held(100, 500, T0 * 1000), 1: Held(0, 300, 0)}
GONE_S = T0 + AHEAD_S + 60
"""The first minute that SHORT holds whole: T0 is the start of a minute."""


def settled(asked: Asked, held: dict[int, Held], starts: dict[int, int], raw_since_s: int | None = None) -> Plan:
    return plan("again", asked, held, first_minute(asked, raw_since_s), starts, 120)


def test_everything_in_the_log_is_folded_from_its_beginning() -> None:
    found = settled(Asked(), FULL, {0: 0, 1: 0})
    assert (found.selection, found.raw, found.from_s, found.readings) == (None, None, None, 500)


def test_a_range_reads_from_where_it_may_begin_to_the_end_of_the_log() -> None:
    asked = Asked.of(T0 + 61, T0 + 119, ["b", "a", "b"])
    assert asked == Asked(T0 + 60, T0 + 120, ("a", "b"))
    found = settled(asked, FULL, {0: 40, 1: 0})
    assert found.selection == Selection(T0 + 60, T0 + 120, frozenset({"a", "b"}))
    assert (found.starts, found.ends, found.raw) == ({0: 40, 1: 0}, {0: 500, 1: 0}, None)


def test_what_the_log_no_longer_holds_whole_comes_from_raw() -> None:
    assert log_from(None, SHORT.values()) == GONE_S
    found = settled(Asked(), SHORT, {0: 130, 1: 10})
    assert (found.raw, found.log_from_s, found.from_s) == ((0, GONE_S), GONE_S, None)
    assert found.selection == Selection(from_s=GONE_S)


def test_a_range_that_the_log_still_holds_needs_no_raw() -> None:
    asked = Asked(from_s=GONE_S)
    assert log_from(asked.from_s, SHORT.values()) == GONE_S
    assert settled(asked, SHORT, {0: 100, 1: 0}).raw is None


def test_a_range_that_is_older_than_the_log_reads_nothing_of_it() -> None:
    found = settled(Asked(T0 - 600, T0), SHORT, {0: 130, 1: 10})
    assert (found.readings, found.raw) == (0, (T0 - 600, T0))


def test_a_range_across_the_border_takes_both_ways() -> None:
    found = settled(Asked(T0, GONE_S + 60), SHORT, {0: 130, 1: 10})
    assert (found.raw, found.selection) == ((T0, GONE_S), Selection(GONE_S, GONE_S + 60))
    assert found.readings == 370 + 290


def test_an_emptied_log_leaves_everything_to_raw() -> None:
    found = settled(Asked(), {0: Held(500, 500, T0 * 1000)}, {0: 500})
    assert (found.readings, found.raw) == (0, (0, GONE_S))


def test_minutes_older_than_raw_stay_as_they_are_also_where_the_log_has_them() -> None:
    found = settled(Asked(), FULL, {0: 30, 1: 0}, raw_since_s=T0 + 1)
    assert (found.from_s, found.log_from_s, found.raw) == (T0 + 60, T0 + 60, None)
    found = settled(Asked(), SHORT, {0: 130, 1: 0}, raw_since_s=T0 - 600)
    assert (found.from_s, found.raw) == (T0 - 600, (T0 - 600, GONE_S))
    found = settled(Asked(), SHORT, {0: 130, 1: 0}, raw_since_s=GONE_S + 60)
    assert (found.from_s, found.log_from_s, found.raw) == (GONE_S + 60, GONE_S + 60, None)


def test_a_start_is_never_outside_of_the_log() -> None:
    assert settled(Asked(from_s=GONE_S), SHORT, {0: 20, 1: 900}).starts == {0: 100, 1: 300}


@pytest.mark.parametrize("asked", [Asked(), Asked(T0, GONE_S + 60, ("a",))], ids=["everything", "a range"])
def test_a_plan_survives_json(asked: Asked) -> None:
    found = settled(asked, SHORT, {0: 130, 1: 10})
    assert Plan.of_json(json.loads(json.dumps(found.as_json()))) == found


@pytest.mark.parametrize("document", [{}, {"asked": 3}, {"name": "x"}, []], ids=str)
def test_another_document_is_no_plan(document: object) -> None:
    with pytest.raises(ValueError, match="no plan"):
        Plan.of_json(document)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "fine"),
    [("again", True), ("a_2", True), ("", False), ("2a", False), ("A", False), ("a-b", False), ("a" * 33, False)],
)
def test_names_fit_topics_and_tables(name: str, fine: bool) -> None:
    assert bool(NAME.fullmatch(name)) is fine
