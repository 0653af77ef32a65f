"""Parts of batches of records, in the order of the log, put together."""

from dataclasses import dataclass, field

import numpy as np

from schemas.record_part import MOVED, REMOVED, RecordPart, Records

GIVE_UP_MS = 600_000
"""A batch whose first part is older than this, by the log's own time, has lost its writer: it never takes effect."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A whole batch.

    Attributes:
        first, last: offsets of its first and last part; the last is when it takes effect.
    """

    first: int
    last: int
    records: Records

    @property
    def is_plain(self) -> bool:
        """Whether it only sets records, whatever stands in their place: such a batch is never refused."""
        return not (self.records["record_id"].any() or (self.records["flags"] & (REMOVED | MOVED)).any())


@dataclass(frozen=True, slots=True)
class Torn:
    """The last part of a batch that is not whole: it takes no effect."""

    last: int


@dataclass(slots=True)
class _Open:
    first: int
    at_ms: int
    parts: int
    pieces: list[Records] = field(default_factory=list)


class OpenBatches:
    """Batches of which some parts have come.

    What comes out depends on the parts from the first of each batch on, so reading may begin at `oldest` again.
    """

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}

    @property
    def oldest(self) -> int | None:
        """The offset where the oldest of them begins."""
        return min((one.first for one in self._open.values()), default=None)

    def take(self, offset: int, at_ms: int, part: RecordPart) -> Batch | Torn | None:
        """Take the next part of the log.

        Args:
            at_ms: when the log took it.

        Returns:
            what it ends: a batch, or a torn one; None when it ends nothing.
        """
        for batch_id in [name for name, one in self._open.items() if one.at_ms < at_ms - GIVE_UP_MS]:
            del self._open[batch_id]
        if part.part == 0:
            self._open[part.batch_id] = _Open(offset, at_ms, part.parts)
        known = self._open.get(part.batch_id)
        fits = known is not None and len(known.pieces) == part.part and known.parts == part.parts
        if known is not None and fits:
            known.pieces.append(part.records)
        is_last = part.part == part.parts - 1
        if is_last or not fits:
            self._open.pop(part.batch_id, None)
        if not is_last:
            return None
        return Batch(known.first, offset, np.concatenate(known.pieces)) if known is not None and fits else Torn(offset)
