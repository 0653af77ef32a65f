"""Lines to batches: per sensor, in file order, within the limits of one request and of our memory. Pure."""

from dataclasses import dataclass, field

from producers.ingest.lines import Line

RECORDS_MAX = 600
BYTES_MAX = 2 * 1024 * 1024 - 2048
"""Room for the envelope within the 2 MiB of a request."""

HELD_MAX = 32 * 1024 * 1024
"""Bytes of memory in batches that are still open."""

LINE_COST = 250
"""Bytes of memory a line takes beside its record."""


@dataclass(slots=True)
class Batch:
    """Lines of one sensor that share an envelope, in file order."""

    sensor_id: str
    version: bytes | None
    token: bytes | None
    lines: list[Line] = field(default_factory=list)
    size: int = 0

    def add(self, line: Line) -> None:
        self.lines.append(line)
        self.size += len(line.record) + 1

    @property
    def held(self) -> int:
        """Bytes of memory, roughly."""
        return self.size + LINE_COST * len(self.lines)

    def halves(self) -> tuple["Batch", "Batch"]:
        """The same lines in two batches."""
        middle = len(self.lines) // 2
        return self.of(self.lines[:middle]), self.of(self.lines[middle:])

    def of(self, lines: list[Line]) -> "Batch":
        """The same envelope around other lines."""
        made = Batch(self.sensor_id, self.version, self.token)
        for line in lines:
            made.add(line)
        return made

    def envelope(self, token: bytes) -> bytes:
        """The body for POST /powermon/data/batch.

        Args:
            token: JSON.
        """
        records = b",".join(line.record for line in self.lines)
        return self._head(token) + b',"records":[' + records + b"]}"

    def single(self, token: bytes) -> bytes:
        """The body for POST /powermon/data of a batch of one line."""
        (line,) = self.lines
        rest = line.record[1:-1]
        return self._head(token) + (b"," + rest if rest else b"") + b"}"

    def _head(self, token: bytes) -> bytes:
        version = b"" if self.version is None else b'"version":' + self.version + b","
        return b"{" + version + b'"sensor_id":"' + self.sensor_id.encode() + b'","token":' + token


class Grouping:
    """Gathers lines until a batch is full, its envelope changes, or too much is held."""

    def __init__(self, records_max: int = RECORDS_MAX, bytes_max: int = BYTES_MAX, held_max: int = HELD_MAX) -> None:
        self._records_max, self._bytes_max, self._held_max = records_max, bytes_max, held_max
        self._open: dict[str, Batch] = {}
        self._held = 0

    def add(self, line: Line) -> list[Batch]:
        """Take one line; returns the batches that are closed now, each sensor's in file order."""
        closed: list[Batch] = []
        batch = self._open.get(line.sensor_id)
        if batch is not None and (
            (batch.version, batch.token) != (line.version, line.token)
            or len(batch.lines) >= self._records_max
            or batch.size + len(line.record) + 1 > self._bytes_max
        ):
            closed.append(self._close(batch))
            batch = None
        if batch is None:
            batch = self._open[line.sensor_id] = Batch(line.sensor_id, line.version, line.token)
        batch.add(line)
        self._held += len(line.record) + 1 + LINE_COST
        if self._held > self._held_max:
            for largest in sorted(self._open.values(), key=lambda b: -b.size):
                closed.append(self._close(largest))
                if self._held <= self._held_max // 2:
                    break
        return closed

    def rest(self) -> list[Batch]:
        """Close what is still open."""
        return [self._close(batch) for batch in list(self._open.values())]

    def _close(self, batch: Batch) -> Batch:
        del self._open[batch.sensor_id]
        self._held -= batch.held
        return batch
