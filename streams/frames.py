"""How answers of the broker arrive: each straight from the socket into a buffer of its own size, and cut up without copying.

aiokafka reads through asyncio's streams, which copy every byte three times and stop the socket every 128 KiB; for
fetches of megabytes that took a quarter of the worker's time. The private names used are held by
tests/contract/test_faust_names.py.
"""

import asyncio
import struct
from collections import deque
from types import SimpleNamespace
from typing import Any

import numpy as np
from aiokafka import conn

_LENGTH = struct.Struct(">i")
_COPIED_BELOW = 4096
"""Pieces of fewer bytes are made byte strings: names and numbers; longer ones are records."""


class Frames(asyncio.BufferedProtocol):
    """Collects length-prefixed frames; stands where aiokafka has its AIOKafkaProtocol, as a stream's protocol.

    Args:
        closed_fut: done when the connection is.
        reader: is told of the end, and nothing else.
    """

    def __init__(
        self, closed_fut: asyncio.Future[None], reader: asyncio.StreamReader, *, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._closed, self._reader, self._loop = closed_fut, reader, loop
        self._writable = asyncio.Event()
        self._writable.set()
        self._whole: deque[memoryview] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._lost: Exception | None = None
        self._begin(_LENGTH.size, head=True)

    def _begin(self, size: int, *, head: bool) -> None:
        self._space, self._filled, self._is_head = np.empty(size, np.uint8).data, 0, head

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._space[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        if self._filled < len(self._space):
            return
        if self._is_head:
            self._begin(_LENGTH.unpack(self._space)[0], head=False)
            return
        self._whole.append(self._space)
        self._begin(_LENGTH.size, head=True)
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = exc or ConnectionResetError("the broker closed the connection")
        self._reader.feed_eof()
        if not self._closed.done():
            self._closed.set_result(None)
        self._writable.set()
        self._wake()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def _drain_helper(self) -> None:
        await self._writable.wait()

    def _get_close_waiter(self, _: asyncio.StreamWriter) -> asyncio.Future[None]:
        return self._closed

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def frame(self) -> memoryview:
        """The next frame without its length.

        Raises:
            OSError: the connection is gone.
        """
        while not self._whole:
            if self._lost is not None:
                raise self._lost
            self._waiting = self._loop.create_future()
            await self._waiting
        return self._whole.popleft()


class Pieces:
    """Reads a frame as a file is read; stands where aiokafka has io.BytesIO."""

    def __init__(self, frame: memoryview) -> None:
        self._frame, self._at = frame, 0

    def read(self, size: int) -> bytes | memoryview:
        piece = self._frame[self._at : self._at + size]
        self._at += len(piece)
        return bytes(piece) if size < _COPIED_BELOW else piece


async def _read(connection_of: Any) -> None:
    """Hand every frame to its connection, as long as somebody holds that."""
    connection = connection_of()
    if connection is None:
        return
    frames: Frames = connection._protocol
    del connection
    while True:
        frame = await frames.frame()
        connection = connection_of()
        if connection is None:
            return
        connection._handle_frame(frame)
        del connection, frame


def read_in_frames() -> None:
    """Let aiokafka's connections of this process read so, from now on."""
    conn.AIOKafkaProtocol = Frames
    conn.AIOKafkaConnection._read = staticmethod(_read)
    conn.io = SimpleNamespace(BytesIO=Pieces)
