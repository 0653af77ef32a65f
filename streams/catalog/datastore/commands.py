"""What may be asked of the datastore's part of the catalog.

`Create…` gives a primary key, `Change…` leaves what is not named as it is, `Upsert…` is one record of a sync:
it finds its object by the key of the contract. Times are microseconds since 1970, UTC.
"""

from typing import Annotated, Any, ClassVar, Literal, get_args

from msgspec import UNSET, Meta, Struct, UnsetType

_FIRST_US = -62_135_596_800_000_000
_END_US = 253_402_300_800_000_000
"""The years 1 to 9999."""

Pk = Annotated[int, Meta(ge=1, lt=2**53)]
TimeUs = Annotated[int, Meta(ge=_FIRST_US, lt=_END_US)]
Label = Annotated[str, Meta(min_length=1, max_length=255)]
TraceLabel = Annotated[str, Meta(max_length=140)]
Zipcode = Annotated[str, Meta(max_length=10)]
KeyName = Annotated[str, Meta(min_length=1, max_length=100)]
StationId = Annotated[str, Meta(min_length=1, max_length=64)]
ZoneName = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*\Z", max_length=64)]
Source = Annotated[str, Meta(pattern=r"\A[a-z0-9]{1,64}\Z")]
Uuid = Annotated[str, Meta(pattern=r"\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")]
Salt = Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]
DateText = Annotated[str, Meta(pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
CharValue = Annotated[str, Meta(max_length=100)]
IntValue = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Json = Annotated[str, Meta(max_length=100_000)]

DataType = Literal["BOOLEAN", "CHAR", "DATE", "DATETIME", "FLOAT", "INTEGER"]
Interpretation = Literal["E_C_S", "E_C_T", "E_C_N", "E_OSG_T", "E_OSG_C", "E_OSG_U", "NG_C_S"]
EnergyUnit = Literal["KWH", "THM"]
TemperatureUnit = Literal["DEGC", "DEGF"]


class _Datastore(Struct, frozen=True, kw_only=True):
    RESOURCE: ClassVar[str]

    @property
    def entity(self) -> str:
        """The resource, and the object's key when the command is about one that has it."""
        pk = getattr(self, "pk", None)
        return self.RESOURCE if pk is None else f"{self.RESOURCE}/{pk}"

    def changes(self) -> dict[str, Any]:
        """What is named besides the key, by field."""
        values = ((name, getattr(self, name)) for name in self.__struct_fields__ if name != "pk")
        return {name: value for name, value in values if value is not UNSET}


class _Owner(_Datastore, frozen=True, kw_only=True):
    RESOURCE: ClassVar[str] = "project_owners"


class _Project(_Datastore, frozen=True, kw_only=True):
    RESOURCE: ClassVar[str] = "projects"


class _Block(_Datastore, frozen=True, kw_only=True):
    RESOURCE: ClassVar[str] = "project_blocks"


class _AttributeKey(_Datastore, frozen=True, kw_only=True):
    RESOURCE: ClassVar[str] = "project_attribute_keys"


class _Attribute(_Datastore, frozen=True, kw_only=True):
    RESOURCE: ClassVar[str] = "project_attributes"


class _Trace(_Datastore, frozen=True, kw_only=True):
    RESOURCE: ClassVar[str] = "consumption_metadatas"


class _Run(_Datastore, frozen=True, kw_only=True):
    RESOURCE: ClassVar[str] = "project_runs"


class _Connection(_Datastore, frozen=True, kw_only=True):
    RESOURCE: ClassVar[str] = "registry/connections"


class _Station(_Datastore, frozen=True, kw_only=True):
    RESOURCE: ClassVar[str] = "weather_stations"


# ---- owners


class EnrolUser(_Owner, frozen=True, kw_only=True):
    """A user from before the datastore gets a number and an owner in it; one who has both stays.

    Attributes:
        name: of the user.
    """

    KIND: ClassVar[str] = "datastore.user.enrol"
    name: str


class CreateOwner(_Owner, frozen=True, kw_only=True):
    """Attributes:
    user: pk of a user who has no owner.
    """

    KIND: ClassVar[str] = "datastore.owner.create"
    user: Pk


class ChangeOwner(_Owner, frozen=True, kw_only=True):
    KIND: ClassVar[str] = "datastore.owner.change"
    pk: Pk
    user: Pk | UnsetType = UNSET


class RemoveOwner(_Owner, frozen=True, kw_only=True):
    """The owner goes, and with it all its projects."""

    KIND: ClassVar[str] = "datastore.owner.remove"
    pk: Pk


# ---- projects


class CreateProject(_Project, frozen=True, kw_only=True, omit_defaults=True):
    """A building.

    Attributes:
        project_owner: pk.
        project_id: the label outside systems use; unique.
        weather_station: pk of the station whose weather it has; None: the one that holds its zipcode.
        timezone: IANA name; None: the station's.
    """

    KIND: ClassVar[str] = "datastore.project.create"
    project_owner: Pk
    project_id: Label
    baseline_period_start_us: TimeUs | None = None
    baseline_period_end_us: TimeUs | None = None
    reporting_period_start_us: TimeUs | None = None
    reporting_period_end_us: TimeUs | None = None
    zipcode: Zipcode | None = None
    weather_station: Pk | None = None
    timezone: ZoneName | None = None


class ChangeProject(_Project, frozen=True, kw_only=True):
    KIND: ClassVar[str] = "datastore.project.change"
    pk: Pk
    project_owner: Pk | UnsetType = UNSET
    project_id: Label | UnsetType = UNSET
    baseline_period_start_us: TimeUs | UnsetType | None = UNSET
    baseline_period_end_us: TimeUs | UnsetType | None = UNSET
    reporting_period_start_us: TimeUs | UnsetType | None = UNSET
    reporting_period_end_us: TimeUs | UnsetType | None = UNSET
    zipcode: Zipcode | UnsetType | None = UNSET
    weather_station: Pk | UnsetType | None = UNSET
    timezone: ZoneName | UnsetType | None = UNSET


class RemoveProject(_Project, frozen=True, kw_only=True):
    """The project goes with its traces, attributes and runs; blocks and connections lose it."""

    KIND: ClassVar[str] = "datastore.project.remove"
    pk: Pk


class UpsertProject(_Project, frozen=True, kw_only=True):
    """Key: project_id. project_owner is what the record calls project_owner_id, None where it says null."""

    KIND: ClassVar[str] = "datastore.project.upsert"
    project_id: Label
    project_owner: int | None
    zipcode: Zipcode | None
    baseline_period_end_us: TimeUs | None
    reporting_period_start_us: TimeUs | None


# ---- blocks


class CreateBlock(_Block, frozen=True, kw_only=True):
    KIND: ClassVar[str] = "datastore.block.create"
    name: Label
    projects: tuple[Pk, ...] = ()


class ChangeBlock(_Block, frozen=True, kw_only=True):
    KIND: ClassVar[str] = "datastore.block.change"
    pk: Pk
    name: Label | UnsetType = UNSET
    projects: tuple[Pk, ...] | UnsetType = UNSET


class RemoveBlock(_Block, frozen=True, kw_only=True):
    """The block goes; its projects stay."""

    KIND: ClassVar[str] = "datastore.block.remove"
    pk: Pk


# ---- attributes


class CreateAttributeKey(_AttributeKey, frozen=True, kw_only=True):
    """Attributes:
    name: unique.
    """

    KIND: ClassVar[str] = "datastore.attribute_key.create"
    name: KeyName
    display_name: KeyName
    data_type: DataType


class ChangeAttributeKey(_AttributeKey, frozen=True, kw_only=True):
    KIND: ClassVar[str] = "datastore.attribute_key.change"
    pk: Pk
    name: KeyName | UnsetType = UNSET
    display_name: KeyName | UnsetType = UNSET
    data_type: DataType | UnsetType = UNSET


class RemoveAttributeKey(_AttributeKey, frozen=True, kw_only=True):
    """The key goes with its attributes."""

    KIND: ClassVar[str] = "datastore.attribute_key.remove"
    pk: Pk


class UpsertAttributeKey(_AttributeKey, frozen=True, kw_only=True):
    """Key: name. None stands where the record says null."""

    KIND: ClassVar[str] = "datastore.attribute_key.upsert"
    name: KeyName
    display_name: Annotated[str, Meta(max_length=100)] | None
    data_type: DataType | None


class CreateAttribute(_Attribute, frozen=True, kw_only=True, omit_defaults=True):
    """Attributes:
    project: pk.
    key: pk.
    """

    KIND: ClassVar[str] = "datastore.attribute.create"
    project: Pk
    key: Pk
    boolean_value: bool | None = None
    char_value: CharValue | None = None
    date_value: DateText | None = None
    datetime_us: TimeUs | None = None
    float_value: float | None = None
    integer_value: IntValue | None = None


class ChangeAttribute(_Attribute, frozen=True, kw_only=True):
    KIND: ClassVar[str] = "datastore.attribute.change"
    pk: Pk
    project: Pk | UnsetType = UNSET
    key: Pk | UnsetType = UNSET
    boolean_value: bool | UnsetType | None = UNSET
    char_value: CharValue | UnsetType | None = UNSET
    date_value: DateText | UnsetType | None = UNSET
    datetime_us: TimeUs | UnsetType | None = UNSET
    float_value: float | UnsetType | None = UNSET
    integer_value: IntValue | UnsetType | None = UNSET


class RemoveAttribute(_Attribute, frozen=True, kw_only=True):
    KIND: ClassVar[str] = "datastore.attribute.remove"
    pk: Pk


class UpsertAttribute(_Attribute, frozen=True, kw_only=True):
    """Key: the project's label and the attribute key's name.

    Attributes:
        value: as the record holds it; the key's data type, known only when the command is judged, says how to read it.
    """

    KIND: ClassVar[str] = "datastore.attribute.upsert"
    project_project_id: str
    project_attribute_key_name: str
    value: bool | int | float | str | None


# ---- traces


class CreateTrace(_Trace, frozen=True, kw_only=True, omit_defaults=True):
    """A consumption metadata.

    Attributes:
        project: pk.
        source: id of the sensor or meter whose hours it takes.
    """

    KIND: ClassVar[str] = "datastore.trace.create"
    interpretation: Interpretation
    unit: EnergyUnit
    project: Pk | None = None
    label: TraceLabel | None = None
    source: Source | None = None


class ChangeTrace(_Trace, frozen=True, kw_only=True):
    KIND: ClassVar[str] = "datastore.trace.change"
    pk: Pk
    interpretation: Interpretation | UnsetType = UNSET
    unit: EnergyUnit | UnsetType = UNSET
    project: Pk | UnsetType | None = UNSET
    label: TraceLabel | UnsetType | None = UNSET
    source: Source | UnsetType | None = UNSET


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
        token: opens the summary; unique. The API gives it back, so it stands here as it is.
        salt: random; keeps the partner's ids of projects from being guessed.
    """

    KIND: ClassVar[str] = "datastore.connection.create"
    token: Uuid
    salt: Salt
    projects: tuple[Pk, ...] = ()


class ChangeConnection(_Connection, frozen=True, kw_only=True):
    KIND: ClassVar[str] = "datastore.connection.change"
    pk: Pk
    token: Uuid | UnsetType = UNSET


class RemoveConnection(_Connection, frozen=True, kw_only=True):
    KIND: ClassVar[str] = "datastore.connection.remove"
    pk: Pk


# ---- weather


class CreateStation(_Station, frozen=True, kw_only=True):
    """A weather station.

    Attributes:
        station_id: its name; unique.
        zipcodes: where the projects stand that take its weather.
        timezone: IANA name.
        unit: of its temperatures.
    """

    KIND: ClassVar[str] = "datastore.station.create"
    station_id: StationId
    label: Annotated[str, Meta(max_length=200)] | None = None
    zipcodes: tuple[Zipcode, ...] = ()
    timezone: ZoneName = "UTC"
    unit: TemperatureUnit = "DEGC"


class ChangeStation(_Station, frozen=True, kw_only=True):
    KIND: ClassVar[str] = "datastore.station.change"
    pk: Pk
    station_id: StationId | UnsetType = UNSET
    label: Annotated[str, Meta(max_length=200)] | UnsetType | None = UNSET
    zipcodes: tuple[Zipcode, ...] | UnsetType = UNSET
    timezone: ZoneName | UnsetType = UNSET
    unit: TemperatureUnit | UnsetType = UNSET


class RemoveStation(_Station, frozen=True, kw_only=True):
    """The station goes; projects that named it have none."""

    KIND: ClassVar[str] = "datastore.station.remove"
    pk: Pk


class UpsertStation(_Station, frozen=True, kw_only=True):
    """Key: station_id."""

    KIND: ClassVar[str] = "datastore.station.upsert"
    station_id: StationId
    label: Annotated[str, Meta(max_length=200)] | None
    zipcodes: tuple[Zipcode, ...]
    timezone: ZoneName
    unit: TemperatureUnit


DatastoreCommand = (
    EnrolUser
    | CreateOwner
    | ChangeOwner
    | RemoveOwner
    | CreateProject
    | ChangeProject
    | RemoveProject
    | UpsertProject
    | CreateBlock
    | ChangeBlock
    | RemoveBlock
    | CreateAttributeKey
    | ChangeAttributeKey
    | RemoveAttributeKey
    | UpsertAttributeKey
    | CreateAttribute
    | ChangeAttribute
    | RemoveAttribute
    | UpsertAttribute
    | CreateTrace
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

ALL: tuple[type[DatastoreCommand], ...] = get_args(DatastoreCommand)
