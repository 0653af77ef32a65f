"""The door for a meter's frames, alone: what is a frame, whose token opens it."""

import base64
import itertools
import json
from dataclasses import asdict
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.gateway import tic_body
from producers.gateway.doors import DOCUMENT
from producers.gateway.tic_body import Frames
from producers.gateway.tokens import admit, admit_meter
from producers.gateway.verdict import MISSING, Admission, Rejection
from schemas import avro, tic_frame, topics
from streams.catalog.commands import IssueToken, RegisterSensor, RevokeSensor
from streams.catalog.tokens import hash_of
from tests import hostile
from tests.fakes.catalog import FakeCatalog
from tests.tic import ADDRESS, records, sent

NOW_MS = 1_800_000_000_000
OTHER = "m0123456789abcdef0123"


def token_of(sensor_id: str, token: str) -> IssueToken:
    return IssueToken(
        sensor_id=sensor_id, token_sha256=hash_of(token), issued_at_ms=0, expires_at_ms=NOW_MS + 9, refresh_at_ms=NOW_MS + 5
    )


STATE = FakeCatalog(
    RegisterSensor(sensor_id=ADDRESS, kind="linky", secret_sha256="0" * 64),
    token_of(ADDRESS, "meter"),
    RegisterSensor(sensor_id=OTHER, kind="linky", secret_sha256="0" * 64),
    token_of(OTHER, "gone"),
    RevokeSensor(sensor_id=OTHER),
    RegisterSensor(sensor_id="gre000001", secret_sha256="0" * 64),
    token_of("gre000001", "power"),
).state


def judge(body: Any, token: str | None = "meter") -> Frames | Rejection:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return tic_body.judge(raw, lambda in_body, in_header: admit_meter(STATE, in_body, in_header, NOW_MS), token)


def code(verdict: Frames | Rejection) -> str:
    return f"{verdict.status} {verdict.code}" if isinstance(verdict, Rejection) else f"{len(verdict.frames)} taken"


@pytest.mark.parametrize("index", range(7))
def test_every_frame_of_ours_passes_unchanged(index: int) -> None:
    frame = records()[index]
    body = avro.encode_body(topics.TIC_FRAMES, asdict(frame))
    verdict = judge({"frames": [sent(frame)]})
    if frame.meter_id != ADDRESS:
        assert code(verdict) == "403 token_sensor_mismatch"
        return
    assert isinstance(verdict, Frames)
    (found,) = verdict.frames
    assert avro.encode_body(topics.TIC_FRAMES, found.record()) == body
    assert tic_frame.of_record(found.record()) == frame


def test_the_members_are_those_of_the_schema() -> None:
    names = {field["name"] for field in avro.raw_schema(topics.TIC_FRAMES)["fields"]}
    assert set(tic_body.TicFrame.__struct_fields__) == names
    for mine, ours in [
        (tic_body.TicLabel, tic_frame.TicLabel),
        (tic_body.TicStatus, tic_frame.TicStatus),
        (tic_body.TicSwitch, tic_frame.TicSwitch),
        (tic_body.TicLink, tic_frame.TicLink),
        (tic_body.TicRejected, tic_frame.TicRejected),
    ]:
        assert list(mine.__struct_fields__) == list(ours.__dataclass_fields__)


def good(**changed: Any) -> dict[str, Any]:
    return sent(records()[0]) | changed


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        pytest.param(3, "not_an_object None", id="a number"),
        pytest.param({}, "missing_field meter_id", id="empty"),
        pytest.param(good(counter="1"), "wrong_type counter", id="a number in quotes"),
        pytest.param(good(counter=1.0), "wrong_type counter", id="a fraction"),
        pytest.param(good(counter=True), "wrong_type counter", id="a truth value"),
        pytest.param(good(counter=-1), "out_of_range counter", id="negative"),
        pytest.param(good(counter=10**24), "out_of_range counter", id="24 digits"),
        pytest.param(good(mode="euridis"), "out_of_range mode", id="no mode"),
        pytest.param(good(meter_id="gre000001"), "out_of_range meter_id", id="no meter's id"),
        pytest.param(good(boot_id=""), "out_of_range boot_id", id="no boot"),
        pytest.param(good(received_at_ms=253_402_300_800_000), "out_of_range received_at_ms", id="the year 10000"),
        pytest.param(good(labels=[{"value": 1}]), "missing_field labels[0].label", id="a value of nothing"),
        pytest.param(good(labels=[{"label": "EAST", "value": 1.5}]), "wrong_type labels[0].value", id="half a watt-hour"),
        pytest.param(good(labels=[{"label": "MSG1", "value": "a\n"}]), "out_of_range labels[0].value", id="a line end in a text"),
        pytest.param(good(mode="\ud800"), "out_of_range None", id="half a surrogate pair"),
        pytest.param(good(labels=[{"label": "A", "value": 1}] * 201), "out_of_range labels", id="201 labels"),
        pytest.param(good(link=None), "wrong_type link", id="no link"),
        pytest.param(good(status={"breaker": "closed"}), "missing_field status.contact_open", id="half a status"),
        pytest.param(
            good(rejected=[{"raw": "@", "label": "?", "code": "parity"}]), "out_of_range rejected[0].raw", id="no base64"
        ),
    ],
)
def test_a_bad_frame_is_named_and_the_good_ones_are_kept(frame: Any, expected: str) -> None:
    verdict = judge({"frames": [good(counter=1), frame, good(counter=2)]})
    assert isinstance(verdict, Frames)
    assert [one.counter for one in verdict.frames] == [1, 2]
    (refused,) = verdict.rejected
    assert (refused.index, f"{refused.rejection.code} {refused.rejection.field}") == (1, expected)
    assert refused.rejection.code in tic_words(422)


def tic_words(status: int) -> str:
    found: str = DOCUMENT["paths"]["/powermon/tic"]["post"]["responses"][str(status)]["description"]
    return found


@pytest.mark.parametrize(
    ("body", "token", "expected"),
    [
        pytest.param({"frames": [good()]}, None, "401 token_missing", id="no token"),
        pytest.param({"frames": [good()]}, "x", "401 token_invalid", id="nobody's token"),
        pytest.param({"frames": [good()]}, "power", "403 wrong_kind", id="a power sensor's token"),
        pytest.param({"frames": [good(meter_id=OTHER)]}, "gone", "403 sensor_disabled", id="a revoked meter"),
        pytest.param(
            {"frames": [good(), good(meter_id=OTHER)]}, "meter", "403 token_sensor_mismatch", id="another meter's frame"
        ),
        pytest.param({"frames": [good()], "token": "meter"}, None, "1 taken", id="token in the body"),
        pytest.param({"frames": [good()], "token": "meter"}, "power", "401 token_invalid", id="two tokens that differ"),
        pytest.param({"frames": [good()], "token": 3}, None, "401 token_invalid", id="a token that is a number"),
        pytest.param({"frames": [good() | {"later": 1}], "later": 2}, "meter", "1 taken", id="members we do not know"),
        pytest.param({}, "meter", "422 missing_field", id="no frames"),
        pytest.param({"frames": {}}, "meter", "422 wrong_type", id="frames is an object"),
        pytest.param({"frames": []}, "meter", "422 out_of_range", id="0 frames"),
        pytest.param({"frames": [0] * 601}, "meter", "413 body_too_large", id="601 frames"),
        pytest.param([], "meter", "422 not_an_object", id="an array"),
        pytest.param(b'{"frames":[],"frames":[]}', "meter", "400 duplicate_key", id="a member twice"),
        pytest.param(b"\xff", "meter", "400 bad_encoding", id="no UTF-8"),
        pytest.param(b"[" * 99, "meter", "400 too_deep", id="deep"),
        pytest.param(b"", "meter", "400 bad_json", id="nothing"),
    ],
)
def test_envelopes(body: Any, token: str | None, expected: str) -> None:
    verdict = judge(body, token)
    assert code(verdict) == expected
    if isinstance(verdict, Rejection):
        assert verdict.code in tic_words(verdict.status)
        assert '"meter"' not in verdict.detail


def test_a_meters_token_is_none_for_readings() -> None:
    found = admit(STATE, ADDRESS, MISSING, "meter", NOW_MS)
    assert isinstance(found, Rejection)
    assert (found.status, found.code) == (403, "wrong_kind")
    assert isinstance(admit(STATE, ADDRESS, MISSING, "meter", NOW_MS, kind=None), Admission)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda v: st.lists(v) | st.dictionaries(st.sampled_from(list(good())), v),
    )
)
def test_whatever_stands_in_place_of_a_frame_is_judged(value: Any) -> None:
    verdict = judge({"frames": [good(), value]})
    assert isinstance(verdict, Frames)
    assert len(verdict.frames) + len(verdict.rejected) == 2


@given(st.sampled_from(list(good())), st.none() | st.integers() | st.text(max_size=30) | st.lists(st.integers(), max_size=3))
def test_one_member_of_any_value(name: str, value: Any) -> None:
    """What is taken can be written to the log, and what is refused has a code of the document."""
    verdict = judge({"frames": [good(**{name: value})]})
    if isinstance(verdict, Frames):
        for frame in verdict.frames:
            avro.encode_body(topics.TIC_FRAMES, frame.record())
        assert all(one.rejection.code in tic_words(422) for one in verdict.rejected)
    else:
        assert verdict.code == "token_sensor_mismatch"


def test_the_document_describes_what_we_send() -> None:
    schema = {"$ref": "#/components/schemas/TicFrames", "components": DOCUMENT["components"]}
    jsonschema.validate({"frames": [sent(frame) for frame in records()]}, schema)
    example = DOCUMENT["paths"]["/powermon/tic"]["post"]["requestBody"]["content"]["application/json"]["example"]
    jsonschema.validate(example, schema)
    assert tic_body.frame_of(example["frames"][0]).rejected[0].raw == base64.b64decode("ClVSTVMxCTIzMQ==")


def test_damaged_bodies_by_the_thousand() -> None:
    """Each gets a verdict whose code the document knows, and what is taken can be written."""
    bodies = [json.dumps({"frames": [sent(frame)] * 2, "token": "meter"}).encode() for frame in records()]
    seen = set()
    for raw in itertools.islice(hostile.bodies(21, bodies), hostile.examples(3000)):
        verdict = judge(raw, None)
        if isinstance(verdict, Rejection):
            assert verdict.code in tic_words(verdict.status), verdict
            assert '"meter"' not in verdict.detail
            seen.add(verdict.code)
            continue
        for frame in verdict.frames:
            assert frame.meter_id == ADDRESS
            avro.encode_body(topics.TIC_FRAMES, frame.record())
        for one in verdict.rejected:
            assert one.rejection.code in tic_words(422), one
            json.dumps([one.rejection.field, one.rejection.detail])
            seen.add(one.rejection.code)
    assert seen >= {"bad_json", "token_invalid", "wrong_type", "out_of_range", "missing_field", "duplicate_key"}
