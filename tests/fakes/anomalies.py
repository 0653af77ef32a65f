"""Anomalies as the sink writes them, and notes that need no log."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from schemas import topics, wire
from schemas.anomaly import CLOSED, OPEN, POWER, WARNING, Anomaly, AnomalySecond, anomaly_id
from schemas.anomaly_note import AnomalyNote
from sinks import anomaly_rows, tables
from sinks.clickhouse import ClickHouse

NOMINAL_MV = 220_000


def anomaly(rule: str, source: str, start_s: float, lasted_s: float | None, *, phase: int = 0, **more: Any) -> Anomaly:
    """One; lasted_s None: it goes on."""
    start_us = round(start_s * 1_000_000)
    end_us = None if lasted_s is None else start_us + round(lasted_s * 1_000_000)
    values: Mapping[str, Any] = {
        "kind": POWER,
        "end_us": end_us,
        "last_us": start_us + 1_000_000 if end_us is None else end_us,
        "state": OPEN if end_us is None else CLOSED,
        "final": end_us is not None,
        "severity": WARNING,
        "unit": "s",
        "worst": 5 if lasted_s is None else round(lasted_s),
        "limit": 5,
        **more,
    }
    made = anomaly_id(rule, values["kind"], source, phase, start_us)
    return Anomaly(id=made, rule=rule, source=source, phase=phase, start_us=start_us, **values)


def sag(source: str, at_s: int, *, phase: int = 2, residual: float = 0.62, **more: Any) -> Anomaly:
    """A dip of 400 ms that begins 350 ms after at_s, with its samples of all phases."""
    deep = round(NOMINAL_MV * residual)
    return anomaly(
        "sag",
        source,
        at_s + 0.35,
        0.4,
        phase=phase,
        **{
            "unit": "mV",
            "worst": deep,
            "limit": 198_000,
            "severity": "severe",
            "ieee1159": "instantaneous",
            "en50160": "70-40%/200-500ms",
            "details": {"nominal_permille": round(residual * 1000), "worst_us": at_s * 1_000_000 + 450_000},
            "samples": samples(at_s, phase, deep),
            **more,
        },
    )


def samples(at_s: int, phase: int, deep_mv: int) -> tuple[AnomalySecond, ...]:
    """Five seconds of three phases around a dip."""
    found = []
    for second in range(at_s - 2, at_s + 3):
        for probe in (1, 2, 3):
            volts = np.full(20, NOMINAL_MV + 300 * probe, "<i4") + np.arange(20, dtype="<i4") * 10
            if second == at_s and probe == phase:
                volts[7:15] = deep_mv
            power, pf = np.full(20, 1_200_000, "<i4"), np.full(20, 92, "i1")
            found.append(AnomalySecond(second, probe, power.tobytes(), pf.tobytes(), volts.tobytes()))
    return tuple(found)


def fill(db: ClickHouse, found: Sequence[Anomaly], first_offset: int = 0) -> None:
    """Upsert them, in this order of the log."""
    values = [one.message(1)[1] for one in found]
    offsets = list(range(first_offset, first_offset + len(values)))
    rows, rejected = anomaly_rows.anomalies(lambda _: wire.raw_schema(topics.ANOMALIES), values, offsets)
    assert not rejected
    db.insert(tables.ANOMALIES_RAW.name, rows)


class FakeNotes:
    """As web.anomaly_notes.NoteLog, straight into the table.

    Args:
        db: gives the table.
    """

    def __init__(self, db: ClickHouse) -> None:
        self._db = db
        self.written: list[AnomalyNote] = []

    async def write(self, said: AnomalyNote) -> None:
        self.written.append(said)
        rows: pa.RecordBatch
        value = said.message(1)[1]
        rows, _ = anomaly_rows.notes(lambda _: wire.raw_schema(topics.ANOMALY_NOTES), [value], [len(self.written)])
        await self._db.run(self._db.insert, tables.ANOMALY_NOTES_RAW.name, rows)

    async def close(self) -> None:
        """Nothing is on its way."""
