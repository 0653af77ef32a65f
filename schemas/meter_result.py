"""What runs of the meter found."""

from dataclasses import asdict, dataclass

from schemas import avro, topics


@dataclass(frozen=True, slots=True)
class MeterResult:
    """As in meter_result.avsc."""

    run: int
    project: int
    computed_at_us: int
    result: str
    savings: str
    digest: str
    origin: str

    def message(self, schema_id: int) -> tuple[bytes, bytes]:
        """As (key, value) for the topic."""
        return str(self.run).encode(), avro.encode(topics.METER_RESULTS, schema_id, asdict(self))


def decode_result(value: bytes | None, schema_of: avro.SchemaOf) -> MeterResult:
    """One value of the topic.

    Raises:
        WireError: it is none.
    """
    return MeterResult(**avro.decode(topics.METER_RESULTS, value, schema_of))
