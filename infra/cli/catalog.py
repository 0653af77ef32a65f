"""What the commands about the catalog share: its view, commands to it, and arguments judged before anything is asked."""

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import click

from infra.errors import PartUnavailable, PowermonError
from infra.settings import Settings
from schemas.registry import Registry
from streams.catalog import values
from streams.catalog.admin.fields import EXPECTED, FieldError, is_zone
from streams.catalog.commands import Command
from streams.catalog.state import State
from streams.catalog.view import CatalogView, view_of

READY_S = 8.0
"""How long nothing may come from the log before it counts as away."""

T = TypeVar("T")


class RefusedCommand(PowermonError):
    """The catalog said no."""


def _matching(field: str, pattern: str, *, lower: bool = False) -> Callable[..., str | None]:
    def check(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
        found = value.lower() if lower and value is not None else value
        if found is not None and not re.search(pattern, found):
            raise click.BadParameter(f"{value!r} came; expected {EXPECTED[field]}")
        return found

    return check


sensor_id = _matching("sensor_id", values.SENSOR_ID, lower=True)
user_name = _matching("name", values.USER_NAME)
entry_name = _matching("site_id", values.ENTRY_NAME)


def zone(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and not is_zone(value):
        raise click.BadParameter(f"{value!r} came; expected {EXPECTED['zone']}")
    return value


def usage(error: FieldError) -> click.UsageError:
    """The same as wrong usage: exit status 2."""
    return click.UsageError(str(error))


def with_catalog(work: Callable[[CatalogView], Coroutine[Any, Any, T]]) -> T:
    """Run `work` on a caught-up view of the catalog.

    Raises:
        PartUnavailable: Kafka or the registry does not answer.
    """

    async def run() -> T:
        settings = Settings()
        view = view_of(settings, Registry(settings.registry, settings.schema_cache))
        try:
            await _caught_up(view)
            return await work(view)
        finally:
            await view.close()

    return asyncio.run(run())


async def _caught_up(view: CatalogView) -> None:
    """A long log may take its time, as long as something comes."""
    while True:
        before = view.offset
        try:
            await view.ready(READY_S)
            return
        except PartUnavailable:
            if view.offset == before:
                raise


def submit(command: Command) -> str:
    """Ask the catalog for a change.

    Returns:
        what became of it, as a sentence.

    Raises:
        RefusedCommand: the catalog refused it.
    """
    outcome = with_catalog(lambda view: view.submit(command, actor="command line"))
    if not outcome.accepted:
        raise RefusedCommand(outcome.detail)
    return outcome.detail


def snapshot() -> State:
    """The catalog as it is now."""

    async def look(view: CatalogView) -> State:
        return view.state

    return with_catalog(look)
