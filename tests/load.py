"""Simulated sensors that post while a test does something else, and what they know to be safe."""

import asyncio
import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from infra.fleet_secrets import fleet_rights
from infra.settings import Settings
from producers.simulate import events
from producers.simulate.fleet import Fleet, bodies, fleet
from producers.simulate.plan import Plan
from producers.simulate.run import Simulation
from schemas.sensor_reading import ProbeSecond
from tests.waiting import until

Second = tuple[str, int]
"""Sensor id and UTC second."""


@dataclass(frozen=True, slots=True)
class Window:
    """The seconds that a fleet measured: [start_s, end_s)."""

    fleet: Fleet
    start_s: int
    end_s: int

    def measured(self) -> set[Second]:
        """Every second of every sensor, those apart in which it was silent."""
        count, seconds = len(self.fleet.sensor_ids), np.arange(self.start_s, self.end_s)
        index, at_s = np.repeat(np.arange(count), len(seconds)), np.tile(seconds, count)
        silent = events.at(self.fleet.seed, index, at_s, self.fleet.event_chance).of(events.SILENCE)
        return {
            (self.fleet.sensor_ids[i], t)
            for i, t, off in zip(index.tolist(), at_s.tolist(), silent.tolist(), strict=True)
            if not off
        }

    def contents(self, seconds: list[Second]) -> list[list[ProbeSecond]]:
        """What was sent for each of these seconds."""
        index = {sensor: i for i, sensor in enumerate(self.fleet.sensor_ids)}
        made = bodies(self.fleet, np.array([index[s] for s, _ in seconds]), np.array([t for _, t in seconds]))
        return [[_probe(p) for p in body["data"]] for body in made if body is not None]


def _probe(p: dict[str, object]) -> ProbeSecond:
    voltage = p["voltage"] if isinstance(p["voltage"], list) else [p["voltage"]]
    return ProbeSecond(p["probe_id"], p["probe_type"], p["power"], p["pf"], voltage)  # type: ignore[arg-type]


class Load:
    """A fleet on bad links, in real time, in a thread of its own.

    Args:
        settings: of the stack.
        truth: file that the simulator keeps of what was acknowledged.
        for_s: seconds that each sensor goes on measuring.
        backfill_s: seconds that each holds already.
    """

    def __init__(
        self, settings: Settings, truth: Path, *, sensors: int, seed: int, for_s: int, backfill_s: int = 0, prefix: str = "load"
    ) -> None:
        made = fleet(seed, sensors, prefix=prefix)
        start_s = int(time.time())
        self.window = Window(made, start_s - backfill_s, start_s + for_s)
        self._truth = truth
        plan = Plan(
            made,
            settings.gateway,
            start_s,
            for_s,
            backfill_s=backfill_s,
            faults=True,
            outages=False,
            backoff_max_s=8,  # so that the end comes soon after the last fault
            truth=truth,
            drain_s=120,
        )
        self._settings, self._plan = settings, plan
        self._failed: BaseException | None = None
        self._stop: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self.simulation: Simulation | None = None
        self.thread = threading.Thread(target=self._run, name="load")
        self.thread.start()
        until(lambda: self.acknowledged > 0 or not self.thread.is_alive(), "the first acknowledgement")

    @property
    def acknowledged(self) -> int:
        return self.simulation.acknowledged if self.simulation is not None else 0

    def wait(self) -> Simulation:
        """Wait for the end, when each sensor has been told that all it measured is safe."""
        self.thread.join(self._plan.drain_s + (self._plan.for_s or 0) + 30)
        assert not self.thread.is_alive(), "the sensors did not come to an end"
        if self._failed is not None:
            raise self._failed
        assert self.simulation is not None
        unsafe = [(sensor, d) for sensor, d in zip(self.window.fleet.sensor_ids, self.simulation.devices) if d.backlog]
        assert not unsafe, f"sensors with seconds that were never acknowledged: {unsafe}"
        assert self.simulation.trouble() is None
        return self.simulation

    def goes_on(self, for_s: float) -> bool:
        """Let it work for so long; whether it still does then."""
        self.thread.join(for_s)
        return self.thread.is_alive()

    def __enter__(self) -> "Load":
        return self

    def __exit__(self, *_: object) -> None:
        """Stop at once, when a test has failed."""
        if self._stop is not None and self.thread.is_alive():
            loop, event = self._stop
            loop.call_soon_threadsafe(event.set)
        self.thread.join(60)

    def safe(self) -> set[Second]:
        """Every second that was answered as accepted."""
        lines = (json.loads(line) for line in self._truth.read_text().splitlines())
        return {(line["sensor_id"], line["timestamp"]) for line in lines if "timestamp" in line}

    def _run(self) -> None:
        try:
            asyncio.run(self._simulate())
        except BaseException as error:
            self._failed = error

    async def _simulate(self) -> None:
        stop = asyncio.Event()
        self._stop = asyncio.get_running_loop(), stop
        async with fleet_rights(self._settings, "test") as rights:
            self.simulation = Simulation(self._plan, rights)
            await self.simulation.run(stop)
