"""Months of one simulated sensor: what is sent, in which order, and never twice."""

import json
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.demo import last_month
from producers.ingest.lines import Line, read_line
from producers.simulate.fleet import fleet, seconds
from producers.simulate.history import DAY_S, Span, Told, days, lines, without

T0 = 1_790_000_000 // DAY_S * DAY_S
spans = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)).map(lambda s: (s[0], s[0] + s[1])), max_size=6)


def test_each_second_is_a_good_body_with_the_means_of_the_live_one() -> None:
    made = fleet(1, 3, event_chance=0.0)
    pieces = list(lines(made, 0, T0, T0 + 5000))
    bodies = [json.loads(text) for piece in pieces for _, text in piece]
    assert [one["timestamp"] for one in bodies] == list(range(T0, T0 + 5000))
    assert isinstance(read_line(1, pieces[0][0][1], needs_token=False), Line)
    live = seconds(made, np.zeros(1, np.int64), np.array([T0 + 7]))
    assert bodies[7]["data"][0]["power"] == [round(live.power_mw[0, 0, :18].mean())] * 18
    assert bodies[7]["data"][2]["voltage"] == live.voltage_rms_mv[0, 2]


@given(spans, st.tuples(st.integers(0, 30), st.integers(31, 60)))
def test_what_is_left_of_a_span(taken: list[Span], span: Span) -> None:
    covered = {s for begin, end in taken for s in range(begin, end)}
    left = [s for begin, end in without(span, taken) for s in range(begin, end)]
    assert left == [s for s in range(*span) if s not in covered]


def test_days_are_sent_newest_first() -> None:
    assert days([(T0 - 10, T0 + DAY_S + 5), (T0 + 3 * DAY_S, T0 + 3 * DAY_S + 1)]) == [
        (T0 + 3 * DAY_S, T0 + 3 * DAY_S + 1),
        (T0 + DAY_S, T0 + DAY_S + 5),
        (T0, T0 + DAY_S),
        (T0 - 10, T0),
    ]


def test_what_was_sent_is_kept_in_a_file(tmp_path: Path) -> None:
    kept = Told(tmp_path / "history.json")
    assert kept.spans() == []
    for span in [(10, 20), (40, 50), (20, 25), (5, 12), (48, 60)]:
        kept.add(span)
    assert Told(tmp_path / "history.json").spans() == [(5, 25), (40, 60)]
    (tmp_path / "history.json").write_text("torn")
    assert kept.spans() == []


@pytest.mark.parametrize(("now", "begins"), [("2026-03-01T00:00:00", "2026-02-01"), ("2026-01-31T23:59:59", "2025-12-01")])
def test_the_month_before(now: str, begins: str) -> None:
    zone = ZoneInfo("Asia/Seoul")
    assert (
        last_month(datetime.fromisoformat(now).replace(tzinfo=zone))
        == datetime.fromisoformat(begins).replace(tzinfo=zone).timestamp()
    )
