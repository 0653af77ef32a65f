"""Store and forward: the seconds that are not safe yet, and which of them to send next. No clock, no network.

The seconds are kept as timestamps: the simulator can make their samples again at any time.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from producers.simulate.actions import BATCH_MAX, Answer, Post

BATCH_MIN = 10
"""A smaller backlog is drained one second at a time."""

STORE_MAX = 7 * 86_400


@dataclass(slots=True)
class Flash:
    """What a power cut leaves of a sensor.

    Attributes:
        sensor_id, secret: put there by the installer.
        store: seconds measured and not safe yet, in the order in which they were measured.
        last_used_s: no second up to this one may be used again.
    """

    sensor_id: str = ""
    secret: str = field(default="", repr=False)
    store: dict[int, None] = field(default_factory=dict)
    last_used_s: int = -1


@dataclass(slots=True)
class Tally:
    """What happened to a sensor, in seconds unless it says otherwise. Only for people: no decision rests on it.

    Attributes:
        refused: seconds dropped, by code.
        boots, tokens, steps, slews, power_cuts: how often.
    """

    measured: int = 0
    acknowledged: int = 0
    retried: int = 0
    thrown_away: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    boots: int = 0
    tokens: int = 0
    steps: int = 0
    slews: int = 0
    power_cuts: int = 0


@dataclass(slots=True)
class Outbox:
    """What waits in the flash, and what is on its way.

    Attributes:
        store_max: seconds kept; the oldest are thrown away first.
        newest_first: whether the backlog is drained backwards.
        lanes: batches on their way at once.
        batch_max: seconds in a batch.
    """

    flash: Flash
    tally: Tally
    store_max: int = STORE_MAX
    newest_first: bool = False
    lanes: int = 1
    batch_max: int = BATCH_MAX
    _flying: set[int] = field(default_factory=set)
    _fresh: int | None = None
    _live_busy: bool = False
    _backlog_busy: int = 0

    @property
    def flying(self) -> int:
        """Posts that wait for an answer."""
        return self._live_busy + self._backlog_busy

    def keep(self, timestamp_s: int, *, fresh: bool) -> None:
        """Keep one more second; a fresh one is sent ahead of the backlog."""
        flash = self.flash
        self.tally.measured += 1
        flash.last_used_s = timestamp_s
        if len(flash.store) >= self.store_max:
            oldest = next((t for t in flash.store if t not in self._flying), None)
            self.tally.thrown_away += 1
            if oldest is None:
                return
            del flash.store[oldest]
        flash.store[timestamp_s] = None
        if fresh:
            self._fresh = timestamp_s

    def live(self, token: str) -> Post | None:
        """The newest second, when it is not on its way."""
        fresh = self._fresh
        if self._live_busy or fresh is None or fresh not in self.flash.store or fresh in self._flying:
            return None
        self._fresh, self._live_busy = None, True
        self._flying.add(fresh)
        return Post((fresh,), batch=False, live=True, token=token)

    def backlog(self, token: str, batch_min: int = BATCH_MIN) -> Post | None:
        """The next part of the backlog, when a lane is free."""
        if self._backlog_busy >= self.lanes:
            return None
        waiting = tuple(islice(self._waiting(), self.batch_max))
        if not waiting:
            return None
        batch = len(waiting) >= min(batch_min, self.batch_max) and self.batch_max > 1
        post = Post(waiting if batch else waiting[:1], batch=batch, live=False, token=token)
        self._backlog_busy += 1
        self._flying.update(post.seconds)
        return post

    def _waiting(self) -> Iterator[int]:
        seconds = reversed(self.flash.store) if self.newest_first else iter(self.flash.store)
        return (t for t in seconds if t not in self._flying and t != self._fresh)

    def landed(self, post: Post) -> None:
        """A post waits no more, whatever became of it."""
        self._flying.difference_update(post.seconds)
        if post.live:
            self._live_busy = False
        else:
            self._backlog_busy -= 1

    def accepted(self, post: Post, answer: Answer) -> None:
        """Forget what is safe, and what will never be taken."""
        self._forget(post.seconds)
        self.tally.refused.update(code for _, code in answer.refused)
        self.tally.acknowledged += len(post.seconds) - len(answer.refused)

    def dropped(self, post: Post, answer: Answer) -> None:
        """Forget what will never be taken."""
        self._forget(post.seconds)
        codes = dict(answer.refused)
        self.tally.refused.update(codes.get(t, answer.code or str(answer.status)) for t in post.seconds)

    def halve(self, post: Post) -> None:
        """Such a batch was too large."""
        self.batch_max = max(len(post.seconds) // 2, 1)

    def _forget(self, seconds: Sequence[int]) -> None:
        for timestamp_s in seconds:
            self.flash.store.pop(timestamp_s, None)
