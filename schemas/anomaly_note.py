"""What people say of anomalies: that they have seen them, and a note."""

from dataclasses import asdict, dataclass

from schemas import avro, topics

NOTE_MOST = 2000
"""Characters."""


@dataclass(frozen=True, slots=True)
class AnomalyNote:
    """As in anomaly_note.avsc."""

    anomaly: str
    acknowledged: bool
    note: str
    by: str
    at_ms: int

    def message(self, schema_id: int) -> tuple[bytes, bytes]:
        """As (key, value) for the topic."""
        return self.anomaly.encode(), avro.encode(topics.ANOMALY_NOTES, schema_id, asdict(self))


def decode_note(value: bytes | None, schema_of: avro.SchemaOf) -> AnomalyNote:
    """One value of the topic.

    Raises:
        WireError: it is none.
    """
    return AnomalyNote(**avro.decode(topics.ANOMALY_NOTES, value, schema_of))
