"""Readings to sensor-minutes: the shell around `core.window`."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import structlog
from faust.types import TP

from infra.errors import ConfigurationError, RegistryUnavailable
from infra.publish import Publisher
from schemas import topics, wire
from schemas.conflict import encode_conflicts
from schemas.late_minute import encode_late
from schemas.names import Names
from schemas.power_minute import encode_minutes
from schemas.run import Run
from schemas.topics import Topic
from streams import metrics
from streams.agents.anomalies import Anomalies, Judged
from streams.core.flood import Flood
from streams.core.selection import Selection
from streams.core.window import Checkpoint, Partition, Position
from streams.deadletter import letter
from streams.fatal import die, fatal
from streams.transport import Commit, RunApp

SLICE = 5_000
"""Readings folded at a time: their columns stay in the processor's cache, and the event loop gets its turn."""

log = structlog.get_logger()


@dataclass(slots=True)
class Outputs:
    """Where the fold's results go.

    Attributes:
        minutes, late: topics to publish to; a replay names its own.
        dead, conflicts: likewise; empty: say nothing, as in a replay of what was reported already.
        minutes_id, late_id, dead_id, conflicts_id: schema ids.
    """

    publisher: Publisher
    minutes_id: int
    late_id: int
    dead_id: int
    minutes: str = topics.MINUTES.name
    late: str = topics.LATE.name
    dead: str = topics.DEAD_LETTERS.name
    conflicts_id: int = 0
    conflicts: str = ""


class Decoder(Protocol):
    """Runs to batches: n messages of one topic as columns, and what is none of it."""

    @property
    def names(self) -> Names: ...
    def decode(self, run: Run) -> tuple[Any, list[tuple[int, str]]]: ...


class Fold(Protocol):
    """The state of one partition, of whichever topic: `core.window.Partition` says what each means."""

    watermark_ms: int
    next_offset: int
    flood: Flood
    open: Any

    @property
    def decided(self) -> int: ...
    def fold(self, batch: Any, /) -> None: ...
    def passed(self, next_offset: int) -> None: ...
    def checkpoint(self, names: list[str]) -> Any: ...


@dataclass(slots=True)
class Owned:
    """One partition of ours.

    Attributes:
        letters: dead letters not yet published.
        committed: what was committed last.
        hole_at: while the readings before this offset are looked for: where the log went on.
    """

    fold: Fold
    letters: list[tuple[bytes, bytes]] = field(default_factory=list)
    committed: Position | None = None
    hole_at: int | None = None


@dataclass(slots=True)
class Minutes:
    """The agent's working set.

    Attributes:
        only: the sensor-minutes to fold; None: all.
        dead_letters_max: see core/flood.py; 0: no limit.
        anomalies: looks for them; None: nobody does.
        hurry: set it to publish now.
        busy_since, flush_since: monotonic time at which the run in hand, or publishing, was begun; None between.
    """

    app: RunApp
    decoder: Decoder
    outputs: Outputs
    lateness_ms: int
    only: Selection | None = None
    dead_letters_max: int = 0
    anomalies: Anomalies | None = None
    owned: dict[TP, Owned] = field(default_factory=dict)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    busy_since: float | None = None
    flush_since: float | None = None
    _forgotten: int = 0

    async def take(self, tp: TP, run: Run) -> None:
        """Fold one run of one partition."""
        self.busy_since = time.monotonic()
        if await self._ready_for(tp, int(run.offset[0])):
            await self._take(tp, run)
        self.busy_since = None

    async def _take(self, tp: TP, run: Run) -> None:
        for start in range(0, len(run), SLICE):
            await self._fold(tp, self.owned[tp], run.part(start, start + SLICE))
            await self._breathe()
            if tp not in self.owned:  # revoked meanwhile: the next owner reads it again
                break
        metrics.behind(tp, int(run.offset[-1]) + 1, self.app.consumer.highwater(tp))
        if self.anomalies is not None:
            self.anomalies.taken(tp, int(run.appended_ms[-1]))

    async def _breathe(self) -> None:
        """Between two slices."""
        await asyncio.sleep(0)

    def forget(self) -> None:
        """Drop all state, as a rebalance takes all partitions away; what was not committed is folded again by the next owner."""
        self.owned.clear()
        if self.anomalies is not None:
            self.anomalies.forget()
        self._forgotten += 1

    async def flush(self) -> None:
        """Publish what changed, wait until it is safe, then let the group's offsets follow."""
        self.flush_since = time.monotonic()
        await self._flush()
        self.flush_since = None

    async def _flush(self) -> None:
        names = self.decoder.names.names
        taken = [(tp, one, self._checkpoint(tp, one, names)) for tp, one in self.owned.items()]
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
        self._tell()

    def _checkpoint(self, tp: TP, one: Owned, names: list[str]) -> Any:
        if self.anomalies is None or not isinstance(one.fold, Judged):
            return one.fold.checkpoint(names)
        live_ms = self.anomalies.live_ms(tp, one.fold.next_offset, self.app.consumer.highwater(tp))
        return one.fold.checkpoint(names, live_ms)

    async def _fold(self, tp: TP, one: Owned, run: Run) -> None:
        while True:
            try:
                batch, rejected = self.decoder.decode(run)
                break
            except RegistryUnavailable as error:
                log.warning("waiting for the schema registry", detail=str(error))
                await asyncio.sleep(1)
        if self.outputs.dead:
            self._bury(tp, one, run, [(at, reason) for at, reason in rejected if run.offset[at] >= one.fold.decided])
        one.fold.fold(batch)
        one.fold.passed(int(run.offset[-1]) + 1)
        self._count(len(batch))

    def _bury(self, tp: TP, one: Owned, run: Run, rejected: list[tuple[int, str]]) -> None:
        """Note what could not be used as dead letters; a flood of them ends the process before anything of it is committed."""
        flood = one.fold.flood.after(int(np.count_nonzero(run.offset >= one.fold.decided)), len(rejected))
        if rejected and flood.over(self.dead_letters_max):
            die(flood.told(f"{tp.topic} partition {tp.partition}", rejected[-1][1], self.dead_letters_max))
        one.fold.flood = flood
        for at, reason in rejected:
            one.letters.append(letter(self.outputs.dead_id, tp, run, at, reason, "worker"))
            metrics.DEAD.inc()
            log.warning("dead letter", partition=tp.partition, offset=int(run.offset[at]), reason=reason)

    def _tell(self) -> None:
        metrics.OPEN.set(sum(len(one.fold.open) for one in self.owned.values()))
        if self.anomalies is not None:
            self.anomalies.tell()

    def _count(self, messages: int) -> None:
        metrics.READINGS.inc(messages)

    def _restored(self, position: Position | None) -> Fold:
        return Partition.restore(position, self.lateness_ms, self.only)

    async def _publish(self, tp: TP, checkpoint: Checkpoint, letters: list[tuple[bytes, bytes]]) -> None:
        out, late, conflicts = self.outputs, checkpoint.late, checkpoint.conflicts
        sends = []
        if len(checkpoint.minutes):
            rows = encode_minutes(wire.header(out.minutes_id), checkpoint.minutes)
            sends.append(out.publisher.send_all(out.minutes, rows))
        if len(late):
            sends.append(out.publisher.send_all(out.late, encode_late(wire.header(out.late_id), late, tp.partition)))
        if out.conflicts and len(conflicts):
            rows = encode_conflicts(wire.header(out.conflicts_id), conflicts, tp.partition)
            sends.append(out.publisher.send_all(out.conflicts, rows))
            metrics.CONFLICTS.inc(len(conflicts))
        if letters:
            sends.append(out.publisher.send_all(out.dead, letters))
        if self.anomalies is not None:
            sends.append(self.anomalies.publish(tp, checkpoint.rulings))
        await asyncio.gather(*sends)
        metrics.MINUTES.inc(len(checkpoint.minutes))
        metrics.LATE.inc(len(late))

    async def _ready_for(self, tp: TP, first_offset: int) -> bool:
        """Whether the partition's fold stands where a run that begins at this offset can follow."""
        if tp not in self.owned:
            forgotten = self._forgotten
            one = Owned(self._restored(await self.committed(tp)))
            if self.anomalies is not None and isinstance(one.fold, Judged):
                assigned = {ours.partition for ours in self.app.runs.assignment() if ours.topic == tp.topic}
                await self.anomalies.join(tp, one.fold, assigned)
            if forgotten != self._forgotten:  # taken away meanwhile: whoever has it now reads the run again
                return False
            self.owned[tp] = one
            fold = one.fold
            place = {"topic": tp.topic, "partition": tp.partition}
            log.info("partition restored", **place, offset=fold.next_offset, watermark_ms=fold.watermark_ms)
        one = self.owned[tp]
        if first_offset <= (one.fold.next_offset if one.hole_at is None else one.hole_at):
            one.hole_at = None
            return True
        # The engine passed over something, or the log has a hole. Runs that are on their way begin later still;
        # one that begins no later than this was read from where the fold stands: then there is nothing else.
        one.hole_at = first_offset if one.hole_at is None else one.hole_at
        place = {"topic": tp.topic, "partition": tp.partition}
        log.warning("messages are missing, going back", **place, expected=one.fold.next_offset, found=first_offset)
        await self.app.consumer.seek(tp, one.fold.next_offset)
        return False

    async def committed(self, tp: TP) -> Position | None:
        """What the group has committed for a partition.

        Raises:
            ConfigurationError: something that is none of ours.
        """
        commit = await self.app.runs.committed_with(tp)
        if commit is None:
            return None
        try:
            return Position.parse(commit.offset, commit.metadata)
        except ValueError as error:
            raise ConfigurationError(
                f"group {self.app.conf.id} committed {commit.metadata!r} for {tp.topic} {tp.partition}; expected "
                "'watermark,next offset,messages,dead': another program commits for this group; give it a group of its own"
            ) from error


def attach(app: RunApp, work: Minutes, publish_interval_s: float, topic: Topic = topics.READINGS, name: str = "minutes") -> None:
    """Register the agent, the periodic flush and the rebalance hook.

    Args:
        topic: what the agent folds.
        name: of the agent.
    """
    messages = app.topic(topic.name, key_serializer="raw", value_serializer="raw", acks=False)

    @app.agent(messages, name=name)
    async def fold(stream):  # type: ignore[no-untyped-def]
        async for event in stream.events():
            with fatal(f"folding {topic.name}"):
                if event.message.generation_id == app.consumer_generation_id:
                    await work.take(event.message.tp, event.value)

    @app.task  # type: ignore[untyped-decorator]
    async def flush() -> None:
        while not app.should_stop:
            await app.wait(work.hurry.wait(), timeout=publish_interval_s)
            work.hurry.clear()
            with fatal(f"publishing {name}"):
                await work.flush()

    async def rebalanced(_app: object, _: set[TP], **__: object) -> None:
        work.forget()

    app.on_partitions_revoked.connect(rebalanced)  # type: ignore[arg-type]
    app.on_partitions_assigned.connect(rebalanced)  # type: ignore[arg-type]
