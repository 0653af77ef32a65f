"""Receivers of messages about anomalies, in words. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from schemas.notification import DELIVERED, DUE, GIVEN_UP, HELD, SUMMED, Notification
from streams.catalog.state import Receiver
from streams.core.notices.document import parsed
from web.view import anomaly, notice
from web.view.say import Text, joined, moment, say, say_n

CHANNELS: dict[str, Text] = {"webhook": say("Webhook"), "email": say("E-mail"), "mqtt": say("MQTT")}
SEVERITIES: dict[str, Text] = {
    "notice": say("everything"),
    "warning": say("warnings and what is severe"),
    "severe": say("only what is severe"),
}
"""The least that is told."""
STATES: dict[str, Text] = {
    HELD: say("held back for now"),
    DUE: say("to be sent"),
    DELIVERED: say("delivered"),
    GIVEN_UP: say("given up"),
    SUMMED: say("told in a summary"),
}
_MARKS = {DELIVERED: "live", GIVEN_UP: "bad"}
_NAMED = 3
"""Rules, sensors or sites that a line names."""

Row = dict[str, Any]


def listed(receiver: Receiver, newest: Sequence[Notification], zone: ZoneInfo) -> Row:
    """A receiver as a line of the list.

    Args:
        newest: its messages, the newest first.
        zone: its own, for moments.
    """
    last = told(newest[0], zone) if newest else None
    return {
        "id": receiver.receiver_id,
        "channel": CHANNELS.get(receiver.channel, Text(receiver.channel)),
        "address": receiver.address,
        "wants": wants(receiver),
        "quiet": quiet(receiver),
        "off": receiver.off,
        "last": last,
        "trouble": last is not None and last["trouble"],
    }


def wants(receiver: Receiver) -> Text:
    """What it is told: how bad, of which rules, where."""
    parts: list[str] = [SEVERITIES.get(receiver.severity, Text(receiver.severity))]
    if receiver.rules:
        parts.append(_some([anomaly.RULES.get(name, Text(name)) for name in receiver.rules]))
    if receiver.sensors or receiver.sites:
        parts.append(_some([*receiver.sensors, *receiver.sites]))
    return joined(" · ", parts)


def quiet(receiver: Receiver) -> Text | None:
    """When it is left alone."""
    if not receiver.quiet:
        return None
    times = ", ".join(receiver.quiet)
    if receiver.severe_passes:
        return say("{times} ({zone}), but for what is severe", times=times, zone=receiver.zone)
    return say("{times} ({zone})", times=times, zone=receiver.zone)


def told(message: Notification, zone: ZoneInfo) -> Row:
    """A message and what became of it."""
    tried_in_vain = message.state == DUE and message.attempts > 0
    return {
        "at": moment(datetime.fromtimestamp(message.made_ms / 1000, UTC).astimezone(zone), "date second"),
        "about": notice.subject(parsed(message.body), zone),
        "state": say("being tried again") if tried_in_vain else STATES.get(message.state, Text(message.state)),
        "mark": "silent" if tried_in_vain else _MARKS.get(message.state, "wait"),
        "attempts": say_n("{n} attempt", "{n} attempts", message.attempts) if message.attempts > 1 else None,
        "reason": message.reason,
        "trouble": tried_in_vain or message.state == GIVEN_UP,
    }


def counts(states: Mapping[str, int]) -> Text | None:
    """How many messages are in which state; None: there are none."""
    parts = [say("{state}: {n}", state=said, n=states[name]) for name, said in STATES.items() if states.get(name)]
    return joined(" · ", parts) if parts else None


def _some(names: Sequence[str]) -> Text:
    shown = joined(", ", names[:_NAMED])
    more = len(names) - _NAMED
    return shown if more <= 0 else joined(" ", [shown, say_n("and {n} more", "and {n} more", more)])
