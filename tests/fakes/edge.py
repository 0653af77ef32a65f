"""The server's end of the sensor contract for one sensor, in memory, at the time that the caller says."""

from dataclasses import dataclass, field

from producers.simulate.actions import NO_ANSWER, Action, Answer, AskTime, Boot, Grant, NewToken, Orders, Post, Urls
from producers.simulate.clock import Exchange
from producers.simulate.device import Device

LIFE_S = 604_800
FUTURE_S = 300


@dataclass
class Edge:
    """A gateway and its catalog.

    Attributes:
        secret: of the one sensor.
        orders: what a sensor is told at boot.
        batch_max: larger batches are answered 413.
        down: nothing gets through.
        delay_ms: on the way there, and back.
        live: (token, issued at), oldest first, at most two.
        log: every accepted second, copies included.
        token_requests: when boot and token were asked, whatever the answer.
    """

    secret: str = "pms_right"
    orders: Orders = field(default_factory=Orders)
    batch_max: int = 600
    down: bool = False
    lose_reply: bool = False
    revoked: bool = False
    delay_ms: tuple[int, int] = (20, 20)
    life_s: float = LIFE_S
    live: list[tuple[str, float]] = field(default_factory=list)
    log: list[int] = field(default_factory=list)
    token_requests: list[float] = field(default_factory=list)
    issued: int = 0

    def answer(self, action: Action, device: Device, now_s: float, error_ms: float = 0.0) -> Answer:
        """What a device hears.

        Args:
            now_s: the right time, which is the server's.
            error_ms: the device's clock minus it.
        """
        if isinstance(action, Boot | NewToken):
            self.token_requests.append(now_s)
        if self.down:
            return Answer(NO_ANSWER)
        if isinstance(action, Post):
            answer = self._post(action, now_s)
        elif isinstance(action, AskTime):
            answer = Answer(200, exchange=self._exchange(now_s, error_ms))
        else:
            answer = self._token(action, device, now_s, error_ms)
        return Answer(NO_ANSWER) if self.lose_reply else answer

    def _exchange(self, now_s: float, error_ms: float) -> Exchange:
        there_ms, back_ms = self.delay_ms
        t0 = round(now_s * 1000 + error_ms)
        t1 = round(now_s * 1000) + there_ms
        return Exchange(t0, t1, t1 + 1, t0 + there_ms + 1 + back_ms)

    def _token(self, action: Boot | NewToken, device: Device, now_s: float, error_ms: float) -> Answer:
        by_token = isinstance(action, NewToken) and action.token is not None
        if by_token and not self._lives(action.token, now_s):  # type: ignore[union-attr, arg-type]
            return Answer(401, "token_invalid")
        if not by_token and device.flash.secret != self.secret:
            return Answer(401, "token_invalid")
        if self.revoked:
            return Answer(403, "sensor_disabled")
        self.issued += 1
        token = f"pm1_{self.issued}"
        self.live = [*self.live, (token, now_s)][-2:]
        if isinstance(action, NewToken):
            return Answer(200, grant=Grant(token, self.life_s / 2))
        grant = Grant(token, self.life_s / 2, Urls(), self.orders)
        return Answer(200, grant=grant, exchange=self._exchange(now_s, error_ms))

    def _lives(self, token: str, now_s: float) -> bool:
        return any(token == known and now_s < issued_s + self.life_s for known, issued_s in self.live)

    def _post(self, post: Post, now_s: float) -> Answer:
        if not self._lives(post.token, now_s):
            return Answer(401, "token_expired")
        if self.revoked:
            return Answer(403, "sensor_disabled")
        if len(post.seconds) > self.batch_max:
            return Answer(413, "body_too_large")
        refused = tuple((t, "timestamp_future") for t in post.seconds if t > now_s + FUTURE_S)
        if len(refused) == len(post.seconds):
            return Answer(422, "timestamp_future", refused=refused if post.batch else ())
        self.log += [t for t in post.seconds if t <= now_s + FUTURE_S]
        issued_s = next(issued_s for known, issued_s in self.live if known == post.token)
        return Answer(202, refused=refused, refresh_token=now_s > issued_s + self.life_s / 2)
