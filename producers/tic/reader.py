"""The thread of the port: bytes to frames. It waits for nothing but the port: never for a disk, never for a network."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from producers.tic import clock, port
from producers.tic.arrival import Arrivals
from producers.tic.backlog import Backlog
from producers.tic.decode import Event
from producers.tic.labels import Mode
from producers.tic.line import Line
from producers.tic.reception import Moment, Reception
from producers.tic.tuning import Opening, Patience, Speeds, Trouble, is_right

_RETRY_MIN_S, _RETRY_MAX_S = 0.2, 5.0
_WORDS = {
    Trouble.SILENT: "no byte comes: is the meter connected (I1, I2), has it power?",
    Trouble.GARBAGE: "bytes come, but no right frame: wrong speed, a bad coupler, or another program at the port",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where to listen.

    Attributes:
        device: path of the port.
        speeds: those to try, in baud.
        mode: the only one to take; None: both.
    """

    device: str
    speeds: Sequence[int]
    mode: Mode | None = None
    patience: Patience = field(default_factory=Patience)


class Reader:
    """Reads a port until it is stopped, whatever happens to the port.

    Args:
        beat: called at each round, at least twice a second while the port is open.
        known_speed: that of an earlier start; 0: none.
    """

    def __init__(
        self,
        place: Place,
        line: Line,
        reception: Reception,
        backlog: Backlog,
        own_clock: clock.Clock,
        beat: Callable[[], None],
        known_speed: int = 0,
    ) -> None:
        self._place, self._line, self._reception, self._backlog = place, line, reception, backlog
        self._clock, self._beat = own_clock, beat
        self._speeds = Speeds(place.speeds, known_speed)
        self._line.speed = self._speeds.speed
        self._stop = threading.Event()
        self._good: bool | None = None
        self._said = self._meter_id = ""
        self._log = structlog.get_logger(__name__)

    def stop(self) -> None:
        """Ask `run` to take what has come and return; it does within two seconds."""
        self._stop.set()

    def run(self) -> None:
        """Read until stopped."""
        retry_s = _RETRY_MIN_S
        while not self._stop.is_set():
            heard = 0
            self._line.speed = self._speeds.speed
            try:
                with port.opened(self._place.device, self._line.speed) as source:
                    heard = self._listen(source)
            except OSError as error:  # pyserial's SerialException is one
                self._gone(port.why(self._place.device, error))
            retry_s = _RETRY_MIN_S if heard else min(2 * retry_s, _RETRY_MAX_S)
            if self._line.trouble and not heard:
                self._wait(retry_s)

    def _listen(self, source: port.Port) -> int:
        speed, now_s = self._line.speed, time.monotonic()
        opening = Opening(speed, self._place.mode, now_s, self._place.patience, known=self._speeds.known)
        arrivals = Arrivals(speed)
        trouble: Trouble | None = None
        try:
            stopping = False
            while not stopping:
                stopping = self._stop.is_set()  # and then read once more: what came before the stop counts
                data = source.read()
                now_s = time.monotonic()
                if data:
                    arrivals.read(len(data), now_s)
                    self._take(opening.feed(data, now_s), opening, arrivals)
                trouble = opening.trouble(now_s)
                self._round(now_s)
                if trouble is not None:
                    self._line.trouble = _WORDS[trouble]
                    break
        except OSError as error:
            trouble = Trouble.GONE
            self._gone(port.why(self._place.device, error))
        finally:
            self._take(opening.end(), opening, arrivals)
            if trouble is not None:
                self._line.openings[trouble] += 1
                self._speeds.after(speed, settled=opening.rules is not None, trouble=trouble)
        return opening.heard

    def _take(self, events: list[Event], opening: Opening, arrivals: Arrivals) -> None:
        self._line.count(events)
        for event in events:
            if is_right(event, self._place.mode):
                self._right(event, opening)
            for record in self._reception.take(event, self._moment(arrivals.of(event.begin))):
                self._named(record.meter_id)
                self._backlog.put(record)
        if events:
            self._backlog.held = self._reception.unconfirmed

    def _right(self, event: Event, opening: Opening) -> None:
        line = self._line
        line.right_s, line.trouble = time.monotonic(), ""
        line.rules, line.mode = opening.rules, getattr(event, "mode", None)
        if line.words() != self._said:
            self._said = line.words()
            self._log.info("line found", how=self._said, device=self._place.device)

    def _named(self, meter_id: str) -> None:
        """Say which id to register: the address, or with a key its pseudonym."""
        if meter_id != self._meter_id:
            self._meter_id = meter_id
            self._log.info("meter found", meter_id=meter_id)

    def _moment(self, at_s: float) -> Moment:
        ago_s = time.monotonic() - at_s
        return Moment(
            round((time.time() - ago_s) * 1000), self._clock.synchronised(), round((clock.since_start_s() - ago_s) * 1000)
        )

    def _gone(self, reason: str) -> None:
        if self._line.trouble != reason:
            self._log.warning("port lost", reason=reason)
        self._line.trouble = reason

    def _wait(self, seconds: float) -> None:
        self._stop.wait(seconds)
        self._round(time.monotonic())

    def _round(self, now_s: float) -> None:
        """A sign of life, and a log line when the line became good or bad."""
        self._beat()
        problem = self._line.problem(now_s)
        good = problem is None
        if not good and self._line.right_s is None and now_s - self._line.started_s < self._line.bad_after_s:
            return  # it begins
        if good is self._good:
            return
        self._good = good
        if good:
            self._log.info("line good", how=self._line.words())
        else:
            self._log.warning("line bad", reason=problem)
