"""Sees whether the worker works: how far behind it is, and whether it has come to a stop that does not show otherwise.

The end of each partition is asked of the broker itself, beside Faust's consumer: one that has stopped fetching
does not notice that there is more. No clock that can be set is used.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from faust.types import TP

from streams import metrics
from streams.agents.minutes import Minutes
from streams.transport import RunApp

STALL_S = 60.0
"""Work in hand, or messages waiting and none folded, for longer than this: a stall."""

PARTITION_STALL_S = 3 * STALL_S
"""The same for one partition while others go on: a long backlog is worked off in turns."""

OUTSIDE_SESSIONS = 4
"""Not in the group for so many session timeouts, while the broker answers: a stall."""

LOOK_S = 2.0
_ASK_S = 5.0

log = structlog.get_logger()


class Watch:
    """Judges one worker; `look` must be called again and again.

    Args:
        works: what is judged, by the topic that each folds.
        bootstrap: of the broker.
        session_s: the group's session timeout.
        now: seconds of a clock that only goes forward.
    """

    def __init__(
        self,
        app: RunApp,
        works: Mapping[str, Minutes],
        bootstrap: str,
        session_s: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app, self._works, self._session_s, self._now = app, works, session_s, now
        self._bootstrap = bootstrap
        self._admin = self._connect()
        self._silent: str | None = None
        self._answered_since = self._inside_at = now()
        self._behind: dict[TP, _Behind] = {}

    async def broker_answers(self) -> None:
        """Wait for the broker: an engine that starts without one gives up."""
        while (silent := await self._asked(set(), {})) is not None:
            self._silent = silent
            log.warning("waiting for the broker", reason=silent)
            await asyncio.sleep(LOOK_S)
        self._silent = None
        self._answered_since = self._inside_at = self._now()

    async def look(self) -> None:
        """Measure the lag."""
        assigned: set[TP] = set()
        if self._app.consumer_generation_id and not self._app.rebalancing:
            self._inside_at = self._now()
            assigned = self._app.runs.assignment()
        ends: dict[TP, int] = {}
        silent = await self._asked(assigned, ends)
        if silent is None:
            if self._silent is not None:
                self._answered_since = self._now()
                log.info("the broker answers again")
            self._note({tp: (await self._next_offset(tp), end) for tp, end in ends.items()})
        elif self._silent is None:
            log.warning("messages wait for the broker", reason=silent)
        self._silent = silent

    def problem(self) -> str | None:
        """Why this process should end and start anew; None when it works, or when that would not help."""
        if self._silent is not None:
            return None
        for work in self._works.values():
            for what, since in (("the run in hand was begun", work.busy_since), ("publishing was begun", work.flush_since)):
                if since is not None and (age := self._age(since)) > STALL_S:
                    return f"{what} {age:.0f} s ago"
        if (outside := self._age(self._inside_at)) > OUTSIDE_SESSIONS * self._session_s:
            return f"not in the group for {outside:.0f} s"
        ages = {tp: self._age(one.moved) for tp, one in self._behind.items()}
        if ages and (age := min(ages.values())) > STALL_S:
            return f"messages wait in the log, and none was folded for {age:.0f} s"
        for tp, age in ages.items():
            if age > PARTITION_STALL_S:
                return f"messages wait in {tp.topic} partition {tp.partition}, and none of them was folded for {age:.0f} s"
        return None

    def unready(self) -> str | None:
        """Why messages are not folded now; None when they are."""
        if self._silent is not None:
            return self._silent
        if not self._app.consumer_generation_id:
            return "waiting for the broker to assign partitions"
        return self.problem()

    def _age(self, since: float) -> float:
        """Seconds for which this has been so although the broker answered."""
        return self._now() - max(since, self._answered_since)

    async def _next_offset(self, tp: TP) -> int:
        """How far a partition is folded; as far as the commit says when nothing of it came yet."""
        work = self._works[tp.topic]
        one = work.owned.get(tp)
        if one is not None:
            return one.fold.next_offset
        try:
            position = await asyncio.wait_for(work.committed(tp), _ASK_S)
        except TimeoutError:  # a consumer that does not answer does not fold either
            return 0
        return 0 if position is None else position.next_offset

    def _note(self, places: dict[TP, tuple[int, int]]) -> None:
        now = self._now()
        before, self._behind = self._behind, {}
        for tp, (next_offset, end) in places.items():
            if next_offset < end:
                one = self._behind[tp] = before.get(tp) or _Behind(now, end, now, next_offset)
                one.seen(now, next_offset, end)
        metrics.lags(
            {
                tp: (max(0, end - next_offset), now - self._behind[tp].since if tp in self._behind else 0.0)
                for tp, (next_offset, end) in places.items()
            }
        )

    async def _asked(self, assigned: set[TP], ends: dict[TP, int]) -> str | None:
        """Fill in the ends of the partitions; why the broker does not tell, None if it does."""
        try:
            ends.update(await asyncio.to_thread(self._ask, assigned))
        except KafkaException as error:
            # A client keeps what it knew of the leaders, and a broker that was started again refuses that for ever.
            self._admin = self._connect()
            return f"the broker does not answer: {error.args[0].str()}"
        return None

    def _connect(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self._bootstrap, "log_level": 0})

    def _ask(self, assigned: set[TP]) -> dict[TP, int]:
        self._admin.list_topics(timeout=_ASK_S)
        if not assigned:
            return {}
        wanted = {TopicPartition(tp.topic, tp.partition): OffsetSpec.latest() for tp in assigned}
        asked = self._admin.list_offsets(wanted, request_timeout=_ASK_S)
        ends = {TP(tp.topic, tp.partition): future.result().offset for tp, future in asked.items()}
        if min(ends.values()) < 0:  # librdkafka's way to say that the time has passed: no error, and no offset
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return ends


@dataclass(slots=True)
class _Behind:
    """One partition that is not at its end.

    Attributes:
        since, end: what waits was appended after this moment, when the log ended here.
        moved, next_offset: when the fold was last seen to have come further, and to where.
    """

    since: float
    end: int
    moved: float
    next_offset: int

    def seen(self, now: float, next_offset: int, end: int) -> None:
        if next_offset >= self.end:
            self.since, self.end = now, end
        if next_offset != self.next_offset:
            self.moved, self.next_offset = now, next_offset
