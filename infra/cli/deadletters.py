"""`powermon dead-letters list | show | retry`: what could not be used, why, and again."""

import itertools
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click

from infra.cli.times import Moment
from infra.errors import ConfigurationError
from infra.letters import Kept, Letters
from infra.settings import Settings
from schemas import topics
from schemas.partial import readable

ASK_ABOVE = 10
"""More letters than this are not written again without --yes."""

DUMP_BYTES = 512

_ADVICE = "A message that still cannot be used comes back as a new dead letter: retry when the cause is put right."

Command = Callable[..., None]


@click.group("dead-letters")
def dead_letters() -> None:
    """What could not be used: look at it, and write it again when the cause is put right."""


def _filters(command: Command) -> Command:
    for option in (
        click.option("--since", type=Moment(), help="Given up since then: 2026-03-02T09:00:00Z, or 3h for three hours ago."),
        click.option("--stage", help="Who gave up: worker, sink."),
        click.option("--topic", help="Where the messages came from, as sensor.readings."),
    ):
        command = option(command)
    return command


@dead_letters.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many, newest first.")
@_filters
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def list_letters(limit: int, topic: str | None, stage: str | None, since: int | None, as_json: bool) -> None:
    """List the newest dead letters."""
    with _open() as letters:
        found = list(itertools.islice(_chosen(letters, topic, stage, since), limit))
    if as_json:
        click.echo(json.dumps([_summary(kept) for kept in found], indent=1))
    elif not found:
        click.echo("no dead letters")
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
        click.echo(f"{'N':>6}  {'given up':20}  {'stage':6}  {'from':28}  {'bytes':>6}  reason")
        for kept in found:
            line = _shown(_line(kept))
            click.echo(line if not width or len(line) <= width else line[: width - 1] + "…")


@dead_letters.command()
@click.argument("number", metavar="N", type=click.IntRange(min=0))
@click.option("--full", is_flag=True, help=f"All bytes, not the first {DUMP_BYTES}.")
@click.option("--json", "as_json", is_flag=True, help="For scripts; the bytes as hexadecimal digits.")
def show(number: int, full: bool, as_json: bool) -> None:
    """Show one dead letter: why, from where, its bytes, and what can be read of it."""
    with _open() as letters:
        (kept,) = letters.find([number])
        letter = kept.letter
        topic = next((t for t in topics.ALL if t.name == letter.source_topic), None)
        fields: dict[str, Any] = {}
        stopped: str | None = "the topic is none of ours"
        if topic is not None:
            fields, stopped = readable(topic, letter.message_value, letters.schema_of)
    value = letter.message_value
    if as_json:
        more = {"value": value.hex() if value is not None else None, "fields": _plain(fields), "fields_end": stopped}
        click.echo(json.dumps(_summary(kept) | more, indent=1))
        return
    lines = [
        f"dead letter {kept.number}, given up by the {letter.stage} at {_time(kept.written_ms)}",
        f"reason   {letter.reason}",
        f"from     {_place(kept)}, appended {_time(letter.at_ms)}",
        f"key      {_text(letter.message_key)}",
        f"retried  {kept.retried or 'no'}",
        *([f"cut      only the first {len(value or b'')} of {letter.value_bytes} bytes are kept here"] if letter.is_cut else []),
        f"fields   {'all' if stopped is None else stopped}",
        *(f"  {name} = {json.dumps(content, ensure_ascii=False)}" for name, content in _plain(fields).items()),
        "value    none" if value is None else f"value    {len(value)} bytes",
        *(f"  {line}" for line in _dump((value or b"")[: None if full else DUMP_BYTES])),
    ]
    for line in lines:
        click.echo(_shown(line))
    if value is not None and len(value) > DUMP_BYTES and not full:
        click.echo(f"  … {len(value) - DUMP_BYTES} more bytes; --full shows them")


@dead_letters.command()
@click.argument("numbers", metavar="[N]…", nargs=-1, type=click.IntRange(min=0))
@click.option("--all", "every", is_flag=True, help="All that were not retried yet and that the filters choose.")
@click.option("--again", is_flag=True, help="Also those that were retried already.")
@click.option("--yes", is_flag=True, help=f"Do not ask, also for more than {ASK_ABOVE}.")
@_filters
def retry(
    numbers: tuple[int, ...], every: bool, again: bool, yes: bool, topic: str | None, stage: str | None, since: int | None
) -> None:
    """Write messages again, as they were, to the topic they came from.

    Retry when the cause is put right: a message that still cannot be used comes back as a new dead letter. It is
    harmless to retry twice: copies of a second count once.
    """
    if bool(numbers) == every:
        raise click.UsageError("name the numbers of dead letters, or say --all")
    if numbers and (topic or stage or since):
        raise click.UsageError("--topic, --stage and --since choose among --all; they do not go with numbers")
    with _open() as letters:
        found = list(_chosen(letters, topic, stage, since)) if every else letters.find(list(dict.fromkeys(numbers)))
        wanted = sorted((kept for kept in found if again or kept.retried is None), key=lambda kept: kept.number)
        if not every and len(wanted) < len(found):
            click.echo(f"{len(found) - len(wanted)} retried already; --again retries them once more", err=True)
        cut = [kept.number for kept in wanted if kept.letter.is_cut]
        if cut:
            click.echo(f"left out, because only their beginning is kept: {', '.join(map(str, cut))}", err=True)
            wanted = [kept for kept in wanted if not kept.letter.is_cut]
        known = {t.name for t in topics.ALL}
        foreign = next((kept for kept in wanted if kept.letter.source_topic not in known), None)
        if foreign is not None:
            raise ConfigurationError(
                f"letter {foreign.number} came from {foreign.letter.source_topic}, which is no topic of ours; name the others"
            )
        if not wanted:
            click.echo("nothing to retry")
            return
        if len(wanted) > ASK_ABOVE and not yes:
            _ask(len(wanted))
        letters.retry(wanted)
    click.echo(f"{len(wanted)} written again. {_ADVICE}")


def _ask(count: int) -> None:
    if not sys.stdin.isatty():
        raise ConfigurationError(f"{count} messages would be written again, more than {ASK_ABOVE}; say --yes if that is meant")
    click.confirm(f"{_ADVICE}\nWrite {count} messages again?", abort=True)


@contextmanager
def _open() -> Iterator[Letters]:
    letters = Letters(Settings())
    try:
        yield letters
    finally:
        letters.close()


def _chosen(letters: Letters, topic: str | None, stage: str | None, since_s: int | None) -> Iterable[Kept]:
    for kept in letters.newest_first((since_s or 0) * 1000):
        if topic in (None, kept.letter.source_topic) and stage in (None, kept.letter.stage):
            yield kept


def _summary(kept: Kept) -> dict[str, Any]:
    letter = kept.letter
    return {
        "number": kept.number,
        "given_up_at": _time(kept.written_ms),
        "stage": letter.stage,
        "topic": letter.source_topic,
        "partition": letter.source_partition,
        "offset": letter.source_offset,
        "appended_at": _time(letter.at_ms),
        "key": None if letter.message_key is None else _text(letter.message_key),
        "bytes": None if letter.message_value is None else letter.value_bytes or len(letter.message_value),
        "reason": letter.reason,
        "retried": kept.retried,
    }


def _line(kept: Kept) -> str:
    one = _summary(kept)
    size = "null" if one["bytes"] is None else one["bytes"]
    mark = f"  [retried: {kept.retried}]" if kept.retried else ""
    return f"{kept.number:>6}  {one['given_up_at']:20}  {one['stage']:6}  {_place(kept):28}  {size:>6}  {one['reason']}{mark}"


def _place(kept: Kept) -> str:
    return f"{kept.letter.source_topic} {kept.letter.source_partition}@{kept.letter.source_offset}"


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(raw: bytes | None) -> str:
    return "none" if raw is None else raw.decode("utf-8", "backslashreplace")


def _shown(text: str) -> str:
    """Without what a terminal would obey: the bytes came from anywhere."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _plain(fields: Any) -> Any:
    """Values that JSON has: bytes as hexadecimal digits."""
    if isinstance(fields, dict):
        return {name: _plain(value) for name, value in fields.items()}
    if isinstance(fields, list):
        return [_plain(value) for value in fields]
    return fields.hex() if isinstance(fields, bytes) else fields


def _dump(raw: bytes) -> Iterator[str]:
    for at in range(0, len(raw), 16):
        part = raw[at : at + 16]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        yield f"{at:06x}  {part[:8].hex(' '):23}  {part[8:].hex(' '):23}  {shown}"
