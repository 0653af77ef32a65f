"""A real MQTT broker in the test's own event loop, and somebody who listens to everything."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import aiomqtt
from amqtt.broker import Broker

DEADLINE_S = 20.0


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextlib.asynccontextmanager
async def broker(port: int, passwords: str = "") -> AsyncIterator[None]:
    """One that listens on a port.

    Args:
        passwords: file of names and hashes; empty: anybody may come.
    """
    way: dict[str, dict[str, Any]] = (
        {"amqtt.plugins.authentication.FileAuthPlugin": {"password_file": passwords}}
        if passwords
        else {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    )
    running = Broker({"listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}}, "plugins": way})
    await running.start()
    try:
        yield
    finally:
        await running.shutdown()


class Listener:
    """Home Assistant's side: all that was published, by topic."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.client = client
        self.heard: list[tuple[str, str, bool]] = []

    async def listen(self) -> None:
        await self.client.subscribe("#", qos=1)
        async for message in self.client.messages:
            assert isinstance(message.payload, bytes)
            self.heard.append((message.topic.value, message.payload.decode(), message.retain))

    def last(self, topic: str) -> str | None:
        return next((payload for heard, payload, _ in reversed(self.heard) if heard == topic), None)

    def json(self, topic: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.last(topic) or "{}")
        return found


class Cable:
    """A way to a port of this machine that can be cut."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._ends: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Cable":
        self._server = await asyncio.start_server(self._joined, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        self._server.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def cut(self) -> None:
        """No byte passes any more, and nobody new comes in."""
        self._server.close()
        for end in self._ends:
            end.transport.abort()

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
        self._ends += [writer, far_writer]
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._carry(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    @staticmethod
    async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(4096):
                sink.write(data)


@contextlib.asynccontextmanager
async def listener(port: int) -> AsyncIterator[Listener]:
    """Somebody connected who hears everything from now on."""
    async with aiomqtt.Client("127.0.0.1", port, identifier="listener") as client:
        found = Listener(client)
        task = asyncio.create_task(found.listen())
        try:
            yield found
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def eventually(true: Any, what: str) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < deadline, f"not within {DEADLINE_S:.0f} s: {what}"
        await asyncio.sleep(0.02)
