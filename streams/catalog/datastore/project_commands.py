"""Commands about owners, projects, blocks and attributes."""

from typing import Annotated, ClassVar

from msgspec import UNSET, Meta, UnsetType

from streams.catalog.datastore.command import (
    CharValue,
    Datastore,
    DataType,
    DateText,
    IntValue,
    KeyName,
    Label,
    Pk,
    TimeUs,
    Zipcode,
    ZoneName,
)


class _Owner(Datastore, frozen=True, kw_only=True):
    RESOURCE: ClassVar[str] = "project_owners"


class _Project(Datastore, frozen=True, kw_only=True):
    RESOURCE: ClassVar[str] = "projects"


class _Block(Datastore, frozen=True, kw_only=True):
    RESOURCE: ClassVar[str] = "project_blocks"


class _AttributeKey(Datastore, frozen=True, kw_only=True):
    RESOURCE: ClassVar[str] = "project_attribute_keys"


class _Attribute(Datastore, frozen=True, kw_only=True):
    RESOURCE: ClassVar[str] = "project_attributes"


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


ProjectCommand = (
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
)
