"""MeterValues of the WebSocket variant to readings, judged by the judge of the posts. No socket and no clock.

Each entry of `meterValue` is one second. It becomes the record of a post (probe: probe_id, probeType: probe_type,
powerfactor: pf, the timestamp as an integer) and gets that record's verdict; fields are named as the sensor sent them.
"""

import datetime
import re
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from producers.gateway import body, exact
from producers.gateway.frames import ID_MAX
from producers.gateway.members import RejectedError, kind
from producers.gateway.verdict import Reading, RejectedRecord, Rejection

FORMAT_VERSION = "221013"
"""What a reading's format is called that came without a name: the frames have no `version`."""

_ISO = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?(?:Z|\+00:00)", re.ASCII)
_DIGITS = re.compile(r"[0-9]{1,25}", re.ASCII)
_NAMES = (("probe_id", "probe"), ("probe_type", "probeType"), ("pf", "powerfactor"))
_EXPECTED = "expected probe, probeType, and power, powerfactor and voltage with 18 to 22 integers each"


class Seconds(NamedTuple):
    """What one MeterValues brought.

    Attributes:
        from_zero: a good second of it numbers its probes 0, 1, 2.
    """

    readings: list[Reading]
    rejected: list[RejectedRecord]
    from_zero: bool


class _Sampled(body.ProbeSecond, gc=False):
    probe_type: Literal["CT", "rogow_coil"] = field(name="probeType")
    pf: Annotated[list[body.Pf], body.N] = field(name="powerfactor")
    probe_id: Annotated[int, Meta(ge=0, le=3)] | UnsetType = field(name="probe", default=UNSET)


class _Entry(Struct, gc=False):
    timestamp: int | str
    data: Annotated[list[_Sampled], Meta(min_length=1, max_length=3)] = field(name="sampledValue")


class _Payload(Struct, gc=False):
    meterValue: Annotated[list[_Entry], Meta(min_length=1, max_length=exact.RECORDS_MAX)]  # noqa: N815  (the field's name)
    connectorId: int | UnsetType = UNSET  # noqa: N815
    transactionId: int | UnsetType = UNSET  # noqa: N815


_Frame = tuple[Literal[2], Annotated[str, Meta(max_length=ID_MAX)], Literal["MeterValues"], _Payload]
_decode = msgspec.json.Decoder(_Frame).decode


def accept(frame: bytes, zero_based: bool, scale: int, now_ms: int) -> tuple[str, Seconds] | None:
    """The short way for a frame in which every second is good: its id and them; None says nothing about the frame.

    It counts colons as body.py does. Without a backslash in the frame each colon is either a member's or stands as
    itself in the id or in a timestamp.
    """
    if b"\\" in frame:
        return None
    try:
        _, frame_id, _, payload = _decode(frame)
    except body.UNFIT:
        return None
    members = 1 + (payload.connectorId is not UNSET) + (payload.transactionId is not UNSET) + frame_id.count(":")
    from_zero = False
    for entry in payload.meterValue:
        for probe in entry.data:
            if probe.probe_id == 0:
                from_zero = True
    readings: list[Reading] = []
    for entry in payload.meterValue:
        timestamp = entry.timestamp
        if isinstance(timestamp, str):
            members += timestamp.count(":")
            timestamp = seconds_of(timestamp) or 0
        reading = None
        if not (from_zero or zero_based) or _from_one(entry.data):
            reading = body.reading_of(timestamp, entry.data, scale, now_ms)
        if reading is None:
            return None
        readings.append(reading[0])
        members += 2 + reading[1]
    return (frame_id, Seconds(readings, [], from_zero)) if frame.count(b":") == members else None


def _from_one(probes: list[_Sampled]) -> bool:
    """Number probes 1, 2, 3 that were numbered 0, 1, 2; whether they were."""
    for probe in probes:
        if not isinstance(probe.probe_id, UnsetType):
            if probe.probe_id == 3:
                return False
            probe.probe_id += 1
    return True


def judge(payload: dict[str, Any], zero_based: bool, scale: int, now_ms: int) -> Seconds | Rejection:
    """Judge a payload, second by second, as the records of a batch.

    Args:
        zero_based: the sensor numbers its probes 0, 1, 2; a payload that holds a probe 0 is read so in any case.
        scale: what power and voltage are multiplied by.
    """
    try:
        entries = exact.records_of(payload, "meterValue")
    except RejectedError as error:
        return error.rejection
    from_zero = any(_holds_zero(entry) for entry in entries)
    found = Seconds([], [], False)
    for index, entry in enumerate(entries):
        verdict = _second(entry, f"meterValue[{index}]", from_zero or zero_based, scale, now_ms)
        if isinstance(verdict, Reading):
            found.readings.append(verdict)
        else:
            found.rejected.append(RejectedRecord(index, _readable(entry), verdict))
    return found._replace(from_zero=from_zero and bool(found.readings))


def seconds_of(text: str) -> int | None:
    """UTC seconds of a string: digits, or ISO-8601 in UTC, of which fractions of a second are cut off."""
    if _DIGITS.fullmatch(text):
        return int(text)
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    try:
        return int(datetime.datetime.fromisoformat(found[1] + "+00:00").timestamp())
    except ValueError:
        return None


def _second(entry: Any, at: str, zero_based: bool, scale: int, now_ms: int) -> Reading | Rejection:
    if not isinstance(entry, dict):
        return Rejection(422, "not_an_object", at, f"{kind(entry)} came for {at}; expected an object")
    record: dict[str, Any] = {}
    if "timestamp" in entry:
        sent = record["timestamp"] = entry["timestamp"]
        if type(sent) is not int:
            found = seconds_of(sent) if isinstance(sent, str) else None
            if found is None:
                came = ascii(sent[:40]) if isinstance(sent, str) else kind(sent)
                detail = f"{came} came; expected whole seconds since 1970, or ISO-8601 in UTC as 2026-01-31T12:00:00Z"
                return Rejection(422, "wrong_type", f"{at}.timestamp", detail)
            record["timestamp"] = found
    if "sampledValue" in entry:
        sampled = entry["sampledValue"]
        record["data"] = [_probe(probe, zero_based) for probe in sampled] if isinstance(sampled, list) else sampled
    try:
        return exact.reading_of(record, scale, now_ms)
    except RejectedError as error:
        return _in_its_words(error.rejection, entry, at, zero_based)


def _probe(probe: Any, zero_based: bool) -> Any:
    if not isinstance(probe, dict):
        return probe
    renamed = {name: probe[name] for name in ("power", "voltage") if name in probe}
    renamed |= {ours: probe[theirs] for ours, theirs in _NAMES if theirs in probe}
    if zero_based and type(renamed.get("probe_id")) is int:
        renamed["probe_id"] += 1
    return renamed


def _in_its_words(verdict: Rejection, entry: dict[str, Any], at: str, zero_based: bool) -> Rejection:
    """The verdict with the names that the sensor used."""
    ours = theirs = verdict.field or ""
    for name, sent in _NAMES:
        theirs = re.sub(rf"\b{name}\b", sent, theirs)
    theirs = f"{at}.{re.sub(r'^data', 'sampledValue', theirs)}"
    detail = verdict.detail.replace(ours, theirs) if ours else verdict.detail
    if zero_based and verdict.code in ("bad_probe_id", "duplicate_probe"):
        detail = "this sensor numbers its probes from 0: expected 0, 1 or 2, no two alike"
    if _is_standard(entry.get("sampledValue")):
        detail = f"sampledValue as OCPP 1.6 has it came, one value each; {_EXPECTED}"
    return Rejection(verdict.status, verdict.code, theirs, detail)


def _is_standard(sampled: Any) -> bool:
    return isinstance(sampled, list) and any(isinstance(one, dict) and "value" in one and "power" not in one for one in sampled)


def _holds_zero(entry: Any) -> bool:
    sampled = entry.get("sampledValue") if isinstance(entry, dict) else None
    if not isinstance(sampled, list):
        return False
    return any(isinstance(one, dict) and type(one.get("probe")) is int and one["probe"] == 0 for one in sampled)


def _readable(entry: Any) -> int | None:
    sent = entry.get("timestamp") if isinstance(entry, dict) else None
    found = seconds_of(sent) if isinstance(sent, str) else sent
    return found if type(found) is int and abs(found) < 1 << 63 else None
