"""May this sensor post? Its token against the catalog: 401 before 403."""

from typing import Any

from producers.gateway.verdict import MISSING, Admission, Rejection
from streams.catalog.state import Sensor, State
from streams.catalog.tokens import TOKEN_MAX, hash_of, same

_SCALE = {"canonical": 1, "base": 1000}
_DOORS = {"power": "it posts to /powermon/data", "linky": "its frames go to /powermon/tic"}


def bearer(authorization: str | None) -> str | None:
    """The token of an Authorization header; None when it carries none."""
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def admit(
    state: State, sensor_id: str, in_body: Any, in_header: str | None, now_ms: int, kind: str | None = "power"
) -> Admission | Rejection:
    """Judge the token of a post.

    Args:
        state: the catalog.
        sensor_id: lower case.
        in_body: the member `token`, of any type, or MISSING.
        in_header: the bearer token, or None.
        now_ms: the gateway's clock.
        kind: of sensor that may use the door; None: any.
    """
    if in_body is MISSING:
        if in_header is None:
            return _rejected(401, "token_missing", "no token came; expected one in the body or in Authorization: Bearer")
        in_body = in_header
    if not isinstance(in_body, str) or not 1 <= len(in_body) <= TOKEN_MAX:
        return _rejected(401, "token_invalid", f"the token is not a string of 1 to {TOKEN_MAX} characters")
    digest = hash_of(in_body)
    if in_header is not None and in_header is not in_body and not same(digest, hash_of(in_header)):
        return _rejected(401, "token_invalid", "the tokens of the body and of the header differ")
    return owner(state, sensor_id, digest, now_ms, kind)


def holder(state: State, token: Any) -> str | None:
    """Whose token this is, live or expired; None when it is nobody's."""
    found = state.sensor_tokens.get(hash_of(token)) if isinstance(token, str) and len(token) <= TOKEN_MAX else None
    return None if found is None else found.sensor_id


def admit_meter(state: State, in_body: Any, in_header: str | None, now_ms: int) -> tuple[str, Admission] | Rejection:
    """Judge the token of a meter's frames, which names the meter; arguments as for `admit`."""
    sensor_id = holder(state, in_header if in_body is MISSING else in_body) or ""
    found = admit(state, sensor_id, in_body, in_header, now_ms, "linky")
    return found if isinstance(found, Rejection) else (sensor_id, found)


def owner(state: State, sensor_id: str, digest: str, now_ms: int, kind: str | None = "power") -> Admission | Rejection:
    """Judge a token by its hash."""
    sensor = state.sensors.get(sensor_id)
    own = False
    for live in () if sensor is None else sensor.tokens:
        own |= same(live, digest)
    # A token that is not this sensor's own was refused by the comparison above; the look-up only finds out why.
    token = state.sensor_tokens.get(digest)
    if token is None:
        return _rejected(401, "token_invalid", "the token is not known; get a new one")
    if now_ms >= token.expires_at_ms:
        return _rejected(401, "token_expired", "the token has expired; get a new one")
    if sensor is None or not own:
        return _rejected(403, "token_sensor_mismatch", f"the token does not speak for sensor {sensor_id}", "sensor_id")
    if sensor.revoked_at_ms is not None:
        return _rejected(403, "sensor_disabled", f"sensor {sensor_id} is revoked", "sensor_id")
    return _of_kind(sensor, kind) or Admission(_SCALE[sensor.units], now_ms >= token.refresh_at_ms)


def by_secret(state: State, sensor_id: str, digest: str) -> Admission | Rejection:
    """Whether a sensor that showed its secret before may still send.

    Args:
        digest: hash of the secret it showed.
    """
    sensor = state.sensors.get(sensor_id)
    if sensor is None or not same(sensor.secret_sha256, digest):
        return _rejected(401, "token_invalid", "the secret is not this sensor's any more", "secret")
    if sensor.revoked:
        return _rejected(403, "sensor_disabled", f"sensor {sensor_id} is revoked", "sensor_id")
    return _of_kind(sensor, "power") or Admission(_SCALE[sensor.units], False)


def _of_kind(sensor: Sensor, kind: str | None) -> Rejection | None:
    """None when the sensor is of the kind that this door is for."""
    if kind is None or sensor.kind == kind:
        return None
    detail = f"{sensor.sensor_id} is registered with kind {sensor.kind}; {_DOORS[sensor.kind]}"
    return _rejected(403, "wrong_kind", detail, "sensor_id")


def _rejected(status: int, code: str, detail: str, field: str = "token") -> Rejection:
    return Rejection(status, code, field, detail)
