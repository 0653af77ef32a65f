"""Drives a fleet of devices against a gateway, in real time or faster."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import IO

import numpy as np

from infra.errors import PowermonError
from producers.simulate import events
from producers.simulate.actions import Post
from producers.simulate.clock import Clock
from producers.simulate.courier import Courier
from producers.simulate.device import Device
from producers.simulate.figures import Totals, summed, trouble
from producers.simulate.fleet import Fleet, bodies, struck
from producers.simulate.link import Link, session
from producers.simulate.machine import Machine
from producers.simulate.outbox import Flash, Tally
from producers.simulate.plan import Plan, Rights

SLOTS = 20
"""The fleet's posts are spread over this many moments of a second."""

TICK_LEAST_S = 0.25
"""A device wakes up this often at most: two posts each time stay under the gateway's limit of 10 a second."""

CONNECTIONS = 128
BOOT_S = 60.0
"""Simulated time begins when every device has booted, or failed to; it is waited for so long."""


class Simulation:
    """A fleet's devices and where they are in time.

    Args:
        plan: what to simulate.
        rights: what its devices show.

    Attributes:
        begun: set once every device is registered and has the time.
    """

    def __init__(self, plan: Plan, rights: Rights) -> None:
        self.plan = plan
        self.totals = Totals()
        self.machines = [
            Machine(plan.fleet.seed, i, Flash(sensor_id), plan.start_s, plan.troubled, _maker(plan, i))
            for i, sensor_id in enumerate(plan.fleet.sensor_ids)
        ]
        self._rights = rights
        self._courier: Courier
        self._begin_s: float | None = None
        self.begun = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> Totals:
        """Simulate until the plan's end, or until `stop` is set.

        Raises:
            PowermonError: the devices cannot be given secrets or first tokens.
        """
        plan = self.plan
        with contextlib.ExitStack() as files:
            truth: IO[bytes] | None = None
            if plan.truth is not None:
                truth = files.enter_context(plan.truth.open("wb"))
            async with session(CONNECTIONS + sum(plan.uses_socket(m.index) for m in self.machines)) as http:
                link = Link(http, plan.gateway, plan.fleet)
                courier = self._courier = Courier(plan, link, self._rights, self.totals, truth, self.now_s)
                courier.write_truth(_recipe(plan.fleet))
                for machine, secret in zip(self.machines, await self._rights.secrets(plan.fleet.sensor_ids), strict=True):
                    machine.flash.secret = secret or ""
                await self._boot(stop)
                self.begun.set()
                self._backfill()
                late_s = time.time() - plan.start_s if plan.live else 0.0
                self._begin_s, courier.begun = time.monotonic() - late_s, True
                await self._measure(stop, truth)
                self.totals.ended = not stop.is_set()
                await self._drain(stop)
                await link.close()
                courier.write_truth({"acknowledged": self.acknowledged, "not_acknowledged": self.backlog})
        return self.totals

    # ---- figures

    @property
    def devices(self) -> list[Device]:
        return [machine.device for machine in self.machines]

    @property
    def tally(self) -> Tally:
        return summed(self.machines)

    @property
    def acknowledged(self) -> int:
        return sum(machine.tally.acknowledged for machine in self.machines)

    @property
    def backlog(self) -> int:
        return sum(machine.device.backlog for machine in self.machines)

    def trouble(self) -> str | None:
        """Why this run was not what simulated sensors expect; None if it was."""
        return trouble(self.machines, self.totals, self.plan.gateway)

    # ---- time

    def now_s(self) -> float:
        """Simulated time: never ahead of the present."""
        if self._begin_s is None:
            return self.plan.start_s
        return min(self.plan.start_s + (time.monotonic() - self._begin_s) * self.plan.speed, time.time())

    async def _boot(self, stop: asyncio.Event) -> None:
        """Let every device boot and learn the time over a good link, or fail once."""
        deadline_s = time.monotonic() + BOOT_S
        waiting = list(range(len(self.machines)))
        while waiting and not stop.is_set() and self._courier.crash is None and time.monotonic() < deadline_s:
            self._wake(np.array(waiting), 0, 0)
            await _until(stop, 0.02)
            waiting = [i for i in waiting if not (self.devices[i].synced or self.devices[i].struggling)]
        if isinstance(self._courier.crash, PowermonError):
            raise self._courier.crash

    def _backfill(self) -> None:
        plan = self.plan
        seconds = np.arange(plan.start_s - plan.backfill_s, plan.start_s)
        for index, machine in enumerate(self.machines):
            if not len(seconds):
                return
            for second, silent in zip(seconds.tolist(), self._quiet(np.array([index]), seconds)[0], strict=True):
                if not silent:
                    machine.stored_before(second)

    async def _measure(self, stop: asyncio.Event, truth: IO[bytes] | None) -> None:
        plan, count = self.plan, len(self.machines)
        slots = [np.arange(s, count, SLOTS) for s in range(min(SLOTS, count))]
        tick_s = max(1.0 / plan.speed, TICK_LEAST_S)
        done_s = [plan.start_s] * len(slots)
        end_s = None if plan.for_s is None else plan.start_s + plan.for_s
        wake, begin_s = 0, time.monotonic()
        while not stop.is_set() and self._courier.crash is None and (end_s is None or min(done_s) < end_s):
            slot = wake % len(slots)
            until_s = int(self.now_s())
            if end_s is not None:
                until_s = min(until_s, end_s)
            self._wake(slots[slot], done_s[slot], until_s)
            done_s[slot] = max(done_s[slot], until_s)
            wake += 1
            if slot == len(slots) - 1 and truth is not None:
                truth.flush()
            wait_s = begin_s + wake * tick_s / len(slots) - time.monotonic()
            await _until(stop, max(wait_s, 0.0))
        self._courier.stopping = stop.is_set()

    async def _drain(self, stop: asyncio.Event) -> None:
        """Wait for what is on its way; at the plan's own end also until the backlog is gone."""
        deadline_s = time.monotonic() + self.plan.drain_s
        everyone = np.arange(len(self.machines))
        self._courier.draining = True
        for machine in self.machines:
            machine.end_troubles(self.now_s())
        while not stop.is_set() and self._courier.crash is None and self.backlog and time.monotonic() < deadline_s:
            self._wake(everyone, 0, 0)
            await _until(stop, 0.1)
        await self._courier.settle()
        if self._courier.crash is not None:
            raise self._courier.crash

    # ---- devices

    def _wake(self, sensors: np.ndarray, from_s: int, until_s: int) -> None:
        """Let some devices measure the seconds [from_s, until_s) and send what is due."""
        if until_s > from_s:
            seconds = np.arange(from_s, until_s)
            quiet = self._quiet(sensors, seconds)
            for row, index in enumerate(sensors.tolist()):
                for second, silent in zip(seconds.tolist(), quiet[row], strict=True):
                    self._live_through(self.machines[index], second, silent)
        now_s = time.monotonic()
        singles: list[tuple[Machine, Post]] = []
        for index in sensors.tolist():
            machine = self.machines[index]
            for action in machine.due(now_s):
                if isinstance(action, Post) and not action.batch:
                    singles.append((machine, action))
                else:
                    self._courier.send(machine, action)
        if singles:
            index, at_s = np.array([m.index for m, _ in singles]), np.array([p.seconds[0] for _, p in singles])
            for (machine, post), body in zip(singles, bodies(self.plan.fleet, index, at_s), strict=True):
                self._courier.send(machine, post, body)

    def _live_through(self, machine: Machine, second: int, silent: bool) -> None:
        label = machine.second(second)
        if label is not None and label != second:
            silent = self._quiet(np.array([machine.index]), np.array([label]))[0][0]
        if label is None or silent:
            return
        machine.device.keep(label)
        if (token := machine.robbed(second)) is not None:
            self._courier.rob(machine, token, label)

    def _quiet(self, sensors: np.ndarray, seconds: np.ndarray) -> list[list[bool]]:
        fleet = self.plan.fleet
        pairs = struck(fleet, np.repeat(sensors, len(seconds)), np.tile(seconds, len(sensors)))
        rows: list[list[bool]] = pairs.of(events.SILENCE).reshape(len(sensors), len(seconds)).tolist()
        return rows


def _maker(plan: Plan, index: int) -> Callable[[Flash, Clock, Tally], Device]:
    def make(flash: Flash, clock: Clock, tally: Tally) -> Device:
        return Device(flash, clock, tally, plan.store_max, newest_first=index % 4 == 3, backoff_max_s=plan.backoff_max_s)

    return make


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
