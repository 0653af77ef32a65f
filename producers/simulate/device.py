"""What a sensor's firmware decides: what to send next, and what an answer means. No clock, no network.

The seconds are kept as timestamps: the simulator can make their samples again at any time.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

BATCH_MAX = 600
BATCH_MIN = 10
"""A smaller backlog is drained one second at a time."""

BACKOFF_FIRST_S = 1.0
BACKOFF_MAX_S = 300.0
BACKOFF_SPREAD = 0.2
FORBIDDEN_WAIT_S = 3600.0
STORE_MAX = 7 * 86_400

NO_ANSWER = 0
"""Stands for a status when nothing came back."""


@dataclass(frozen=True, slots=True)
class Post:
    """Send these seconds, with this token.

    Attributes:
        batch: to the batch door, even if it is one second.
        live: the newest second, ahead of the backlog.
    """

    seconds: tuple[int, ...]
    batch: bool
    live: bool
    token: str


@dataclass(frozen=True, slots=True)
class GetToken:
    """Get a new token and hand it to `token_came`, or tell `token_failed`."""


Action = Post | GetToken


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for a post.

    Attributes:
        status: HTTP status, or NO_ANSWER.
        code: the error's code, or empty.
        retry_after_s: of the header, or None.
        refused: of a batch: which of its seconds were refused, and why.
        refresh_token: the gateway asks for a younger token.
    """

    status: int
    code: str = ""
    retry_after_s: float | None = None
    refused: tuple[tuple[int, str], ...] = ()
    refresh_token: bool = False


@dataclass(slots=True)
class Device:
    """One sensor's state. Times are seconds of any clock that only goes forward.

    Attributes:
        store_max: seconds kept; the oldest are thrown away first.
        newest_first: whether the backlog is drained backwards.
        backoff_max_s: longest wait after failures that came without a Retry-After.
        token: None until there is one.
        acknowledged, retried, thrown_away: counted in seconds.
        refused: seconds dropped, by code.
        stopped: why this device gave up for good, or empty.
        alarm: a 403 that a person must look at, or empty.
    """

    store_max: int = STORE_MAX
    newest_first: bool = False
    backoff_max_s: float = BACKOFF_MAX_S
    token: str | None = None
    acknowledged: int = 0
    retried: int = 0
    thrown_away: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    stopped: str = ""
    alarm: str = ""
    _store: dict[int, None] = field(default_factory=dict)
    _flying: set[int] = field(default_factory=set)
    _fresh: int | None = None
    _live_busy: bool = False
    _backlog_busy: bool = False
    _asking: bool = False
    _refresh: bool = False
    _failures: int = 0
    _token_failures: int = 0
    _not_before_s: float = 0.0
    _batch_max: int = BATCH_MAX

    @property
    def backlog(self) -> int:
        """Seconds kept that are not safe yet."""
        return len(self._store)

    @property
    def quiet_until_s(self) -> float:
        """Nothing is sent before this."""
        return self._not_before_s

    @property
    def flying(self) -> int:
        """Posts and token requests that wait for an answer."""
        return self._live_busy + self._backlog_busy + self._asking

    def measured(self, timestamp_s: int, *, fresh: bool = True) -> None:
        """Keep one more second; `fresh` ones are sent ahead of the backlog."""
        if self.stopped or timestamp_s in self._store:
            return
        if len(self._store) >= self.store_max:
            oldest = next((t for t in self._store if t not in self._flying), None)
            self.thrown_away += 1
            if oldest is None:
                return
            del self._store[oldest]
        self._store[timestamp_s] = None
        if fresh:
            self._fresh = timestamp_s

    def due(self, now_s: float) -> list[Action]:
        """What to do now; each action must be answered."""
        if self.stopped or now_s < self._not_before_s:
            return []
        actions: list[Action] = []
        if not self._asking and (self.token is None or self._refresh):
            self._asking = True
            actions.append(GetToken())
        if self.token is None:
            return actions
        # After a failure one post at a time feels its way.
        careful = self._failures > 0
        if careful and (self._live_busy or self._backlog_busy):
            return actions
        if not self._live_busy and self._fresh is not None and self._fresh in self._store and self._fresh not in self._flying:
            post = Post((self._fresh,), batch=False, live=True, token=self.token)
            self._fresh, self._live_busy = None, True
            self._flying.update(post.seconds)
            actions.append(post)
            if careful:
                return actions
        if not self._backlog_busy:
            waiting = tuple(islice(self._waiting(), self._batch_max))
            if waiting:
                batch = len(waiting) >= min(BATCH_MIN, self._batch_max) and self._batch_max > 1
                post = Post(waiting if batch else waiting[:1], batch=batch, live=False, token=self.token)
                self._backlog_busy = True
                self._flying.update(post.seconds)
                actions.append(post)
        return actions

    def _waiting(self) -> Iterator[int]:
        seconds = reversed(self._store) if self.newest_first else iter(self._store)
        return (t for t in seconds if t not in self._flying and t != self._fresh)

    def answered(self, post: Post, answer: Answer, now_s: float, jitter: float = 0.5) -> None:
        """Take in what a post brought.

        Args:
            jitter: 0..1, drawn at random; spreads the backoff by BACKOFF_SPREAD either way.
        """
        self._flying.difference_update(post.seconds)
        if post.live:
            self._live_busy = False
        else:
            self._backlog_busy = False
        status = answer.status
        if 200 <= status < 300:
            self._accepted(post, answer)
        elif status in (NO_ANSWER, 408, 429) or status >= 500:
            self.retried += len(post.seconds)
            self._back_off(answer.retry_after_s, now_s, jitter)
        elif status == 401:
            self.retried += len(post.seconds)
            if self.token == post.token:
                self.token = None
                self._token_failures += 1
                if self._token_failures > 1:  # a brand-new token did not help: no storm of token requests
                    self._back_off(answer.retry_after_s, now_s, jitter)
        elif status == 403:
            self.alarm = answer.code or "403"
            self._not_before_s = now_s + FORBIDDEN_WAIT_S
        elif status in (404, 405):
            self.stopped = f"{status} {answer.code}: wrong address"
        elif status == 413 and len(post.seconds) > 1:
            self._batch_max = max(len(post.seconds) // 2, 1)
        else:
            self._drop(post, answer)

    def token_came(self, token: str) -> None:
        self.token, self._asking, self._refresh = token, False, False

    def token_failed(self, now_s: float, jitter: float = 0.5) -> None:
        self._asking = False
        self._back_off(None, now_s, jitter)

    def _accepted(self, post: Post, answer: Answer) -> None:
        self._failures = self._token_failures = 0
        self.alarm = ""
        self._refresh = self._refresh or (answer.refresh_token and post.token == self.token)
        self._forget(post.seconds)
        self.refused.update(code for _, code in answer.refused)
        self.acknowledged += len(post.seconds) - len(answer.refused)

    def _drop(self, post: Post, answer: Answer) -> None:
        self._failures = self._token_failures = 0
        self._forget(post.seconds)
        codes = dict(answer.refused)
        self.refused.update(codes.get(t, answer.code or str(answer.status)) for t in post.seconds)

    def _forget(self, seconds: Sequence[int]) -> None:
        for timestamp_s in seconds:
            self._store.pop(timestamp_s, None)

    def _back_off(self, retry_after_s: float | None, now_s: float, jitter: float) -> None:
        wait_s = min(BACKOFF_FIRST_S * 2.0 ** min(self._failures, 30), self.backoff_max_s)
        wait_s *= 1.0 + BACKOFF_SPREAD * (2.0 * jitter - 1.0)
        if retry_after_s is not None:
            wait_s = retry_after_s
        self._failures += 1
        self._not_before_s = max(self._not_before_s, now_s + wait_s)
