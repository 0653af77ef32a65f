"""Folds a log of readings as the worker does, with cuts and crashes, and keeps what comes out as a keyed table would."""

import numpy as np

from schemas import topics, wire
from schemas.conflict import Conflicts
from schemas.late_minute import Copies
from schemas.power_minute import MinuteRows
from schemas.reading_decoder import ReadingDecoder
from schemas.run import Run
from schemas.sensor_reading import ProbeSecond, SensorReading
from streams.core.rebuild import Lists, differing, figures_of
from streams.core.window import Checkpoint, Partition

ID = 7
T0 = 1_800_000_000 - 1_800_000_000 % 60
LATENESS_S = 120

Log = list[tuple[int, SensorReading]]
Row = dict[str, object]
Rows = dict[tuple[str, int, int], Row]
Conflict = tuple[str, int, int, int, int]
"""Sensor, second, probe, offset of the first copy and of the one that differs."""


def batch_of(decoder: ReadingDecoder, log: Log, start: int, stop: int):
    part = log[start:stop]
    values = [wire.encode_sensor_reading(ID, one) for _, one in part]
    batch, rejected = decoder.decode(Run.of(values, range(start, stop), [at for at, _ in part]))
    assert rejected == []
    return batch


def rows_of(minutes: MinuteRows) -> Rows:
    out: Rows = {}
    for r in range(len(minutes)):
        for k in range(3):
            fields = {name: int(values[k, r]) for name, values in minutes.probes.items()}
            if fields["seconds_mask"]:
                key = (minutes.names[minutes.sensor[r]], int(minutes.minute_s[r]), k + 1)
                out[key] = fields | {"version": int(minutes.version[r])}
    return out


class Sinked:
    """Collects upserts as a keyed table does, and holds them to one content per version."""

    def __init__(self) -> None:
        self.rows: Rows = {}
        self.late: dict[tuple[str, int], int] = {}
        self.contents: dict[tuple[str, int, int, int], Row] = {}
        self.conflicts: set[Conflict] = set()
        self.copies: dict[tuple[str, int], list[Copies]] = {}

    def take(self, checkpoint: Checkpoint) -> None:
        for key, row in rows_of(checkpoint.minutes).items():
            assert self.contents.setdefault((*key, int(str(row["version"]))), row) == row, "two contents for one version"
            if key not in self.rows or row["version"] >= self.rows[key]["version"]:  # type: ignore[operator]
                self.rows[key] = row
        late = checkpoint.late
        for s, m, o in zip(late.sensor.tolist(), late.minute_s.tolist(), late.offset.tolist(), strict=True):
            self.late[late.names[s], m] = max(o, self.late.get((late.names[s], m), -1))
        for r, (s, m) in enumerate(zip(late.sensor.tolist(), late.minute_s.tolist(), strict=True)):
            self.copies.setdefault((late.names[s], m), []).append(late.copies[late.edges[r] : late.edges[r + 1]])
        self.conflicts |= conflicts_of(checkpoint.conflicts)

    def conflicts_with(self, log: Log) -> set[Conflict]:
        """Those of the hot path, and those the rebuilder finds when raw holds the first copies of this log."""
        raw = first_copies(log)
        found, rows = differing(
            sensors := sorted({key[0] for key in raw}),
            *(
                np.array(column, np.int64)
                for column in zip(*((sensors.index(s), t, o, k - 1) for (s, t, k), (o, _) in raw.items()))
            ),
            np.array([digest_of(p) for _, p in raw.values()], np.int64),
            {minute: np.concatenate(copies) for minute, copies in self.copies.items()},
        )
        assert len(rows) == len(found)
        return self.conflicts | conflicts_of(found)


def conflicts_of(found: Conflicts) -> set[Conflict]:
    columns = (found.sensor, found.timestamp_s, found.probe, found.first_offset, found.later_offset)
    return {(found.names[s], t, k + 1, a, b) for s, t, k, a, b in zip(*(c.tolist() for c in columns), strict=True)}


def first_copies(log: Log) -> dict[tuple[str, int, int], tuple[int, ProbeSecond]]:
    """The offset and content of the first copy of each probe-second."""
    first: dict[tuple[str, int, int], tuple[int, ProbeSecond]] = {}
    for offset, (_, one) in enumerate(log):
        for p in one.probes:
            first.setdefault((one.sensor_id, one.timestamp_s, p.probe_id), (offset, p))
    return first


def digest_of(p: ProbeSecond) -> int:
    """As the rebuilder makes it, from lists."""
    lists = [Lists(np.array(values), np.array([0, len(values)])) for values in (p.power_mw, p.pf_pct, p.voltage_mv)]
    return int(figures_of(*lists).digest[0])


def run(log: Log, cuts: list[int], crashes: list[int] = [], lost: list[int] = []) -> Sinked:  # noqa: B006
    """Fold a log, with checkpoints at cuts; a crash goes back to the last commit, also when outputs were already sent."""
    sink, state, committed = Sinked(), Partition(LATENESS_S * 1000), None
    decoder = ReadingDecoder(lambda i: wire.raw_schema(topics.READINGS))
    edges = sorted({0, len(log), *(c for c in cuts if c <= len(log))})
    at = step = 0
    pending = [c for c in crashes if c <= len(edges)]
    while at < len(log):
        stop = next(e for e in edges if e > at)
        state.fold(batch_of(decoder, log, at, stop))
        at = stop
        step += 1
        checkpoint = state.checkpoint(decoder.names.names)
        if step not in lost:
            sink.take(checkpoint)
        if step in pending:  # sent, but the commit never happened
            pending.remove(step)
            decoder = ReadingDecoder(lambda i: wire.raw_schema(topics.READINGS))
            state = Partition.restore(committed, LATENESS_S * 1000)
            at = state.next_offset
        elif step not in lost:
            committed = checkpoint.position
        else:  # died before it was sent
            decoder = ReadingDecoder(lambda i: wire.raw_schema(topics.READINGS))
            state = Partition.restore(committed, LATENESS_S * 1000)
            at = state.next_offset
    return sink
