"""A sensor's firmware: what to send next, what an answer means, which second it is. No clock, no network.

All of the contract's sections 3 to 6 that a device must do. What it sends leaves through `due` and comes back
through `answered`; a power cut is a new Device on the same Flash.
"""

from dataclasses import dataclass, field

from producers.simulate.actions import Action, Answer, AskTime, Boot, NewToken, Orders, Post, Urls
from producers.simulate.clock import EXCHANGES, Clock, Exchange, best
from producers.simulate.credentials import Credentials
from producers.simulate.outbox import BATCH_MIN, STORE_MAX, Flash, Outbox, Tally

BACKOFF_FIRST_S = 1.0
BACKOFF_MAX_S = 300.0
BACKOFF_SPREAD = 0.2
FORBIDDEN_WAIT_S = 3600.0
SILENCE_S = 400.0
"""After so long without a reply the clock is not trusted."""

ASTRAY_S = 5.0
"""A clock that differs so much from the time in an answer is asked for at once."""

EXCHANGE_LIFE_S = 60.0
"""Older exchanges say nothing about the clock of now."""

RESYNC_S = 60.0
"""So long after exchanges that were too slow to tell the time well it is asked for again."""


@dataclass(slots=True)
class Device:
    """One sensor from power-up to power cut. `now_s` is seconds of a clock that only goes forward.

    Attributes:
        flash: what was kept; its secret may be empty when the link has another right to tokens.
        clock: what it believes to be UTC; wrong until `synced`.
        tally: for people.
        store_max, newest_first, lanes: as of Outbox.
        backoff_max_s: longest wait after failures that came without a Retry-After.
        urls, orders: what the server said at boot.
        synced: the clock has been right since power-up: before that nothing is measured and nothing is posted.
        stopped: why this device gave up for good, or empty.
        alarm: what a person must look at, or empty.
    """

    flash: Flash = field(default_factory=Flash)
    clock: Clock = field(default_factory=Clock)
    tally: Tally = field(default_factory=Tally)
    store_max: int = STORE_MAX
    newest_first: bool = False
    lanes: int = 1
    backoff_max_s: float = BACKOFF_MAX_S
    urls: Urls = field(default_factory=Urls)
    orders: Orders = field(default_factory=Orders)
    synced: bool = False
    stopped: str = ""
    alarm: str = ""
    credentials: Credentials = field(default_factory=Credentials)
    _outbox: Outbox = field(init=False)
    _failures: int = 0
    _not_before_s: float = float("-inf")
    _hold: bool = True
    _exchanges: list[tuple[float, Exchange]] = field(default_factory=list)
    _asking_time: bool = False
    _sync_s: float = float("-inf")
    _last_reply_s: float | None = None
    _bundle_s: float = float("-inf")

    def __post_init__(self) -> None:
        self._outbox = Outbox(self.flash, self.tally, self.store_max, self.newest_first, self.lanes)

    @property
    def backlog(self) -> int:
        """Seconds kept that are not safe yet."""
        return len(self.flash.store)

    @property
    def flying(self) -> int:
        """Requests that wait for an answer."""
        return self._outbox.flying + self.credentials.asking + self._asking_time

    @property
    def struggling(self) -> bool:
        """Whether the last request failed, or something is wrong that does not pass."""
        return self._failures > 0 or bool(self.alarm or self.stopped)

    @property
    def quiet_until_s(self) -> float:
        """Nothing is sent before this."""
        return self._not_before_s

    # ---- measuring

    def label(self, at_s: float) -> int | None:
        """The timestamp of the second that begins now; None when there is none to give.

        There is none before the clock is right, and after a step back none until it passes the last second used.

        Args:
            at_s: seconds of this sensor's oscillator.
        """
        timestamp_s = round(self.clock.read_ms(at_s) / 1000.0)
        if not self.synced or self.stopped or timestamp_s <= self.flash.last_used_s:
            return None
        return timestamp_s

    def keep(self, timestamp_s: int) -> None:
        """Store a second that was measured under a label."""
        self._outbox.keep(timestamp_s, fresh=self.orders.post_interval_s <= 1)

    # ---- sending

    def due(self, now_s: float) -> list[Action]:
        """What to send now; each action must be answered."""
        if self._last_reply_s is None:
            self._last_reply_s = now_s
        if self.stopped or now_s < self._not_before_s:
            return []
        if now_s - self._last_reply_s > SILENCE_S:
            self._distrust_clock(now_s)
        careful = self._failures > 0  # after a failure one request at a time feels its way
        actions: list[Action] = []
        for wanted in (self._credentials_due, self._time_due, self._live_due, self._backlog_due):
            while not (careful and self.flying) and (action := wanted(now_s)) is not None:
                actions.append(action)
        return actions

    def _credentials_due(self, now_s: float) -> Action | None:
        return self.credentials.due(now_s)

    def _time_due(self, now_s: float) -> Action | None:
        if self._asking_time or self.credentials.token is None or now_s < self._sync_s:
            return None
        self._asking_time = True
        return AskTime()

    def _live_due(self, now_s: float) -> Action | None:
        token = self.credentials.token
        return None if self._hold or token is None else self._outbox.live(token)

    def _backlog_due(self, now_s: float) -> Action | None:
        token = self.credentials.token
        if self._hold or token is None:
            return None
        interval_s = self.orders.post_interval_s
        if interval_s <= 1:
            return self._outbox.backlog(token)
        # Nothing is live then: whatever was measured goes as one batch, every so many seconds.
        if now_s < self._bundle_s and self.backlog < max(self._outbox.batch_max, BATCH_MIN):
            return None
        post = self._outbox.backlog(token, batch_min=1)
        if post is not None:
            self._bundle_s = now_s + interval_s
        return post

    # ---- answers

    def answered(self, action: Action, answer: Answer, now_s: float, jitter: float = 0.5) -> None:
        """Take in what an action brought.

        Args:
            jitter: 0..1, drawn at random; spreads the backoff by BACKOFF_SPREAD either way.
        """
        if answer.status:
            self._last_reply_s = now_s
        if isinstance(action, Post):
            self._post_answered(action, answer, now_s, jitter)
        elif isinstance(action, AskTime):
            self._time_answered(answer, now_s, jitter)
        else:
            self._token_answered(action, answer, now_s, jitter)

    def _post_answered(self, post: Post, answer: Answer, now_s: float, jitter: float) -> None:
        self._outbox.landed(post)
        if answer.good:
            self._failures, self.alarm = 0, ""
            self._outbox.accepted(post, answer)
            if answer.refresh_token:
                self.credentials.ageing(post.token, now_s)
            if answer.behind_s is not None and abs(answer.behind_s) > ASTRAY_S:
                self._distrust_clock(now_s)
        elif answer.passing:
            self.tally.retried += len(post.seconds)
            self._back_off(answer, now_s, jitter)
        elif answer.status == 401:
            self.tally.retried += len(post.seconds)
            self.credentials.refused(post.token)
        elif answer.status in (403, 404, 405):
            self._refused_for_long(answer, now_s)
        elif answer.status == 413 and len(post.seconds) > 1:
            self._outbox.halve(post)
        else:
            self._failures = 0
            self._outbox.dropped(post, answer)
            if answer.code == "timestamp_future":
                self._distrust_clock(now_s)

    def _token_answered(self, action: Boot | NewToken, answer: Answer, now_s: float, jitter: float) -> None:
        grant = answer.grant
        if answer.good and grant is not None:
            self._failures, self.alarm = 0, ""
            self.credentials.granted(grant, now_s)
            self.tally.tokens += 1
            if isinstance(action, Boot):
                self.tally.boots += 1
                self.urls, self.orders = grant.urls or self.urls, grant.orders or self.orders
                self._outbox.batch_max = max(1, self.orders.batch_max_seconds)
                self._exchange(answer.exchange, now_s)
            return
        if self.credentials.failed(action, answer):
            self.alarm = "401 the secret was refused"
        elif answer.good or answer.passing:  # good, but nothing in it can be read
            self._back_off(answer, now_s, jitter)
        elif answer.status != 401:
            self._refused_for_long(answer, now_s)

    def _time_answered(self, answer: Answer, now_s: float, jitter: float) -> None:
        self._asking_time = False
        if answer.good and self._exchange(answer.exchange, now_s):
            self._failures = 0
        elif answer.good or answer.passing:
            self._back_off(answer, now_s, jitter)
        else:
            self._refused_for_long(answer, now_s)

    def _distrust_clock(self, now_s: float) -> None:
        """Nothing is posted before the server has said what time it is."""
        self._sync_s, self._hold = now_s, True

    def _exchange(self, exchange: Exchange | None, now_s: float) -> bool:
        """Count one exchange; enough of them correct the clock."""
        if exchange is None or not exchange.sane:
            return False
        recent = [(s, e) for s, e in self._exchanges if now_s - s < EXCHANGE_LIFE_S]
        self._exchanges = [*recent, (now_s, exchange)]
        if len(self._exchanges) >= EXCHANGES:
            before = self.clock.steps
            chosen = best(e for _, e in self._exchanges)
            self.clock.correct(chosen.offset_ms)
            stepped = self.clock.steps > before
            self.tally.steps, self.tally.slews = self.tally.steps + stepped, self.tally.slews + (not stepped)
            self._exchanges, self.synced, self._hold = [], True, False
            again_s = self.orders.time_sync_interval_s
            self._sync_s = now_s + (again_s if chosen.good else min(again_s, RESYNC_S))
        return True

    def _refused_for_long(self, answer: Answer, now_s: float) -> None:
        """No retry soon will help: a wrong address ends it, anything else is for a person and tried again in an hour."""
        if answer.status in (404, 405):
            self.stopped = f"{answer.status} {answer.code}: wrong address"
            return
        self.alarm = answer.code or str(answer.status)
        self._not_before_s = now_s + FORBIDDEN_WAIT_S

    def _back_off(self, answer: Answer, now_s: float, jitter: float) -> None:
        wait_s = min(BACKOFF_FIRST_S * 2.0 ** min(self._failures, 30), self.backoff_max_s)
        wait_s *= 1.0 + BACKOFF_SPREAD * (2.0 * jitter - 1.0)
        if answer.retry_after_s is not None:
            wait_s = answer.retry_after_s
        self._failures += 1
        self._not_before_s = max(self._not_before_s, now_s + wait_s)
