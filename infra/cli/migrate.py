"""`powermon migrate`: the tables in ClickHouse, forward and back."""

import click

from infra.settings import Settings


@click.command()
@click.option(
    "--to", type=click.IntRange(min=0), help="Number of the last migration that shall be in force; default: the newest."
)
def migrate(to: int | None) -> None:
    """Bring the tables in ClickHouse to this build's version, or back to an earlier one.

    Going back below a table's migration drops the table. With the embedded engine, stop the stack first.
    """
    from infra import logs
    from sinks.clickhouse import ClickHouse
    from sinks.migrate import migrate as run

    settings = Settings()
    logs.configure(settings, "migrate")
    store = ClickHouse(settings)
    try:
        told = run(store, settings, to)
    finally:
        store.close()
    for line in told or ["nothing to do"]:
        click.echo(line)
