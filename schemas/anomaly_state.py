"""What the rules of anomalies remember of a sensor, so that a restart goes on where they stood."""

from dataclasses import asdict, dataclass

from schemas import avro, topics


@dataclass(frozen=True, slots=True)
class AnomalyState:
    """As in anomaly_state.avsc."""

    sensor_id: str
    log_partition: int
    next_offset: int
    judged_to_s: int
    layout: int
    state: bytes

    def message(self, schema_id: int) -> tuple[bytes, bytes]:
        """As (key, value) for the topic."""
        return self.sensor_id.encode(), avro.encode(topics.ANOMALY_STATE, schema_id, asdict(self))


def decode_state(value: bytes | None, schema_of: avro.SchemaOf) -> AnomalyState:
    """One value of the topic.

    Raises:
        WireError: it is none.
    """
    return AnomalyState(**avro.decode(topics.ANOMALY_STATE, value, schema_of))
