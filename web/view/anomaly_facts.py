"""Anomalies as the REST API and files say them: V, W, percent, seconds, UTC. Pure."""

from datetime import UTC, datetime, timedelta
from typing import Any

Row = dict[str, Any]
"""An anomaly as `web.anomaly_queries` gives it."""

RULES = (
    "sag",
    "swell",
    "interruption",
    "overload",
    "overload_quarter",
    "peak",
    "load_imbalance",
    "voltage_imbalance",
    "low_pf",
    "reverse_power",
    "silence",
    "phase_missing",
    "stuck",
    "clock",
    "conflict",
    "habit",
    "over_power",
    "index",
    "index_slope",
    "register_sums",
    "clock_degraded",
    "link",
)
"""As docs/anomalies.md explains them."""
STATES = ("open", "closed")
SEVERITIES = ("notice", "warning", "severe")
KINDS = ("power", "linky")

UNITS = {
    "mV": (1000, "V"),
    "mW": (1000, "W"),
    "permille": (10, "%"),
    "pct": (1, "%"),
    "s": (1, "s"),
    "ms": (1000, "s"),
    "VA": (1, "VA"),
    "Wh": (1, "Wh"),
}
"""By the unit of the event: what divides it, and what it is then."""

COLUMNS = (
    "id",
    "rule",
    "kind",
    "source",
    "phase",
    "start",
    "end",
    "duration_s",
    "state",
    "final",
    "severity",
    "worst",
    "limit",
    "unit",
    "ieee1159",
    "en50160",
    "acknowledged",
    "note",
    "acknowledged_by",
    "acknowledged_at",
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso_us(at_us: int) -> str:
    """UTC, as 2026-03-02T09:00:00.350Z; more digits only where there is more."""
    at = _EPOCH + timedelta(microseconds=at_us)
    rest = at_us % 1_000_000
    part = "" if not rest else f".{rest // 1000:03d}" if rest % 1000 == 0 else f".{rest:06d}"
    return f"{at:%Y-%m-%dT%H:%M:%S}{part}Z"


def lasted_s(row: Row, now_s: float) -> float:
    """How long it lasted, or has lasted: silence goes on by itself, the others as far as they were measured."""
    end_us = row["end_us"]
    if end_us is None:
        end_us = max(row["last_us"], int(now_s * 1_000_000)) if row["rule"] == "silence" else row["last_us"]
    lasted = max(0.0, float(end_us - row["start_us"]) / 1_000_000)
    return float(int(lasted)) if row["end_us"] is None and row["rule"] == "silence" else lasted


def worst_of(row: Row, now_s: float) -> int:
    """The worst value, in the event's unit: of a silence that goes on, how long it is by now."""
    if row["rule"] == "silence" and row["state"] == "open":
        return max(int(row["worst"]), int(lasted_s(row, now_s)))
    return int(row["worst"])


def facts(row: Row, now_s: float) -> Row:
    """One anomaly of a list."""
    by, unit = UNITS.get(row["unit"], (1, row["unit"]))
    said = bool(row["said_us"])
    seen = bool(row["acknowledged"])
    return {
        **{name: row[name] for name in ("id", "rule", "kind", "source", "phase")},
        "start": iso_us(row["start_us"]),
        "end": None if row["end_us"] is None else iso_us(row["end_us"]),
        "duration_s": round(lasted_s(row, now_s), 6),
        **{name: row[name] for name in ("state", "final", "severity")},
        "worst": worst_of(row, now_s) / by,
        "limit": row["limit_value"] / by,
        "unit": unit,
        "ieee1159": row["ieee1159"],
        "en50160": row["en50160"],
        "acknowledged": seen,
        "note": row["note"] if seen else "",
        "acknowledged_by": row["said_by"] if said and seen else None,
        "acknowledged_at": iso_us(row["said_us"]) if said and seen else None,
    }


def whole(row: Row, history: list[Row], now_s: float) -> Row:
    """One anomaly with its numbers, samples and what people said, the oldest first."""
    return {
        **facts(row, now_s),
        "details": dict(row["details"]),
        "samples": [
            {
                "at": iso_us(second * 1_000_000),
                "phase": probe,
                "power_w": [one / 1000 for one in power],
                "pf_pct": list(pf),
                "voltage_v": [one / 1000 for one in voltage],
            }
            for second, probe, power, pf, voltage in samples(row)
        ],
        "history": [
            {"acknowledged": bool(one["acknowledged"]), "note": one["note"], "by": one["said_by"], "at": iso_us(one["said_us"])}
            for one in history
        ],
        "log": {"partition": row["log_partition"], "offset": row["log_offset"]},
    }


def samples(row: Row) -> list[tuple[int, int, list[int], list[int], list[int]]]:
    """Its probe-seconds: UTC second, phase, mW, percent, mV; by second and phase."""
    columns = ("sample_second", "sample_probe", "sample_power_mw", "sample_pf_pct", "sample_voltage_mv")
    return sorted(zip(*(row[name] for name in columns), strict=True), key=lambda one: one[:2])


def in_file(fact: Row) -> Row:
    """For a file that a spreadsheet may open: notes are free text, and none of it is a formula."""
    note = fact["note"]
    return {**fact, "note": f"'{note}" if note[:1] in ("=", "+", "-", "@", "\t", "\r") else note}


def silent(sensor: Any, entry_newest_s: int | None, anomaly: Row | None, now_s: float) -> Row:
    """One sensor that is not heard.

    Args:
        sensor: what the catalog knows; has sensor_id, kind, owner, address, site.
        entry_newest_s: its newest second.
        anomaly: its open silence.
    """
    since_us = None if entry_newest_s is None else (entry_newest_s + 1) * 1_000_000
    return {
        "sensor_id": sensor.sensor_id,
        "kind": sensor.kind,
        "since": None if since_us is None else iso_us(since_us),
        "silent_s": None if since_us is None else max(0, int(now_s - since_us / 1_000_000)),
        "anomaly": None if anomaly is None else anomaly["id"],
        "owner": sensor.owner,
        "address": sensor.address,
        "site": sensor.site,
    }


SILENT_COLUMNS = ("sensor_id", "kind", "since", "silent_s", "anomaly", "owner", "address", "site")
