"""`powermon simulate`: a fleet of sensors that behave as real ones."""

import asyncio
import json
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from infra.cli import simulate_linky
from infra.cli.times import Duration, Moment
from infra.errors import PowermonError
from infra.fleet_secrets import fleet_rights
from infra.settings import Settings
from producers.simulate import events
from producers.simulate.fleet import fleet
from producers.simulate.history import History, Told
from producers.simulate.plan import Plan
from producers.simulate.run import Simulation

DEMO_BACKFILL_S = 3 * 3600
DEMO_CONTRACT, NO_CONTRACT = ("kepco/general_a2/high_a/I", 30_000.0), ("", 0.0)
DEMO_EVENT_CHANCE = 0.6
PLAIN_EVERY_S = 10.0
LIVE_EVERY_S = 0.5
TOKEN_S = 0.2


class SimulationFailed(PowermonError):
    """The gateway did not take what good sensors sent."""


@click.command()
@click.option("--sensors", type=click.IntRange(1, 999_999), default=6, show_default=True, help="How many.")
@click.option(
    "--speed", type=click.FloatRange(0.01, 10_000), default=1.0, show_default=True, help="Simulated seconds per second."
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed makes the same samples.")
@click.option("--for", "for_s", type=Duration(), help="Simulated time to run, as 10m; without it until stopped.")
@click.option(
    "--faults", is_flag=True, help="Bad links (outages, lost and broken replies, copies, delays), clocks, power, tokens."
)
@click.option(
    "--ws",
    "over_socket",
    type=click.FloatRange(0, 1),
    is_flag=False,
    flag_value=1.0,
    default=0.0,
    help="Post over the WebSocket variant; --ws 0.3: three of ten sensors.",
)
@click.option("--prefix", default="gresystem", show_default=True, help="Letters before the six digits of the ids.")
@click.option(
    "--start", "start_s", type=Moment(), help="Simulated time to begin at; without it now, or --for ago when --speed is above 1."
)
@click.option(
    "--backfill", "backfill_s", type=Duration(), default=0, help="Time before the start that each device holds already."
)
@click.option(
    "--history",
    "history_s",
    type=Moment(),
    help="Also send the first sensor's seconds since then, one value each, in the background; what was sent is not sent again.",
)
@click.option(
    "--demo",
    is_flag=True,
    help="For `powermon up --demo`: three hours of backfill, planted events more often, the first within two minutes.",
)
@click.option(
    "--truth", type=click.Path(dir_okay=False, path_type=Path), help="Write the seed and every acknowledged second as NDJSON."
)
@click.option("--json", "as_json", is_flag=True, help="Totals as JSON at the end.")
@simulate_linky.options
def simulate(
    sensors: int,
    speed: float,
    seed: int,
    for_s: int | None,
    faults: bool,
    over_socket: float,
    prefix: str,
    start_s: int | None,
    backfill_s: int,
    history_s: int | None,
    demo: bool,
    truth: Path | None,
    as_json: bool,
    **linky: Any,
) -> None:
    """Post to the gateway as real sensors do, once a second each.

    Missing sensors are registered; their secrets stay in the data folder. Simulated time never runs ahead of the present.

    With --linky: meters that speak on pseudo-terminals instead; of the options above --speed, --seed, --for, --faults,
    --start, --truth and --json hold for them too.
    """
    now_s = int(time.time())
    if linky["linky"] is not None:
        simulate_linky.run(linky, speed, seed, for_s, faults, time.time() if start_s is None else start_s, truth, as_json=as_json)
        return
    settings = Settings()
    live = start_s is None and speed == 1
    if start_s is None:
        if speed > 1 and for_s is None:
            raise click.UsageError("--speed above 1 would run into the future; add --start TIME or --for DURATION")
        start_s = now_s - for_s if speed > 1 and for_s is not None else now_s
    if start_s > now_s:
        raise click.UsageError("--start lies in the future; a sensor cannot have measured that yet")
    if demo:
        backfill_s = backfill_s or DEMO_BACKFILL_S
    chance = DEMO_EVENT_CHANCE if demo else 0.25
    try:
        made = fleet(seed, sensors, prefix=prefix, event_chance=chance)
        made = replace(made, more=events.shown(start_s, sensors)) if demo else made
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    plan = Plan(
        *(made, settings.gateway, start_s, for_s, speed, backfill_s, faults, truth),
        troubled=faults,
        over_socket=over_socket,
        live=live,
    )
    contract = DEMO_CONTRACT if demo else NO_CONTRACT
    simulation = asyncio.run(_run(settings, plan, Console(stderr=True), contract, history_s))
    if as_json:
        click.echo(json.dumps(totals(simulation) | firmware(simulation)))
    if trouble := simulation.trouble():
        raise SimulationFailed(trouble)


async def _run(
    settings: Settings, plan: Plan, console: Console, contract: tuple[str, float], history_s: int | None
) -> Simulation:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with fleet_rights(settings, "simulate", contract) as rights:
        simulation = Simulation(plan, rights)
        beside = [asyncio.create_task(_show(simulation, console))]
        if history_s is not None:
            beside.append(asyncio.create_task(_history(settings, simulation, console, history_s).run()))
        try:
            await simulation.run(stop)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            console.print(Text(f"simulate: {_words(totals(simulation) | firmware(simulation))}"))
    return simulation


def _history(settings: Settings, simulation: Simulation, console: Console, since_s: int) -> History:
    plan = simulation.plan

    async def device_token(_: str) -> str:
        """The live device's own: a new one would take it away from it."""
        while (token := simulation.devices[0].credentials.token) is None:  # noqa: ASYNC110  (nobody tells when one came)
            await asyncio.sleep(TOKEN_S)
        return token

    return History(
        plan.fleet,
        plan.gateway,
        device_token,
        Told(settings.data / f"history-{plan.fleet.sensor_ids[0]}-{plan.fleet.seed}.json"),
        since_s,
        plan.start_s - plan.backfill_s,
        time.time,
        begun=simulation.begun,
        say=lambda text: console.print(Text(text)),
    )


async def _show(simulation: Simulation, console: Console) -> None:
    before, then_s = 0, time.monotonic()

    def line() -> str:
        nonlocal before, then_s
        posts, now_s = simulation.totals.posts, time.monotonic()
        rate = (posts - before) / max(now_s - then_s, 1e-3)
        before, then_s = posts, now_s
        return f"simulate: {rate:,.0f} posts/s, {_words(totals(simulation))}{_latency(simulation)}"

    if not console.is_terminal:
        while True:
            await asyncio.sleep(PLAIN_EVERY_S)
            console.print(Text(line()), soft_wrap=True)
    with Live(Text("simulate: booting"), console=console, auto_refresh=False, transient=True) as live:
        while True:
            await asyncio.sleep(LIVE_EVERY_S)
            live.update(Text(line()), refresh=True)


def totals(simulation: Simulation) -> dict[str, int | dict[str, int]]:
    """Figures of a run, in seconds of sensors unless they say posts."""
    tally = simulation.tally
    return {
        "posts": simulation.totals.posts,
        "acknowledged": tally.acknowledged,
        "retried": tally.retried,
        "refused": dict(tally.refused),
        "thrown_away": tally.thrown_away,
        "backlog": simulation.backlog,
    }


def firmware(simulation: Simulation) -> dict[str, int | dict[str, int]]:
    """What the devices did beside posting."""
    tally = simulation.tally
    return {
        "boots": tally.boots,
        "tokens_refreshed": tally.tokens - tally.boots,
        "clock_steps": tally.steps,
        "clock_slews": tally.slews,
        "power_cuts": tally.power_cuts,
        "stolen_tokens_refused": simulation.totals.thefts - simulation.totals.thefts_taken,
    }


def _words(figures: dict[str, int | dict[str, int]]) -> str:
    parts = []
    for name, value in figures.items():
        count = sum(value.values()) if isinstance(value, dict) else value
        if count or name in ("posts", "acknowledged"):
            parts.append(f"{count:,} {name.replace('_', ' ')}")
    return ", ".join(parts)


def _latency(simulation: Simulation) -> str:
    took_s = sorted(simulation.totals.latency_s)
    simulation.totals.latency_s.clear()
    if not took_s:
        return ""
    return f"; p50 {took_s[len(took_s) // 2] * 1000:.0f} ms, p99 {took_s[int(len(took_s) * 0.99)] * 1000:.0f} ms"
