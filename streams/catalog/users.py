"""Rules of people and of their programs' tokens."""

from dataclasses import replace

from streams.catalog.commands import AddUser, ChangeRole, IssueUserToken, RemoveUser, RevokeUserToken, SetPassword
from streams.catalog.datastore import owners
from streams.catalog.outcome import Outcome, accepted, refused
from streams.catalog.state import Change, State, User, UserToken

ADMIN = "admin"


def add(state: State, command: AddUser, at_ms: int) -> Outcome:
    if command.name in state.users:
        return refused("user_exists", f"user {command.name} exists already")
    user = User(command.name, command.role, command.password_hash, command.one_time, at_ms)
    joined = owners.joined(state, user) if command.datastore else ()
    return accepted(f"user {command.name} is added", Change("users", user.name, user), *joined)


def set_password(state: State, command: SetPassword, _: int) -> Outcome:
    user = state.users.get(command.name)
    if user is None:
        return _unknown(command.name)
    changed = replace(user, password_hash=command.password_hash, one_time=command.one_time)
    return accepted(f"user {user.name} has a new password", Change("users", user.name, changed))


def change_role(state: State, command: ChangeRole, _: int) -> Outcome:
    user = state.users.get(command.name)
    if user is None:
        return _unknown(command.name)
    if command.role != ADMIN and _is_last_admin(state, user):
        return _last_admin(user)
    return accepted(f"user {user.name} is {command.role} now", Change("users", user.name, replace(user, role=command.role)))


def remove(state: State, command: RemoveUser, _: int) -> Outcome:
    user = state.users.get(command.name)
    if user is None:
        return _unknown(command.name)
    if _is_last_admin(state, user):
        return _last_admin(user)
    tokens = [token for token, entry in state.user_tokens.items() if entry.name == user.name]
    gone = (Change("user_tokens", token, None) for token in tokens)
    return accepted(f"user {user.name} is removed", *gone, Change("users", user.name, None))


def issue_token(state: State, command: IssueUserToken, _: int) -> Outcome:
    if command.name not in state.users:
        return _unknown(command.name)
    if state.token_known(command.token_sha256):
        return refused("token_exists", "this token was issued before; make another")
    token = UserToken(command.token_sha256, command.name, command.scope, command.expires_at_ms)
    return accepted(f"user {command.name} has a new token", Change("user_tokens", token.token_sha256, token))


def revoke_token(state: State, command: RevokeUserToken, _: int) -> Outcome:
    token = state.user_tokens.get(command.token_sha256)
    if token is None or token.name != command.name:
        return refused("unknown_token", f"user {command.name} has no such token")
    return accepted(f"a token of user {command.name} is revoked", Change("user_tokens", command.token_sha256, None))


def _is_last_admin(state: State, user: User) -> bool:
    return user.role == ADMIN and not any(u.role == ADMIN and u.name != user.name for u in state.users.values())


def _last_admin(user: User) -> Outcome:
    return refused("last_admin", f"user {user.name} is the last administrator; make another one first")


def _unknown(name: str) -> Outcome:
    return refused("unknown_user", f"there is no user {name}; first `powermon users add {name}`")
