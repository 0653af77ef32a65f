"""Anomalies as JSON Schema."""

from typing import Any

from schemas.anomaly_note import NOTE_MOST
from web.view import anomaly_facts as facts

Document = dict[str, Any]

_TEXT, _NUMBER, _MOMENT = {"type": "string"}, {"type": "number"}, {"type": "string", "format": "date-time"}
_MAYBE = {"type": ["string", "null"], "format": "date-time"}
_NUMBERS = {"type": "array", "items": _NUMBER}

_FACTS: Document = {
    "id": {"type": "string", "pattern": "^[0-9a-f]{32}$", "description": "a function of rule, source, phase and start"},
    "rule": {"enum": list(facts.RULES)},
    "kind": {"enum": list(facts.KINDS)},
    "source": {"type": "string", "description": "sensor or meter id"},
    "phase": {"type": "integer", "minimum": 0, "maximum": 3, "description": "1, 2, 3 = A, B, C; 0: all together"},
    "start": _MOMENT,
    "end": {**_MAYBE, "description": "null: it goes on"},
    "duration_s": {"type": "number", "description": "so far, where it goes on"},
    "state": {"enum": ["open", "closed", "withdrawn"], "description": "withdrawn: later data showed that it was none"},
    "final": {"type": "boolean", "description": "its minutes are closed: data that comes late changes it no more"},
    "severity": {"enum": list(facts.SEVERITIES)},
    "worst": {"type": "number", "description": "farthest from what is allowed"},
    "limit": {"type": "number", "description": "that was in force"},
    "unit": {"type": "string", "description": "of worst and limit: V, W, %, s or copies"},
    "ieee1159": {"type": "string", "description": "class of a voltage event; else empty"},
    "en50160": {"type": "string", "description": "cell of the table of dips, as 80-70%/200-500ms; else empty"},
    "acknowledged": {"type": "boolean"},
    "note": _TEXT,
    "acknowledged_by": {"type": ["string", "null"]},
    "acknowledged_at": _MAYBE,
}
_WORD = {"acknowledged": {"type": "boolean"}, "note": _TEXT, "by": _TEXT, "at": _MOMENT}
_SAMPLE = {
    "at": {**_MOMENT, "description": "start of the second"},
    "phase": {"type": "integer"},
    "power_w": _NUMBERS,
    "pf_pct": _NUMBERS,
    "voltage_v": {**_NUMBERS, "description": "as many as of power, or one: of the whole second"},
}


def _object(properties: Document) -> Document:
    return {"type": "object", "properties": properties, "required": list(properties)}


LIST = _object(
    {
        "next": {"type": ["string", "null"], "description": "cursor of the following part"},
        "anomalies": {"type": "array", "items": _object(_FACTS)},
    }
)
SILENT = _object(
    {
        "total": {"type": "integer"},
        "sensors": {
            "type": "array",
            "items": _object(
                {
                    "sensor_id": _TEXT,
                    "kind": {"enum": list(facts.KINDS)},
                    "since": {**_MAYBE, "description": "null: nothing was ever heard of it"},
                    "silent_s": {"type": ["integer", "null"]},
                    "anomaly": {"type": ["string", "null"], "description": "id of its silence, where anomalies are looked for"},
                    "owner": _TEXT,
                    "address": _TEXT,
                    "site": _TEXT,
                }
            ),
        },
    }
)

_TRIED = _object(
    {
        name: _FACTS[name]
        for name in (
            "id",
            "rule",
            "phase",
            "start",
            "end",
            "duration_s",
            "severity",
            "worst",
            "limit",
            "unit",
            "ieee1159",
            "en50160",
        )
    }
)
TRIAL = _object(
    {
        "sensor_id": _TEXT,
        "from": _MOMENT,
        "to": _MOMENT,
        "thresholds": {"type": "object", "additionalProperties": _NUMBER, "description": "those that were tried"},
        "same": {"type": "integer", "description": "how many both find alike"},
        "changed": {"type": "array", "items": _object({"before": _TRIED, "after": _TRIED})},
        "new": {"type": "array", "items": _TRIED},
        "gone": {"type": "array", "items": _TRIED},
    }
)


def components() -> Document:
    """Named schemas."""
    return {
        "Anomaly": _object(
            {
                **_FACTS,
                "details": {
                    "type": "object",
                    "additionalProperties": {"type": "integer"},
                    "description": "with units in the names",
                },
                "samples": {"type": "array", "items": _object(_SAMPLE), "description": "by second and phase; of voltage events"},
                "history": {"type": "array", "items": _object(_WORD), "description": "what people said, the oldest first"},
                "log": _object({"partition": {"type": "integer"}, "offset": {"type": "integer"}}),
            }
        ),
        "AnomalyNote": {
            "type": "object",
            "properties": {"note": {"type": "string", "maxLength": NOTE_MOST, "default": ""}},
            "additionalProperties": False,
        },
    }
