"""Drives a fleet of devices against a gateway, in real time or faster."""

import asyncio
import contextlib
import random
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec
import numpy as np

from infra.errors import PowermonError
from producers.simulate import events
from producers.simulate.device import BACKOFF_MAX_S, NO_ANSWER, STORE_MAX, Action, Device, Post
from producers.simulate.faults import GOOD, fault
from producers.simulate.fleet import Body, Fleet, bodies
from producers.simulate.link import Link, session

SLOTS = 20
"""The fleet's posts are spread over this many moments of a second."""

TICK_LEAST_S = 0.25
"""A device wakes up this often at most: two posts each time stay under the gateway's limit of 10 a second."""

CONNECTIONS = 128
STOP_GRACE_S = 5.0
DRAIN_S = 120.0

TokenSource = Callable[[str], Awaitable[str]]
"""Gives a live token for a sensor id."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to simulate.

    Attributes:
        start_s: simulated time at which the run begins, UTC.
        for_s: how many simulated seconds; None = until stopped.
        speed: simulated seconds per second; simulated time never passes the present.
        backfill_s: seconds before start_s that each device holds already.
        faults: whether the links are bad.
        outages: whether bad links also go down for minutes.
        backoff_max_s: as of each device.
        truth: file for what was acknowledged.
    """

    fleet: Fleet
    gateway: str
    start_s: int
    for_s: int | None = None
    speed: float = 1.0
    backfill_s: int = 0
    faults: bool = False
    truth: Path | None = None
    store_max: int = STORE_MAX
    drain_s: float = DRAIN_S
    outages: bool = True
    backoff_max_s: float = BACKOFF_MAX_S


@dataclass(slots=True)
class Totals:
    """What happened so far.

    Attributes:
        posts: requests answered or given up.
        statuses: how often each status came; NO_ANSWER for nothing.
        latency_s: of the last posts since it was cleared.
    """

    posts: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    latency_s: deque[float] = field(default_factory=lambda: deque(maxlen=20_000))
    ended: bool = False


class Simulation:
    """A fleet's devices and where they are in time.

    Args:
        plan: what to simulate.
        tokens: where devices get tokens from.
    """

    def __init__(self, plan: Plan, tokens: TokenSource) -> None:
        self.plan = plan
        self.totals = Totals()
        self.devices = [
            Device(plan.store_max, newest_first=i % 4 == 3, backoff_max_s=plan.backoff_max_s)
            for i in range(len(plan.fleet.sensor_ids))
        ]
        self._tokens = tokens
        self._token_gate = asyncio.Semaphore(64)
        self._tasks: set[asyncio.Task[None]] = set()
        self._attempts = 0
        self._random = random.Random(plan.fleet.seed)  # noqa: S311 (spreads retries)
        self._link: Link
        self._stop: asyncio.Event
        self._truth: IO[bytes] | None = None
        self._begin_s = 0.0
        self._crash: BaseException | None = None

    async def run(self, stop: asyncio.Event) -> Totals:
        """Simulate until the plan's end, or until `stop` is set."""
        plan, self._stop = self.plan, stop
        with contextlib.ExitStack() as files:
            if plan.truth is not None:
                self._truth = files.enter_context(plan.truth.open("wb"))
                self._write_truth(_recipe(plan.fleet))
            async with session(CONNECTIONS) as http:
                self._link = Link(http, plan.gateway, plan.fleet)
                await self._first_tokens(stop)
                self._backfill()
                self._begin_s = time.monotonic()
                await self._measure(stop)
                self.totals.ended = not stop.is_set()
                await self._drain(stop)
                self._write_truth({"acknowledged": self.acknowledged, "not_acknowledged": self.backlog})
        return self.totals

    # ---- figures

    @property
    def acknowledged(self) -> int:
        return sum(d.acknowledged for d in self.devices)

    @property
    def retried(self) -> int:
        return sum(d.retried for d in self.devices)

    @property
    def backlog(self) -> int:
        return sum(d.backlog for d in self.devices)

    @property
    def thrown_away(self) -> int:
        return sum(d.thrown_away for d in self.devices)

    @property
    def refused(self) -> Counter[str]:
        return sum((d.refused for d in self.devices), Counter())

    def trouble(self) -> str | None:
        """Why this run was not what simulated sensors expect; None if it was."""
        stopped = next((d.stopped for d in self.devices if d.stopped), None)
        alarm = next((d.alarm for d in self.devices if d.alarm), None)
        refused = self.refused
        if stopped:
            return f"the gateway at {self.plan.gateway} answered {stopped}; check POWERMON_GATEWAY_URL"
        if alarm:
            return f"the gateway answered 403 {alarm}; was a simulated sensor revoked? use another --prefix"
        if refused:
            codes = ", ".join(f"{n} x {code}" for code, n in refused.most_common(5))
            return f"the gateway refused {refused.total()} good seconds ({codes}); look at its log"
        if self.totals.posts and not self.acknowledged:
            return f"nothing was acknowledged by the gateway at {self.plan.gateway}; is it running?"
        if self.totals.ended and self.backlog:
            return f"{self.backlog} seconds are still not acknowledged; the gateway is down or too slow"
        return None

    # ---- time

    def now_s(self) -> float:
        """Simulated time: never ahead of the present."""
        return min(self.plan.start_s + (time.monotonic() - self._begin_s) * self.plan.speed, time.time())

    async def _measure(self, stop: asyncio.Event) -> None:
        plan, count = self.plan, len(self.devices)
        slots = [np.arange(s, count, SLOTS) for s in range(min(SLOTS, count))]
        tick_s = max(1.0 / plan.speed, TICK_LEAST_S)
        done_s = [plan.start_s] * len(slots)
        end_s = None if plan.for_s is None else plan.start_s + plan.for_s
        wake = 0
        while not stop.is_set() and self._crash is None and (end_s is None or min(done_s) < end_s):
            slot = wake % len(slots)
            until_s = int(self.now_s())
            if end_s is not None:
                until_s = min(until_s, end_s)
            self._wake(slots[slot], done_s[slot], until_s)
            done_s[slot] = max(done_s[slot], until_s)
            wake += 1
            if slot == len(slots) - 1 and self._truth is not None:
                self._truth.flush()
            wait_s = self._begin_s + wake * tick_s / len(slots) - time.monotonic()
            await _until(stop, max(wait_s, 0.0))

    def _wake(self, sensors: np.ndarray, from_s: int, until_s: int) -> None:
        """Let some devices measure the seconds [from_s, until_s) and send what is due."""
        if until_s > from_s:
            seconds = np.arange(from_s, until_s)
            quiet = self._quiet(sensors, seconds)
            for row, index in enumerate(sensors.tolist()):
                device = self.devices[index]
                for second, silent in zip(seconds.tolist(), quiet[row], strict=True):
                    if not silent:
                        device.measured(second)
        now_s = time.monotonic()
        live: list[tuple[int, Post]] = []
        for index in sensors.tolist():
            for action in self.devices[index].due(now_s):
                if isinstance(action, Post) and not action.batch:
                    live.append((index, action))
                else:
                    self._do(index, action)
        if live:
            made = bodies(self.plan.fleet, np.array([i for i, _ in live]), np.array([p.seconds[0] for _, p in live]))
            for (index, post), body in zip(live, made, strict=True):
                self._do(index, post, body)

    def _quiet(self, sensors: np.ndarray, seconds: np.ndarray) -> list[list[bool]]:
        fleet = self.plan.fleet
        pairs = events.at(fleet.seed, np.repeat(sensors, len(seconds)), np.tile(seconds, len(sensors)), fleet.event_chance)
        rows: list[list[bool]] = pairs.of(events.SILENCE).reshape(len(sensors), len(seconds)).tolist()
        return rows

    def _backfill(self) -> None:
        plan = self.plan
        seconds = np.arange(plan.start_s - plan.backfill_s, plan.start_s)
        for index, device in enumerate(self.devices):
            if not len(seconds):
                return
            for second, silent in zip(seconds.tolist(), self._quiet(np.array([index]), seconds)[0], strict=True):
                if not silent:
                    device.measured(second, fresh=False)

    # ---- sending

    def _do(self, index: int, action: Action, body: Body | None = None) -> None:
        work = self._send(index, action, body) if isinstance(action, Post) else self._get_token(index)
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._crash = error

    async def _send(self, index: int, post: Post, body: Body | None) -> None:
        device, totals = self.devices[index], self.totals
        self._attempts += 1
        plan, now_s = self.plan, int(self.now_s())
        met = fault(plan.fleet.seed, index, now_s, self._attempts, outages=plan.outages) if plan.faults else GOOD
        answer, took_s = await self._link.send(index, post, body, met)
        totals.posts += 1
        totals.statuses[answer.status] += 1
        if answer.status != NO_ANSWER:
            totals.latency_s.append(took_s)
        answered_s = time.monotonic()
        device.answered(post, answer, answered_s, self._random.random())
        if 200 <= answer.status < 300 and self._truth is not None:
            refused = {t for t, _ in answer.refused}
            for second in post.seconds:
                if second not in refused:
                    self._write_truth({"sensor_id": plan.fleet.sensor_ids[index], "timestamp": second})
        for action in () if self._stop.is_set() else device.due(answered_s):
            self._do(index, action)

    async def _get_token(self, index: int) -> None:
        device = self.devices[index]
        try:
            async with self._token_gate:
                device.token_came(await self._tokens(self.plan.fleet.sensor_ids[index]))
        except PowermonError:
            device.token_failed(time.monotonic(), self._random.random())

    async def _first_tokens(self, stop: asyncio.Event) -> None:
        """The tokens a device has from the start; a failure here is the person's to know."""

        async def one(index: int) -> None:
            async with self._token_gate:
                if not stop.is_set():
                    self.devices[index].token_came(await self._tokens(self.plan.fleet.sensor_ids[index]))

        try:
            async with asyncio.TaskGroup() as group:
                for index in range(len(self.devices)):
                    group.create_task(one(index))
        except* PowermonError as errors:
            raise errors.exceptions[0] from None

    async def _drain(self, stop: asyncio.Event) -> None:
        """Wait for what is on its way; at the plan's own end also until the backlog is gone."""
        deadline_s = time.monotonic() + self.plan.drain_s
        everyone = np.arange(len(self.devices))
        while not stop.is_set() and self._crash is None and self.backlog and time.monotonic() < deadline_s:
            self._wake(everyone, 0, 0)
            await _until(stop, 0.1)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=STOP_GRACE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._crash is not None:
            raise self._crash

    def _write_truth(self, line: dict[str, object]) -> None:
        if self._truth is not None:
            self._truth.write(msgspec.json.encode(line) + b"\n")


def _recipe(fleet: Fleet) -> dict[str, object]:
    """What makes the same fleet again."""
    return {
        "seed": fleet.seed,
        "sensors": len(fleet.sensor_ids),
        "prefix": fleet.sensor_ids[0][:-6],
        "nominal_v": fleet.nominal_v,
        "zone_offset_s": fleet.zone_offset_s,
        "event_chance": fleet.event_chance,
    }


async def _until(stop: asyncio.Event, wait_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            await stop.wait()
