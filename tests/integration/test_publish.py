"""The publisher on a real broker, and without one."""

import asyncio
from collections.abc import Callable

import pytest

from infra.publish import LogUnavailable, Publisher, QueueFull

TOPIC = "power.late"


async def test_every_message_is_acknowledged(kafka: str) -> None:
    publisher = Publisher(kafka)
    futures = [publisher.send(TOPIC, b"k", b"%d" % i) for i in range(1000)]
    await asyncio.gather(*futures, publisher.send_all(TOPIC, [(b"k", b"%d" % i) for i in range(1000)]))
    await publisher.send_all(TOPIC, [])
    assert await publisher.close() == 0


async def test_closing_waits_for_what_is_in_flight(kafka: str) -> None:
    publisher = Publisher(kafka, linger_ms=200)
    future = publisher.send(TOPIC, b"k", b"v")
    assert await publisher.close() == 0
    assert future.done()
    await future


async def test_what_is_too_large_fails_alone(kafka: str) -> None:
    publisher = Publisher(kafka)
    large = bytes(2_000_000)
    with pytest.raises(LogUnavailable, match="too large"):
        publisher.send(TOPIC, b"k", large)
    with pytest.raises(LogUnavailable, match="too large"):
        await publisher.send_all(TOPIC, [(b"k", b"v"), (b"k", large)])
    await publisher.send(TOPIC, b"k", b"v")
    assert not publisher.broken.is_set()
    await publisher.close()


async def test_without_a_broker_messages_fail_in_time_and_the_queue_is_bounded(free_port: Callable[[], int]) -> None:
    publisher = Publisher(f"127.0.0.1:{free_port()}", timeout_ms=1000, queue_max=10)
    futures = [publisher.send(TOPIC, b"k", b"v") for _ in range(10)]
    with pytest.raises(QueueFull):
        publisher.send(TOPIC, b"k", b"v")
    async with asyncio.timeout(20):
        outcomes = await asyncio.gather(*futures, return_exceptions=True)
        with pytest.raises(LogUnavailable):
            await publisher.send_all(TOPIC, [(b"k", b"v")] * 25)
    assert all(isinstance(outcome, LogUnavailable) for outcome in outcomes)
    assert await publisher.close(timeout_s=0.1) == 0
