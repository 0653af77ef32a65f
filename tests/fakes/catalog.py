"""A catalog in memory: the real rules, no log."""

import itertools
from collections.abc import Sequence

from streams.catalog.apply import fold
from streams.catalog.commands import Command
from streams.catalog.envelope import seal
from streams.catalog.outcome import Outcome
from streams.catalog.state import State


class FakeCatalog:
    """Stands for streams.catalog.view.CatalogView. Time is moved by hand."""

    def __init__(self, *commands: Command, at_ms: int = 1_800_000_000_000) -> None:
        self.state = State()
        self.at_ms = at_ms
        self.trouble: str | None = None
        self.caught_up = True
        self._ids = itertools.count()
        for command in commands:
            self.add(command)

    def add(self, command: Command, actor: str = "test") -> Outcome:
        return fold(self.state, seal(command, command_id=f"c{next(self._ids)}", at_ms=self.at_ms, actor=actor))

    async def submit(self, command: Command, *, actor: str = "system") -> Outcome:
        return self.add(command, actor)

    async def submit_all(self, commands: Sequence[Command], *, actor: str = "system") -> list[Outcome]:
        return [self.add(command, actor) for command in commands]

    async def catch_up(self) -> None:
        pass

    def problem(self) -> str | None:
        return self.trouble
