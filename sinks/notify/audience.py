"""Whom the notifier tells, and in which words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sinks.notify.channel import Words
from streams.catalog.state import Receiver
from streams.core.notices.rules import Place, Rules


@dataclass(frozen=True, slots=True)
class Audience:
    """The catalog as the notifier sees it.

    Attributes:
        places: of the sources asked for.
    """

    receivers: Mapping[str, tuple[Receiver, Rules]]
    places: Mapping[str, Place]


class Catalog(Protocol):
    """Whom to tell. Called from the notifier's thread."""

    def look(self, sources: Sequence[str]) -> Audience | None:
        """The receivers, and where sources stand; None: not known now."""

    def open(self, receiver: Receiver) -> dict[str, str]:
        """Where a receiver is, and what opens it.

        Raises:
            PowermonError: its secrets cannot be opened.
        """

    def switch_off(self, receiver_id: str, reason: str) -> None:
        """It is told nothing any more; returns at once."""


Speak = Callable[[dict[str, Any], Receiver], Words]
"""A document in a receiver's language."""
