"""Bytes to records and columns, and back: the Confluent wire format over Avro, and the only Avro imports.

A value is 0x00, the schema's id in the registry (4 bytes, big-endian), then the Avro body.
"""

import io
import json
import struct
from array import array
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any, cast

import fastavro
import numpy as np

from schemas import columns, topics
from schemas.columns import Columns, Int64s
from schemas.names import Names
from schemas.run import Run
from schemas.sensor_reading import PROBE_TYPES, ReadingBatch, SensorReading
from schemas.units import PROBES, SAMPLES_MAX, SAMPLES_MIN

HEADER = 5
_HEADER = struct.Struct(">bI")
_Pack = Callable[..., bytes]

TIMESTAMP_END_S = 1 << 37
"""Later than this (the year 6325) is no time: minute numbers stay within 32 bits."""

AHEAD_S = 3600
"""A reading further ahead of the log's own clock than this is refused: an open minute would pin the log."""

Schema = dict[str, Any]
SchemaOf = Callable[[int], Schema | None]
"""Finds a writer's schema by id; None when the registry knows no such id. May raise RegistryUnavailable."""


class WireError(Exception):
    """Bytes that are not a value of this topic: says what came and what was expected."""


@cache
def raw_schema(topic: topics.Topic) -> Schema:
    """The topic's .avsc as written."""
    return cast(Schema, json.loads(topic.schema_path.read_text()))


@cache
def parsed_schema(topic: topics.Topic) -> Schema:
    return cast(Schema, fastavro.parse_schema(raw_schema(topic)))


def header(schema_id: int) -> bytes:
    """The five bytes before a body."""
    return _HEADER.pack(0, schema_id)


def encode(topic: topics.Topic, schema_id: int, record: dict[str, Any]) -> bytes:
    """One record, one value. For events that are few; the hot ones have their own writers below."""
    out = io.BytesIO()
    out.write(header(schema_id))
    fastavro.schemaless_writer(out, parsed_schema(topic), record)
    return out.getvalue()


def decode(topic: topics.Topic, value: bytes | None, schema_of: SchemaOf) -> dict[str, Any]:
    """One value, one record, read with its writer's schema and seen through ours.

    Raises:
        WireError: the bytes are not a value of this topic.
    """
    if value is None or len(value) < HEADER:
        came = "no value" if value is None else f"{len(value)} bytes"
        raise WireError(f"{came}; expected 0x00, a 4-byte schema id and an Avro body")
    magic, schema_id = _HEADER.unpack_from(value)
    if magic != 0:
        raise WireError(f"first byte is 0x{value[0]:02x}; expected 0x00 of the Confluent wire format")
    writer = schema_of(schema_id)
    if writer is None:
        raise WireError(f"schema id {schema_id} is not in the registry")
    body = io.BytesIO(value)
    body.seek(HEADER)
    try:
        record = fastavro.schemaless_reader(body, _parsed(schema_id, writer), parsed_schema(topic))
    except Exception as error:  # a decoder fed with noise raises nearly anything
        raise WireError(f"body does not fit schema {schema_id}: {type(error).__name__}: {error}"[:300]) from error
    if body.tell() != len(value):
        raise WireError(f"{len(value) - body.tell()} bytes left over after the record of schema {schema_id}")
    return cast(dict[str, Any], record)


_parsed_writers: dict[tuple[int, str], Schema] = {}


def _parsed(schema_id: int, writer: Schema) -> Schema:
    key = (schema_id, str(writer.get("name")))
    if key not in _parsed_writers:
        _parsed_writers[key] = cast(Schema, fastavro.parse_schema(writer))
    return _parsed_writers[key]


# ---- readings --------------------------------------------------------------------------------------------

_KINDS = {name: columns.varint(i) for i, name in enumerate(PROBE_TYPES)}
_SMALL = [columns.varint(i) for i in range(256)]


def encode_reading(
    head: bytes,
    timestamp_s: int,
    received_at_ms: int,
    format_version: str,
    probes: Sequence[tuple[int, str, list[int], list[int], list[int]]],
) -> bytes:
    """One reading to one value, without going through a general encoder.

    Args:
        head: `reading_head` of the sensor.
        probes: (probe_id, probe_type, power_mw, pf_pct, voltage_mv) each; the last with n samples or one.
    """
    out = [
        head,
        columns.varint(timestamp_s),
        columns.varint(received_at_ms),
        _version(format_version),
        _SMALL[len(probes)],
    ]
    for probe_id, probe_type, power, pf, voltage in probes:
        pack, before, between, behind = _probe_layout(probe_id, probe_type, len(power), len(pf), len(voltage))
        out.append(pack(before, *power, between, *pf, behind, *voltage))
    out.append(b"\0")
    return b"".join(out)


@lru_cache(maxsize=4096)
def _probe_layout(probe_id: int, probe_type: str, power: int, pf: int, voltage: int) -> tuple[_Pack, bytes, bytes, bytes]:
    """One probe's bytes as one C struct, and the lengths and tags that stand between the samples."""
    before = _SMALL[probe_id] + _KINDS[probe_type] + _SMALL[4 * power]
    between, behind = _SMALL[pf], _SMALL[4 * voltage]
    layout = f"<{len(before)}s{power}i{len(between)}s{pf}b{len(behind)}s{voltage}i"
    return struct.Struct(layout).pack, before, between, behind


@lru_cache(maxsize=4096)
def _version(text: str) -> bytes:
    return _text(text)


def reading_head(schema_id: int, sensor_id: str) -> bytes:
    """What every value of one sensor begins with."""
    return header(schema_id) + _text(sensor_id)


def encode_sensor_reading(schema_id: int, reading: SensorReading) -> bytes:
    return encode_reading(
        reading_head(schema_id, reading.sensor_id),
        reading.timestamp_s,
        reading.received_at_ms,
        reading.format_version,
        [(p.probe_id, p.probe_type, p.power_mw, p.pf_pct, p.voltage_mv) for p in reading.probes],
    )


def _text(text: str) -> bytes:
    raw = text.encode()
    return columns.varint(len(raw)) + raw


class ReadingDecoder:
    """Turns runs of raw values of `sensor.readings` into columns.

    Args:
        schema_of: finds writers' schemas.
        names: the vocabulary of sensor ids; shared by all batches of one process.
    """

    def __init__(self, schema_of: SchemaOf, names: Names | None = None) -> None:
        self.names = Names() if names is None else names
        self._schema_of = schema_of
        self._ours = raw_schema(topics.READINGS)
        self._present_heads: dict[int, bool] = {}
        self._usual_head = -1

    def decode(self, run: Run) -> tuple[ReadingBatch, list[tuple[int, str]]]:
        """Decode a run of one partition.

        Returns:
            the readings, and (position in the run, reason) of each value that is none.

        Raises:
            RegistryUnavailable: a schema id is new and the registry cannot be asked; nothing is lost, try again.
        """
        keep = np.arange(len(run))  # positions in the run of what is left
        buffer, starts, ends = run.buffer, run.value_at + HEADER, run.value_at + run.value_length
        rejected: list[tuple[int, str]] = []
        odd = self._odd(run)
        while True:
            if len(odd):
                bodies = {}
                for at in odd.tolist():
                    try:
                        bodies[at] = self._slow(run.value(int(keep[at])))
                    except WireError as error:
                        rejected.append((int(keep[at]), str(error)))
                buffer, starts, ends = _replaced(buffer, starts, ends, bodies)
                left = np.setdiff1d(np.arange(len(keep)), [at for at in odd.tolist() if at not in bodies])
                keep, starts, ends = keep[left], starts[left], ends[left]
            cols, bad = columns.decode(self._ours, buffer, starts, ends)
            batch, odd = _reading_batch(cols, buffer, bad, self.names)
            if len(odd):
                continue
            batch.offset, batch.appended_ms = run.offset[keep], run.appended_ms[keep]
            ahead = batch.timestamp_s > batch.appended_ms // 1000 + AHEAD_S
            if not ahead.any():
                return batch, sorted(rejected)
            for at in np.flatnonzero(ahead).tolist():
                rejected.append((int(keep[at]), _ahead(int(batch.timestamp_s[at]), int(batch.appended_ms[at]))))
            keep, starts, ends = keep[~ahead], starts[~ahead], ends[~ahead]

    def _odd(self, run: Run) -> Int64s:
        """Which values do not begin with a schema id whose layout is the present one."""
        short = run.value_length < HEADER
        heads = columns.gather(run.buffer, run.value_at, 8, "<i8")[:, 0] & 0xFF_FFFF_FFFF
        wrong = short | (heads != self._usual_head)
        if wrong.any():
            for head in np.unique(heads[wrong & ~short]).tolist():
                if self._is_present(head):
                    wrong &= heads != head
                    self._usual_head = head
            wrong |= short
        return np.flatnonzero(wrong)

    def _is_present(self, head: int) -> bool:
        if head not in self._present_heads:
            magic, schema_id = _HEADER.unpack(head.to_bytes(HEADER, "little"))
            schema = self._schema_of(schema_id) if magic == 0 else None
            if schema is None:
                return False  # asked again next time: it may be registered by then
            self._present_heads[head] = layout(schema) == layout(self._ours)
        return self._present_heads[head]

    def _slow(self, value: bytes | None) -> bytes:
        """The body of another writer's value in our layout; WireError when it is no reading."""
        record = decode(topics.READINGS, value, self._schema_of)
        _check_reading(record)
        out = io.BytesIO()
        fastavro.schemaless_writer(out, parsed_schema(topics.READINGS), record)
        return out.getvalue()


def _replaced(
    buffer: columns.Bytes, starts: Int64s, ends: Int64s, bodies: dict[int, bytes]
) -> tuple[columns.Bytes, Int64s, Int64s]:
    """The same spans, some of them with other contents, laid behind the rest."""
    behind = len(buffer) - columns.PAD
    more, more_starts, more_ends = columns.join(list(bodies.values()))
    starts, ends = starts.copy(), ends.copy()
    at = np.fromiter(bodies, np.int64, len(bodies))
    starts[at], ends[at] = more_starts + behind, more_ends + behind
    return np.concatenate((buffer[:behind], more)), starts, ends


def _ahead(timestamp_s: int, appended_ms: int) -> str:
    return (
        f"timestamp_s {timestamp_s} is {timestamp_s - appended_ms // 1000} s ahead of the log's clock; "
        f"expected at most {AHEAD_S} s"
    )


def layout(schema: Any) -> Any:
    """A schema without what does not move a byte (names of records, docs, defaults)."""
    if isinstance(schema, list):
        return [layout(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    kind = schema["type"]
    if kind == "record":
        return [(f["name"], layout(f["type"])) for f in schema["fields"]]
    if kind == "array":
        return ("array", layout(schema["items"]))
    if kind == "enum":
        return ("enum", tuple(schema["symbols"]))
    return layout(kind)


def _reading_batch(cols: Columns, buffer: columns.Bytes, bad: columns.Bools, names: Names) -> tuple[ReadingBatch, Int64s]:
    """Columns to a batch; the positions of readings that break a rule of the event (then the batch means nothing)."""
    n = len(bad)
    bad = bad.copy()
    items = cols.items["probes"]
    bad |= (cols.lengths["sensor_id"] < 1) | (cols.lengths["sensor_id"] > 64) | (cols.lengths["format_version"] != 6)
    bad |= (cols.numbers["timestamp_s"] < 0) | (cols.numbers["timestamp_s"] >= TIMESTAMP_END_S)
    if not items:
        bad[:] = True
    elif len(items[0].rows) < n:
        mask = np.ones(n, np.bool_)
        mask[items[0].rows] = False
        bad |= mask
    if len(items) > PROBES:
        bad[items[PROBES].rows] = True

    def flat(get: Callable[[Columns], Int64s]) -> Int64s:
        parts = [get(item.columns) for item in items[:PROBES]]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    parts = [item.rows for item in items[:PROBES]]
    reading = np.concatenate(parts) if parts else np.zeros(0, np.int64)
    probe = flat(lambda c: c.numbers["probe_id"]) - 1
    power_bytes = flat(lambda c: c.lengths["power_mw"])
    samples = flat(lambda c: c.lengths["pf_pct"])
    voltage_bytes = flat(lambda c: c.lengths["voltage_mv"])
    wrong = (probe < 0) | (probe >= PROBES) | (samples < SAMPLES_MIN) | (samples > SAMPLES_MAX)
    wrong |= (power_bytes != 4 * samples) | ((voltage_bytes != 4 * samples) & (voltage_bytes != 4))
    bad[reading[wrong]] = True
    if not bad.any() and n:
        seen = np.bincount(reading * PROBES + probe, minlength=n * PROBES)
        bad |= (seen.reshape(n, PROBES) > 1).any(axis=1)
    if not bad.any():
        sensor = names.codes(buffer, cols.starts["sensor_id"], cols.lengths["sensor_id"])
        bad |= sensor < 0
    else:
        sensor = np.zeros(n, np.int64)
    empty = np.zeros(0, np.int64)
    batch = ReadingBatch(
        names=names.names,
        buffer=buffer,
        offset=empty,
        appended_ms=empty,
        sensor=sensor,
        timestamp_s=cols.numbers["timestamp_s"],
        received_at_ms=cols.numbers["received_at_ms"],
        version_at=cols.starts["format_version"],
        reading=reading,
        probe=probe,
        kind=flat(lambda c: c.numbers["probe_type"]),
        samples=samples,
        voltages=voltage_bytes // 4,
        power_at=flat(lambda c: c.starts["power_mw"]),
        pf_at=flat(lambda c: c.starts["pf_pct"]),
        voltage_at=flat(lambda c: c.starts["voltage_mv"]),
    )
    return batch, np.flatnonzero(bad)


def _check_reading(record: dict[str, Any]) -> None:
    """The rules that `_reading_batch` holds columns to, for one record, with words.

    Raises:
        WireError: which rule is broken, and how.
    """
    if not 1 <= len(record["sensor_id"].encode()) <= 64:
        raise WireError(f"sensor_id has {len(record['sensor_id'].encode())} bytes; expected 1 to 64")
    if len(record["format_version"].encode()) != 6:
        raise WireError(f"format_version is {record['format_version'][:40]!r}; expected six digits")
    if not 0 <= record["timestamp_s"] < TIMESTAMP_END_S:
        raise WireError(f"timestamp_s is {record['timestamp_s']}; expected seconds since 1970")
    probes = record["probes"]
    ids = [p["probe_id"] for p in probes]
    if not 1 <= len(probes) <= PROBES or len(set(ids)) != len(ids) or not set(ids) <= {1, 2, 3}:
        raise WireError(f"probe ids are {ids[:9]}; expected one to three of 1, 2, 3, no two alike")
    for p in probes:
        n = len(p["pf_pct"])
        if not SAMPLES_MIN <= n <= SAMPLES_MAX or len(p["power_mw"]) != 4 * n or len(p["voltage_mv"]) not in (4, 4 * n):
            sizes = len(p["power_mw"]), n, len(p["voltage_mv"])
            raise WireError(
                f"probe {p['probe_id']}: power, pf and voltage hold {sizes} bytes; "
                f"expected 4n, n and 4n (or 4) with n from {SAMPLES_MIN} to {SAMPLES_MAX}"
            )


def unpack_reading(record: dict[str, Any]) -> dict[str, Any]:
    """A decoded reading with its packed samples as lists, for people."""

    def ints(code: str, raw: bytes) -> list[int]:
        return array(code, raw).tolist()

    probes = [
        p | {"power_mw": ints("i", p["power_mw"]), "pf_pct": ints("b", p["pf_pct"]), "voltage_mv": ints("i", p["voltage_mv"])}
        for p in record["probes"]
    ]
    return record | {"probes": probes}
