"""Secrets of simulated sensors: this machine's own fleet, registered when it is first needed."""

import asyncio
import contextlib
import fcntl
import json
import os
import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from infra.errors import ConfigurationError, TokenRefused
from infra.operator_tokens import READY_S, SETTLE_S, token_source
from infra.settings import Settings
from schemas.registry import Registry
from streams.catalog.commands import RegisterSensor
from streams.catalog.tokens import RANDOM_BYTES, hash_of, make_secret, same
from streams.catalog.view import CatalogView, view_of

_AT_ONCE = 64


class FleetRights:
    """What simulated sensors show at the gateway.

    Args:
        view: caught up.
        kept: file with the secrets that this machine gave to its fleet.
        actor: who stands in the catalog as the one who asked.
        contract: tariff plan and contracted power in W of those that are registered here.
    """

    def __init__(self, view: CatalogView, kept: Path, actor: str, contract: tuple[str, float] = ("", 0.0)) -> None:
        self._view, self._kept, self._actor, self._contract = view, kept, actor, contract
        self._token = token_source(view, actor)

    async def token(self, sensor_id: str) -> str:
        """A token by the operator's right, for a sensor whose secret somebody else holds.

        Raises:
            TokenRefused: the catalog said no.
        """
        return await self._token(sensor_id)

    async def secrets(self, sensor_ids: list[str]) -> list[str | None]:
        """The secret of each sensor; those that nobody has registered are registered.

        Returns:
            None for a sensor that somebody else registered, or gave a new secret: its device must go on working.

        Raises:
            TokenRefused: a sensor is revoked, or the catalog said no.
            ConfigurationError: the file cannot be used.
        """
        known = self._view.state.sensors
        for sensor_id in sensor_ids:
            if sensor_id in known and known[sensor_id].revoked:
                raise TokenRefused(
                    f"sensor {sensor_id} is revoked; use another --prefix, or bring it back with `powermon sensors renew`"
                )
        new = [sensor_id for sensor_id in sensor_ids if sensor_id not in known]
        kept = await asyncio.to_thread(self._with, new)
        gate = asyncio.Semaphore(_AT_ONCE)

        async def register(sensor_id: str) -> None:
            async with gate:
                tariff, power_w = self._contract
                secret = hash_of(kept[sensor_id])
                command = RegisterSensor(sensor_id=sensor_id, secret_sha256=secret, tariff=tariff, contracted_power_w=power_w)
                outcome = await self._view.submit(command, actor=self._actor)
                # Somebody else may win the race: then it is theirs, and is found to be below.
                if not outcome.accepted and outcome.code != "sensor_exists":
                    raise TokenRefused(outcome.detail)

        await asyncio.gather(*map(register, new))
        if new:
            await asyncio.sleep(SETTLE_S)
        return [self._own(sensor_id, kept.get(sensor_id)) for sensor_id in sensor_ids]

    def _own(self, sensor_id: str, secret: str | None) -> str | None:
        registered = self._view.state.sensors[sensor_id].secret_sha256
        return secret if secret is not None and same(hash_of(secret), registered) else None

    def _with(self, new: list[str]) -> dict[str, str]:
        """The kept secrets, one for each new sensor among them: in the file before anybody can need it."""
        with _locked(self._kept):
            kept = _read(self._kept)
            missing = [sensor_id for sensor_id in new if sensor_id not in kept]
            if missing:
                kept |= {sensor_id: make_secret(secrets.token_bytes(RANDOM_BYTES)) for sensor_id in missing}
                _write(self._kept, kept)
            return kept


@asynccontextmanager
async def fleet_rights(settings: Settings, actor: str, contract: tuple[str, float] = ("", 0.0)) -> AsyncIterator[FleetRights]:
    """Rights of a simulated fleet.

    Args:
        contract: tariff plan and contracted power in W of sensors that are registered now.

    Raises:
        PartUnavailable: Kafka or the registry does not answer.
    """
    view = view_of(settings, Registry(settings.registry, settings.schema_cache))
    try:
        await view.ready(READY_S)
        yield FleetRights(view, settings.fleet_secrets, actor, contract)
    finally:
        await view.close()


@contextlib.contextmanager
def _locked(kept: Path) -> Iterator[None]:
    """Two simulations of one data folder do not write at once."""
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        lock = kept.with_name(f"{kept.name}.lock").open("a")
    except OSError as error:
        raise ConfigurationError(
            f"{kept.parent} cannot be written ({error.strerror}); set POWERMON_DATA to a folder of yours"
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(kept: Path) -> dict[str, str]:
    try:
        found = json.loads(kept.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"the secrets of the simulated sensors in {kept} cannot be read ({type(error).__name__}); "
            "mend the file, or move it away and use another --prefix"
        ) from error
    return {str(sensor_id): str(secret) for sensor_id, secret in found.items()}


def _write(kept: Path, found: dict[str, str]) -> None:
    handle, name = tempfile.mkstemp(dir=kept.parent, prefix=kept.name)  # mkstemp makes it mode 0600
    with os.fdopen(handle, "w") as file:
        json.dump(found, file, indent=0)
        file.flush()
        os.fsync(file.fileno())
    os.replace(name, kept)
