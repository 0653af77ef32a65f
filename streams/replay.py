"""The worker's work again, up to a recorded end, into topics of its own: live processing does not notice."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import numpy as np
from faust.types import TP

from infra.publish import Publisher
from infra.settings import Settings
from schemas import topics
from schemas.reading_decoder import ReadingDecoder
from schemas.registry import Registry
from schemas.run import Run
from schemas.tic_batch import FrameDecoder
from streams.agents import minutes
from streams.agents.tic_minutes import TicMinutes
from streams.app import make_app
from streams.core.replay_plan import Plan
from streams.fatal import die, fatal

INSTANCE = "replay"
"""The one member of the replay's group by name: taken up again after a crash, it goes on at once."""

_LOOK_S = 0.1
_STOP_S = 10.0


@dataclass(slots=True)
class Bounded(minutes.Minutes):
    """Folds each partition up to its end and passes over what comes after.

    Attributes:
        ends: by partition.
        reached: by partition, the next offset of the fold.
    """

    ends: dict[int, int] = field(default_factory=dict)
    reached: dict[int, int] = field(default_factory=dict)

    async def take(self, tp: TP, run: Run) -> None:
        """Fold what lies before the end."""
        await _take(self, tp, run)


@dataclass(slots=True)
class TicBounded(TicMinutes):
    """The same for frames of Linkys."""

    ends: dict[int, int] = field(default_factory=dict)
    reached: dict[int, int] = field(default_factory=dict)

    async def take(self, tp: TP, run: Run) -> None:
        """Fold what lies before the end."""
        await _take(self, tp, run)


async def _take(work: Bounded | TicBounded, tp: TP, run: Run) -> None:
    inside = int(np.searchsorted(run.offset, work.ends[tp.partition]))
    if inside:
        await minutes.Minutes.take(work, tp, run.part(0, inside))
    if inside < len(run) and tp in work.owned:
        work.owned[tp].fold.passed(work.ends[tp.partition])
    if tp in work.owned:
        work.reached[tp.partition] = work.owned[tp].fold.next_offset


async def fold(
    settings: Settings, plan: Plan, committed: Callable[[], Awaitable[dict[int, int]]], told: Callable[[int], None]
) -> None:
    """Fold the plan's part of the log, from where an earlier run of it stopped; returns when all of it is committed.

    Args:
        committed: asks the broker for the next offset, by partition, that the replay's group has committed as decided.
        told: is given the number of messages done, several times a second.

    Raises:
        RegistryUnavailable: the schemas cannot be asked for.
    """
    reached = await committed()
    if _left(plan, reached) == 0:
        return
    names, chain = plan.names, plan.chain
    settings = settings.model_copy(update={"instance": INSTANCE})
    registry = Registry(settings.registry, settings.schema_cache)
    publisher = Publisher(settings.kafka, linger_ms=5)
    outputs = minutes.Outputs(
        publisher,
        minutes_id=registry.id_of(chain.minutes),
        late_id=registry.id_of(chain.late),
        dead_id=0,
        minutes=names.minutes,
        late=names.late,
        dead="",  # the worker has reported them
    )
    app = make_app(settings, names.fold_group)
    told_of = plan.lateness_s * 1000, plan.selection
    work: Bounded | TicBounded
    if plan.topic == topics.TIC_FRAMES.name:
        frames = FrameDecoder(registry.schema_of)
        work = TicBounded(app, frames, outputs, *told_of, ends=plan.ends, reached=reached)
    else:
        work = Bounded(app, ReadingDecoder(registry.schema_of), outputs, *told_of, ends=plan.ends, reached=reached)
    minutes.attach(app, work, settings.publish_interval_s, chain.raw)
    with fatal("starting the stream engine"):
        await app.start()
    try:
        while _left(plan, work.reached):
            told(plan.readings - _left(plan, work.reached))
            await asyncio.sleep(_LOOK_S)
            if (reason := app.failure()) is not None:
                die("the stream engine stopped", reason)
        told(plan.readings)
        work.hurry.set()
        while _left(plan, await committed()):  # noqa: ASYNC110  (only the broker knows)
            await asyncio.sleep(_LOOK_S)
    finally:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(app.stop(), _STOP_S)
        await publisher.close()


def _left(plan: Plan, reached: dict[int, int]) -> int:
    """Messages not yet decided."""
    return sum(max(0, end - max(reached.get(p, 0), plan.starts[p])) for p, end in plan.ends.items())
