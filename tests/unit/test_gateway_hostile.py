"""Whatever comes in a body or a frame, the judges answer with a code of the contract, and with nothing of a token."""

import gzip
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.gateway import body, conversation, exact, frames, media, members, provisioning, replies
from producers.gateway.doors import CODES
from producers.gateway.frames import Call, Refused
from producers.gateway.verdict import MISSING, Admission, Rejection
from schemas import wire
from tests import hostile

NOW_MS = 1_800_000_000_000
SECRET = "pms_never-to-be-seen-again"
BATCH_MAX = 2 * 1024 * 1024
HEAD = wire.reading_head(1, "gre000001")
BODIES, FRAMES, OTHERS = hostile.examples(70_000), hostile.examples(20_000), hostile.examples(5_000)


def anyone(*_: object) -> Admission:
    return Admission(1, False)


def in_watts(*_: object) -> Admission:
    return Admission(1000, True)


def nobody(_: str, token: Any, *__: object) -> Rejection:
    return Rejection(401, "token_missing" if token is MISSING else "token_invalid", "token", "no")


def known(verdict: Rejection) -> None:
    """An answer of the contract, that can be sent."""
    assert verdict.code in CODES[verdict.status], verdict
    answer = replies.problem(verdict)
    assert SECRET not in json.dumps(json.loads(answer.body))  # type: ignore[arg-type]
    assert not {"\r", "\n"} & set("".join(answer.headers.values()))


def test_any_body_of_a_post_has_one_answer() -> None:
    for k, raw in enumerate(itertools.islice(hostile.bodies(1), BODIES)):
        admit = nobody if k % 7 == 0 else in_watts if k % 3 == 0 else anyone
        slow = exact.judge(raw, admit, None, NOW_MS)
        quick = body.accept(raw, admit, None, NOW_MS)
        assert quick is None or quick == slow, raw
        if isinstance(slow, Rejection):
            known(slow)
        else:
            wire.encode_reading(HEAD, slow.reading.timestamp_s, NOW_MS, slow.format_version, slow.reading.packed)
            replies.accepted(slow.reading, slow.refresh, 1)


def test_any_body_of_a_batch_has_one_answer() -> None:
    records = [json.loads(sample) for sample in hostile.VALID]
    batches = [json.dumps(one | {"records": records[:3] * k, "secret": SECRET}).encode() for one in records for k in (1, 2)]
    accepted = 0
    for raw in itertools.islice(hostile.bodies(2, batches), OTHERS):
        slow = exact.judge_batch(raw, anyone, None, NOW_MS)
        quick = body.accept_batch(raw, anyone, None, NOW_MS)
        assert quick is None or quick == slow, raw
        if isinstance(slow, Rejection):
            known(slow)
            continue
        accepted += len(slow.readings)
        json.loads(replies.batch(slow).body)  # type: ignore[arg-type]
        for record in slow.rejected:
            known(record.rejection)
    assert accepted


def test_any_frame_has_one_answer() -> None:
    probe = {"probe": 1, "probeType": "CT", "power": [1] * 20, "powerfactor": [90] * 20, "voltage": 230_000}
    entry = {"timestamp": "2026-01-31T12:00:00.123Z", "sampledValue": [probe, probe | {"probe": 2}, probe | {"probe": 3}]}
    meter = {"connectorId": 1, "transactionId": 7, "meterValue": [entry, entry | {"timestamp": 1_700_000_000}]}
    samples = [
        json.dumps(frame).encode()
        for frame in (
            *([[2, "a", "MeterValues", meter]] * 6),
            [2, "b", "BootNotification", {"secret": SECRET, "firmware": "1"}],
            [2, "c", "Heartbeat", {}],
            [2, "d", "StartTransaction", {"idTag": "x"}],
            [2, "e", "StopTransaction", {"transactionId": 5}],
            [3, "f", {"status": "Accepted"}],
            [4, "g", "InternalError", "text", {}],
        )
    ]
    admissions = (Admission(1, True), Admission(1000, False), Rejection(403, "sensor_disabled", "sensor_id", "revoked"))
    for k, raw in enumerate(itertools.islice(hostile.bodies(3, samples), FRAMES)):
        decision = conversation.decide(raw, admissions[k % 3], k % 2 == 0, NOW_MS)
        conversation.action_of(decision)
        if isinstance(decision, Refused):
            known(decision.rejection)
            sent = frames.error(decision)
        elif isinstance(decision, conversation.Store):
            sent = conversation.accepted(decision)
            for refused in decision.seconds.rejected:
                known(refused.rejection)
        elif isinstance(decision, conversation.Say):
            sent = decision.text
        elif isinstance(decision, conversation.Boot):
            sent = conversation.booted(decision, None, NOW_MS)
        else:
            continue
        assert SECRET.encode() not in sent
        assert isinstance(json.loads(sent), list)
        first = conversation.first(raw)
        assert isinstance(first, conversation.Boot) or CODES[401][first.rejection.code]
        read = frames.read(raw)
        if isinstance(read, Call):
            assert json.loads(sent)[1] == read.id


def test_any_body_at_the_entrance_has_one_answer() -> None:
    asked = {"sensor_id": "gre000001", "secret": SECRET, "version": "221013", "firmware": "1.0\r\n", "t0": 5, "token": SECRET}
    samples = [json.dumps(asked).encode(), json.dumps({**asked, "secret": 1}).encode()]

    def check(_: str, secret: Any) -> Rejection | None:
        return None if isinstance(secret, str) else Rejection(401, "token_invalid", "secret", "no")

    for raw in itertools.islice(hostile.bodies(4, samples), OTHERS):
        for verdict in (
            provisioning.boot(raw, check),
            provisioning.refresh(raw, check, anyone, lambda *_: None, None, NOW_MS),
            provisioning.time(raw),
        ):
            if isinstance(verdict, Rejection):
                known(verdict)
            elif isinstance(verdict, provisioning.Boot):
                assert verdict.firmware.isprintable()


def test_any_gzip_ends_within_the_limit() -> None:
    found = set()
    for raw in itertools.islice(hostile.gzipped(5), OTHERS // 10):
        plain = media.gunzip(raw, 65_536)
        if isinstance(plain, Rejection):
            known(plain)
            found.add(plain.code)
        else:
            assert len(plain) <= 65_536
    assert found == {"bad_gzip", "body_too_large"}


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        pytest.param(
            b'"' + b'\\"' * (BATCH_MAX // 2 - 4) + b'\\x"', "bad_json", id="a string of escaped quotes that does not end well"
        ),
        pytest.param(b'{"a":"' + b"\\\\" * (BATCH_MAX // 2 - 8) + b"\\", "bad_json", id="a string of backslashes"),
        pytest.param(b"[" * BATCH_MAX, "too_deep", id="brackets"),
        pytest.param(b'["' * (BATCH_MAX // 2), "bad_json", id="brackets and quotes"),
        pytest.param(b"[" + b"[]," * (BATCH_MAX // 3 - 1) + b"x]", "bad_json", id="lists, then a fault"),
        pytest.param(b"1" * BATCH_MAX, "not_an_object", id="digits"),
        pytest.param(b"0." + b"1" * (BATCH_MAX - 2), "not_an_object", id="a fraction"),
        pytest.param(b"{" + b",".join(b'"%d":1' % k for k in range(200_000)) + b',"7":1}', "duplicate_key", id="members"),
    ],
)
def test_no_body_takes_the_square_of_its_length(raw: bytes, code: str) -> None:
    # One that did would be here for hours.
    verdict = exact.judge_batch(raw, anyone, None, NOW_MS)
    assert isinstance(verdict, Rejection)
    assert verdict.code == code


def test_a_gzip_of_a_hundred_thousand_members_is_refused_early() -> None:
    empty = gzip.compress(b"", 1)
    verdict = media.gunzip(empty * (BATCH_MAX // len(empty)), BATCH_MAX)
    assert isinstance(verdict, Rejection)
    assert verdict.code == "bad_gzip"
    packed = [gzip.compress(b"%d," % k) for k in range(600)]
    assert media.gunzip(b"".join(packed), BATCH_MAX) == b"".join(b"%d," % k for k in range(600))


@given(st.text('[]{}"\\:,a', max_size=120), st.integers(0, 40))
def test_depth_is_that_of_the_brackets_outside_strings(text: str, deeper: int) -> None:
    depth = most = deeper
    in_string = escaped = False
    for mark in text:
        if in_string:
            in_string = escaped or mark != '"'
            escaped = mark == "\\" and not escaped
        elif mark == '"':
            in_string, escaped = True, False
        elif mark in "[{":
            depth += 1
            most = max(most, depth)
        elif mark in "]}":
            depth -= 1
    assert members._too_deep(b"[" * deeper + text.encode()) == (most > members.DEPTH_MAX)


@pytest.mark.parametrize("member", ["sensor_id", "version", "data"])
def test_a_token_in_another_field_is_not_echoed(member: str) -> None:
    token = "pm1_" + "x" * 43
    post = json.loads(hostile.VALID[0]) | {member: token}
    verdict = exact.judge(json.dumps(post).encode(), anyone, None, NOW_MS)
    assert isinstance(verdict, Rejection)
    assert "x" * 10 not in verdict.detail
    twice = json.dumps(post).replace("{", f'{{"{token}":1,"{token}":2,', 1)
    verdict = exact.judge(twice.encode(), anyone, None, NOW_MS)
    assert isinstance(verdict, Rejection)
    assert (verdict.code, verdict.field) == ("duplicate_key", "pm?_...")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("gw.example:8090", "gw.example:8090"),
        ("[::1]:8090", "[::1]:8090"),
        ("gw.example/evil", ""),
        ("a@gw.example", ""),
        ("gw\r\nX: 1", ""),
        ("gw.example:8090\n", ""),
        ("", ""),
    ],
)
def test_a_host_is_told_only_when_it_is_one(asked: str, told: str) -> None:
    assert provisioning.host(asked) == told
