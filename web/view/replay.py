"""A replay as its page tells it. Pure."""

from datetime import UTC, datetime
from typing import Any

from web.view.say import Number, Text, joined, moment, say


def told(found: dict[str, Any]) -> dict[str, Any]:
    """A replay in words.

    Args:
        found: as /api/v1/replays gives it.
    """
    asked = found["plan"]["asked"]
    return {
        "name": found["name"],
        "of": _asked(asked),
        "source": found["plan"].get("topic", "sensor.readings"),
        "made": _at(found["made_at_s"]),
        "table": found["table"],
        "live": found["live"],
        "complete": found["complete"],
        "state": say("live") if found["live"] else say("complete") if found["complete"] else say("not finished"),
        "mark": "live" if found["live"] else "wait" if not found["complete"] else "done",
        "stages": _stages(found.get("progress")),
        "problems": found.get("problems", []),
        "busy": found.get("state") in ("swapping", "undoing"),
    }


def _asked(asked: dict[str, Any]) -> Text:
    sensors = ", ".join(asked["sensors"][:5]) + (" …" if len(asked["sensors"]) > 5 else "")
    parts = [
        *([say("from {moment}", moment=_at(asked["from_s"]))] if asked["from_s"] is not None else []),
        *([say("before {moment}", moment=_at(asked["to_s"]))] if asked["to_s"] is not None else []),
        *([say("of {sensors}", sensors=sensors)] if sensors else []),
    ]
    return joined(", ", parts) if parts else say("everything")


def _at(at_s: int) -> Text:
    return say("{moment} UTC", moment=moment(datetime.fromtimestamp(at_s, UTC), "date minute"))


def _stages(progress: dict[str, Any] | None) -> list[dict[str, Any]]:
    if progress is None:
        return []
    names = (
        (say("readings of the log, folded"), "folded", "readings"),
        (say("late minutes, rebuilt"), "rebuilt", "late"),
        (say("minutes, in the table"), "stored", "minutes"),
    )
    return [
        {
            "name": name,
            "done": _count(progress[done]),
            "total": _count(progress[total]),
            "share": 100 if progress[total] == 0 else min(100, progress[done] * 100 // progress[total]),
        }
        for name, done, total in names
    ]


def _count(value: int) -> Number:
    return Number(f"{value:,}".replace(",", "\u202f"))
