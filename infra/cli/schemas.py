"""`powermon schemas`: the explicit step that makes the topics and registers what is in them."""

import click

from infra import topics as topic_shell
from infra.settings import Settings
from schemas import topics
from schemas.registry import IncompatibleSchema, Registry


@click.group()
def schemas() -> None:
    """Make the topics, register their schemas, check compatibility."""


@schemas.command()
def register() -> None:
    """Make missing topics and register the schema of each; doing it again changes nothing."""
    settings = Settings()
    for name in topic_shell.make(settings):
        click.echo(f"topic {name} made")
    registry = Registry(settings.registry, settings.schema_cache)
    for topic in topics.ALL:
        click.echo(f"{topic.subject}: id {registry.register(topic)}")


@schemas.command()
def check() -> None:
    """See whether this build's schemas may follow the registered ones; registers nothing."""
    settings = Settings()
    registry = Registry(settings.registry, settings.schema_cache)
    refused = []
    for topic in topics.ALL:
        try:
            registry.check(topic)
        except IncompatibleSchema as error:
            refused.append(str(error))
            continue
        click.echo(f"{topic.subject}: {'registered' if registry.is_registered(topic) else 'compatible, not registered yet'}")
    if refused:
        raise IncompatibleSchema("\n".join(refused))
