"""What one frame of a sensor asks for, and the texts that answer it. No socket and no clock."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from producers.gateway import frames, meter_values
from producers.gateway.frames import NO_ID, SECURITY, Call, Refused, Reply, refused
from producers.gateway.members import echo
from producers.gateway.meter_values import Seconds
from producers.gateway.verdict import ALL_PHASES, MISSING, Admission, Rejection

INTERVAL_S = 86_400
"""How often a sensor sends a Heartbeat at least."""

_ACTIONS = ("BootNotification", "Heartbeat", "MeterValues", "StartTransaction", "StopTransaction", "StatusNotification")


class Store(NamedTuple):
    """Seconds for the log; the answer waits until it has them. At least one of them is good.

    Attributes:
        refresh: the sensor's token is past the time of refreshing.
    """

    id: str
    seconds: Seconds
    refresh: bool


class Boot(NamedTuple):
    """A BootNotification.

    Attributes:
        secret: of any type, or MISSING.
    """

    id: str
    secret: Any


class Say(NamedTuple):
    """A call whose answer is known at once."""

    id: str
    action: str
    text: bytes


Decision = Store | Boot | Say | Reply | Refused


def action_of(decision: Decision) -> str:
    """What a frame counts as; never a word of the sensor's own."""
    if isinstance(decision, Say):
        return decision.action
    names: dict[type[Any], str] = {Store: "MeterValues", Boot: "BootNotification", Reply: "answer", Refused: "refused"}
    return names[type(decision)]


def first(frame: bytes) -> Boot | Refused:
    """Read the first frame of a connection that showed no token: it must be a BootNotification with the secret."""
    read = frames.read(frame)
    if isinstance(read, Call) and read.action == "BootNotification" and "secret" in read.payload:
        return Boot(read.id, read.payload["secret"])
    frame_id = read.id if isinstance(read, Call | Refused) else NO_ID
    detail = "no token came in the Authorization header; expected BootNotification with the secret as the first frame"
    return Refused(frame_id, Rejection(401, "token_missing", "secret", detail), SECURITY)


def decide(frame: bytes, admission: Admission | Rejection, zero_based: bool, now_ms: int) -> Decision:
    """Judge one frame of a connection whose sensor is known; the checks have the order of a post's.

    Args:
        admission: whether the sensor may still send, now.
        zero_based: it numbers its probes 0, 1, 2.
    """
    if isinstance(admission, Admission):
        quick = meter_values.accept(frame, zero_based, admission.scale, now_ms)
        if quick is not None:
            return Store(*quick, admission.refresh)
    read = frames.read(frame)
    if isinstance(read, Refused):
        return read
    if isinstance(admission, Rejection):
        return refused(read.id if isinstance(read, Call) else NO_ID, admission)
    if isinstance(read, Reply):
        return read
    if read.action == "MeterValues":
        return _meter_values(read, admission, zero_based, now_ms)
    return _other(read, now_ms)


def _meter_values(call: Call, admission: Admission, zero_based: bool, now_ms: int) -> Store | Refused:
    found = meter_values.judge(call.payload, zero_based, admission.scale, now_ms)
    if isinstance(found, Rejection):
        return refused(call.id, found)
    if found.readings:
        return Store(call.id, found, admission.refresh)
    return Refused(call.id, found.rejected[0].rejection, frames.PROPERTY, named(found) if len(found.rejected) > 1 else None)


def _other(call: Call, now_ms: int) -> Boot | Say | Refused:
    action, payload = call.action, call.payload
    answer: dict[str, Any]
    if action == "BootNotification":
        return Boot(call.id, payload.get("secret", MISSING))
    if action == "Heartbeat":
        answer = {"currentTime": iso(now_ms)}
    elif action == "StatusNotification":
        answer = {}
    elif action == "StartTransaction":
        answer = {"status": "Accepted", "transactionId": now_ms // 1000, "idTagInfo": {"status": "Accepted"}}
    elif action == "StopTransaction":
        answer = {"status": "Accepted", "idTagInfo": {"status": "Accepted"}}
        if type(payload.get("transactionId")) is int:
            answer["transactionId"] = payload["transactionId"]
    else:
        detail = f"action {echo(action, 40)} came; expected one of {', '.join(_ACTIONS)}"
        return refused(call.id, Rejection(404, "not_found", None, detail))
    return Say(call.id, action, frames.result(call.id, answer))


# ---- answers


def booted(boot: Boot, rejection: Rejection | None, now_ms: int) -> bytes:
    """The result of a BootNotification; a rejected one names the code."""
    answer = {"status": "Accepted" if rejection is None else "Rejected", "currentTime": iso(now_ms), "interval": INTERVAL_S}
    if rejection is not None:
        answer["code"] = rejection.code
    return frames.result(boot.id, answer)


def accepted(store: Store) -> bytes:
    """The result of MeterValues, once safe in the log.

    One second: what else a post's 202 would say. Several: as for a batch, the refused ones by index; the sensor
    forgets both kinds.
    """
    readings, rejected, _ = store.seconds
    plain = len(readings) == 1 and readings[0].phases == ALL_PHASES and not (store.refresh or rejected)
    if plain and _needs_no_escape(store.id):
        return f'[3,"{store.id}",{{"status":"Accepted"}}]'.encode()
    first_one, *more = readings
    answer: dict[str, Any] = {"status": "Accepted"}
    if more or rejected:
        answer |= named(store.seconds)
    elif first_one.missing:
        answer["missing_probes"] = first_one.missing
    if store.refresh:
        answer["refresh_token"] = True
    return frames.result(store.id, answer)


def named(seconds: Seconds) -> dict[str, Any]:
    """How many seconds are good, and which are not, as in the answer to a batch."""
    rejected = [{"index": one.index, "timestamp": one.timestamp, "code": one.rejection.code} for one in seconds.rejected]
    return {"accepted": len(seconds.readings), "rejected": rejected}


def iso(now_ms: int) -> str:
    """2026-01-31T12:00:00.000Z"""
    return datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _needs_no_escape(text: str) -> bool:
    return text.isascii() and text.isprintable() and '"' not in text and "\\" not in text
