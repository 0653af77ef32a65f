"""Readings to sensor-minutes: the shell around `core.window`."""

import asyncio
import time
from dataclasses import dataclass, field

import structlog
from faust.types import TP

from infra.errors import ConfigurationError, RegistryUnavailable
from infra.publish import Publisher
from schemas import topics, wire
from schemas.late_minute import encode_late
from schemas.power_minute import encode_minutes
from schemas.run import Run
from streams import metrics
from streams.core.window import Checkpoint, Partition, Position
from streams.deadletter import letter
from streams.fatal import fatal
from streams.transport import Commit, RunApp

SLICE = 5_000
"""Readings folded at a time: their columns stay in the processor's cache, and the event loop gets its turn."""

log = structlog.get_logger()


@dataclass(slots=True)
class Outputs:
    """Where the fold's results go.

    Attributes:
        minutes, late: topics to publish to; a replay names its own.
        minutes_id, late_id, dead_id: schema ids.
    """

    publisher: Publisher
    minutes_id: int
    late_id: int
    dead_id: int
    minutes: str = topics.MINUTES.name
    late: str = topics.LATE.name
    dead: str = topics.DEAD_LETTERS.name


@dataclass(slots=True)
class Owned:
    """One partition of ours: its fold, the dead letters not yet published, and what was committed last."""

    fold: Partition
    letters: list[tuple[bytes, bytes]] = field(default_factory=list)
    committed: Position | None = None


@dataclass(slots=True)
class Minutes:
    """The agent's working set.

    Attributes:
        busy_since: monotonic time at which the run in hand was begun, None between runs.
        done_at: monotonic time of the last finished run or checkpoint.
    """

    app: RunApp
    decoder: wire.ReadingDecoder
    outputs: Outputs
    lateness_ms: int
    owned: dict[TP, Owned] = field(default_factory=dict)
    busy_since: float | None = None
    done_at: float = field(default_factory=time.monotonic)

    async def take(self, tp: TP, run: Run) -> None:
        """Fold one run of one partition."""
        self.busy_since = time.monotonic()
        if tp not in self.owned:
            self.owned[tp] = await self._restore(tp, int(run.offset[0]))
        for start in range(0, len(run), SLICE):
            await self._fold(tp, self.owned[tp], run.part(start, start + SLICE))
            await asyncio.sleep(0)
            if tp not in self.owned:  # revoked meanwhile: the next owner reads it again
                break
        metrics.behind(tp, int(run.offset[-1]) + 1, self.app.consumer.highwater(tp))
        self.busy_since, self.done_at = None, time.monotonic()

    def forget(self, partitions: set[TP]) -> None:
        """Drop the state of partitions that are taken away; what was not committed is folded again by the next owner."""
        for tp in partitions:
            self.owned.pop(tp, None)

    async def flush(self) -> None:
        """Publish what changed, wait until it is safe, then let the group's offsets follow."""
        names = self.decoder.names.names
        taken = [(tp, one, one.fold.checkpoint(names)) for tp, one in self.owned.items()]
        commits: dict[TP, Commit] = {}
        for tp, one, checkpoint in taken:
            letters, one.letters = one.letters, []
            await self._publish(tp, checkpoint, letters)
            if checkpoint.position != one.committed:
                commits[tp] = Commit(checkpoint.position.offset, checkpoint.position.metadata)
                one.committed = checkpoint.position
        if commits and not await self.app.runs.commit_with(commits):
            for _, one, _ in taken:
                one.committed = None
        metrics.OPEN.set(sum(len(one.fold.open) for one in self.owned.values()))

    async def _fold(self, tp: TP, one: Owned, run: Run) -> None:
        while True:
            try:
                batch, rejected = self.decoder.decode(run)
                break
            except RegistryUnavailable as error:
                log.warning("waiting for the schema registry", detail=str(error))
                await asyncio.sleep(1)
        for at, reason in rejected:
            offset = int(run.offset[at])
            if offset >= max(one.fold.redo_below, one.fold.next_offset):
                one.letters.append(letter(self.outputs.dead_id, tp, run, at, reason, "worker"))
                metrics.DEAD.inc()
                log.warning("dead letter", partition=tp.partition, offset=offset, reason=reason)
        one.fold.fold(batch)
        one.fold.passed(int(run.offset[-1]) + 1)
        metrics.READINGS.inc(len(batch))

    async def _publish(self, tp: TP, checkpoint: Checkpoint, letters: list[tuple[bytes, bytes]]) -> None:
        out, late = self.outputs, checkpoint.late
        sends = []
        if len(checkpoint.minutes):
            rows = encode_minutes(wire.header(out.minutes_id), checkpoint.minutes)
            sends.append(out.publisher.send_all(out.minutes, rows))
        if len(late):
            rows = list(encode_late(wire.header(out.late_id), late.names, late.sensor, late.minute_s, tp.partition, late.offset))
            sends.append(out.publisher.send_all(out.late, rows))
        if letters:
            sends.append(out.publisher.send_all(out.dead, letters))
        await asyncio.gather(*sends)
        metrics.MINUTES.inc(len(checkpoint.minutes))
        metrics.LATE.inc(len(late))

    async def _restore(self, tp: TP, first_offset: int) -> Owned:
        commit = await self.app.runs.committed_with(tp)
        position = None
        if commit is not None:
            try:
                position = Position.parse(commit.offset, commit.metadata)
            except ValueError as error:
                raise ConfigurationError(
                    f"group {self.app.conf.id} committed {commit.metadata!r} for {tp.topic} {tp.partition}; expected "
                    "'watermark,next offset': another program commits for this group; give it a group of its own"
                ) from error
        fold = Partition.restore(position, self.lateness_ms)
        if first_offset > fold.next_offset:
            log.warning(
                "the log begins later than the last commit", partition=tp.partition, expected=fold.next_offset, found=first_offset
            )
        log.info("partition restored", partition=tp.partition, offset=fold.next_offset, watermark_ms=fold.watermark_ms)
        return Owned(fold)


def attach(app: RunApp, work: Minutes, publish_interval_s: float) -> None:
    """Register the agent, the periodic flush and the rebalance hook."""
    readings = app.topic(topics.READINGS.name, key_serializer="raw", value_serializer="raw", acks=False)

    @app.agent(readings, name="minutes")
    async def fold(stream):  # type: ignore[no-untyped-def]
        async for event in stream.events():
            with fatal("folding readings"):
                if event.message.generation_id == app.consumer_generation_id:
                    await work.take(event.message.tp, event.value)

    @app.task  # type: ignore[untyped-decorator]
    async def flush() -> None:
        while not app.should_stop:
            await app.sleep(publish_interval_s)
            with fatal("publishing minutes"):
                await work.flush()

    @app.on_partitions_revoked.connect  # type: ignore[arg-type]
    async def revoked(_app: object, partitions: set[TP], **_: object) -> None:
        work.forget(partitions)
