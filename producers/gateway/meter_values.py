"""MeterValues of the WebSocket variant to readings, judged by the judge of the posts. No socket and no clock.

Each entry of `meterValue` is one second. It becomes the record of a post (probe: probe_id, probeType: probe_type,
powerfactor: pf, the timestamp as an integer) and gets that record's verdict; fields are named as the sensor sent them.
"""

import re
from typing import Any, NamedTuple

from producers.gateway import exact, quick
from producers.gateway.members import RejectedError, kind
from producers.gateway.scan import FRAME, FROM_ZERO, ID_AT, ID_END
from producers.gateway.timestamps import seconds_of
from producers.gateway.verdict import Reading, RejectedRecord, Rejection

FORMAT_VERSION = "221013"
"""What a reading's format is called that came without a name: the frames have no `version`."""

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


def accept(frame: bytes, zero_based: bool, scale: int, now_ms: int) -> tuple[str, Seconds] | None:
    """The short way for a frame in which every second is good: its id and them; None says nothing about the frame."""
    found = quick.read(frame, FRAME, scale, zero_based, now_ms)
    if found is None:
        return None
    places, readings = found
    return frame[places[ID_AT] : places[ID_END]].decode(), Seconds(readings, [], places[FROM_ZERO] == 1)


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
