"""The development seed as the contract's section 14 has it."""

import numpy as np
import pytest

from schemas.record_part import ESTIMATED
from streams.core.seed import TRACES, records_of, weather_of


def moment(start_us: int) -> str:
    return str(np.datetime64(int(start_us), "us").astype("datetime64[s]"))


@pytest.mark.parametrize(
    ("at", "kind", "unit", "first", "last", "value", "records", "nulls", "estimated"),
    [
        (0, "NG_C_S", "THM", "2010-01-01", "2014-12-01", 1, 60, 3, 4),
        (1, "NG_C_S", "THM", "2011-09-01", "2014-12-31", 2, 1_218, 50, 67),
        (2, "E_C_S", "KWH", "2011-01-01", "2014-12-31", 0.04, 140_161, 701, 935),
        (3, "E_C_S", "KWH", "2011-01-01", "2014-12-31", 0.4, 35_041, 176, 234),
        (4, "E_OSG_U", "KWH", "2012-01-15", "2014-12-31", 0.3, 25_945, 130, 173),
        (5, "E_OSG_U", "KWH", "2010-01-01", "2014-12-31", 0.1, 87_601, 439, 584),
    ],
)
def test_a_trace_of_the_seed(
    at: int, kind: str, unit: str, first: str, last: str, value: float, records: int, nulls: int, estimated: int
) -> None:
    trace, found = TRACES[at], records_of(TRACES[at], 7)
    assert (trace.interpretation, trace.unit) == (kind, unit)
    assert (moment(found["start_us"][0]), moment(found["start_us"][-1])) == (f"{first}T00:00:00", f"{last}T00:00:00")
    assert len(found) == records
    assert int(np.isnan(found["value"]).sum()) == nulls
    assert int((found["flags"] == ESTIMATED).sum()) == estimated
    assert set(found["value"][~np.isnan(found["value"])].tolist()) == {value}
    assert set(found["series"].tolist()) == {7}


def test_months_begin_on_their_first() -> None:
    found = records_of(TRACES[0], 1)
    assert [moment(start)[:10] for start in found["start_us"][:3]] == ["2010-01-01", "2010-02-01", "2010-03-01"]
    assert [str(value) for value in found["value"][:3]] == ["nan", "1.0", "1.0"]
    assert np.flatnonzero(np.isnan(found["value"])).tolist() == [0, 20, 40]
    assert np.flatnonzero(found["flags"]).tolist() == [3, 18, 33, 48]


def test_there_are_290_026_records_in_all() -> None:
    assert sum(len(records_of(trace, 1)) for trace in TRACES) == 290_026


def test_the_weather_covers_five_years_hour_by_hour_and_is_always_the_same() -> None:
    found = weather_of(2)
    assert (moment(found["start_us"][0]), moment(found["start_us"][-1])) == ("2009-12-31T00:00:00", "2015-01-01T23:00:00")
    assert set(np.diff(found["start_us"]).tolist()) == {3_600_000_000}
    assert (found == weather_of(2)).all()
    assert -5 < float(found["value"].min()) < 8
    assert 25 < float(found["value"].max()) < 40
