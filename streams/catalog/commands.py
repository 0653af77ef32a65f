"""What may be asked of the catalog: one Struct per kind.

Secrets, tokens and passwords stand here only as hashes. Ids are lower case.
"""

from typing import Annotated, Any, ClassVar, get_args

from msgspec import UNSET, Meta, Struct, UnsetType

from streams.catalog.datastore.commands import DatastoreCommand
from streams.catalog.values import (
    DOCUMENT_MAX,
    Address,
    Argon2,
    Category,
    Channel,
    Day,
    Kind,
    Milliseconds,
    Name,
    NameOrNone,
    QuietTime,
    Role,
    RuleName,
    Scope,
    Sealed,
    SealedUnder,
    SensorId,
    Severity,
    Sha256,
    TariffPlan,
    Text,
    Thresholds,
    Tongue,
    Units,
    UserName,
    Volts,
    Watts,
    Zone,
)


class _OfSensor(Struct, frozen=True, kw_only=True):
    sensor_id: SensorId

    @property
    def entity(self) -> str:
        return f"sensor:{self.sensor_id}"


class _OfUser(Struct, frozen=True, kw_only=True):
    name: UserName

    @property
    def entity(self) -> str:
        return f"user:{self.name}"


class _OfSite(Struct, frozen=True, kw_only=True):
    site_id: Name

    @property
    def entity(self) -> str:
        return f"site:{self.site_id}"


class _OfReceiver(Struct, frozen=True, kw_only=True):
    receiver_id: Name

    @property
    def entity(self) -> str:
        return f"receiver:{self.receiver_id}"


class _OfTariff(Struct, frozen=True, kw_only=True):
    tariff_id: Name

    @property
    def entity(self) -> str:
        return f"tariff:{self.tariff_id}"


class RegisterSensor(_OfSensor, frozen=True, kw_only=True, omit_defaults=True):
    """A sensor may post from now on, once it has a token.

    Attributes:
        kind: what it sends: "power" readings of a 3-phase sensor, or the frames of a "linky"; never changes.
        units: "canonical" sends mW, percent, mV; "base" sends W, percent, V.
        zone: IANA name of the time zone; of its site's when it names one.
        secret_sha256: hash of the secret in the device's flash.
        site: id of a site, or empty.
        zero_based: it numbers its probes 0, 1, 2.
        nominal_voltage_v: phase to neutral.
        contracted_power_w: 0: none.
        tariff: what it is billed by, as kepco/general_b/high_a/I or linky/hchp; or empty.
        thresholds: of anomaly rules, by name, where they are not the default.
    """

    KIND: ClassVar[str] = "sensor.register"
    secret_sha256: Sha256
    kind: Kind = "power"
    units: Units = "canonical"
    zone: Zone = "Asia/Seoul"
    site: NameOrNone = ""
    owner: Text = ""
    address: Text = ""
    category: Category = "main"
    zero_based: bool = False
    nominal_voltage_v: Volts = 220.0
    contracted_power_w: Watts = 0.0
    tariff: TariffPlan = ""
    thresholds: Thresholds = {}


class ChangeSensor(_OfSensor, frozen=True, kw_only=True):
    """Other facts about a sensor; what is not named stays. Fields as in RegisterSensor.

    Attributes:
        thresholds: takes the place of all that were set before.
        valid_from: first day of this tariff and contracted power, in the sensor's zone, until the next such day; what held
            before stays for the days before. Not named: the newest of them were wrong, and hold as these from their own day on.
    """

    KIND: ClassVar[str] = "sensor.change"
    units: Units | UnsetType = UNSET
    zone: Zone | UnsetType = UNSET
    site: NameOrNone | UnsetType = UNSET
    owner: Text | UnsetType = UNSET
    address: Text | UnsetType = UNSET
    category: Category | UnsetType = UNSET
    zero_based: bool | UnsetType = UNSET
    nominal_voltage_v: Volts | UnsetType = UNSET
    contracted_power_w: Watts | UnsetType = UNSET
    tariff: TariffPlan | UnsetType = UNSET
    thresholds: Thresholds | UnsetType = UNSET
    valid_from: Day | UnsetType = UNSET

    def changes(self) -> dict[str, Any]:
        """What is named, by field."""
        values = ((name, getattr(self, name)) for name in self.__struct_fields__ if name != "sensor_id")
        return {name: value for name, value in values if value is not UNSET}


class RenewSecret(_OfSensor, frozen=True, kw_only=True):
    """The secret in a device's flash is another one; the old one and all its tokens stop working.

    A revoked sensor comes back by it.
    """

    KIND: ClassVar[str] = "sensor.secret"
    secret_sha256: Sha256


class RevokeSensor(_OfSensor, frozen=True, kw_only=True):
    """The sensor's secret and tokens stop working."""

    KIND: ClassVar[str] = "sensor.revoke"


class IssueToken(_OfSensor, frozen=True, kw_only=True):
    """A new token of a sensor; a third retires the oldest."""

    KIND: ClassVar[str] = "token.issue"
    token_sha256: Sha256
    issued_at_ms: Milliseconds
    expires_at_ms: Milliseconds
    refresh_at_ms: Milliseconds


class PutSite(_OfSite, frozen=True, kw_only=True, omit_defaults=True):
    """A place with a time zone, made or changed.

    Attributes:
        name: for people.
    """

    KIND: ClassVar[str] = "site.put"
    zone: Zone
    name: Text = ""
    address: Text = ""


class RemoveSite(_OfSite, frozen=True, kw_only=True):
    """A place nobody needs any more; no sensor may stand there."""

    KIND: ClassVar[str] = "site.remove"


class PutTariff(_OfTariff, frozen=True, kw_only=True):
    """What a tariff is from a day on, until its next version; the same day again replaces.

    Attributes:
        valid_from: first day, in the site's time zone.
        document: the tariff as JSON, an object.
    """

    KIND: ClassVar[str] = "tariff.put"
    valid_from: Day
    document: Annotated[str, Meta(min_length=2, max_length=DOCUMENT_MAX)]


class RemoveTariff(_OfTariff, frozen=True, kw_only=True):
    """One version of a tariff was wrong; what was valid before goes on."""

    KIND: ClassVar[str] = "tariff.remove"
    valid_from: Day


class PutReceiver(_OfReceiver, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody who is told of anomalies, made or changed; one that was switched off is told again.

    Attributes:
        address: for people, without anything that opens a door; of e-mail where it goes, with commas between.
        sealed: where a webhook or an MQTT broker is and what opens it, encrypted (docs/decisions/0017).
        sealed_key: names the key it is encrypted with.
        zone: of quiet times and of moments in texts.
        rules: of anomalies; none: all.
        severity: the least that is told.
        sensors, sites: one of either is enough; none: all.
        quiet: as 22:00-07:00 or sat,sun 00:00-24:00.
        severe_passes: what is severe is told in quiet times, too.
        per_hour: messages of an hour; more are summed up.
    """

    KIND: ClassVar[str] = "receiver.put"
    channel: Channel
    address: Address
    sealed: Sealed = ""
    sealed_key: SealedUnder = ""
    language: Tongue = "en"
    zone: Zone = "Asia/Seoul"
    rules: Annotated[tuple[RuleName, ...], Meta(max_length=100)] = ()
    severity: Severity = "notice"
    sensors: Annotated[tuple[SensorId, ...], Meta(max_length=1000)] = ()
    sites: Annotated[tuple[Name, ...], Meta(max_length=1000)] = ()
    quiet: Annotated[tuple[QuietTime, ...], Meta(max_length=20)] = ()
    severe_passes: bool = True
    per_hour: Annotated[int, Meta(ge=1, le=1000)] = 30


class SwitchOffReceiver(_OfReceiver, frozen=True, kw_only=True):
    """A receiver that is told nothing any more, until it is put again.

    Attributes:
        reason: for people.
    """

    KIND: ClassVar[str] = "receiver.off"
    reason: Text = ""


class RemoveReceiver(_OfReceiver, frozen=True, kw_only=True):
    """A receiver that is gone."""

    KIND: ClassVar[str] = "receiver.remove"


class AddUser(_OfUser, frozen=True, kw_only=True, omit_defaults=True):
    """A person who may sign in.

    Attributes:
        one_time: the password must be changed at the first sign-in.
        datastore: they get a number and an owner there; accounts that a stack makes for itself do not.
    """

    KIND: ClassVar[str] = "user.add"
    role: Role
    password_hash: Argon2
    one_time: bool = False
    datastore: bool = True


class SetPassword(_OfUser, frozen=True, kw_only=True):
    KIND: ClassVar[str] = "user.password"
    password_hash: Argon2
    one_time: bool = False


class IssueUserToken(_OfUser, frozen=True, kw_only=True):
    """A token with which a person's programs use the REST API."""

    KIND: ClassVar[str] = "user.token"
    token_sha256: Sha256
    scope: Scope
    expires_at_ms: Milliseconds


class ChangeRole(_OfUser, frozen=True, kw_only=True):
    """What a person may do from now on."""

    KIND: ClassVar[str] = "user.role"
    role: Role


class RemoveUser(_OfUser, frozen=True, kw_only=True):
    """A person who may come in no more; their tokens end."""

    KIND: ClassVar[str] = "user.remove"


class RevokeUserToken(_OfUser, frozen=True, kw_only=True):
    """One token of a person's programs stops working."""

    KIND: ClassVar[str] = "user.token.revoke"
    token_sha256: Sha256


Command = (
    RegisterSensor
    | ChangeSensor
    | RenewSecret
    | RevokeSensor
    | IssueToken
    | PutSite
    | RemoveSite
    | PutTariff
    | RemoveTariff
    | PutReceiver
    | SwitchOffReceiver
    | RemoveReceiver
    | AddUser
    | ChangeRole
    | RemoveUser
    | SetPassword
    | IssueUserToken
    | RevokeUserToken
    | DatastoreCommand
)

ALL: tuple[type[Command], ...] = get_args(Command)
"""Every kind of command."""
