"""`powermon simulate --linky`: Linky meters on pseudo-terminals."""

import contextlib
import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from producers.simulate.linky.contract import Contract, Tariff
from producers.simulate.linky.faults import BAD, CLEAN
from producers.simulate.linky.line import Line
from producers.simulate.linky.port import Port
from producers.simulate.linky.run import Talk, Tally, clock, talk
from producers.tic.labels import Mode

_OPTIONS = (
    click.option(
        "--linky",
        type=click.IntRange(1, 64),
        is_flag=False,
        flag_value=1,
        metavar="[N]",
        help="Speak as N Linky meters on pseudo-terminals, at their true speed.",
    ),
    click.option("--mode", type=click.Choice([m.value for m in Mode]), default="standard", show_default=True, help="Linky."),
    click.option("--tariff", type=click.Choice([t.value for t in Tariff]), default="hchp", show_default=True, help="Linky."),
    click.option("--phases", type=click.Choice(["1", "3"]), default="1", show_default=True, help="Linky."),
    click.option("--producer", is_flag=True, help="Linky: with panels, in producer mode."),
    click.option(
        "--link",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Linky: symbolic link to the port; of more meters PATH-1, PATH-2, …",
    ),
)


def options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that only meters have."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def run(
    chosen: dict[str, Any],
    speed: float,
    seed: int,
    for_s: int | None,
    faults: bool,
    start_s: float,
    truth: Path | None,
    *,
    as_json: bool,
) -> None:
    """Speak until the end of `for_s`, SIGTERM or Ctrl-C."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    mode, tariff, phases = Mode(chosen["mode"]), Tariff(chosen["tariff"]), int(chosen["phases"])
    now_s = clock(start_s, speed)
    with contextlib.ExitStack() as ends:
        lines, talks = [], []
        for index in range(chosen["linky"]):
            try:
                contract = Contract(seed, index, mode, tariff, phases, chosen["producer"])
                lines.append(Line(contract, start_s, BAD if faults else CLEAN, numbered=truth is not None))
            except ValueError as error:
                raise click.UsageError(f"--start: {error}") from None
        words = f"{mode} mode, {tariff}, {phases} phase{'s' * (phases > 1)}"
        for index, line in enumerate(lines):
            port = Port(_link(chosen["link"], index, len(lines)))
            ends.callback(port.close)
            line.resume(now_s())
            talks.append(Talk(line, port))
            click.echo(
                f"linky {line.contract.address}: {port.link or port.name} ({line.contract.baud} baud, {words})", err=as_json
            )
        file = ends.enter_context(truth.open("w")) if truth else None
        until_s = None if for_s is None else start_s + for_s
        tally = talk(talks, now_s, stop, speed=speed, until_s=until_s, truth_file=file)
    _show(tally, as_json=as_json)


def _link(link: Path | None, index: int, count: int) -> Path | None:
    if link is None or count == 1:
        return link
    return link.with_name(f"{link.name}-{index + 1}")


def _show(tally: Tally, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"frames": tally.frames, "damaged": tally.damaged, "unread": tally.unread}))
        return
    click.echo(f"simulate: {tally.frames:,} frames, {tally.damaged:,} damaged, {tally.unread:,} that nobody read", err=True)
