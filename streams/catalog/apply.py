"""The catalog's rules: a command and the state before it give an outcome, the same everywhere."""

from dataclasses import dataclass, replace

from streams.catalog.commands import (
    AddUser,
    Command,
    CommandError,
    Envelope,
    IssueToken,
    IssueUserToken,
    RegisterSensor,
    RevokeSensor,
    SetPassword,
    unseal,
)
from streams.catalog.state import TOKENS_PER_SENSOR, Change, Sensor, SensorToken, State, User, UserToken


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict on one command.

    Attributes:
        code: "accepted", or why not, for programs.
        detail: the same as a sentence.
        changes: what becomes of the state; empty when refused.
    """

    accepted: bool
    code: str
    detail: str
    changes: tuple[Change, ...] = ()


def fold(state: State, envelope: Envelope) -> Outcome:
    """Judge one command and bring the state up to date."""
    outcome = apply(state, envelope)
    state.put(outcome.changes)
    return outcome


def apply(state: State, envelope: Envelope) -> Outcome:
    """Judge one command against the state before it; neither is touched, nothing is raised."""
    try:
        command = unseal(envelope)
    except CommandError as error:
        return _refused(error.code, str(error))
    return _judge(state, command, envelope.at_ms)


def _judge(state: State, command: Command, at_ms: int) -> Outcome:
    match command:
        case RegisterSensor():
            return _register_sensor(state, command, at_ms)
        case RevokeSensor():
            return _revoke_sensor(state, command, at_ms)
        case IssueToken():
            return _issue_token(state, command)
        case AddUser():
            return _add_user(state, command, at_ms)
        case SetPassword():
            return _set_password(state, command)
        case IssueUserToken():
            return _issue_user_token(state, command)


def _register_sensor(state: State, command: RegisterSensor, at_ms: int) -> Outcome:
    known = state.sensors.get(command.sensor_id)
    if known is not None:
        why = "revoked; ids are not used again" if known.revoked else "registered"
        return _refused("sensor_exists", f"sensor {command.sensor_id} is already {why}")
    sensor = Sensor(command.sensor_id, command.units, command.zone, command.secret_sha256, at_ms)
    return _accepted(f"sensor {command.sensor_id} is registered", Change("sensors", sensor.sensor_id, sensor))


def _revoke_sensor(state: State, command: RevokeSensor, at_ms: int) -> Outcome:
    sensor = state.sensors.get(command.sensor_id)
    if sensor is None:
        return _unknown_sensor(command.sensor_id)
    if sensor.revoked:
        return _accepted(f"sensor {sensor.sensor_id} was revoked before")
    # Its tokens stay known, so that the device hears "disabled" and keeps its data, not "get a new token".
    revoked = replace(sensor, revoked_at_ms=at_ms)
    return _accepted(f"sensor {sensor.sensor_id} is revoked", Change("sensors", sensor.sensor_id, revoked))


def _issue_token(state: State, command: IssueToken) -> Outcome:
    sensor = state.sensors.get(command.sensor_id)
    if sensor is None:
        return _unknown_sensor(command.sensor_id)
    if sensor.revoked:
        return _refused("sensor_disabled", f"sensor {sensor.sensor_id} is revoked; it gets no more tokens")
    if _token_known(state, command.token_sha256):
        return _refused("token_exists", "this token was issued before; make another")
    token = SensorToken(
        command.token_sha256, sensor.sensor_id, command.issued_at_ms, command.expires_at_ms, command.refresh_at_ms
    )
    tokens = (*sensor.tokens, token.token_sha256)
    retired, kept = tokens[:-TOKENS_PER_SENSOR], tokens[-TOKENS_PER_SENSOR:]
    return _accepted(
        f"sensor {sensor.sensor_id} has a new token",
        *(Change("sensor_tokens", old, None) for old in retired),
        Change("sensor_tokens", token.token_sha256, token),
        Change("sensors", sensor.sensor_id, replace(sensor, tokens=kept)),
    )


def _add_user(state: State, command: AddUser, at_ms: int) -> Outcome:
    if command.name in state.users:
        return _refused("user_exists", f"user {command.name} exists already")
    user = User(command.name, command.role, command.password_hash, command.one_time, at_ms)
    return _accepted(f"user {command.name} is added", Change("users", user.name, user))


def _set_password(state: State, command: SetPassword) -> Outcome:
    user = state.users.get(command.name)
    if user is None:
        return _unknown_user(command.name)
    changed = replace(user, password_hash=command.password_hash, one_time=command.one_time)
    return _accepted(f"user {user.name} has a new password", Change("users", user.name, changed))


def _issue_user_token(state: State, command: IssueUserToken) -> Outcome:
    if command.name not in state.users:
        return _unknown_user(command.name)
    if _token_known(state, command.token_sha256):
        return _refused("token_exists", "this token was issued before; make another")
    token = UserToken(command.token_sha256, command.name, command.scope, command.expires_at_ms)
    return _accepted(f"user {command.name} has a new token", Change("user_tokens", token.token_sha256, token))


def _token_known(state: State, token_sha256: str) -> bool:
    return token_sha256 in state.sensor_tokens or token_sha256 in state.user_tokens


def _unknown_sensor(sensor_id: str) -> Outcome:
    return _refused("unknown_sensor", f"sensor {sensor_id} is not registered; first `powermon sensors add {sensor_id}`")


def _unknown_user(name: str) -> Outcome:
    return _refused("unknown_user", f"there is no user {name}; first `powermon users add {name}`")


def _accepted(detail: str, *changes: Change) -> Outcome:
    return Outcome(True, "accepted", detail, changes)


def _refused(code: str, detail: str) -> Outcome:
    return Outcome(False, code, detail)
