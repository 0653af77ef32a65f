"""Months of one simulated sensor, sent beside the live fleet: one value a second, day by day, the newest first."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from infra.errors import PowermonError
from producers.ingest.report import Report
from producers.ingest.run import Ingest, TokenSource
from producers.simulate.fleet import FORMAT_VERSION, PROBE_TYPES, Fleet, seconds

DAY_S = 86_400
SAMPLES = 18
"""As few as the contract allows; all alike, so that a day takes 3 MB of the log and of the tables each."""

_PIECE_S = 3600
_PAUSE_S = 2.0
_BEAT_S = 60.0

_encode = msgspec.json.Encoder().encode

Span = tuple[int, int]
"""UTC seconds [begin, end)."""


def lines(fleet: Fleet, index: int, begin_s: int, end_s: int) -> Iterator[list[tuple[int, bytes]]]:
    """Bodies of one sensor without tokens, as `ingest` takes them: some numbered lines at a time, the oldest first."""
    kinds = [PROBE_TYPES[k] for k in fleet.sites.rogowski[index].astype(int).tolist()]
    number = 0
    for at_s in range(begin_s, end_s, _PIECE_S):
        second = np.arange(at_s, min(at_s + _PIECE_S, end_s))
        made = seconds(fleet, np.full(len(second), index), second)
        power = np.rint(made.power_mw[:, :, :SAMPLES].mean(axis=2)).astype(np.int64).tolist()
        pf = np.rint(made.pf_pct[:, :, :SAMPLES].mean(axis=2)).astype(np.int64).tolist()
        volts = made.voltage_rms_mv.tolist()
        piece = []
        for t, p, f, v, silent in zip(second.tolist(), power, pf, volts, made.silent.tolist(), strict=True):
            if silent:
                continue
            number += 1
            probes = [
                {"probe_id": k + 1, "probe_type": kinds[k], "power": [p[k]] * SAMPLES, "pf": [f[k]] * SAMPLES, "voltage": v[k]}
                for k in range(3)
            ]
            body = {"version": FORMAT_VERSION, "sensor_id": fleet.sensor_ids[index], "timestamp": t, "data": probes}
            piece.append((number, _encode(body)))
        yield piece


def without(span: Span, taken: list[Span]) -> list[Span]:
    """What of a span is in none of those taken; by time."""
    left, begin_s = [], span[0]
    for first_s, end_s in sorted(taken):
        if begin_s < min(first_s, span[1]):
            left.append((begin_s, min(first_s, span[1])))
        begin_s = max(begin_s, end_s)
    if begin_s < span[1]:
        left.append((begin_s, span[1]))
    return left


def days(spans: list[Span]) -> list[Span]:
    """The same in parts of a UTC day at most, the newest first."""
    parts = []
    for begin_s, end_s in spans:
        at_s = begin_s
        while at_s < end_s:
            until_s = min(at_s // DAY_S * DAY_S + DAY_S, end_s)
            parts.append((at_s, until_s))
            at_s = until_s
    return sorted(parts, reverse=True)


@dataclass(slots=True)
class Told:
    """What was sent already, kept in a file: another sample of the same second would be a conflicting copy."""

    path: Path

    def spans(self) -> list[Span]:
        try:
            return [(int(begin), int(end)) for begin, end in json.loads(self.path.read_text())]
        except (OSError, ValueError, TypeError):
            return []

    def add(self, span: Span) -> None:
        """Note one more; what overlaps or meets becomes one."""
        merged: list[Span] = []
        for begin_s, end_s in sorted([*self.spans(), span]):
            if merged and begin_s <= merged[-1][1]:
                merged[-1] = merged[-1][0], max(end_s, merged[-1][1])
            else:
                merged.append((begin_s, end_s))
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(merged))
        os.replace(part, self.path)


@dataclass(slots=True)
class History:
    """The months before the live fleet.

    Attributes:
        since_s: where they begin.
        live_s: where the fleet's own seconds begin.
        begun: set once the fleet's sensors are registered and post.
        say: takes a line of progress.
    """

    fleet: Fleet
    gateway: str
    tokens: TokenSource
    told: Told
    since_s: int
    live_s: int
    clock: Callable[[], float]
    begun: asyncio.Event
    say: Callable[[str], None]

    async def run(self) -> None:
        """Send what is not there yet, then note now and then how far the live fleet has come; until cancelled."""
        parts = days(without((self.since_s, self.live_s), self.told.spans()))
        self.told.add((self.live_s, int(self.clock())))
        await self.begun.wait()
        for at, part in enumerate(parts):
            await self._send(part)
            if at % 7 == 6 or at == len(parts) - 1:
                self.say(f"history of {self.fleet.sensor_ids[0]}: {at + 1} of {len(parts)} days")
            await asyncio.sleep(_PAUSE_S)  # the live fleet and people come first
        while True:
            await asyncio.sleep(_BEAT_S)
            self.told.add((self.live_s, int(self.clock())))

    async def _send(self, part: Span) -> None:
        try:
            await Ingest(self.gateway, self.tokens, Report()).send(lines(self.fleet, 0, *part))
        except PowermonError as error:
            self.say(f"history: {error}; the next start goes on")
            return
        self.told.add(part)
