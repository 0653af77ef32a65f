"""Lines out of a plain or gzip file, some at a time, in bounded memory."""

import gzip
import io
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from infra.errors import PowermonError
from producers.ingest.lines import LINE_MAX

BLOCK = 256 * 1024
_GZIP = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class BrokenFile(PowermonError):
    """A file that cannot be read to its end."""


def chunks(source: BinaryIO, name: str) -> Iterator[list[tuple[int, bytes]]]:
    """The lines of a file that hold anything, with their numbers from 1.

    A line longer than LINE_MAX comes cut off behind LINE_MAX + 1 bytes: the rest of it is not kept.

    Args:
        source: plain or gzip, which is told from its first bytes.
        name: for messages.

    Raises:
        BrokenFile: after the last line that could be read.
    """
    buffered = io.BufferedReader(cast(io.RawIOBase, source)) if not hasattr(source, "peek") else cast(io.BufferedReader, source)
    packed = buffered.peek(2)[:2] == _GZIP
    stream = cast(BinaryIO, gzip.GzipFile(fileobj=buffered)) if packed else cast(BinaryIO, buffered)
    number, rest = 1, b""
    first = True
    while True:
        broken: Exception | None = None
        try:
            block = stream.read1(BLOCK) if hasattr(stream, "read1") else stream.read(BLOCK)
        except (OSError, EOFError, zlib.error) as error:
            block, broken = b"", error
        if first:
            block, first = block.removeprefix(_BYTE_ORDER_MARK), False
        if not block:
            if rest.strip() and broken is None:
                yield [(number, rest.strip())]
            if broken is not None:
                raise BrokenFile(
                    f"{name} cannot be read beyond line {number}: {broken}; fetch or write the file again"
                ) from broken
            return
        lines = block.split(b"\n")
        lines[0] = rest + lines[0][: LINE_MAX + 1 - len(rest)] if len(rest) + len(lines[0]) > LINE_MAX else rest + lines[0]
        rest = lines.pop()[: LINE_MAX + 1]
        found = [(number + k, text) for k, line in enumerate(lines) if (text := line.strip() if len(line) <= LINE_MAX else line)]
        number += len(lines)
        if found:
            yield found
