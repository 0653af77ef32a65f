"""What became of messages to receivers: the log of notifications, read again while somebody looks at it."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import structlog

from infra.errors import PowermonError
from schemas.notification import LATE, Notification

NEWEST = 20
"""Messages of each receiver that are kept."""
EVERY_S = 10.0
_OF_THE_TIME = 10
"""Reading takes no more than this part of the time, however long the log is."""
_FIRST_WAIT_S = 0.4
"""How long a page waits for the first reading."""


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Of one receiver.

    Attributes:
        newest: messages, the newest first; without the anomalies they are about.
        states: how many of those on the log are in each state.
    """

    newest: tuple[Notification, ...] = ()
    states: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Look:
    """All receivers' at one moment.

    Attributes:
        of: by receiver id; None: they were not read yet.
        trouble: why the newest are not known; None: they are.
    """

    of: dict[str, Deliveries] | None = None
    trouble: str | None = None


class DeliveryLog:
    """Reads in a thread, only when a page asks; no page waits for a slow broker.

    Args:
        read: gives every record that there is now; may block.
    """

    def __init__(self, read: Callable[[], Iterable[Notification]]) -> None:
        self._read, self._look, self._next_s = read, Look(), -math.inf
        self._reading: asyncio.Task[None] | None = None

    async def look(self) -> Look:
        """What is known, as of EVERY_S ago or a little more."""
        if (self._reading is None or self._reading.done()) and time.monotonic() >= self._next_s:
            self._reading = asyncio.create_task(self._again())
        if self._reading is not None and self._look == Look():
            await asyncio.wait([self._reading], timeout=_FIRST_WAIT_S)
        return self._look

    async def _again(self) -> None:
        begin_s = time.monotonic()
        try:
            self._look = Look(await asyncio.to_thread(lambda: by_receiver(self._read())))
        except PowermonError as error:
            structlog.get_logger(__name__).info("messages to receivers are not told", reason=str(error))
            self._look = replace(self._look, trouble=str(error))
        end_s = time.monotonic()
        self._next_s = end_s + max(EVERY_S, _OF_THE_TIME * (end_s - begin_s))

    async def close(self) -> None:
        """Read no more."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)


def by_receiver(records: Iterable[Notification]) -> dict[str, Deliveries]:
    """The newest messages of each receiver, and how many are in each state."""
    newest: dict[str, list[Notification]] = {}
    states: dict[str, Counter[str]] = {}
    for one in records:
        if one.transition == LATE:  # counts what a summary will say
            continue
        newest.setdefault(one.receiver, []).append(replace(one, members=(), covers=()))
        states.setdefault(one.receiver, Counter())[one.state] += 1
    return {
        name: Deliveries(tuple(sorted(found, key=lambda one: (-one.made_ms, one.id))[:NEWEST]), states[name])
        for name, found in newest.items()
    }
