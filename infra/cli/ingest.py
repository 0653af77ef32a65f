"""`powermon ingest`: a file of posts into the gateway."""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from infra.cli.times import Duration
from infra.errors import PowermonError
from infra.operator_tokens import operator_tokens
from infra.settings import Settings
from producers.ingest.files import chunks
from producers.ingest.report import Report
from producers.ingest.run import Ingest, TokenSource

PLAIN_EVERY_S = 10.0
BAR_EVERY_S = 0.2


class LinesRefused(PowermonError):
    """Not every line of the file was accepted."""


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--token-for-all", is_flag=True, help="Use the operator's right: register each sensor and issue it a token.")
@click.option(
    "--patience", "patience_s", type=Duration(), default=120, help="How long the gateway may take nothing. [default: 120s]"
)
@click.option("--json", "as_json", is_flag=True, help="The report as JSON on stdout.")
def ingest(file: Path, token_for_all: bool, patience_s: int, as_json: bool) -> None:
    """Send FILE (NDJSON, plain or gzip, - for stdin): bodies of POST /powermon/data, one a line.

    Sent again, a file changes nothing: copies count once. Exit status 1 when a line was refused.
    """
    report = Report()
    try:
        asyncio.run(_run(Settings(), file, token_for_all, patience_s, report))
    finally:
        if report.lines or as_json:
            _print(report, as_json)
    if not report.complete:
        raise LinesRefused(f"{report.refused.total():,} of {report.lines:,} lines of {file} were refused")


async def _run(settings: Settings, file: Path, token_for_all: bool, patience_s: float, report: Report) -> None:
    console = Console(stderr=True)
    async with contextlib.AsyncExitStack() as stack:
        tokens: TokenSource | None = None
        if token_for_all:
            tokens = await stack.enter_async_context(operator_tokens(settings, "ingest"))
        source = stack.enter_context(_open(file))
        work = Ingest(settings.gateway, tokens, report, patience_s=patience_s)
        await stack.enter_async_context(_showing(console, report, source, _size(source)))
        await work.send(chunks(source, str(file)))


@contextlib.contextmanager
def _open(file: Path) -> Iterator[BinaryIO]:
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    with file.open("rb") as source:
        yield source


@asynccontextmanager
async def _showing(console: Console, report: Report, source: BinaryIO, total: int | None) -> AsyncIterator[None]:
    task = asyncio.create_task(_show(console, report, source, total))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _show(console: Console, report: Report, source: BinaryIO, total: int | None) -> None:
    begin_s = time.monotonic()

    def rate() -> float:
        return report.judged / max(time.monotonic() - begin_s, 1e-3)

    if not console.is_terminal:
        while True:
            await asyncio.sleep(PLAIN_EVERY_S)
            share = f", {_position(source) / total:.0%} of the file read" if total else ""
            console.print(f"ingest: {report.judged:,} lines judged, {rate():,.0f} lines/s{share}", highlight=False)
    columns = (
        TextColumn("ingest"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[lines]:,} lines, {task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("ingest", total=total, lines=0, rate=0.0)
        while True:
            # What was read but has no verdict yet is not done.
            done = _position(source) * report.judged / max(report.lines, 1)
            progress.update(bar, completed=done, lines=report.judged, rate=rate())
            await asyncio.sleep(BAR_EVERY_S)


def _size(source: BinaryIO) -> int | None:
    """Bytes of a plain file; None for a pipe."""
    with contextlib.suppress(OSError):
        if source.seekable():
            return os.fstat(source.fileno()).st_size
    return None


def _position(source: BinaryIO) -> int:
    with contextlib.suppress(OSError, ValueError):
        return source.tell()
    return 0


def _print(report: Report, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(report.as_json()))
        return
    for sentence in report.sentences():
        click.echo(sentence, err=True)
