"""What the catalog knows: the fold of its commands."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from streams.catalog.datastore.entries import (
    Attribute,
    AttributeKey,
    Block,
    Connection,
    Counter,
    DatastoreEntry,
    DatastoreTable,
    Owner,
    Project,
    Run,
    Station,
    Trace,
)
from streams.catalog.datastore.index import Index

TOKENS_PER_SENSOR = 2


@dataclass(frozen=True, slots=True)
class Sensor:
    """One registered sensor; fields as in RegisterSensor.

    Attributes:
        own_zone: in force where it has no site; read `State.zone_of`.
        tariff, contracted_power_w: the newest; read `terms.on` for a day's.
        earlier: (first day on which it did not hold any more, tariff, contracted power in W), oldest first.
        thresholds: (name, value), sorted by name.
        tokens: hashes of its live tokens, oldest first; at most TOKENS_PER_SENSOR.
        revoked_at_ms: None while it may post.
    """

    sensor_id: str
    units: str
    own_zone: str
    secret_sha256: str
    registered_at_ms: int
    kind: str = "power"
    site: str = ""
    owner: str = ""
    address: str = ""
    category: str = "main"
    zero_based: bool = False
    nominal_voltage_v: float = 220.0
    contracted_power_w: float = 0.0
    tariff: str = ""
    earlier: tuple[tuple[str, str, float], ...] = ()
    thresholds: tuple[tuple[str, float], ...] = ()
    tokens: tuple[str, ...] = ()
    revoked_at_ms: int | None = None

    @property
    def revoked(self) -> bool:
        return self.revoked_at_ms is not None


@dataclass(frozen=True, slots=True)
class SensorToken:
    token_sha256: str
    sensor_id: str
    issued_at_ms: int
    expires_at_ms: int
    refresh_at_ms: int


@dataclass(frozen=True, slots=True)
class Site:
    """A place with a time zone."""

    site_id: str
    zone: str
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Tariff:
    """A tariff by day.

    Attributes:
        versions: (first day as YYYY-MM-DD, document as JSON), oldest first; at least one.
    """

    tariff_id: str
    versions: tuple[tuple[str, str], ...]

    def on(self, day: str) -> str | None:
        """The document valid on a day, YYYY-MM-DD; None before the first."""
        return next((document for first, document in reversed(self.versions) if first <= day), None)


@dataclass(frozen=True, slots=True)
class Receiver:
    """Somebody who is told of anomalies; fields as in PutReceiver.

    Attributes:
        off: why it is told nothing any more; None while it is.
    """

    receiver_id: str
    channel: str
    address: str
    sealed: str
    sealed_key: str
    language: str
    zone: str
    rules: tuple[str, ...]
    severity: str
    sensors: tuple[str, ...]
    sites: tuple[str, ...]
    quiet: tuple[str, ...]
    severe_passes: bool
    per_hour: int
    changed_at_ms: int
    off: str | None = None


@dataclass(frozen=True, slots=True)
class User:
    """A person.

    Attributes:
        role: admin, operator or viewer.
        one_time: the password must be changed at the next sign-in.
        pk: primary key in the datastore; 0: none there.
    """

    name: str
    role: str
    password_hash: str
    one_time: bool
    added_at_ms: int
    pk: int = 0


@dataclass(frozen=True, slots=True)
class UserToken:
    token_sha256: str
    name: str
    scope: str
    expires_at_ms: int


Entry = Sensor | SensorToken | Site | Tariff | Receiver | User | UserToken | DatastoreEntry
Table = Literal["sensors", "sensor_tokens", "sites", "tariffs", "receivers", "users", "user_tokens"] | DatastoreTable


@dataclass(frozen=True, slots=True)
class Change:
    """One entry set, or removed when value is None."""

    table: Table
    key: str | int
    value: Entry | None


@dataclass(slots=True)
class State:
    """Entries by id; tokens by their hash; the datastore's by primary key, always rising.

    A state that is kept from before a `put` changes under its reader: copy what must stay.
    """

    sensors: dict[str, Sensor] = field(default_factory=dict)
    sensor_tokens: dict[str, SensorToken] = field(default_factory=dict)
    sites: dict[str, Site] = field(default_factory=dict)
    tariffs: dict[str, Tariff] = field(default_factory=dict)
    receivers: dict[str, Receiver] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    user_tokens: dict[str, UserToken] = field(default_factory=dict)
    counters: dict[str, Counter] = field(default_factory=dict)
    owners: dict[int, Owner] = field(default_factory=dict)
    projects: dict[int, Project] = field(default_factory=dict)
    blocks: dict[int, Block] = field(default_factory=dict)
    attribute_keys: dict[int, AttributeKey] = field(default_factory=dict)
    attributes: dict[int, Attribute] = field(default_factory=dict)
    traces: dict[int, Trace] = field(default_factory=dict)
    runs: dict[int, Run] = field(default_factory=dict)
    connections: dict[int, Connection] = field(default_factory=dict)
    stations: dict[int, Station] = field(default_factory=dict)
    index: Index = field(default_factory=Index)

    def put(self, changes: Iterable[Change]) -> None:
        """Take over what an outcome changed."""
        for change in changes:
            entries = getattr(self, change.table)
            self.index.put(change.table, change.key, entries.get(change.key), change.value)
            if change.value is None:
                entries.pop(change.key, None)
            else:
                entries[change.key] = change.value

    def token_known(self, token_sha256: str) -> bool:
        """Whether anybody's token has this hash."""
        return token_sha256 in self.sensor_tokens or token_sha256 in self.user_tokens

    def zone_of(self, sensor: Sensor) -> str:
        """IANA name of the time zone in which a sensor's days begin."""
        site = self.sites.get(sensor.site)
        return sensor.own_zone if site is None else site.zone
