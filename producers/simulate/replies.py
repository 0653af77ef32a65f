"""Replies as firmware reads them: the status decides, the rest is detail that may be missing."""

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from producers.simulate.actions import NO_ANSWER, Answer, Grant, Orders, Urls
from producers.simulate.clock import Exchange

_SECONDS = re.compile(r"\d{1,6}(\.\d+)?")


class _Refused(msgspec.Struct):
    code: str
    timestamp: int | None = None


class _Reply(msgspec.Struct):
    code: str = ""
    rejected: list[_Refused] = []
    refresh_token: bool = False
    server_time: int | None = None


class _Times(msgspec.Struct):
    t0: int
    t1: int
    t2: int


class _Granted(msgspec.Struct):
    token: Annotated[str, Meta(min_length=1, max_length=256)]
    refresh_after: float
    host: str = ""
    urls: dict[str, str] | None = None
    settings: dict[str, int | float | str | bool | None] | None = None


class _Booted(msgspec.Struct):
    time: _Times


_decode = msgspec.json.Decoder(_Reply).decode
_granted = msgspec.json.Decoder(_Granted).decode
_times = msgspec.json.Decoder(_Times).decode
_booted = msgspec.json.Decoder(_Booted).decode
_BROKEN = (msgspec.MsgspecError, ValueError)


def answer_of(status: int, text: bytes, retry_after: str | None, *, batch: bool = False, clock_ms: int | None = None) -> Answer:
    """Read a reply.

    Args:
        batch: the request held many seconds: a reply that broke off is none, as it may have named the refused ones.
        clock_ms: the sensor's clock as the reply came.
    """
    wait_s = float(retry_after) if retry_after is not None and _SECONDS.fullmatch(retry_after) else None
    try:
        reply = _decode(text)
    except _BROKEN:
        if batch and 200 <= status < 300:
            return Answer(NO_ANSWER)
        reply = _Reply()
    refused = tuple((r.timestamp, r.code) for r in reply.rejected if r.timestamp is not None)
    behind_s = None if clock_ms is None or reply.server_time is None else reply.server_time - clock_ms / 1000
    return Answer(status, reply.code, wait_s, refused, reply.refresh_token, behind_s=behind_s)


def grant_of(text: bytes) -> Grant | None:
    """The token in a reply of boot or token; None when there is none."""
    try:
        read = _granted(text)
    except _BROKEN:
        return None
    urls, settings = read.urls or {}, read.settings or {}
    named = {name: urls[name] for name in ("data", "batch", "time", "token", "ws") if urls.get(name)}
    orders = {
        name: value
        for name in Orders.__dataclass_fields__
        if isinstance(value := settings.get(name), int) and not isinstance(value, bool) and value > 0
    }
    return Grant(
        read.token,
        max(read.refresh_after, 0.0),
        Urls(host=read.host, **named) if read.urls is not None else None,
        Orders(**orders) if read.settings is not None else None,
    )


def exchange_of(text: bytes, t0: int, t3: int) -> Exchange | None:
    """The exchange in a reply of boot or time; None when there is none, or it answers another question."""
    try:
        times = _booted(text).time if b'"time"' in text else _times(text)
    except _BROKEN:
        return None
    return Exchange(t0, times.t1, times.t2, t3) if times.t0 == t0 else None
