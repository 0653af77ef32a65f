"""Whole columns of a body mean what their values mean one by one."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.catalog.datastore import values
from web.datastore.record_bodies import SyncedRecord, Unfit, columns, times_us

zones = st.sampled_from(["", "Z", "+00:00", "+0000", "-05:30", "+14:00", ".5", ".123456Z", ".000001+0100", " Z", "+9", "x"])
times = st.one_of(
    st.builds(lambda moment, zone: moment.isoformat(timespec="seconds") + zone, st.datetimes(), zones),
    st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?Z?", fullmatch=True),
    st.sampled_from(["", "NaT", "2014-01-01", "0000-01-01T00:00:00", "٢٠١٤-01-01T00:00:00", "2014-01-01T00:00:00" + "0" * 30]),
)


@given(st.lists(times, max_size=6))
def test_times_of_a_column_are_those_of_its_values(texts: list[str]) -> None:
    try:
        expected = [values.time_us(text) for text in texts]
    except ValueError:
        with pytest.raises(ValueError):
            times_us(texts)
        return
    assert times_us(texts).tolist() == expected


def read(sent: Any) -> list[tuple[int, int, float, int]]:
    found = columns(json.dumps(sent).encode(), SyncedRecord, lambda rows: [row.metadata_id for row in rows], blank=True)
    return [(series, start, value, flags) for series, start, value, _, flags in found.tolist()]


def record(**more: Any) -> dict[str, Any]:
    return {"metadata_id": 7, "start": "1970-01-01T00:00:01Z", "value": 2, "estimated": True, **more}


@given(st.lists(st.one_of(st.floats(), st.integers(-(2**60), 2**60), st.none()), min_size=1, max_size=5))
def test_values_are_doubles_and_what_is_none_is_not_a_number(sent: list[float | None]) -> None:
    batch = [record(value=value) for value in sent]
    if any(isinstance(value, float) and math.isinf(value) for value in sent):
        with pytest.raises(Exception):  # noqa: B017  # Infinity is no JSON
            read(batch)
        return
    assert [str(value) for _, _, value, _ in read(batch)] == [str(math.nan if value is None else float(value)) for value in sent]


def test_a_body_of_many_chunks_keeps_its_order() -> None:
    batch = [record(value=n) for n in range(12_001)]
    assert [value for _, _, value, _ in read(batch)] == list(range(12_001))


@pytest.mark.parametrize(
    "sent", [[record(value=10**400)], [record(start=["x"])], [record(), {}], "x", [[record()]]], ids=lambda s: str(s)[:30]
)
def test_what_does_not_fit_is_told(sent: Any) -> None:
    with pytest.raises(Unfit):
        read(sent)
