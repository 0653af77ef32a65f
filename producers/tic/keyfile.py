"""The key of the pseudonyms: in a file of its own, never in the environment, a log line or an error."""

import stat
from pathlib import Path

from infra.errors import ConfigurationError
from producers.tic.identity import KEY_MIN_BYTES

MAKE = "head -c 32 /dev/urandom > FILE; chmod 600 FILE"


def read(path: str) -> bytes | None:
    """The bytes of the file that POWERMON_TIC_KEY_FILE names; None when it names none.

    Raises:
        ConfigurationError: it cannot be read, others can read it, or it is too short.
    """
    if not path:
        return None
    try:
        with Path(path).open("rb") as file:
            mode = stat.S_IMODE(Path(path).stat().st_mode)
            key = file.read(4096)
    except OSError as error:
        raise ConfigurationError(
            f"POWERMON_TIC_KEY_FILE: {path} cannot be read ({error.strerror}); make it, with this user as owner: {MAKE}"
        ) from error
    if mode & 0o077:
        raise ConfigurationError(f"POWERMON_TIC_KEY_FILE: {path} has mode {mode:04o}, expected 0600: chmod 600 {path}")
    if len(key) < KEY_MIN_BYTES:
        raise ConfigurationError(
            f"POWERMON_TIC_KEY_FILE: {path} holds {len(key)} bytes, expected at least {KEY_MIN_BYTES} random ones: {MAKE}"
        )
    return key
