"""Secrets and tokens: 256 random bits for the device, a SHA-256 for us. The caller brings the randomness."""

import hashlib
import hmac
from base64 import urlsafe_b64encode

RANDOM_BYTES = 32
"""Random bytes in a token or a secret. A random 256-bit value needs no slow hash."""

TOKEN_PREFIX = "pm1_"  # noqa: S105  (a mark by which leaked tokens are found, not a token)
SECRET_PREFIX = "pms_"  # noqa: S105
TOKEN_MAX = 256
"""Characters a sensor's token may have."""


def make_token(random: bytes) -> str:
    """A token, `pm1_` and 43 characters, from 32 random bytes."""
    return TOKEN_PREFIX + _text(random)


def make_secret(random: bytes) -> str:
    """A sensor's secret, `pms_` and 43 characters, from 32 random bytes."""
    return SECRET_PREFIX + _text(random)


def make_password(random: bytes) -> str:
    """A one-time password a person can type: 16 characters in four groups, from 10 random bytes or more."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    number = int.from_bytes(random, "big")
    letters = []
    for _ in range(16):
        number, at = divmod(number, len(alphabet))
        letters.append(alphabet[at])
    return "-".join("".join(letters[i : i + 4]) for i in range(0, 16, 4))


def hash_of(text: str) -> str:
    """What the catalog keeps of a token or secret: SHA-256 as 64 hex digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def same(left_sha256: str, right_sha256: str) -> bool:
    """Compare two hashes in constant time."""
    return hmac.compare_digest(left_sha256, right_sha256)


def _text(random: bytes) -> str:
    if len(random) != RANDOM_BYTES:
        raise ValueError(f"{len(random)} random bytes came; expected {RANDOM_BYTES}")
    return urlsafe_b64encode(random).rstrip(b"=").decode()
