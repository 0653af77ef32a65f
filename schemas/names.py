"""Sensor ids as small integers, found for a whole batch at once."""

import numpy as np

from schemas.columns import Bytes, Int64s, gather

_WORD = 8
_MIX = np.uint64(0x9E3779B97F4A7C15)


class Names:
    """Gives each distinct id a code, in order of first appearance, and keeps it for the life of the process.

    Ids are compared as 64-bit hashes of their bytes against a sorted list, then checked byte by byte, so
    two ids that share a hash are still told apart.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self._codes: dict[bytes, int] = {}
        self._hashes = np.zeros(0, np.uint64)
        self._hash_codes = np.zeros(0, np.int64)
        self._words: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.names)

    def code(self, name: str) -> int:
        """The code of one id, new if it was never seen."""
        return self._code(name.encode())

    def codes(self, buffer: Bytes, starts: Int64s, lengths: Int64s) -> Int64s:
        """Find the codes of ids that stand in a buffer.

        Args:
            buffer: from `columns.join`.
            starts, lengths: shape (n,), where each id stands; at most 64 bytes each.

        Returns:
            shape (n,) codes; an id that is not UTF-8 gets -1.
        """
        out = np.full(len(starts), -1, np.int64)
        for length in np.unique(lengths).tolist():
            rows = np.flatnonzero(lengths == length)
            out[rows] = self._of_length(buffer, starts[rows], length)
        return out

    def _of_length(self, buffer: Bytes, starts: Int64s, length: int) -> Int64s:
        if length == 0 or length > 64:
            return np.full(len(starts), -1, np.int64)
        width = -(-length // _WORD) * _WORD
        words = gather(buffer, starts, width, "<u8")
        if width > length:
            words[:, -1] &= np.uint64((1 << (8 * (length - width + _WORD))) - 1)
        hashes = np.full(len(starts), length, np.uint64)
        for column in words.T:
            hashes = (hashes ^ column) * _MIX
            hashes ^= hashes >> np.uint64(29)
        codes, known = self._look_up(hashes, words)
        if not known.all():
            _, first = np.unique(hashes[~known], return_index=True)
            for row in np.flatnonzero(~known)[np.sort(first)].tolist():
                self._code(buffer[starts[row] : starts[row] + length].tobytes(), hashes[row], words[row])
            codes, known = self._look_up(hashes, words)
            for row in np.flatnonzero(~known).tolist():  # a shared hash, or not UTF-8
                codes[row] = self._code(buffer[starts[row] : starts[row] + length].tobytes())
        return codes

    def _look_up(self, hashes: np.ndarray, words: np.ndarray) -> tuple[Int64s, np.ndarray]:
        if not len(self._hashes):
            return np.full(len(hashes), -1, np.int64), np.zeros(len(hashes), np.bool_)
        at = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        codes = self._hash_codes[at]
        known = self._hashes[at] == hashes
        table = self._words.get(words.shape[1])
        if table is None:
            return codes, np.zeros(len(hashes), np.bool_)
        known &= (table[np.minimum(codes, len(table) - 1)] == words).all(axis=1)
        return codes, known

    def _code(self, raw: bytes, hashed: np.uint64 | None = None, words: np.ndarray | None = None) -> int:
        code = self._codes.get(raw)
        if code is None:
            try:
                name = raw.decode()
            except UnicodeDecodeError:
                return -1
            code = self._codes[raw] = len(self.names)
            self.names.append(name)
        if hashed is not None and words is not None and hashed not in self._hashes:
            at = int(np.searchsorted(self._hashes, hashed))
            self._hashes = np.insert(self._hashes, at, hashed)
            self._hash_codes = np.insert(self._hash_codes, at, code)
            table = self._words.get(len(words), np.zeros((0, len(words)), np.uint64))
            grown = np.zeros((max(len(table), code + 1 + code // 2), len(words)), np.uint64)
            grown[: len(table)] = table
            grown[code] = words
            self._words[len(words)] = grown if len(grown) > len(table) else table
            self._words[len(words)][code] = words
        return code
