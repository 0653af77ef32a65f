"""Who is signed in. Kept by the hash of the session's id, in memory and in one private file,
so that a restart of this process signs nobody out."""

import contextlib
import hashlib
import json
import os
import secrets
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

IDLE_S = 12 * 3600.0
LIFE_S = 30 * 86400.0
PER_USER = 50
_SAVE_S = 60.0


@dataclass(slots=True)
class Session:
    """One browser that is signed in.

    Attributes:
        csrf: stands in each form of this session.
        password_of: mark of the password it was opened under; another password ends it.
    """

    name: str
    csrf: str
    password_of: str
    began_s: float
    used_s: float


class Sessions:
    """All sessions. Time is an argument.

    Args:
        file: where they outlive the process; None: they do not.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._sessions: dict[str, Session] = {}
        self._saved_s = 0.0
        self._log = structlog.get_logger(__name__)
        if file is not None:
            with contextlib.suppress(FileNotFoundError):
                try:
                    self._sessions = {key: Session(**value) for key, value in json.loads(file.read_text()).items()}
                except (ValueError, TypeError, AttributeError):
                    self._log.warning("sessions not read, everybody signs in again", file=str(file))

    def open(self, name: str, password_hash: str, now_s: float) -> str:
        """Begin a session; returns its id, for the cookie only."""
        self._drop_old(now_s)
        mine = sorted((s.used_s, key) for key, s in self._sessions.items() if s.name == name)
        for _, key in mine[: max(0, len(mine) - PER_USER + 1)]:
            del self._sessions[key]
        session_id = secrets.token_urlsafe(32)
        self._sessions[_hash(session_id)] = Session(name, secrets.token_urlsafe(32), mark(password_hash), now_s, now_s)
        self.save(now_s)
        return session_id

    def find(self, session_id: str | None, now_s: float) -> Session | None:
        """The live session of a cookie; its idle time begins anew."""
        if not session_id:
            return None
        key = _hash(session_id)
        session = self._sessions.get(key)
        if session is None:
            return None
        if _over(session, now_s):
            del self._sessions[key]
            return None
        session.used_s = now_s
        if now_s - self._saved_s > _SAVE_S:
            self.save(now_s)
        return session

    def close(self, session_id: str, now_s: float) -> None:
        if self._sessions.pop(_hash(session_id), None) is not None:
            self.save(now_s)

    def save(self, now_s: float) -> None:
        """Write the file, whole or not at all; only its owner may read it."""
        self._saved_s = now_s
        if self._file is None:
            return
        self._drop_old(now_s)
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            handle, scratch = tempfile.mkstemp(dir=self._file.parent, prefix=f".{self._file.name}")
            with os.fdopen(handle, "w") as out:
                json.dump({key: asdict(session) for key, session in self._sessions.items()}, out)
            Path(scratch).replace(self._file)
        except OSError as error:
            self._log.warning("sessions not saved", reason=str(error))

    def _drop_old(self, now_s: float) -> None:
        self._sessions = {key: s for key, s in self._sessions.items() if not _over(s, now_s)}


def mark(password_hash: str) -> str:
    """What a session keeps of the password's hash, to notice another one."""
    return _hash(password_hash)[:16]


def _over(session: Session, now_s: float) -> bool:
    return now_s - session.used_s > IDLE_S or now_s - session.began_s > LIFE_S


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
