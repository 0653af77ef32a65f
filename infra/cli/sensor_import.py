"""`powermon sensors import`: rows in, a report and the secrets out."""

import contextlib
import csv
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from infra.cli import catalog
from infra.errors import ConfigurationError, PowermonError
from streams.catalog.admin import sheet
from streams.catalog.admin.importing import Verdict, bring_in, counts
from streams.catalog.view import CatalogView

REFUSALS_SHOWN = 100


class RowsRefused(PowermonError):
    """Not every row of the file is in the catalog."""


def run(file: Path, *, dry_run: bool, out: Path | None, as_json: bool) -> None:
    """Bring the file in.

    Raises:
        ConfigurationError: the file is no such list of sensors, or the secrets cannot be written.
        RowsRefused: at least one row was refused.
    """
    content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    try:
        rows = sheet.read(content)
    except sheet.SheetError as error:
        raise ConfigurationError(f"{file}: {error}") from error
    console = Console(stderr=True)
    columns = TextColumn("import"), BarColumn(), MofNCompleteColumn()
    with (
        _secrets(None if dry_run else out, to_stdout=not dry_run) as keep,
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar,
    ):
        task = bar.add_task("import", total=len(rows))

        def hear(verdict: Verdict) -> None:
            bar.advance(task)
            if verdict.secret is not None:
                keep(verdict)

        async def work(view: CatalogView) -> list[Verdict]:
            return await bring_in(view, rows, actor="command line", dry_run=dry_run, hear=hear)

        verdicts = catalog.with_catalog(work)
    _report(verdicts, str(file), dry_run=dry_run, out=out, as_json=as_json)


@contextlib.contextmanager
def _secrets(out: Path | None, *, to_stdout: bool) -> Iterator[Callable[[Verdict], None]]:
    """Where secrets go, each as soon as its sensor is registered: a crash loses none."""
    if out is None:
        writer = _Lines(sys.stdout, header=True) if to_stdout else None
        yield writer.keep if writer is not None else _nowhere
        return
    try:
        handle = os.open(out, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigurationError(f"the secrets cannot be written to {out}: {error.strerror}; nothing was registered") from error
    with os.fdopen(handle, "a", newline="", encoding="utf-8") as file:
        os.fchmod(handle, 0o600)
        yield _Lines(file, header=file.tell() == 0).keep
        os.fsync(handle)


def _nowhere(_: Verdict) -> None:
    raise AssertionError("a dry run makes no secrets")


class _Lines:
    """CSV, written through line by line."""

    def __init__(self, file: TextIO, *, header: bool) -> None:
        self._file, self._header = file, header
        self._writer = csv.writer(file, lineterminator="\n")

    def keep(self, verdict: Verdict) -> None:
        if self._header:
            self._writer.writerow(("sensor_id", "secret"))
            self._header = False
        self._writer.writerow((verdict.sensor_id, verdict.secret))
        self._file.flush()


def _report(verdicts: list[Verdict], file: str, *, dry_run: bool, out: Path | None, as_json: bool) -> None:
    found = counts(verdicts)
    wrong = [verdict for verdict in verdicts if verdict.result in ("refused", "unknown")]
    if as_json:
        rows = [{name: value for name, value in one.document().items() if name != "secret"} for one in verdicts]
        click.echo(json.dumps({"dry_run": dry_run, **found, "rows": rows}, indent=1))
    else:
        for verdict in wrong[:REFUSALS_SHOWN]:
            click.echo(f"{file} line {verdict.line}: {verdict.detail}", err=True)
        if len(wrong) > REFUSALS_SHOWN:
            click.echo(f"… and {len(wrong) - REFUSALS_SHOWN} more", err=True)
        verb = "would be added" if dry_run else "added"
        sentence = f"{found['added']} {verb}, {found['unchanged']} there already, {found['refused']} refused"
        click.echo(f"{sentence}, {found['unknown']} without an answer" if found["unknown"] else sentence, err=True)
        if out is not None and not dry_run and any(verdict.secret for verdict in verdicts):
            click.echo(f"the secrets are in {out}; whoever reads it can post as these sensors", err=True)
    if wrong:
        again = "; put them right and import the file again, what is there stays as it is"
        raise RowsRefused(f"{len(wrong)} of {len(verdicts)} rows of {file} were not accepted{again}")
