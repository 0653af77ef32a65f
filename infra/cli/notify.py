"""`powermon notify`: who is told of anomalies, how, and what became of the messages."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import click

from infra.cli import catalog
from infra.cli.catalog import RefusedCommand, submit
from infra.settings import Settings
from schemas.registry import Registry
from streams.catalog.admin.facts import iso
from streams.catalog.admin.fields import FieldError
from streams.catalog.commands import RemoveReceiver
from streams.catalog.view import CatalogView

_SHOWN = 50


@click.group()
def notify() -> None:
    """Who is told of anomalies: by webhook, e-mail or MQTT."""


@notify.command("add")
@click.argument("receiver_id", metavar="ID", callback=catalog.entry_name)
@click.option("--webhook", "webhook", metavar="URL", help="POST there; the secret that signs the messages is printed, once.")
@click.option("--email", "email", metavar="ADDRESS[,…]", help="Write there; the mail server is POWERMON_SMTP_HOST.")
@click.option("--mqtt", "mqtt", metavar="URL", help="Publish at mqtt(s)://host[:port][/prefix].")
@click.option(
    "--secret-file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path), help="A webhook's secret."
)
@click.option("--user", help="Name at the MQTT broker.")
@click.option(
    "--password-file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path), help="Of the MQTT user."
)
@click.option("--language", type=click.Choice(["en", "ko", "fr"]))
@click.option("--zone", callback=catalog.zone, metavar="ZONE", help="Of quiet times and of moments in texts, as Europe/Paris.")
@click.option("--rule", "rules", multiple=True, metavar="NAME", help="Only these anomalies, as sag; without it all.")
@click.option("--severity", type=click.Choice(["notice", "warning", "severe"]), help="The least that is told.")
@click.option("--sensor", "sensors", multiple=True, metavar="ID", help="Only these sensors; or at one of --site.")
@click.option("--site", "sites", multiple=True, metavar="ID", help="Only sensors at these sites.")
@click.option(
    "--quiet", multiple=True, metavar="TIMES", help="As 22:00-07:00 or 'sat,sun 00:00-24:00'; told in one message after."
)
@click.option("--severe-passes/--severe-waits", "severe_passes", default=None, help="What is severe is told in quiet times.")
@click.option("--per-hour", type=int, metavar="N", help="Messages of an hour; more are summed up.")
def add(
    receiver_id: str,
    webhook: str | None,
    email: str | None,
    mqtt: str | None,
    secret_file: Path | None,
    password_file: Path | None,
    **said: Any,
) -> None:
    """Add a receiver, or change one: what is not named stays. One that was switched off is told again."""
    from web.receivers import Vault, command

    ways = {"webhook": webhook, "email": email, "mqtt": mqtt}
    named = [(channel, where) for channel, where in ways.items() if where is not None]
    if len(named) > 1:
        raise click.UsageError("more than one of --webhook, --email, --mqtt came; a receiver has one way")
    wanted = {name: list(value) if isinstance(value, tuple) else value for name, value in said.items() if value not in (None, ())}
    for channel, where in named:
        wanted |= {"channel": channel, "to" if channel == "email" else "url": where}
    for name, file in (("secret", secret_file), ("password", password_file)):
        if file is not None:
            wanted[name] = (sys.stdin.read() if str(file) == "-" else file.read_text()).strip()

    async def work(view: CatalogView) -> tuple[str, str | None]:
        made, secret = command(receiver_id, wanted, view.state, Vault(Settings().registry_key))
        outcome = await view.submit(made, actor="command line")
        if not outcome.accepted:
            raise RefusedCommand(outcome.detail)
        return outcome.detail, secret

    try:
        detail, secret = catalog.with_catalog(work)
    except FieldError as error:
        raise catalog.usage(error) from error
    click.echo(detail if secret is None else f"{detail}; its messages are signed with this secret, shown only now:", err=True)
    if secret is not None:
        click.echo(secret)


@notify.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def list_receivers(as_json: bool) -> None:
    """All receivers."""
    from web.receivers import facts

    found = [facts(one) for _, one in sorted(catalog.snapshot().receivers.items())]
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    if not found:
        click.echo("no receivers; add one with `powermon notify add ID --webhook URL`", err=True)
    for one in found:
        only = " ".join([*one["rules"], *one["sensors"], *one["sites"]]) or "everything"
        state = "on" if one["off"] is None else f"off ({one['off']})"
        quiet = f"  quiet {', '.join(one['quiet'])} {one['zone']}" if one["quiet"] else ""
        click.echo(
            f"{one['receiver_id']:<16} {one['channel']:<8} {one['address']:<36} {state}  {one['severity']}+ of {only}{quiet}"
        )


@notify.command("test")
@click.argument("receiver_id", metavar="ID", callback=catalog.entry_name)
def test(receiver_id: str) -> None:
    """Send a receiver a test message, from this process and at once; exit status 1 when it was not taken."""
    from sinks.notify.channel import SENT
    from web.notices import try_out
    from web.receivers import Vault

    known = catalog.snapshot().receivers.get(receiver_id)
    if known is None:
        raise RefusedCommand(f"there is no receiver {receiver_id}; `powermon notify list` shows those there are")
    settings = Settings()
    verdict = asyncio.run(try_out(settings, known, Vault(settings.registry_key)))
    if verdict.outcome != SENT:
        raise RefusedCommand(f"receiver {receiver_id} did not take it: {verdict.reason}")
    click.echo(f"receiver {receiver_id} has taken it", err=True)


@notify.command("remove")
@click.argument("receiver_id", metavar="ID", callback=catalog.entry_name)
def remove(receiver_id: str) -> None:
    """Remove a receiver; what it was not told yet, it never will be."""
    click.echo(submit(RemoveReceiver(receiver_id=receiver_id)), err=True)


@notify.command("log")
@click.option("--receiver", "receiver_id", default="", metavar="ID", help="Of one receiver.")
@click.option("--json", "as_json", is_flag=True, help="For scripts; all that are kept, with what they say.")
def show_log(receiver_id: str, as_json: bool) -> None:
    """The newest messages, and what became of each."""
    from sinks.notify.outbox import read
    from streams.core.notices.document import parsed

    settings = Settings()
    records = read(settings, Registry(settings.registry, settings.schema_cache))
    found = sorted((one for one in records if receiver_id in ("", one.receiver)), key=lambda one: one.made_ms)
    if as_json:
        rows = [{"id": r.id, "receiver": r.receiver, "transition": r.transition, "state": r.state, "made_at": iso(r.made_ms),
                 "attempts": r.attempts, "reason": r.reason, "body": parsed(r.body)} for r in found]  # fmt: skip
        click.echo(json.dumps(rows, indent=1))
        return
    for r in found[-_SHOWN:]:
        body = parsed(r.body)
        n = body["sources"]["total"] if "rule" in body else 0
        what = f"{body['rule']}, {n} sensor{'' if n == 1 else 's'}" if n else ""
        why = f"  {r.reason} ({r.attempts} attempts)" if r.reason else ""
        click.echo(f"{iso(r.made_ms)}  {r.receiver:<16} {r.transition:<10} {what:<28} {r.state}{why}")
