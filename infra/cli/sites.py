"""`powermon sites`: places with a time zone."""

import json

import click

from infra.cli import catalog
from infra.cli.catalog import submit
from streams.catalog.admin import fields
from streams.catalog.admin.facts import site_facts
from streams.catalog.admin.fields import FieldError
from streams.catalog.commands import PutSite, RemoveSite


@click.group()
def sites() -> None:
    """Places with a time zone, where sensors stand."""


@sites.command("put")
@click.argument("site_id", metavar="ID", callback=catalog.entry_name)
@click.option("--zone", required=True, callback=catalog.zone, metavar="ZONE", help="Time zone, as Europe/Paris.")
@click.option("--name", default="", help="For people.")
@click.option("--address", default="")
def put(site_id: str, zone: str, name: str, address: str) -> None:
    """Make a site, or change it."""
    try:
        command = fields.command(PutSite, {"site_id": site_id, "zone": zone, "name": name, "address": address})
    except FieldError as error:
        raise catalog.usage(error) from error
    click.echo(submit(command), err=True)


@sites.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def list_sites(as_json: bool) -> None:
    """All sites."""
    state = catalog.snapshot()
    found = [site_facts(state, site) for _, site in sorted(state.sites.items())]
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    if not found:
        click.echo("no sites; make one with `powermon sites put ID --zone Asia/Seoul`", err=True)
    for site in found:
        click.echo(f"{site['site_id']:<24} {site['zone']:<20} {site['sensors']:>6} sensors  {site['name']}".rstrip())


@sites.command("remove")
@click.argument("site_id", metavar="ID", callback=catalog.entry_name)
def remove(site_id: str) -> None:
    """Remove a site at which no sensor stands."""
    click.echo(submit(RemoveSite(site_id=site_id)), err=True)
