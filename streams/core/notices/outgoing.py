"""The messages of one receiver: which is due, and what became of each."""

from collections.abc import Iterable
from dataclasses import replace

from schemas.notification import DELIVERED, DONE, DUE, GIVEN_UP, HELD, LATE, SUMMARY, SUMMED, Notification
from streams.core.notices import retry

KEEP_S = 7 * 86_400.0
"""How long messages that are done with stay in the log."""

DONE_WITH = (DELIVERED, GIVEN_UP, SUMMED)
"""States in which nothing more is done with a message."""

_HOUR_S = 3600.0

Changed = dict[str, Notification | None]
"""Records to be written, by id; None: it may go."""


class Outgoing:
    """Records by id, and those that are not in the log as they are here.

    Args:
        records: of the log, of this receiver.
    """

    def __init__(self, records: Iterable[Notification]) -> None:
        self.records = {record.id: record for record in records}
        self.changed: Changed = {}
        self._next_s: dict[str, float] = {}  # of messages that were not taken

    # ---- for who decides what is told

    def put(self, record: Notification) -> None:
        """Add or change a record."""
        self.records[record.id] = self.changed[record.id] = record

    def settle(self, record: Notification, state: str, reason: str, now_s: float, attempts: int | None = None) -> None:
        """Nothing more is done with a message."""
        tried = record.attempts if attempts is None else attempts
        self._next_s.pop(record.id, None)
        self.put(replace(record, state=state, reason=reason, attempts=tried, changed_ms=int(now_s * 1000)))

    def sent_in_hour(self, now_s: float) -> int:
        """Messages of the last hour that went out, or will, but for summaries."""
        since_ms = (now_s - _HOUR_S) * 1000
        sent = (DUE, DELIVERED, GIVEN_UP)
        return sum(one.made_ms > since_ms and one.state in sent and one.transition != SUMMARY for one in self.records.values())

    def forget_old(self, now_s: float) -> None:
        """Messages that were done with long ago may go."""
        for record in list(self.records.values()):
            if record.state in DONE_WITH and record.stage in ("", DONE) and now_s - record.changed_ms / 1000 > KEEP_S:
                del self.records[record.id]
                self.changed[record.id] = None

    def clear(self) -> None:
        """The receiver is gone."""
        self.changed = dict.fromkeys(self.records)
        self.records.clear()

    # ---- for who sends

    def due(self, now_s: float) -> Notification | None:
        """The message to send now; those of one group keep their order, and none is sent before it is in the log."""
        blocked: set[str] = set()
        for record in sorted(self.records.values(), key=lambda one: one.made_ms):
            if record.state != DUE or record.group in blocked:
                continue
            if record.id not in self.changed and self._next_s.get(record.id, now_s) <= now_s:
                return record
            blocked.add(record.group)
        return None

    def waiting(self) -> int:
        """Messages that are due, or held for a summary."""
        return sum(one.state in (DUE, HELD) and one.transition != LATE for one in self.records.values())

    def heads(self, record: Notification) -> list[Notification]:
        """The first messages of the groups that a message is about."""
        covered = [self.records[id] for id in record.covers if id in self.records] or [record]
        groups = dict.fromkeys(one.group for one in covered)
        return [self.records[group] for group in groups if group in self.records]

    def delivered(self, id: str, now_s: float) -> None:
        """The receiver has taken it."""
        if (record := self.records.get(id)) is not None:
            self.settle(record, DELIVERED, "", now_s, record.attempts + 1)

    def refused(self, id: str, reason: str, now_s: float) -> None:
        """The receiver will never take it; what follows on it is not told either."""
        record = self.records.get(id)
        if record is None:
            return
        self.settle(record, GIVEN_UP, reason, now_s, record.attempts + 1)
        if record.stage:
            for other in list(self.records.values()):
                if other.group == id and other.id != id and other.state in (DUE, HELD):
                    self.settle(other, GIVEN_UP, "what it follows on was given up", now_s)

    def failed(self, id: str, reason: str, asked_s: float | None, chance: float, now_s: float) -> float | None:
        """The receiver did not take it this time.

        Returns:
            seconds until the next attempt; None: given up.
        """
        record = self.records.get(id)
        if record is None:
            return None
        if retry.given_up(record.made_ms / 1000, now_s):
            self.refused(id, reason, now_s)
            return None
        pause_s = retry.pause_s(record.attempts + 1, asked_s, chance)
        self._next_s[id] = now_s + pause_s
        self.put(replace(record, attempts=record.attempts + 1, reason=reason, changed_ms=int(now_s * 1000)))
        return pause_s
