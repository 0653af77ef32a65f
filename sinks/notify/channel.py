"""What every way to a receiver has: a message to send, and a verdict on the attempt."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

SENT, RETRY, REFUSED, GONE = "sent", "retry", "refused", "gone"
"""Outcomes: it was taken; it may be tried again; it never will be taken; the receiver wants nothing any more."""

TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True)
class Words:
    """A message for people, in their language."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message as a channel sends it.

    Attributes:
        id: the same for each attempt.
        body: JSON.
        states: what holds now, by (source, rule).
    """

    id: str
    body: str
    words: Words
    states: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an attempt.

    Attributes:
        reason: for people; never holds what a receiver sent back, an address or a secret.
        retry_after_s: what the receiver asked for.
    """

    outcome: str
    reason: str = ""
    retry_after_s: float | None = None


class Channel(Protocol):
    """One way to one receiver."""

    async def send(self, message: Message) -> Verdict:
        """Try once. Raises nothing but CancelledError."""

    async def close(self) -> None: ...
