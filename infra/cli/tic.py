"""`powermon tic`: the Linky's TIC."""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import click

from infra.cli import roles
from infra.errors import PowermonError
from producers.tic.decode import DecodedFrame, Totals, decode, frame_json
from producers.tic.quality import LinkQuality
from producers.tic.rules import CONTRACT, LINE, Rules

CHUNK = 1 << 16


class CaptureUnreadable(PowermonError):
    """The file cannot be read to its end."""


@click.group(invoke_without_command=True)
@click.pass_context
def tic(ctx: click.Context) -> None:
    """Read the Linky at POWERMON_TIC_PORT until SIGTERM or Ctrl-C; or one of the commands below."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(run)


@tic.command()
def run() -> None:
    """The same as `powermon tic` alone."""
    # Its loop has next to nothing to do; the faster one would cost 2 MB of a Raspberry Pi.
    roles.start("tic", "producers.tic.service", asyncio.new_event_loop)


@tic.command("decode")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="For scripts: one line, and nothing on stderr.")
@click.option(
    "--strict",
    is_flag=True,
    help="As a port opened with 8N1 gives it: every byte's parity counts, and each label's length and form.",
)
def decode_file(file: Path, as_json: bool, strict: bool) -> None:
    """Print the frames in FILE (bytes as a serial port gave them; - for stdin) as JSON.

    On stderr stands how good the line was. What is refused is counted, not an error.
    """
    quality = LinkQuality()
    for part in _parts(_chunks(file), LINE if strict else CONTRACT, quality, as_json):
        sys.stdout.write(part)
        sys.stdout.flush()
    if not as_json:
        for sentence in _sentences(quality):
            click.echo(sentence, err=True)


def _parts(chunks: Iterator[bytes], rules: Rules, quality: LinkQuality, as_json: bool) -> Iterator[str]:
    """The JSON piece by piece, a frame as soon as it is there, so that a capture of days needs no memory."""
    totals, before = Totals(), '{"frames": ['
    for event in decode(chunks, rules):
        totals.add(event)
        quality.add(event)
        if isinstance(event, DecodedFrame):
            yield before + ("" if as_json else "\n") + _frame(frame_json(event), as_json)
            before = ", " if as_json else ","
    members = ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in totals.as_json().items())
    yield ("" if totals.frames else before) + ("" if as_json else "\n") + f"], {members}}}\n"


def _chunks(file: Path) -> Iterator[bytes]:
    try:
        if str(file) == "-":
            yield from _read(sys.stdin.buffer)
            return
        with file.open("rb") as source:
            yield from _read(source)
    except OSError as error:
        raise CaptureUnreadable(
            f"{file} cannot be read: {error.strerror}; expected a file of bytes from a serial port"
        ) from error


def _read(source: IO[bytes]) -> Iterator[bytes]:
    read = getattr(source, "read1", source.read)  # what is there, not a full block: a pipe from a port is slow
    while chunk := read(CHUNK):
        yield chunk


def _frame(frame: dict[str, Any], as_json: bool) -> str:
    if as_json:
        return json.dumps(frame)
    return " {\n" + ",\n".join(f"  {json.dumps(label)}: {json.dumps(entry)}" for label, entry in frame.items()) + "\n }"


def _sentences(quality: LinkQuality) -> Iterator[str]:
    frames = f"{quality.frames:,} frames, {quality.whole:,} of them without a refused group"
    yield f"{frames}; {quality.characters:,} characters in them, {quality.bad_characters:,} with wrong parity"
    if quality.stray_characters:
        yield f"{quality.stray_characters:,} characters stood outside of frames"
    if quality.discarded:
        reasons = ", ".join(f"{count:,} {why}" for why, count in sorted(quality.discarded.items()))
        yield f"{quality.discarded.total():,} frames discarded: {reasons}"
    for (label, code), count in quality.rejected.most_common(10):
        yield f"refused: {label} {count:,} times for its {code}"
    if not quality.frames:
        yield "no frame was right; expected STX, groups, ETX at 9600 (standard) or 1200 baud (historic), opened with 8N1"
