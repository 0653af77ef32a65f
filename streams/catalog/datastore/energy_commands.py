"""Commands about traces, runs of the meter, registry connections and weather stations."""

from typing import ClassVar, Literal

from msgspec import UNSET, UnsetType

from streams.catalog.datastore.command import (
    Datastore,
    Digest,
    EnergyUnit,
    Interpretation,
    Json,
    KeyId,
    Pk,
    Salt,
    SealedText,
    StationId,
    StationLabel,
    TemperatureUnit,
    TraceLabel,
    Zipcode,
    ZoneName,
)
from streams.catalog.datastore.source import TraceSource


class _Trace(Datastore, frozen=True, kw_only=True):
    RESOURCE: ClassVar[str] = "consumption_metadatas"


class _Run(Datastore, frozen=True, kw_only=True):
    RESOURCE: ClassVar[str] = "project_runs"


class _Connection(Datastore, frozen=True, kw_only=True):
    RESOURCE: ClassVar[str] = "registry/connections"


class _Station(Datastore, frozen=True, kw_only=True):
    RESOURCE: ClassVar[str] = "weather_stations"


# ---- traces


class CreateTrace(_Trace, frozen=True, kw_only=True, omit_defaults=True):
    """A consumption metadata.

    Attributes:
        project: pk.
        source: the sensor or meter of ours whose hours it takes.
    """

    KIND: ClassVar[str] = "datastore.trace.create"
    interpretation: Interpretation
    unit: EnergyUnit
    project: Pk | None = None
    label: TraceLabel | None = None
    source: TraceSource | None = None


class ChangeTrace(_Trace, frozen=True, kw_only=True):
    KIND: ClassVar[str] = "datastore.trace.change"
    pk: Pk
    interpretation: Interpretation | UnsetType = UNSET
    unit: EnergyUnit | UnsetType = UNSET
    project: Pk | UnsetType | None = UNSET
    label: TraceLabel | UnsetType | None = UNSET
    source: TraceSource | UnsetType | None = UNSET


class RemoveTrace(_Trace, frozen=True, kw_only=True):
    KIND: ClassVar[str] = "datastore.trace.remove"
    pk: Pk


class UpsertTrace(_Trace, frozen=True, kw_only=True):
    """Key: the project's label, interpretation and label; None is a label. None stands where the unit is null."""

    KIND: ClassVar[str] = "datastore.trace.upsert"
    project_project_id: str
    interpretation: Interpretation | None
    label: TraceLabel | None
    unit: EnergyUnit | None


# ---- runs


class RequestRun(_Run, frozen=True, kw_only=True):
    """Attributes:
    project: pk.
    meter_settings: JSON text, or None.
    """

    KIND: ClassVar[str] = "datastore.run.request"
    project: Pk
    meter_class: Literal["EnergyEfficiencyMeter"] = "EnergyEfficiencyMeter"
    meter_settings: Json | None = None


class RemoveResult(_Run, frozen=True, kw_only=True):
    """Nobody is shown the result of a run any more; the run stays.

    Attributes:
        pk: of the run, which is the result's too.
    """

    KIND: ClassVar[str] = "datastore.result.remove"
    pk: Pk


# ---- registry


class CreateConnection(_Connection, frozen=True, kw_only=True):
    """A partner who may read summaries.

    Attributes:
        token_digest: keyed digest of the token that opens the summary; unique.
        token_sealed: the token, encrypted; the API gives it back.
        token_key: name of the key of both, which stands in no log.
        salt: random; keeps the partner's ids of projects from being guessed.
    """

    KIND: ClassVar[str] = "datastore.connection.create"
    token_digest: Digest
    token_sealed: SealedText
    token_key: KeyId
    salt: Salt
    projects: tuple[Pk, ...] = ()


class ChangeConnection(_Connection, frozen=True, kw_only=True):
    """The three that say what the token is come together, or none of them."""

    KIND: ClassVar[str] = "datastore.connection.change"
    pk: Pk
    token_digest: Digest | UnsetType = UNSET
    token_sealed: SealedText | UnsetType = UNSET
    token_key: KeyId | UnsetType = UNSET

    def __post_init__(self) -> None:
        if len({self.token_digest is UNSET, self.token_sealed is UNSET, self.token_key is UNSET}) > 1:
            raise ValueError("token_digest, token_sealed and token_key come together")


class RemoveConnection(_Connection, frozen=True, kw_only=True):
    KIND: ClassVar[str] = "datastore.connection.remove"
    pk: Pk


# ---- weather


class _StationFacts(_Station, frozen=True, kw_only=True, omit_defaults=True):
    """A weather station.

    Attributes:
        station_id: its name; unique.
        zipcodes: where the projects stand that take its weather.
        timezone: IANA name.
        unit: of its temperatures.
    """

    station_id: StationId
    label: StationLabel | None = None
    zipcodes: tuple[Zipcode, ...] = ()
    timezone: ZoneName = "UTC"
    unit: TemperatureUnit = "DEGC"


class CreateStation(_StationFacts, frozen=True, kw_only=True):
    KIND: ClassVar[str] = "datastore.station.create"


class ChangeStation(_Station, frozen=True, kw_only=True):
    KIND: ClassVar[str] = "datastore.station.change"
    pk: Pk
    station_id: StationId | UnsetType = UNSET
    label: StationLabel | UnsetType | None = UNSET
    zipcodes: tuple[Zipcode, ...] | UnsetType = UNSET
    timezone: ZoneName | UnsetType = UNSET
    unit: TemperatureUnit | UnsetType = UNSET


class RemoveStation(_Station, frozen=True, kw_only=True):
    """The station goes; projects that named it have none."""

    KIND: ClassVar[str] = "datastore.station.remove"
    pk: Pk


class UpsertStation(_StationFacts, frozen=True, kw_only=True):
    """Key: station_id."""

    KIND: ClassVar[str] = "datastore.station.upsert"


EnergyCommand = (
    CreateTrace
    | ChangeTrace
    | RemoveTrace
    | UpsertTrace
    | RequestRun
    | RemoveResult
    | CreateConnection
    | ChangeConnection
    | RemoveConnection
    | CreateStation
    | ChangeStation
    | RemoveStation
    | UpsertStation
)
