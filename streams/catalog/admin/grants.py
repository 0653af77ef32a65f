"""New tokens: the token for the one who asked, its hash for the log."""

import secrets

from streams.catalog.commands import IssueToken, IssueUserToken
from streams.catalog.tokens import RANDOM_BYTES, hash_of, make_password, make_secret, make_token

SENSOR_TOKEN_DAYS = 7
USER_TOKEN_DAYS = 365
DAYS_MOST = 36_500
_DAY_MS = 86_400_000


def new_secret() -> str:
    """A sensor's secret."""
    return make_secret(secrets.token_bytes(RANDOM_BYTES))


def new_password() -> str:
    """A person's one-time password."""
    return make_password(secrets.token_bytes(RANDOM_BYTES))


def for_sensor(sensor_id: str, now_ms: int, days: int | None = None) -> tuple[str, IssueToken]:
    """A token for a sensor's posts, to be refreshed from half its life on."""
    token, life_ms = make_token(secrets.token_bytes(RANDOM_BYTES)), (days or SENSOR_TOKEN_DAYS) * _DAY_MS
    return token, IssueToken(
        sensor_id=sensor_id,
        token_sha256=hash_of(token),
        issued_at_ms=now_ms,
        expires_at_ms=now_ms + life_ms,
        refresh_at_ms=now_ms + life_ms // 2,
    )


def for_user(name: str, scope: str, now_ms: int, days: int | None = None) -> tuple[str, IssueUserToken]:
    """A token for a person's programs."""
    token = make_token(secrets.token_bytes(RANDOM_BYTES))
    expires_at_ms = now_ms + (days or USER_TOKEN_DAYS) * _DAY_MS
    return token, IssueUserToken(name=name, token_sha256=hash_of(token), scope=scope, expires_at_ms=expires_at_ms)
