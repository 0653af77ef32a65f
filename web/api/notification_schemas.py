"""What /api/v1/notifications takes and gives, as JSON Schema."""

from typing import Any

from streams.catalog.admin.fields import EXPECTED
from web.receivers import OF_CHANNEL

Document = dict[str, Any]

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}


def components() -> Document:
    """The named schemas."""
    facts: Document = {
        "language": {"enum": ["en", "ko", "fr"]},
        "zone": _TEXT,
        "rules": _TEXTS,
        "severity": {"enum": ["notice", "warning", "severe"]},
        "sensors": _TEXTS,
        "sites": _TEXTS,
        "quiet": _TEXTS,
        "severe_passes": {"type": "boolean"},
        "per_hour": {"type": "integer", "minimum": 1, "maximum": 1000},
    }
    channel = {"channel": {"enum": list(OF_CHANNEL)}}
    target = {name: _TEXT for names in OF_CHANNEL.values() for name in names}
    said = {name: {**one, "description": EXPECTED[name]} for name, one in {**channel, **target, **facts}.items()}
    shown = {
        "receiver_id": _TEXT,
        **channel,
        "address": {"type": "string", "description": "without what opens it"},
        **facts,
        "off": {"type": ["string", "null"], "description": "why it is told nothing any more"},
        "changed_at": {"type": "string", "format": "date-time"},
    }
    receiver = {"type": "object", "properties": shown, "required": list(shown)}
    secret = {"secret": {"type": "string", "description": "what messages are signed with; shown only here"}}
    return {
        "Receiver": receiver,
        "ReceiverChange": {"type": "object", "properties": said, "additionalProperties": False},
        "ReceiverWithSecret": {**receiver, "properties": {**shown, **secret}},
        "ReceiverTest": {
            "type": "object",
            "properties": {"sent": {"type": "boolean"}, "reason": {"type": "string", "description": "why not, for people"}},
            "required": ["sent", "reason"],
        },
    }
