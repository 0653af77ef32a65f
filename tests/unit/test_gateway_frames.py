"""WebSocket frames to decisions: tables, and whatever else may come."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.gateway import conversation, exact, frames, meter_values, timestamps
from producers.gateway.conversation import Boot, Say, Store
from producers.gateway.frames import Refused, Reply
from producers.gateway.verdict import PHASES, Admission, Post, Rejection
from producers.gateway.whole_frames import WholeFrames
from schemas import wire

NOW_MS = 1_800_000_000_000
GOOD = Admission(1, False)
CLASSES = {"FormationViolation", "PropertyConstraintViolation", "SecurityError", "InternalError"}


def sampled(**changes: Any) -> dict[str, Any]:
    good = {"probe": 1, "probeType": "CT", "power": [1000] * 20, "powerfactor": [90] * 20, "voltage": [220_000] * 20}
    return {name: value for name, value in (good | changes).items() if value is not None}


def entry(*probes: dict[str, Any], timestamp: Any = 1_700_000_000, **more: Any) -> dict[str, Any]:
    return {"timestamp": timestamp, "sampledValue": list(probes) or [sampled(probe=k) for k in (1, 2, 3)], **more}


def values(*entries: Any, frame_id: str = "7f1c", **more: Any) -> list[Any]:
    return [2, frame_id, "MeterValues", {"connectorId": 1, "transactionId": 7, "meterValue": list(entries), **more}]


def decided(
    what: Any, admission: Admission | Rejection = GOOD, *, zero_based: bool = False
) -> Store | Boot | Say | Reply | Refused:
    """The decision, after holding that the short way agrees with the exact one."""
    raw = what if isinstance(what, bytes) else json.dumps(what).encode()
    decision = conversation.decide(raw, admission, zero_based, NOW_MS)
    quick = meter_values.accept(raw, zero_based, GOOD.scale, NOW_MS)
    read = frames.read(raw)
    if quick is not None:
        assert isinstance(read, frames.Call)
        assert quick == (read.id, meter_values.judge(read.payload, zero_based, GOOD.scale, NOW_MS))
    return decision


def stored(what: Any, **more: Any) -> Store:
    decision = decided(what, **more)
    assert isinstance(decision, Store), decision
    return decision


def refused(what: Any, *more: Any, **named: Any) -> tuple[str, str, str]:
    decision = decided(what, *more, **named)
    assert isinstance(decision, Refused), decision
    kind, frame_id, name, text, details = json.loads(frames.error(decision))
    assert (kind, details["code"], text) == (4, decision.rejection.code, decision.rejection.detail)
    return frame_id, name, details["code"]


# ---- shape


@pytest.mark.parametrize(
    ("frame", "frame_id", "code"),
    [
        pytest.param(b"", "-1", "bad_json", id="nothing"),
        pytest.param(b"{", "-1", "bad_json", id="half an object"),
        pytest.param(b'[2,"a","Heartbeat",{"x":NaN}]', "-1", "bad_json", id="NaN"),
        pytest.param(b'[2,"a","Heartbeat",{}],', "-1", "bad_json", id="a comma too many"),
        pytest.param(b'[2,"\xe9","Heartbeat",{}]', "-1", "bad_encoding", id="latin-1"),
        pytest.param(b'[2,"a","Heartbeat",{"b":1,"b":1}]', "-1", "duplicate_key", id="a member twice"),
        pytest.param(b"[" * 33 + b"]" * 33, "-1", "too_deep", id="33 levels"),
        pytest.param({}, "-1", "not_an_object", id="an object"),
        pytest.param([], "-1", "missing_field", id="no elements"),
        pytest.param([2], "-1", "missing_field", id="no id"),
        pytest.param([2, 7, "Heartbeat", {}], "-1", "wrong_type", id="a number for an id"),
        pytest.param([2, "a" * 37, "Heartbeat", {}], "-1", "out_of_range", id="an id of 37 characters"),
        pytest.param([2, "a", "Heartbeat"], "a", "missing_field", id="no payload"),
        pytest.param([2, "a", "Heartbeat", {}, 1], "a", "wrong_type", id="an element too many"),
        pytest.param([2, "a", 5, {}], "a", "wrong_type", id="an action that is a number"),
        pytest.param([2, "a", "Heartbeat", None], "a", "not_an_object", id="a payload that is null"),
        pytest.param([True, "a", "Heartbeat", {}], "a", "wrong_type", id="true for a kind"),
        pytest.param([9, "a", "Heartbeat", {}], "a", "wrong_type", id="kind 9"),
        pytest.param([3, "a", []], "a", "wrong_type", id="a result that is a list"),
        pytest.param([4, "a", "InternalError", "x"], "a", "wrong_type", id="an error without details"),
    ],
)
def test_frames_of_bad_shape(frame: Any, frame_id: str, code: str) -> None:
    assert refused(frame) == (frame_id, "FormationViolation", code)


def test_an_unknown_action_is_told_which_there_are() -> None:
    assert refused([2, "a", "DataTransfer", {}]) == ("a", "PropertyConstraintViolation", "not_found")


def test_answers_to_our_calls() -> None:
    assert decided([3, "a", {"status": "Accepted"}]) == Reply("a", {"status": "Accepted"}, None)
    assert decided([4, "a", "NotSupported", "no", {}]) == Reply("a", {}, ("NotSupported", "no", {}))


# ---- who may


def test_the_first_frame_without_a_token_is_a_boot_with_the_secret() -> None:
    assert conversation.first(b'[2,"a","BootNotification",{"secret":"pms_x","firmware":"1"}]') == Boot("a", "pms_x")
    for other in (b"", b"{}", b'[2,"a","BootNotification",{}]', b'[2,"a","Heartbeat",{}]', b'[3,"a",{}]'):
        found = conversation.first(other)
        assert isinstance(found, Refused)
        assert (found.kind, found.rejection.code) == ("SecurityError", "token_missing")


def test_who_may_not_send_learns_nothing_about_the_frame() -> None:
    revoked = Rejection(403, "sensor_disabled", "sensor_id", "revoked")
    for frame in (values(entry()), values(entry(timestamp="x")), [2, "7f1c", "Nothing", {}]):
        assert refused(frame, revoked) == ("7f1c", "SecurityError", "sensor_disabled")
    assert refused([3, "a", {}], revoked) == ("-1", "SecurityError", "sensor_disabled")


def test_boot_results() -> None:
    kind, frame_id, answer = json.loads(conversation.booted(Boot("a", None), None, NOW_MS))
    assert (kind, frame_id) == (3, "a")
    assert answer == {"status": "Accepted", "currentTime": "2027-01-15T08:00:00.000Z", "interval": 86_400}
    rejected = json.loads(conversation.booted(Boot("a", None), Rejection(401, "token_invalid", None, ""), NOW_MS))[2]
    assert (rejected["status"], rejected["code"]) == ("Rejected", "token_invalid")


# ---- what is answered at once


@pytest.mark.parametrize(
    ("action", "payload", "answer"),
    [
        ("Heartbeat", {}, {"currentTime": "2027-01-15T08:00:00.000Z"}),
        ("StatusNotification", {"status": "Available"}, {}),
        (
            "StartTransaction",
            {"connectorId": 1},
            {"status": "Accepted", "transactionId": 1_800_000_000, "idTagInfo": {"status": "Accepted"}},
        ),
        (
            "StopTransaction",
            {"transactionId": 5},
            {"status": "Accepted", "idTagInfo": {"status": "Accepted"}, "transactionId": 5},
        ),
    ],
)
def test_calls_answered_at_once(action: str, payload: Any, answer: Any) -> None:
    decision = decided([2, 'ü"\\\x7f', action, payload])
    assert isinstance(decision, Say)
    assert json.loads(decision.text) == [3, 'ü"\\\x7f', answer]


# ---- MeterValues


def test_a_frame_becomes_what_a_post_would() -> None:
    (reading,) = stored(values(entry())).seconds.readings
    data = [
        {"probe_id": k, "probe_type": "CT", "power": [1000] * 20, "pf": [90] * 20, "voltage": [220_000] * 20} for k in (1, 2, 3)
    ]
    post = {"version": meter_values.FORMAT_VERSION, "sensor_id": "gre000001", "timestamp": 1_700_000_000, "data": data}
    verdict = exact.judge(json.dumps(post).encode(), lambda *_: GOOD, None, NOW_MS)
    assert isinstance(verdict, Post)
    assert reading == verdict.reading


@pytest.mark.parametrize(
    "timestamp",
    [
        1_700_000_000,
        "1700000000",
        "2023-11-14T22:13:20Z",
        "2023-11-14T22:13:20.000Z",
        "2023-11-14T22:13:20.999999Z",
        "2023-11-14T22:13:20+00:00",
    ],
)
def test_timestamps(timestamp: Any) -> None:
    assert [r.timestamp_s for r in stored(values(entry(timestamp=timestamp))).seconds.readings] == [1_700_000_000]


def sign(**changes: Any) -> list[Any]:
    return values(entry(sampled(**changes)))


STANDARD = {"value": "229.6", "measurand": "Voltage", "phase": "L1-N", "unit": "V", "context": "Sample.Periodic"}


@pytest.mark.parametrize(
    ("frame", "code", "field"),
    [
        pytest.param([2, "a", "MeterValues", {}], "missing_field", "meterValue", id="no meterValue"),
        pytest.param(values(meterValue={}), "wrong_type", "meterValue", id="meterValue as object"),
        pytest.param(values(), "out_of_range", "meterValue", id="no second"),
        pytest.param(values(*[1] * 601), "body_too_large", "meterValue", id="601 seconds"),
        pytest.param(values(5), "not_an_object", "meterValue[0]", id="a number for a second"),
        pytest.param(values({"sampledValue": []}), "missing_field", "meterValue[0].timestamp", id="no timestamp"),
        pytest.param(values(entry(timestamp=None)), "wrong_type", "meterValue[0].timestamp", id="null for a timestamp"),
        pytest.param(values(entry(timestamp=1.7e9)), "wrong_type", "meterValue[0].timestamp", id="a timestamp with fraction"),
        pytest.param(values(entry(timestamp=True)), "wrong_type", "meterValue[0].timestamp", id="true for a timestamp"),
        pytest.param(values(entry(timestamp="now")), "wrong_type", "meterValue[0].timestamp", id="a word"),
        pytest.param(values(entry(timestamp="-5")), "wrong_type", "meterValue[0].timestamp", id="minus five"),
        pytest.param(values(entry(timestamp="٣")), "wrong_type", "meterValue[0].timestamp", id="arabic digits"),
        pytest.param(values(entry(timestamp="2023-11-14T22:13:20")), "wrong_type", "meterValue[0].timestamp", id="no zone"),
        pytest.param(values(entry(timestamp="2023-11-14T22:13:20+09:00")), "wrong_type", "meterValue[0].timestamp", id="Korea"),
        pytest.param(values(entry(timestamp="2023-02-29T00:00:00Z")), "wrong_type", "meterValue[0].timestamp", id="29 February"),
        pytest.param(values(entry(timestamp="1999-12-31T23:59:59Z")), "timestamp_too_old", "meterValue[0].timestamp", id="1999"),
        pytest.param(values(entry(timestamp="0")), "timestamp_too_old", "meterValue[0].timestamp", id="1970"),
        pytest.param(values(entry(timestamp=NOW_MS)), "timestamp_future", "meterValue[0].timestamp", id="milliseconds"),
        pytest.param(values(entry(timestamp="9" * 25)), "timestamp_future", "meterValue[0].timestamp", id="25 digits"),
        pytest.param(values({"timestamp": 1_700_000_000}), "missing_field", "meterValue[0].sampledValue", id="no samples"),
        pytest.param(values(entry() | {"sampledValue": []}), "bad_probe_count", "meterValue[0].sampledValue", id="no probe"),
        pytest.param(sign(probe=4), "bad_probe_id", "meterValue[0].sampledValue[0].probe", id="probe 4"),
        pytest.param(sign(probe="1"), "wrong_type", "meterValue[0].sampledValue[0].probe", id="a quoted probe"),
        pytest.param(
            values(entry(sampled(), sampled())), "duplicate_probe", "meterValue[0].sampledValue[1].probe", id="probe 1 twice"
        ),
        pytest.param(
            values(entry(sampled(probe=0), sampled(probe=3))), "bad_probe_id", "meterValue[0].sampledValue[1].probe", id="0 and 3"
        ),
        pytest.param(sign(probeType="ct"), "bad_probe_type", "meterValue[0].sampledValue[0].probeType", id="ct"),
        pytest.param(sign(powerfactor=None), "missing_field", "meterValue[0].sampledValue[0].powerfactor", id="no powerfactor"),
        pytest.param(sign(pf=[1] * 20, powerfactor=None), "missing_field", "meterValue[0].sampledValue[0].powerfactor", id="pf"),
        pytest.param(sign(powerfactor=[101] * 20), "out_of_range", "meterValue[0].sampledValue[0].powerfactor", id="101 %"),
        pytest.param(sign(power=[1] * 17), "sample_count", "meterValue[0].sampledValue[0].power", id="17 samples"),
        pytest.param(sign(power=[1.0] * 20), "wrong_type", "meterValue[0].sampledValue[0].power[0]", id="fractions"),
        pytest.param(values(entry(STANDARD)), "missing_field", "meterValue[0].sampledValue[0].probeType", id="OCPP 1.6 itself"),
    ],
)  # fmt: skip
def test_meter_values_refused(frame: Any, code: str, field: str) -> None:
    decision = decided(frame)
    assert isinstance(decision, Refused)
    assert (decision.kind, decision.rejection.code, decision.rejection.field) == ("PropertyConstraintViolation", code, field)


def test_standard_ocpp_is_told_what_is_expected() -> None:
    decision = decided(values(entry(STANDARD)))
    assert isinstance(decision, Refused)
    assert "expected probe, probeType, and power, powerfactor and voltage" in decision.rejection.detail


def test_watts_are_scaled_before_the_ranges() -> None:
    found = conversation.decide(json.dumps(sign(power=[5] * 20, voltage=230)).encode(), Admission(1000, False), False, NOW_MS)
    assert isinstance(found, Store)
    assert found.seconds.readings[0].packed == wire.pack([(1, "CT", [5000] * 20, [90] * 20, [230_000])])


def probes_of(store: Store) -> list[list[int]]:
    return [[phase for phase in PHASES if phase not in reading.missing] for reading in store.seconds.readings]


def test_probes_from_zero() -> None:
    found = stored(values(entry(sampled(probe=0), sampled(probe=1), sampled(probe=2))))
    assert (probes_of(found), found.seconds.from_zero) == ([[1, 2, 3]], True)
    found = stored(values(entry(sampled(probe=1), sampled(probe=2))))
    assert (probes_of(found), found.seconds.from_zero) == ([[1, 2]], False)
    found = stored(values(entry(sampled(probe=1), sampled(probe=2))), zero_based=True)
    assert (probes_of(found), found.seconds.from_zero) == ([[2, 3]], False)
    found = stored(values(entry(sampled(probe=1)), entry(sampled(probe=0), timestamp=1_700_000_001)))
    assert (probes_of(found), found.seconds.from_zero) == ([[2], [1]], True), "one probe 0 speaks for the whole frame"
    found = stored(values(entry(sampled(probe=None), sampled(probe=None))), zero_based=True)
    assert probes_of(found) == [[1, 2]], "by position when they have no number"
    assert refused(values(entry(sampled(probe=3))), zero_based=True)[2] == "bad_probe_id"


def test_a_refused_frame_says_nothing_about_how_probes_are_numbered() -> None:
    decision = decided(values(entry(sampled(probe=0)), entry(sampled(probe=0, power=[1]))))
    assert isinstance(decision, Store)
    assert decision.seconds.from_zero
    assert isinstance(decided(values(entry(sampled(probe=0, power=[1])))), Refused)


# ---- answers to MeterValues


def answer(what: Any, admission: Admission = GOOD) -> Any:
    decision = decided(what, admission)
    assert isinstance(decision, Store)
    return json.loads(conversation.accepted(decision))


def test_accepted() -> None:
    assert conversation.accepted(stored(values(entry()))) == b'[3,"7f1c",{"status":"Accepted"}]'
    assert answer(values(entry(), frame_id='é"\ud800')) == [3, 'é"\ud800', {"status": "Accepted"}]
    assert answer(values(entry(sampled(probe=2)))) == [3, "7f1c", {"status": "Accepted", "missing_probes": [1, 3]}]
    assert answer(values(entry()), Admission(1, True)) == [3, "7f1c", {"status": "Accepted", "refresh_token": True}]


def test_several_seconds_in_a_frame() -> None:
    many = [entry(timestamp=1_700_000_000 + k) for k in range(600)]
    assert answer(values(*many))[2] == {"status": "Accepted", "accepted": 600, "rejected": []}
    mixed = values(entry(), entry(sampled(power=[1]), timestamp="1700000001"), 5)
    assert answer(mixed)[2]["rejected"] == [
        {"index": 1, "timestamp": 1_700_000_001, "code": "sample_count"},
        {"index": 2, "timestamp": None, "code": "not_an_object"},
    ]
    decision = decided(values(5, entry(timestamp=5)))
    assert isinstance(decision, Refused)
    details = json.loads(frames.error(decision))[4]
    assert (details["code"], details["accepted"], len(details["rejected"])) == ("not_an_object", 0, 2)


@pytest.mark.parametrize("n", [0, 125, 126, 65_535, 65_536])
def test_what_is_sent_is_one_text_message(n: int) -> None:
    sent = frames.wire(b"x" * n)
    head = {0: 2, 125: 2, 126: 4, 65_535: 4, 65_536: 10}[n]
    length = sent[1] if sent[1] < 126 else int.from_bytes(sent[2:head], "big")
    assert (sent[0], length, sent[head:]) == (0x81, n, b"x" * n)


# ---- anything at all


def good_answer(decision: Any) -> None:
    if isinstance(decision, Refused):
        kind, frame_id, name, text, details = json.loads(frames.error(decision))
        assert kind == 4
        assert name in CLASSES
        assert isinstance(text, str)
        assert isinstance(details["code"], str)
        assert len(frame_id) <= 36
    elif isinstance(decision, Store):
        assert json.loads(conversation.accepted(decision))[:2] == [3, decision.id]
    elif isinstance(decision, Say):
        assert json.loads(decision.text)[1] == decision.id
    assert isinstance(conversation.action_of(decision), str)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
ACTION = st.sampled_from(["MeterValues", "Heartbeat", "BootNotification", "StopTransaction", "x"])
FRAME = st.tuples(st.sampled_from([2, 3, 4, 5, None]), st.text(max_size=40) | JSON, ACTION | JSON, JSON)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_get_an_answer(raw: bytes, zero_based: bool) -> None:
    good_answer(decided(raw, zero_based=zero_based))
    conversation.first(raw)


@given(FRAME, st.booleans())
def test_any_frame_gets_an_answer(frame: Any, zero_based: bool) -> None:
    good_answer(decided(frame, zero_based=zero_based))


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """A good frame in which one value anywhere is another one, or is gone, or has company."""
    frame = values(*[entry(timestamp=draw(st.sampled_from([1_700_000_000, "1700000000", "2023-11-14T22:13:20Z"])))] * draw(
        st.integers(1, 2)
    ))  # fmt: skip
    frame = json.loads(json.dumps(frame))
    at: Any = frame
    while True:
        key = draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if not isinstance(at[key], dict | list) or not at[key] or draw(st.booleans()):
            break
        at = at[key]
    match draw(st.sampled_from(["change", "drop", "add"])):
        case "change":
            at[key] = draw(JSON | st.sampled_from([0, 1, 3, "1", "a:b", "2023-11-14T22:13:20.1Z"]))
        case "drop":
            del at[key]
        case "add" if isinstance(at, dict):
            at[draw(st.text(max_size=5))] = draw(JSON)
    return frame


@given(damaged(), st.booleans())
@settings(max_examples=400)
def test_a_damaged_frame_gets_the_same_answer_by_both_ways(frame: Any, zero_based: bool) -> None:
    good_answer(decided(frame, zero_based=zero_based))


@given(st.text(max_size=40))
def test_any_text_for_a_timestamp(text: str) -> None:
    found = timestamps.seconds_of(text)
    assert found is None or type(found) is int


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b'[2,"\\u003a","MeterValues",{"meterValue":[%s],"a":1}]', id="an escaped colon for an unknown member"),
        pytest.param(b'[2,"\\u003a","MeterValues",{"meterValue":[],"meterValue":[%s]}]', id="for one that stands twice"),
    ],
)
def test_the_short_way_is_not_fooled_by_escapes(raw: bytes) -> None:
    assert meter_values.accept(raw % json.dumps(entry()).encode(), False, 1, NOW_MS) is None


def test_good_frames_take_the_short_way() -> None:
    for frame in (
        values(entry()),
        values(entry(timestamp="2023-11-14T22:13:20Z"), frame_id="a:b"),
        values(entry(sampled(probe=0))),
    ):
        assert meter_values.accept(json.dumps(frame).encode(), False, 1, NOW_MS) is not None


# ---- bytes of the wire


class Reader:
    """Keeps what it gets, as aiohttp's reader would."""

    def __init__(self) -> None:
        self.got = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.got += data
        return False, b""

    def feed_eof(self) -> None:
        self.got += b"(end)"


def masked(text: bytes, first: int = 0x81, mask: bytes = b"\x01\x80\xff\x00") -> bytes:
    body = bytes(byte ^ mask[i % 4] for i, byte in enumerate(text))
    n = len(text)
    head = bytes((first, 0x80 | n)) if n < 126 else bytes((first, 0xFE)) + n.to_bytes(2, "big")
    return (head if n < 65_536 else bytes((first, 0xFF)) + n.to_bytes(8, "big")) + mask + body


LONG = b"l" * 20_000
WIRE = [
    (masked(b"good 1"), b"good 1"),
    (masked(b"bad"), None),
    (masked(b"ping", 0x89), None),
    (masked(b"good" + b"x" * 300), b"good" + b"x" * 300),
    (masked(b"good, in ", 0x01), None),
    (masked(b"good, but between fragments"), None),
    (masked(b"two", 0x80), None),
    (masked(LONG), None),
    (masked(b"good, with a reserved bit", 0xC1), None),
    (b"\x81\x04good", None),
    (masked(b""), None),
    (masked(b"good last"), b"good last"),
]


@given(st.lists(st.integers(0, sum(len(raw) for raw, _ in WIRE)), max_size=40))
@settings(max_examples=200)
def test_any_cut_of_the_bytes_gives_the_same(cuts: list[int]) -> None:
    stream, taken, reader = b"".join(raw for raw, _ in WIRE), [], Reader()

    def take(text: bytes) -> bool:
        if text.startswith(b"good"):
            taken.append(text)
            return True
        return False

    whole = WholeFrames(reader, take)
    for start, end in itertools.pairwise([0, *sorted(cuts), len(stream)]):
        assert whole.feed_data(stream[start:end]) == (False, b"")
    whole.feed_eof()
    assert taken == [text for _, text in WIRE if text is not None]
    assert reader.got == b"".join(raw for raw, text in WIRE if text is None) + b"(end)"


@given(st.binary(max_size=300))
def test_any_bytes_reach_the_reader_or_wait_for_more(raw: bytes) -> None:
    reader = Reader()
    WholeFrames(reader, lambda _: False).feed_data(raw)
    assert raw.startswith(reader.got)


def test_when_the_reader_has_enough_so_has_all_else() -> None:
    class Full(Reader):
        def feed_data(self, data: bytes) -> tuple[bool, bytes]:
            super().feed_data(data)
            return True, b""

    reader = Full()
    assert WholeFrames(reader, lambda _: False).feed_data(masked(b"a") + masked(b"b")) == (True, b"")
    assert reader.got == masked(b"a")
