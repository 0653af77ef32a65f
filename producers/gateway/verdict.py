"""What becomes of a post: accepted with its reading, or rejected with a status and a code.

The codes are those of the sensor contract; firmware acts on the status, `retry` and Retry-After alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

PHASES = (1, 2, 3)
ALL_PHASES = 0b111


class Admission(NamedTuple):
    """A sensor that may post.

    Attributes:
        scale: what its power and voltage are multiplied by: 1000 for one that sends W and V, else 1.
        refresh: its token is past the time of refreshing.
    """

    scale: int
    refresh: bool


class Reading(NamedTuple):
    """One accepted second, in canonical units.

    Attributes:
        phases: which were sent, 1 for the first, 2 for the second, 4 for the third.
        packed: the probes as the log has them, see `schemas.wire.pack`.
    """

    timestamp_s: int
    phases: int
    packed: bytes

    @property
    def missing(self) -> list[int]:
        """Phases that were not sent."""
        return [phase for phase in PHASES if not self.phases >> (phase - 1) & 1]


class Post(NamedTuple):
    """An accepted body of POST /powermon/data."""

    sensor_id: str
    format_version: str
    refresh: bool
    reading: Reading


@dataclass(frozen=True, slots=True)
class Rejection:
    """An answer that is no 2xx.

    Attributes:
        field: which member of the body, or None.
        detail: what came and what was expected; never a token.
        sensor_id: whose token was good, when the check came that far.
        retry_after_s: for 429 and 503.
    """

    status: int
    code: str
    field: str | None
    detail: str
    sensor_id: str | None = None
    retry_after_s: int | None = None

    @property
    def retry(self) -> bool:
        """Whether the same body may be accepted later."""
        return self.status in (401, 403, 408, 429) or self.status >= 500


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """One record of a batch that was not taken; timestamp is None when it could not be read."""

    index: int
    timestamp: int | None
    rejection: Rejection


class Batch(NamedTuple):
    """An accepted envelope of POST /powermon/data/batch; its records may still all be rejected."""

    sensor_id: str
    format_version: str
    refresh: bool
    readings: list[Reading]
    rejected: list[RejectedRecord]


class Missing:
    """A member that is not there, which is not the same as null."""


MISSING = Missing()

Admit = Callable[[str, Any, str | None, int], "Admission | Rejection"]
"""Checks a token: (sensor_id in lower case, the body's token or MISSING, the header's token or None, now_ms)."""
