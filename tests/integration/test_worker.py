"""The worker on a real broker: exact through kill -9, bad bytes and a registry that is away."""

import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from infra import child
from infra.settings import Settings
from schemas import topics, wire
from schemas.registry import Registry
from schemas.sensor_reading import SensorReading
from schemas.units import UNITS
from tests.builders import oracle, probe, reading
from tests.dated import keep_dates
from tests.waiting import until

T0 = 1_790_000_040 - 1_790_000_040 % 60
SENSORS = [f"work{i:06d}" for i in range(8)]

Stack = tuple[Settings, Registry]


@pytest.fixture
def stack(registry: str, own_log: Callable[..., Settings]) -> Stack:
    """A log whose readings keep the time that the test gives them."""
    settings = own_log(publish_interval_s=0.2)
    keep_dates(settings.kafka, topics.READINGS)
    return settings, Registry(registry, settings.schema_cache)


class Worker:
    """A worker process of a test."""

    def __init__(self, settings: Settings, instance: str, port: int, log: Path) -> None:
        self.log = log
        self.env = {
            "POWERMON_KAFKA_BOOTSTRAP": settings.kafka,
            "POWERMON_REGISTRY_URL": settings.registry_url,
            "POWERMON_DATA": str(settings.data),
            "POWERMON_SESSION_TIMEOUT_S": str(settings.session_timeout_s),
            "POWERMON_PUBLISH_INTERVAL_S": str(settings.publish_interval_s),
            "POWERMON_ANOMALIES": str(settings.anomalies),
            "POWERMON_INSTANCE": instance,
            "POWERMON_WORKER_PORT": str(port),
        }
        self.start()

    def start(self) -> None:
        self.process = child.spawn([sys.executable, "-m", "infra.cli", "worker"], self.log, self.env)

    def kill(self) -> None:
        child.kill(self.process)

    def stop(self) -> None:
        child.stop(self.process, 15)


def feed(settings: Settings, values: list[tuple[str, bytes, int]]) -> None:
    producer = Producer(
        {"bootstrap.servers": settings.kafka, "enable.idempotence": True, "queue.buffering.max.messages": 1_000_000}
    )
    for key, value, at_ms in values:
        producer.produce(topics.READINGS.name, value, key.encode(), timestamp=at_ms)
        producer.poll(0)
    assert producer.flush(30) == 0


def read_all(settings: Settings, topic: topics.Topic) -> list[tuple[bytes, bytes]]:
    """Everything in a topic now."""
    consumer = Consumer({"bootstrap.servers": settings.kafka, "group.id": "test-read", "enable.auto.commit": False})
    n = len(consumer.list_topics(topic.name, timeout=10).topics[topic.name].partitions)
    ends = [consumer.get_watermark_offsets(TopicPartition(topic.name, p), timeout=10)[1] for p in range(n)]
    consumer.assign([TopicPartition(topic.name, p, 0) for p in range(n)])
    out: list[tuple[bytes, bytes]] = []
    deadline = time.monotonic() + 30
    while len(out) < sum(ends) and time.monotonic() < deadline:
        out += [(m.key(), m.value()) for m in consumer.consume(10_000, 0.5) if not m.error()]
    consumer.close()
    return out


def minutes_of(settings: Settings, registry: Registry) -> dict[tuple[str, int, int], dict[str, int]]:
    """The upserts in `power.minutes` as a keyed table, held to one content per version."""
    table: dict[tuple[str, int, int], dict[str, int]] = {}
    versions: dict[tuple[str, int, int], bytes] = {}
    for _, value in read_all(settings, topics.MINUTES):
        record = wire.decode(topics.MINUTES, value, registry.schema_of)
        key = record["sensor_id"], record["minute_s"]
        assert versions.setdefault((*key, record["version"]), value) == value, "two contents for one version"
        for p in record["probes"]:
            row = {**p, "version": record["version"]}
            old = table.get((*key, p["probe_id"]))
            if old is None or row["version"] >= old["version"]:
                table[*key, p["probe_id"]] = row
    return table


def expected_figures(log: list[SensorReading]) -> dict[tuple[str, int, int], tuple[object, ...]]:
    return {
        k: (r["seconds_mask"], r["samples"], r["energy"], r["power_min_mw"], r["power_max_mw"]) for k, r in oracle(log).items()
    }


def figures(table: dict[tuple[str, int, int], dict[str, int]]) -> dict[tuple[str, int, int], tuple[object, ...]]:
    return {
        k: (r["seconds_mask"], r["samples"], Fraction(r["energy_units"], UNITS), r["power_min_mw"], r["power_max_mw"])
        for k, r in table.items()
    }


def log_of(seconds: range) -> list[SensorReading]:
    """Every sensor each second, every seventh second a copy some seconds later."""
    out = []
    for s in seconds:
        for i, sensor in enumerate(SENSORS):
            if (s + i) % 50 == 0:
                continue  # a gap
            out.append(reading(sensor, T0 + s, [probe(k, 1000 * s + 10 * i + k, 19 + (s + k) % 3) for k in (1, 2, 3)]))
            if (s + i) % 7 == 0 and s > 5:
                out.append(
                    reading(sensor, T0 + s - 5, [probe(k, 1000 * (s - 5) + 10 * i + k, 19 + (s - 5 + k) % 3) for k in (1, 2, 3)])
                )
    return out


def test_two_workers_killed_again_and_again_end_exact(stack: Stack, free_port: Callable[[], int], tmp_path: Path) -> None:
    settings, registry = stack
    schema_id = registry.id_of(topics.READINGS)
    log = log_of(range(900))
    values = [(r.sensor_id, wire.encode_sensor_reading(schema_id, r), 0) for r in log]
    # Appended when measured, so that minutes close while the feed goes on; each sensor's copies keep the log order.
    clock, stamped = 0, []
    for (key, value, _), r in zip(values, log):
        clock = max(clock, r.timestamp_s * 1000)
        stamped.append((key, value, clock))
    workers = [Worker(settings, f"w{i}", free_port(), tmp_path / f"w{i}.log") for i in range(2)]
    try:
        cut = len(stamped) // 6
        for k in range(6):
            feed(settings, stamped[k * cut : (k + 1) * cut if k < 5 else None])
            target = len({(r.sensor_id, r.timestamp_s // 60) for r in log[: (k + 1) * cut]}) // 2
            until(
                lambda target=target: len({key[:2] for key in minutes_of(settings, registry)}) >= target,
                "half of the minutes",
                90,
            )
            workers[k % 2].kill()
            workers[k % 2].start()
        wanted = expected_figures(log)
        until(lambda: figures(minutes_of(settings, registry)) == wanted, "exact minutes", 90)
        assert read_all(settings, topics.LATE) == []
        assert read_all(settings, topics.DEAD_LETTERS) == []
    finally:
        for worker in workers:
            worker.stop()


def test_a_poison_message_goes_to_dead_letters_and_its_batch_goes_on(
    stack: Stack, free_port: Callable[[], int], tmp_path: Path
) -> None:
    settings, registry = stack
    schema_id = registry.id_of(topics.READINGS)
    log = [reading(SENSORS[0], T0 + s) for s in range(30)]
    values = [(r.sensor_id, wire.encode_sensor_reading(schema_id, r), T0 * 1000) for r in log]
    values.insert(10, (SENSORS[0], b"not avro at all", T0 * 1000))
    feed(settings, values)
    worker = Worker(settings, "", free_port(), tmp_path / "w.log")
    try:
        wanted = expected_figures(log)
        until(lambda: figures(minutes_of(settings, registry)) == wanted, "exact minutes")
        (letter,) = [wire.decode(topics.DEAD_LETTERS, v, registry.schema_of) for _, v in read_all(settings, topics.DEAD_LETTERS)]
        assert letter["source_offset"] == 10
        assert letter["message_value"] == b"not avro at all"
        assert "0x6e" in letter["reason"]
    finally:
        worker.stop()


def test_late_readings_are_reported_and_not_counted(stack: Stack, free_port: Callable[[], int], tmp_path: Path) -> None:
    settings, registry = stack
    schema_id = registry.id_of(topics.READINGS)
    live = [reading(SENSORS[0], T0 + 600 + s) for s in range(5)]
    late = [reading(SENSORS[0], T0 + s) for s in (0, 1, 61)]
    feed(settings, [(r.sensor_id, wire.encode_sensor_reading(schema_id, r), (T0 + 600) * 1000) for r in [*live, *late]])
    worker = Worker(settings, "", free_port(), tmp_path / "w.log")
    try:
        until(lambda: len(read_all(settings, topics.LATE)) >= 2, "two late minutes")
        found = [wire.decode(topics.LATE, v, registry.schema_of) for _, v in read_all(settings, topics.LATE)]
        assert sorted((r["minute_s"], r["log_offset"]) for r in found) == [(T0, 6), (T0 + 60, 7)]
        assert figures(minutes_of(settings, registry)) == expected_figures(live)
    finally:
        worker.stop()
