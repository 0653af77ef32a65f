"""What `powermon replay` shows: the ways its parts take, progress, and what differs."""

import json
import time
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from schemas.units import MWS_PER_KWH
from streams.core.replay_plan import Asked, Plan

PLAIN_EVERY_S = 10.0
DAYS_MOST = 40
WIDTH = 200
"""Of tables: a narrow terminal breaks their lines rather than lose a figure."""

Found = dict[str, Any]


class Bar:
    """A bar on a terminal; elsewhere a line now and then.

    Args:
        what: the stage.
        total: of units; None: not known yet.
        done: units done by an earlier run, which count neither for the rate nor for what is left.
    """

    def __init__(self, console: Console, what: str, total: int | None, done: int, unit: str) -> None:
        self._console, self._what, self._total, self._before, self._unit = console, what, total, done, unit
        self._began = self._told = time.monotonic()
        self._progress: Progress | None = None
        if console.is_terminal:
            self._progress = Progress(
                TextColumn(f"{what:<6}"),
                BarColumn(),
                TextColumn("{task.fields[text]}"),
                TimeRemainingColumn(),
                console=console,
            )
            self._task = self._progress.add_task(what, total=total, completed=done, text="")

    def __enter__(self) -> "Bar":
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._progress is not None:
            self._progress.stop()

    def at(self, done: int, total: int | None = None) -> None:
        """Show how far it is."""
        self._total = self._total if total is None else total
        now = time.monotonic()
        rate = max(0, done - self._before) / max(now - self._began, 1e-3)
        text = f"{done:,} of {self._total or 0:,} {self._unit}, {rate:,.0f}/s" if self._total else ""
        if self._progress is not None:
            self._progress.update(self._task, completed=done, total=self._total, text=text)
        elif now - self._told >= PLAIN_EVERY_S:
            self._told = now
            left = max(0, (self._total or 0) - done)
            eta = f", {_duration(left / rate)} left" if rate and left else ""
            self._console.print(f"{self._what}: {text or 'waiting'}{eta}")


def done(plan: Plan, decided: dict[int, int]) -> int:
    """Messages of the plan's part of the log that are decided."""
    return sum(max(0, min(decided.get(p, 0), end) - plan.starts[p]) for p, end in plan.ends.items())


def words(asked: Asked) -> str:
    """Arguments as they would be typed."""
    parts = [f"--from {_at(asked.from_s)}"] if asked.from_s is not None else []
    parts += [f"--to {_at(asked.to_s)}"] if asked.to_s is not None else []
    parts += [f"--sensor {sensor}" for sensor in asked.sensors]
    return " ".join(parts) or "a replay of everything"


def parts(console: Console, plan: Plan, *, resumed: bool) -> None:
    """Say which way each part takes."""
    console.print(f"replay {plan.name}: {words(plan.asked)}{', as it was begun' if resumed else ''}")
    if plan.from_s is not None and plan.from_s > (plan.asked.from_s or 0):
        console.print(f"  minutes before {_at(plan.from_s)} stay as they are: the raw table does not reach back so far")
    if plan.raw is not None:
        begin = f"from {_at(plan.raw[0])} " if plan.raw[0] else ""
        console.print(f"  minutes {begin}before {_at(plan.raw[1])}: from the raw table, the log no longer holds them")
    if plan.readings:
        begin = "" if plan.log_from_s is None else f" from {_at(plan.log_from_s)}"
        until = "" if plan.asked.to_s is None else f" before {_at(plan.asked.to_s)}"
        console.print(f"  minutes{begin}{until or (' on' if begin else '')}: from the log, {plan.readings:,} readings to read")
    elif plan.raw is None:
        console.print("  nothing to read: the log holds no readings for these minutes")


def summary(found: Found) -> None:
    """The finished replay."""
    asked = Plan.of_json(found["plan"]).asked
    place = "live" if found["live"] else f"in table {found['table']}"
    told = f"replay {found['name']} ({'everything' if asked.everything else words(asked)}) is complete, {place}"
    if found["fold_s"]:
        rate = f" at {found['readings_per_s']:,}/s" if found["readings_per_s"] else ""
        told += f": {found['readings']:,} readings folded{rate}, {found['late']:,} late minutes rebuilt"
        told += f", {found['seconds']:.1f} s in all"
    click.echo(told)


def every(replays: list[Found], as_json: bool) -> None:
    """All replays."""
    if as_json:
        click.echo(json.dumps(replays))
        return
    if not replays:
        click.echo("there are no replays")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("name", "of", "made", "state", "table"):
        table.add_column(head, no_wrap=True)
    for one in replays:
        state = "live" if one["live"] else "complete" if one["complete"] else "not finished"
        asked = Plan.of_json(one["plan"]).asked
        table.add_row(one["name"], "everything" if asked.everything else words(asked), _at(one["made_at_s"]), state, one["table"])
    Console(highlight=False, width=WIDTH).print(table)


def difference(found: Found, name: str) -> None:
    """What differs, by sensor and day, and the worst minutes."""
    newer = f"; {found['newer']:,} newer ones not compared, live went on" if found["newer"] else ""
    if not found["differing"]:
        click.echo(f"no difference: {found['minutes']:,} minutes compared, versions included{newer}")
        return
    click.echo(f"{found['differing']:,} of {found['minutes']:,} minutes differ{newer}\n")
    screen = Console(highlight=False, width=WIDTH)
    screen.print(_days(found["days"][:DAYS_MOST], name))
    if len(found["days"]) > DAYS_MOST:
        screen.print(f"… and {len(found['days']) - DAYS_MOST:,} more; --json has them all")
    screen.print(f"\nthe {len(found['worst'])} rows that differ most")
    screen.print(_worst(found["worst"], name))


def _days(days: list[Found], name: str) -> Table:
    table = _table("sensor", "UTC day", "minutes", "only live", f"only {name}", "differing", "energy difference")
    for one in days:
        counts = [f"{one[key]:,}" for key in ("minutes", "only_live", "only_replay", "differing")]
        table.add_row(one["sensor_id"], one["day"], *counts, _energy(one["energy_difference_mws"], signed=True))
    return table


def _worst(rows: list[Found], name: str) -> Table:
    table = _table("sensor", "minute (UTC)", "probe", "difference", "", "energy", "seconds", "min to max W", "version")
    for one in rows:
        head = [
            one["sensor_id"],
            _at(one["minute_s"])[:16].replace("T", " "),
            str(one["probe"]),
            _energy(one["energy_difference_mws"], signed=True),
        ]
        table.add_row(*head, "live", *_figures(one["live"]))
        table.add_row("", "", "", "", name, *_figures(one["replay"]))
    return table


def _figures(row: Found | None) -> list[str]:
    if row is None:
        return ["not there", "", "", ""]
    span = f"{row['power_min_mw'] / 1000:,.0f} to {row['power_max_mw'] / 1000:,.0f}"
    return [_energy(row["energy_mws"]), str(row["seconds"]), span, str(row["version"])]


def _table(*heads: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for at, head in enumerate(heads):
        table.add_column(head, justify="left" if at < 2 or not head else "right", no_wrap=True)
    return table


def _energy(mws: int, *, signed: bool = False) -> str:
    return f"{mws / MWS_PER_KWH * 1000:{'+' if signed else ''},.3f} Wh"


def _at(at_s: int | None) -> str:
    return "" if at_s is None else datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"
