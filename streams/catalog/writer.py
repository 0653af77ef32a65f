"""Commands onto the catalog's log, and the verdicts that come back through the view. For one event loop."""

import asyncio
import secrets
import time
from collections.abc import Sequence
from typing import Protocol

from infra.errors import PartUnavailable
from infra.publish import Publisher
from schemas import topics, wire
from streams.catalog.commands import Command
from streams.catalog.envelope import seal
from streams.catalog.outcome import Outcome

_TOGETHER = 500
"""Commands that travel at once: what a view applies at once, too."""


class SchemaIds(Protocol):
    """What the writer needs of schemas.registry.Registry."""

    def id_of(self, topic: topics.Topic, /) -> int: ...


class Writer:
    """Writes commands and waits until the view says what became of them.

    Args:
        bootstrap: host:port[,…] of Kafka.
        timeout_s: how long 500 commands may take to be safe; a second more for their verdicts.
    """

    def __init__(self, bootstrap: str, registry: SchemaIds, timeout_s: float) -> None:
        self._bootstrap, self._registry, self._timeout_s = bootstrap, registry, timeout_s
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, asyncio.Future[Outcome]] = {}
        self._publisher: Publisher | None = None

    async def submit_all(self, commands: Sequence[Command], actor: str) -> list[Outcome]:
        """Write commands in their order and wait for the verdict on each.

        Raises:
            PartUnavailable: the log did not take one in time, or a verdict did not come; look before trying again.
            RegistryUnavailable: the schema's id cannot be found.
        """
        schema_id = await asyncio.to_thread(self._registry.id_of, topics.CATALOG)
        outcomes: list[Outcome] = []
        for start in range(0, len(commands), _TOGETHER):
            outcomes += await self._submit(schema_id, commands[start : start + _TOGETHER], actor)
        return outcomes

    async def _submit(self, schema_id: int, commands: Sequence[Command], actor: str) -> list[Outcome]:
        at_ms = time.time_ns() // 1_000_000
        envelopes = [seal(command, command_id=secrets.token_hex(16), at_ms=at_ms, actor=actor) for command in commands]
        messages = [(e.entity.encode(), wire.encode(topics.CATALOG, schema_id, e.record())) for e in envelopes]
        verdicts: list[asyncio.Future[Outcome]] = [self._loop.create_future() for _ in envelopes]
        self._waiting.update(zip((envelope.command_id for envelope in envelopes), verdicts, strict=True))
        try:
            async with asyncio.timeout(self._timeout_s + 1):
                if self._publisher is None:
                    self._publisher = Publisher(self._bootstrap, linger_ms=0, timeout_ms=int(self._timeout_s * 1000))
                publisher, topic = self._publisher, topics.CATALOG.name
                await asyncio.gather(*[publisher.send(topic, key, value) for key, value in messages])
                return [await verdict for verdict in verdicts]
        except TimeoutError:
            raise PartUnavailable(
                f"the catalog's verdict on {commands[0].KIND} did not come back from Kafka at {self._bootstrap}; "
                "look whether it took effect before trying again"
            ) from None
        finally:
            for envelope in envelopes:
                del self._waiting[envelope.command_id]

    def judged(self, command_id: str, outcome: Outcome) -> None:
        """The view has applied a command, of this writer or of another."""
        waiting = self._waiting.get(command_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(outcome)

    async def close(self) -> None:
        if self._publisher is not None:
            await self._publisher.close()
