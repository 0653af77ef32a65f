"""Copies with other values, on the real parts: each ends up in the table of conflicts, on time or late."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer

from infra import child
from infra.settings import Settings
from schemas import topics, wire
from schemas.registry import Registry
from schemas.sensor_reading import SensorReading
from sinks.clickhouse import ClickHouse
from sinks.migrate import migrate
from sinks.rebuild import Rebuilder
from sinks.sink import Sink
from tests.at_work import at_work
from tests.builders import probe, reading
from tests.waiting import until

OLD = 1_780_000_020
SENSOR = "gre000001"


@pytest.fixture
def settings(own_log: Callable[..., Settings]) -> Settings:
    return own_log(sink_interval_ms=50, rebuild_interval_s=0.2, publish_interval_s=0.2)


@pytest.fixture
def store(settings: Settings) -> Iterator[ClickHouse]:
    store = ClickHouse(settings)
    try:
        migrate(store, settings)
        yield store
    finally:
        store.close()


@contextmanager
def worker(settings: Settings, log: Path) -> Iterator[None]:
    env = {
        "POWERMON_KAFKA_BOOTSTRAP": settings.kafka,
        "POWERMON_REGISTRY_URL": settings.registry_url,
        "POWERMON_DATA": str(settings.data),
        "POWERMON_PUBLISH_INTERVAL_S": str(settings.publish_interval_s),
        "POWERMON_WORKER_PORT": str(settings.worker_port),
        "POWERMON_SESSION_TIMEOUT_S": "6",
        "POWERMON_INSTANCE": "one",
    }
    process = child.spawn([sys.executable, "-m", "infra.cli", "worker"], log, env)
    try:
        yield
    finally:
        child.kill(process)


def send(settings: Settings, log: list[SensorReading]) -> None:
    schema_id = Registry(settings.registry, settings.schema_cache).id_of(topics.READINGS)
    producer = Producer({"bootstrap.servers": settings.kafka, "enable.idempotence": True})
    for one in log:
        producer.produce(topics.READINGS.name, wire.encode_sensor_reading(schema_id, one), one.sensor_id.encode())
    assert producer.flush(30) == 0


def found(store: ClickHouse) -> list[tuple[object, ...]]:
    return store.rows("SELECT timestamp, probe, first_offset, later_offset FROM conflicts ORDER BY later_offset, probe")


def test_every_differing_copy_is_reported_once_and_counts_for_nothing(
    settings: Settings, store: ClickHouse, tmp_path: Path
) -> None:
    now = int(time.time())  # only to be within the lateness bound of the broker's own clock
    one_up = [probe(1, power=1_000_001), probe(2)]
    send(
        settings,
        [
            reading(SENSOR, now),  # 0
            reading(SENSOR, now),  # 1: a plain retransmission
            reading(SENSOR, now, one_up),  # 2: differs in probe 1
            reading(SENSOR, OLD, [probe(1), probe(2)]),  # 3: late, and the first of its second
            reading(SENSOR, OLD),  # 4: brings probe 3
            reading(SENSOR, OLD, one_up),  # 5: late and differs
            reading(SENSOR, OLD, [probe(3, power=5)]),  # 6: differs from what 4 brought
        ],
    )
    expected = [(now, 1, 0, 2), (OLD, 1, 3, 5), (OLD, 3, 4, 6)]
    sink = Sink(settings, store, Registry(settings.registry, settings.schema_cache))
    with at_work(sink):
        until(lambda: sum(end for (topic, _), end in sink.positions.items() if topic == topics.READINGS.name) == 7, "raw")
        store.command("OPTIMIZE TABLE readings_raw FINAL")  # the later copies are gone from raw
        assert store.rows("SELECT count() FROM readings_raw") == [(6,)]
        with (
            at_work(Rebuilder(settings, store, Registry(settings.registry, settings.schema_cache))),
            worker(settings, tmp_path / "worker.log"),
        ):
            until(lambda: found(store) == expected, "every conflict")
            # Copies of what was found: reported as copies of their own; the others again, and still one row each.
            send(settings, [reading(SENSOR, OLD, one_up), reading(SENSOR, now, [probe(3, power=9)])])
            expected += [(OLD, 1, 3, 7), (now, 3, 0, 8)]
        with (
            at_work(Rebuilder(settings, store, Registry(settings.registry, settings.schema_cache))),
            worker(settings, tmp_path / "worker.log"),
        ):
            until(lambda: found(store) == expected, "conflicts after a kill")
        energy = store.rows("SELECT DISTINCT energy_mws FROM minutes")
    assert energy == [(round(sum(probe(1).power_mw) / 20),)]
