"""A sensor from the installer's hand to the table: a day without a link, a wrong clock, a power cut, and nothing lost."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from infra import programs
from infra.settings import Settings
from producers.simulate.actions import Action, Answer
from producers.simulate.clock import Clock
from producers.simulate.device import Device
from producers.simulate.faults import GOOD, Fault
from producers.simulate.fleet import Fleet, fleet
from producers.simulate.link import Link, session
from producers.simulate.outbox import Flash, Tally
from sinks.clickhouse import ClickHouse
from tests.exact import minutes_are_exact, seconds_are_exact
from tests.roles import role, running
from tests.stack import settled
from tests.waiting import until

DAY_S = 86_400
AHEAD_MS = 25_000.0
DRIFT = 60e-6


@pytest.fixture
def stack(own_log: Callable[..., Settings]) -> Settings:
    return own_log(publish_interval_s=0.2, sink_interval_ms=50, rebuild_interval_s=0.5)


class Sensor:
    """A device on a real link, in a time that is moved by hand and never ahead of the present.

    Attributes:
        used: every timestamp under which it measured a second.
    """

    def __init__(self, link: Link, flash: Flash) -> None:
        self.link, self.flash, self.tally = link, flash, Tally()
        self.used: list[int] = []
        self.now_s = self.start_s = time.time() - DAY_S - 3600
        self.fault = GOOD
        self.flying: dict[asyncio.Task[tuple[Answer, float]], Action] = {}
        self.power_up(says_ms=0.0)

    def power_up(self, says_ms: float) -> None:
        self.device = Device(self.flash, Clock(says_ms - self.oscillator_s * 1000), self.tally, 100_000, lanes=2)

    @property
    def oscillator_s(self) -> float:
        return self.start_s + (self.now_s - self.start_s) * (1 + DRIFT)

    @property
    def error_ms(self) -> float:
        return self.device.clock.read_ms(self.oscillator_s) - self.now_s * 1000

    def measure(self) -> None:
        """Live through one second."""
        self.now_s += 1
        label = self.device.label(self.oscillator_s)
        if label is not None:
            self.used.append(label)
            self.device.keep(label)

    def send(self) -> None:
        for action in self.device.due(self.now_s):
            urls, secret = self.device.urls, self.flash.secret
            work = self.link.send(0, action, secret=secret, urls=urls, error_ms=self.error_ms, fault=self.fault)
            self.flying[asyncio.create_task(work)] = action

    async def hear(self) -> None:
        """Wait for an answer, if one is to come."""
        if not self.flying:
            return
        done, _ = await asyncio.wait(self.flying, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            self.device.answered(self.flying.pop(task), task.result()[0], self.now_s)

    async def run(self, enough: Callable[[], bool], *, measuring: bool = True) -> None:
        """Post until it is enough; a second passes with each answer."""
        while not enough():
            if measuring:
                self.measure()
            else:
                self.now_s += 1
            self.send()
            await self.hear()

    async def cut_power(self, says_ms: float) -> None:
        """Nobody hears the answers to what is on its way, and the clock says anything when the power returns."""
        for task in self.flying:
            task.cancel()
        await asyncio.gather(*self.flying, return_exceptions=True)
        self.flying.clear()
        self.power_up(says_ms)


def installed(settings: Settings, sensor_id: str) -> str:
    """What the installer does: the secret, which is shown once."""
    command = [sys.executable, "-m", "infra.cli", "sensors", "add", sensor_id]
    env = os.environ | programs.environment(settings)
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


async def lived(settings: Settings, made: Fleet, secret: str, record: Callable[[str, object], None]) -> Sensor:
    (sensor_id,) = made.sensor_ids
    async with session(8) as http:
        sensor = Sensor(Link(http, settings.gateway, made), Flash(sensor_id, secret))
        await sensor.run(lambda: sensor.tally.acknowledged >= 30)
        assert (sensor.tally.boots, sensor.tally.steps) == (1, 1)

        # The link is down for a day, in which the clock drifts and once jumps ahead.
        sensor.fault = Fault(down=True)
        for second in range(DAY_S):
            if second == DAY_S // 2:
                sensor.device.clock.offset_ms += AHEAD_MS
            sensor.measure()
            sensor.send()
            await sensor.hear()
        assert sensor.error_ms > AHEAD_MS
        assert len(sensor.flash.store) >= DAY_S - 1
        assert sensor.tally.thrown_away == 0
        steps = sensor.tally.steps

        # It comes back: the clock first, then the backlog in batches beside what is measured now.
        sensor.fault = GOOD
        backlog, began_s = len(sensor.flash.store), time.monotonic()
        await sensor.run(lambda: len(sensor.flash.store) < backlog // 2)
        assert sensor.tally.steps == steps + 1
        assert abs(sensor.error_ms) < 500

        await sensor.cut_power(says_ms=sensor.now_s * 1000 + DAY_S * 1000)
        assert not sensor.device.synced
        await sensor.run(lambda: len(sensor.flash.store) <= 2)
        record("stored_seconds_per_s", round(backlog / (time.monotonic() - began_s)))
        await sensor.run(lambda: not (sensor.flash.store or sensor.flying), measuring=False)
        return sensor


def test_every_second_of_a_day_without_a_link_stands_once(
    stack: Settings, record_testsuite_property: Callable[[str, object], None]
) -> None:
    settings, made = stack, fleet(7, 1, prefix="day", event_chance=0.0)
    with running(*(role(settings, name) for name in ("gateway", "worker", "store"))):
        secret = installed(settings, made.sensor_ids[0])
        sensor = asyncio.run(lived(settings, made, secret, record_testsuite_property))
        until(lambda: settled(settings), "everything is worked through", 90)
    tally = sensor.tally
    assert tally.boots == 2
    assert tally.refused.total() == tally.thrown_away == 0
    assert tally.acknowledged == tally.measured == len(sensor.used) > DAY_S
    assert sensor.used == sorted(set(sensor.used))
    store = ClickHouse(settings)
    try:
        seconds_are_exact(store, made, 0, sensor.used)
        minutes_are_exact(store, made, 0, sensor.used)
    finally:
        store.close()
