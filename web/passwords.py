"""People's passwords: argon2, a few at a time, and as slow for a name that nobody has."""

import asyncio
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from web.view.say import say

SHORTEST = 10
LONGEST = 200


class Passwords:
    """Checks and makes hashes outside the event loop, two at a time: each takes 64 MB."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._free = asyncio.Semaphore(2)
        self._nobody = self._hasher.hash(secrets.token_urlsafe(16))

    async def right(self, password_hash: str | None, password: str) -> bool:
        """Whether the password belongs to the hash; None never, after the same time."""
        async with self._free:
            fits = await asyncio.to_thread(self._verify, password_hash or self._nobody, password[:LONGEST])
        return fits and password_hash is not None

    async def hash(self, password: str) -> str:
        async with self._free:
            return await asyncio.to_thread(self._hasher.hash, password)

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False


def problem(password: str, again: str, name: str) -> str | None:
    """Why a new password is refused; None when it is not."""
    if password != again:
        return say("The two new passwords differ; type the same one twice.")
    if not SHORTEST <= len(password) <= LONGEST:
        return say(
            "The new password has {n} characters; expected {least} to {most}.", n=len(password), least=SHORTEST, most=LONGEST
        )
    if password.lower() == name.lower() or len(set(password)) < 4:
        return say("The new password is too easy to guess; take a few words that do not belong together.")
    return None
