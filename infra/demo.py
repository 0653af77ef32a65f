"""What `powermon up --demo` has beside every stack: simulated sensors, a simulated Linky and its place in the catalog."""

import asyncio
import secrets
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from infra import programs
from infra.embedded import Program, http_problem
from infra.errors import ConfigurationError
from infra.settings import Settings
from producers.simulate.linky.contract import Contract, Tariff
from schemas.registry import Registry
from streams.catalog.commands import Command, PutSite, RegisterSensor
from streams.catalog.tokens import RANDOM_BYTES, hash_of, make_secret
from streams.catalog.view import CatalogView, view_of

HOME, ZONE = "demo-home", "Europe/Paris"
SENSORS_ZONE = "Asia/Seoul"
CONTRACT = Contract(tariff=Tariff.TEMPO)
_READY_S = 60.0


def sensors(settings: Settings, count: int, *, history: bool) -> Program:
    """The simulated sensors; have no address, are ready once they run."""
    command = [sys.executable, "-m", "infra.cli", "simulate", "--demo", "--sensors", str(count)]
    if history:
        command += ["--history", str(last_month(datetime.now(ZoneInfo(SENSORS_ZONE))))]
    return Program("simulate", "", command, lambda: None, programs.environment(settings))


def last_month(now: datetime) -> int:
    """UTC seconds at which the month before began, in the zone of a moment."""
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return int((first - timedelta(days=1)).replace(day=1).timestamp())


def port(settings: Settings) -> Path:
    """Link to the simulated meter's pseudo-terminal."""
    return settings.data / "demo-linky"


def linky(settings: Settings) -> Program:
    """The simulated meter; ready once its port is there."""
    options = ["--linky", "--tariff", CONTRACT.tariff.value, "--seed", str(CONTRACT.seed), "--link", str(port(settings))]
    command = [sys.executable, "-m", "infra.cli", "simulate", *options]
    return Program(
        "linky",
        str(port(settings)),
        command,
        lambda: None if port(settings).exists() else f"{port(settings)} is not there",
        programs.environment(settings),
        prepare=lambda: port(settings).unlink(missing_ok=True),  # of a meter that was killed
    )


def reader(settings: Settings) -> Program:
    """The role `tic` at the simulated meter; ready once right frames come."""
    at_meter = settings.model_copy(update={"tic_port": str(port(settings)), "tic_delivery": "kafka"})
    program = programs.tic(at_meter)
    return replace(program, ready=lambda: http_problem("tic", f"{program.address}/readyz"))


def register(settings: Settings) -> None:
    """Make the meter and its home, unless they are there.

    Raises:
        PartUnavailable: Kafka or the registry does not answer.
        ConfigurationError: the catalog refused it.
    """
    asyncio.run(_register(settings))


async def _register(settings: Settings) -> None:
    view = view_of(settings, Registry(settings.registry, settings.schema_cache))
    try:
        await view.ready(_READY_S)
        if HOME not in view.state.sites:
            await _submit(view, PutSite(site_id=HOME, zone=ZONE, name="Demo home"))
        if CONTRACT.address not in view.state.sensors:
            # Nobody keeps its secret: it writes to the log, which asks for none.
            secret = hash_of(make_secret(secrets.token_bytes(RANDOM_BYTES)))
            meter = RegisterSensor(sensor_id=CONTRACT.address, kind="linky", zone=ZONE, site=HOME, secret_sha256=secret)
            await _submit(view, meter)
    finally:
        await view.close()


async def _submit(view: CatalogView, command: Command) -> None:
    outcome = await view.submit(command, actor="powermon up --demo")
    if not outcome.accepted:
        raise ConfigurationError(f"the catalog refused {command.KIND}: {outcome.detail}")
