"""Messages of one partition in log order, still in the bytes they came in."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schemas import columns
from schemas.columns import Bytes, Int64s


@dataclass(frozen=True, slots=True)
class Run:
    """k messages; every array has shape (k,).

    Attributes:
        buffer: padded bytes that the spans point into.
        key_at, key_length, value_at, value_length: spans of the buffer; length -1 = null.
        offset: ascending.
        appended_ms: the log's time of each.
    """

    buffer: Bytes
    key_at: Int64s
    key_length: Int64s
    value_at: Int64s
    value_length: Int64s
    offset: Int64s
    appended_ms: Int64s

    @classmethod
    def of(
        cls,
        values: Sequence[bytes | None],
        offset: Sequence[int],
        appended_ms: Sequence[int],
        keys: Sequence[bytes | None] | None = None,
    ) -> "Run":
        """A run of messages that are separate byte strings."""
        k = len(values)
        parts = [*(keys or [None] * k), *values]
        buffer, starts, ends = columns.join([part or b"" for part in parts])
        lengths = np.where([part is None for part in parts], -1, ends - starts)
        times = np.asarray(appended_ms, np.int64)
        return cls(buffer, starts[:k], lengths[:k], starts[k:], lengths[k:], np.asarray(offset, np.int64), times)

    def __len__(self) -> int:
        return len(self.offset)

    def value(self, at: int) -> bytes | None:
        return self._bytes(self.value_at[at], self.value_length[at])

    def key(self, at: int) -> bytes | None:
        return self._bytes(self.key_at[at], self.key_length[at])

    def part(self, start: int, stop: int) -> "Run":
        """Messages start to stop, on the same buffer."""
        s = slice(start, stop)
        return Run(
            self.buffer,
            self.key_at[s],
            self.key_length[s],
            self.value_at[s],
            self.value_length[s],
            self.offset[s],
            self.appended_ms[s],
        )

    def _bytes(self, start: np.int64, length: np.int64) -> bytes | None:
        return None if length < 0 else self.buffer[start : start + length].tobytes()
