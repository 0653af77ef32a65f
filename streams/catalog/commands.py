"""What may be asked of the catalog: one Struct per kind, and the envelope that carries it on the log.

Secrets, tokens and passwords stand here only as hashes. Ids are lower case.
"""

from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta, Struct

SENSOR_ID = r"\A[a-z]{1,58}[0-9]{6}\Z"
USER_NAME = r"\A[a-z][a-z0-9._-]{0,63}\Z"

AT_MS_END = 253_402_300_800_000
"""The year 10000: beyond it no calendar of ours goes."""

SensorId = Annotated[str, Meta(pattern=SENSOR_ID)]
UserName = Annotated[str, Meta(pattern=USER_NAME)]
Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Argon2 = Annotated[str, Meta(pattern=r"\A\$argon2", max_length=512)]
Milliseconds = Annotated[int, Meta(ge=0, lt=AT_MS_END)]
Zone = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*\Z", max_length=64)]
Scope = Annotated[str, Meta(pattern=r"\A[a-z]+( [a-z]+)*\Z", max_length=200)]
Role = Literal["admin", "operator", "viewer"]


class RegisterSensor(Struct, frozen=True, kw_only=True):
    """A sensor may post from now on, once it has a token.

    Attributes:
        units: "canonical" sends mW, percent, mV; "base" sends W, percent, V.
        zone: IANA name of the site's time zone.
        secret_sha256: hash of the secret in the device's flash.
    """

    kind: ClassVar[str] = "sensor.register"
    sensor_id: SensorId
    secret_sha256: Sha256
    units: Literal["canonical", "base"] = "canonical"
    zone: Zone = "Asia/Seoul"

    @property
    def entity(self) -> str:
        return f"sensor:{self.sensor_id}"


class RevokeSensor(Struct, frozen=True, kw_only=True):
    """The sensor's secret and tokens stop working."""

    kind: ClassVar[str] = "sensor.revoke"
    sensor_id: SensorId

    @property
    def entity(self) -> str:
        return f"sensor:{self.sensor_id}"


class IssueToken(Struct, frozen=True, kw_only=True):
    """A new token of a sensor; a third retires the oldest."""

    kind: ClassVar[str] = "token.issue"
    sensor_id: SensorId
    token_sha256: Sha256
    issued_at_ms: Milliseconds
    expires_at_ms: Milliseconds
    refresh_at_ms: Milliseconds

    @property
    def entity(self) -> str:
        return f"sensor:{self.sensor_id}"


class AddUser(Struct, frozen=True, kw_only=True):
    """A person who may sign in.

    Attributes:
        one_time: the password must be changed at the first sign-in.
    """

    kind: ClassVar[str] = "user.add"
    name: UserName
    role: Role
    password_hash: Argon2
    one_time: bool = False

    @property
    def entity(self) -> str:
        return f"user:{self.name}"


class SetPassword(Struct, frozen=True, kw_only=True):
    kind: ClassVar[str] = "user.password"
    name: UserName
    password_hash: Argon2
    one_time: bool = False

    @property
    def entity(self) -> str:
        return f"user:{self.name}"


class IssueUserToken(Struct, frozen=True, kw_only=True):
    """A token with which a person's programs use the REST API."""

    kind: ClassVar[str] = "user.token"
    name: UserName
    token_sha256: Sha256
    scope: Scope
    expires_at_ms: Milliseconds

    @property
    def entity(self) -> str:
        return f"user:{self.name}"


Command = RegisterSensor | RevokeSensor | IssueToken | AddUser | SetPassword | IssueUserToken

_ALL: tuple[type[Command], ...] = (RegisterSensor, RevokeSensor, IssueToken, AddUser, SetPassword, IssueUserToken)
KINDS: dict[str, type[Command]] = {command.kind: command for command in _ALL}
_DECODERS: dict[str, msgspec.json.Decoder[Command]] = {c.kind: msgspec.json.Decoder(c) for c in _ALL}


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message of catalog.commands; fields as in schemas/catalog_command.avsc."""

    command_id: str
    at_ms: int
    actor: str
    kind: str
    entity: str
    payload: str

    def record(self) -> dict[str, Any]:
        """The Avro record."""
        return asdict(self)


def seal(command: Command, *, command_id: str, at_ms: int, actor: str) -> Envelope:
    """Put a command into its envelope.

    Args:
        command_id: random, chosen by the writer.
        at_ms: the writer's clock, UTC.
        actor: who asks.
    """
    return Envelope(command_id, at_ms, actor, command.kind, command.entity, msgspec.json.encode(command).decode())


class CommandError(Exception):
    """An envelope whose kind is unknown or whose payload does not fit it.

    Attributes:
        code: unknown_kind, bad_time, bad_payload or wrong_entity.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def unseal(envelope: Envelope) -> Command:
    """Read the command in an envelope.

    Raises:
        CommandError: there is none.
    """
    decoder = _DECODERS.get(envelope.kind)
    if decoder is None:
        raise CommandError("unknown_kind", f"kind {envelope.kind[:60]!r} came; expected one of {', '.join(sorted(KINDS))}")
    if not 0 <= envelope.at_ms < AT_MS_END:
        raise CommandError("bad_time", f"at_ms {envelope.at_ms} came; expected milliseconds between 1970 and 9999")
    try:
        command = decoder.decode(envelope.payload)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise CommandError("bad_payload", f"payload of {envelope.kind} does not fit: {error}"[:300]) from error
    if command.entity != envelope.entity:
        raise CommandError("wrong_entity", f"entity {envelope.entity[:80]!r} came; the payload is about {command.entity}")
    return command
