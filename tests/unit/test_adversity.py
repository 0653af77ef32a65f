"""What a gateway receives on a bad day, and what must come out of it."""

import numpy as np
import pytest

from producers.simulate.adversity import (
    BACKLOG,
    CONFLICT,
    LATE_BLOCK,
    LIVE,
    RETRANSMISSION,
    STRAY_COPY,
    Arrival,
    Rates,
    arrivals,
    body,
    expected,
)
from producers.simulate.fleet import fleet, second, seconds, truth

START_S = 1_772_442_000
END_S = START_S + 7200
FLEET = fleet(11, 6)
POSTS = arrivals(FLEET, START_S, END_S, Rates(conflict=0.002))
CALM = Rates(retransmission=0, stray_copy=0, outage_every_s=0, gap_every_s=0, step_every_s=0, late_block_s=0)


def test_it_is_the_same_each_time() -> None:
    assert arrivals(fleet(11, 6), START_S, END_S, Rates(conflict=0.002)) == POSTS


def test_everything_bad_happens() -> None:
    assert {post.why for post in POSTS} == {LIVE, RETRANSMISSION, STRAY_COPY, BACKLOG, LATE_BLOCK, CONFLICT}


def test_posts_come_in_the_order_of_their_arrival_after_they_were_measured() -> None:
    assert [p.at_s for p in POSTS] == sorted(p.at_s for p in POSTS)
    calm = arrivals(FLEET, START_S, START_S + 600, CALM)
    assert all(0 < p.at_s - p.timestamp_s - 1 < 1 for p in calm)


def test_a_calm_day_misses_only_silence() -> None:
    found = expected(FLEET, arrivals(FLEET, START_S, END_S, CALM))
    at_s = np.arange(START_S, END_S)
    for index, sensor_id in enumerate(FLEET.sensor_ids):
        silent = seconds(FLEET, np.full(len(at_s), index), at_s).silent
        assert found[sensor_id] == at_s[~silent].tolist()


def test_no_second_is_measured_twice() -> None:
    firsts = [(p.index, p.timestamp_s) for p in POSTS if p.why in (LIVE, BACKLOG, LATE_BLOCK)]
    assert len(firsts) == len(set(firsts))
    assert sum(map(len, expected(FLEET, POSTS).values())) == len(firsts)


def test_gaps_and_clock_steps_leave_seconds_out() -> None:
    for distinct in expected(FLEET, POSTS).values():
        assert len(distinct) < END_S - START_S


def test_blocks_come_backwards() -> None:
    late = [p.timestamp_s for p in POSTS if p.index == 0 and p.why == LATE_BLOCK]
    assert late == sorted(late, reverse=True)


def test_a_copy_is_equal_and_a_conflict_is_not() -> None:
    copy = next(p for p in POSTS if p.why == RETRANSMISSION)
    conflict = next(p for p in POSTS if p.why == CONFLICT)
    assert body(FLEET, copy) == second(FLEET, copy.index, copy.timestamp_s)
    assert body(FLEET, conflict) != second(FLEET, conflict.index, conflict.timestamp_s)
    first = next(p for p in POSTS if (p.index, p.timestamp_s) == (conflict.index, conflict.timestamp_s))
    assert first.why != CONFLICT


def test_a_silent_second_has_no_body() -> None:
    silence = next(e for i in range(6) for e in truth(FLEET, i, START_S, END_S + 86_400) if e.kind == "silence")
    at_s = silence.start_ms // 1000
    post = Arrival(at_s + 1.0, silence.index, at_s, LIVE)
    with pytest.raises(ValueError, match="silent"):
        body(FLEET, post)
