"""The catalog's rules: a command and the state before it give an outcome, the same everywhere."""

from collections.abc import Callable
from typing import Any

from streams.catalog import commands, receivers, sensors, tariffs, users
from streams.catalog.datastore import rules
from streams.catalog.envelope import CommandError, Envelope, unseal
from streams.catalog.outcome import Outcome, refused
from streams.catalog.state import State

Rule = Callable[[State, Any, int], Outcome]
"""Judges a command that came at a time (UTC milliseconds, the writer's clock)."""

RULES: dict[type[commands.Command], Rule] = {
    commands.RegisterSensor: sensors.register,
    commands.ChangeSensor: sensors.change,
    commands.RenewSecret: sensors.renew_secret,
    commands.RevokeSensor: sensors.revoke,
    commands.IssueToken: sensors.issue_token,
    commands.PutSite: sensors.put_site,
    commands.RemoveSite: sensors.remove_site,
    commands.PutTariff: tariffs.put,
    commands.RemoveTariff: tariffs.remove,
    commands.PutReceiver: receivers.put,
    commands.SwitchOffReceiver: receivers.switch_off,
    commands.RemoveReceiver: receivers.remove,
    commands.AddUser: users.add,
    commands.ChangeRole: users.change_role,
    commands.RemoveUser: users.remove,
    commands.SetPassword: users.set_password,
    commands.IssueUserToken: users.issue_token,
    commands.RevokeUserToken: users.revoke_token,
    **rules.RULES,
}
assert set(RULES) == set(commands.ALL)


def fold(state: State, envelope: Envelope) -> Outcome:
    """Judge one command and bring the state up to date."""
    outcome = apply(state, envelope)
    state.put(outcome.changes)
    return outcome


def apply(state: State, envelope: Envelope) -> Outcome:
    """Judge one command against the state before it; neither is touched, nothing is raised."""
    try:
        command = unseal(envelope)
    except CommandError as error:
        return refused(error.code, str(error))
    return RULES[type(command)](state, command, envelope.at_ms)
