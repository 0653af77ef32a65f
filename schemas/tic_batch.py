"""Values of `tic.frames` to columns, a whole run at a time."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from schemas import columns, tic_kernels, topics, wire
from schemas.columns import Bools, Bytes, Int64s
from schemas.names import Names
from schemas.run import Run
from schemas.sensor_reading import AHEAD_S
from schemas.tic_frame import TicFrame

MODES = ("standard", "historic")
EPOCH_S = 1_735_689_600
"""2025: a reader whose clock tells less was never told the time."""
_SECONDS_END = 1 << 32


def event_times(
    meter_s: Int64s, degraded: Bools, received_ms: Int64s, synchronised: Bools, appended_ms: Int64s
) -> tuple[Int64s, Bools]:
    """When frames were sent, UTC seconds; shape (n,) each. Everybody's rule.

    The meter's own time when it is there, not degraded, and not AHEAD_S ahead of a reader whose clock is right; else the
    reader's, unless it is impossible by a clock that nobody set: ahead of the log, or before EPOCH_S; then the log's. (By
    the log's time what was spooled during an outage would all have happened when it ended.)

    Args:
        meter_s: -1: none.

    Returns:
        the times, and whether each is certain: the log's time differs between copies of a frame, the others do not.
    """
    received_s = received_ms // 1000
    by_meter = (meter_s >= 0) & ~degraded & ~(synchronised & (meter_s > received_s + AHEAD_S))
    appended_s = appended_ms // 1000
    by_reader = synchronised | ((received_s >= EPOCH_S) & (received_s <= appended_s + AHEAD_S))
    return np.where(by_meter, meter_s, np.where(by_reader, received_s, appended_s)), by_meter | by_reader


def event_time(frame: TicFrame, appended_ms: int) -> int:
    """When one frame was sent, as `event_times`."""
    one = [-1 if frame.meter_at_s is None else frame.meter_at_s, frame.clock_degraded, frame.received_at_ms]
    numbers = [np.array([value]) for value in (*one, frame.clock_synchronised, appended_ms)]
    return int(event_times(*numbers)[0][0])


@dataclass(frozen=True, slots=True)
class FrameBatch:
    """n frames of one partition in log order.

    Attributes:
        run: where they came from; row: shape (n,), position of each in it.
        buffer: bytes that the spans in `table` point into.
        table: shape (n, FRAME_FIELDS) of tic_kernels.
        names: the vocabulary that `meter` indexes; shape (n,).
        offset, appended_ms: shape (n,), where in the log, and the log's own time of each.
        at_s, certain: shape (n,), from `event_times`.
    """

    run: Run
    row: Int64s
    buffer: Bytes
    table: Int64s
    names: list[str]
    meter: Int64s
    offset: Int64s
    appended_ms: Int64s
    at_s: Int64s
    certain: Bools

    def __len__(self) -> int:
        return len(self.offset)

    def message(self, at: int) -> tuple[bytes | None, bytes | None]:
        """Key and value of a frame as they came."""
        row = int(self.row[at])
        return self.run.key(row), self.run.value(row)

    def groups(self) -> Int64s:
        """The accepted groups of all frames: shape (sum of LABELS, GROUP_FIELDS) of tic_kernels."""
        out = np.empty((int(self.table[:, tic_kernels.LABELS].sum()), tic_kernels.GROUP_FIELDS), np.int64)
        tic_kernels.groups(self.buffer, self.table, out)
        return out

    def statuses(self) -> Int64s:
        """STGE of all frames: shape (n, STATUS_FIELDS) of tic_kernels, zeros where it was not sent."""
        out = np.empty((len(self), tic_kernels.STATUS_FIELDS), np.int64)
        tic_kernels.statuses(self.buffer, self.table, out)
        return out


class FrameDecoder:
    """Turns runs of raw values of `tic.frames` into columns.

    Args:
        schema_of: finds writers' schemas.
        names: the vocabulary of meter ids; shared by all batches of one process.
    """

    def __init__(self, schema_of: wire.SchemaOf, names: Names | None = None) -> None:
        self.names = Names() if names is None else names
        self._schema_of = schema_of
        self._layout = wire.layout(wire.raw_schema(topics.TIC_FRAMES))
        self._present: set[bytes] = set()

    def decode(self, run: Run) -> tuple[FrameBatch, list[tuple[int, str]]]:
        """Decode a run of one partition.

        Returns:
            the frames, and (position in the run, reason) of each value that is none.

        Raises:
            RegistryUnavailable: a schema id is new and the registry cannot be asked; nothing is lost, try again.
        """
        rejected: dict[int, str] = {}
        bodies: dict[int, bytes] = {}  # of other writers, in our layout
        heads = [run.buffer[at : at + wire.HEADER].tobytes() for at in run.value_at.tolist()]
        short = (run.value_length < wire.HEADER).tolist()
        for at in [i for i, head in enumerate(heads) if short[i] or not self._is_present(head)]:
            self._slow(run, at, bodies, rejected)
        while True:
            keep = np.array([at for at in range(len(run)) if at not in rejected], np.int64)
            buffer, starts, ends = _replaced(run, keep, bodies)
            table = np.empty((len(keep), tic_kernels.FRAME_FIELDS), np.int64)
            bad = np.empty(len(keep), np.bool_)
            tic_kernels.frames(buffer, starts, ends, table, bad)
            if not bad.any():
                break
            for at in keep[bad].tolist():
                if at in bodies:
                    rejected[at] = "the frame cannot be held in columns; expected what schemas/tic_frame.avsc says"
                else:
                    self._slow(run, at, bodies, rejected)
        batch = self._batch(run, keep, buffer, table)
        ahead = np.flatnonzero(batch.at_s > batch.appended_ms // 1000 + AHEAD_S)
        if len(ahead):
            for at in ahead.tolist():
                rejected[int(keep[at])] = _ahead(int(batch.at_s[at]), int(batch.appended_ms[at]))
            left = np.setdiff1d(np.arange(len(keep)), ahead)
            batch = self._batch(run, keep[left], buffer, table[left])
        return batch, sorted(rejected.items())

    def _batch(self, run: Run, keep: Int64s, buffer: Bytes, table: Int64s) -> FrameBatch:
        k = tic_kernels
        meter = self.names.codes(buffer, table[:, k.METER_AT], table[:, k.METER_LENGTH])
        flags = table[:, k.DEGRADED] != 0, table[:, k.SYNCHRONISED] != 0
        at_s, certain = event_times(table[:, k.METER_S], flags[0], table[:, k.RECEIVED_MS], flags[1], run.appended_ms[keep])
        offset, appended_ms = run.offset[keep], run.appended_ms[keep]
        return FrameBatch(run, keep, buffer, table, self.names.names, meter, offset, appended_ms, at_s, certain)

    def _is_present(self, head: bytes) -> bool:
        """Whether the layout of the schema that a value names is the present one."""
        if head in self._present:
            return True
        schema = self._schema_of(int.from_bytes(head[1:], "big")) if head[0] == 0 else None
        if schema is None or wire.layout(schema) != self._layout:
            return False
        self._present.add(head)
        return True

    def _slow(self, run: Run, at: int, bodies: dict[int, bytes], rejected: dict[int, str]) -> None:
        """One value in our layout, or why it is no frame."""
        try:
            record = wire.decode(topics.TIC_FRAMES, run.value(at), self._schema_of)
        except wire.WireError as error:
            rejected[at] = str(error)
            return
        problem = _problem(record)
        if problem is None:
            bodies[at] = wire.encode_body(topics.TIC_FRAMES, record)
        else:
            rejected[at] = problem


def _replaced(run: Run, keep: Int64s, bodies: dict[int, bytes]) -> tuple[Bytes, Int64s, Int64s]:
    """Where the bodies of these messages stand; those of other writers are laid behind the rest."""
    starts = run.value_at[keep] + wire.HEADER
    ends = run.value_at[keep] + run.value_length[keep]
    if not bodies:
        return run.buffer, starts, ends
    behind = len(run.buffer) - columns.PAD
    more, more_starts, more_ends = columns.join(list(bodies.values()))
    at = np.searchsorted(keep, np.fromiter(bodies, np.int64, len(bodies)))
    mine = (at < len(keep)) & (keep[np.minimum(at, len(keep) - 1)] == np.fromiter(bodies, np.int64, len(bodies)))
    starts[at[mine]], ends[at[mine]] = more_starts[mine] + behind, more_ends[mine] + behind
    return np.concatenate((run.buffer[:behind], more)), starts, ends


def _ahead(at_s: int, appended_ms: int) -> str:
    return f"the frame's time {at_s} is {at_s - appended_ms // 1000} s ahead of the log's clock; expected at most {AHEAD_S} s"


def _problem(record: dict[str, Any]) -> str | None:
    """Which rule of `tic_kernels.frames` a record breaks, in words; it may break one that is not told here."""
    for name in ("meter_id", "boot_id"):
        if not 1 <= len(record[name]) <= 64 or not _printable(record[name]):
            return f"{name} is {record[name][:40]!r}; expected 1 to 64 printable ASCII characters"
    for name in ("counter", "monotonic_ms", "received_at_ms"):
        if not 0 <= record[name] < (_SECONDS_END * 1000 if name == "received_at_ms" else 1 << 63):
            return f"{name} is {record[name]}; expected no negative number, and no time after 2106"
    if not 1 <= len(record["labels"]) <= 256:
        return f"{len(record['labels'])} labels came; expected 1 to 256"
    seconds = [record["meter_at_s"], *(one["at_s"] for one in record["labels"])]
    if any(one is not None and not 0 <= one < _SECONDS_END for one in seconds):
        return f"times are {[one for one in seconds if one is not None][:9]}; expected UTC seconds from 1970 to 2106"
    return next(filter(None, map(_label_problem, record["labels"])), None)


def _label_problem(label: dict[str, Any]) -> str | None:
    texts = [label["label"], *([label["value"]] if isinstance(label["value"], str) else [])]
    if all(text and _printable(text) for text in texts) and len(texts[0]) <= 16 and len(texts[-1]) <= 256:
        return None
    return f"label {texts[0][:20]!r} has {texts[-1][:20]!r}; expected printable ASCII, the label in 16 characters"


def _printable(text: str) -> bool:
    return text.isascii() and (text == "" or text.isprintable())
