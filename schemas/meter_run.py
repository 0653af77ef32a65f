"""Runs of the meter, asked for."""

from dataclasses import asdict, dataclass, field

from schemas import avro, topics


@dataclass(frozen=True, slots=True)
class MeterTrace:
    pk: int
    interpretation: str
    unit: str


@dataclass(frozen=True, slots=True)
class MeterStation:
    pk: int
    station_id: str
    unit: str
    timezone: str


@dataclass(frozen=True, slots=True)
class MeterRun:
    """As in meter_run.avsc."""

    run: int
    project: int
    project_id: str
    requested_at_ms: int
    meter_class: str
    meter_settings: str | None
    baseline_period_end_us: int | None
    reporting_period_start_us: int | None
    zipcode: str | None
    timezone: str | None
    traces: tuple[MeterTrace, ...]
    station: MeterStation | None
    as_of: dict[str, int] = field(default_factory=dict)

    def message(self, schema_id: int) -> tuple[bytes, bytes]:
        """As (key, value) for the topic."""
        record = asdict(self) | {"traces": [asdict(trace) for trace in self.traces]}
        return str(self.project).encode(), avro.encode(topics.METER_RUNS, schema_id, record)


def decode_run(value: bytes | None, schema_of: avro.SchemaOf) -> MeterRun:
    """One value of the topic.

    Raises:
        WireError: it is none.
    """
    record = avro.decode(topics.METER_RUNS, value, schema_of)
    station = record.pop("station")
    traces = tuple(MeterTrace(**trace) for trace in record.pop("traces"))
    return MeterRun(**record, traces=traces, station=None if station is None else MeterStation(**station))
