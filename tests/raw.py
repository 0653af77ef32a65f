"""HTTP and WebSocket in bytes: what no client library would send, and answers taken apart without one."""

import asyncio
import json
import os
from dataclasses import dataclass
from typing import Any

ANSWER_S = 20.0
"""Longer than any patience of the gateway that these tests meet; who waits so long hangs."""


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Raw:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, address: str) -> "Raw":
        host, _, port = address.removeprefix("http://").partition(":")
        return cls(*await asyncio.open_connection(host, int(port), limit=1 << 22))

    async def send(self, data: bytes, *, end: bool = False) -> None:
        """Write, and tell that no more comes; a peer that has closed is no error."""
        try:
            self.writer.write(data)
            if end:
                self.writer.write_eof()
            async with asyncio.timeout(ANSWER_S):
                await self.writer.drain()
        except (ConnectionError, RuntimeError):
            pass

    async def answer(self) -> Answer | None:
        """The next answer; None when the connection ended instead.

        Raises:
            TimeoutError: neither came.
        """
        try:
            async with asyncio.timeout(ANSWER_S):
                head = await self.reader.readuntil(b"\r\n\r\n")
                line, *fields = head.decode("latin-1").split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in fields if one)}
                body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        assert line.startswith(("HTTP/1.1 ", "HTTP/1.0 ", "HTTP/0.9 ")), line
        return Answer(int(line.split()[1]), headers, body)

    async def answers(self) -> list[Answer]:
        """All answers until the connection ends."""
        found = []
        while (one := await self.answer()) is not None:
            found.append(one)
        return found

    async def message(self) -> bytes | None:
        """The next text of a WebSocket; None when the other side says goodbye, which is answered, or is gone.

        Raises:
            TimeoutError: neither came.
        """
        while True:
            try:
                async with asyncio.timeout(ANSWER_S):
                    first, n = await self.reader.readexactly(2)
                    if n >= 126:
                        n = int.from_bytes(await self.reader.readexactly(2 if n == 126 else 8))
                    payload = await self.reader.readexactly(n)
            except (asyncio.IncompleteReadError, ConnectionError):
                return None
            if first == 0x81:
                return payload
            if first == 0x88:
                await self.send(frame(payload[:2], 8))
                return None
            assert first in (0x89, 0x8A), first  # pings and pongs

    async def rest(self) -> bytes:
        """Everything until the end.

        Raises:
            TimeoutError: there was none.
        """
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self.reader.read()
        except ConnectionError:
            return b""

    def close(self) -> None:
        self.writer.close()


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """A plain request; a header's underscores stand for hyphens."""
    fields = {"Host": "gateway", "Content-Type": "application/json", "Content-Length": str(len(body))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("utf-8", "surrogateescape") + body


def handshake(path: str, token: str = "") -> bytes:
    """The beginning of a WebSocket."""
    key = {"Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec_WebSocket_Version": "13"}
    bearer = {"Authorization": f"Bearer {token}"} if token else {}
    return request("GET", path, Upgrade="websocket", Connection="Upgrade", **key, **bearer)


def frame(payload: bytes, opcode: int = 1, *, first: int = 0x80, mask: bool = True, length: int | None = None) -> bytes:
    """A frame of a WebSocket.

    Args:
        first: FIN and the reserved bits.
        length: what it says its length is, when that is not so.
    """
    n = len(payload) if length is None else length
    size = bytes((n,)) if n < 126 else b"\x7e" + n.to_bytes(2, "big") if n < 1 << 16 else b"\x7f" + n.to_bytes(8, "big")
    head = bytes((first | opcode, size[0] | (0x80 if mask else 0))) + size[1:]
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[k % 4] for k, byte in enumerate(payload))
