"""Answers as aiohttp responses: JSON, and problem+json for whatever is no 2xx."""

import json
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from aiohttp import HttpVersion11, web

from producers.gateway.tic_body import Frames
from producers.gateway.verdict import ALL_PHASES, Batch, Reading, RejectedRecord, Rejection


class Safe(web.StreamResponse):
    """The 202 of one reading, written as one piece of bytes: aiohttp's own way costs as much as all our checks.

    Only for HTTP/1.1 requests whose connection stays open; the others take `web.Response`.
    """

    def __init__(self, text: str, now_s: int) -> None:
        # aiohttp calls prepare, write_eof and keep_alive alone; the parent's state is not needed for them.
        self._whole = (_head_at(now_s) + f"{len(text)}\r\n\r\n{text}").encode()

    @property
    def keep_alive(self) -> bool:
        return True

    async def prepare(self, request: web.BaseRequest) -> None:
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the sensor has gone")
        transport.write(self._whole)

    async def write_eof(self, data: bytes = b"") -> None:
        pass


@lru_cache(maxsize=4)
def _head_at(now_s: int) -> str:
    date = formatdate(now_s, usegmt=True)
    return f"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nDate: {date}\r\nContent-Length: "


def safe(request: web.BaseRequest, text: str, now_s: int) -> web.StreamResponse:
    """The answer to a reading that the log has."""
    if request.keep_alive and request.version == HttpVersion11:
        return Safe(text, now_s)
    return web.Response(text=text, status=202, content_type="application/json")


def accepted(reading: Reading, refresh: bool, now_s: int) -> str:
    """The body of a 202 for one reading."""
    if not refresh and reading.phases == ALL_PHASES:
        return f'{{"status":"accepted","timestamp":{reading.timestamp_s},"server_time":{now_s}}}'
    answer: dict[str, Any] = {"status": "accepted", "timestamp": reading.timestamp_s, "server_time": now_s}
    if reading.missing:
        answer["missing_probes"] = reading.missing
    if refresh:
        answer["refresh_token"] = True
    return json.dumps(answer)


def batch(verdict: Batch) -> web.Response:
    """202 when at least one record was taken, else 422; both name the rejected ones."""
    rejected = [_named(record) for record in verdict.rejected]
    if not verdict.readings:
        first = verdict.rejected[0].rejection
        detail = f"none of the {len(rejected)} records was good; the first: {first.detail}"
        return problem(Rejection(422, first.code, "records", detail), accepted=0, rejected=rejected)
    answer: dict[str, Any] = {"accepted": len(verdict.readings), "rejected": rejected}
    if verdict.refresh:
        answer["refresh_token"] = True
    return web.json_response(answer, status=202)


def frames(verdict: Frames) -> web.Response:
    """The same for frames of a meter."""
    rejected = [
        {"index": one.index, "code": one.rejection.code, "field": one.rejection.field, "detail": one.rejection.detail}
        for one in verdict.rejected
    ]
    if not verdict.frames:
        first = verdict.rejected[0].rejection
        detail = f"none of the {len(rejected)} frames was good; the first: {first.detail}"
        return problem(Rejection(422, first.code, "frames", detail), accepted=0, rejected=rejected)
    answer: dict[str, Any] = {"accepted": len(verdict.frames), "rejected": rejected}
    if verdict.refresh:
        answer["refresh_token"] = True
    return web.json_response(answer, status=202)


def last_words(rejection: Rejection) -> bytes:
    """The same answer as bytes, for a connection that is then closed."""
    text = json.dumps(_told(rejection))
    retry_after = "" if rejection.retry_after_s is None else f"Retry-After: {rejection.retry_after_s}\r\n"
    return (
        f"HTTP/1.1 {rejection.status} {HTTPStatus(rejection.status).phrase}\r\nContent-Type: application/problem+json\r\n"
        f"Content-Length: {len(text)}\r\n{retry_after}Connection: close\r\n\r\n{text}"
    ).encode()


def _told(rejection: Rejection) -> dict[str, Any]:
    return {
        "status": rejection.status,
        "code": rejection.code,
        "field": rejection.field,
        "detail": rejection.detail,
        "retry": rejection.retry,
    }


def problem(rejection: Rejection, **more: Any) -> web.Response:
    """The answer to a request that was not accepted."""
    answer = _told(rejection) | more
    headers = {} if rejection.retry_after_s is None else {"Retry-After": str(rejection.retry_after_s)}
    if rejection.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return web.json_response(answer, status=rejection.status, headers=headers, content_type="application/problem+json")


def _named(record: RejectedRecord) -> dict[str, Any]:
    return {"index": record.index, "timestamp": record.timestamp, "code": record.rejection.code}
