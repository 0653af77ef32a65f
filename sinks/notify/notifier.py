"""Tells receivers of anomalies: reads them from the log, keeps what is due there, sends, and keeps what became of it.

Whoever has the one partition of power.notifications does all of it; others wait for it. What a message says is decided
in streams/core/notices.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import structlog
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from infra.errors import PowermonError
from infra.settings import Settings
from schemas import topics, wire
from schemas.anomaly import decode_anomaly
from schemas.registry import Registry
from sinks import broker
from sinks.backoff import Backoff
from sinks.broker import LogUnavailable
from sinks.notify import metrics, outbox
from sinks.notify.audience import Catalog, Speak
from sinks.notify.senders import Senders
from streams.core.notices.office import Office

GROUP = "powermon-notify"
TICK_S = 0.5
BATCH = 2000
_BACKOFF_S = (1.0, 30.0)
_ASK_S = 10.0

log = structlog.get_logger()


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
        client = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        senders = Senders(self._settings, client, self._catalog, self._speak, self._clock)
        backoff = Backoff(*_BACKOFF_S)
        member.subscribe([topics.NOTIFICATIONS.name], on_assign=self._given, on_revoke=self._taken, on_lost=self._taken)
        try:
            while not self._stopped:
                try:
                    if not self._has(member):
                        await asyncio.sleep(TICK_S)
                        continue
                    await self._serve(member, senders)
                    backoff.worked()
                except PowermonError as error:
                    metrics.FAILURES.inc()
                    self._problem, after_s = f"receivers are not told: {error}", backoff.failed()
                    log.warning("nothing is lost, will try again", reason=str(error), after_s=after_s)
                    await self._rest(member, after_s)
        finally:
            metrics.ACTIVE.set(0)
            await client.close()
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

    async def _serve(self, member: Consumer, senders: Senders) -> None:
        """Tell as long as this is the one."""
        records = await asyncio.to_thread(outbox.read, self._settings, self._registry)
        begin = await asyncio.to_thread(self._begin, member)
        kept = await asyncio.to_thread(outbox.Outbox, self._settings, self._registry)
        reader = outbox.reader(self._settings)
        office = Office(records, begin, self._clock())
        log.info("this process tells the receivers", records=len(records))
        metrics.ACTIVE.set(1)
        try:
            reader.assign([TopicPartition(topics.ANOMALIES.name, p, at) for p, at in begin.items()])
            await self._rounds(member, reader, office, kept, begin, senders)
        finally:
            metrics.ACTIVE.set(0)
            await senders.stop()
            await asyncio.to_thread(reader.close)

    async def _rounds(
        self,
        member: Consumer,
        reader: Consumer,
        office: Office,
        kept: outbox.Outbox,
        committed: dict[int, int],
        senders: Senders,
    ) -> None:
        while not self._stopped and self._has(member):
            messages = self._read(reader)
            sources = self._sources(messages)
            while (audience := await asyncio.to_thread(self._catalog.look, sources)) is None:
                if self._stopped or not self._has(member):
                    return
                await asyncio.sleep(TICK_S)
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
            metrics.WAITING.set(sum(desk.out.waiting() for desk in office.desks.values()))
            senders.send(office, audience)
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
