"""Firmware as the contract's sections 3 to 5 have it, with the time as an argument."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.simulate.device import BATCH_MAX, Answer, Device, GetToken, Post
from producers.simulate.faults import OUTAGE_BLOCK_S, fault, outage
from producers.simulate.link import answer_of

OK = Answer(202)
NOTHING = Answer(0)


def device(**fields: object) -> Device:
    return Device(token="t1", **fields)  # type: ignore[arg-type]


def posts(one: Device, now_s: float = 0.0) -> list[Post]:
    return [action for action in one.due(now_s) if isinstance(action, Post)]


def only(one: Device, now_s: float = 0.0) -> Post:
    (post,) = posts(one, now_s)
    return post


def test_without_a_token_it_asks_for_one_once() -> None:
    one = Device()
    one.measured(10)
    assert one.due(0) == [GetToken()]
    assert one.due(0) == []
    one.token_came("t1")
    assert only(one) == Post((10,), batch=False, live=True, token="t1")


def test_a_second_is_kept_until_a_2xx() -> None:
    one = device()
    one.measured(10)
    post = only(one)
    assert one.backlog == 1
    assert posts(one) == [], "it is on its way"
    one.answered(post, OK, 0)
    assert (one.backlog, one.acknowledged) == (0, 1)


@pytest.mark.parametrize(
    ("answer", "kept", "again_after_s"),
    [
        pytest.param(NOTHING, 1, 1.0, id="no answer: kept, sent again after a second"),
        pytest.param(Answer(408), 1, 1.0, id="408: the same"),
        pytest.param(Answer(500), 1, 1.0, id="500: the same"),
        pytest.param(Answer(503), 1, 1.0, id="503: the same"),
        pytest.param(Answer(503, retry_after_s=7), 1, 7.0, id="Retry-After wins"),
        pytest.param(Answer(429, retry_after_s=0), 1, 0.0, id="Retry-After may be shorter"),
        pytest.param(Answer(403, "sensor_disabled"), 1, 3600.0, id="403: kept for an hour"),
        pytest.param(Answer(400, "bad_json"), 0, None, id="400: dropped"),
        pytest.param(Answer(413, "body_too_large"), 0, None, id="413 of a single second: dropped"),
        pytest.param(Answer(415, "unsupported_media_type"), 0, None, id="415: dropped"),
        pytest.param(Answer(422, "sample_count"), 0, None, id="422: dropped"),
    ],
)
def test_what_an_answer_means(answer: Answer, kept: int, again_after_s: float | None) -> None:
    one = device()
    one.measured(10)
    one.answered(only(one), answer, 100.0)
    assert one.backlog == kept
    if again_after_s is None:
        assert one.refused == Counter({answer.code: 1})
        return
    if again_after_s:
        assert posts(one, 100.0 + again_after_s - 0.01) == []
    assert only(one, 100.0 + again_after_s).seconds == (10,)


@pytest.mark.parametrize("status", [404, 405])
def test_a_wrong_address_stops_it(status: int) -> None:
    one = device()
    one.measured(10)
    one.answered(only(one), Answer(status, "not_found"), 0)
    assert one.stopped
    one.measured(11)
    assert one.due(1e9) == []


def test_backoff_doubles_up_to_five_minutes_and_a_success_ends_it() -> None:
    one, now_s, waits = device(), 0.0, []
    one.measured(10)
    for _ in range(11):
        one.answered(only(one, now_s), NOTHING, now_s)
        waits.append(one.quiet_until_s - now_s)
        now_s = one.quiet_until_s
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    one.answered(only(one, now_s), OK, now_s)
    one.measured(11)
    one.answered(only(one, now_s), NOTHING, now_s)
    assert one.quiet_until_s - now_s == 1


@given(st.floats(0, 1))
def test_backoff_is_spread_by_a_fifth(jitter: float) -> None:
    one = device()
    one.measured(10)
    one.answered(only(one), NOTHING, 50.0, jitter)
    assert 50.8 <= one.quiet_until_s <= 51.2


def test_a_401_gets_a_new_token_and_sends_the_same_second() -> None:
    one = device()
    one.measured(10)
    one.answered(only(one), Answer(401, "token_expired"), 0)
    assert one.due(0) == [GetToken()]
    one.token_came("t2")
    assert only(one) == Post((10,), batch=False, live=False, token="t2")


def test_a_401_to_an_older_token_does_not_drop_the_younger() -> None:
    one = device()
    for t in range(20):
        one.measured(t)
    live, batch = posts(one)
    one.answered(live, Answer(401), 0)
    one.due(0)
    one.token_came("t2")
    one.answered(batch, Answer(401), 0)
    assert one.token == "t2"


def test_a_new_token_that_does_not_help_is_no_storm() -> None:
    one = device()
    one.measured(10)
    one.answered(only(one), Answer(401), 0)
    one.due(0)
    one.token_came("t2")
    one.answered(only(one), Answer(401), 0)
    assert one.due(0.5) == []
    assert one.due(1.0) == [GetToken()]


def test_a_token_that_does_not_come_is_asked_for_again_later() -> None:
    one = Device()
    one.due(0)
    one.token_failed(0)
    assert one.due(0.9) == []
    assert one.due(1.0) == [GetToken()]


def test_an_ageing_token_is_renewed_beside_the_posts() -> None:
    one = device()
    one.measured(10)
    one.answered(only(one), Answer(202, refresh_token=True), 0)
    one.measured(11)
    actions = one.due(0)
    assert GetToken() in actions
    assert [a.seconds for a in actions if isinstance(a, Post)] == [(11,)]
    one.token_came("t2")
    assert GetToken() not in one.due(0)


def test_live_goes_first_and_the_backlog_drains_beside_it() -> None:
    one = device()
    for t in range(1000):
        one.measured(t, fresh=False)
    one.measured(1000)
    live, batch = posts(one)
    assert live == Post((1000,), batch=False, live=True, token="t1")
    assert batch == Post(tuple(range(BATCH_MAX)), batch=True, live=False, token="t1")
    one.measured(1001)
    one.answered(live, OK, 0)
    assert only(one).seconds == (1001,)


def test_a_small_backlog_goes_second_by_second() -> None:
    one = device()
    for t in range(3):
        one.measured(t, fresh=False)
    assert only(one) == Post((0,), batch=False, live=False, token="t1")


def test_a_backlog_may_drain_backwards() -> None:
    one = device(newest_first=True)
    for t in range(50):
        one.measured(t, fresh=False)
    assert only(one).seconds == tuple(range(49, -1, -1))


def test_after_a_failure_one_post_feels_the_way() -> None:
    one = device()
    for t in range(100):
        one.measured(t, fresh=False)
    one.measured(100)
    live, batch = posts(one)
    one.answered(live, NOTHING, 0)
    one.answered(batch, NOTHING, 0)
    one.measured(101)
    probe = only(one, 10)
    assert probe.live
    one.answered(probe, OK, 10)
    assert [p.batch for p in posts(one, 10)] == [True]


def test_the_oldest_is_thrown_away_first() -> None:
    one = device(store_max=3)
    for t in range(5):
        one.measured(t, fresh=False)
    assert one.thrown_away == 2
    assert only(one).seconds == (2,)


def test_a_second_on_its_way_is_not_thrown_away() -> None:
    one = device(store_max=2)
    one.measured(0)
    post = only(one)
    for t in (1, 2, 3):
        one.measured(t, fresh=False)
    one.answered(post, NOTHING, 0)
    assert one.backlog == 2
    assert one.thrown_away == 2


def test_a_batch_too_large_is_halved() -> None:
    one = device()
    for t in range(600):
        one.measured(t, fresh=False)
    one.answered(only(one), Answer(413), 0)
    assert len(only(one).seconds) == 300


def test_refused_records_of_a_batch_are_forgotten_and_counted() -> None:
    one = device()
    for t in range(20):
        one.measured(t, fresh=False)
    one.answered(only(one), Answer(202, refused=((3, "sample_count"),)), 0)
    assert (one.backlog, one.acknowledged, one.refused) == (0, 19, Counter(sample_count=1))


ANSWERS = st.sampled_from(
    [OK, OK, OK, NOTHING, Answer(401), Answer(413), Answer(422, "x"), Answer(503), Answer(429, retry_after_s=2)]
)


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans(), ANSWERS), max_size=80), st.booleans())
def test_no_second_is_lost_or_counted_twice(steps: list[tuple[int, bool, Answer]], newest_first: bool) -> None:
    one, now_s, measured = Device(store_max=40, newest_first=newest_first), 0.0, 0
    flying: list[GetToken | Post] = []
    for count, answer_first, answer in steps:
        now_s += 1.5
        for _ in range(count):
            one.measured(measured)
            measured += 1
        flying += one.due(now_s)
        in_flight = [t for post in flying if isinstance(post, Post) for t in post.seconds]
        assert len(in_flight) == len(set(in_flight)), "no second is sent twice at once"
        if flying and answer_first:
            action = flying.pop(0)
            if isinstance(action, GetToken):
                one.token_came(f"t{now_s}")
            else:
                one.answered(action, answer, now_s)
        assert one.acknowledged + one.refused.total() + one.thrown_away + one.backlog == measured


# ---- links


def test_outages_come_and_go() -> None:
    down = [outage(3, 5, t) for t in range(1_772_442_000, 1_772_442_000 + 40 * OUTAGE_BLOCK_S)]
    assert 0.02 < sum(down) / len(down) < 0.2


def test_every_fault_is_met() -> None:
    met = [fault(3, 5, 1_772_442_000 + t, t) for t in range(3000)]
    assert any(f.down for f in met)
    assert any(f.lost_reply for f in met)
    assert any(f.duplicate for f in met)
    assert any(f.delay_s for f in met)
    assert any(f.upload_s for f in met)


@pytest.mark.parametrize(
    ("status", "text", "retry_after", "expected"),
    [
        pytest.param(202, b'{"status":"accepted","timestamp":1}', None, OK, id="accepted"),
        pytest.param(202, b'{"refresh_token":true}', None, Answer(202, refresh_token=True), id="token past its half-life"),
        pytest.param(
            202,
            b'{"accepted":1,"rejected":[{"index":0,"timestamp":7,"code":"x"}]}',
            None,
            Answer(202, refused=((7, "x"),)),
            id="batch",
        ),
        pytest.param(503, b'{"code":"unavailable"}', "5", Answer(503, "unavailable", 5.0), id="Retry-After in seconds"),
        pytest.param(503, b"<html>", "Fri, 31 Dec 1999 23:59:59 GMT", Answer(503), id="what it cannot read it ignores"),
    ],
)
def test_replies_are_read_as_firmware_does(status: int, text: bytes, retry_after: str | None, expected: Answer) -> None:
    assert answer_of(status, text, retry_after) == expected
