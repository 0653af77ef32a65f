"""`powermon replay`: derived minutes again, beside the live ones; compared, swapped, and swapped back."""

import asyncio
import json
import time
from typing import Any

import click
from rich.console import Console

from infra.cli import replay_show as show
from infra.cli.roles import event_loop
from infra.cli.times import Moment
from infra.door import Document, Door
from infra.errors import PowermonError, ReplayRefused
from infra.replay_log import ReplayLog
from infra.settings import Settings
from schemas import topics
from streams.core.replay_plan import CHAINS, NAME, Asked, Plan, first_minute, log_from, plan

_DAY_S = 86_400
_LOOK_S = 0.2
_SILENCE_S = 60.0
"""Nothing moved for so long: say why."""

_PATH = "/api/v1/replays"


class Interrupted(PowermonError):
    """A person ended the replay before it was finished."""


@click.command()
@click.option("--into", "name", help="Name of the replay: a to z, 0 to 9 and _.")
@click.option("--topic", help=f"What is read again: {' or '.join(CHAINS)}.  [default: {topics.READINGS.name}]")
@click.option("--from", "from_s", type=Moment(), help="Only minutes from here on: 2026-03-02T09:00:00Z, or 2d for two days ago.")
@click.option("--to", "to_s", type=Moment(), help="Only minutes before this.")
@click.option("--sensor", "sensors", multiple=True, metavar="ID", help="Only this sensor or meter; may be given again.")
@click.option("--diff", is_flag=True, help="Then show what differs from the live minutes.")
@click.option("--swap", is_flag=True, help="Then make the replay's minutes the live ones.")
@click.option("--undo", is_flag=True, help="Make those minutes live again that the swap replaced.")
@click.option("--delete", is_flag=True, help="Remove the replay's topics and its table; after --swap: the replaced minutes.")
@click.option("--list", "listing", is_flag=True, help="Show all replays.")
@click.option("--json", "as_json", is_flag=True, help="A summary for scripts, on stdout.")
def replay(
    name: str | None,
    topic: str | None,
    from_s: int | None,
    to_s: int | None,
    sensors: tuple[str, ...],
    diff: bool,
    swap: bool,
    undo: bool,
    delete: bool,
    listing: bool,
    as_json: bool,
) -> None:
    """Fold the log again into a table beside the live one, and compare or swap the two.

    Live processing goes on. Interrupted, the same command goes on where it stopped; so does one with --into alone.
    """
    settings = Settings()
    asked = _asked(topic, from_s, to_s, sensors)
    if sum((undo, delete, swap, listing)) > 1:
        raise click.UsageError("give one of --swap, --undo, --delete, --list")
    if listing:
        show.every(Door(settings).get(_PATH)["replays"], as_json)
        return
    if name is None or not NAME.fullmatch(name):
        raise click.UsageError("--into takes a name of a to z, 0 to 9 and _, a letter first, at most 32")
    door, log = Door(settings), ReplayLog(settings)
    try:
        if delete or undo:
            _end(door, log, name, delete=delete, as_json=as_json)
            return
        summary = _Run(settings, door, log, name, asked, topic).run()
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; `powermon replay --into {name}` goes on where this one stopped") from None
    finally:
        log.close()
    if diff:
        summary["diff"] = door.get(f"{_PATH}/{name}/diff")
    if swap:
        summary["live"] = door.post(f"{_PATH}/{name}/swap")["live"]
    if as_json:
        click.echo(json.dumps(summary))
        return
    show.summary(summary)
    if diff:
        show.difference(summary["diff"], name)
    if swap:
        click.echo(f"swapped: the minutes of {name} are live now; `powermon replay --into {name} --undo` swaps back")


def _asked(topic: str | None, from_s: int | None, to_s: int | None, sensors: tuple[str, ...]) -> Asked:
    if topic not in (None, *CHAINS):
        raise click.UsageError(f"--topic {topic}: only {' and '.join(CHAINS)} can be replayed")
    asked = Asked.of(from_s, to_s, sensors)
    if asked.from_s is not None and asked.to_s is not None and asked.from_s >= asked.to_s:
        raise click.UsageError("--from must be before --to")
    return asked


def _end(door: Door, log: ReplayLog, name: str, *, delete: bool, as_json: bool) -> None:
    if delete:
        door.delete(f"{_PATH}/{name}")
        log.remove(name, lambda line: click.echo(line, err=True))
        click.echo(json.dumps({"name": name, "deleted": True}) if as_json else f"deleted: replay {name}")
        return
    told = door.post(f"{_PATH}/{name}/undo")
    click.echo(json.dumps(told) if as_json else f"undone: the minutes that {name} had replaced are live again")


class _Run:
    """One replay from its plan to the last row in its table."""

    def __init__(self, settings: Settings, door: Door, log: ReplayLog, name: str, asked: Asked, topic: str | None) -> None:
        self._settings, self._door, self._log, self._name, self._asked = settings, door, log, name, asked
        self._topic = topic
        self._marks: list[tuple[float, int]] = []
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)

    def run(self) -> Document:
        """Do what is left of it.

        Returns:
            the summary.
        """
        began = time.monotonic()
        found = next((one for one in self._door.get(_PATH)["replays"] if one["name"] == self._name), None)
        if found is None:
            self._log.remove(self._name, self._console.print)  # what an interrupted --delete may have left
        settled = self._plan() if found is None else self._same(found)
        folded_s = 0.0
        if found is None or not found["complete"]:
            show.parts(self._console, settled, resumed=found is not None)
            self._log.prepare(settled)
            self._door.post(_PATH, settled.as_json())
            done_before = show.done(settled, self._log.decided(settled))
            fold_began = time.monotonic()
            with asyncio.Runner(loop_factory=event_loop) as runner:
                runner.run(self._fold(settled, done_before))
            folded_s = time.monotonic() - fold_began
            self._wait(settled)
            readings = settled.readings - done_before
        else:
            readings = 0
        told = self._door.get(f"{_PATH}/{self._name}")
        now = told["progress"]
        return {
            "name": self._name,
            "plan": told["plan"],
            "table": told["table"],
            "complete": told["complete"],
            "live": told["live"],
            "readings": readings,
            "fold_s": round(folded_s, 3),
            "readings_per_s": self._rate(),
            "seconds": round(time.monotonic() - began, 3),
            "late": now["late"],
            "upserts": now["minutes"],
        }

    def _plan(self) -> Plan:
        """Settle a new replay by what log and raw hold now."""
        days, now_s = self._settings.retention_readings_days, int(time.time())
        # A day less than raw keeps: it forgets on while the replay runs.
        from_s = first_minute(self._asked, now_s - (days - 1) * _DAY_S if days else None)
        topic = self._topic or topics.READINGS.name
        chain, held = CHAINS[topic], self._log.held(topic)
        starts = self._log.starts(chain, log_from(from_s, held.values(), chain.reach_s), held)
        return plan(self._name, self._asked, held, from_s, starts, self._settings.lateness_s, topic)

    def _same(self, found: Document) -> Plan:
        settled = Plan.of_json(found["plan"])
        if self._topic not in (None, settled.topic):
            raise ReplayRefused(f"replay {self._name} is one of {settled.topic}, now came {self._topic}; choose another name")
        if not self._asked.everything and self._asked != settled.asked:
            raise ReplayRefused(
                f"replay {self._name} was begun as {show.words(settled.asked)}, now came {show.words(self._asked)}; "
                f"give --into {self._name} alone to go on with it, or another name, or --delete it first"
            )
        return settled

    async def _fold(self, settled: Plan, done_before: int) -> None:
        from streams.replay import fold

        with show.Bar(self._console, "fold", settled.readings, done_before, "messages") as bar:

            def told(done: int) -> None:
                bar.at(done)
                if done > done_before and (not self._marks or done > self._marks[-1][1]):
                    self._marks.append((time.monotonic(), done))

            await fold(self._settings, settled, lambda: self._log.decided_soon(settled), told)

    def _rate(self) -> int | None:
        """Readings a second between the first sign of progress and the end of the fold; None when it was too short to see."""
        if len(self._marks) < 2:
            return None
        (began, first), (ended, last) = self._marks[0], self._marks[-1]
        return round((last - first) / (ended - began))

    def _wait(self, settled: Plan) -> None:
        """Until the sink and the rebuilder have brought everything into the table."""
        with show.Bar(self._console, "store", None, 0, "minutes") as bar:
            seen: Any = None
            moved = time.monotonic()
            while True:
                told = self._door.get(f"{_PATH}/{self._name}")
                now = told["progress"]
                bar.at(now["stored"], now["minutes"] + max(0, now["late"] - now["rebuilt"]))
                if told["complete"]:
                    return
                if now != seen:
                    seen, moved = now, time.monotonic()
                elif time.monotonic() - moved > _SILENCE_S:
                    moved = time.monotonic()
                    self._console.print(f"replay: waiting; {'; '.join(told['problems']) or 'the store says no reason'}")
                time.sleep(_LOOK_S)
