"""What /api/v1/meters gives, as JSON Schema."""

from typing import Any

Document = dict[str, Any]

_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_COLOUR = {"enum": ["none", "blue", "white", "red", ""], "description": "Tempo's; none: not said"}
_WH = {"type": "integer", "description": "Wh"}
_PER_PHASE = {"type": "array", "items": {"type": ["number", "null"]}, "description": "by phase; historic mode has none"}
_LINK = ("characters", "bad_characters", "rejected_groups", "discarded_frames", "lost_frames", "quarantined")


def _object(properties: Document) -> Document:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _maybe(kind: str, text: str = "") -> Document:
    return {"type": [kind, "null"], **({"description": text} if text else {})}


def components() -> Document:
    """The named schemas."""
    listed = {
        "id": _TEXT,
        "state": {"enum": ["live", "silent", "never"]},
        "detail": {"type": "string", "description": "for people"},
        "newest_s": _maybe("integer", "newest moment heard, UTC"),
        "apparent_va": _maybe("number", "VA, of the newest frame of a live meter"),
        "zone": _TEXT,
        "registered": {"type": "boolean"},
    }
    said = {
        "tariff": {"type": "integer", "description": "index in force, 1 to 10; 0: not known"},
        "tariff_name": _TEXT,
        "contract_va": _COUNT,
        "over_power": {"type": "boolean"},
        "tempo_today": _COLOUR,
        "tempo_tomorrow": _COLOUR,
        "clock_degraded": {"type": "boolean"},
    }
    day_index = _object(
        {
            "label": _TEXT,
            "index_wh": _WH,
            "energy_wh": {"type": "integer", "description": "Wh of the day, what was used unheard in it"},
            "measured_wh": {"type": "integer", "description": "Wh of the minutes that were heard"},
        }
    )
    quality = {"right_pct": _maybe("number", "right frames of all, over the last hour"), "frames": _COUNT}
    now = {
        **listed,
        "day": {"type": "string", "format": "date"},
        **said,
        "measured_pct": {"type": "number", "description": "of the day so far"},
        "indexes": {"type": "array", "items": day_index},
        "link": _object({**quality, **dict.fromkeys(_LINK, _COUNT)}),
    }
    minute = {
        "minute": {"type": "string", "format": "date-time"},
        "frames": _COUNT,
        "seconds": {"type": "integer", "minimum": 0, "maximum": 60, "description": "covered by right frames"},
        **dict.fromkeys(("apparent_mean_va", "apparent_min_va", "apparent_max_va", "injected_max_va"), _maybe("number", "VA")),
        **dict.fromkeys(("drawn_wh", "injected_wh"), _WH),
        **said,
        **dict.fromkeys(("voltage_min_v", "voltage_mean_v", "voltage_max_v"), _PER_PHASE),
        **dict.fromkeys(_LINK, _COUNT),
        "indexes": {
            "type": "array",
            "items": _object({"label": _TEXT, **dict.fromkeys(("first_wh", "last_wh", "energy_wh"), _WH)}),
        },
    }
    return {"MeterInList": _object(listed), "MeterNow": _object(now), "MeterMinute": _object(minute)}
