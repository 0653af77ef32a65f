"""Messages about anomalies to people and their programs, and what became of them."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from schemas import avro, topics
from schemas.anomaly import Anomaly

BEGAN, HAPPENED, PARTLY, ENDED, WITHDRAWN, SUMMARY, LATE = "began", "happened", "partly", "ended", "withdrawn", "summary", "late"
"""Transitions."""

HELD, DUE, DELIVERED, GIVEN_UP, SUMMED = "held", "due", "delivered", "given_up", "summed"
"""States of a message."""

OPEN, OVER, DONE = "open", "over", "done"
"""Stages of a group."""


@dataclass(frozen=True, slots=True)
class NotifiedAnomaly:
    """What a message needs to know of an anomaly; as in anomaly.avsc."""

    id: str
    rule: str
    kind: str
    source: str
    phase: int
    start_us: int
    end_us: int | None
    state: str
    final: bool
    severity: str
    unit: str
    worst: int
    limit: int


_MEMBER = tuple(field.name for field in fields(NotifiedAnomaly))


def notified(anomaly: Anomaly) -> NotifiedAnomaly:
    """An anomaly without its samples and numbers."""
    return NotifiedAnomaly(**{name: getattr(anomaly, name) for name in _MEMBER})


@dataclass(frozen=True, slots=True)
class Notification:
    """As in notification.avsc."""

    id: str
    receiver: str
    group: str
    transition: str
    state: str
    made_ms: int
    changed_ms: int
    body: str
    attempts: int = 0
    reason: str = ""
    severe: bool = False
    covers: tuple[str, ...] = ()
    stage: str = ""
    withdrawn: int = 0
    partly: bool = False
    place: str = ""
    members: tuple[NotifiedAnomaly, ...] = ()

    def message(self, schema_id: int) -> tuple[bytes, bytes]:
        """As (key, value) for the topic."""
        return self.id.encode(), avro.encode(topics.NOTIFICATIONS, schema_id, asdict(self))


def decode_notification(value: bytes | None, schema_of: avro.SchemaOf) -> Notification:
    """One value of the topic.

    Raises:
        WireError: it is none.
    """
    record: dict[str, Any] = avro.decode(topics.NOTIFICATIONS, value, schema_of)
    members = tuple(NotifiedAnomaly(**one) for one in record.pop("members"))
    return Notification(**record | {"covers": tuple(record["covers"]), "members": members})
