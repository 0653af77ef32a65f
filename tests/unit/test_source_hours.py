"""Hours of a source as records: what was measured, and nothing over a gap."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas.record_part import ESTIMATED, REMOVED, Records
from streams.core.source_hours import HOUR_S, HOUR_US, Hours, Stored, changes, over

T0 = 1_790_002_800
assert T0 % HOUR_S == 0


def hours(*rows: tuple[int, float, float]) -> Hours:
    """Of (number of the hour, kWh, coverage)."""
    number, energy, coverage = zip(*rows, strict=True) if rows else ((), (), ())
    return Hours(np.array([T0 + n * HOUR_S for n in number], np.int64), np.array(energy, float), np.array(coverage, float))


def stored(rows: dict[int, tuple[float | None, bool]]) -> Stored:
    """Of (value, estimated) by start in microseconds."""
    starts = sorted(rows)
    values = [np.nan if rows[at][0] is None else rows[at][0] for at in starts]
    return Stored(np.array(starts, np.int64), np.array(values, float), np.array([rows[at][1] for at in starts], bool))


def us(hour: float) -> int:
    return int((T0 + hour * HOUR_S) * 1_000_000)


def written(records: Records) -> dict[float, Any]:
    """What becomes of each start, by hour: (value, estimated), or "removed"."""
    found = {}
    for series, start_us, value, record_id, flags in records.tolist():
        assert (series, record_id) == (7, 0)
        said = "removed" if flags & REMOVED else (None if np.isnan(value) else value, bool(flags & ESTIMATED))
        found[(start_us - us(0)) / HOUR_US] = said
    return found


def test_an_hour_is_a_record_and_the_next_closes_it() -> None:
    found = changes(7, hours((0, 1.5, 1.0), (1, 2.5, 1.0)), stored({}))
    assert written(found) == {0: (1.5, False), 1: (2.5, False), 2: (None, False)}


def test_a_gap_is_null_from_its_first_hour_on() -> None:
    found = changes(7, hours((0, 1.5, 1.0), (5, 2.5, 1.0)), stored({}))
    assert written(found) == {0: (1.5, False), 1: (None, False), 5: (2.5, False), 6: (None, False)}


def test_coverage_decides_between_measured_estimated_and_null() -> None:
    found = changes(7, hours((0, 1.0, 0.99), (1, 1.0, 0.98), (2, 1.0, 0.95), (3, 1.0, 0.94)), stored({}))
    assert written(found) == {0: (1.0, False), 1: (1.0, True), 2: (1.0, True), 3: (None, False), 4: (None, False)}


def test_a_late_minute_replaces_its_hour_alone() -> None:
    there = stored({us(0): (1.5, False), us(1): (2.0, True), us(2): (None, False)})
    assert written(changes(7, hours((0, 1.5, 1.0), (1, 2.5, 1.0)), there)) == {1: (2.5, False)}


def test_what_stands_where_nothing_was_measured_goes_and_what_stands_outside_stays() -> None:
    there = stored({us(-1): (9.0, False), us(0): (1.5, False), us(3): (9.0, False), us(3.5): (None, False), us(9): (9.0, False)})
    found = written(changes(7, hours((0, 1.5, 1.0), (5, 2.5, 1.0)), there))
    assert found == {1: (None, False), 3: (None, False), 3.5: "removed", 5: (2.5, False), 6: (None, False)}


def test_an_hour_is_over_when_it_is_whole_or_its_minutes_are_not_waited_for() -> None:
    measured = hours((0, 1.0, 0.5), (1, 1.0, 0.5), (2, 1.0, 1.0), (3, 1.0, 0.9))
    now_s = T0 + 3 * HOUR_S
    assert over(measured, now_s, settle_s=180).start_s.tolist() == [T0, T0 + HOUR_S, T0 + 2 * HOUR_S]
    assert over(hours((2, 1.0, 0.5)), now_s, settle_s=180).start_s.tolist() == []
    assert over(hours((2, 1.0, 0.5)), now_s + 180, settle_s=180).start_s.tolist() == [T0 + 2 * HOUR_S]


VALUES = st.tuples(st.none() | st.floats(-5, 5), st.booleans())


@given(
    st.dictionaries(st.integers(0, 12), st.tuples(st.floats(-5, 5), st.floats(0.01, 1))),
    st.dictionaries(st.integers(-4, 28).map(lambda half: us(half / 2)), VALUES),
)
def test_what_was_written_once_is_not_written_again(measured: dict[int, Any], before: dict[int, Any]) -> None:
    mine = hours(*((n, *measured[n]) for n in sorted(measured)))
    after = dict(before)
    for hour, said in written(changes(7, mine, stored(before))).items():
        if said == "removed":
            del after[us(hour)]
        else:
            after[us(hour)] = said
    assert len(changes(7, mine, stored(after))) == 0
    for n, (energy, coverage) in measured.items():
        assert after[us(n)][0] == (energy if coverage >= 0.95 else None)
        assert us(n + 1) in after
    held = sum(value for at, (value, _) in after.items() if value is not None and measured and us(min(measured)) <= at)
    beyond = sum(v for at, (v, _) in before.items() if v is not None and measured and at > us(max(measured) + 1))
    assert np.isclose(held - beyond, sum(energy for energy, coverage in measured.values() if coverage >= 0.95))
