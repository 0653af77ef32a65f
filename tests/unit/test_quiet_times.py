"""Quiet times: over midnight, by day of the week, on the days on which the clock is changed."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.notices.quiet import Span, quiet_until

PARIS, SEOUL = ZoneInfo("Europe/Paris"), ZoneInfo("Asia/Seoul")


def at(text: str, zone: ZoneInfo = PARIS, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp()


def until(now: str, *spans: str, zone: ZoneInfo = PARIS, fold: int = 0) -> str | None:
    end_s = quiet_until([Span.parse(one) for one in spans], zone, at(now, zone, fold))
    return None if end_s is None else datetime.fromtimestamp(end_s, zone).strftime("%a %d %H:%M")


@pytest.mark.parametrize(
    ("now", "spans", "end"),
    [
        pytest.param("2026-01-14 21:59", ("22:00-07:00",), None, id="before it"),
        pytest.param("2026-01-14 22:00", ("22:00-07:00",), "Thu 15 07:00", id="its first moment"),
        pytest.param("2026-01-15 06:59", ("22:00-07:00",), "Thu 15 07:00", id="after midnight"),
        pytest.param("2026-01-15 07:00", ("22:00-07:00",), None, id="its end is out"),
        pytest.param("2026-01-17 03:00", ("mon-fri 22:00-07:00",), "Sat 17 07:00", id="Friday's night lasts into Saturday"),
        pytest.param("2026-01-17 23:00", ("mon-fri 22:00-07:00",), None, id="Saturday's evening is not named"),
        pytest.param("2026-01-17 23:00", ("sat,sun 00:00-24:00",), "Mon 19 00:00", id="two whole days are one"),
        pytest.param("2026-01-16 23:00", ("mon-fri 22:00-00:00", "sat-sun 00:00-24:00"), "Mon 19 00:00", id="one after another"),
        pytest.param("2026-01-16 12:00", ("fri-mon 11:00-13:00",), "Fri 16 13:00", id="days over the end of the week"),
        pytest.param("2026-01-16 12:00", (), None, id="none"),
        pytest.param("2026-03-29 01:30", ("01:00-02:30",), "Sun 29 03:00", id="an end that the clock jumps over"),
        pytest.param("2026-03-29 03:10", ("02:30-04:00",), "Sun 29 04:00", id="a begin that the clock jumps over"),
        pytest.param("2026-10-24 23:00", ("22:00-07:00",), "Sun 25 07:00", id="a night of ten hours"),
    ],
)
def test_quiet_lasts(now: str, spans: tuple[str, ...], end: str | None) -> None:
    assert until(now, *spans) == end


def test_a_night_has_ten_hours_when_the_clock_is_set_back_and_eight_when_forward() -> None:
    night = [Span.parse("22:00-07:00")]
    assert (quiet_until(night, PARIS, at("2026-10-24 22:00")) or 0) - at("2026-10-24 22:00") == 10 * 3600
    assert (quiet_until(night, PARIS, at("2026-03-28 22:00")) or 0) - at("2026-03-28 22:00") == 8 * 3600
    assert (quiet_until(night, SEOUL, at("2026-03-28 22:00", SEOUL)) or 0) - at("2026-03-28 22:00", SEOUL) == 9 * 3600


def test_an_hour_that_comes_twice_is_quiet_twice() -> None:
    hour = [Span.parse("02:00-03:00")]
    for fold in (0, 1):
        assert quiet_until(hour, PARIS, at("2026-10-25 02:30", fold=fold)) == at("2026-10-25 03:00")


@given(
    st.integers(0, 366 * 24 * 60),
    st.sampled_from(["22:00-07:00", "00:00-24:00", "sat 12:00-12:00", "sun 01:00-02:30", "02:30-03:30"]),
)
def test_it_is_quiet_until_the_end_and_not_after(minute: int, text: str) -> None:
    spans, now_s = [Span.parse(text)], at("2026-01-01 00:00") + 60 * minute
    end_s = quiet_until(spans, PARIS, now_s)
    if end_s is None or text == "00:00-24:00":
        return
    assert quiet_until(spans, PARIS, (now_s + end_s) / 2) == end_s
    assert quiet_until(spans, PARIS, end_s - 1) == end_s
    assert quiet_until(spans, PARIS, end_s) is None


@pytest.mark.parametrize(
    "text", ["", "22-07", "22:00", "24:00-07:00", "25:00-07:00", "mo 22:00-07:00", "mon- 22:00-07:00", "22:00-07:00 x"]
)
def test_what_is_no_quiet_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a quiet time"):
        Span.parse(text)
