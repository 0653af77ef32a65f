"""Values of JSON bodies as the contract's ground rules read them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.catalog.datastore import values

JSON = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.lists(st.integers(), max_size=2)


def us(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2014-01-01T00:00:00Z", us(2014, 1, 1)),
        ("2014-01-01T00:00", us(2014, 1, 1)),
        ("2014-01-01T00:00:00", us(2014, 1, 1)),
        ("2014-01-01T02:00:00+02:00", us(2014, 1, 1)),
        ("2014-01-01T02:00:00+0200", us(2014, 1, 1)),
        ("2013-12-31T19:00:00-05:00", us(2014, 1, 1)),
        ("2014-01-01T00:00:00.5Z", us(2014, 1, 1) + 500_000),
        ("2016-08-12T22:08:19.554549Z", us(2016, 8, 12, 22, 8, 19) + 554_549),
        ("1969-12-31T23:59:59.999999Z", -1),
        (" 2014-01-01T00:00:00Z ", us(2014, 1, 1)),
    ],
)
def test_a_time(text: str, expected: int) -> None:
    assert values.time_us(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2014-01-01",
        "junk",
        "",
        "2014-13-01T00:00Z",
        "2014-01-01T24:00Z",
        "2014-01-01T00:00+25:00",
        "0001-01-01T00:00+02:00",
        "9999-12-31T23:59-01:00",
        "２014-01-01T00:00Z",
        None,
        5,
        True,
    ],
)
def test_no_time(text: Any) -> None:
    with pytest.raises(ValueError, match=r"Datetime has wrong format\. Use one of these formats instead: YYYY-MM-DDThh:mm"):
        values.time_us(text)


@pytest.mark.parametrize(
    ("value", "expected"), [("TRUE", True), ("false", False), (1, True), (0, False), ("1", True), (True, True)]
)
def test_a_boolean(value: Any, expected: bool) -> None:
    assert values.boolean(value) is expected


def test_no_boolean() -> None:
    for value in ("z", "yes", 2, 1.0, None, [], ""):
        with pytest.raises(ValueError, match="is not a valid boolean"):
            values.boolean(value)
    for value, said in (("z", "z"), ("z" * 5000, "z" * 100), ([1] * 5000, "list")):  # an answer is not as long as what came
        with pytest.raises(ValueError, match=rf'^"{said}" is not a valid boolean\.$'):
            values.boolean(value)


@pytest.mark.parametrize(("value", "expected"), [(1, 1.0), ("1.5", 1.5), ("-1e3", -1000.0), (" .5 ", 0.5)])
def test_a_number(value: Any, expected: float) -> None:
    assert values.number(value) == expected


@pytest.mark.parametrize("value", ["nan", "inf", "1_000", "0x1", "", True, None, 10**400, "1e999", float("nan")])
def test_no_number(value: Any) -> None:
    with pytest.raises(ValueError, match=r"A valid number is required\."):
        values.number(value)


@pytest.mark.parametrize(("value", "expected"), [(7, 7), ("7", 7), (7.0, 7), ("7.0", 7), ("-7", -7)])
def test_an_integer(value: Any, expected: int) -> None:
    assert values.integer(value) == expected


@pytest.mark.parametrize("value", [7.5, "7.5", "x", True, None, 2**63, "9" * 29, float("inf")])
def test_no_integer(value: Any) -> None:
    with pytest.raises(ValueError, match=r"A valid integer is required\."):
        values.integer(value)


def test_a_date() -> None:
    assert values.day("2016-8-2") == "2016-08-02"
    for value in ("2016-02-30", "2016", "2016-08-12T00:00Z", 5, None):
        with pytest.raises(ValueError, match="Date has wrong format"):
            values.day(value)


@given(st.sampled_from(sorted(values.READERS)), JSON)
def test_anything_is_read_or_a_value_error_and_what_is_read_stays(data_type: str, value: Any) -> None:
    try:
        found = values.READERS[data_type](value)
    except ValueError:
        return
    if data_type != "DATETIME":
        assert values.READERS[data_type](found) == found
