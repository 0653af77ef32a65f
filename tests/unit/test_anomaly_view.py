"""Anomalies in words and as plots, from plain rows."""

from dataclasses import asdict, replace
from typing import Any

import pytest

from schemas.anomaly import LINKY, Anomaly
from tests.fakes.anomalies import anomaly, sag
from web.language import language
from web.view import anomaly as words
from web.view import anomaly_facts as facts
from web.view import anomaly_plot as plot

AT = 1_790_000_000  # 2026-09-21T14:13:20Z
SENSOR = "gre000001"


def row(one: Anomaly, **said: Any) -> dict[str, Any]:
    """As web.anomaly_queries gives it."""
    lists = [second.lists() for second in one.samples]
    names = ("sample_power_mw", "sample_pf_pct", "sample_voltage_mv")
    return {
        **{name: value for name, value in asdict(one).items() if name not in ("samples", "limit", "version", "details")},
        "limit_value": one.limit,
        "details": list(one.details.items()),
        "sample_second": [second.timestamp_s for second in one.samples],
        "sample_probe": [second.probe_id for second in one.samples],
        **{name: [three[at].tolist() for three in lists] for at, name in enumerate(names)},
        "log_offset": one.version,
        "acknowledged": False,
        "note": "",
        "said_by": "",
        "said_us": 0,
        **said,
    }


@pytest.mark.parametrize(
    ("one", "said"),
    [
        pytest.param(
            sag(SENSOR, AT),
            "Phase B fell to 136.4 V, 62\u00a0% of the nominal voltage, for 400 ms; 198.0 V is the limit.",
            id="a dip",
        ),
        pytest.param(
            anomaly("overload", SENSOR, AT, 125, unit="mW", worst=34_210_000, limit=30_000_000),
            "The mean of a minute reached 34.2 kW; 30.0 kW is the limit of the contract.",
            id="an overload",
        ),
        pytest.param(
            anomaly("low_pf", SENSOR, AT, 900, unit="permille", worst=712, limit=900),
            "The power factor fell to 71.2\u00a0%; 90.0\u00a0% is the limit.",
            id="a low power factor",
        ),
        pytest.param(
            anomaly("clock", SENSOR, AT, 900, unit="ms", worst=93_500, limit=5000),
            "The sensor's clock was off by up to 1 min 33 s; 5 s is the limit.",
            id="a wrong clock",
        ),
        pytest.param(anomaly("silence", SENSOR, AT, None), "Nothing was heard from the sensor for 2 h.", id="a silence"),
        pytest.param(anomaly("thunder", SENSOR, AT, 3), "thunder: 3 s", id="a rule of a newer worker"),
    ],
)  # fmt: skip
def test_what_happened_as_a_sentence(one: Anomaly, said: str) -> None:
    assert words.sentence(row(one), AT + 7200).replace("\u00a0V", " V") == said


@pytest.mark.parametrize("code", ["ko", "fr"])
@pytest.mark.parametrize("rule", facts.RULES)
def test_every_rule_is_told_in_every_language(rule: str, code: str) -> None:
    one = row(anomaly(rule, SENSOR, AT, 30, phase=1))
    said = [words.sentence(one, AT), words.rule(one), words.SEVERITIES[one["severity"]]]
    for text in said:
        assert text.of(language(code))
        assert "{" not in text.of(language(code))
    assert said[0].of(language(code)) != said[0]


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        pytest.param("70-40%/200-500ms", "70–40 % left, 200–500 ms", id="of both"),
        pytest.param("90-80%/5-60s", "90–80 % left, 5–60 s", id="in seconds"),
        pytest.param("<5%/0.5-1s", "no more than 5 % left, 0.5–1 s", id="of an interruption"),
        pytest.param("", None, id="of none"),
    ],
)
def test_cells_of_the_standard_are_readable(cell: str, said: str | None) -> None:
    assert words.en50160(row(sag(SENSOR, AT, en50160=cell))) == said


def test_a_dip_is_drawn_sample_by_sample_with_its_limit_and_length() -> None:
    drawn = plot.around(row(sag(SENSOR, AT)), [], "Asia/Seoul", AT)
    assert (drawn["window"], drawn["mark"], drawn["limit"]) == ([0, 5000], [2350, 2750], 198.0)
    line = drawn["lines"]["B"]
    assert (len(line["t"]), min(line["v"])) == (200, 136.4)
    low = [t for t, v in zip(line["t"], line["v"], strict=True) if v == 136.4]
    assert (min(low), max(low)) == (2350, 2750)
    assert drawn["ticks"][0] == (0, "23:13:18")
    assert drawn["axis"][0] < 136.4 < 221 < drawn["axis"][1]


def test_a_missing_second_is_a_gap() -> None:
    one = sag(SENSOR, AT)
    drawn = plot.around(row(replace(one, samples=tuple(s for s in one.samples if s.timestamp_s != AT + 1))), [], "UTC", AT)
    assert drawn["lines"]["A"]["v"].count(None) == 1


def test_what_has_no_samples_is_drawn_by_minute() -> None:
    one = row(anomaly("overload", SENSOR, AT, 125, unit="mW", worst=34_210_000, limit=30_000_000))
    start_s, end_s = plot.span_of(one, AT)
    assert (start_s % 60, end_s % 60, start_s <= AT - 600, end_s >= AT + 725) == (0, 0, True, True)
    first = int(start_s)
    minutes = [(first + 60 * m, phase, 4e6, 95.0, 220e3) for m in (0, 1, 3) for phase in (1, 2, 3)]
    drawn = plot.around(one, minutes, "UTC", AT)
    assert drawn["lines"] == {
        "total": {"t": [0, 60_000, 60_000, 120_000, 120_000, 180_000, 240_000], "v": [12.0] * 4 + [None] + [12.0] * 2}
    }
    assert drawn["limit"] == 30.0
    assert plot.around(one, [], "UTC", AT)["empty"]


def test_a_linkys_is_drawn_as_its_apparent_power() -> None:
    one = row(anomaly("link", "021861234567", AT, 600, kind=LINKY, unit="permille", worst=80, limit=20))
    first = int(plot.span_of(one, AT)[0])
    drawn = plot.around(one, [(first, 1, 2_400_000.0, 0.0, 0.0)], "Europe/Paris", AT)
    assert (plot.kind_of(one), drawn["limit"]) == ("apparent", None)
    assert drawn["lines"] == {"total": {"t": [0, 60_000], "v": [2.4, 2.4]}}


def test_the_timeline_has_a_lane_a_sensor_and_shows_what_is_short() -> None:
    rows = [row(sag(f"gre{n:06d}", AT + 60 * n)) for n in (2, 1)] + [row(anomaly("silence", "gre000002", AT - 9000, None))]
    drawn = plot.timeline(rows, AT - 3600, AT + 3600, "UTC", AT + 60, by_rule=False)
    assert (drawn["lanes"], drawn["names"]["text"], drawn["hidden"]) == (2, ["gre000001", "gre000002"], 0)
    width = [b - a for a, b in zip(drawn["bars"]["left"], drawn["bars"]["right"], strict=True)]
    assert width[0] == pytest.approx(7200_000 * plot.LEAST_SHARE)
    assert (drawn["bars"]["left"][2], drawn["bars"]["right"][2]) == (0, 3_660_000)  # it began before, and goes on until now
    assert drawn["bars"]["colour"] == ["--bad", "--bad", "--warn"]
    by_rule = plot.timeline(rows, AT - 3600, AT + 3600, "UTC", AT + 60, by_rule=True)
    assert by_rule["names"]["text"] == ["Voltage dip", "Silence"]


def test_more_lanes_than_have_room_are_counted() -> None:
    rows = [row(sag(f"gre{n:06d}", AT)) for n in range(plot.LANES_MOST + 3)]
    drawn = plot.timeline(rows, AT - 60, AT + 60, "UTC", AT, by_rule=False)
    assert (drawn["lanes"], drawn["hidden"]) == (plot.LANES_MOST, 3)


@pytest.mark.parametrize("zone", ["Europe/Paris", "Asia/Seoul", "Asia/Kolkata"])
@pytest.mark.parametrize("days", [1, 7, 30, 365])
def test_ticks_stand_at_whole_local_times(zone: str, days: int) -> None:
    found = plot.ticks(AT - days * 86_400 + 17, AT + 17, zone)
    assert 4 <= len(found) <= 15
    shown = [str(text) for _, text in found]
    assert all(text.endswith(":00") or " " in text for text in shown)
