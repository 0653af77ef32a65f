"""Rules of owners: each belongs to a user; users who join the datastore get one at once."""

from dataclasses import replace

from streams.catalog.datastore import projects
from streams.catalog.datastore.entries import Owner
from streams.catalog.datastore.project_commands import ChangeOwner, CreateOwner, EnrolUser, RemoveOwner
from streams.catalog.datastore.verdicts import does_not_exist, next_pk, not_found, not_unique, put, removed
from streams.catalog.outcome import Outcome, accepted, refused
from streams.catalog.state import Change, State, User


def joined(state: State, user: User) -> tuple[Change, ...]:
    """What gives a user a number and an owner in the datastore, where they have none."""
    changes: list[Change] = []
    if not user.pk:
        pk, counted = next_pk(state, "users")
        user = replace(user, pk=pk)
        changes += [counted, Change("users", user.name, user)]
    if state.index.one("owner", user.pk) is None:
        pk, counted = next_pk(state, "owners")
        changes += [counted, Change("owners", pk, Owner(pk, user.pk))]
    return tuple(changes)


def enrol(state: State, command: EnrolUser, _: int) -> Outcome:
    user = state.users.get(command.name)
    if user is None:
        return refused("unknown_user", f"there is no user {command.name}")
    return accepted(f"user {user.name} has an owner", *joined(state, user))


def create(state: State, command: CreateOwner, _: int) -> Outcome:
    if (wrong := _wrong_user(state, command.user, None)) is not None:
        return wrong
    pk, counted = next_pk(state, "owners")
    return put("owners", Owner(pk, command.user), counted)


def change(state: State, command: ChangeOwner, _: int) -> Outcome:
    owner = state.owners.get(command.pk)
    if owner is None:
        return not_found(command.pk)
    user = command.changes().get("user", owner.user)
    if (wrong := _wrong_user(state, user, owner)) is not None:
        return wrong
    return put("owners", replace(owner, user=user))


def remove(state: State, command: RemoveOwner, _: int) -> Outcome:
    owner = state.owners.get(command.pk)
    if owner is None:
        return not_found(command.pk)
    return removed("owners", owner, *projects.gone(state, state.index.all("projects", "of_owner", owner.pk)))


def _wrong_user(state: State, user: int, owner: Owner | None) -> Outcome | None:
    if owner is not None and owner.user == user:
        return None
    if state.index.one("user", user) is None:
        return does_not_exist("user", user)
    return None if state.index.one("owner", user) is None else not_unique("user")
