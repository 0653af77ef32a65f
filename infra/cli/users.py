"""`powermon users`: people who may sign in."""

import json
from typing import cast

import click
from argon2 import PasswordHasher

from infra.cli import catalog
from infra.cli.catalog import submit
from streams.catalog import commands
from streams.catalog.admin.facts import user_facts
from streams.catalog.admin.grants import new_password
from streams.catalog.values import Role

_ROLE = click.Choice(["viewer", "operator", "admin"])


@click.group()
def users() -> None:
    """Add, list and remove people; their roles and passwords."""


@users.command("add")
@click.argument("name", metavar="NAME", callback=catalog.user_name)
@click.option("--role", type=_ROLE, required=True)
def add(name: str, role: str) -> None:
    """Add a person; prints a one-time password."""
    password = new_password()
    hashed = PasswordHasher().hash(password)  # some tens of milliseconds: slow on purpose
    detail = submit(commands.AddUser(name=name, role=cast(Role, role), password_hash=hashed, one_time=True))
    click.echo(f"{detail}; the password for the first sign-in, shown only now:", err=True)
    click.echo(password)


@users.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def list_users(as_json: bool) -> None:
    """All people."""
    found = [user_facts(user) for _, user in sorted(catalog.snapshot().users.items())]
    if as_json:
        click.echo(json.dumps([{name: user[name] for name in ("name", "role", "one_time")} for user in found], indent=1))
        return
    for user in found:
        click.echo(f"{user['name']:<24} {user['role']:<10} {'one-time password' if user['one_time'] else ''}".rstrip())


@users.command("role")
@click.argument("name", metavar="NAME", callback=catalog.user_name)
@click.argument("role", metavar="ROLE", type=_ROLE)
def role(name: str, role: str) -> None:
    """Give a person another ROLE: viewer, operator or admin."""
    click.echo(submit(commands.ChangeRole(name=name, role=cast(Role, role))), err=True)


@users.command("remove")
@click.argument("name", metavar="NAME", callback=catalog.user_name)
def remove(name: str) -> None:
    """Remove a person; their sessions and tokens end at once."""
    click.echo(submit(commands.RemoveUser(name=name)), err=True)


@users.command("password")
@click.argument("name", metavar="NAME", callback=catalog.user_name)
def password(name: str) -> None:
    """Give a person a new one-time password, and print it; the old one and their sessions end."""
    fresh = new_password()
    hashed = PasswordHasher().hash(fresh)
    detail = submit(commands.SetPassword(name=name, password_hash=hashed, one_time=True))
    click.echo(f"{detail} for the next sign-in, shown only now:", err=True)
    click.echo(fresh)
