"""Bodies that hold many records, into columns: whole columns where all values are alike, else value by value.

What does not fit is told as one fact, without saying which: who wants to know checks the records one by one.
"""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import UNSET, UnsetType

from schemas.record_part import ESTIMATED, RECORD, Records
from streams.catalog.datastore import values
from web.datastore.answers import detail

CHUNK = 5000
"""Records taken at once: between two chunks other threads get their turn."""

_NAN = re.compile(rb'NaN(?=[\s,}])(?:(?<=[^\\]":NaN)|(?<=[^\\]": NaN))')
"""As the value of a field, not within a text. It begins with what is searched for: that is quick."""

_SECOND = "0000-00-00T00:00:00"
_DIGITS = [at for at, sign in enumerate(_SECOND) if sign == "0"]
_SIGNS = [at for at, sign in enumerate(_SECOND) if sign in "-:"]

_FIRST_US, _LAST_US = values.time_us("0001-01-01T00:00:00Z"), values.time_us("9999-12-31T23:59:59.999999Z")

Int64s = npt.NDArray[np.int64]


class Unfit(Exception):
    """Some record lacks something, or has what cannot be read."""


class SentRecord(msgspec.Struct, gc=False):
    """A record of POST /consumption_records/, or of a trace's `records`."""

    metadata: Any = UNSET
    start: Any = UNSET
    value: Any = UNSET
    estimated: Any = False


class SyncedRecord(msgspec.Struct, gc=False):
    """A record of POST /consumption_records/sync2/."""

    metadata_id: Any = UNSET
    start: Any = UNSET
    value: Any = UNSET
    estimated: Any = UNSET


class SyncedWeather(msgspec.Struct, gc=False):
    """A record of POST /weather_records/sync2/."""

    station_id: Any = UNSET
    start: Any = UNSET
    value: Any = UNSET
    kind: Any = "OBSERVED"


Sent = SentRecord | SyncedRecord | SyncedWeather


def json_of(body: bytes) -> Any:
    """JSON as Python's own, where NaN, which many clients send, is null.

    Raises:
        Refused: 400, it is none.
    """
    return _decoded(body, Any)


def columns(
    body: bytes, kind: type[Sent], series_of: Callable[[list[Any]], Any], *, blank: bool, only_lists: bool = False
) -> Records:
    """The records of a body, in its order.

    Args:
        kind: what each is.
        series_of: their series, or Unfit.
        blank: whether an empty text is no value; else it is none that fits.
        only_lists: whether one object is no list of one.

    Raises:
        Unfit: it is no list of such records.
        Refused: 400, it is no JSON.
    """
    raws = _decoded(body, msgspec.Raw)
    first = bytes(memoryview(raws)[:64]).lstrip()[:1]
    if first == b"{" and not only_lists:
        return records_of([_record(raws, kind)], series_of, blank=blank)
    if first != b"[":
        raise Unfit
    pieces = [records_of(rows, series_of, blank=blank) for rows in _chunks(raws, kind)]
    return np.concatenate(pieces) if pieces else np.zeros(0, RECORD)


def _chunks(raws: msgspec.Raw, kind: type[Sent]) -> Iterator[list[Any]]:
    every = msgspec.json.decode(raws, type=list[msgspec.Raw])
    for at in range(0, len(every), CHUNK):
        yield _record(b"[" + b",".join(every[at : at + CHUNK]) + b"]", list[kind])  # type: ignore[valid-type]


def _record(body: Any, kind: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise Unfit from error
    except (msgspec.MsgspecError, ValueError) as error:
        raise detail(400, f"JSON parse error - {error}"[:300]) from error


def _decoded(body: bytes, kind: Any) -> Any:
    """JSON checked whole, and taken apart as far as `kind` says."""
    try:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError:
            mended = _NAN.sub(b"null", body)
            return msgspec.json.decode(mended, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise detail(400, f"JSON parse error - {error}"[:300]) from error


def records_of(rows: list[Any], series_of: Callable[[list[Any]], Any], *, blank: bool) -> Records:
    """Records of some rows.

    Raises:
        Unfit: one of them is none.
    """
    made = np.zeros(len(rows), RECORD)
    try:
        made["series"] = series_of(rows)
        made["start_us"] = times_us([row.start for row in rows])
        made["value"] = numbers([row.value for row in rows], blank=blank)
        if rows and hasattr(rows[0], "estimated"):
            made["flags"] = flags([row.estimated for row in rows])
    except (ValueError, OverflowError, TypeError) as error:
        raise Unfit from error
    return made


def times_us(texts: list[Any]) -> Int64s:
    """Times as microseconds since 1970, UTC.

    Raises:
        ValueError: one is none.
    """
    if set(map(type, texts)) - {str} or max(map(len, texts), default=0) > 40:
        return np.fromiter(map(values.time_us, texts), np.int64, len(texts))
    letters = np.array(texts, "U40").view(np.uint32).reshape(len(texts), 40)
    digits = letters[:, _DIGITS]
    plain = ((digits >= 48) & (digits <= 57)).all(1) & (letters[:, _SIGNS] == [ord(_SECOND[at]) for at in _SIGNS]).all(1)
    plain &= (letters[:, 10] == ord("T")) & (letters[:, 0:4] != 48).any(1)
    found = np.zeros(len(texts), np.int64)
    at = np.flatnonzero(plain)
    if len(at):
        picked = np.ascontiguousarray(letters[at])
        second = np.ascontiguousarray(picked[:, :19]).view("U19").reshape(-1).astype("datetime64[us]").astype(np.int64)
        endings, which = np.unique(np.ascontiguousarray(picked[:, 19:]).view("U21").reshape(-1), return_inverse=True)
        beyond = np.array([values.time_us(f"1970-01-01T00:00:00{ending}") for ending in endings.tolist()], np.int64)
        found[at] = second + beyond[which]
    for other in np.flatnonzero(~plain).tolist():
        found[other] = values.time_us(texts[other])
    if len(found) and not (found.min() >= _FIRST_US and found.max() <= _LAST_US):
        raise ValueError(values.BAD_TIME)
    return found


def numbers(sent: list[Any], *, blank: bool) -> "npt.NDArray[np.float64]":
    """Values; not-a-number stands for null.

    Args:
        blank: whether an empty text is null.

    Raises:
        ValueError: one is no number, or infinite.
    """
    if set(map(type, sent)) <= {float, int, type(None)}:
        found = np.array(sent, np.float64)
        if np.isinf(found).any():
            raise ValueError(values.BAD_NUMBER)
        return found
    return np.fromiter((number(value, blank=blank) for value in sent), np.float64, len(sent))


def number(value: Any, *, blank: bool) -> float:
    """One value; not-a-number stands for null.

    Raises:
        ValueError: it is no number, or infinite.
    """
    if value is None or (isinstance(value, str) and value.strip().lower() in (("nan", "") if blank else ("nan",))):
        return math.nan
    return values.number(value)


def flags(sent: list[Any]) -> Any:
    """Flags of records that are estimated or not.

    Raises:
        ValueError: one is no boolean.
    """
    if set(map(type, sent)) <= {bool}:
        return np.array(sent, np.uint8) * ESTIMATED
    return np.array([values.boolean(value) for value in sent], np.uint8) * ESTIMATED


def whole(value: Any) -> int:
    """A primary key; numeric text is taken.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, UnsetType):
        raise ValueError(values.BAD_INTEGER)
    return values.integer(value)
