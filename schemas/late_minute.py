"""Minutes that the cold path must rebuild, as values of `power.late`."""

from collections.abc import Iterable

from schemas import columns
from schemas.columns import Int64s


def encode_late(
    header: bytes, names: list[str], sensor: Int64s, minute_s: Int64s, partition: int, offset: Int64s
) -> Iterable[tuple[bytes, bytes]]:
    """Late minutes as (key, value) pairs.

    Args:
        header: `wire.header` of the schema's id.
        names: the vocabulary that `sensor` indexes.
        sensor, minute_s, offset: shape (r,).
        partition: of `sensor.readings`, for all of them.
    """
    n = len(sensor)
    if not n:
        return []
    keys = [name.encode() for name in names]
    bodies = columns.records(
        [
            columns.constant(header, n),
            columns.texts(keys, sensor),
            columns.varints(minute_s),
            columns.constant(columns.varint(partition), n),
            columns.varints(offset),
        ]
    )
    return zip([keys[c] for c in sensor.tolist()], bodies, strict=True)
