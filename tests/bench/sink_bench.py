"""The sink against ClickHouse reading the same rows from a local Avro file, in one run, results checked.

    python -m tests.bench.sink_bench

Both sides begin with bytes and end with rows in a table of the same kind: the sink takes values of
`sensor.readings` as they come from the broker; ClickHouse takes a file whose arrays are plain Avro arrays of int.
"""

import io
import json
import statistics
import tempfile
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fastavro
import numpy as np

from infra.settings import Settings
from schemas import topics, wire
from schemas.columns import Int64s
from sinks import tables
from sinks.clickhouse import ClickHouse, quoted
from sinks.feeds import Taken, carry, feeds
from sinks.migrate import migrate

READINGS = 40_000
SENSORS = 100
ROUNDS = 5
APPENDED_MS = 1_900_000_000_000
T0 = 1_800_000_000

_ROW: dict[str, Any] = {
    "type": "record",
    "name": "Row",
    "fields": [
        *({"name": name, "type": "string"} for name in ("sensor_id", "probe_type", "format_version")),
        *({"name": name, "type": "long"} for name in ("second", "received_at", "rank")),
        *({"name": name, "type": "int"} for name in ("probe", "log_partition")),
        *({"name": name, "type": {"type": "array", "items": "int"}} for name in ("power", "pf", "voltage")),
    ],
}

Times = tuple[float, float]
"""Wall and CPU seconds."""

Reading = tuple[str, int, list[tuple[int, str, list[int], list[int], list[int]]]]


def measure(readings: int = READINGS, rounds: int = ROUNDS) -> dict[str, float]:
    """Rows a second of both sides: the median of the rounds, taken in turns.

    Returns:
        rows, sink_rows_per_s, file_rows_per_s, ratio, and the ratio of rows per CPU second.

    Raises:
        AssertionError: the two tables do not hold the same rows.
    """
    log = _log(readings)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=Path(folder))
        store = ClickHouse(settings)
        try:
            migrate(store, settings)
            store.command(f"CREATE TABLE from_file AS {tables.READINGS_RAW.name}")
            avro = Path(folder) / "rows.avro"
            _write_avro(avro, log)
            taken = _taken(log)
            mine, theirs = [], []
            with ThreadPoolExecutor(2) as threads:
                for _ in range(rounds + 1):
                    mine.append(_sink(store, taken, threads))
                    theirs.append(_file(store, avro))
            count = _check(store, log)
        finally:
            store.close()
    # The first round warms up.
    (sink_s, sink_cpu_s), (file_s, file_cpu_s) = (
        (statistics.median(wall for wall, _ in times[1:]), statistics.median(busy for _, busy in times[1:]))
        for times in (mine, theirs)
    )
    return {
        "rows": count,
        "sink_rows_per_s": count / sink_s,
        "file_rows_per_s": count / file_s,
        "ratio": file_s / sink_s,
        "ratio_per_cpu_second": file_cpu_s / sink_cpu_s,
    }


def _sink(store: ClickHouse, taken: Taken, threads: Executor) -> Times:
    store.command(f"TRUNCATE TABLE {tables.READINGS_RAW.name}")
    feed = feeds(lambda _: wire.raw_schema(topics.READINGS))[topics.READINGS.name]
    begin, busy = time.perf_counter(), time.process_time()
    _, rejected = carry(store, feed, taken, threads)
    assert not rejected
    return time.perf_counter() - begin, time.process_time() - busy


def _file(store: ClickHouse, avro: Path) -> Times:
    names = ", ".join(tables.READINGS_RAW.columns)
    store.command("TRUNCATE TABLE from_file")
    begin, busy = time.perf_counter(), time.process_time()
    store.command(f"INSERT INTO from_file ({names}) SELECT {names} FROM file({quoted(str(avro))}, Avro, {quoted(_STRUCTURE)})")
    return time.perf_counter() - begin, time.process_time() - busy


_STRUCTURE = (
    "sensor_id String, probe_type String, format_version String, second Int64, received_at Int64, rank Int64, "
    "probe Int32, log_partition Int32, power Array(Int32), pf Array(Int32), voltage Array(Int32)"
)


def _check(store: ClickHouse, log: list[Reading]) -> int:
    what = "count(), sum(arraySum(power)), sum(arraySum(pf)), sum(arraySum(voltage)), sum(cityHash64(sensor_id, second, probe))"
    found = [store.rows(f"SELECT {what} FROM {name}") for name in (tables.READINGS_RAW.name, "from_file")]
    assert found[0] == found[1], found
    count, power, *_ = found[0][0]
    assert count == 3 * len(log)
    assert power == sum(sum(p[2]) for _, _, probes in log for p in probes)
    return int(count)


def _log(n: int) -> list[Reading]:
    """n seconds in the order a log has them: every sensor once a second."""
    rng = np.random.default_rng(3)
    level: Int64s = rng.integers(200_000, 9_000_000, (SENSORS, 3))
    out: list[Reading] = []
    for i in range(n):
        sensor = i % SENSORS
        power = level[sensor][:, None] + rng.integers(-90_000, 90_000, (3, 20))
        pf = rng.integers(90, 97, (3, 20))
        voltage = rng.integers(218_900, 219_400, (3, 20))
        probes = [(k + 1, "CT", power[k].tolist(), pf[k].tolist(), voltage[k].tolist()) for k in range(3)]
        out.append((f"bench{sensor:06d}", T0 + i // SENSORS, probes))
    return out


def _taken(log: list[Reading]) -> Taken:
    values = [wire.encode_reading(wire.reading_head(1, s), t, t * 1000 + 40, "221013", wire.pack(probes)) for s, t, probes in log]
    n = len(values)
    return Taken(list(values), np.zeros(n, np.int64), np.arange(n), np.full(n, APPENDED_MS))


def _write_avro(path: Path, log: list[Reading]) -> None:
    schema = fastavro.parse_schema(_ROW)
    rows = (
        {
            "sensor_id": sensor,
            "probe_type": kind,
            "format_version": "221013",
            "second": second,
            "received_at": second * 1000 + 40,
            "rank": at,
            "probe": probe,
            "log_partition": 0,
            "power": power,
            "pf": pf,
            "voltage": voltage,
        }
        for at, (sensor, second, probes) in enumerate(log)
        for probe, kind, power, pf, voltage in probes
    )
    out = io.BytesIO()
    fastavro.writer(out, schema, rows, sync_interval=1 << 20)
    path.write_bytes(out.getvalue())


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
