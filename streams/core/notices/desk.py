"""One receiver's messages: what it is told of the anomalies that it wants, and what became of each message.

Everything that must outlive a crash stands in the records, which the caller keeps as a keyed log; the rest is made anew
by reading the anomalies again from `position`.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace

from schemas import anomaly as anomalies
from schemas.anomaly import CLOSED, SEVERE
from schemas.notification import (
    BEGAN,
    DONE,
    DUE,
    ENDED,
    GIVEN_UP,
    HAPPENED,
    HELD,
    LATE,
    OPEN,
    OVER,
    PARTLY,
    SUMMARY,
    SUMMED,
    WITHDRAWN,
    Notification,
    NotifiedAnomaly,
)
from streams.core.notices import document
from streams.core.notices.document import notice_id
from streams.core.notices.outgoing import DONE_WITH, Outgoing
from streams.core.notices.rules import Place, Rules

WINDOW_S = 60.0
"""Anomalies of a rule and a place that begin within it are told together, and no message waits longer for others."""

PARTLY_S = 300.0
"""When a part of a group is over and nothing more has ended for so long, that is told, once."""

LATE_S = 3600.0
"""What was over so long ago when it became known is only counted, in the next summary."""

SUMMARY_EVERY_S = 600.0
"""How often what is more than a receiver's messages an hour is summed up."""

REMEMBER_S = 7200.0
"""A group that is over is known so much longer: longer than anything of it may come again."""

MEMBERS_MAX = 1000
"""Anomalies of one group: a record must fit a message of the log."""


@dataclass(slots=True)
class _Pending:
    """An anomaly not told yet."""

    anomaly: NotifiedAnomaly
    place: Place
    seen_s: float
    at: tuple[int, int]


class Desk:
    """The state of one receiver; `out` holds its messages.

    Args:
        receiver: its id.
        rules: what it wants; may be replaced at any time.
        records: of the log, of this receiver.
        now_s: UTC seconds, as everywhere here.
    """

    def __init__(self, receiver: str, rules: Rules, records: Iterable[Notification], now_s: float) -> None:
        self.receiver, self.rules = receiver, rules
        self.out = Outgoing(records)
        self._pending: dict[str, _Pending] = {}
        self._group_of: dict[str, str] = {}
        self._moved_s: dict[str, float] = {}  # when an anomaly of the group last changed
        self._late_upto: dict[int, int] = {}
        self._members: dict[str, dict[str, NotifiedAnomaly]] = {}
        for record in self.out.records.values():
            if record.stage in (OPEN, OVER):
                self._know(record, now_s)
            if record.transition == LATE:
                self._late_upto |= {int(p): max(at, self._late_upto.get(int(p), -1)) for p, at in _late(record)[1].items()}

    # ---- what comes in

    def take(self, one: NotifiedAnomaly, place: Place, at: tuple[int, int], now_s: float) -> None:
        """An anomaly as it is now.

        Args:
            at: partition and offset in the log of anomalies.
        """
        group = self._group_of.get(one.id)
        if group is not None and not (one.state == anomalies.OPEN and self.out.records[group].stage == OVER):
            if self._members[group][one.id] != one:
                self._members[group][one.id] = one
                self._moved_s[group] = now_s
                self.out.put(replace(self.out.records[group], members=tuple(self._members[group].values())))
            return
        if one.state == anomalies.WITHDRAWN or not self.rules.wants(one, place):
            self._pending.pop(one.id, None)
            return
        if group is not None:  # it was over, as was told, and is not
            self._forget(group, one.id)
        if one.state == CLOSED and one.end_us is not None and now_s - one.end_us / 1e6 > LATE_S:
            self._pending.pop(one.id, None)
            if one.final:
                self._count_late(one, at, now_s)
            return
        known = self._pending.get(one.id)
        self._pending[one.id] = _Pending(one, place, known.seen_s if known else now_s, at)

    def tick(self, now_s: float) -> None:
        """Decide what is told now."""
        if not self.rules.enabled:
            self._close("the receiver is switched off", now_s)
            return
        for members, place in list(self._ripe(now_s)):
            self._begin(members, place, now_s)
        for group in list(self._moved_s):
            if now_s - self._moved_s[group] >= self.rules.hold_s:
                self._follow(self.out.records[group], now_s)
        self._sum_up(now_s)
        self.out.forget_old(now_s)

    def needs(self) -> Iterator[tuple[int, int]]:
        """Partition and offset of each anomaly that must be read again after a crash."""
        return (one.at for one in self._pending.values())

    def remove(self) -> None:
        """The receiver is gone, and all that was known of it."""
        self._pending.clear()
        self._moved_s.clear()
        self.out.clear()

    # ---- inside

    def _know(self, head: Notification, now_s: float) -> None:
        self._members[head.id] = {one.id: one for one in head.members}
        self._group_of |= dict.fromkeys(self._members[head.id], head.id)
        self._moved_s[head.id] = now_s

    def _forget(self, group: str, anomaly: str) -> None:
        del self._group_of[anomaly], self._members[group][anomaly]
        self.out.put(replace(self.out.records[group], members=tuple(self._members[group].values())))

    def _ripe(self, now_s: float) -> Iterator[tuple[list[NotifiedAnomaly], Place]]:
        """Groups of anomalies that have lasted long enough, and that no more are waited for."""
        alike: dict[tuple[str, ...], list[_Pending]] = {}
        for one in sorted(self._pending.values(), key=lambda one: (one.anomaly.start_us, one.anomaly.id)):
            place = one.place
            common = ("site", place.site) if place.site else ("owner", place.owner) if place.owner else ("", one.anomaly.source)
            alike.setdefault((one.anomaly.rule, *common), []).append(one)
        for found in alike.values():
            for together in _clusters(found):
                held = [one for one in together if now_s - one.seen_s >= self.rules.hold_s]
                if held and (len(held) == len(together) or now_s - min(one.seen_s for one in held) >= WINDOW_S):
                    yield [one.anomaly for one in held], held[0].place

    def _begin(self, members: list[NotifiedAnomaly], place: Place, now_s: float) -> None:
        transition = BEGAN if any(one.state == anomalies.OPEN for one in members) else HAPPENED
        times = 0
        while (id := notice_id(self.receiver, members[0].id, times)) in self.out.records:
            times += 1
        for one in members:
            del self._pending[one.id]
        severe = any(one.severity == SEVERE for one in members)
        body = document.text(document.group(members, place, transition), id=id, group=id, receiver=self.receiver)
        record = self._made(id, id, transition, body, now_s, severe)
        stage = OPEN if transition == BEGAN else OVER
        self.out.put(replace(record, stage=stage, place=json.dumps(asdict(place), sort_keys=True), members=tuple(members)))
        self._know(self.out.records[id], now_s)

    def _made(self, id: str, group: str, transition: str, body: str, now_s: float, severe: bool) -> Notification:
        at_ms = int(now_s * 1000)
        return Notification(
            id, self.receiver, group, transition, self._state(severe, now_s), at_ms, at_ms, body=body, severe=severe
        )

    def _state(self, severe: bool, now_s: float) -> str:
        """Whether a message may go now, or waits for a summary."""
        quiet = self.rules.quiet_until(now_s) is not None and not (severe and self.rules.severe_passes)
        return HELD if quiet or self.out.sent_in_hour(now_s) >= self.rules.per_hour else DUE

    def _follow(self, head: Notification, now_s: float) -> None:
        """Tell what became of a group, when that is to be told."""
        states = Counter(one.state for one in head.members)
        none = states[anomalies.WITHDRAWN]
        if head.stage == OPEN:
            if not states[anomalies.OPEN]:
                self._tell(head, WITHDRAWN if none == len(head.members) else ENDED, now_s)
                self.out.put(replace(self.out.records[head.id], stage=OVER, withdrawn=none))
            elif states[CLOSED] and not head.partly and now_s - self._moved_s[head.id] >= PARTLY_S:
                self._tell(head, PARTLY, now_s)
                self.out.put(replace(self.out.records[head.id], partly=True))
        elif none > head.withdrawn and all(one.final or one.state == anomalies.WITHDRAWN for one in head.members):
            self._tell(head, WITHDRAWN, now_s)
            self.out.put(replace(self.out.records[head.id], withdrawn=none))
        elif now_s - self._moved_s[head.id] >= REMEMBER_S and head.state in DONE_WITH:
            for one in self._members.pop(head.id):
                del self._group_of[one]
            del self._moved_s[head.id]
            self.out.put(replace(head, stage=DONE, members=(), changed_ms=int(now_s * 1000)))

    def _tell(self, head: Notification, transition: str, now_s: float) -> None:
        """A message that follows on another. What waits for a summary is told there as it is by then."""
        if head.state in (HELD, GIVEN_UP):
            return
        done = sum(one.state == anomalies.WITHDRAWN for one in head.members) if transition == WITHDRAWN else ""
        id = notice_id(head.id, transition, done)
        body = document.text(self._document(head, transition), id=id, group=head.id, receiver=self.receiver)
        self.out.put(self._made(id, head.id, transition, body, now_s, head.severe))

    def _document(self, head: Notification, transition: str) -> document.Document:
        return document.group(head.members, Place(**json.loads(head.place)), transition)

    def _sum_up(self, now_s: float) -> None:
        """Tell in one message what was held, when it is no longer quiet."""
        held = [one for one in self.out.records.values() if one.state == HELD]
        told = [one for one in held if one.transition != LATE]
        if not told or self.rules.quiet_until(now_s) is not None:
            return
        last_s = max((one.made_ms / 1000 for one in self.out.records.values() if one.transition == SUMMARY), default=0.0)
        if now_s - last_s < SUMMARY_EVERY_S:
            return
        heads = [self.out.records[group] for group in dict.fromkeys(one.group for one in told)]
        real = [one for one in heads if one.members and not (_new(one) and _word(one) == WITHDRAWN)]
        late: Counter[str] = Counter()
        for one in held if real else told:
            late.update(_late(one)[0] if one.transition == LATE else {})
            self.out.settle(one, SUMMED, "" if real else "none of it was one in the end", now_s)
        if real:
            groups = [self._document(one, _word(one)) for one in real]
            since_ms = min(one.made_ms for one in told)
            id = notice_id(self.receiver, SUMMARY, min(one.id for one in told))
            body = document.text(document.summary(groups, late, since_ms), id=id, group=id, receiver=self.receiver)
            summary = self._made(id, id, SUMMARY, body, now_s, any(one.severe for one in real))
            self.out.put(replace(summary, state=DUE, covers=tuple(one.id for one in held)))
            for one in real:  # what a summary says of a group is not told again
                states = Counter(member.state for member in one.members)
                stage = one.stage if states[anomalies.OPEN] else OVER
                self.out.put(replace(self.out.records[one.id], stage=stage, withdrawn=states[anomalies.WITHDRAWN]))

    def _count_late(self, one: NotifiedAnomaly, at: tuple[int, int], now_s: float) -> None:
        partition, offset = at
        if offset <= self._late_upto.get(partition, -1):
            return
        self._late_upto[partition] = offset
        at_ms = int(now_s * 1000)
        known = next((one for one in self.out.records.values() if one.transition == LATE and one.state == HELD), None)
        if known is None:
            id = notice_id(self.receiver, LATE, partition, offset)
            known = Notification(id, self.receiver, id, LATE, HELD, at_ms, at_ms, body='{"rules": {}, "upto": {}}')
        rules, upto = _late(known)
        rules[one.rule] = rules.get(one.rule, 0) + 1
        upto[str(partition)] = offset
        self.out.put(replace(known, changed_ms=at_ms, body=json.dumps({"rules": rules, "upto": upto}, sort_keys=True)))

    def _close(self, reason: str, now_s: float) -> None:
        self._pending.clear()
        for record in list(self.out.records.values()):
            if record.state in (HELD, DUE):
                self.out.settle(record, GIVEN_UP, reason, now_s)
            if record.stage in (OPEN, OVER):
                self.out.put(replace(self.out.records[record.id], stage=DONE, members=()))
        self._moved_s.clear()
        self._group_of.clear()
        self._members.clear()


def _clusters(found: list[_Pending]) -> Iterator[list[_Pending]]:
    """Anomalies by start, cut where they do not begin within the window."""
    together: list[_Pending] = []
    for one in found:
        if together and (one.anomaly.start_us - together[0].anomaly.start_us > WINDOW_S * 1e6 or len(together) == MEMBERS_MAX):
            yield together
            together = []
        together.append(one)
    if together:
        yield together


def _new(head: Notification) -> bool:
    """Whether nothing of the group was told before."""
    return head.state == HELD


def _word(head: Notification) -> str:
    """What has become of a group, in a summary."""
    states = Counter(one.state for one in head.members)
    if states[anomalies.OPEN]:
        return PARTLY if states[CLOSED] and not _new(head) else BEGAN
    if states[anomalies.WITHDRAWN] == len(head.members):
        return WITHDRAWN
    return HAPPENED if _new(head) else ENDED


def _late(record: Notification) -> tuple[dict[str, int], dict[str, int]]:
    found = json.loads(record.body)
    return found["rules"], found["upto"]
