"""All receivers' messages: anomalies in the log's order and the time in, records to keep and messages to send out."""

from collections.abc import Callable, Iterable, Mapping

from schemas.anomaly import Anomaly
from schemas.notification import Notification, notified
from streams.core.notices.desk import Desk
from streams.core.notices.outgoing import Changed
from streams.core.notices.rules import Place, Rules


class Office:
    """Desks by receiver. A crash at any point loses nothing, if the caller

    1. keeps `changes` before it commits `position`, and before it sends what they hold (`due` gives nothing else),
    2. begins anew with all records kept, from the position committed last.

    Args:
        records: all of the log.
        next_offset: by partition of the anomalies, where reading begins.
        now_s: UTC seconds, as everywhere here.
    """

    def __init__(self, records: Iterable[Notification], next_offset: Mapping[int, int], now_s: float) -> None:
        self._next = dict(next_offset)
        kept: dict[str, list[Notification]] = {}
        for record in records:
            kept.setdefault(record.receiver, []).append(record)
        # Until the catalog is known nobody is told anything, and nothing is given up.
        self.desks = {name: Desk(name, Rules(), found, now_s) for name, found in kept.items()}
        self._gone: Changed = {}

    def receivers(self, rules: Mapping[str, Rules], now_s: float) -> None:
        """Who is to be told what, from now on."""
        for name in [one for one in self.desks if one not in rules]:
            desk = self.desks.pop(name)
            desk.remove()
            self._gone |= desk.out.changed
        for name, wanted in rules.items():
            if name in self.desks:
                self.desks[name].rules = wanted
            else:
                self.desks[name] = Desk(name, wanted, (), now_s)

    def take(self, partition: int, offset: int, anomaly: Anomaly | None, place_of: Callable[[str], Place], now_s: float) -> None:
        """One message of the log of anomalies; None: it could not be read."""
        self._next[partition] = offset + 1
        if anomaly is None:
            return
        one, place = notified(anomaly), place_of(anomaly.source)
        for desk in self.desks.values():
            desk.take(one, place, (partition, offset), now_s)

    def tick(self, now_s: float) -> None:
        """Decide what is told now; to be called every second or so."""
        for desk in self.desks.values():
            desk.tick(now_s)

    def changes(self) -> Changed:
        """Records to be kept, by id; None: it may be removed."""
        found = dict(self._gone)
        for desk in self.desks.values():
            found |= desk.out.changed
        return found

    def kept(self, changes: Changed) -> None:
        """These records are safe."""
        for held in (self._gone, *(desk.out.changed for desk in self.desks.values())):
            for id, record in changes.items():
                if id in held and held[id] is record:
                    del held[id]

    def position(self) -> dict[int, int]:
        """From where the anomalies must be read again after a crash, by partition; good once `changes` are kept."""
        found = dict(self._next)
        for desk in self.desks.values():
            for partition, offset in desk.needs():
                found[partition] = min(found[partition], offset)
        return found
