"""Frames from the spool to the log: to Kafka itself, or to a gateway over HTTPS. They leave the spool once somebody has them."""

import asyncio
import random
from typing import Protocol

import structlog
from prometheus_client import Counter

from infra.errors import PowermonError
from infra.settings import Settings
from producers.tic.dating import Dating
from producers.tic.spool import Entry, Spool

BACKOFF_FIRST_S, BACKOFF_SPREAD = 1.0, 0.2

DELIVERED = Counter("powermon_tic_delivered", "Frames that the log has.")
REFUSED = Counter("powermon_tic_refused", "Frames that the gateway refused for good, by code.", ["code"])
FAILED = Counter("powermon_tic_delivery_failures", "Attempts after which frames wait for another one.")


class Away(PowermonError):
    """Frames cannot be delivered now.

    Attributes:
        wait_s: when to come again; None: as usual.
    """

    def __init__(self, why: str, wait_s: float | None = None) -> None:
        super().__init__(why)
        self.wait_s = wait_s


class Way(Protocol):
    """One way to the log.

    Attributes:
        most: frames to take at once.
        backoff_max_s: between attempts that fail.
    """

    most: int
    backoff_max_s: float

    async def send(self, entries: list[Entry]) -> int:
        """Send frames in order. Returns how many of the first ones need not be sent again; none: try again at once.

        Raises:
            Away: not now.
        """
        ...

    async def close(self) -> None: ...


async def deliver(settings: Settings, spool: Spool, way: Way | None = None, dating: Dating | None = None) -> None:
    """Deliver what the spool holds and whatever comes, until cancelled.

    A frame is sent again when its acknowledgement was lost: readers count each (meter, boot, counter) once.

    Args:
        way: in place of the one that the settings name.
        dating: puts times right; None: they stay as they are.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    loop, wake = asyncio.get_running_loop(), asyncio.Event()
    way = way or way_of(settings)
    forget = spool.listen(lambda: loop.call_soon_threadsafe(wake.set))
    log, failures = structlog.get_logger(__name__), 0
    try:
        while True:
            wake.clear()
            entries = await asyncio.to_thread(spool.oldest, way.most)
            if not entries:
                await wake.wait()
                continue
            if dating is not None:
                if wait_s := dating.wait_s():
                    await asyncio.sleep(wait_s)
                    continue
                entries = await asyncio.to_thread(dating.dated, entries)
            try:
                settled = await way.send(entries)
            except Away as trouble:
                FAILED.inc()
                if not failures:
                    log.warning("frames wait in the spool", why=str(trouble))
                await asyncio.sleep(_pause_s(trouble, failures, way.backoff_max_s))
                failures += 1
                continue
            if settled:
                if failures:
                    log.info("frames are delivered again", attempts=failures + 1)
                failures = 0
                await asyncio.to_thread(spool.done, entries[settled - 1].seq)
    finally:
        forget()
        await way.close()


def way_of(settings: Settings) -> Way:
    """The way that POWERMON_TIC_DELIVERY names.

    Raises:
        ConfigurationError: a setting of it is wrong.
    """
    if settings.tic_delivery == "https":
        from producers.tic.delivery_https import HttpsWay

        return HttpsWay(settings)
    from producers.tic.delivery_kafka import KafkaWay

    return KafkaWay(settings)


def _pause_s(trouble: Away, failures: int, most_s: float) -> float:
    if trouble.wait_s is not None:
        return trouble.wait_s
    spread = 1.0 + BACKOFF_SPREAD * (2.0 * random.random() - 1.0)  # noqa: S311 (spreads retries)
    return min(BACKOFF_FIRST_S * 2.0 ** min(failures, 30), most_s) * spread
