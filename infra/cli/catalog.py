"""`powermon sensors`, `powermon tokens`, `powermon users`: what the catalog knows, and commands to it."""

import asyncio
import json
import re
import secrets
import time
import zoneinfo
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar, cast

import click
from argon2 import PasswordHasher

from infra.errors import PowermonError
from infra.settings import Settings
from schemas.registry import Registry
from streams.catalog import commands
from streams.catalog.commands import Command, Role
from streams.catalog.state import Sensor, State
from streams.catalog.tokens import RANDOM_BYTES, hash_of, make_password, make_secret, make_token
from streams.catalog.view import CatalogView, view_of

READY_S = 8.0
SENSOR_TOKEN_DAYS = 7
USER_TOKEN_DAYS = 365
_DAY_MS = 86_400_000

T = TypeVar("T")


class RefusedCommand(PowermonError):
    """The catalog said no."""


def _sensor_id(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    if not re.search(commands.SENSOR_ID, value.lower()):
        raise click.BadParameter(f"{value!r} came; expected Latin letters and then six digits, as gre000001")
    return value.lower()


def _user_name(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and not re.search(commands.USER_NAME, value):
        raise click.BadParameter(f"{value!r} came; expected a small letter, then small letters, digits, '.', '_' or '-'")
    return value


def _zone(_: click.Context, __: click.Parameter, value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise click.BadParameter(f"{value!r} came; expected an IANA time zone, as Asia/Seoul or Europe/Paris") from None
    return value


def with_catalog(work: Callable[[CatalogView], Coroutine[Any, Any, T]]) -> T:
    """Run `work` on a caught-up view of the catalog.

    Raises:
        PartUnavailable: Kafka or the registry does not answer.
    """

    async def run() -> T:
        settings = Settings()
        view = view_of(settings, Registry(settings.registry, settings.schema_cache))
        try:
            await view.ready(READY_S)
            return await work(view)
        finally:
            await view.close()

    return asyncio.run(run())


def submit(command: Command) -> str:
    """Ask the catalog for a change.

    Returns:
        what became of it, as a sentence.

    Raises:
        RefusedCommand: the catalog refused it.
    """
    outcome = with_catalog(lambda view: view.submit(command, actor="command line"))
    if not outcome.accepted:
        raise RefusedCommand(outcome.detail)
    return outcome.detail


def _snapshot() -> State:
    async def look(view: CatalogView) -> State:
        return view.state

    return with_catalog(look)


@click.group()
def sensors() -> None:
    """Register, list, show and revoke sensors."""


@sensors.command("add")
@click.argument("sensor_id", metavar="ID", callback=_sensor_id)
@click.option(
    "--units", type=click.Choice(["canonical", "base"]), default="canonical", help="canonical: mW and mV; base: W and V."
)
@click.option("--zone", default="Asia/Seoul", show_default=True, callback=_zone, help="Time zone of the site.")
def sensors_add(sensor_id: str, units: str, zone: str) -> None:
    """Register a sensor; prints its secret, once."""
    secret = make_secret(secrets.token_bytes(RANDOM_BYTES))
    detail = submit(
        commands.RegisterSensor(
            sensor_id=sensor_id,
            secret_sha256=hash_of(secret),
            units=cast(Literal["canonical", "base"], units),
            zone=zone,
        )
    )
    click.echo(f"{detail}; its secret, shown only now:", err=True)
    click.echo(secret)


@sensors.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def sensors_list(as_json: bool) -> None:
    """All sensors."""
    state = _snapshot()
    found = [_describe(state, sensor) for _, sensor in sorted(state.sensors.items())]
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    if not found:
        click.echo("no sensors; register one with `powermon sensors add ID`", err=True)
    for sensor in found:
        word = "revoked" if sensor["revoked_at"] else f"{len(sensor['tokens'])} tokens"
        click.echo(f"{sensor['sensor_id']:<24} {sensor['units']:<10} {sensor['zone']:<20} {word}")


@sensors.command("show")
@click.argument("sensor_id", metavar="ID", callback=_sensor_id)
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def sensors_show(sensor_id: str, as_json: bool) -> None:
    """One sensor and its tokens (never the tokens themselves)."""
    state = _snapshot()
    if sensor_id not in state.sensors:
        raise RefusedCommand(f"sensor {sensor_id} is not registered; `powermon sensors list` shows those that are")
    found = _describe(state, state.sensors[sensor_id])
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    for name in ("sensor_id", "units", "zone", "registered_at", "revoked_at"):
        click.echo(f"{name:<14} {found[name] or '-'}")
    for token in found["tokens"]:
        click.echo(f"token          issued {token['issued_at']}, refresh {token['refresh_at']}, expires {token['expires_at']}")


@sensors.command("revoke")
@click.argument("sensor_id", metavar="ID", callback=_sensor_id)
def sensors_revoke(sensor_id: str) -> None:
    """End a sensor's secret and tokens at once."""
    click.echo(submit(commands.RevokeSensor(sensor_id=sensor_id)), err=True)


@click.group()
def tokens() -> None:
    """Issue tokens."""


@tokens.command("issue")
@click.option("--sensor", metavar="ID", callback=_sensor_id, help="For a sensor's posts.")
@click.option("--user", metavar="NAME", callback=_user_name, help="For a person's programs.")
@click.option("--scope", default="read write", show_default=True, help="What a user's token may do.")
@click.option(
    "--days",
    type=click.IntRange(1, 36500),
    help=f"Life; without it {SENSOR_TOKEN_DAYS} for a sensor, {USER_TOKEN_DAYS} for a user.",
)
def tokens_issue(sensor: str | None, user: str | None, scope: str, days: int | None) -> None:
    """Issue a token; stdout holds the token alone, once."""
    if (sensor is None) == (user is None):
        raise click.UsageError("expected one of --sensor ID and --user NAME")
    token = make_token(secrets.token_bytes(RANDOM_BYTES))
    now_ms = time.time_ns() // 1_000_000
    command: Command
    if sensor is not None:
        life_ms = (days or SENSOR_TOKEN_DAYS) * _DAY_MS
        command = commands.IssueToken(
            sensor_id=sensor,
            token_sha256=hash_of(token),
            issued_at_ms=now_ms,
            expires_at_ms=now_ms + life_ms,
            refresh_at_ms=now_ms + life_ms // 2,
        )
    else:
        assert user is not None
        words = " ".join(scope.split())
        if not re.search(r"\A[a-z]+( [a-z]+)*\Z", words):
            raise click.UsageError(f"--scope {scope!r} came; expected words in small letters, as 'read write'")
        command = commands.IssueUserToken(
            name=user,
            token_sha256=hash_of(token),
            scope=words,
            expires_at_ms=now_ms + (days or USER_TOKEN_DAYS) * _DAY_MS,
        )
    detail = submit(command)
    click.echo(f"{detail}, shown only now:", err=True)
    click.echo(token)


@click.group()
def users() -> None:
    """Add and list people."""


@users.command("add")
@click.argument("name", metavar="NAME", callback=_user_name)
@click.option("--role", type=click.Choice(["viewer", "operator", "admin"]), required=True)
def users_add(name: str, role: str) -> None:
    """Add a person; prints a one-time password."""
    password = make_password(secrets.token_bytes(RANDOM_BYTES))
    detail = submit(add_user(name, cast(Role, role), password))
    click.echo(f"{detail}; the password for the first sign-in, shown only now:", err=True)
    click.echo(password)


@users.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def users_list(as_json: bool) -> None:
    """All people."""
    found = [{"name": user.name, "role": user.role, "one_time": user.one_time} for _, user in sorted(_snapshot().users.items())]
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    for user in found:
        click.echo(f"{user['name']:<24} {user['role']:<10} {'one-time password' if user['one_time'] else ''}".rstrip())


def add_user(name: str, role: Role, password: str) -> commands.AddUser:
    """The command that adds a person with a one-time password. Takes some tens of milliseconds: the hash is slow on purpose."""
    return commands.AddUser(name=name, role=role, password_hash=PasswordHasher().hash(password), one_time=True)


def _describe(state: State, sensor: Sensor) -> dict[str, Any]:
    live = [state.sensor_tokens[token] for token in sensor.tokens]
    return {
        "sensor_id": sensor.sensor_id,
        "units": sensor.units,
        "zone": state.zone_of(sensor),
        "registered_at": _iso(sensor.registered_at_ms),
        "revoked_at": None if sensor.revoked_at_ms is None else _iso(sensor.revoked_at_ms),
        "tokens": [
            {
                "issued_at": _iso(token.issued_at_ms),
                "refresh_at": _iso(token.refresh_at_ms),
                "expires_at": _iso(token.expires_at_ms),
            }
            for token in live
        ],
    }


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
