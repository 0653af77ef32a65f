"""The meter's times to UTC: the letter is trusted, not the calendar."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.tic.decode import capture_json
from producers.tic.horodate import FRANCE, Offsets, is_degraded, iso, utc_s
from tests.tic import framed, standard

PARIS = ZoneInfo("Europe/Paris")


@pytest.mark.parametrize(
    ("horodate", "utc"),
    [
        pytest.param("H081225223518", "2008-12-25T21:35:18Z", id="the specification's own"),
        pytest.param("E251026023000", "2025-10-26T00:30:00Z", id="autumn, the first 02:30"),
        pytest.param("H251026023000", "2025-10-26T01:30:00Z", id="autumn, the second 02:30"),
        pytest.param("H250330015959", "2025-03-30T00:59:59Z", id="spring, the last second of winter"),
        pytest.param("E250330030000", "2025-03-30T01:00:00Z", id="spring, the first second of summer"),
        pytest.param("E000101000000", "1999-12-31T22:00:00Z", id="into the year before"),
        pytest.param("E260101000000", "2025-12-31T22:00:00Z", id="summer in winter: the letter is trusted"),
        pytest.param(" 251204060000", "2025-12-04T05:00:00Z", id="no letter, winter"),
        pytest.param(" 250704060000", "2025-07-04T04:00:00Z", id="no letter, summer"),
        pytest.param(" 251026023000", "2025-10-26T00:30:00Z", id="no letter, an hour that exists twice: the first"),
        pytest.param(" 250330023000", None, id="no letter, an hour that does not exist"),
        pytest.param("h251228062542", "2025-12-28T05:25:42Z", id="degraded"),
        pytest.param("", None, id="empty"),
        pytest.param("H25122806254", None, id="too short"),
        pytest.param("H2512280625420", None, id="too long"),
        pytest.param("X251228062542", None, id="no season"),
        pytest.param("H251328062542", None, id="month 13"),
        pytest.param("H250229000000", None, id="29 February of a common year"),
        pytest.param("H251228240000", None, id="hour 24"),
        pytest.param("H251228062560", None, id="second 60"),
        pytest.param("H2512280625 2", None, id="a space for a digit"),
        pytest.param("H25122806254\u0662", None, id="a digit of another script"),
    ],
)
def test_to_utc(horodate: str, utc: str | None) -> None:
    found = utc_s(horodate)
    assert (None if found is None else iso(found)) == utc


@given(st.integers(946_684_800, 4_102_444_799 - 7200))
@settings(deadline=None)
def test_every_second_of_a_century_comes_back(at_s: int) -> None:
    local = datetime.fromtimestamp(at_s, PARIS)
    letter = "E" if local.dst() else "H"
    assert utc_s(f"{letter}{local:%y%m%d%H%M%S}") == at_s
    assert iso(at_s) == datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(("begin", "letters"), [("2025-03-29T23:00", "HE"), ("2025-10-25T23:00", "EH")])
def test_seconds_across_a_clock_change_follow_each_other(begin: str, letters: str) -> None:
    first = int(datetime.fromisoformat(begin).replace(tzinfo=UTC).timestamp())
    locals_ = [datetime.fromtimestamp(first + k, PARIS) for k in range(0, 5 * 3600, 7)]
    sent = [f"{'E' if local.dst() else 'H'}{local:%y%m%d%H%M%S}" for local in locals_]
    assert sorted({one[0] for one in sent}) == sorted(letters)
    assert [utc_s(one) for one in sent] == list(range(first, first + 5 * 3600, 7))


def test_the_letter_belongs_to_the_horodate_not_to_the_frame() -> None:
    frame = framed(standard("DATE", "", "H251026023000"), standard("SMAXSN", "03985", "E251026023000"))
    (found,) = capture_json([frame])["frames"]
    assert found["DATE"]["horodate"] == "2025-10-26T01:30:00Z"
    assert found["SMAXSN"]["horodate"] == "2025-10-26T00:30:00Z"


@pytest.mark.parametrize(
    ("horodate", "expected"),
    [
        ("h251228062542", {"value": 3985, "horodate": "2025-12-28T05:25:42Z", "degraded": True}),
        ("e250714134553", {"value": 3985, "horodate": "2025-07-14T11:45:53Z", "degraded": True}),
        ("h000000000000", {"value": 3985, "horodate": None, "degraded": True}),
        ("H251328000000", {"value": 3985, "horodate": None}),
        ("", {"value": 3985, "horodate": None}),
    ],
)
def test_a_degraded_clock_says_so(horodate: str, expected: dict[str, object]) -> None:
    (found,) = capture_json([framed(standard("SMAXSN", "03985", horodate))])["frames"]
    assert found == {"SMAXSN": expected}
    assert is_degraded(horodate) == ("degraded" in expected)


def test_an_island_without_summer_time() -> None:
    reunion = Offsets(winter_s=4 * 3600, summer_s=4 * 3600, zone="Indian/Reunion")
    noon = int((datetime(2025, 7, 1, 12, tzinfo=UTC) - timedelta(hours=4)).timestamp())
    assert utc_s("H250701120000", reunion) == utc_s(" 250701120000", reunion) == noon
    assert utc_s("H250701120000", FRANCE) != noon
