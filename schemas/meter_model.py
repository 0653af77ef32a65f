"""Models that runs of the meter fitted, and why they did not."""

from dataclasses import asdict, dataclass

from schemas import avro, topics


@dataclass(frozen=True, slots=True)
class MeterModel:
    """As in meter_model.avsc."""

    run: int
    project: int
    energy_trace: int
    modeling_period: str
    status: str
    kind: str
    start_us: int | None
    end_us: int | None
    reasons: list[str]
    warnings: list[str]
    model: str | None
    curve: str
    metered: str

    def message(self, schema_id: int) -> tuple[bytes, bytes]:
        """As (key, value) for the topic."""
        key = f"{self.run}/{self.energy_trace}/{self.modeling_period}"
        return key.encode(), avro.encode(topics.METER_MODELS, schema_id, asdict(self))


def decode_model(value: bytes | None, schema_of: avro.SchemaOf) -> MeterModel:
    """One value of the topic.

    Raises:
        WireError: it is none.
    """
    return MeterModel(**avro.decode(topics.METER_MODELS, value, schema_of))
