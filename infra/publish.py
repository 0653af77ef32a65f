"""One idempotent producer, whose acknowledgements are awaited on the event loop.

librdkafka calls back once per message from its poll. The loop itself polls, every millisecond or two
while something is in flight: a thread of its own would fight the loop for the interpreter's lock, which
costs more than all else here.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from infra.errors import PartUnavailable

POLL_S = 0.002


class LogUnavailable(PartUnavailable):
    """The log did not take a message; it may be sent again."""


class QueueFull(LogUnavailable):
    """Too many messages wait for the broker."""


Context = TypeVar("Context")


class Publisher:
    """Publishes values and waits until all in-sync replicas have them. For one event loop, and its thread only.

    Args:
        bootstrap: host:port[,…].
        linger_ms: how long the client gathers messages into a batch.
        queue_max: messages that may wait for the broker; beyond it `QueueFull` at once.
        timeout_ms: a message not acknowledged by then failed; 0: it is tried for ever.

    Attributes:
        broken: set when the client has given up for good (the broker lost what it had acknowledged, say);
            only a new process helps.
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
                "reconnect.backoff.max.ms": 1000,  # between attempts it sleeps, and a message's time-out does not wake it
                "log_level": 3,
                **config,
            }
        )
        self._loop = asyncio.get_running_loop()
        self.broken = asyncio.Event()
        self._in_flight = 0
        self._timer: asyncio.TimerHandle | None = None

    def send(self, topic: str, key: bytes, value: bytes) -> asyncio.Future[None]:
        """Hand over one message.

        Returns:
            a future that is done when the message is safe, or raises LogUnavailable.

        Raises:
            LogUnavailable: the local queue is full (`QueueFull`), or the client cannot take the message.
        """
        future = self._loop.create_future()

        self.post(topic, key, value, _settle, future)
        return future

    def place(self, topic: str, key: bytes, value: bytes) -> asyncio.Future[int]:
        """Hand over one message; the future is its offset when it is safe, or raises LogUnavailable.

        Raises:
            LogUnavailable: as for `send`.
        """
        future: asyncio.Future[int] = self._loop.create_future()

        def acknowledged(error: KafkaError | None, message: Message) -> None:
            self._in_flight -= 1
            if future.done():
                return
            if error is None:
                future.set_result(message.offset())
            else:
                future.set_exception(self._failed(error))

        self._produce(topic, key, value, acknowledged)
        return future

    def post(
        self, topic: str, key: bytes, value: bytes, done: Callable[[LogUnavailable | None, Context], None], context: Context
    ) -> None:
        """Hand over one message, and be called when it is safe, with None, or has failed: cheaper than a future.

        Raises:
            LogUnavailable: as for `send`; then nobody is called.
        """

        def acknowledged(error: KafkaError | None, _: Message) -> None:
            self._in_flight -= 1
            try:
                done(None if error is None else self._failed(error), context)
            except Exception as problem:  # it would end the polling, and with it everybody's acknowledgements
                self._loop.call_exception_handler({"message": "a caller failed on its acknowledgement", "exception": problem})

        self._produce(topic, key, value, acknowledged)

    async def send_all(self, topic: str, messages: Iterable[tuple[bytes, bytes]]) -> None:
        """Publish (key, value) pairs and wait for every acknowledgement.

        Raises:
            LogUnavailable: at least one was not acknowledged.
        """
        pending = self._loop.create_future()
        left = 1  # for the call itself, until it has handed over everything
        failed: KafkaError | None = None

        def acknowledged(error: KafkaError | None, _: Message | None) -> None:
            nonlocal left, failed
            self._in_flight -= 1
            left -= 1
            failed = failed or error
            if left == 0 and not pending.done():
                if failed is None:
                    pending.set_result(None)
                else:
                    pending.set_exception(self._failed(failed))

        for key, value in messages:
            left += 1
            while True:
                try:
                    self._produce(topic, key, value, acknowledged)
                    break
                except QueueFull:
                    await asyncio.sleep(0.01)
        self._in_flight += 1
        acknowledged(None, None)
        await pending

    def _produce(self, topic: str, key: bytes, value: bytes, acknowledged: Callable[[KafkaError | None, Message], None]) -> None:
        try:
            self._producer.produce(topic, value, key, -1, acknowledged)
        except BufferError as error:
            raise QueueFull("the log takes no more messages now; the broker is down or slow; try again") from error
        except KafkaException as error:
            raise self._failed(error.args[0]) from error
        self._in_flight += 1
        if self._timer is None:
            self._timer = self._loop.call_later(POLL_S, self._poll)

    def _failed(self, error: KafkaError) -> LogUnavailable:
        if error.fatal() or error.code() == KafkaError._FATAL:
            self.broken.set()
        return LogUnavailable(f"the log did not acknowledge a message: {error.str()}; try again")

    def _poll(self) -> None:
        self._producer.poll(0)
        self._timer = self._loop.call_later(POLL_S, self._poll) if self._in_flight else None

    async def close(self, timeout_s: float = 10) -> int:
        """Flush and stop. Returns how many messages were not acknowledged."""
        deadline_s = self._loop.time() + timeout_s
        while self._in_flight and self._loop.time() < deadline_s:
            self._producer.poll(0)
            await asyncio.sleep(POLL_S)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        left = self._in_flight
        self._producer.purge()
        self._producer.poll(0)
        return left


def _settle(failed: LogUnavailable | None, future: asyncio.Future[None]) -> None:
    if future.done():
        return
    if failed is None:
        future.set_result(None)
    else:
        future.set_exception(failed)


def transient(error: KafkaException) -> bool:
    """Whether a Kafka failure may pass by itself."""
    cause = error.args[0]
    return isinstance(cause, KafkaError) and (cause.retriable() or not cause.fatal())
