"""`powermon dev-seed` and `powermon prod-seed`: the first data of an energy datastore."""

import asyncio
import re
from functools import partial

import click

from infra.cli import catalog
from infra.errors import PowermonError
from infra.seed import DAYS, SCOPE, TOKEN, Grant, Publish, Seeder
from infra.settings import Settings
from schemas.record_part import Records
from schemas.registry import Registry
from schemas.topics import Topic
from sinks import broker
from sinks.records import TABLES
from streams.catalog.view import CatalogView
from web.datastore.record_log import RecordLog

_WAIT_S, _PAUSE_S = 60.0, 0.2

_say = partial(click.echo, err=True)


def _grants(_: click.Context, __: click.Parameter, value: tuple[tuple[str, str, float], ...]) -> list[Grant]:
    for token, scope, days in value:
        if not re.fullmatch(r"[!-~]{1,256}", token):
            raise click.BadParameter("a token is 1 to 256 visible ASCII characters without blanks")
        if not re.fullmatch(r"([a-z]+( [a-z]+)*)?", scope):
            raise click.BadParameter(f"scope {scope!r} came; expected 'read', 'write', 'read write' or ''")
        if not -36_500 <= days <= 36_500:
            raise click.BadParameter(f"{days:g} days came; expected a number from -36500 to 36500")
    return [Grant(*one) for one in value]


@click.command("dev-seed")
@click.option(
    "--token",
    "grants",
    type=(str, str, float),
    metavar="TOKEN SCOPE DAYS",
    multiple=True,
    callback=_grants,
    help="One more token; an empty scope may do nothing, negative days are over already.",
)
@click.option("--again", is_flag=True, help="Write the records of what is there already once more.")
def dev_seed(grants: list[Grant], again: bool) -> None:
    """Fill the energy datastore with development data.

    User demo (password demo-password, an administrator), its token tokstr, project ABC with six traces and
    290,026 records, and a made-up weather station for its zipcode. These are known to everybody: never on a stack
    that others can reach.
    """

    async def work(view: CatalogView) -> None:
        await Seeder(view, _publish_to(Settings()), _say).development([Grant(TOKEN, SCOPE, DAYS), *grants], again=again)

    catalog.with_catalog(work)


@click.command("prod-seed")
def prod_seed() -> None:
    """Make user admin with a random password, where there is none, and a token of theirs; both are shown only now."""

    async def work(view: CatalogView) -> None:
        await Seeder(view, _publish_to(Settings()), click.echo).production()

    catalog.with_catalog(work)


def _publish_to(settings: Settings) -> Publish:
    """Writes batches to a stack's log, and waits until they can be read where a web server says so."""

    async def publish(topic: Topic, records: Records) -> None:
        to = RecordLog(topic, TABLES[topic.name], settings.kafka, Registry(settings.registry, settings.schema_cache), None)
        try:
            offset = await to.publish(records)
        finally:
            await to.close()
        await _readable(settings, topic, offset)

    return publish


async def _readable(settings: Settings, topic: Topic, offset: int) -> None:
    loop = asyncio.get_running_loop()
    until_s = loop.time() + _WAIT_S
    asker = broker.consumer(settings, broker.RECORDS_GROUPS[topic.name])  # only asks; it never joins the group
    place = topic.name, 0
    try:
        while (await asyncio.to_thread(broker.committed, asker, [place]))[place] <= offset:
            if loop.time() > until_s:
                _say(f"the store has not applied them within {_WAIT_S:.0f} s; they will appear when it does")
                return
            await asyncio.sleep(_PAUSE_S)
    except PowermonError as error:
        _say(f"they are safe in the log; whether the store has them cannot be asked: {error}")
    finally:
        await asyncio.to_thread(asker.close)
