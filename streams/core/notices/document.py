"""What a message says, as JSON: numbers and names, in no language; docs/notifications.md has the members."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from schemas.anomaly import CLOSED, OPEN, WITHDRAWN
from schemas.notification import Notification, NotifiedAnomaly
from streams.core.notices.rules import SEVERITIES, Place

SCHEMA = 1
NAMED, LISTED, GROUPS = 20, 20, 50
"""Sources, anomalies and groups that a message names; it counts them all."""

Document = dict[str, Any]


def notice_id(*parts: object) -> str:
    """32 hex digits, a function of the parts."""
    return hashlib.blake2b("\n".join(map(str, parts)).encode(), digest_size=16).hexdigest()


def group(members: Sequence[NotifiedAnomaly], place: Place, transition: str) -> Document:
    """What is told of a group of anomalies of one rule."""
    states = Counter(one.state for one in members)
    real = [one for one in members if one.state != WITHDRAWN] or list(members)
    matter = [one for one in real if one.state == OPEN] or real
    matter.sort(key=lambda one: (one.start_us, one.source, one.phase))
    worst = max(real, key=lambda one: (SEVERITIES.index(one.severity), abs(one.worst - one.limit), one.id))
    ends = [one.end_us for one in real if one.end_us is not None]
    named = list(dict.fromkeys(one.source for one in matter))
    return {
        "transition": transition,
        "rule": worst.rule,
        "severity": worst.severity,
        "site": place.site,
        "site_name": place.site_name,
        "owner": place.owner,
        "start": iso(min(one.start_us for one in real)),
        "end": None if states[OPEN] or not ends else iso(max(ends)),
        "anomalies": {"total": len(members), **{state: states[state] for state in (OPEN, CLOSED, WITHDRAWN)}},
        "sources": {
            "total": len({one.source for one in members}),
            "open": len({one.source for one in members if one.state == OPEN}),
            "named": named[:NAMED],
        },
        "worst": {
            "source": worst.source,
            "phase": worst.phase,
            "value": worst.worst,
            "limit": worst.limit,
            "unit": worst.unit,
        },
        "listed": [_listed(one) for one in matter[:LISTED]],
    }


def summary(groups: Sequence[Document], late: Counter[str], since_ms: int) -> Document:
    """What is told of many groups at once.

    Args:
        late: anomalies that came too late to be told, by rule.
        since_ms: when the first of them would have been told.
    """
    first = sorted(groups, key=lambda one: (one["end"] is not None, -SEVERITIES.index(one["severity"]), one["start"]))
    return {
        "transition": "summary",
        "since": iso(since_ms * 1000),
        "groups": {"total": len(groups), "open": sum(one["end"] is None for one in groups)},
        "listed": [{name: value for name, value in one.items() if name != "listed"} for one in first[:GROUPS]],
        "late": dict(sorted(late.items())),
    }


def text(document: Document, *, id: str, group: str, receiver: str) -> str:
    """A document with the facts that each has, as JSON that is the same for the same content."""
    return json.dumps({"schema": SCHEMA, "id": id, "group": group, "receiver": receiver} | document, sort_keys=True)


def parsed(body: str) -> Document:
    """A document of JSON."""
    found: Document = json.loads(body)
    return found


def states(records: Iterable[Notification]) -> dict[tuple[str, str], Document]:
    """What holds now of each source and rule, from the first messages of groups."""
    found: dict[tuple[str, str], list[NotifiedAnomaly]] = {}
    for record in records:
        for one in record.members:
            found.setdefault((one.source, one.rule), []).append(one)
    return {key: _state(members) for key, members in found.items()}


def _state(members: list[NotifiedAnomaly]) -> Document:
    still = [one for one in members if one.state == OPEN]
    newest = still or [max(members, key=lambda one: (one.start_us, one.id))]
    first = min(newest, key=lambda one: (one.start_us, one.id))
    return {
        "schema": SCHEMA,
        "state": first.state,
        "severity": max((one.severity for one in newest), key=SEVERITIES.index),
        "phases": sorted({one.phase for one in newest}),
        "start": iso(first.start_us),
        "end": None if first.end_us is None else iso(first.end_us),
    }


def _listed(one: NotifiedAnomaly) -> Document:
    return {
        "id": one.id,
        "source": one.source,
        "kind": one.kind,
        "phase": one.phase,
        "start": iso(one.start_us),
        "end": None if one.end_us is None else iso(one.end_us),
        "state": one.state,
        "severity": one.severity,
        "worst": one.worst,
        "limit": one.limit,
        "unit": one.unit,
    }


def iso(at_us: int) -> str:
    """A moment in UTC, to the millisecond."""
    return datetime.fromtimestamp(at_us // 1000 / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
