"""Minutes that the cold path must rebuild from raw, as columns and as values of `power.late`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas import columns
from schemas.columns import Int64s

COPY = np.dtype([("log_offset", "<i8"), ("digest", "<i8"), ("second", "u1"), ("probe", "u1")])
"""One late probe-second: where it stands in the log, and the digest of its samples (digest.py)."""

Copies = npt.NDArray[Any]
"""Elements of COPY."""


@dataclass(frozen=True, slots=True)
class LateMinutes:
    """r late minutes; a minute with very many late readings stands here more than once.

    Attributes:
        names: the vocabulary that `sensor` indexes.
        sensor, minute_s: shape (r,).
        offset: shape (r,), of the newest late reading of each.
        copies: shape (c,) of COPY.
        edges: shape (r + 1,): copies[edges[i]:edges[i + 1]] are those of row i.
    """

    names: list[str]
    sensor: Int64s
    minute_s: Int64s
    offset: Int64s
    copies: Copies
    edges: Int64s

    def __len__(self) -> int:
        return len(self.sensor)


def encode_late(header: bytes, late: LateMinutes, partition: int) -> list[tuple[bytes, bytes]]:
    """Late minutes as (key, value) pairs.

    Args:
        header: `wire.header` of the schema's id.
        late: what to encode.
        partition: of `sensor.readings`, for all of them.
    """
    n = len(late)
    if not n:
        return []
    keys = [name.encode() for name in late.names]
    heads = columns.records(
        [
            columns.constant(header, n),
            columns.texts(keys, late.sensor),
            columns.varints(late.minute_s),
            columns.constant(columns.varint(partition), n),
            columns.varints(late.offset),
            columns.constant(columns.varint(1), n),  # of the union: not null
            columns.varints(np.diff(late.edges) * COPY.itemsize),
        ]
    )
    packed = late.copies.tobytes()
    ends = (late.edges * COPY.itemsize).tolist()
    bodies = [head + packed[start:end] for head, start, end in zip(heads, ends[:-1], ends[1:], strict=True)]
    return list(zip([keys[c] for c in late.sensor.tolist()], bodies, strict=True))


def copies_of(packed: bytes | None) -> Copies:
    """The late probe-seconds of one value; None: it was written before they were.

    Raises:
        ValueError: the bytes are not whole elements.
    """
    return np.frombuffer(packed or b"", COPY)
