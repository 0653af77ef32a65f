"""How fast the worker's part of a Linky goes, one core: frames that are on time, frames of a backlog, minutes from raw.

`python -m tests.bench.tic_bench`
"""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from producers.tic.bytes import with_parity
from producers.tic.decode import DecodedFrame, decode
from producers.tic.record import Received, record
from producers.tic.rules import LINE
from schemas import topics, wire
from schemas.run import Run
from schemas.tic_batch import FrameDecoder
from schemas.tic_facts import AT, Facts, facts
from schemas.tic_frame import TicFrame
from schemas.tic_minute import TicMinute
from streams.agents.minutes import SLICE
from streams.core.tic_minute import fold
from streams.core.tic_window import TicPartition

GOLDEN = Path(__file__).parents[1] / "golden" / "tic" / "frames"
METERS, SECONDS = 20, 600
T0 = 1_780_000_020
LATENESS_MS = 120_000
FLUSH_EVERY = 10_000


def frame(name: str) -> TicFrame:
    (event,) = decode([with_parity((GOLDEN / f"{name}.tic").read_bytes())], LINE)
    assert isinstance(event, DecodedFrame)
    return record(event, Received("992562000017", "boot", 0, 0, True, 0, 0, 0))


def log_of(name: str) -> list[bytes]:
    """A frame a second of each meter; the index grows by one each ten seconds."""
    base = frame(name)
    record_ = wire.decode(topics.TIC_FRAMES, base.message(1)[1], schema_of)
    values = []
    for second in range(SECONDS):
        for meter in range(METERS):
            labels = [
                one | {"value": one["value"] + second // 10} if one["label"] in ("EAST", "EASF01", "EASD01", "HCHC") else one
                for one in record_["labels"]
            ]
            changed = {"meter_id": f"9925620{meter:05}", "counter": second, "received_at_ms": (T0 + second) * 1000}
            when = {"meter_at_s": T0 + second if base.mode == "standard" else None}
            values.append(wire.encode(topics.TIC_FRAMES, 1, record_ | changed | when | {"labels": labels}))
    return values


def schema_of(_: int) -> wire.Schema:
    return wire.raw_schema(topics.TIC_FRAMES)


def run_of(values: list[bytes], late_s: int) -> Run:
    appended = (T0 + late_s + np.repeat(np.arange(SECONDS), METERS)) * 1000
    return Run.of(values, range(len(values)), appended.tolist())


def folded(run: Run) -> tuple[float, dict[tuple[str, int], TicMinute], int]:
    """Seconds of processor time, the newest rows, and minutes reported late."""
    state, decoder = TicPartition(LATENESS_MS, watermark_ms=int(run.appended_ms[0])), FrameDecoder(schema_of)
    rows: dict[tuple[str, int], TicMinute] = {}
    late, began = 0, time.process_time()
    for start in range(0, len(run), SLICE):
        batch, rejected = decoder.decode(run.part(start, start + SLICE))
        assert not rejected
        state.fold(batch)
        if start % FLUSH_EVERY == 0 or start + SLICE >= len(run):
            checkpoint = state.checkpoint(decoder.names.names)
            rows |= {(row.meter_id, row.minute_s): row for row in checkpoint.minutes}
            late += len(checkpoint.late)
    return time.process_time() - began, rows, late


def rebuilt(run: Run) -> tuple[float, int]:
    """Seconds to fold whole minutes, each with the one before, and how many."""
    batch, _ = FrameDecoder(schema_of).decode(run)
    found = facts(batch)
    place = batch.meter * (1 << 32) + found.table[:, AT] // 60
    parts = {int(key): found.table[place == key] for key in np.unique(place)}
    began = time.process_time()
    for key, table in parts.items():
        before = parts.get(key - 1)
        context = None if before is None else Facts(before, found.boots, found.names)
        row = fold("m", (key & 0xFFFFFFFF) * 60, Facts(table, found.boots, found.names), context).row
        assert row is not None
        assert row.frames == len(table)
    return time.process_time() - began, len(parts)


def measure(name: str) -> dict[str, Any]:
    """Rates of one kind of meter, a second of processor time; the rows are held to what was sent."""
    values = log_of(name)
    on_time, behind = run_of(values, 1), run_of(values, 86_400)
    folded(on_time)  # compiles
    hot_s, rows, late = folded(on_time)
    minutes = METERS * SECONDS // 60
    assert (len(rows), late) == (minutes, 0)
    assert {(row.frames, row.quarantined) for row in rows.values()} == {(60, 0)}
    first, later = {row.drawn_wh for row in rows.values() if row.minute_s == T0}, {row.drawn_wh for row in rows.values()}
    assert first == {5}
    assert later == {5, 6}
    cold_s, none, late = folded(behind)
    assert (len(none), late >= minutes) == (0, True)
    fold_s, count = rebuilt(on_time)
    return {
        "frame": name,
        "bytes": round(sum(map(len, values)) / len(values)),
        "on_time_frames_per_s": round(len(values) / hot_s),
        "late_frames_per_s": round(len(values) / cold_s),
        "rebuild_minutes_per_s": round(count / fold_s),
        "rebuild_frames_per_s": round(len(values) / fold_s),
    }


if __name__ == "__main__":
    for kind in ("std_mono_hchp", "std_tri_tempo", "hist_mono_hc"):
        print(json.dumps(measure(kind)))
