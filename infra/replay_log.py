"""What a replay asks of the broker: what the log holds, topics of its own, where its group stands."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from infra import topics as making
from infra.errors import ConfigurationError, PartUnavailable
from infra.log_reader import ASK_S, LogReader
from infra.settings import Settings
from schemas.topics import Topic
from streams.core.replay_plan import CHAINS, Chain, Held, Names, Plan
from streams.core.window import Position

_PAUSE_S = 1.0
_GONE = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.GROUP_ID_NOT_FOUND)


class ReplayLog:
    """The log, for one command. Calls block; each raises PartUnavailable when the broker does not answer.

    Args:
        settings: the broker.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self._log = settings, LogReader(settings)

    def close(self) -> None:
        """Let go of the broker."""
        self._log.close()

    def held(self, topic: str) -> dict[int, Held]:
        """What there is of a topic now, by partition."""
        return {p: self._held(topic, p) for p in self._log.partitions(topic)}

    def starts(self, chain: Chain, log_from_s: int | None, held: dict[int, Held]) -> dict[int, int]:
        """By partition, the first offset that minutes from `log_from_s` on may need."""
        if log_from_s is None:
            return {p: one.first for p, one in held.items()}
        since_ms = (log_from_s - chain.reach_s) * 1000
        return {p: self._log.offset_at(chain.raw.name, p, since_ms, one.end) for p, one in held.items()}

    def prepare(self, plan: Plan) -> None:
        """Make the replay's topics, and put its group at the plan's starts unless it has begun.

        Raises:
            ConfigurationError: the log no longer holds what the replay still needs.
        """
        names, chain = plan.names, plan.chain
        own = [_renamed(chain.minutes, names.minutes), _renamed(chain.late, names.late)]
        made = self._log.admin.create_topics([making.wanted(topic, self._settings) for topic in own])
        self._done(list(made.values()), (KafkaError.TOPIC_ALREADY_EXISTS,))
        begun = self._log.committed(names.fold_group, plan.topic, list(plan.ends))
        for p, offset in begun.items():
            first, _ = self._log.span(plan.topic, p)
            if offset < min(first, plan.ends[p]):
                raise ConfigurationError(
                    f"replay {plan.name} stands at offset {offset} of partition {p}, the log now begins at {first}: "
                    "retention was faster; delete the replay and begin it again"
                )
        starts = {p: start for p, start in plan.starts.items() if p not in begun and start < plan.ends[p]}
        self._put(plan.topic, starts, names.fold_group)

    def decided(self, plan: Plan) -> dict[int, int]:
        """By partition, the next offset that the replay's group has committed as decided."""
        return self._log.decided(plan.names.fold_group, plan.topic, list(plan.ends))

    async def decided_soon(self, plan: Plan) -> dict[int, int]:
        """`decided`, without holding up the event loop."""
        return await asyncio.to_thread(self.decided, plan)

    def remove(self, name: str, told: Callable[[str], None]) -> None:
        """Remove the replay's topics and groups; what is not there is no failure.

        A member that was ended stays in its group for a session's time, and a group with members cannot go.

        Args:
            told: is given a line when that has to be waited for.
        """
        names = Names(name)
        own = [topic for raw in CHAINS for topic in (Names(name, raw).minutes, Names(name, raw).late)]
        self._done(list(self._log.admin.delete_topics(own).values()), _GONE)
        groups = [names.fold_group, names.rebuild_group, names.sink_group]
        deadline, waiting = time.monotonic() + self._settings.session_timeout_s + ASK_S, False
        while groups:
            groups = [group for group, future in self._log.admin.delete_consumer_groups(groups).items() if self._lives(future)]
            if groups and time.monotonic() > deadline:
                raise ConfigurationError(f"group {groups[0]} has members: another replay {name} is at work; end that one first")
            if groups and not waiting:
                waiting = True
                told(f"waiting: an interrupted run of {name} counts as a member for {self._settings.session_timeout_s} s")
            if groups:
                time.sleep(_PAUSE_S)

    def _put(self, topic: str, starts: dict[int, int], group: str) -> None:
        """Commit where the fold begins."""
        if not starts:
            return
        member = self._log.member(group)
        try:
            # The client adds a zero to the metadata by itself, and takes none.
            places = [
                TopicPartition(topic, p, start, Position(start, 0, start).metadata.rstrip("\0")) for p, start in starts.items()
            ]
            member.commit(offsets=places, asynchronous=False)
        except KafkaException as error:
            raise self._log.silent(error) from error
        finally:
            member.close()

    def _lives(self, future: "Future[None]") -> bool:
        """Whether a group could not be deleted yet."""
        try:
            self._done([future], _GONE)
        except PartUnavailable as error:
            cause = error.__cause__
            if isinstance(cause, KafkaException) and cause.args[0].code() == KafkaError.NON_EMPTY_GROUP:
                return True
            raise
        return False

    def _done(self, futures: list["Future[None]"], fine: tuple[int, ...]) -> None:
        for future in futures:
            try:
                future.result(ASK_S)
            except KafkaException as error:
                if error.args[0].code() not in fine:
                    raise self._log.silent(error) from error

    def _held(self, topic: str, partition: int) -> Held:
        first, end = self._log.span(topic, partition)
        if first == 0:
            return Held(0, end, 0)
        if first == end:
            return Held(first, end, time.time_ns() // 1_000_000)
        message = next(self._log.messages(topic, partition, first, first + 1))
        return Held(first, end, message.timestamp()[1])


def _renamed(topic: Topic, name: str) -> Topic:
    return Topic(name, topic.key, topic.schema, topic.partitions, topic.config)
