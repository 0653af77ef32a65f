"""Tells receivers of anomalies: reads them from the log, keeps what is due there, sends, and keeps what became of it.

Whoever has the one partition of power.notifications does all of it; others wait for it. What a message says is decided
in streams/core/notices.
"""

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp
import structlog
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from infra.errors import ConfigurationError, PowermonError
from infra.settings import Settings
from schemas import topics, wire
from schemas.anomaly import decode_anomaly
from schemas.notification import Notification
from schemas.registry import Registry
from sinks import broker
from sinks.backoff import Backoff
from sinks.broker import LogUnavailable
from sinks.notify import channel, metrics, outbox
from sinks.notify.channel import Channel, Verdict, Words
from sinks.notify.mail import Mail, server_of
from sinks.notify.mqtt import Mqtt
from sinks.notify.webhook import Webhook
from streams.catalog.state import Receiver
from streams.core.notices import document
from streams.core.notices.desk import Desk
from streams.core.notices.office import Office
from streams.core.notices.rules import Place, Rules

GROUP = "powermon-notify"
TICK_S = 0.5
BATCH = 2000
_BACKOFF_S = (1.0, 30.0)
_ASK_S = 10.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Audience:
    """The catalog as the notifier sees it.

    Attributes:
        places: of the sources asked for.
    """

    receivers: Mapping[str, tuple[Receiver, Rules]]
    places: Mapping[str, Place]


class Catalog(Protocol):
    """Whom to tell. Called from the notifier's thread."""

    def look(self, sources: Sequence[str]) -> Audience | None:
        """The receivers, and where sources stand; None: not known now."""

    def open(self, receiver: Receiver) -> dict[str, str]:
        """Where a receiver is, and what opens it.

        Raises:
            PowermonError: its secrets cannot be opened.
        """

    def switch_off(self, receiver_id: str, reason: str) -> None:
        """It is told nothing any more; returns at once."""


Speak = Callable[[dict[str, Any], Receiver], Words]
"""A document in a receiver's language."""


class Notifier:
    """One member of the group, in a thread of its own with an event loop of its own.

    Args:
        settings: broker, mail server.
        registry: schemas.
        catalog: whom to tell.
        speak: makes texts of documents.
        clock: UTC seconds.
    """

    def __init__(
        self, settings: Settings, registry: Registry, catalog: Catalog, speak: Speak, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings, self._registry, self._catalog, self._speak, self._clock = settings, registry, catalog, speak, clock
        self._stopped = False
        self._mine = False
        self._problem: str | None = None
        self._channels: dict[str, tuple[Receiver, Channel]] = {}
        self._audience = Audience({}, {})

    def work(self) -> None:
        """Tell until `stop`. Blocks."""
        asyncio.run(self._work())

    def stop(self) -> None:
        """Let `work` end; what is under way is sent again by the next one, under the same id."""
        self._stopped = True

    def problem(self) -> str | None:
        """What stands in the way, as a sentence."""
        return self._problem

    # ---- on the notifier's own loop

    async def _work(self) -> None:
        member = broker.consumer(self._settings, GROUP)
        self._client = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        backoff = Backoff(*_BACKOFF_S)
        member.subscribe([topics.NOTIFICATIONS.name], on_assign=self._given, on_revoke=self._taken, on_lost=self._taken)
        try:
            while not self._stopped:
                try:
                    if not self._has(member):
                        await asyncio.sleep(TICK_S)
                        continue
                    await self._serve(member)
                    backoff.worked()
                except PowermonError as error:
                    metrics.FAILURES.inc()
                    self._problem, after_s = f"receivers are not told: {error}", backoff.failed()
                    log.warning("nothing is lost, will try again", reason=str(error), after_s=after_s)
                    await self._rest(member, after_s)
        finally:
            metrics.ACTIVE.set(0)
            await self._client.close()
            await asyncio.to_thread(member.close)

    def _given(self, member: Consumer, places: list[TopicPartition]) -> None:
        self._mine = self._mine or bool(places)

    def _taken(self, _: Consumer, places: list[TopicPartition]) -> None:
        self._mine = self._mine and not places

    def _has(self, member: Consumer) -> bool:
        """Whether this process is the one; also keeps it in the group. Its own partition is not read by this client."""
        for message in member.consume(100, 0):
            if (error := message.error()) is not None and error.fatal():
                raise KafkaException(error)
        if self._mine and (places := member.assignment()):
            member.pause(places)
        return self._mine

    async def _rest(self, member: Consumer, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._stopped and time.monotonic() < end:
            self._has(member)
            await asyncio.sleep(0.2)

    async def _serve(self, member: Consumer) -> None:
        """Tell as long as this is the one."""
        records = await asyncio.to_thread(outbox.read, self._settings, self._registry)
        begin = await asyncio.to_thread(self._begin, member)
        kept = await asyncio.to_thread(outbox.Outbox, self._settings, self._registry)
        reader = outbox.reader(self._settings)
        office = Office(records, begin, self._clock())
        senders: dict[str, asyncio.Task[None]] = {}
        log.info("this process tells the receivers", records=len(records))
        metrics.ACTIVE.set(1)
        try:
            reader.assign([TopicPartition(topics.ANOMALIES.name, p, at) for p, at in begin.items()])
            await self._rounds(member, reader, office, kept, begin, senders)
        finally:
            metrics.ACTIVE.set(0)
            for task in senders.values():
                task.cancel()
            await asyncio.gather(*senders.values(), return_exceptions=True)
            await asyncio.to_thread(reader.close)

    async def _rounds(
        self,
        member: Consumer,
        reader: Consumer,
        office: Office,
        kept: outbox.Outbox,
        committed: dict[int, int],
        senders: dict[str, asyncio.Task[None]],
    ) -> None:
        while not self._stopped and self._has(member):
            messages = self._read(reader)
            sources = self._sources(messages)
            while (audience := await asyncio.to_thread(self._catalog.look, sources)) is None:
                if self._stopped or not self._has(member):
                    return
                await asyncio.sleep(TICK_S)
            self._audience = audience
            now_s = self._clock()
            office.receivers({name: rules for name, (_, rules) in audience.receivers.items()}, now_s)
            for message in messages:
                found = self._decoded(message)
                office.take(message.partition(), message.offset(), found, audience.places.__getitem__, now_s)
            office.tick(now_s)
            changes, position = office.changes(), office.position()
            await asyncio.to_thread(kept.write, changes)
            office.kept(changes)
            if (moved := {p: at for p, at in position.items() if committed.get(p) != at}) and self._has(member):
                await asyncio.to_thread(self._commit, member, moved)
                committed |= moved
            self._problem = None
            metrics.WAITING.set(sum(desk.waiting() for desk in office.desks.values()))
            self._send(office, senders)
            if len(messages) < BATCH:
                await asyncio.sleep(TICK_S)

    def _read(self, reader: Consumer) -> list[Message]:
        found = []
        for message in reader.consume(BATCH, 0):
            if (error := message.error()) is None:
                found.append(message)
            elif not error.retriable():
                raise LogUnavailable(f"anomalies cannot be read: {error.str()}")
        return found

    def _sources(self, messages: list[Message]) -> list[str]:
        return list({found.source for message in messages if (found := self._decoded(message)) is not None})

    def _decoded(self, message: Message) -> Any:
        try:
            return decode_anomaly(message.value(), self._registry.schema_of)
        except wire.WireError:
            return None  # removed, or not of this release: the sink says so

    def _begin(self, member: Consumer) -> dict[int, int]:
        """Where reading goes on; where it never began, at the log's end: what was before is nobody's news.

        Raises:
            LogUnavailable: the broker does not tell.
        """
        name = topics.ANOMALIES.name
        try:
            partitions = member.list_topics(name, timeout=_ASK_S).topics[name].partitions
            found = {tp.partition: tp for tp in member.committed([TopicPartition(name, p) for p in partitions], timeout=_ASK_S)}
            spans = {p: member.get_watermark_offsets(TopicPartition(name, p), timeout=_ASK_S) for p in partitions}
        except KafkaException as error:
            raise LogUnavailable(f"the broker does not tell where {name} stands: {error.args[0].str()}") from error
        if problem := next((tp.error for tp in found.values() if tp.error), None):
            raise LogUnavailable(f"the broker does not tell where {name} stands: {problem}")
        begin = {p: found[p].offset if found[p].offset >= 0 else end for p, (_, end) in spans.items()}
        if new := {p: at for p, at in begin.items() if found[p].offset < 0}:
            self._commit(member, new)
        # A log that was made anew ends before the commit.
        return {p: at if at <= spans[p][1] else spans[p][0] for p, at in begin.items()}

    def _commit(self, member: Consumer, offsets: dict[int, int]) -> None:
        """Raises: LogUnavailable: not committed; perhaps another process has this one's place."""
        wanted = [TopicPartition(topics.ANOMALIES.name, p, at) for p, at in offsets.items()]
        try:
            answers = member.commit(offsets=wanted, asynchronous=False) or []
        except KafkaException as error:
            raise LogUnavailable(f"offsets of {topics.ANOMALIES.name} are not committed: {error.args[0].str()}") from error
        if problem := next((tp.error for tp in answers if tp.error), None):
            raise LogUnavailable(f"offsets of {topics.ANOMALIES.name} are not committed: {problem}")

    # ---- sending: a task for each receiver, so that nobody waits for another

    def _send(self, office: Office, senders: dict[str, asyncio.Task[None]]) -> None:
        for name, desk in office.desks.items():
            if name in senders and senders[name].done():
                senders.pop(name).result()
            free = name not in senders and name in self._audience.receivers
            record = desk.due(self._clock()) if free else None
            if record is not None:
                senders[name] = asyncio.create_task(self._one(desk, record))

    async def _one(self, desk: Desk, record: Notification) -> None:
        receiver, _ = self._audience.receivers[desk.receiver]
        try:
            states = document.states(desk.heads(record)) if receiver.channel == "mqtt" else {}
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
            desk.delivered(record.id, now_s)
            return
        if verdict.outcome == channel.RETRY:
            # Not a secret: only receivers that failed together should not come again together.
            pause_s = desk.failed(record.id, verdict.reason, verdict.retry_after_s, random.random(), now_s)  # noqa: S311
            if pause_s is not None:
                log.warning("a receiver did not take a message; it is tried again", **about, after_s=round(pause_s))
                return
        else:
            desk.refused(record.id, verdict.reason, now_s)
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


def channel_of(settings: Settings, client: aiohttp.ClientSession, receiver: Receiver, target: Mapping[str, str]) -> Channel:
    """The way to a receiver.

    Raises:
        ConfigurationError: a setting that it needs is missing or wrong.
    """
    if receiver.channel == "webhook":
        return Webhook(client, target["url"], target["secret"])
    if receiver.channel == "email":
        return Mail(server_of(settings), target["to"])
    if receiver.channel == "mqtt":
        return Mqtt(target["url"], target.get("user"), target.get("password"), receiver.receiver_id)
    raise ConfigurationError(f"channel {receiver.channel} came; this release knows webhook, email and mqtt")
