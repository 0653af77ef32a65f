"""`powermon tokens`: issue, list and revoke."""

import json
import time

import click

from infra.cli import catalog
from infra.cli.catalog import RefusedCommand, submit
from streams.catalog.admin import fields, grants
from streams.catalog.admin.facts import TOKEN_ID_DIGITS, token_by_id, tokens_of, user_token_facts
from streams.catalog.admin.fields import FieldError
from streams.catalog.admin.grants import DAYS_MOST, SENSOR_TOKEN_DAYS, USER_TOKEN_DAYS
from streams.catalog.commands import Command, RevokeUserToken
from streams.catalog.outcome import Outcome
from streams.catalog.view import CatalogView


@click.group()
def tokens() -> None:
    """Issue, list and revoke tokens."""


@tokens.command("issue")
@click.option("--sensor", metavar="ID", callback=catalog.sensor_id, help="For a sensor's posts.")
@click.option("--user", metavar="NAME", callback=catalog.user_name, help="For a person's programs.")
@click.option("--scope", default="read write", show_default=True, help="What a user's token may do.")
@click.option(
    "--days",
    type=click.IntRange(1, DAYS_MOST),
    help=f"Life; without it {SENSOR_TOKEN_DAYS} for a sensor, {USER_TOKEN_DAYS} for a user.",
)
def issue(sensor: str | None, user: str | None, scope: str, days: int | None) -> None:
    """Issue a token; stdout holds the token alone, once."""
    if (sensor is None) == (user is None):
        raise click.UsageError("expected one of --sensor ID and --user NAME")
    now_ms = time.time_ns() // 1_000_000
    command: Command
    if sensor is not None:
        token, command = grants.for_sensor(sensor, now_ms, days)
    else:
        assert user is not None
        try:
            token, command = grants.for_user(user, fields.scope(scope), now_ms, days)
        except FieldError as error:
            raise catalog.usage(error) from error
    detail = submit(command)
    click.echo(f"{detail}, shown only now:", err=True)
    click.echo(token)


@tokens.command("list")
@click.option("--user", metavar="NAME", callback=catalog.user_name, help="Only theirs.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def list_tokens(user: str | None, as_json: bool) -> None:
    """Tokens of people's programs (never the tokens themselves); a sensor's are in `powermon sensors show`."""
    found = [user_token_facts(token) for token in tokens_of(catalog.snapshot(), user)]
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    if not found:
        click.echo("no tokens; issue one with `powermon tokens issue --user NAME`", err=True)
    for token in found:
        click.echo(f"{token['id']}  {token['user']:<24} {token['scope']:<18} expires {token['expires_at']}")


@tokens.command("revoke")
@click.argument("token_id", metavar="ID")
@click.option("--user", metavar="NAME", callback=catalog.user_name, help="Whose it must be.")
def revoke(token_id: str, user: str | None) -> None:
    """End a token of a person's programs; ID as `powermon tokens list` shows it."""

    async def work(view: CatalogView) -> Outcome:
        token = token_by_id(view.state, token_id, user)
        if token is None:
            raise RefusedCommand(
                f"{fields.shown(token_id)} names no token; expected {TOKEN_ID_DIGITS} digits as `powermon tokens list` shows them"
            )
        return await view.submit(RevokeUserToken(name=token.name, token_sha256=token.token_sha256), actor="command line")

    outcome = catalog.with_catalog(work)
    if not outcome.accepted:
        raise RefusedCommand(outcome.detail)
    click.echo(outcome.detail, err=True)
