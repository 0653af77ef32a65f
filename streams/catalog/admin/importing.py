"""Rows of a CSV file into the catalog, many at once."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from msgspec.structs import replace

from infra.errors import PartUnavailable
from streams.catalog.admin.grants import new_secret
from streams.catalog.admin.sheet import Row
from streams.catalog.apply import apply
from streams.catalog.commands import Command, RegisterSensor
from streams.catalog.envelope import seal
from streams.catalog.outcome import Outcome
from streams.catalog.state import Sensor, State
from streams.catalog.tokens import hash_of

AT_ONCE = 256
"""Commands under way at a time."""

Result = Literal["added", "unchanged", "refused", "unknown"]


class Catalog(Protocol):
    """What is needed of streams.catalog.view.CatalogView."""

    @property
    def state(self) -> State: ...
    async def submit(self, command: Command, *, actor: str = ...) -> Outcome: ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one row.

    Attributes:
        result: unknown: the log did not answer, so it may have been added or not.
        field, code: of what was refused.
        secret: of a sensor that was added, or that may have been.
    """

    line: int
    sensor_id: str
    result: Result
    detail: str
    field: str = ""
    code: str = ""
    secret: str | None = None

    def document(self) -> dict[str, Any]:
        """Without what is empty."""
        return {name: value for name, value in asdict(self).items() if value not in ("", None)}


Hear = Callable[[Verdict], None]


async def bring_in(
    catalog: Catalog, rows: list[Row], *, actor: str, dry_run: bool = False, hear: Hear | None = None
) -> list[Verdict]:
    """Register every sensor that is not there yet.

    Args:
        dry_run: judge only.
        hear: is told each verdict as it comes; the rows' order is not kept.

    Returns:
        the verdicts in the rows' order.
    """
    work = _Import(catalog, actor, dry_run)

    async def one(row: Row) -> Verdict:
        verdict = await work.judge(row)
        if hear is not None:
            hear(verdict)
        return verdict

    return list(await asyncio.gather(*(one(row) for row in rows)))


class _Import:
    def __init__(self, catalog: Catalog, actor: str, dry_run: bool) -> None:
        self._catalog, self._actor, self._dry_run = catalog, actor, dry_run
        self._free = asyncio.Semaphore(AT_ONCE)
        self._trouble: str | None = None

    async def judge(self, row: Row) -> Verdict:
        if row.fault is not None or row.command is None:
            return Verdict(row.line, row.sensor_id, "refused", str(row.fault), *_why(row))
        there = self._catalog.state.sensors.get(row.command.sensor_id)
        if there is not None:
            return _compared(row, row.command, there)
        secret = new_secret()
        command = replace(row.command, secret_sha256=hash_of(secret))
        if self._dry_run:
            outcome = apply(
                self._catalog.state, seal(command, command_id="", at_ms=time.time_ns() // 1_000_000, actor=self._actor)
            )
            return self._told(row, command, outcome, None)
        async with self._free:
            if self._trouble is not None:  # the log is away: nobody waits for it once more for each row
                return Verdict(row.line, command.sensor_id, "unknown", f"not tried: {self._trouble}", code="unavailable")
            try:
                outcome = await self._catalog.submit(command, actor=self._actor)
            except PartUnavailable as error:
                self._trouble = str(error)
                return Verdict(row.line, command.sensor_id, "unknown", str(error), code="unavailable", secret=secret)
        return self._told(row, command, outcome, secret)

    def _told(self, row: Row, command: RegisterSensor, outcome: Outcome, secret: str | None) -> Verdict:
        if outcome.accepted:
            return Verdict(row.line, command.sensor_id, "added", outcome.detail, secret=secret)
        there = self._catalog.state.sensors.get(command.sensor_id)
        if there is not None:  # somebody else was quicker
            return _compared(row, command, there)
        field = "site" if outcome.code == "unknown_site" else ""
        return Verdict(row.line, command.sensor_id, "refused", outcome.detail, field, outcome.code)


def _compared(row: Row, command: RegisterSensor, there: Sensor) -> Verdict:
    """A row about a sensor that is registered: the same, or why not."""
    name = command.sensor_id
    if there.revoked:
        detail = f"sensor {name} is revoked; `powermon sensors renew {name}` brings it back with a new secret"
        return Verdict(row.line, name, "refused", detail, "sensor_id", "sensor_exists")
    for field in row.said:
        here, known = getattr(command, field), _known(there, field)
        if here != known:
            detail = (
                f"sensor {name} is registered with {field} {known!r}, {here!r} came; `powermon sensors change {name}` changes it"
            )
            return Verdict(row.line, name, "refused", detail, field, "sensor_exists")
    return Verdict(row.line, name, "unchanged", f"sensor {name} is registered already")


def _known(sensor: Sensor, field: str) -> Any:
    if field == "thresholds":
        return dict(sensor.thresholds)
    return sensor.own_zone if field == "zone" else getattr(sensor, field)


def _why(row: Row) -> tuple[str, str]:
    return ("", "") if row.fault is None else (row.fault.field, row.fault.code)


def counts(verdicts: list[Verdict]) -> dict[str, int]:
    """How many rows had each result."""
    return {result: sum(v.result == result for v in verdicts) for result in ("added", "unchanged", "refused", "unknown")}
