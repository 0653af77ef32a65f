"""`powermon bill SENSOR MONTH`: what a month costs, line by line, through the web server."""

import json
import re
import urllib.parse
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from infra.cli import catalog
from infra.cli.rest import ask
from infra.cli.sql import token
from infra.settings import Settings


def _month(_: click.Context, __: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", value, re.ASCII):
        raise click.BadParameter(f"{value!r} came; expected a month as 2026-03")
    return value


@click.command()
@click.argument("sensor", metavar="SENSOR", callback=catalog.sensor_id)
@click.argument("month", metavar="MONTH", callback=_month)
@click.option("--tariff", metavar="PLAN", help="Another than the sensor's own; `powermon tariffs plans` lists them.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def bill(sensor: str, month: str, tariff: str | None, as_json: bool) -> None:
    """What SENSOR's energy of MONTH (2026-03) costs; a month that is not over: so far."""
    settings = Settings()
    asked = {"sensor": sensor, "month": month, **({"tariff": tariff} if tariff else {})}
    found = ask(settings.web, token(settings), f"/api/v1/bill?{urllib.parse.urlencode(asked)}")
    if as_json:
        click.echo(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        show(found)


def show(found: dict[str, Any]) -> None:
    """Print a bill for a person."""
    console = Console(highlight=False)
    so_far = "" if found["complete"] else ", so far"
    table = Table(title=f"{found['sensor_id']} {found['month']}{so_far}: {found['tariff']}", title_justify="left")
    table.add_column("")
    for name in ("quantity", "price", found["currency"]):
        table.add_column(name, justify="right")
    for line in found["lines"]:
        quantity = "" if line["quantity"] is None else f"{line['quantity']:,g} {line['unit']}"
        if line["unit"] == "kWh":
            quantity = f"{line['quantity']:,.3f} kWh"
        price = "" if line["price"] is None else f"{line['price']:,g}"
        text = f"{line['text']} (estimate)" if line["estimate"] else line["text"]
        table.add_row(text, quantity, price, f"{line['amount']:,.2f}")
    table.add_section()
    table.add_row("total", "", "", f"{found['total']:,.2f}")
    console.print(table)
    console.print(f"{100 * found['coverage']:.1f} % of the time was measured")
    for note in found["notes"]:
        console.print(note)
