"""How far runs of the meter are."""

from dataclasses import asdict, dataclass

from schemas import avro, topics

RUNNING, SUCCESS, FAILED = "RUNNING", "SUCCESS", "FAILED"

PENDING = "PENDING"
"""Of a run that no status is known of."""


@dataclass(frozen=True, slots=True)
class MeterRunStatus:
    """As in meter_run_status.avsc."""

    run: int
    project: int
    status: str
    attempt: int
    traceback: str | None
    at_ms: int

    def message(self, schema_id: int) -> tuple[bytes, bytes]:
        """As (key, value) for the topic."""
        return str(self.run).encode(), avro.encode(topics.METER_RUN_STATUS, schema_id, asdict(self))


def decode_status(value: bytes | None, schema_of: avro.SchemaOf) -> MeterRunStatus:
    """One value of the topic.

    Raises:
        WireError: it is none.
    """
    return MeterRunStatus(**avro.decode(topics.METER_RUN_STATUS, value, schema_of))
