"""What to simulate, and by which right."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from producers.simulate.device import BACKOFF_MAX_S
from producers.simulate.fleet import Fleet
from producers.simulate.outbox import STORE_MAX

DRAIN_S = 120.0


class Rights(Protocol):
    """What a fleet's devices show at the gateway."""

    async def secrets(self, sensor_ids: list[str]) -> list[str | None]:
        """The secret of each; None: its tokens come from `token`."""

    async def token(self, sensor_id: str) -> str:
        """A live token by another right than the secret."""


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
        troubled: whether the devices are: clocks that drift and jump, power cuts, lost and stolen tokens.
        live: simulated time is the present once all devices have booted, however long that took; speed must be 1. What was
            measured from start_s until then is sent at once.
        over_socket: share of the fleet, 0..1, that posts over the WebSocket variant.
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
    troubled: bool = False
    over_socket: float = 0.0
    live: bool = False

    def uses_socket(self, index: int) -> bool:
        """Whether this sensor posts over the WebSocket variant."""
        return int((index + 1) * self.over_socket) > int(index * self.over_socket)
