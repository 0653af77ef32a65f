"""Firmware as the contract's sections 3 to 6 have it, with the time as an argument."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.simulate.actions import BATCH_MAX, Action, Answer, AskTime, Boot, Grant, NewToken, Orders, Post
from producers.simulate.clock import Clock, Exchange
from producers.simulate.device import Device
from producers.simulate.outbox import Flash

OK = Answer(202)
NOTHING = Answer(0)
TIME = Answer(200, exchange=Exchange(0, 10, 10, 20))
REFRESH_S = 302_400.0


def granted(token: str = "t1", orders: Orders | None = None) -> Answer:
    return Answer(200, grant=Grant(token, REFRESH_S, orders=orders))


def device(**fields: object) -> Device:
    """One that has booted at 0 and knows the time."""
    orders = fields.pop("orders", None)
    one = Device(**fields)  # type: ignore[arg-type]
    (boot,) = one.due(0)
    one.answered(boot, granted(orders=orders), 0)  # type: ignore[arg-type]
    synchronise(one)
    return one


def synchronise(one: Device, now_s: float = 0.0, answer: Answer = TIME) -> None:
    for _ in range(4):
        (ask,) = [action for action in one.due(now_s) if isinstance(action, AskTime)]
        one.answered(ask, answer, now_s)


def backlog(one: Device, *seconds: int) -> None:
    """Seconds that it holds and that are not new."""
    for t in seconds:
        one.flash.store[t] = None
        one.flash.last_used_s = t


def posts(one: Device, now_s: float = 0.0) -> list[Post]:
    return [action for action in one.due(now_s) if isinstance(action, Post)]


def only(one: Device, now_s: float = 0.0) -> Post:
    (post,) = posts(one, now_s)
    return post


def one_action(one: Device, now_s: float = 0.0) -> Action:
    (action,) = one.due(now_s)
    return action


# ---- boot, token


def test_it_boots_with_its_secret_then_asks_the_time_then_posts() -> None:
    one = Device(Flash("gre000001", "pms_x", {5: None}, 5))
    assert one.due(0) == [Boot()]
    assert one.due(0) == [], "it is on its way"
    one.answered(Boot(), granted(), 0)
    for _ in range(4):
        assert one.due(0) == [AskTime()], "nothing is posted before the clock is right"
        one.answered(AskTime(), TIME, 0)
    assert only(one).seconds == (5,)
    assert (one.tally.boots, one.tally.slews) == (1, 1)


def test_the_time_in_the_boot_reply_is_the_first_of_four_exchanges() -> None:
    one = Device()
    one.answered(one_action(one), Answer(200, grant=Grant("t1", 1), exchange=TIME.exchange), 0)
    for _ in range(3):
        one.answered(one_action(one), TIME, 0)
    assert one.synced


def test_no_secret_and_no_token_is_ever_shown() -> None:
    one = device(flash=Flash("gre000001", "pms_hidden"))
    one.keep(10)
    post = only(one)
    shown = repr([one, post, NewToken("t1"), granted()])
    assert "pms_hidden" not in shown
    assert "t1" not in shown


def test_a_secret_that_is_refused_is_no_storm() -> None:
    one, asked, now_s = Device(), [], 0.0
    while now_s < 3600:
        for action in one.due(now_s):
            asked.append(now_s)
            one.answered(action, Answer(401, "token_invalid"), now_s)
        now_s += 0.5
    assert one.alarm
    assert sum(1 for s in asked if s < 60) <= 10
    assert len(asked) < 25


@pytest.mark.parametrize("status", [403, 422])
def test_a_boot_that_is_refused_waits_an_hour(status: int) -> None:
    one = Device()
    one.answered(one_action(one), Answer(status, "sensor_disabled"), 0)
    assert one.alarm == "sensor_disabled"
    assert one.due(3599) == []
    assert one.due(3601) != []


def test_a_401_asks_by_the_token_then_by_the_secret_then_sends_the_same_second() -> None:
    one = device()
    one.keep(10)
    one.answered(only(one), Answer(401, "token_expired"), 0)
    assert one.due(1) == [NewToken("t1")]
    one.answered(NewToken("t1"), Answer(401, "token_expired"), 1)
    assert one_action(one, 10) == NewToken(None)
    one.answered(NewToken(None), granted("t2"), 10)
    assert only(one, 10) == Post((10,), batch=False, live=False, token="t2")


def test_a_401_to_an_older_token_does_not_drop_the_younger() -> None:
    one = device()
    backlog(one, *range(20))
    one.keep(20)
    live, batch = posts(one)
    one.answered(live, Answer(401), 0)
    ask = one_action(one, 5)
    one.answered(ask, granted("t2"), 5)
    one.answered(batch, Answer(401), 5)
    assert one.credentials.token == "t2"


def test_an_ageing_token_is_renewed_beside_the_posts() -> None:
    one = device()
    one.keep(10)
    one.answered(only(one), Answer(202, refresh_token=True), 0)
    one.keep(11)
    assert one.due(700) == [NewToken("t1"), AskTime()], "and after 700 silent seconds it asks the time before it posts"
    one.answered(NewToken("t1"), granted("t2"), 700)
    synchronised = [AskTime()]
    for _ in range(4):
        one.answered(synchronised[0], TIME, 700)
        synchronised = [a for a in one.due(700) if isinstance(a, AskTime)]
    assert one.credentials.token == "t2"
    assert NewToken("t2") not in one.due(701)


def test_a_token_past_its_half_life_is_renewed_even_if_nobody_asks() -> None:
    one = device()
    assert NewToken("t1") not in one.due(REFRESH_S - 1)
    assert NewToken("t1") in one.due(REFRESH_S)


def test_a_server_that_always_asks_for_a_younger_token_causes_no_storm() -> None:
    one, asked = device(), 0
    for now_s in range(1, 3600):
        one.keep(now_s)
        for action in one.due(now_s):
            asked += isinstance(action, NewToken)
            answer = Answer(202, refresh_token=True) if isinstance(action, Post) else TIME
            one.answered(action, granted(f"t{now_s}") if isinstance(action, NewToken) else answer, now_s)
    assert 1 <= asked <= 6


def test_a_lost_token_comes_again_by_the_secret() -> None:
    one = device()
    one.credentials.lost()
    assert one_action(one, 5) == NewToken(None)


# ---- answers to a post


def test_a_second_is_kept_until_a_2xx() -> None:
    one = device()
    one.keep(10)
    post = only(one)
    assert one.backlog == 1
    assert posts(one) == [], "it is on its way"
    one.answered(post, OK, 0)
    assert (one.backlog, one.tally.acknowledged) == (0, 1)


@pytest.mark.parametrize(
    ("answer", "kept", "again_after_s"),
    [
        pytest.param(NOTHING, 1, 1.0, id="no answer: kept, sent again after a second"),
        pytest.param(Answer(408), 1, 1.0, id="408: the same"),
        pytest.param(Answer(500), 1, 1.0, id="500: the same"),
        pytest.param(Answer(503), 1, 1.0, id="503: the same"),
        pytest.param(Answer(503, retry_after_s=7), 1, 7.0, id="Retry-After wins"),
        pytest.param(Answer(429, retry_after_s=0), 1, 0.0, id="Retry-After may be shorter"),
        pytest.param(Answer(400, "bad_json"), 0, None, id="400: dropped"),
        pytest.param(Answer(413, "body_too_large"), 0, None, id="413 of a single second: dropped"),
        pytest.param(Answer(415, "unsupported_media_type"), 0, None, id="415: dropped"),
        pytest.param(Answer(422, "sample_count"), 0, None, id="422: dropped"),
    ],
)
def test_what_an_answer_means(answer: Answer, kept: int, again_after_s: float | None) -> None:
    one = device()
    one.keep(10)
    one.answered(only(one), answer, 100.0)
    assert one.backlog == kept
    if again_after_s is None:
        assert one.tally.refused == Counter({answer.code: 1})
        return
    if again_after_s:
        assert posts(one, 100.0 + again_after_s - 0.01) == []
    assert only(one, 100.0 + again_after_s).seconds == (10,)


def test_a_403_keeps_the_data_for_an_hour_and_looks_at_the_clock_first() -> None:
    one = device()
    one.keep(10)
    one.answered(only(one), Answer(403, "sensor_disabled"), 0)
    assert (one.alarm, one.backlog) == ("sensor_disabled", 1)
    assert one.due(3599) == []
    synchronise(one, 3600)
    one.answered(only(one, 3600), OK, 3600)
    assert one.alarm == ""


@pytest.mark.parametrize("status", [404, 405])
def test_a_wrong_address_stops_it(status: int) -> None:
    one = device()
    one.keep(10)
    one.answered(only(one), Answer(status, "not_found"), 0)
    assert one.stopped
    assert one.label(1e9) is None
    assert one.due(1e9) == []


def test_backoff_doubles_up_to_five_minutes_and_a_success_ends_it() -> None:
    one, now_s, waits = device(), 0.0, []
    one.keep(10)
    for _ in range(11):
        action = one_action(one, now_s)
        one.answered(action, NOTHING, now_s)
        waits.append(one.quiet_until_s - now_s)
        now_s = one.quiet_until_s
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    synchronise(one, now_s)
    one.answered(only(one, now_s), OK, now_s)
    one.keep(11)
    one.answered(only(one, now_s), NOTHING, now_s)
    assert one.quiet_until_s - now_s == 1


@given(st.floats(0, 1))
def test_backoff_is_spread_by_a_fifth(jitter: float) -> None:
    one = device()
    one.keep(10)
    one.answered(only(one), NOTHING, 50.0, jitter)
    assert 50.8 <= one.quiet_until_s <= 51.2


# ---- live and backlog


def test_live_goes_first_and_the_backlog_drains_beside_it() -> None:
    one = device()
    backlog(one, *range(1000))
    one.keep(1000)
    live, batch = posts(one)
    assert live == Post((1000,), batch=False, live=True, token="t1")
    assert batch == Post(tuple(range(BATCH_MAX)), batch=True, live=False, token="t1")
    one.keep(1001)
    one.answered(live, OK, 0)
    assert only(one).seconds == (1001,)


def test_two_lanes_drain_two_batches_at_once() -> None:
    one = device(lanes=2)
    backlog(one, *range(1500))
    assert [p.seconds[0] for p in posts(one)] == [0, 600]


def test_a_small_backlog_goes_second_by_second() -> None:
    one = device()
    backlog(one, 0, 1, 2)
    assert only(one) == Post((0,), batch=False, live=False, token="t1")


def test_a_backlog_may_drain_backwards() -> None:
    one = device(newest_first=True)
    backlog(one, *range(50))
    assert only(one).seconds == tuple(range(49, -1, -1))


def test_after_a_failure_one_request_feels_the_way() -> None:
    one = device()
    backlog(one, *range(100))
    one.keep(100)
    live, batch = posts(one)
    one.answered(live, NOTHING, 0)
    one.answered(batch, NOTHING, 0)
    one.keep(101)
    probe = only(one, 10)
    assert probe.live
    one.answered(probe, OK, 10)
    assert [p.batch for p in posts(one, 10)] == [True]


def test_the_oldest_is_thrown_away_first() -> None:
    one = device(store_max=3)
    for t in range(5):
        one.keep(t)
    assert one.tally.thrown_away == 2
    assert list(one.flash.store) == [2, 3, 4]


def test_a_second_on_its_way_is_not_thrown_away() -> None:
    one = device(store_max=2)
    one.keep(0)
    post = only(one)
    for t in (1, 2, 3):
        one.keep(t)
    one.answered(post, NOTHING, 0)
    assert one.backlog == 2
    assert one.tally.thrown_away == 2
    assert 0 in one.flash.store


def test_a_batch_too_large_is_halved() -> None:
    one = device()
    backlog(one, *range(600))
    one.answered(only(one), Answer(413), 0)
    assert len(only(one).seconds) == 300


def test_refused_records_of_a_batch_are_forgotten_and_counted() -> None:
    one = device()
    backlog(one, *range(20))
    one.answered(only(one), Answer(202, refused=((3, "sample_count"),)), 0)
    assert (one.backlog, one.tally.acknowledged, one.tally.refused) == (0, 19, Counter(sample_count=1))


# ---- orders


def test_batches_are_no_larger_than_the_server_says() -> None:
    one = device(orders=Orders(batch_max_seconds=60))
    backlog(one, *range(600))
    assert len(only(one).seconds) == 60


def test_a_longer_interval_sends_bundles() -> None:
    one, sent = device(orders=Orders(post_interval_s=10)), []
    for now_s in range(60):
        one.keep(now_s)
        for post in posts(one, now_s):
            sent.append((now_s, len(post.seconds), post.batch))
            one.answered(post, OK, now_s)
    assert sent == [(0, 1, True), *((s, 10, True) for s in range(10, 60, 10))]


def test_the_clock_is_looked_at_as_often_as_the_server_says() -> None:
    one = device(orders=Orders(time_sync_interval_s=300))
    assert AskTime() not in one.due(299)
    assert AskTime() in one.due(300)


def test_a_time_that_came_too_slowly_is_asked_for_again_soon_and_the_clock_serves_meanwhile() -> None:
    slow = Answer(200, exchange=Exchange(0, 3000, 3000, 3200))
    one = Device()
    one.answered(one_action(one), granted(), 0)
    synchronise(one, answer=slow)
    assert one.synced
    assert AskTime() not in one.due(59)
    synchronise(one, 60)
    assert one.clock.offset_ms == 1400
    assert AskTime() not in one.due(120)


# ---- the clock


def test_before_the_clock_is_right_nothing_is_measured() -> None:
    one = Device()
    assert one.label(1_772_442_000) is None
    one = device(clock=Clock())
    assert one.label(1_772_442_000) == 1_772_442_000


def test_after_a_step_back_it_waits_until_the_clock_passes_the_last_second_used() -> None:
    one = device()
    one.keep(1000)
    one.clock.correct(-5000)
    assert [one.label(at_s) for at_s in range(1001, 1009)] == [None] * 5 + [1001, 1002, 1003]


def test_400_silent_seconds_and_the_clock_is_asked_for_before_anything_is_posted() -> None:
    one = device()
    one.keep(10)
    assert one.due(401) == [AskTime()]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(422, "timestamp_future"), id="a second from the future"),
        pytest.param(Answer(202, behind_s=-40.0), id="the time in an answer is another"),
    ],
)
def test_a_clock_that_is_seen_to_be_wrong_is_asked_for_at_once(answer: Answer) -> None:
    one = device()
    one.keep(10)
    one.answered(only(one), answer, 0)
    one.keep(11)
    assert one.due(0) == [AskTime()]
