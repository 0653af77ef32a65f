"""What the catalog holds of the datastore; fields as in the commands, times in microseconds since 1970, UTC."""

from dataclasses import dataclass
from typing import Literal

from streams.catalog.datastore.source import TraceSource


@dataclass(frozen=True, slots=True)
class Counter:
    """The last primary key given of one kind, so that none is given again."""

    kind: str
    last: int


@dataclass(frozen=True, slots=True)
class Owner:
    pk: int
    user: int


@dataclass(frozen=True, slots=True)
class Project:
    pk: int
    project_owner: int
    project_id: str
    baseline_period_start_us: int | None = None
    baseline_period_end_us: int | None = None
    reporting_period_start_us: int | None = None
    reporting_period_end_us: int | None = None
    zipcode: str | None = None
    weather_station: int | None = None
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """Attributes:
    projects: pks, rising.
    """

    pk: int
    name: str
    projects: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class AttributeKey:
    pk: int
    name: str
    display_name: str
    data_type: str


@dataclass(frozen=True, slots=True)
class Attribute:
    pk: int
    project: int
    key: int
    boolean_value: bool | None = None
    char_value: str | None = None
    date_value: str | None = None
    datetime_us: int | None = None
    float_value: float | None = None
    integer_value: int | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """A consumption metadata."""

    pk: int
    interpretation: str
    unit: str
    project: int | None = None
    label: str | None = None
    source: TraceSource | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """Attributes:
    meter_settings: JSON text, or None.
    result_removed: nobody is shown its result.
    """

    pk: int
    project: int
    meter_class: str
    meter_settings: str | None
    added_us: int
    result_removed: bool = False


@dataclass(frozen=True, slots=True)
class Connection:
    """Attributes:
    projects: pks, rising.
    """

    pk: int
    token_digest: str
    token_sealed: str
    token_key: str
    salt: str
    projects: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Station:
    """A weather station."""

    pk: int
    station_id: str
    label: str | None
    zipcodes: tuple[str, ...]
    timezone: str
    unit: str


DatastoreEntry = Counter | Owner | Project | Block | AttributeKey | Attribute | Trace | Run | Connection | Station
DatastoreTable = Literal[
    "counters",
    "owners",
    "projects",
    "blocks",
    "attribute_keys",
    "attributes",
    "traces",
    "runs",
    "connections",
    "stations",
]
