"""Speaks on pseudo-terminals, at the true character rate."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO

from producers.simulate.linky.line import CHARACTER_BITS, Line, Sent, truth
from producers.simulate.linky.port import Port

TICK_S = 0.05
"""So long characters are gathered; a frame's end is written when it is due."""
BEHIND_S = 5.0
"""Later than this (the machine slept) a meter goes on at the present."""


@dataclass(slots=True)
class Tally:
    """What was sent so far."""

    frames: int = 0
    damaged: int = 0
    unread: int = 0


@dataclass(slots=True)
class Talk:
    """One meter, its port, and how far its present frame has come."""

    line: Line
    port: Port
    sent: Sent = field(init=False)
    at: int = 0
    read: bool = True
    written_s: float = 0.0

    def __post_init__(self) -> None:
        self.sent = next(self.line)


def talk(
    talks: list[Talk],
    now_s: Callable[[], float],
    stop: threading.Event,
    *,
    speed: float = 1.0,
    until_s: float | None = None,
    truth_file: IO[str] | None = None,
) -> Tally:
    """Speak until stopped.

    Args:
        talks: the meters.
        now_s: simulated time, UTC.
        stop: ends it.
        speed: simulated seconds per second.
        until_s: simulated time at which it ends; the frames that are begun then are ended.
        truth_file: is given a line for each frame once it was sent.
    """
    tally, speaking = Tally(), list(talks)
    while speaking and not stop.is_set():
        now = now_s()
        wake_s = now + TICK_S * speed
        for one in list(speaking):
            due_s = _speak(one, now, tally, truth_file, now_s)
            if until_s is not None and one.at == 0 and one.sent.begin_s >= until_s:
                speaking.remove(one)
            wake_s = min(wake_s, due_s)
        if speaking:
            stop.wait(max((wake_s - now_s()) / speed, 0))
    if truth_file is not None:
        for one in speaking:
            if one.at:
                _tell(one, truth_file, "stopped")
    return tally


def _speak(one: Talk, now: float, tally: Tally, truth_file: IO[str] | None, now_s: Callable[[], float]) -> float:
    """Write what is due. Returns when something is due that should not wait for the next tick."""
    if one.at == 0 and now - one.sent.begin_s > BEHIND_S:
        one.line.resume(now)
        one.sent = next(one.line)
    while True:
        sent = one.sent
        due = min(int((now - sent.begin_s) * sent.baud / CHARACTER_BITS), len(sent.data)) if now < sent.end_s else len(sent.data)
        if due > one.at:
            one.read &= one.port.write(sent.data[one.at : due])
            one.at = due
            one.written_s = now_s()
        if one.at < len(sent.data):
            return sent.end_s if now >= sent.begin_s else sent.begin_s
        tally.frames += 1
        tally.damaged += bool(sent.damage)
        tally.unread += not one.read
        if truth_file is not None:
            _tell(one, truth_file)
        one.sent, one.at, one.read = next(one.line), 0, True


def _tell(one: Talk, truth_file: IO[str], damage: str = "") -> None:
    record = truth(one.line.contract.address, one.sent, read=one.read) | {"written_ms": round(1000 * one.written_s)}
    if damage:
        record["damage"] = damage
    truth_file.write(json.dumps(record) + "\n")
    truth_file.flush()


def clock(start_s: float, speed: float) -> Callable[[], float]:
    """Simulated time that begins at `start_s` now."""
    begin_s = time.monotonic()
    return lambda: start_s + (time.monotonic() - begin_s) * speed
