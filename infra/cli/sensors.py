"""`powermon sensors`: register, list, show, change, renew, revoke, import."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from infra.cli import catalog, sensor_import
from infra.cli.catalog import RefusedCommand, submit
from streams.catalog.admin import fields
from streams.catalog.admin.corrected import Corrected, corrected
from streams.catalog.admin.facts import REGISTRATIONS, Wanted, find, sensor_facts
from streams.catalog.admin.fields import FieldError
from streams.catalog.admin.grants import new_secret
from streams.catalog.commands import RegisterSensor, RenewSecret, RevokeSensor
from streams.catalog.outcome import Outcome
from streams.catalog.terms import Terms
from streams.catalog.tokens import hash_of
from streams.catalog.view import CatalogView
from streams.core.energy import local_day

F = TypeVar("F", bound=Callable[..., Any])

_CATEGORIES = ("main", "submain", "sub", "special")
_KINDS = ("power", "linky")
_SHOWN = (
    *("sensor_id", "registration", "kind", "units", "zone", "site", "owner", "address", "category", "zero_based"),
    *("nominal_voltage_v", "contracted_power_w", "tariff", "registered_at", "revoked_at"),
)


def _thresholds(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, float | None]:
    try:
        return dict(fields.threshold(value) for value in values)
    except FieldError as error:
        raise click.BadParameter(str(error)) from error


def _facts(command: F) -> F:
    """Options for everything that can be said of a sensor; None: not said."""
    options = (
        click.option("--units", type=click.Choice(["canonical", "base"]), help="canonical: mW and mV; base: W and V."),
        click.option("--zone", callback=catalog.zone, metavar="ZONE", help="Time zone, as Europe/Paris; its site's comes first."),
        click.option("--site", metavar="ID", help="The site it stands at; '' for none."),
        click.option("--owner", metavar="TEXT", help="Whose it is."),
        click.option("--address", metavar="TEXT", help="Where it hangs."),
        click.option("--category", type=click.Choice(_CATEGORIES), help="Its place in the installation."),
        click.option("--zero-based/--one-based", default=None, help="It numbers its probes 0, 1, 2; or 1, 2, 3."),
        click.option("--nominal-voltage", "nominal_voltage_v", type=float, metavar="V", help="Phase to neutral."),
        click.option("--contracted-power", "contracted_power_w", type=float, metavar="W", help="0 for none."),
        click.option("--tariff", metavar="PLAN", help="What it is billed by, as kepco/general_b/high_a/I; '' for nothing."),
        click.option(
            "--threshold",
            "thresholds",
            multiple=True,
            callback=_thresholds,
            metavar="NAME=VALUE",
            help="A limit of an anomaly rule, as often as needed; NAME= takes it away.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _said(facts: dict[str, Any]) -> dict[str, Any]:
    """What was said of the sensor."""
    return {name: value for name, value in facts.items() if value is not None and value != {}}


@click.group()
def sensors() -> None:
    """Register, list, show, change and revoke sensors; import many."""


@sensors.command("add")
@click.argument("sensor_id", metavar="ID", callback=catalog.sensor_id)
@click.option("--kind", type=click.Choice(_KINDS), help="linky: a Linky meter; ID is its address or pseudonym.")
@_facts
def add(sensor_id: str, **facts: Any) -> None:
    """Register a sensor or a Linky meter; prints its secret, once.

    Without other options: a 3-phase sensor, canonical units, Asia/Seoul, category main, 220 V, probes 1 to 3.
    A Linky: Europe/Paris.
    """
    secret = new_secret()
    said = _said(facts)
    said["thresholds"] = {name: limit for name, limit in facts["thresholds"].items() if limit is not None}
    try:
        command = fields.command(RegisterSensor, {"sensor_id": sensor_id, **said}, secret_sha256=hash_of(secret))
    except FieldError as error:
        raise catalog.usage(error) from error
    detail = submit(command)
    click.echo(f"{detail}; its secret, shown only now:", err=True)
    click.echo(secret)


@sensors.command("change")
@click.argument("sensor_id", metavar="ID", callback=catalog.sensor_id)
@_facts
@click.option(
    "--from",
    "valid_from",
    metavar="DAY",
    help="First day of this tariff and contracted power, as 2026-11-01: earlier days are billed as before. Without it the "
    "newest were wrong, and are corrected for all their days: bills of earlier months change, too.",
)
def change(sensor_id: str, **facts: Any) -> None:
    """Say something else of a sensor; what is not named stays."""
    try:
        fields.change_of_sensor(sensor_id, _said(facts), {})  # wrong usage is told before anything is asked
    except FieldError as error:
        raise catalog.usage(error) from error

    async def work(view: CatalogView) -> tuple[Outcome, Corrected | None]:
        known = view.state.sensors.get(sensor_id)
        command = fields.change_of_sensor(sensor_id, _said(facts), dict(known.thresholds) if known else {})
        outcome = await view.submit(command, actor="command line")
        if known is None or not outcome.accepted:
            return outcome, None
        today = local_day(view.state.zone_of(known), time.time())
        return outcome, corrected(known, view.state.sensors[sensor_id], today)

    outcome, note = catalog.with_catalog(work)
    if not outcome.accepted:
        raise RefusedCommand(outcome.detail)
    click.echo(outcome.detail, err=True)
    if note is not None:
        click.echo(f"note: {note}.{_otherwise(sensor_id, note)}", err=True)


def _otherwise(sensor_id: str, note: Corrected) -> str:
    """How to have it from a day on instead."""

    def said(one: Terms, other: Terms) -> str:
        tariff = f" --tariff {one.tariff or chr(39) * 2}" if one.tariff != other.tariff else ""
        power = f" --contracted-power {one.contracted_power_w:g}" if one.contracted_power_w != other.contracted_power_w else ""
        return f"powermon sensors change {sensor_id}{tariff}{power}"

    was, now = said(note.was, note.now), said(note.now, note.was)
    return f" If it was to change from a day on, take it back and name the day:\n  {was}\n  {now} --from {note.next_month}"


@sensors.command("renew")
@click.argument("sensor_id", metavar="ID", callback=catalog.sensor_id)
def renew(sensor_id: str) -> None:
    """Give a sensor another secret; prints it, once.

    The old secret and all its tokens stop working at once; a revoked sensor comes back.
    """
    secret = new_secret()
    detail = submit(RenewSecret(sensor_id=sensor_id, secret_sha256=hash_of(secret)))
    click.echo(f"{detail}, shown only now:", err=True)
    click.echo(secret)


@sensors.command("list")
@click.option("--kind", type=click.Choice(_KINDS), default=None)
@click.option("--search", "text", default="", metavar="TEXT", help="Part of an id, owner, address or site.")
@click.option("--category", type=click.Choice(_CATEGORIES), default=None)
@click.option("--site", default="", metavar="ID")
@click.option("--owner", default="", metavar="TEXT", help="The whole owner, in any case.")
@click.option("--state", type=click.Choice(REGISTRATIONS), default=None, help="new: had no token yet.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def list_sensors(
    text: str, kind: str | None, category: str | None, site: str, owner: str, state: str | None, as_json: bool
) -> None:
    """All sensors, or those looked for."""
    known = catalog.snapshot()
    wanted = Wanted(text, category or "", site, owner, state or "", kind or "")
    found = [sensor_facts(known, sensor) for sensor in find(known.sensors.values(), wanted)]
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    if not known.sensors:
        click.echo("no sensors; register one with `powermon sensors add ID`", err=True)
    elif not found:
        click.echo(f"none of {len(known.sensors)} sensors is such a one", err=True)
    for sensor in found:
        word = "revoked" if sensor["revoked_at"] else f"{len(sensor['tokens'])} tokens"
        place = " ".join(part for part in (sensor["category"], sensor["site"], sensor["owner"]) if part)
        click.echo(f"{sensor['sensor_id']:<24} {sensor['kind']:<5} {sensor['units']:<10} {sensor['zone']:<20} {word:<9} {place}")


@sensors.command("show")
@click.argument("sensor_id", metavar="ID", callback=catalog.sensor_id)
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def show(sensor_id: str, as_json: bool) -> None:
    """One sensor and its tokens (never the tokens themselves)."""
    known = catalog.snapshot()
    if sensor_id not in known.sensors:
        raise RefusedCommand(f"sensor {sensor_id} is not registered; `powermon sensors list` shows those that are")
    found = sensor_facts(known, known.sensors[sensor_id])
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    for name in _SHOWN:
        value = found[name]
        click.echo(f"{name:<18} {'-' if value in (None, '') else value}")
    for one in found["terms"] if len(found["terms"]) > 1 else ():
        begins = f"from {one['from']}" if one["from"] else "at first"
        click.echo(f"{'billed':<18} {begins}: {one['tariff'] or '-'}, {one['contracted_power_w']:g} W")
    for name, limit in found["thresholds"].items():
        click.echo(f"{'threshold':<18} {name}={limit:g}")
    for token in found["tokens"]:
        issued = f"issued {token['issued_at']}, refresh {token['refresh_at']}, expires {token['expires_at']}"
        click.echo(f"{'token':<18} {issued}")


@sensors.command("revoke")
@click.argument("sensor_id", metavar="ID", callback=catalog.sensor_id)
def revoke(sensor_id: str) -> None:
    """End a sensor's secret and tokens at once; `renew` brings it back."""
    click.echo(submit(RevokeSensor(sensor_id=sensor_id)), err=True)


@sensors.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Judge every row; change nothing.")
@click.option(
    "--secrets",
    "out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="OUT.csv",
    help="File (mode 0600) to which sensor_id,secret are added; without it they go to stdout.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="The report as JSON, without secrets, on stdout; needs --secrets or --dry-run."
)
def import_sensors(file: Path, dry_run: bool, out: Path | None, as_json: bool) -> None:
    """Register the sensors of FILE (CSV, - for stdin), one a row; the header names the columns.

    Columns: sensor_id, and any of kind, units, zone, site, owner, address, category, zero_based, nominal_voltage_v,
    contracted_power_w, tariff, thresholds (as "name=value name=value"). Imported again, a file changes nothing. Exit status
    1 when a row was refused; the others are registered all the same.
    """
    if as_json and out is None and not dry_run:
        raise click.UsageError("--json without --secrets would leave no place for the secrets; name a file")
    sensor_import.run(file, dry_run=dry_run, out=out, as_json=as_json)
