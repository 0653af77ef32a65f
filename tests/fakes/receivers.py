"""Receivers of messages: a real web server that answers as it is told to, and a real mail server."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import Any

from aiohttp import web
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.fakes.mqtt import free_port


@dataclass
class Posted:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str:
        return self.headers["Idempotency-Key"]

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


Answer = Callable[[Posted], Awaitable[web.StreamResponse]]


async def ok(_: Posted) -> web.StreamResponse:
    return web.Response(status=204)


@dataclass
class Hooks:
    """A web server that keeps what it is sent.

    Attributes:
        answers: by path; ok where there is none.
    """

    url: str = ""
    posted: list[Posted] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)

    async def take(self, request: web.Request) -> web.StreamResponse:
        found = Posted(request.path, dict(request.headers), await request.read())
        self.posted.append(found)
        return await self.answers.get(request.path, ok)(found)

    def at(self, path: str) -> list[Posted]:
        return [one for one in self.posted if one.path == path]


def answers(status: int, **headers: str) -> Answer:
    """Always the same answer."""

    async def answer(_: Posted) -> web.StreamResponse:
        return web.Response(status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return answer


async def never(_: Posted) -> web.StreamResponse:
    await asyncio.get_running_loop().create_future()
    raise AssertionError


@contextlib.asynccontextmanager
async def hooks() -> AsyncIterator[Hooks]:
    """A server on a free port."""
    found = Hooks()
    app = web.Application(client_max_size=1 << 24)
    app.router.add_route("*", "/{path:.*}", found.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    found.url = f"http://127.0.0.1:{port}"
    try:
        yield found
    finally:
        await runner.cleanup()


@dataclass
class Mailbox:
    """A mail server that keeps what it is sent.

    Attributes:
        says: an answer in place of accepting, to RCPT by address, to DATA under "data".
    """

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    says: dict[str, str] = field(default_factory=dict)

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:  # noqa: N802
        if address in self.says:
            return self.says[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if "data" in self.says:
            return self.says["data"]
        assert isinstance(envelope.content, bytes)
        self.mails.append(BytesParser(policy=default).parsebytes(envelope.content))  # type: ignore[arg-type]
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 OK"


@contextlib.contextmanager
def mailbox(**options: Any) -> Any:
    """A server on a free port; options as aiosmtpd's."""
    found = Mailbox(free_port())
    controller = Controller(found, hostname="127.0.0.1", port=found.port, **options)
    controller.start()
    try:
        yield found
    finally:
        controller.stop()
