"""What a meter's page says: rows to words, numbers and columns."""

from dataclasses import replace

import numpy as np
import pytest

from web.meter_watched import MeterWatched
from web.view import meter_day, meter_live
from web.view.clock import zone_at
from web.view.meter import Energy, Frame, Minute, tariff_index, tariff_text
from web.view.meter_day import day_of

PARIS = "Europe/Paris"
T = 1_765_000_000  # 2025-12-06 05:46:40Z
DAY = meter_day.today(T, PARIS)
ZONE = zone_at(PARIS, T)


def minute(start_s: int, **more: object) -> Minute:
    plain = Minute(start_s, 65, 60, 1200.0, 1000, 1500, None, (230,), (231.5,), (233,), 2, "  HP  BLEU  ")
    return replace(plain, **{"contract_va": 6000, **more})  # type: ignore[arg-type]


def frame(at_s: int, va: int | None = 1240, **more: object) -> Frame:
    plain = Frame(at_s, at_s, at_s + 0.4, va, None, (232,), (5,), 2, "  HP  BLEU  ", 6000, "blue", "red")
    return replace(plain, **more)  # type: ignore[arg-type]


def said(frames: list[Frame], now_s: float) -> dict[str, object]:
    return meter_live.now("m1", frames, frames[-1] if frames else None, now_s, ZONE, (0.0, 2.0))


# ---- days


@pytest.mark.parametrize(
    ("date", "minutes"),
    [
        pytest.param("2025-12-06", 1440, id="a plain day"),
        pytest.param("2025-10-26", 1500, id="two hours are called 02:00"),
        pytest.param("2025-03-30", 1380, id="no hour is called 02:00"),
    ],
)
def test_a_day_is_as_long_as_it_is(date: str, minutes: int) -> None:
    day = day_of(np.datetime64(date).astype(int).item(), PARIS)
    assert (str(day.date), day.minutes) == (date, minutes)
    ticks = meter_day.ticks(day)
    assert [at for at, _ in ticks] == sorted({at for at, _ in ticks})
    assert len(ticks) == minutes // 60 + 1
    names = [name for _, name in ticks]
    assert names.count("02:00") == {1440: 1, 1500: 2, 1380: 0}[minutes]
    assert meter_day.labels(day)[0] == "00:00"
    assert meter_day.labels(day)[-1] == "23:59"


def test_a_gap_is_a_gap() -> None:
    rows = {start: minute(start) for start in range(DAY.start_s, DAY.start_s + 600, 60) if start != DAY.start_s + 180}
    now_s = DAY.start_s + 600
    shown = meter_day.columns(rows, DAY, now_s)
    assert np.isnan(shown["mean"][3])
    assert shown["mean"][2] == 1.2
    assert shown["coverage"][3] == 0
    assert np.isnan(shown["coverage"][10:]).all(), "what has not been yet is not missing"
    assert meter_day.gaps(rows, DAY, now_s) == [(180_000.0, 240_000.0)]


# ---- energy


def index(last_wh: int, energy_wh: int) -> Energy:
    return Energy(last_wh - energy_wh, last_wh, energy_wh)


def test_energy_is_the_difference_of_indexes_and_says_what_was_not_heard() -> None:
    rows = [
        minute(DAY.start_s, energy={"EASF02": index(1010, 10), "EAST": index(5010, 10)}),
        minute(DAY.start_s + 3600, energy={"EASF02": index(1530, 20), "EAST": index(5530, 20)}),  # an hour nobody heard
    ]
    table = meter_live.energy(rows, DAY, {2: "HP BLEU"})
    (row,) = table["rows"]
    assert (row["name"], row["energy"], row["share"]) == ("HP BLEU", "0.53 kWh", 100)
    assert table["total"] == "0.53 kWh"
    assert table["note"] == "of this, 0.50 kWh while nothing was heard"


def test_a_day_that_begins_late_says_so() -> None:
    table = meter_live.energy([minute(DAY.start_s + 7 * 3600, energy={"BASE": index(90, 1)})], DAY, {})
    assert table["rows"][0]["name"] == "Base"
    assert table["note"] == "since 07:00: nothing was heard before"


def test_another_meter_counts_by_what_was_heard() -> None:
    rows = [minute(DAY.start_s, energy={"EAST": index(9000, 5)}), minute(DAY.start_s + 60, energy={"EAST": index(7, 7)})]
    (counted,) = meter_day.counted(rows)
    assert (counted.total_wh, counted.measured_wh, counted.last_wh) == (12, 12, 7)


# ---- words


@pytest.mark.parametrize(
    ("tariff", "name", "index", "text"),
    [
        pytest.param(2, "    HP  BLEU    ", 2, "HP BLEU", id="the supplier's name"),
        pytest.param(3, "", 3, "Index 3", id="no name"),
        pytest.param(0, "HPJR", 6, "Peak, red days", id="historic Tempo"),
        pytest.param(0, "TH..", 1, "Base", id="historic base"),
        pytest.param(0, "", 0, "", id="nothing"),
    ],
)
def test_tariffs_by_name(tariff: int, name: str, index: int, text: str) -> None:
    assert (tariff_index(tariff, name), tariff_text(tariff, name)) == (index, text)


def test_a_live_meter() -> None:
    now = said([frame(T)], T + 5)
    assert (now["state"], now["share"], now["tariff"], now["notes"]) == ("live", 21, "HP BLEU", [])
    assert now["numbers"]["apparent"] == ("1\u202f240", "VA")  # type: ignore[index]
    assert now["tempo"] == {"today": {"colour": "blue", "text": "Blue"}, "tomorrow": {"colour": "red", "text": "Red"}}


def test_yesterdays_colour_is_not_todays() -> None:
    assert said([frame(T)], T + 3600)["tempo"] is not None
    assert said([frame(T)], T + 86_400)["tempo"] is None


@pytest.mark.parametrize(
    ("frames", "after_s", "state", "sentence"),
    [
        pytest.param([], 0, "never", "nothing received yet", id="never"),
        pytest.param([frame(T)], 90, "silent", "no data for 1 min 29 s", id="a minute"),
        pytest.param([frame(T)], 7200, "silent", "silent since 06:46:40", id="two hours"),
    ],
)
def test_silence_has_no_number(frames: list[Frame], after_s: int, state: str, sentence: str) -> None:
    now = said(frames, T + after_s)
    assert (now["state"], now["sentence"]) == (state, sentence)
    assert now["numbers"]["apparent"] == ("–", "VA")  # type: ignore[index]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        pytest.param({"clock_degraded": True}, "lost the time", id="degraded"),
        pytest.param({"received_s": T + 12_600.0}, "3 h 30 min behind", id="wrong"),
        pytest.param({"received_s": T + 12_600.0, "clock_synchronised": False}, None, id="nobody knows"),
    ],
)
def test_a_clock_that_is_not_right_is_told(more: dict[str, object], says: str | None) -> None:
    notes = said([frame(T, **more)], T + 1)["notes"]
    assert isinstance(notes, list)
    assert (says in notes[0]) if says else notes == []


@pytest.mark.parametrize(
    ("more", "state", "kinds"),
    [
        pytest.param({}, "good", [], id="good"),
        pytest.param({"discarded_frames": 2}, "fair", [], id="noisy"),
        pytest.param({"lost_frames": 20}, "bad", ["link"], id="bad"),
        pytest.param({"quarantined": 1}, "fair", ["quarantine"], id="put aside"),
    ],
)
def test_the_lines_quality_is_told(more: dict[str, object], state: str, kinds: list[str]) -> None:
    rows = {DAY.start_s: minute(DAY.start_s, **more)}
    past = meter_live.past(rows, DAY, {}, DAY.start_s + 60, {})
    assert past["quality"]["state"] == state
    assert [note["kind"] for note in past["notes"]] == kinds


# ---- what a page hears


def test_a_page_hears_only_what_is_new() -> None:
    one = MeterWatched("m1", ZONE)
    assert one.take({("b", 1): frame(T), ("b", 2): frame(T + 1)}, T + 2, PARIS).whole is not None
    more = one.take({("b", 2): frame(T + 1), ("b", 3): frame(T + 2)}, T + 3, PARIS)
    assert more.whole is None
    assert more.points == {"t": [ZONE.local_ms(T + 2)], "apparent": [1.24], "injected": more.points["injected"]}  # type: ignore[index]
    assert not one.take({("b", 3): frame(T + 2)}, T + 3, PARIS)
    late = one.take({("b", 0): frame(T - 1)}, T + 4, PARIS)
    assert late.whole is not None
    assert len(late.whole["t"]) == 4


def test_a_line_never_crosses_a_silence() -> None:
    shown = meter_live.columns([frame(T), frame(T + 60)], ZONE)
    assert np.isnan(shown["apparent"][1])
    assert len(shown["t"]) == 3


def test_a_minute_that_grows_is_a_patch() -> None:
    one = MeterWatched("m1", ZONE)
    first = one.take_minutes(DAY.number, [minute(DAY.start_s, seconds=30)], DAY.start_s + 30, deep=True)
    assert first.change is not None
    assert first.change.whole is not None
    second = one.take_minutes(DAY.number, [minute(DAY.start_s, apparent_max_va=1600)], DAY.start_s + 60, deep=False)
    assert second.change is not None
    assert second.change.patches == {"max": [(0, 1.6)]}
