"""Frames on their way to the log: on disk until somebody acknowledged them."""

import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import structlog

from infra.errors import ConfigurationError
from producers.tic import spool_file, spool_row
from producers.tic.spool_file import Broken, Options, SpoolFile, Unavailable
from producers.tic.spool_row import Row
from schemas import avro, tic_frame, topics
from schemas.registry import text_of
from schemas.tic_frame import TicFrame

MEMORY_FRAMES = 2000
"""Frames that are kept without a disk: half an hour, 2 MB."""

DONE_UNSAVED = 1000
"""What was delivered goes to disk with the next frames, which costs nothing; with this many by itself."""

DROPPED_EVERY_S = 3600.0
_AWAY = 1 << 62
"""Frames are numbered from here while the file was never seen: no such number is ever one of the file's."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """One frame.

    Attributes:
        seq: grows with each frame; says nothing else.
        body: Avro by this build's tic_frame.avsc, without the five bytes of the wire format.
    """

    seq: int
    body: bytes
    meter_id: str


@dataclass(frozen=True, slots=True)
class Depth:
    """What waits.

    Attributes:
        bytes: of the file, or of the memory while there is no file.
        oldest_age_s: by the machine's clock; 0 when nothing waits.
    """

    frames: int
    bytes: int
    oldest_age_s: float


@dataclass(frozen=True, slots=True)
class _Held:
    seq: int
    at_s: int
    body: bytes


class Spool:
    """A queue that outlives the process and the power. May be used by several threads; calls may wait for the disk.

    A frame comes out until `done` has named it, and again after a crash if `done` was not on disk yet. While the disk
    takes nothing (full, read-only, gone) frames wait in memory, MEMORY_FRAMES at most.

    Args:
        path: the file; made if need be.
        limit_bytes: of the file; beyond it the oldest frames are thrown away.
        clock: UTC seconds.

    Attributes:
        dropped: frames thrown away for want of room.
        lost: frames that were damaged on disk.
        broken: files that were damaged and moved aside.
        trouble: why frames wait in memory only; None when all is well.

    Raises:
        ConfigurationError: another process has the file.
    """

    def __init__(
        self, path: Path, limit_bytes: int, clock: Callable[[], float] = time.time, options: Options | None = None
    ) -> None:
        self.dropped = self.lost = self.broken = 0
        self.trouble: str | None = None
        self._path, self._limit, self._clock, self._options = path, limit_bytes, clock, options
        self._log = structlog.get_logger(__name__)
        self._lock = threading.RLock()
        text = text_of(topics.TIC_FRAMES)
        self._schema = sha256(text.encode()).digest()[:8], text
        self._file: SpoolFile | None = None
        self._closed = False
        self._memory: deque[_Held] = deque()
        self._next, self._done, self._saved = _AWAY, _AWAY - 1, _AWAY - 1
        self._holes: deque[range] = deque()
        self._told_s, self._told = float("-inf"), 0
        self._listeners: list[Callable[[], object]] = []
        self._attempt(lambda _: None, first=True)

    # ---- what others call

    def listen(self, woken: Callable[[], object]) -> Callable[[], None]:
        """Call this after each `put`, from its thread. Returns what ends it."""
        self._listeners.append(woken)
        return lambda: self._listeners.remove(woken)

    def put(self, frames: Sequence[TicFrame]) -> None:
        """Keep frames; on disk when it returns, unless `trouble` says otherwise."""
        at_s = int(self._clock())
        bodies = [frame.body() for frame in frames]
        with self._lock:
            for body in bodies:
                self._memory.append(_Held(self._next, at_s, body))
                self._next += 1
            self._attempt(self._store)
            if len(self._memory) > MEMORY_FRAMES:
                self._make_room()
        for woken in tuple(self._listeners):
            woken()

    def oldest(self, limit: int) -> list[Entry]:
        """The oldest frames that are not done, in order."""
        with self._lock:
            found = self._attempt(lambda file: self._read(file, limit)) or []
            found += [_entry(held.seq, held.body) for held in list(self._memory)[: max(limit - len(found), 0)]]
            first = found[0].seq if found else self._next
            if self._file is not None and first > self._done + 1:
                self._pass_over(first)
            return found

    def done(self, seqs_through: int) -> None:
        """Everything up to this number was delivered."""
        with self._lock:
            if not self._done < seqs_through < self._next:  # of before the file was seen: it will be sent once more
                return
            self._done = seqs_through
            while self._memory and self._memory[0].seq <= self._done:
                self._memory.popleft()
            if self._done - self._saved >= DONE_UNSAVED:
                self._attempt(self._store)

    def depth(self) -> Depth:
        """How much waits, and since when."""
        with self._lock:
            frames = self._next - 1 - self._done - self._thrown(self._next)
            if not frames:
                return Depth(0, self._attempt(SpoolFile.used_bytes) or 0, 0.0)
            oldest = self._attempt(self._oldest_row)
            at_s = oldest.at_s if oldest is not None else self._memory[0].at_s if self._memory else self._clock()
            size = self._attempt(SpoolFile.used_bytes)
            held = sum(len(one.body) for one in self._memory)
            return Depth(frames, held if size is None else size, max(self._clock() - at_s, 0.0))

    def close(self) -> None:
        """Save what is done, and leave one whole file. From then on nothing is read or written."""
        with self._lock:
            self._attempt(self._save)
            self._closed = True
            if self._file is not None:
                self._file.close()
                self._file = None

    # ---- with the file

    def _attempt(self, work: Callable[[SpoolFile], T], *, first: bool = False) -> T | None:
        """Do something with the file; None when there is none that works now."""
        for _ in range(0 if self._closed else 2):
            try:
                if self._file is None:
                    self._open()
                assert self._file is not None
                result = work(self._file)
            except Unavailable as error:
                if error.in_use and first:
                    raise ConfigurationError(
                        f"{self._path} is used by another process; stop it, or give this one a spool of its own"
                    ) from error
                self._give_up(str(error), full=error.full)
                return None
            except Broken as error:
                if not self._begin_anew(error):
                    return None
                continue
            return result
        if not self._closed:
            self._give_up(f"{self._path} is broken again and again")
        return None

    def _open(self) -> None:
        with contextlib.suppress(OSError):  # SQLite says it better
            self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = SpoolFile(self._path, self._schema, self._options)
        self._known(self._file.newest)

    def _known(self, newest: Row | None) -> None:
        """Go on after what the file holds."""
        if self._next >= _AWAY:
            # Seen for the first time: what came meanwhile goes behind what it holds.
            following = 1 if newest is None else newest.last + 1
            self._memory = deque(_Held(seq, held.at_s, held.body) for seq, held in enumerate(self._memory, following))
            self._next = following + len(self._memory)
            self._done = self._saved = 0 if newest is None else newest.done
            self._holes.clear()
        elif newest is not None:
            self._done = self._saved = max(self._done, newest.done)

    def _give_up(self, why: str, *, full: bool = False) -> None:
        if self.trouble is None:
            self._log.error("frames wait in memory only", why=why, at_most=MEMORY_FRAMES)
        self.trouble = why
        if self._file is not None and not full:
            self._file.close()
            self._file = None

    def _begin_anew(self, error: Broken) -> bool:
        """Move the broken file aside and take over what is right in it."""
        self.broken += 1
        if self._file is not None:
            self._file.close()
            self._file = None
        try:
            aside = spool_file.set_aside(self._path)
            self._file = SpoolFile(self._path, self._schema, self._options)
            rows = self._file.salvage(aside)
        except (Unavailable, Broken) as problem:
            self._give_up(str(problem))
            return False
        self._known(self._file.newest)
        kept = [str(path) for path in aside]
        self._log.error("the spool's file was broken; a new one is begun", why=str(error), moved_to=kept, batches_saved=rows)
        return True

    def _store(self, file: SpoolFile) -> None:
        """Memory to disk, and what is done off the disk."""
        held = list(self._memory)
        rows: list[Row] = []
        if held:
            bodies = [one.body for one in held]
            rows.extend(spool_row.rows(bodies, held[0].seq, self._done, held[0].at_s, self._schema[0], spool_file.ROW_MAX_BYTES))
        else:
            rows.extend(self._marker(file))
        first = file.write(rows, self._done, self._limit)
        self._saved = self._done
        self._memory.clear()
        if first > self._done + 1:
            self._drop(first - 1 - self._done - self._thrown(first))
            self._done = first - 1
        if self.trouble is not None:
            self._log.info("the spool's file works again", file=str(self._path))
            self.trouble = None

    def _save(self, file: SpoolFile) -> None:
        if self._memory:
            self._store(file)
        if rows := self._marker(file):
            file.write(rows, self._done)

    def _marker(self, file: SpoolFile) -> list[Row]:
        """What says how far frames are done, when the file does not: what is taken off it would else count as damaged."""
        newest = file.newest
        if newest is None or newest.done == self._done:
            return []
        return [spool_row.marker(self._next, self._done, int(self._clock()), self._schema[0])]

    def _read(self, file: SpoolFile, limit: int) -> list[Entry]:
        found: list[Entry] = []
        end = self._memory[0].seq if self._memory else self._next
        with contextlib.closing(file.read(self._done + 1)) as rows:  # an open cursor would hold the log of writes
            for row in rows:
                bodies = [] if row is None else self._bodies(file, row)
                for seq, body in enumerate(bodies, 0 if row is None else row.first):
                    if self._done < seq < end and body is not None and len(found) < limit:
                        found.append(_entry(seq, body))
                if len(found) >= limit:
                    break
        return found

    def _bodies(self, file: SpoolFile, row: Row) -> list[bytes | None]:
        """A row's bodies by the schema of this build; None for one that cannot be had."""
        if row.schema == self._schema[0]:
            return list(row.bodies())
        text = file.schema_of(row.schema)
        if text is None:
            return [None] * row.frames
        name = row.schema.hex()
        found: list[bytes | None] = []
        for body in row.bodies():
            try:
                writer = json.loads(text)
                found.append(tic_frame.of_record(avro.decode_body(topics.TIC_FRAMES, body, writer, name)).body())
            except (avro.WireError, ValueError):
                found.append(None)
        return found

    def _oldest_row(self, file: SpoolFile) -> Row | None:
        with contextlib.closing(file.read(self._done + 1)) as rows:
            return next((row for row in rows if row is not None and row.last > self._done), None)

    def _pass_over(self, first: int) -> None:
        """There is nothing before this frame: what is not there was thrown away, or is damaged."""
        lost = first - self._done - 1 - self._thrown(first)
        if lost:
            self.lost += lost
            self._log.error("frames are damaged in the spool", frames=lost, file=str(self._path))
        self._done = first - 1

    def _thrown(self, before: int) -> int:
        """How many frames that are not done, with a number below this, were thrown away from memory."""
        while self._holes and self._holes[0].stop <= self._done + 1:
            self._holes.popleft()
        return sum(max(min(hole.stop, before) - max(hole.start, self._done + 1), 0) for hole in self._holes)

    def _make_room(self) -> None:
        """No disk for long, or a full one: the oldest must go."""
        if self._file is not None:
            self._attempt(self._squeeze)
        over = len(self._memory) - MEMORY_FRAMES
        if over > 0:
            first = self._memory[0].seq
            for _ in range(over):
                self._memory.popleft()
            if first == self._done + 1:
                self._done += over
            elif self._holes and self._holes[-1].stop == first:
                self._holes[-1] = range(self._holes[-1].start, first + over)
            else:
                self._holes.append(range(first, first + over))
            self._drop(over)

    def _squeeze(self, file: SpoolFile) -> None:
        """Give up as much of the oldest on the disk as the newest needs."""
        file.reclaim()
        need = 2 * spool_file.PAGE_BYTES + sum(len(held.body) for held in self._memory)
        first = file.write((), self._done, max(file.used_bytes() - need, 0))
        if first > self._done + 1:
            self._drop(first - 1 - self._done - self._thrown(first))
            self._done = first - 1
        file.reclaim()
        self._store(file)

    def _drop(self, frames: int) -> None:
        if frames <= 0:
            return
        self.dropped += frames
        now_s = self._clock()
        if now_s - self._told_s >= DROPPED_EVERY_S:
            self._log.error("the spool is full; the oldest frames are thrown away", frames=self.dropped - self._told)
            self._told_s, self._told = now_s, self.dropped


def _entry(seq: int, body: bytes) -> Entry:
    return Entry(seq, body, tic_frame.meter_of(body))
