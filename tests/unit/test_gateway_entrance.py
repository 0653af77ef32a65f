"""Boot, token and time: the order of checks, who may have a token, and what nobody learns."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.gateway import provisioning, secrets, timesync
from producers.gateway.provisioning import Boot, Refresh
from producers.gateway.tokens import admit, holder
from producers.gateway.verdict import MISSING, Admission, Rejection
from producers.simulate.clock import Exchange
from streams.catalog.commands import IssueToken, RegisterSensor, RevokeSensor
from streams.catalog.state import State
from streams.catalog.tokens import hash_of
from tests.fakes.catalog import FakeCatalog

NOW_MS = 1_800_000_000_000


def issue(sensor_id: str, token: str, expires_at_ms: int = NOW_MS + 1000) -> IssueToken:
    return IssueToken(
        sensor_id=sensor_id, token_sha256=hash_of(token), issued_at_ms=0, expires_at_ms=expires_at_ms, refresh_at_ms=NOW_MS
    )


@pytest.fixture(scope="module")
def state() -> State:
    return FakeCatalog(
        RegisterSensor(sensor_id="gre000001", secret_sha256=hash_of("right")),
        issue("gre000001", "old", NOW_MS),
        issue("gre000001", "one"),
        RegisterSensor(sensor_id="gre000002", secret_sha256=hash_of("other")),
        issue("gre000002", "two"),
        RegisterSensor(sensor_id="gre000003", secret_sha256=hash_of("gone")),
        issue("gre000003", "revoked"),
        RevokeSensor(sensor_id="gre000003"),
    ).state


def body(**members: Any) -> bytes:
    return json.dumps(members).encode()


GOOD = {"sensor_id": "gre000001", "secret": "right", "version": "221013"}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(body(**GOOD), Boot("gre000001", "221013", "", None), id="plain"),
        pytest.param(
            body(**GOOD | {"sensor_id": "GRE000001", "firmware": "1.2\n", "t0": {"a": 1}, "more": 0}),
            Boot("gre000001", "221013", "1.2�", {"a": 1}),
            id="any case, odd firmware, odd t0, unknown members",
        ),
        pytest.param(b"{", "400 bad_json", id="not JSON"),
        pytest.param(b"\xff", "400 bad_encoding", id="not UTF-8"),
        pytest.param(b'{"sensor_id":"gre000001","secret":"right","secret":"x"}', "400 duplicate_key", id="repeated member"),
        pytest.param(b'{"a":' + b"[" * 40 + b"]" * 40 + b"}", "400 too_deep", id="deep"),
        pytest.param(b"[]", "422 not_an_object", id="a list"),
        pytest.param(body(secret="right"), "422 missing_field", id="no sensor_id"),
        pytest.param(body(**GOOD | {"sensor_id": 5}), "422 wrong_type", id="sensor_id a number"),
        pytest.param(body(**GOOD | {"sensor_id": "gre1"}), "422 bad_sensor_id", id="sensor_id not one"),
        pytest.param(body(sensor_id="gre000001", version=1), "401 token_missing", id="no secret comes before the version"),
        pytest.param(body(**GOOD | {"secret": "wrong", "version": 1}), "401 token_invalid", id="wrong secret, likewise"),
        pytest.param(body(**GOOD | {"secret": 5}), "401 token_invalid", id="secret a number"),
        pytest.param(body(**GOOD | {"secret": ""}), "401 token_invalid", id="secret empty"),
        pytest.param(body(**GOOD | {"secret": "\ud800"}), "401 token_invalid", id="secret a lone surrogate"),
        pytest.param(body(**GOOD | {"secret": hash_of("right")}), "401 token_invalid", id="the hash is no secret"),
        pytest.param(body(**GOOD | {"sensor_id": "gre000002"}), "401 token_invalid", id="another's secret"),
        pytest.param(body(**GOOD | {"sensor_id": "gre000003", "secret": "gone"}), "403 sensor_disabled", id="revoked"),
        pytest.param(body(**GOOD | {"sensor_id": "gre000003"}), "401 token_invalid", id="revoked and wrong: 401 before 403"),
        pytest.param(body(sensor_id="gre000001", secret="right"), "422 missing_field", id="no version"),
        pytest.param(body(**GOOD | {"version": "221313"}), "422 bad_version", id="version no date"),
        pytest.param(body(**GOOD | {"firmware": 5}), "422 wrong_type", id="firmware a number"),
        pytest.param(body(**GOOD | {"firmware": "x" * 101}), "422 out_of_range", id="firmware too long"),
    ],
)
def test_boot(state: State, raw: bytes, expected: Any) -> None:
    found = provisioning.boot(raw, lambda sensor_id, secret: secrets.check(state, sensor_id, secret))
    assert (f"{found.status} {found.code}" if isinstance(found, Rejection) else found) == expected


def test_an_unknown_sensor_and_a_wrong_secret_get_the_same_answer(state: State) -> None:
    answers = {
        provisioning.boot(body(**GOOD | {"sensor_id": sensor_id, "secret": secret}), lambda *asked: secrets.check(state, *asked))
        for sensor_id in ("gre000001", "gre000002", "gre000003", "gre000009")
        for secret in ("wrong", "the secret of no sensor")
    }
    assert len(answers) == 1


@pytest.mark.parametrize(
    ("raw", "header", "expected"),
    [
        pytest.param(body(sensor_id="gre000001", token="one"), None, Refresh("gre000001", "token"), id="in the body"),
        pytest.param(body(sensor_id="gre000001"), "one", Refresh("gre000001", "token"), id="in the header"),
        pytest.param(b"", "one", Refresh("gre000001", "token"), id="in the header, no body"),
        pytest.param(body(token="one"), "one", Refresh("gre000001", "token"), id="a token names its sensor"),
        pytest.param(body(sensor_id="gre000001", secret="right"), None, Refresh("gre000001", "secret"), id="the secret"),
        pytest.param(body(sensor_id="gre000001", secret="right"), "old", Refresh("gre000001", "secret"), id="secret, old token"),
        pytest.param(body(sensor_id="gre000001", secret="wrong", token="one"), None, "401 token_invalid", id="wrong secret"),
        pytest.param(body(secret="right"), None, "422 missing_field", id="a secret does not name its sensor"),
        pytest.param(b"", None, "401 token_missing", id="nothing"),
        pytest.param(body(sensor_id="gre000001", token="nobody's"), None, "401 token_invalid", id="nobody's"),
        pytest.param(body(token=5), None, "401 token_invalid", id="a number"),
        pytest.param(body(token="one"), "two", "401 token_invalid", id="two that differ"),
        pytest.param(body(token="old"), None, "401 token_expired", id="expired"),
        pytest.param(body(sensor_id="gre000001", token="two"), None, "403 token_sensor_mismatch", id="another's"),
        pytest.param(body(token="revoked"), None, "403 sensor_disabled", id="revoked"),
        pytest.param(body(sensor_id="x", token="one"), None, "422 bad_sensor_id", id="sensor_id not one"),
        pytest.param(b"[", "one", "400 bad_json", id="not JSON"),
    ],
)
def test_refresh(state: State, raw: bytes, header: str | None, expected: Any) -> None:
    def check(sensor_id: str, secret: Any) -> Rejection | None:
        return secrets.check(state, sensor_id, secret)

    def admitted(sensor_id: str, in_body: Any, in_header: str | None, now_ms: int) -> Admission | Rejection:
        return admit(state, sensor_id, in_body, in_header, now_ms)

    def of(in_body: Any, in_header: str | None) -> str | None:
        return holder(state, in_header if in_body is MISSING else in_body)

    found = provisioning.refresh(raw, check, admitted, of, header, NOW_MS)
    assert (f"{found.status} {found.code}" if isinstance(found, Rejection) else found) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (body(sensor_id="gre000009", t0=5), ("gre000009", 5)),
        (body(sensor_id="GRE000009"), ("gre000009", None)),
        (body(sensor_id="gre000009", t0="x"), ("gre000009", "x")),
        (body(t0=5), "422 missing_field"),
        (body(sensor_id="nobody", t0=5), "422 bad_sensor_id"),
        (b"5", "422 not_an_object"),
    ],
)
def test_time(raw: bytes, expected: Any) -> None:
    found = provisioning.time(raw)
    assert (f"{found.status} {found.code}" if isinstance(found, Rejection) else found) == expected


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())), st.integers(0, 2**50))
def test_every_answer_holds_integers_or_null(t0: Any, now_ms: int) -> None:
    found = json.loads(json.dumps(timesync.stamps(t0, now_ms, now_ms - 1)))
    assert (found["t1"], found["t2"]) == (now_ms, now_ms)
    assert found["t0"] == (t0 if type(t0) is int and abs(t0) < 2**63 else None)


@given(st.integers(-(10**12), 10**12), st.integers(0, 10**5), st.integers(0, 10**5), st.integers(0, 10**4))
def test_the_offset_is_found_to_half_the_delay(offset_ms: int, out_ms: int, back_ms: int, work_ms: int) -> None:
    t1 = 1_700_000_000_000
    t0 = t1 - out_ms - offset_ms
    t2 = t1 + work_ms
    stamps = timesync.stamps(t0, t1, t2)
    assert stamps == {"t0": t0, "t1": t1, "t2": t2}
    exchange = Exchange(t0, t1, t2, t2 + back_ms - offset_ms)
    assert exchange.delay_ms == out_ms + back_ms
    assert abs(exchange.offset_ms - offset_ms) <= exchange.delay_ms / 2
