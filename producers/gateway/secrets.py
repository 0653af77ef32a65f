"""Does this secret speak for this sensor? Whoever guesses learns nothing of which sensors there are."""

from typing import Any

from producers.gateway.verdict import MISSING, Rejection
from streams.catalog.state import State
from streams.catalog.tokens import TOKEN_MAX, hash_of, same

_NOBODYS = hash_of("the secret of no sensor")


def check(state: State, sensor_id: str, secret: Any) -> Rejection | None:
    """Judge a sensor's secret; None when it is right and the sensor may have a token.

    An unknown sensor takes the same steps as a wrong secret and gets the same words.

    Args:
        sensor_id: lower case.
        secret: the member `secret`, of any type, or MISSING.
    """
    if secret is MISSING:
        return _rejected(401, "token_missing", "no secret came; expected the one that was shown when the sensor was registered")
    if not isinstance(secret, str) or not 1 <= len(secret) <= TOKEN_MAX:
        return wrong_secret()
    sensor = state.sensors.get(sensor_id)
    right = same(hash_of(secret), _NOBODYS if sensor is None else sensor.secret_sha256)
    if sensor is None or not right:
        return wrong_secret()
    if sensor.revoked:
        return _rejected(403, "sensor_disabled", f"sensor {sensor_id} is revoked", "sensor_id")
    return None


def wrong_secret() -> Rejection:
    """The one answer to a secret that is not the sensor's, whatever the reason."""
    return _rejected(401, "token_invalid", "sensor_id and secret do not belong together")


def _rejected(status: int, code: str, detail: str, field: str = "secret") -> Rejection:
    return Rejection(status, code, field, detail)
