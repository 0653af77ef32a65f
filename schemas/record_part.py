"""Records of a series (a trace's consumption, a station's weather) as columns, and as values of their topics."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas import wire
from schemas.topics import Topic

RECORD = np.dtype([("series", "<i8"), ("start_us", "<i8"), ("value", "<f8"), ("record_id", "<i8"), ("flags", "u1")])
"""One record to set or remove; as in record_part.avsc."""

Records = npt.NDArray[Any]
"""Elements of RECORD."""

ESTIMATED, REMOVED, MOVED = 1, 2, 4

PART = 27_000
"""Records of one part at most: 891 kB, below what the log takes in one message."""


@dataclass(frozen=True, slots=True)
class RecordPart:
    """As in record_part.avsc."""

    batch_id: str
    part: int
    parts: int
    records: Records


PARTS_AT_ONCE = 20


def encode_parts(topic: Topic, schema_id: int, batch_id: str, records: Records, since: int = 0) -> list[tuple[bytes, bytes]]:
    """Parts of a batch as (key, value) pairs, in the order in which they must be published; none when it is empty.

    Args:
        records: all of the batch.
        since: which of them is the first of these parts, of which there are no more than PARTS_AT_ONCE.
    """
    starts = range(0, len(records), PART)
    return [
        (
            str(int(records["series"][at])).encode(),
            wire.encode(
                topic,
                schema_id,
                {"batch_id": batch_id, "part": n, "parts": len(starts), "records": records[at : at + PART].tobytes()},
            ),
        )
        for n, at in enumerate(starts)
        if since <= at < since + PARTS_AT_ONCE * PART
    ]


def decode_part(topic: Topic, value: bytes | None, schema_of: wire.SchemaOf) -> RecordPart:
    """One value of either topic.

    Raises:
        WireError: it is none.
    """
    found = wire.decode(topic, value, schema_of)
    packed: bytes = found["records"]
    if not packed or len(packed) % RECORD.itemsize or not 0 <= found["part"] < found["parts"]:
        raise wire.WireError(
            f"part {found['part']} of {found['parts']} with {len(packed)} bytes of records came; "
            f"expected a part from 0 on and a multiple of {RECORD.itemsize} bytes"
        )
    records = np.frombuffer(packed, RECORD)
    if (records["series"] < 1).any() or (records["record_id"] < 0).any():
        raise wire.WireError("a record of series 0 or of a negative id came; expected series from 1 on and ids from 0 on")
    return RecordPart(found["batch_id"], found["part"], found["parts"], records)


def weather_series(station: int, *, normal: bool) -> int:
    """The series of a station: what was observed, or a normal year."""
    return 2 * station + normal
