"""`powermon anomalies`: what went wrong, and what other thresholds would have found."""

import json
import sys
import urllib.parse
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from infra.cli import catalog
from infra.cli.rest import ask
from infra.cli.sql import token
from infra.cli.times import Moment
from infra.settings import Settings

_COLUMNS = ("start", "lasted", "what", "worst", "limit", "severity")
_WIDE = 160
"""Columns of what is not read on a screen."""


@click.group()
def anomalies() -> None:
    """What went wrong, and what other thresholds would have found."""


@anomalies.command("list")
@click.option(
    "--sensor", "source", callback=lambda c, p, v: v and catalog.sensor_id(c, p, v), metavar="ID", help="Only this one's."
)
@click.option("--rule", metavar="NAME", help="Only these, as sag.")
@click.option(
    "--from", "since_s", type=Moment(), default="24h", show_default=True, help="2026-03-02T09:00:00Z, or 3h for three hours ago."
)
@click.option("--to", "until_s", type=Moment(), help="Without it: now.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="The newest so many.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def list_(source: str | None, rule: str | None, since_s: int, until_s: int | None, limit: int, *, as_json: bool) -> None:
    """The newest first."""
    asked = {"source": source, "rule": rule, "from": _iso(since_s), "to": _iso(until_s) if until_s else None, "limit": limit}
    found = _ask("anomalies", [(name, str(value)) for name, value in asked.items() if value])
    if as_json:
        click.echo(json.dumps(found, indent=1, ensure_ascii=False))
        return
    _show("anomalies", found["anomalies"], ("source", *_COLUMNS, "state"))
    if found["next"] is not None:
        click.echo(f"there are more; --limit shows more than {limit}", err=True)


@anomalies.command("try")
@click.argument("sensor", metavar="SENSOR", callback=catalog.sensor_id)
@click.option("--threshold", "thresholds", multiple=True, required=True, metavar="NAME=VALUE", help="As sag_pct=85; repeat it.")
@click.option(
    "--from", "since_s", type=Moment(), default="24h", show_default=True, help="2026-03-02T09:00:00Z, or 3h for three hours ago."
)
@click.option("--to", "until_s", type=Moment(), help="Without it: a day later; at most 7 days.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def try_(sensor: str, thresholds: tuple[str, ...], since_s: int, until_s: int | None, *, as_json: bool) -> None:
    """Judge SENSOR's stored readings again by other thresholds, and say what differs. Nothing is changed.

    `powermon sensors change SENSOR --threshold NAME=VALUE` keeps one.
    """
    asked = [("sensor", sensor), ("from", _iso(since_s)), *(("threshold", one) for one in thresholds)]
    found = _ask("anomaly-trial", [*asked, *([("to", _iso(until_s))] if until_s else [])])
    if as_json:
        click.echo(json.dumps(found, indent=1, ensure_ascii=False))
        return
    tried = ", ".join(f"{name}={value:g}" for name, value in found["thresholds"].items())
    click.echo(f"{sensor} {found['from']} to {found['to']} by {tried}: {found['same']} found as before, "
               f"{len(found['new'])} new, {len(found['gone'])} gone, {len(found['changed'])} changed")  # fmt: skip
    for name in ("new", "gone"):
        _show(name, found[name], _COLUMNS)
    _show("changed", [one for pair in found["changed"] for one in (pair["before"], pair["after"])], _COLUMNS)


def _ask(path: str, asked: list[tuple[str, str]]) -> dict[str, Any]:
    settings = Settings()
    found: dict[str, Any] = ask(settings.web, token(settings), f"/api/v1/{path}?{urllib.parse.urlencode(asked)}")
    return found


def _show(title: str, rows: list[dict[str, Any]], names: tuple[str, ...]) -> None:
    if not rows:
        return
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in names:
        table.add_column(name, justify="right" if name in ("lasted", "worst", "limit") else "left", no_wrap=True)
    for row in rows:
        told = {**row, **_told(row)}
        table.add_row(*(told[name] for name in names))
    Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE).print(table)


def _told(row: dict[str, Any]) -> dict[str, str]:
    """An anomaly's cells for a person; its start in UTC."""
    phase = f" {'ABC'[row['phase'] - 1]}" if row["phase"] else ""
    unit = row["unit"]
    return {
        "start": row["start"].replace("T", " "),
        "lasted": f"{row['duration_s']:,.10g} s",
        "what": f"{row['rule']}{phase}",
        "worst": f"{row['worst']:,.6g} {unit}",
        "limit": f"{row['limit']:,.6g} {unit}",
    }


def _iso(at_s: int) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%SZ}"
