"""Sends what is due: a task for each receiver, so that nobody waits for another."""

import asyncio
import random
from collections.abc import Callable

import aiohttp
import structlog

from infra.errors import PowermonError
from infra.settings import Settings
from schemas.notification import Notification
from sinks.notify import channel, metrics
from sinks.notify.audience import Audience, Catalog, Speak
from sinks.notify.channel import Channel, Verdict
from sinks.notify.ways import channel_of
from streams.catalog.state import Receiver
from streams.core.notices import document
from streams.core.notices.desk import Desk
from streams.core.notices.office import Office

log = structlog.get_logger()


class Senders:
    """Lives on the notifier's loop.

    Args:
        client: of webhooks.
        catalog, speak, clock: as in Notifier.
    """

    def __init__(
        self, settings: Settings, client: aiohttp.ClientSession, catalog: Catalog, speak: Speak, clock: Callable[[], float]
    ) -> None:
        self._settings, self._client, self._catalog, self._speak, self._clock = settings, client, catalog, speak, clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._channels: dict[str, tuple[Receiver, Channel]] = {}
        self._audience = Audience({}, {})

    def send(self, office: Office, audience: Audience) -> None:
        """Begin with what is due for each receiver that nothing is under way to."""
        self._audience = audience
        for name, desk in office.desks.items():
            if name in self._tasks and self._tasks[name].done():
                self._tasks.pop(name).result()
            free = name not in self._tasks and name in audience.receivers
            record = desk.out.due(self._clock()) if free else None
            if record is not None:
                self._tasks[name] = asyncio.create_task(self._one(desk, record))

    async def stop(self) -> None:
        """What is under way is sent again by the next one, under the same id."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()

    async def _one(self, desk: Desk, record: Notification) -> None:
        receiver, _ = self._audience.receivers[desk.receiver]
        try:
            states = document.states(desk.out.heads(record)) if receiver.channel == "mqtt" else {}
            words = self._speak(document.parsed(record.body), receiver)
            message = channel.Message(record.id, record.body, words, states)
            verdict = await self._channel(receiver).send(message)
        except PowermonError as error:
            verdict = Verdict(channel.RETRY, str(error))
        except Exception as error:
            # A way to one receiver that fails as nobody thought of must not keep the others from their messages.
            log.exception("a message could not be sent", receiver=receiver.receiver_id)
            verdict = Verdict(channel.RETRY, f"it could not be sent ({type(error).__name__}); the log says more")
        self._judge(desk, record, receiver, verdict)

    def _judge(self, desk: Desk, record: Notification, receiver: Receiver, verdict: Verdict) -> None:
        metrics.ATTEMPTS.labels(receiver.channel, verdict.outcome).inc()
        about = {"receiver": receiver.receiver_id, "notice": record.id, "reason": verdict.reason}
        now_s = self._clock()
        if verdict.outcome == channel.SENT:
            desk.out.delivered(record.id, now_s)
            return
        if verdict.outcome == channel.RETRY:
            # Not a secret: only receivers that failed together should not come again together.
            pause_s = desk.out.failed(record.id, verdict.reason, verdict.retry_after_s, random.random(), now_s)  # noqa: S311
            if pause_s is not None:
                log.warning("a receiver did not take a message; it is tried again", **about, after_s=round(pause_s))
                return
        else:
            desk.out.refused(record.id, verdict.reason, now_s)
        metrics.GIVEN_UP.labels(receiver.channel).inc()
        log.error("a message is given up", **about)
        if verdict.outcome == channel.GONE:
            self._catalog.switch_off(receiver.receiver_id, verdict.reason)

    def _channel(self, receiver: Receiver) -> Channel:
        known = self._channels.get(receiver.receiver_id)
        if known is None or known[0] != receiver:
            made = channel_of(self._settings, self._client, receiver, self._catalog.open(receiver))
            known = self._channels[receiver.receiver_id] = receiver, made
        return known[1]
