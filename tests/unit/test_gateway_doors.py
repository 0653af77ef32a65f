"""Tokens, limits, headers, compression and answers of the gateway, each alone."""

import gzip
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.gateway import media, replies
from producers.gateway.limits import RateLimit
from producers.gateway.tokens import admit, bearer
from producers.gateway.verdict import MISSING, Admission, Batch, Reading, RejectedRecord, Rejection
from streams.catalog.commands import IssueToken, RegisterSensor, RevokeSensor
from streams.catalog.state import State
from streams.catalog.tokens import hash_of
from tests.fakes.catalog import FakeCatalog

NOW_MS = 1_800_000_000_000


def issue(sensor_id: str, token: str, expires_at_ms: int = NOW_MS + 1000, refresh_at_ms: int = NOW_MS + 500) -> IssueToken:
    return IssueToken(
        sensor_id=sensor_id, token_sha256=hash_of(token), issued_at_ms=0, expires_at_ms=expires_at_ms, refresh_at_ms=refresh_at_ms
    )


def register(sensor_id: str, units: Any = "canonical") -> RegisterSensor:
    return RegisterSensor(sensor_id=sensor_id, secret_sha256="0" * 64, units=units)


@pytest.fixture(scope="module")
def state() -> State:
    return FakeCatalog(
        register("gre000001"),
        issue("gre000001", "one"),
        issue("gre000001", "two", refresh_at_ms=NOW_MS),
        register("gre000002", "base"),
        issue("gre000002", "other"),
        issue("gre000002", "old", expires_at_ms=NOW_MS),
        register("gre000003"),
        issue("gre000003", "revoked"),
        RevokeSensor(sensor_id="gre000003"),
    ).state


@pytest.mark.parametrize(
    ("sensor_id", "in_body", "in_header", "expected"),
    [
        pytest.param("gre000001", "one", None, Admission(1, False), id="in the body"),
        pytest.param("gre000001", MISSING, "one", Admission(1, False), id="in the header"),
        pytest.param("gre000001", "one", "one", Admission(1, False), id="in both, equal"),
        pytest.param("gre000001", "two", None, Admission(1, True), id="past its refresh time"),
        pytest.param("gre000002", "other", None, Admission(1000, False), id="a sensor that sends watts"),
        pytest.param("gre000001", "one", "two", "401 token_invalid", id="in both, not equal, each good"),
        pytest.param("gre000001", MISSING, None, "401 token_missing", id="none"),
        pytest.param("gre000001", None, "one", "401 token_invalid", id="null in the body"),
        pytest.param("gre000001", ["one"], None, "401 token_invalid", id="a list"),
        pytest.param("gre000001", "", None, "401 token_invalid", id="empty"),
        pytest.param("gre000001", "x" * 257, None, "401 token_invalid", id="257 characters"),
        pytest.param("gre000001", "\ud800", None, "401 token_invalid", id="a lone surrogate"),
        pytest.param("gre000001", hash_of("one"), None, "401 token_invalid", id="the hash of a token is no token"),
        pytest.param("gre000002", "old", None, "401 token_expired", id="expired"),
        pytest.param("gre000001", "old", None, "401 token_expired", id="expired and another's: 401 before 403"),
        pytest.param("gre000001", "other", None, "403 token_sensor_mismatch", id="another sensor's"),
        pytest.param("gre000009", "one", None, "403 token_sensor_mismatch", id="for a sensor nobody registered"),
        pytest.param("gre000003", "revoked", None, "403 sensor_disabled", id="a revoked sensor"),
    ],
)
def test_tokens(state: State, sensor_id: str, in_body: Any, in_header: str | None, expected: Any) -> None:
    found = admit(state, sensor_id, in_body, in_header, NOW_MS)
    if isinstance(found, Rejection):
        assert f"{found.status} {found.code}" == expected
        assert found.retry
        for token in ("one", "other", "revoked"):
            assert f"'{token}'" not in found.detail
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("header", "token"),
    [
        (None, None),
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("Bearer", None),
        ("Bearer ", None),
        ("Basic abc", None),
        ("", None),
    ],
)
def test_bearer(header: str | None, token: str | None) -> None:
    assert bearer(header) == token


@pytest.mark.parametrize(
    ("header", "good"),
    [
        ("application/json", True),
        ("Application/JSON; charset=UTF-8", True),
        ('application/json;charset="utf-8"', True),
        ("application/json; charset=latin-1", False),
        ("text/json", False),
        ("", False),
        (None, False),
    ],
)
def test_content_types(header: str | None, good: bool) -> None:
    found = media.media_type(header)
    assert (found is None) == good
    assert found is None or (found.status, found.code) == (415, "unsupported_media_type")


def test_content_encodings() -> None:
    assert media.content_encoding("GZIP") is True
    assert media.content_encoding(None) is False
    for other in ("br", "deflate", "gzip, gzip", "x-gzip"):
        found = media.content_encoding(other)
        assert isinstance(found, Rejection)
        assert found.code == "unsupported_content_encoding"


@given(st.binary(max_size=500), st.integers(0, 600))
def test_gunzip_gives_the_body_or_says_that_it_is_too_large(plain: bytes, limit: int) -> None:
    found = media.gunzip(gzip.compress(plain[:100]) + gzip.compress(plain[100:]), limit)
    if len(plain) <= limit:
        assert found == plain
    else:
        assert isinstance(found, Rejection)
        assert found.code == "body_too_large"


@given(st.binary(max_size=60))
def test_gunzip_of_anything_is_a_body_or_bad_gzip(raw: bytes) -> None:
    found = media.gunzip(raw, 1000)
    assert isinstance(found, bytes) or (found.status, found.code) == (400, "bad_gzip")


PACKED = gzip.compress(b"abc", mtime=0)


@pytest.mark.parametrize("broken", [b"", PACKED[:-1], PACKED + b"x", b"{}"], ids=["empty", "cut", "trailing", "not gzip"])
def test_broken_gzip(broken: bytes) -> None:
    found = media.gunzip(broken, 1000)
    assert isinstance(found, Rejection)
    assert found.code == "bad_gzip"


def test_a_gzip_bomb_is_not_unpacked() -> None:
    found = media.gunzip(gzip.compress(bytes(50_000_000)), 65_536)
    assert isinstance(found, Rejection)
    assert (found.status, found.code) == (413, "body_too_large")


def test_declared_lengths() -> None:
    assert media.declared_length("65536", 65_536) is None
    assert media.declared_length(None, 65_536) is None
    for length in ("65537", "9" * 4000):
        found = media.declared_length(length, 65_536)
        assert found is not None
        assert found.status == 413


def test_a_burst_then_the_long_run() -> None:
    limit = RateLimit(20, 1200)
    assert [limit.wait_s("a", 100.0) for _ in range(1201)].count(0) == 1200
    assert limit.wait_s("a", 100.0) == 1
    assert limit.wait_s("b", 100.0) == 0
    assert [limit.wait_s("a", 101.0) for _ in range(21)].count(0) == 20


@given(st.lists(st.floats(0, 2), max_size=60), st.integers(1, 5), st.integers(1, 10))
def test_never_more_than_the_bucket_holds(gaps_s: list[float], rate_per_s: int, burst: int) -> None:
    limit = RateLimit(rate_per_s, burst)
    times = list(itertools.accumulate(gaps_s))
    passed = [at for at in times if limit.wait_s("a", at) == 0]
    for i, start in enumerate(passed):
        for j, end in enumerate(passed[i:]):
            assert j + 1 <= burst + rate_per_s * (end - start) + 1e-6


def test_waiting_as_long_as_told_is_enough() -> None:
    limit = RateLimit(10, 600)
    now_s = 5.0
    while not (wait_s := limit.wait_s("a", now_s)):
        pass
    assert limit.wait_s("a", now_s + wait_s) == 0


def reading(*phases: int) -> Reading:
    return Reading(7, sum(1 << (phase - 1) for phase in phases), b"")


def test_answers() -> None:
    assert json.loads(replies.accepted(reading(1, 2, 3), False, 9)) == {"status": "accepted", "timestamp": 7, "server_time": 9}
    assert json.loads(replies.accepted(reading(2), True, 9)) == {
        "status": "accepted", "timestamp": 7, "server_time": 9, "missing_probes": [1, 3], "refresh_token": True,
    }  # fmt: skip


def test_a_batch_without_one_good_record_is_422_with_the_list() -> None:
    rejected = [RejectedRecord(0, 5, Rejection(422, "sample_count", "data[0].pf", "17 came"))]
    answer = replies.batch(Batch("gre000001", "221013", False, [], rejected))
    assert answer.status == 422
    assert answer.content_type == "application/problem+json"
    body = json.loads(answer.text or "")
    assert body["rejected"] == [{"index": 0, "timestamp": 5, "code": "sample_count"}]
    assert (body["code"], body["retry"], body["accepted"]) == ("sample_count", False, 0)


def test_a_batch_with_one_good_record_is_202() -> None:
    rejected = [RejectedRecord(1, None, Rejection(422, "not_an_object", None, "x"))]
    answer = replies.batch(Batch("gre000001", "221013", False, [reading(1)], rejected))
    assert answer.status == 202
    assert json.loads(answer.text or "") == {
        "accepted": 1, "rejected": [{"index": 1, "timestamp": None, "code": "not_an_object"}],
    }  # fmt: skip
