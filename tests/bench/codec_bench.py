"""Bytes on disk and insert speed of the raw arrays under different codecs: the figures of docs/decisions/0003.

python -m tests.bench.codec_bench
"""

import gzip
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import clickhouse_connect
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

HOUR = Path(__file__).parents[1] / "golden" / "sensor_hour" / "posts.ndjson.gz"
CODECS = ("LZ4", "ZSTD(1)", "ZSTD(3)", "T64", "T64('bit')", "Delta", "Delta, T64", "Delta, T64('bit')", "DoubleDelta", "Gorilla")
BEHIND = ("", ", LZ4", ", ZSTD(1)", ", ZSTD(3)")
TYPES = {"power": "Int32", "pf": "Int8", "voltage": "Int32"}

Samples = dict[str, NDArray[np.int64]]


def golden() -> Samples:
    """The recorded hour, sorted as the table sorts it: shape (rows, 20) each."""
    found: dict[tuple[str, int, int], tuple[list[int], list[int], list[int]]] = {}
    for line in gzip.decompress(HOUR.read_bytes()).splitlines():
        post = json.loads(line)
        for at, probe in enumerate(post["data"]):
            key = post["sensor_id"], post["timestamp"], probe.get("probe_id", at + 1)
            voltage = probe["voltage"]
            if isinstance(voltage, list):
                found.setdefault(key, (probe["power"], probe["pf"], voltage))
    rows = [found[key] for key in sorted(found)]
    return {name: np.array([row[k] for row in rows]) for k, name in enumerate(TYPES)}


def synthetic(sensors: int = 10, seconds: int = 3600, seed: int = 5) -> Samples:
    """Loads that switch, drift and breathe, on a mains voltage that wanders: shape (rows, 20) each."""
    rng = np.random.default_rng(seed)
    n = seconds * 20
    out: dict[str, list[NDArray[np.int64]]] = {name: [] for name in TYPES}
    for _ in range(sensors):
        phases: dict[str, list[NDArray[np.int64]]] = {name: [] for name in TYPES}
        for _ in range(3):
            steps = np.repeat(rng.lognormal(7, 1, n // 600 + 1), rng.integers(300, 900, n // 600 + 1))
            load = np.resize(steps, n) * (1 + 0.02 * np.sin(np.arange(n) / rng.integers(200, 4000)))
            power = load * (1 + rng.normal(0, 0.004, n)) * 1000
            volts = 230_000 + np.cumsum(rng.normal(0, 12, n)) - load / 5 + rng.normal(0, 90, n)
            pf = np.clip(88 + np.log(load) + rng.normal(0, 0.4, n), -100, 100)
            for name, values in (("power", power), ("pf", pf), ("voltage", volts)):
                phases[name].append(values.round().astype(np.int64).reshape(seconds, 20))
        for name in TYPES:
            out[name].append(np.stack(phases[name], axis=1).reshape(-1, 20))
    return {name: np.concatenate(parts) for name, parts in out.items()}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        client = clickhouse_connect.get_client(interface="chdb", path=folder)
        for source, samples in (("hour", golden()), ("synthetic", synthetic())):
            print(f"## {source}: {len(samples['power']):,} rows")
            for column, kind in TYPES.items():
                for codec in _chains(kind):
                    print(f"{column:8s} {codec:24s} " + _measure(client, kind, codec, samples[column]))
        client.close()


def _chains(kind: str) -> Iterator[str]:
    for first in CODECS:
        generic = first.startswith(("LZ4", "ZSTD"))
        for behind in BEHIND[:1] if generic else BEHIND[1:]:
            yield first + behind


def _measure(client: object, kind: str, codec: str, values: NDArray[np.int64]) -> str:
    client.command("DROP TABLE IF EXISTS c SYNC")
    client.command(
        f"CREATE TABLE c (k UInt32, v Array({kind}) CODEC({codec})) ENGINE = MergeTree ORDER BY k "
        "SETTINGS min_bytes_for_wide_part = 0",
        settings={"allow_suspicious_codecs": 1},
    )
    flat = pa.array(values.reshape(-1).astype(np.int8 if kind == "Int8" else np.int32))
    ends = pa.array(np.arange(0, values.size + 1, values.shape[1]).astype(np.int32))
    table = pa.table({"k": np.arange(len(values), dtype=np.uint32), "v": pa.ListArray.from_arrays(ends, flat)})
    best = float("inf")
    for _ in range(3):
        client.command("TRUNCATE TABLE c")
        begin = time.perf_counter()
        client.insert_arrow("c", table, settings={"async_insert": 0})
        best = min(best, time.perf_counter() - begin)
    begin = time.perf_counter()
    client.command("SELECT sum(arraySum(v)) FROM c")
    read = time.perf_counter() - begin
    (size,) = client.query(
        "SELECT sum(column_data_compressed_bytes) FROM system.parts_columns WHERE table = 'c' AND column = 'v' AND active"
    ).result_rows[0]
    speeds = f"{len(values) / best / 1000:7.0f} k rows/s in, {len(values) / read / 1000:7.0f} out"
    return f"{size / values.size:6.3f} bytes/sample, {speeds}"


if __name__ == "__main__":
    main()
