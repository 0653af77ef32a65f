"""What the WebSockets of a gateway share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from infra.publish import Context, LogUnavailable
from producers.gateway.answers import Answers
from producers.gateway.limits import RateLimit
from producers.gateway.meters import Meters
from producers.gateway.verdict import Rejection
from streams.catalog.commands import Command
from streams.catalog.outcome import Outcome
from streams.catalog.state import State


class Catalog(Protocol):
    """What a connection needs of streams.catalog.view.CatalogView."""

    state: State

    async def submit(self, command: Command, *, actor: str = ...) -> Outcome: ...


class Log(Protocol):
    """What a connection needs of infra.publish.Publisher."""

    def post(
        self, topic: str, key: bytes, value: bytes, done: Callable[[LogUnavailable | None, Context], None], context: Context
    ) -> None: ...
    async def send_all(self, topic: str, messages: list[tuple[bytes, bytes]]) -> None: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What all connections share.

    Attributes:
        schema_id: of sensor.readings.
        limit: requests per sensor, the same as for its posts.
        check_secret: (sensor id, the member `secret`, address of the peer); counts wrong ones.
    """

    catalog: Catalog
    log: Log
    schema_id: int
    limit: RateLimit
    meters: Meters
    check_secret: Callable[[str, Any, str], Rejection | None]
    answers: Answers = field(default_factory=Answers)
