"""Tokens of registry connections, sealed: the log and the catalog hold nothing that opens a door.

The REST API gives such a token back, so a hash is not enough: it stands encrypted beside a keyed digest, by which it is found.
The key is a file of this machine; docs/decisions/0015 says why, and what happens when it is lost.
"""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infra.errors import ConfigurationError, PartUnavailable
from streams.catalog.datastore.entries import Connection
from streams.catalog.state import State

_KEY_BYTES = 32
_NONCE_BYTES = 12
_MAKE = "head -c 32 /dev/urandom > FILE; chmod 600 FILE"


@dataclass(frozen=True, slots=True)
class SealedToken:
    """What the catalog keeps of a token; fields as in CreateConnection."""

    token_digest: str
    token_sealed: str
    token_key: str


class Key:
    """What seals and opens tokens."""

    def __init__(self, key: bytes) -> None:
        self._digests, name = _derived(key, b"digest"), _derived(key, b"name")
        self._cipher = AESGCM(_derived(key, b"seal"))
        self.name = name.hex()[:16]

    def digest(self, token: str) -> str:
        """By which a token is found: HMAC-SHA256 as 64 hex digits."""
        return hmac.new(self._digests, token.encode(), hashlib.sha256).hexdigest()

    def seal(self, token: str) -> SealedToken:
        """A token, as lower-case UUID text, encrypted by AES-256-GCM; the digest belongs to it."""
        digest, nonce = self.digest(token), secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, token.encode(), digest.encode())
        return SealedToken(digest, base64.urlsafe_b64encode(sealed).rstrip(b"=").decode(), self.name)

    def open(self, connection: Connection) -> str | None:
        """The token; None when it was sealed by another key, or altered."""
        try:
            sealed = base64.urlsafe_b64decode(connection.token_sealed + "=" * (-len(connection.token_sealed) % 4))
            nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
            return self._cipher.decrypt(nonce, text, connection.token_digest.encode()).decode()
        except (InvalidTag, binascii.Error, ValueError):
            return None


def _derived(key: bytes, what: bytes) -> bytes:
    return hmac.new(key, b"powermon registry token " + what, hashlib.sha256).digest()


class PartnerTokens:
    """Tokens under the key in a file, which the first connection makes.

    Args:
        path: of the file; None: a key of this process alone.

    Raises:
        ConfigurationError: there is a file, and it is no key.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._key = Key(secrets.token_bytes(_KEY_BYTES)) if path is None else None
        self._told = False
        self._known()

    def seal(self, token: str, state: State) -> SealedToken:
        """A token of a new connection, or a new token of one.

        Raises:
            PartUnavailable: there is no key, and the tokens of other connections need one; or its file cannot be written or read.
        """
        try:
            key = self._known()
            if key is None:
                if others := sorted(
                    {one.token_key for one in state.connections.values()}
                    | {one.sealed_key for one in state.receivers.values() if one.sealed_key}
                ):
                    raise PartUnavailable(
                        f"tokens of registry connections or secrets of receivers are sealed under key {', '.join(others)}, "
                        "and this server has none; "
                        f"put the key file of the server that made them at POWERMON_REGISTRY_KEY_FILE. If it is lost: {_MAKE}, "
                        "and give each connection a new token"
                    )
                key = self._made()
        except (ConfigurationError, OSError) as error:
            raise PartUnavailable(f"the key of registry tokens cannot be used: {error}") from error
        return key.seal(token)

    def digest(self, token: str) -> str | None:
        """By which a token is found; None: there is no key."""
        key = self._available()
        return None if key is None else key.digest(token)

    def open(self, connection: Connection) -> str | None:
        """A connection's token; None when the key is another one, or lost."""
        key = self._available()
        token = None if key is None else key.open(connection)
        if token is None and not self._told:
            self._told = True
            structlog.get_logger(__name__).warning(
                "a registry token cannot be opened with this server's key; its partner is refused",
                connection=connection.pk,
                sealed_under=connection.token_key,
                key="none" if key is None else key.name,
            )
        return token

    def _available(self) -> Key | None:
        try:
            return self._known()
        except ConfigurationError:
            return None

    def _known(self) -> Key | None:
        if self._key is None and self._path is not None and self._path.exists():
            self._key = Key(read(self._path))
        return self._key

    def _made(self) -> Key:
        assert self._path is not None
        make(self._path)
        self._key = Key(read(self._path))
        return self._key


def read(path: Path) -> bytes:
    """The key in a file.

    Raises:
        ConfigurationError: it cannot be read, others can read it, or it is too short.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            key = file.read(4096)
    except OSError as error:
        raise ConfigurationError(f"POWERMON_REGISTRY_KEY_FILE: {path} cannot be read ({error.strerror})") from error
    if mode & 0o077:
        raise ConfigurationError(f"POWERMON_REGISTRY_KEY_FILE: {path} has mode {mode:04o}, expected 0600: chmod 600 {path}")
    if len(key) < _KEY_BYTES:
        raise ConfigurationError(
            f"POWERMON_REGISTRY_KEY_FILE: {path} holds {len(key)} bytes, expected at least {_KEY_BYTES} random ones: "
            f"put the file back from its copy, or, if it never sealed anything: {_MAKE}"
        )
    return key


def make(path: Path) -> None:
    """A new key in a file that only its owner reads, whole or not at all; a file that another process made meanwhile stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # mkstemp makes it mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(name, path)  # fails where there is one
        except FileExistsError:
            return
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # else a power cut could take the key and leave what it sealed
        finally:
            os.close(folder)
    finally:
        Path(name).unlink()
