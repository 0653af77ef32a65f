"""`powermon trace SENSOR TIMESTAMP`: where one second of one sensor went."""

import json
from datetime import UTC, datetime

import click

from infra.cli.times import Moment
from infra.door import Door
from infra.log_reader import LogReader
from infra.settings import Settings
from infra.trace import Tracer
from schemas.units import MWS_PER_KWH
from streams.core.trace import Facts, Judged, Verdict, judge


@click.command()
@click.argument("sensor")
@click.argument("timestamp", type=Moment())
@click.option("--deep", is_flag=True, help="Look for copies to the end of the log, not just an hour around the second.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def trace(sensor: str, timestamp: int, deep: bool, as_json: bool) -> None:
    """Tell where the second TIMESTAMP (2026-03-02T09:00:00Z, or UNIX seconds) of SENSOR went.

    Every copy in the log and whether it counts, the row in the raw table, the minute and its version; or where
    it stopped, and why.
    """
    settings = Settings()
    log = LogReader(settings)
    try:
        facts = Tracer(settings, Door(settings, patience_s=0), log, deep=deep).facts(sensor.lower(), timestamp)
    finally:
        log.close()
    verdict = judge(facts)
    if as_json:
        click.echo(json.dumps(verdict.as_json(facts)))
    else:
        _show(facts, verdict)


def _show(facts: Facts, verdict: Verdict) -> None:
    click.echo(f"{facts.sensor_id}, second {_at(facts.timestamp_s)} ({facts.timestamp_s})\n")
    log = [
        f"partition {one.copy.partition} offset {one.copy.offset}, appended {_at_ms(one.copy.appended_ms)}: {_role(one)}"
        for one in verdict.copies
    ]
    letters = [f"partition {one.partition} offset {one.offset}, by the {one.stage}: {one.reason}" for one in facts.letters]
    raw = [f"probe {r.probe}: partition {r.partition} offset {r.offset}, received {r.received_at}" for r in facts.raw]
    minute = [
        f"probe {m.probe}: version {m.version}, {m.seconds} of 60 seconds{'' if m.counted else ' without this one'}, "
        f"{m.energy_mws / MWS_PER_KWH * 1000:,.3f} Wh"
        for m in facts.minutes
    ]
    _part("log", log or [f"not there, {facts.searched}"])
    if letters:
        _part("dead letters", letters)
    _part("raw", raw or ["not there"])
    _part(f"minute {_at(facts.minute_s)[11:16]}", minute or ["not there"])
    click.echo(f"\n{verdict.state}: {verdict.why}")


def _role(one: Judged) -> str:
    if one.copy.refused:
        return f"refused: {one.copy.refused}"
    parts = []
    if one.counted:
        parts.append(f"counts ({_probes(one.counted)}), {'late' if one.late else 'in time'}")
    if one.copied:
        parts.append(f"a copy ({_probes(one.copied)}) that counts for nothing")
    if one.conflicting:
        parts.append(f"with other values than the first ({_probes(one.conflicting)})")
    return ", ".join(parts)


def _probes(ids: list[int]) -> str:
    return f"probe{'s' if len(ids) > 1 else ''} {', '.join(map(str, ids))}"


def _part(head: str, lines: list[str]) -> None:
    for at, line in enumerate(lines):
        click.echo(f"  {head if at == 0 else '':<13} {line}")


def _at(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _at_ms(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
