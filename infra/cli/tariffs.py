"""`powermon tariffs`: prices and calendars, each valid from a day on."""

import json
import sys
from pathlib import Path

import click

from infra.cli import catalog
from infra.cli.catalog import RefusedCommand, submit
from infra.errors import ConfigurationError
from streams import tariffs as built_in
from streams.catalog.admin import fields
from streams.catalog.admin.documents import tariff_document
from streams.catalog.admin.facts import tariff_facts, tariff_version
from streams.catalog.admin.fields import FieldError
from streams.catalog.commands import PutTariff, RemoveTariff
from streams.core.tariff.check import fault
from streams.core.tariff.plan import plans


def _day(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and not fields.is_day(value):
        raise click.BadParameter(f"{value!r} came; expected {fields.EXPECTED['valid_from']}")
    return value


@click.group()
def tariffs() -> None:
    """Tariffs by the day from which they are valid."""


@tariffs.command("put")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--id", "tariff_id", required=True, metavar="ID", callback=catalog.entry_name)
@click.option("--from", "valid_from", required=True, metavar="DAY", callback=_day, help="First day, in the site's time zone.")
def put(file: Path, tariff_id: str, valid_from: str) -> None:
    """Set a tariff from a day on to what FILE (JSON, - for stdin) says; the same day again replaces."""
    content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    try:
        document = tariff_document(content)
    except FieldError as error:
        raise ConfigurationError(f"{file}: {error}") from error
    if (wrong := fault(document)) is not None:
        raise ConfigurationError(f"{file}: {wrong}")
    click.echo(submit(PutTariff(tariff_id=tariff_id, valid_from=valid_from, document=document)), err=True)


@tariffs.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def list_tariffs(as_json: bool) -> None:
    """All tariffs and the days from which their versions are valid."""
    found = [tariff_facts(tariff) for _, tariff in sorted(catalog.snapshot().tariffs.items())]
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    for tariff in found:
        click.echo(f"{tariff['tariff_id']:<24} from {', '.join(tariff['valid_from'])}")
    for name in built_in.BUILT_IN:
        click.echo(f"{name:<24} built in, as of {built_in.first_day(name)}")


@tariffs.command("plans")
@click.argument("tariff_id", metavar="[ID]", required=False, callback=catalog.entry_name)
def list_plans(tariff_id: str | None) -> None:
    """What sensors can be billed by: every class and option of every tariff, as `sensors change --tariff` takes it."""
    texts = {name: built_in.text(name) for name in built_in.BUILT_IN}
    texts |= {name: tariff.versions[-1][1] for name, tariff in catalog.snapshot().tariffs.items()}
    if tariff_id is not None and tariff_id not in texts:
        raise RefusedCommand(f"there is no tariff {tariff_id}; `powermon tariffs list` shows those there are")
    for name in sorted(texts):
        for plan in plans(name, texts[name]) if tariff_id in (None, name) else ():
            click.echo(plan)


@tariffs.command("show")
@click.argument("tariff_id", metavar="ID", callback=catalog.entry_name)
@click.option("--on", "day", metavar="DAY", callback=_day, help="The version valid on a day; without it the newest.")
def show(tariff_id: str, day: str | None) -> None:
    """The JSON document of a tariff."""
    tariff = catalog.snapshot().tariffs.get(tariff_id)
    if tariff_id in built_in.BUILT_IN and (tariff is None or (day is not None and day < tariff.versions[0][0])):
        click.echo(f"tariff {tariff_id}, built in, as of {built_in.first_day(tariff_id)}", err=True)
        click.echo(built_in.text(tariff_id))
        return
    if tariff is None:
        raise RefusedCommand(f"there is no tariff {tariff_id}; `powermon tariffs list` shows those there are")
    first = next((first for first, _ in reversed(tariff.versions) if day is None or first <= day), None)
    if first is None:
        raise RefusedCommand(f"tariff {tariff_id} begins on {tariff.versions[0][0]}; it had no price on {day}")
    version = tariff_version(tariff, first)
    assert version is not None
    click.echo(f"tariff {tariff_id} from {first} on", err=True)
    click.echo(json.dumps(version["document"], indent=1, ensure_ascii=False))


@tariffs.command("remove")
@click.argument("tariff_id", metavar="ID", callback=catalog.entry_name)
@click.option("--from", "valid_from", required=True, metavar="DAY", callback=_day, help="First day of the version.")
def remove(tariff_id: str, valid_from: str) -> None:
    """Remove one version; what was valid before goes on."""
    click.echo(submit(RemoveTariff(tariff_id=tariff_id, valid_from=valid_from)), err=True)
