"""Calls from us to a sensor, [2, id, action, payload], and its answers, matched by id."""

import asyncio
import secrets
from collections.abc import Callable
from typing import Any

from producers.gateway import frames
from producers.gateway.frames import Reply

CALL_S = 30.0
"""How long a sensor has for its answer."""
CALLS_MAX = 16
"""Calls that may wait for a sensor's answers."""


class NoAnswer(Exception):
    """The sensor did not answer a call in time, or cannot be asked."""


class Calls:
    """The calls of one connection.

    Args:
        say: sends a frame to the sensor.
    """

    def __init__(self, sensor_id: str, say: Callable[[bytes], None]) -> None:
        self._sensor_id, self._say = sensor_id, say
        self._waiting: dict[str, asyncio.Future[Reply]] = {}
        self._closed = False

    async def ask(self, action: str, payload: dict[str, Any], timeout_s: float = CALL_S) -> Reply:
        """Ask the sensor.

        Raises:
            NoAnswer: it did not answer in time, its connection ended, or too many calls wait already.
        """
        if self._closed or len(self._waiting) >= CALLS_MAX:
            raise NoAnswer(f"sensor {self._sensor_id} is leaving, or has {CALLS_MAX} calls to answer already; try again")
        call_id = secrets.token_hex(8)
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[call_id] = answer
        try:
            self._say(frames.call(call_id, action, payload))
            await asyncio.wait([answer], timeout=timeout_s)
        finally:
            del self._waiting[call_id]
        if not answer.done() or answer.cancelled():
            raise NoAnswer(f"sensor {self._sensor_id} did not answer {action} within {timeout_s:g} s, or its connection ended")
        return answer.result()

    def answered(self, reply: Reply) -> None:
        """Hand an answer to who waits for it; one that nobody waits for is dropped."""
        waiting = self._waiting.get(reply.id)
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)

    def close(self) -> None:
        """The connection has ended."""
        self._closed = True
        for waiting in self._waiting.values():
            waiting.cancel()
