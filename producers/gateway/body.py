"""Bodies to readings. Good ones take a short way that can only accept; all others go to the exact judge."""

from producers.gateway import exact, quick
from producers.gateway.members import is_version
from producers.gateway.scan import BATCH, POST, SENSOR_AT, SENSOR_END, TOKEN_AT, TOKEN_END, VERSION_AT
from producers.gateway.verdict import MISSING, Admit, Batch, Post, Reading, Rejection

_versions: dict[bytes, str] = {}
"""Formats seen that are dates; devices in the field name a handful."""


def judge(body: bytes, admit: Admit, header_token: str | None, now_ms: int) -> Post | Rejection:
    """Judge a body of POST /powermon/data.

    Args:
        body: after decompression.
        admit: checks the token.
        header_token: of the Authorization header.
        now_ms: the gateway's clock, UTC.
    """
    return accept(body, admit, header_token, now_ms) or exact.judge(body, admit, header_token, now_ms)


def judge_batch(body: bytes, admit: Admit, header_token: str | None, now_ms: int) -> Batch | Rejection:
    """Judge a body of POST /powermon/data/batch; arguments as for `judge`."""
    return accept_batch(body, admit, header_token, now_ms) or exact.judge_batch(body, admit, header_token, now_ms)


def accept(body: bytes, admit: Admit, header_token: str | None, now_ms: int) -> Post | None:
    """The short way; None says nothing about the body."""
    found = _accepted(body, POST, admit, header_token, now_ms)
    return None if found is None else Post(found[0], found[1], found[2], found[3][0])


def accept_batch(body: bytes, admit: Admit, header_token: str | None, now_ms: int) -> Batch | None:
    """The short way for a batch in which every record is good; None says nothing about the body."""
    found = _accepted(body, BATCH, admit, header_token, now_ms)
    return None if found is None else Batch(*found, [])


def _accepted(
    body: bytes, shape: int, admit: Admit, header_token: str | None, now_ms: int
) -> tuple[str, str, bool, list[Reading]] | None:
    found = quick.read(body, shape, 1, False, now_ms)
    if found is None:
        return None
    places, readings = found
    version_at, token_at = places[VERSION_AT], places[TOKEN_AT]
    version = _versions.get(body[version_at : version_at + 6]) or _known(body[version_at : version_at + 6])
    if version is None:
        return None
    sensor_id = body[places[SENSOR_AT] : places[SENSOR_END]].decode().lower()
    token = body[token_at : places[TOKEN_END]].decode() if token_at else MISSING
    admission = admit(sensor_id, token, header_token, now_ms)
    if isinstance(admission, Rejection):
        return None
    if admission.scale != 1:  # who sends it, and hence in which unit, is known only now
        found = quick.read(body, shape, admission.scale, False, now_ms)
        if found is None:
            return None
        readings = found[1]
    return sensor_id, version, admission.refresh, readings


def _known(raw: bytes) -> str | None:
    version = raw.decode()
    if not is_version(version):
        return None
    if len(_versions) < 1000:
        _versions[raw] = version
    return version
