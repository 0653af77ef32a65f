"""A CSV file of sensors, as Excel writes it, into rows; each judged by itself."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from streams.catalog.admin.fields import REGISTERED, FieldError, command, from_text, shown
from streams.catalog.commands import RegisterSensor

ROWS_MOST = 10_000

_NO_SECRET = "0" * 64
"""Stands for the hash of the secret that is made when the row is brought in."""


class SheetError(Exception):
    """The file as a whole cannot be used; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One sensor of the file.

    Attributes:
        line: where it begins in the file, from 1.
        sensor_id: as it stands there.
        said: fields that the row names.
        command: what is asked for, without a secret; None when fault is set.
        fault: why it is refused.
    """

    line: int
    sensor_id: str
    said: dict[str, Any]
    command: RegisterSensor | None
    fault: FieldError | None


def read(content: bytes) -> list[Row]:
    """The rows of a file.

    Raises:
        SheetError: it is no such file, or its header names what there is not.
    """
    text = _text(content)
    separator, text, skipped = _separator(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        columns, rows = None, []
        for line, cells in _lines(reader, skipped):
            if columns is None:
                columns = _columns(cells)
                continue
            rows.append(_row(line, columns, cells, decimal_comma=separator != ","))
            if len(rows) > ROWS_MOST:
                raise SheetError(f"more than {ROWS_MOST} rows came; cut the file into several")
    except csv.Error as error:
        raise SheetError(f"line {reader.line_num + skipped}: {error}; expected CSV with quotes as Excel writes them") from error
    if columns is None:
        raise SheetError(f"the file is empty; expected a header row with sensor_id, and some of {', '.join(REGISTERED[1:])}")
    return _without_repeats(rows)


def _text(content: bytes) -> str:
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SheetError(f"line {line} is not UTF-8; in Excel, save as “CSV UTF-8 (comma delimited)”") from error


def _separator(text: str) -> tuple[str, str, int]:
    """What stands between cells, the text without a line that says so, and how many lines that was."""
    named = re.match(r"sep=(.)\r?\n", text)
    if named is not None:
        return named[1], text[named.end() :], 1
    header = re.sub(r'"[^"]*"', "", text.lstrip().partition("\n")[0])
    return max((",", ";", "\t"), key=header.count), text, 0


def _lines(reader: Any, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """Where each record begins, and its cells; empty ones are left out."""
    before = skipped
    for cells in reader:
        line, before = before + 1, reader.line_num + skipped
        stripped = [cell.strip() for cell in cells]
        if any(stripped):
            yield line, stripped


def _columns(cells: list[str]) -> list[str]:
    names = [re.sub(r"[\s-]+", "_", cell.lower()) for cell in cells]
    while names and not names[-1]:
        names.pop()
    for name in names:
        if name not in REGISTERED:
            raise SheetError(f"the header names {shown(name)}; expected sensor_id, and some of {', '.join(REGISTERED[1:])}")
        if names.count(name) > 1:
            raise SheetError(f"the header names {name} twice; expected each column once")
    if "sensor_id" not in names:
        raise SheetError(f"the header has no sensor_id; it names {', '.join(names)}")
    return names


def _row(line: int, columns: list[str], cells: list[str], *, decimal_comma: bool) -> Row:
    said: dict[str, Any] = {}
    named = dict(zip(columns, cells, strict=False))
    try:
        extra = [cell for cell in cells[len(columns) :] if cell]
        if extra:
            detail = f"{len(cells)} cells came, {shown(extra[0])} among them; expected {len(columns)} as in the header"
            raise FieldError("", "too_many_cells", f"{detail}; put quotes around text that holds a separator")
        for name, cell in named.items():
            if cell:
                said[name] = from_text(name, cell, decimal_comma=decimal_comma)
        return Row(line, named["sensor_id"], said, command(RegisterSensor, said, secret_sha256=_NO_SECRET), None)
    except FieldError as fault:
        return Row(line, named.get("sensor_id", ""), said, None, fault)


def _without_repeats(rows: list[Row]) -> list[Row]:
    """The same with every further row of a sensor refused."""
    first: dict[str, int] = {}
    judged = []
    for row in rows:
        if row.command is None:
            judged.append(row)
            continue
        line = first.setdefault(row.command.sensor_id, row.line)
        if line != row.line:
            fault = FieldError("sensor_id", "repeated", f"{row.sensor_id} stands in line {line} already; expected it once")
            row = Row(row.line, row.sensor_id, row.said, None, fault)  # noqa: PLW2901  (the same row, judged)
        judged.append(row)
    return judged
