"""A member of a group that follows the sink: what it makes of a message is made from what the sink has stored."""

import time
from collections.abc import Callable, Iterator, Sequence

import structlog
from confluent_kafka import KafkaException, Message

from infra.errors import PowermonError
from infra.settings import Settings
from sinks import broker
from sinks.backoff import Backoff
from sinks.broker import Offsets, Place
from sinks.pulse import Working

_WAIT_S = 0.2

log = structlog.get_logger()


class Follower(Working):
    """Reads messages in rounds; a round is committed when all was made of it, and read again when that failed.

    Asked to stop, it leaves the round in hand, which is then done again by the next one.

    Args:
        settings: broker, group membership.
        group: the consumer group.
        name: of the thread, for messages.
    """

    def __init__(self, settings: Settings, group: str, name: str) -> None:
        super().__init__(name)
        self._settings, self._group = settings, group
        self._backoff = Backoff()
        self._first: Offsets = {}  # where the round in hand began
        self._next: Offsets = {}  # where the one after it begins
        self._uncommitted: Offsets = {}

    def work(self, topics: Sequence[str], make: Callable[[], bool]) -> None:
        """Make rounds until `stop`. Blocks.

        Args:
            topics: to read.
            make: takes one round from `read` and makes what there is to make; False: asked to stop before the end.

        Raises:
            KafkaException: the broker has shut this member out for good; the process must start anew.
        """
        self._member = broker.consumer(self._settings, self._group)
        self._sink = broker.consumer(self._settings, broker.SINK_GROUP)  # only asks; it never joins the group
        try:
            self._member.subscribe(list(topics))
            while not self._stop.is_set():
                self._round(make)
        finally:
            self._member.close()
            self._sink.close()

    # ---- for `make`, in its thread

    def beat(self) -> None:
        """A step is over, and the next one begins."""
        self._pulse.beat()

    def going_on(self) -> bool:
        """Likewise; False when asked to stop."""
        self._pulse.beat()
        return not self._stop.is_set()

    def read(self, most: int, for_s: float) -> Iterator[list[Message]]:
        """The round's messages as they come, until the time is over or the round is full."""
        end = time.monotonic() + for_s
        count = 0
        while count < most and not self._stop.is_set() and (left := end - time.monotonic()) > 0:
            self._pulse.beat()
            messages = self._member.consume(most - count, min(left, 0.5))
            good = [m for m in messages if m.error() is None]
            for message in messages:
                error = message.error()
                if error is not None and error.fatal():
                    raise KafkaException(error)
            count += len(good)
            # Places first: when one message fails, the whole round is read again.
            for m in good:
                self._first.setdefault((m.topic(), m.partition()), m.offset())
                self._next[m.topic(), m.partition()] = m.offset() + 1
            yield good

    def read_to(self) -> Offsets:
        """By topic and partition, where the round in hand ends; empty: nothing was read."""
        return self._next

    def stored(self, needs: Offsets) -> Offsets | None:
        """Wait until the tables hold what stands before these offsets; up to where they do. None when asked to stop."""
        while self.going_on():
            have = broker.committed(self._sink, needs) if needs else {}
            if all(have[place] >= need for place, need in needs.items()):
                return have
            broker.rest(self._member, _WAIT_S, self._stop)
        return None

    def message_at(self, place: Place, offset: int) -> Message | None:
        """As in `broker.message_at`."""
        return broker.message_at(self._sink, place, offset)

    def _round(self, make: Callable[[], bool]) -> None:
        self._first, self._next = {}, {}
        try:
            if not make():
                return
            self._uncommitted |= self._next
            if self._uncommitted:
                self._uncommitted = broker.commit(self._member, self._uncommitted)
            self._problem = None
            self._backoff.worked()
        except PowermonError as error:
            self._problem, after_s = str(error), self._backoff.failed()
            log.warning("nothing is lost, will try again", reason=str(error), after_s=after_s)
            broker.rewind(self._member, self._first)
            broker.rest(self._member, after_s, self._stop)
