"""One idempotent producer, whose acknowledgements are awaited in batches.

librdkafka calls back once per message from its poll; here a thread polls, gathers what was
acknowledged, and wakes the event loop once per gathered batch.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Iterable
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from infra.errors import PartUnavailable

_Done = deque[tuple[asyncio.Future[None], KafkaError | None]]


class LogUnavailable(PartUnavailable):
    """The log did not take a message; it may be sent again."""


class Publisher:
    """Publishes values and waits until all in-sync replicas have them.

    Args:
        bootstrap: host:port[,…].
        linger_ms: how long the client gathers messages into a batch.
        queue_max: messages that may wait for the broker; beyond it `LogUnavailable` at once.
        timeout_ms: a message not acknowledged by then failed.
    """

    def __init__(
        self, bootstrap: str, *, linger_ms: float = 2, queue_max: int = 200_000, timeout_ms: int = 30_000, **config: Any
    ) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "acks": "all",
                "compression.type": "lz4",
                "linger.ms": linger_ms,
                "queue.buffering.max.messages": queue_max,
                "message.timeout.ms": timeout_ms,
                "log_level": 3,
                **config,
            }
        )
        self._loop = asyncio.get_running_loop()
        self._done: _Done = deque()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="publisher", daemon=True)
        self._thread.start()

    def send(self, topic: str, key: bytes, value: bytes) -> asyncio.Future[None]:
        """Hand over one message.

        Returns:
            a future that is done when the message is safe, or raises LogUnavailable.

        Raises:
            LogUnavailable: the local queue is full.
        """
        future = self._loop.create_future()
        done = self._done

        def acknowledged(error: KafkaError | None, _: Message) -> None:
            done.append((future, error))

        try:
            self._producer.produce(topic, value, key, on_delivery=acknowledged)
        except BufferError as error:
            raise LogUnavailable("the log takes no more messages now; the broker is down or slow; try again") from error
        return future

    async def send_all(self, topic: str, messages: Iterable[tuple[bytes, bytes]]) -> None:
        """Publish (key, value) pairs and wait for every acknowledgement.

        Raises:
            LogUnavailable: at least one was not acknowledged.
        """
        pending = self._loop.create_future()
        counter = _Countdown(pending, self._done)
        for key, value in messages:
            while True:
                try:
                    self._producer.produce(topic, value, key, on_delivery=counter.acknowledged)
                    break
                except BufferError:
                    await asyncio.sleep(0.01)
            counter.sent += 1
        counter.close()
        await pending

    def _poll(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(0.05)
            if self._done:
                done = [self._done.popleft() for _ in range(len(self._done))]
                try:
                    self._loop.call_soon_threadsafe(_resolve, done)
                except RuntimeError:  # the loop is gone: nobody waits any more
                    return

    async def close(self, timeout_s: float = 10) -> int:
        """Flush and stop. Returns how many messages were not acknowledged."""
        left = int(await asyncio.to_thread(self._producer.flush, timeout_s))
        self._closing.set()
        await asyncio.to_thread(self._thread.join, 2)
        _resolve(self._done)
        return left


class _Countdown:
    """Counts acknowledgements of one call of `send_all`."""

    def __init__(self, pending: asyncio.Future[None], done: _Done) -> None:
        self.sent = 0
        self._acknowledged = 0
        self._total: int | None = None
        self._error: KafkaError | None = None
        self._pending, self._done = pending, done
        self._lock = threading.Lock()

    def acknowledged(self, error: KafkaError | None, _: Message) -> None:
        with self._lock:
            self._acknowledged += 1
            self._error = self._error or error
            finished = self._acknowledged == self._total
        if finished:
            self._done.append((self._pending, self._error))

    def close(self) -> None:
        with self._lock:
            self._total = self.sent
            finished = self._acknowledged == self._total
        if finished:
            _resolve([(self._pending, self._error)])


def _resolve(done: Iterable[tuple[asyncio.Future[None], KafkaError | None]]) -> None:
    for future, error in done:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(LogUnavailable(f"the log did not acknowledge a message: {error.str()}; try again"))


def transient(error: KafkaException) -> bool:
    """Whether a Kafka failure may pass by itself."""
    cause = error.args[0]
    return isinstance(cause, KafkaError) and (cause.retriable() or not cause.fatal())
