"""Bodies of the doors where a sensor gets its token and the time: bytes in, what is asked for or a refusal out.

The order of checks is that of a post: JSON, object, sensor_id, the secret or token (401, then 403), then the rest.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from producers.gateway.members import RejectedError, member, no, sensor_id_of, top_level, version_of, without_tokens, wrong_type
from producers.gateway.verdict import MISSING, Admission, Admit, Rejection

FIRMWARE_MAX = 100
"""Characters by which a sensor may name its firmware."""

SETTINGS = {"post_interval_s": 1, "samples_per_second": 20, "time_sync_interval_s": 86_400, "batch_max_seconds": 600}
"""What a sensor is told to do."""

URLS = {
    "data": "/powermon/data",
    "batch": "/powermon/data/batch",
    "time": "/powermon/time",
    "token": "/powermon/token",
    "ws": "/powermon/ws",
}
"""Where a sensor of power goes."""
LINKY_URLS = {"tic": "/powermon/tic", "time": "/powermon/time", "token": "/powermon/token"}
"""Where a Linky's reader goes."""

_HOST = re.compile(r"(?:[A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)

CheckSecret = Callable[[str, Any], Rejection | None]
"""Checks a secret: (sensor_id in lower case, the member or MISSING)."""

Holder = Callable[[Any, str | None], str | None]
"""Whose token this is: (the body's or MISSING, the header's or None)."""


class Boot(NamedTuple):
    """A sensor that showed its secret.

    Attributes:
        t0: its clock when it sent this, of any type.
    """

    sensor_id: str
    version: str
    firmware: str
    t0: Any


class Refresh(NamedTuple):
    """A sensor that may have a new token.

    Attributes:
        by: "secret" or "token".
    """

    sensor_id: str
    by: str


def boot(body: bytes, check: CheckSecret) -> Boot | Rejection:
    """Judge a body of POST /powermon/boot, after decompression."""
    try:
        top = top_level(body)
        sensor_id = sensor_id_of(top)
        refused = check(sensor_id, top.get("secret", MISSING))
        if refused is not None:
            return refused
        return Boot(sensor_id, version_of(top), _firmware(top), top.get("t0"))
    except RejectedError as error:
        return error.rejection


def refresh(
    body: bytes, check: CheckSecret, admit: Admit, holder: Holder, header_token: str | None, now_ms: int
) -> Refresh | Rejection:
    """Judge a body of POST /powermon/token: a secret when it holds one, else the present token.

    Args:
        body: after decompression; none at all is as good as an empty object.
        holder: finds the sensor when only a token came.
    """
    try:
        top = top_level(body or b"{}")
        if "secret" in top:
            sensor_id = sensor_id_of(top)
            return check(sensor_id, top["secret"]) or Refresh(sensor_id, "secret")
        token = top.get("token", MISSING)
        # A token names its sensor; without sensor_id there is nothing it could contradict.
        sensor_id = sensor_id_of(top) if "sensor_id" in top else holder(token, header_token) or ""
        admission = admit(sensor_id, token, header_token, now_ms)
        return Refresh(sensor_id, "token") if isinstance(admission, Admission) else admission
    except RejectedError as error:
        return error.rejection


def time(body: bytes) -> tuple[str, Any] | Rejection:
    """Judge a body of POST /powermon/time: the sensor, which need not exist, and its t0 of any type."""
    try:
        top = top_level(body)
        return sensor_id_of(top), top.get("t0")
    except RejectedError as error:
        return error.rejection


def host(asked: str) -> str:
    """The Host header as an answer may name it; empty when it is no host[:port]: then the sensor keeps the one it has."""
    return asked if _HOST.fullmatch(asked) else ""


def _firmware(top: dict[str, Any]) -> str:
    if "firmware" not in top:
        return ""
    firmware = member(top, "firmware", "")
    if not isinstance(firmware, str):
        wrong_type("firmware", firmware, "a string")
    if len(firmware) > FIRMWARE_MAX:
        no("out_of_range", "firmware", f"{len(firmware)} characters came; expected at most {FIRMWARE_MAX}")
    return without_tokens("".join(c if c.isprintable() else "�" for c in firmware))
