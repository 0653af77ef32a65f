"""Values of `sensor.readings` to columns, a whole run at a time."""

import io
from typing import Any

import fastavro
import numpy as np

from schemas import columns, kernels, topics, wire
from schemas.columns import Int64s
from schemas.names import Names
from schemas.run import Run
from schemas.sensor_reading import AHEAD_S, ReadingBatch
from schemas.units import PROBES, SAMPLES_MAX, SAMPLES_MIN

TIMESTAMP_END_S = 1 << 37
"""Later than this (the year 6325) is no time: minute numbers stay within 32 bits."""


class ReadingDecoder:
    """Turns runs of raw values of `sensor.readings` into columns.

    Args:
        schema_of: finds writers' schemas.
        names: the vocabulary of sensor ids; shared by all batches of one process.
    """

    def __init__(self, schema_of: wire.SchemaOf, names: Names | None = None) -> None:
        self.names = Names() if names is None else names
        self._schema_of = schema_of
        self._ours = wire.raw_schema(topics.READINGS)
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
        buffer, starts, ends = run.buffer, run.value_at + wire.HEADER, run.value_at + run.value_length
        rejected: list[tuple[int, str]] = []
        odd = self._odd(run)
        while True:
            if len(odd):
                bodies = {}
                for at in odd.tolist():
                    try:
                        bodies[at] = self._slow(run.value(int(keep[at])))
                    except wire.WireError as error:
                        rejected.append((int(keep[at]), str(error)))
                buffer, starts, ends = _replaced(buffer, starts, ends, bodies)
                left = np.setdiff1d(np.arange(len(keep)), [at for at in odd.tolist() if at not in bodies])
                keep, starts, ends = keep[left], starts[left], ends[left]
            batch, odd = self._columns(buffer, starts, ends)
            if len(odd):
                continue
            batch.offset, batch.appended_ms = run.offset[keep], run.appended_ms[keep]
            ahead = batch.timestamp_s > batch.appended_ms // 1000 + AHEAD_S
            if not ahead.any():
                return batch, sorted(rejected)
            for at in np.flatnonzero(ahead).tolist():
                rejected.append((int(keep[at]), _ahead(int(batch.timestamp_s[at]), int(batch.appended_ms[at]))))
            keep, starts, ends = keep[~ahead], starts[~ahead], ends[~ahead]

    def _columns(self, buffer: columns.Bytes, starts: Int64s, ends: Int64s) -> tuple[ReadingBatch, Int64s]:
        """Bodies to a batch; the positions of those that are no reading in our layout (then the batch means nothing)."""
        n = len(starts)
        table = np.empty((n, kernels.READING_FIELDS), np.int64)
        probes = np.empty((PROBES * n, kernels.PROBE_FIELDS), np.int64)
        bad = np.empty(n, np.bool_)
        probes = probes[: kernels.readings(buffer, starts, ends, TIMESTAMP_END_S, table, probes, bad)]
        if not bad.any():
            sensor = self.names.codes(buffer, table[:, kernels.SENSOR_AT], table[:, kernels.SENSOR_LENGTH])
            bad = sensor < 0
        else:
            sensor = np.zeros(n, np.int64)
        empty = np.zeros(0, np.int64)
        batch = ReadingBatch(
            names=self.names.names,
            buffer=buffer,
            offset=empty,
            appended_ms=empty,
            sensor=sensor,
            timestamp_s=table[:, kernels.TIMESTAMP],
            received_at_ms=table[:, kernels.RECEIVED],
            version_at=table[:, kernels.VERSION_AT],
            reading=probes[:, kernels.READING],
            probe=probes[:, kernels.PROBE],
            kind=probes[:, kernels.KIND],
            samples=probes[:, kernels.SAMPLES],
            voltages=probes[:, kernels.VOLTAGES],
            power_at=probes[:, kernels.POWER_AT],
            pf_at=probes[:, kernels.PF_AT],
            voltage_at=probes[:, kernels.VOLTAGE_AT],
        )
        return batch, np.flatnonzero(bad)

    def _odd(self, run: Run) -> Int64s:
        """Which values do not begin with a schema id whose layout is the present one."""
        short = run.value_length < wire.HEADER
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
            magic, schema_id = wire.HEADER_LAYOUT.unpack(head.to_bytes(wire.HEADER, "little"))
            schema = self._schema_of(schema_id) if magic == 0 else None
            if schema is None:
                return False  # asked again next time: it may be registered by then
            self._present_heads[head] = wire.layout(schema) == wire.layout(self._ours)
        return self._present_heads[head]

    def _slow(self, value: bytes | None) -> bytes:
        """The body of another writer's value in our layout; wire.WireError when it is no reading."""
        record = wire.decode(topics.READINGS, value, self._schema_of)
        _check_reading(record)
        out = io.BytesIO()
        fastavro.schemaless_writer(out, wire.parsed_schema(topics.READINGS), record)
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


def _check_reading(record: dict[str, Any]) -> None:
    """The rules that `kernels.readings` holds bodies to, for one record, with words.

    Raises:
        wire.WireError: which rule is broken, and how.
    """
    if not 1 <= len(record["sensor_id"].encode()) <= 64:
        raise wire.WireError(f"sensor_id has {len(record['sensor_id'].encode())} bytes; expected 1 to 64")
    if len(record["format_version"].encode()) != 6:
        raise wire.WireError(f"format_version is {record['format_version'][:40]!r}; expected six digits")
    if not 0 <= record["timestamp_s"] < TIMESTAMP_END_S:
        raise wire.WireError(f"timestamp_s is {record['timestamp_s']}; expected seconds since 1970")
    probes = record["probes"]
    ids = [p["probe_id"] for p in probes]
    if not 1 <= len(probes) <= PROBES or len(set(ids)) != len(ids) or not set(ids) <= {1, 2, 3}:
        raise wire.WireError(f"probe ids are {ids[:9]}; expected one to three of 1, 2, 3, no two alike")
    for p in probes:
        n = len(p["pf_pct"])
        if not SAMPLES_MIN <= n <= SAMPLES_MAX or len(p["power_mw"]) != 4 * n or len(p["voltage_mv"]) not in (4, 4 * n):
            sizes = len(p["power_mw"]), n, len(p["voltage_mv"])
            raise wire.WireError(
                f"probe {p['probe_id']}: power, pf and voltage hold {sizes} bytes; "
                f"expected 4n, n and 4n (or 4) with n from {SAMPLES_MIN} to {SAMPLES_MAX}"
            )
