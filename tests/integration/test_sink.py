"""The sink on a real broker, registry and ClickHouse: nothing lost, nothing twice, whatever stops it."""

import gzip
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from infra import child, embedded
from infra.settings import Settings
from schemas import topics, wire
from schemas.power_minute import PROBE_FIELDS
from schemas.registry import Registry
from schemas.sensor_reading import SensorReading
from schemas.units import UNITS
from sinks import broker
from sinks.clickhouse import ClickHouse, StoreUnavailable
from sinks.migrate import migrate
from sinks.rebuild import Rebuilder
from sinks.sink import Sink
from tests.builders import oracle, probe, reading

T0 = 1_780_000_020
CRASHED: list[str] = []
GOLDEN = Path(__file__).parents[1] / "golden" / "sensor_hour"


@pytest.fixture
def settings(own_log: Callable[..., Settings]) -> Settings:
    return own_log(sink_interval_ms=50, rebuild_interval_s=0.2, instance="one")


@pytest.fixture
def store(settings: Settings) -> Iterator[ClickHouse]:
    store = ClickHouse(settings)
    try:
        migrate(store, settings)
        yield store
    finally:
        store.close()


@contextmanager
def at_work(member: Sink | Rebuilder) -> Iterator[None]:
    """Run it in a thread as its role does; a crash of it fails the test."""
    crashed = CRASHED
    crashed.clear()

    def work() -> None:
        try:
            member.work()
        except BaseException as error:
            crashed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        member.stop()
        thread.join(30)
        assert not thread.is_alive()
        assert not crashed


def until(met: Callable[[], bool], timeout_s: float = 60) -> None:
    end = time.monotonic() + timeout_s
    pause = threading.Event()
    while not met():
        assert not CRASHED
        assert time.monotonic() < end, "the condition was not met in time"
        pause.wait(0.05)


def publish(settings: Settings, topic: topics.Topic, messages: list[tuple[bytes, bytes | None]], partition: int = -1) -> None:
    producer = Producer(
        {"bootstrap.servers": settings.kafka, "enable.idempotence": True, "queue.buffering.max.messages": 1_000_000}
    )
    for key, value in messages:
        producer.produce(topic.name, value, key, partition=partition)
    assert producer.flush(30) == 0


def send(settings: Settings, log: list[SensorReading]) -> None:
    schema_id = Registry(settings.registry, settings.schema_cache).id_of(topics.READINGS)
    publish(settings, topics.READINGS, [(r.sensor_id.encode(), wire.encode_sensor_reading(schema_id, r)) for r in log])


def ends(settings: Settings, topic: topics.Topic) -> broker.Offsets:
    asker = Consumer({"bootstrap.servers": settings.kafka, "group.id": "test-ends"})
    parts = asker.list_topics(topic.name, timeout=10).topics[topic.name].partitions
    found = {(topic.name, p): asker.get_watermark_offsets(TopicPartition(topic.name, p), timeout=10)[1] for p in parts}
    asker.close()
    return found


def caught_up(settings: Settings, *of: topics.Topic, group: str = broker.SINK_GROUP) -> bool:
    asker = Consumer({"bootstrap.servers": settings.kafka, "group.id": group})
    try:
        wanted = {place: end for topic in of for place, end in ends(settings, topic).items()}
        return broker.committed(asker, wanted) == wanted
    except broker.LogUnavailable:  # a broker that has just begun does not know its groups yet
        return False
    finally:
        asker.close()


def values(settings: Settings, topic: topics.Topic) -> list[dict[str, object]]:
    """Everything in a topic, decoded."""
    registry = Registry(settings.registry, settings.schema_cache)
    last = ends(settings, topic)
    reader = Consumer({"bootstrap.servers": settings.kafka, "group.id": "test-values", "enable.auto.commit": False})
    reader.assign([TopicPartition(name, p, 0) for (name, p), end in last.items() if end])
    found: list[dict[str, object]] = []
    while len(found) < sum(last.values()):
        found += [wire.decode(topic, m.value(), registry.schema_of) for m in reader.consume(1000, 1) if not m.error()]
    reader.close()
    return found


def sink_of(settings: Settings, store: ClickHouse) -> Sink:
    return Sink(settings, store, Registry(settings.registry, settings.schema_cache))


def rebuilder_of(settings: Settings, store: ClickHouse) -> Rebuilder:
    return Rebuilder(settings, store, Registry(settings.registry, settings.schema_cache))


def golden_posts() -> list[tuple[bytes, bytes]]:
    """The hour's posts as the gateway writes them."""
    found = []
    for line in gzip.decompress((GOLDEN / "posts.ndjson.gz").read_bytes()).splitlines():
        post = json.loads(line)
        probes = [
            (p.get("probe_id", at + 1), p["probe_type"], p["power"], p["pf"], v if isinstance(v := p["voltage"], list) else [v])
            for at, p in enumerate(post["data"])
        ]
        sensor, second = post["sensor_id"].lower(), post["timestamp"]
        head = wire.reading_head(1, sensor)
        value = wire.encode_reading(head, second, second * 1000 + 40, post["version"], wire.pack(probes))
        found.append((sensor.encode(), value))
    return found


def publish_golden(settings: Settings) -> None:
    head = wire.header(Registry(settings.registry, settings.schema_cache).id_of(topics.READINGS))
    publish(settings, topics.READINGS, [(key, head + value[wire.HEADER :]) for key, value in golden_posts()])


def raw_summary(store: ClickHouse) -> dict[str, object]:
    per = store.rows(
        "SELECT sensor_id, uniqExact(second), count(), sum(length(power)) FROM readings GROUP BY sensor_id ORDER BY sensor_id"
    )
    each = {s: {"seconds": seconds, "probe_seconds": rows, "samples": samples} for s, seconds, rows, samples in per}
    totals = {name: sum(one[name] for one in each.values()) for name in ("seconds", "probe_seconds", "samples")}
    return totals | {"per_sensor": each}


def content(store: ClickHouse) -> list[tuple[object, ...]]:
    return store.rows("SELECT * FROM readings ORDER BY sensor_id, second, probe")


def test_the_golden_hour_is_in_raw_to_the_last_sample(settings: Settings, store: ClickHouse) -> None:
    publish_golden(settings)
    with at_work(sink_of(settings, store)):
        until(lambda: caught_up(settings, topics.READINGS))
        assert raw_summary(store) == json.loads((GOLDEN / "truth.json").read_text())["expected_raw"]
        once = content(store)
        publish_golden(settings)
        until(lambda: caught_up(settings, topics.READINGS))
    assert content(store) == once


def test_the_first_copy_holds_and_a_later_one_adds_its_probe(settings: Settings, store: ClickHouse) -> None:
    first = reading(timestamp_s=T0, probes=[probe(1, power=5), probe(2, power=6)])
    other = reading(timestamp_s=T0, probes=[probe(1, power=700), probe(3, power=900)])
    with at_work(sink_of(settings, store)):
        for log in ([first], [other], [first, other]):
            send(settings, log)
            until(lambda: caught_up(settings, topics.READINGS))
        store.command("OPTIMIZE TABLE readings_raw FINAL")
    assert store.rows("SELECT probe, power[1], log_offset, timestamp FROM readings ORDER BY probe") == [
        (1, 5, 0, T0),
        (2, 6, 0, T0),
        (3, 900, 1, T0),
    ]


class Refusing(ClickHouse):
    """A store that takes no inserts while it is told so."""

    refuses = False
    refused = 0

    def insert(self, table: str, rows: object) -> None:
        if self.refuses:
            self.refused += 1
            raise StoreUnavailable("ClickHouse cannot do this now: a test wants it so")
        super().insert(table, rows)  # type: ignore[arg-type]


def test_a_store_that_refuses_for_a_while_loses_nothing(settings: Settings) -> None:
    store = Refusing(settings)
    try:
        migrate(store, settings)
        log = [reading(f"gre{i % 7:06d}", T0 + i) for i in range(300)]
        store.refuses = True
        send(settings, log[:200])
        sink = sink_of(settings, store)
        with at_work(sink):
            until(lambda: store.refused >= 3)
            assert "a test wants it so" in (sink.problem() or "")
            assert store.rows("SELECT count() FROM readings_raw") == [(0,)]
            send(settings, log[200:])
            store.refuses = False
            until(lambda: caught_up(settings, topics.READINGS))
            until(lambda: sink.problem() is None)
        assert store.rows("SELECT count(), uniqExact(second) FROM readings") == [(900, 300)]
    finally:
        store.close()


def test_a_sink_that_is_killed_in_the_middle_changes_nothing(settings: Settings, tmp_path: Path) -> None:
    env = {
        "POWERMON_KAFKA_BOOTSTRAP": settings.kafka,
        "POWERMON_REGISTRY_URL": settings.registry_url,
        "POWERMON_DATA": str(settings.data),
        "POWERMON_SESSION_TIMEOUT_S": "6",
        "POWERMON_SINK_INTERVAL_MS": "20",
        "POWERMON_SINK_PORT": str(settings.sink_port),
        "POWERMON_INSTANCE": "one",
    }
    command = [sys.executable, "-m", "infra.cli", "sink"]
    log = [reading(f"gre{i % 11:06d}", T0 + i // 11) for i in range(44_000)]
    asker = Consumer({"bootstrap.servers": settings.kafka, "group.id": broker.SINK_GROUP})
    places = list(ends(settings, topics.READINGS))

    def done() -> int:
        try:
            return sum(broker.committed(asker, places).values())
        except broker.LogUnavailable:
            return 0

    def feed() -> None:
        for at, one in enumerate(log):
            producer.produce(topics.READINGS.name, wire.encode_sensor_reading(schema_id, one), one.sensor_id.encode())
            if at % 500 == 0:
                producer.flush()  # so that the log grows while the sinks come and go
        assert producer.flush(30) == 0

    def ready() -> bool:
        return embedded.http_problem("sink", f"http://127.0.0.1:{settings.sink_port}/readyz") is None

    schema_id = Registry(settings.registry, settings.schema_cache).id_of(topics.READINGS)
    producer = Producer({"bootstrap.servers": settings.kafka, "enable.idempotence": True})
    feeder = threading.Thread(target=feed)
    feeder.start()
    for _ in range(4):
        before = done()
        process = child.spawn(command, tmp_path / "sink.log", env)
        until(lambda: done() > before)  # noqa: B023
        child.kill(process)
    process = child.spawn(command, tmp_path / "sink.log", env)
    feeder.join()
    until(lambda: ready() and caught_up(settings, topics.READINGS))
    assert child.stop(process, 20)
    assert process.returncode == 0
    asker.close()
    store = ClickHouse(settings)
    try:
        assert store.rows("SELECT count(), uniqExact(sensor_id, second) FROM readings") == [(132_000, 44_000)]
        assert store.rows("SELECT sum(arraySum(power)) FROM readings") == [
            (sum(sum(p.power_mw) for r in log for p in r.probes),),
        ]
    finally:
        store.close()


def test_minutes_arrive_and_bytes_that_are_none_are_reported_once(settings: Settings, store: ClickHouse) -> None:
    schema_id = Registry(settings.registry, settings.schema_cache).id_of(topics.MINUTES)
    probe_minute = dict.fromkeys(PROBE_FIELDS, 7) | {"probe_id": 2, "samples": 60}
    minute = {"sensor_id": "gre000001", "minute_s": T0 - T0 % 60, "version": 4, "probes": [probe_minute]}
    good = wire.encode(topics.MINUTES, schema_id, minute)
    publish(
        settings,
        topics.MINUTES,
        [(b"gre000001", good), (b"gre000001", b"\0nonsense"), (b"gre000001", None), (b"gre000001", good)],
    )
    publish(settings, topics.READINGS, [(b"gre000001", b"worse")])
    with at_work(sink_of(settings, store)):
        until(lambda: caught_up(settings, topics.READINGS, topics.MINUTES))
    assert store.rows("SELECT sensor_id, probe, version, seconds, power_min_mw FROM minutes") == [("gre000001", 2, 4, 3, 7)]
    letters = values(settings, topics.DEAD_LETTERS)
    assert [(d["source_topic"], d["source_offset"], d["message_value"], d["stage"]) for d in letters] == [
        ("power.minutes", 1, b"\0nonsense", "sink"),
        ("power.minutes", 2, None, "sink"),
    ]


def late(settings: Settings, minutes: list[tuple[str, int]], where: dict[str, tuple[int, int]]) -> None:
    """Report minutes as late, each as of (partition, offset) of its sensor."""
    schema_id = Registry(settings.registry, settings.schema_cache).id_of(topics.LATE)
    messages = []
    for sensor, minute in minutes:
        partition, offset = where[sensor]
        record = {"sensor_id": sensor, "minute_s": minute, "log_partition": partition, "log_offset": offset}
        messages.append((sensor.encode(), wire.encode(topics.LATE, schema_id, record)))
    publish(settings, topics.LATE, messages)


def test_late_minutes_are_rebuilt_as_the_oracle_says(settings: Settings, store: ClickHouse) -> None:
    start = T0 - T0 % 60
    log = [
        reading(
            f"gre{sensor:06d}", start + 17 * k % 300, [probe(p, 1_000 * k + p, n=18 + k % 5) for p in (1, 2, 3) if (k + p) % 7]
        )
        for k in range(250)
        for sensor in (1, 2)
    ]
    log += log[100:160]
    send(settings, log)
    with at_work(sink_of(settings, store)), at_work(rebuilder_of(settings, store)):
        until(lambda: caught_up(settings, topics.READINGS))
        found = store.rows("SELECT sensor_id, any(log_partition), max(log_offset) FROM readings_raw GROUP BY sensor_id")
        where = {sensor: (partition, offset) for sensor, partition, offset in found}
        minutes = sorted({(r.sensor_id, r.timestamp_s - r.timestamp_s % 60) for r in log})
        late(settings, minutes + minutes[:3] + [("gre000001", start - 60 * 60)], where)
        until(lambda: caught_up(settings, topics.LATE, group=broker.REBUILD_GROUP))
        until(lambda: caught_up(settings, topics.MINUTES))
    expected = oracle(log)
    columns = "sensor_id, toUnixTimestamp(minute), probe, seconds_mask, samples, energy_units, power_max_mw"
    rows = store.rows(f"SELECT {columns} FROM minutes_raw FINAL")
    assert {row[:3]: row[3:] for row in rows} == {
        key: (e["seconds_mask"], e["samples"], e["energy"] * UNITS, e["power_max_mw"]) for key, e in expected.items()
    }
    counted = "SELECT sensor_id, toStartOfMinute(second) AS minute, max(log_offset) AS last FROM readings GROUP BY ALL"
    assert store.rows(f"SELECT count() FROM minutes JOIN ({counted}) AS c USING (sensor_id, minute) WHERE version != last") == [
        (0,)
    ]


def test_a_rebuild_waits_until_raw_holds_the_late_reading(settings: Settings, store: ClickHouse) -> None:
    start = T0 - T0 % 60
    send(settings, [reading(timestamp_s=start + k) for k in range(30)])
    with at_work(sink_of(settings, store)):
        until(lambda: caught_up(settings, topics.READINGS))
    ((partition, offset),) = store.rows("SELECT any(log_partition), max(log_offset) FROM readings_raw")
    with at_work(rebuilder_of(settings, store)):
        late(settings, [("gre000001", start)], {"gre000001": (partition, offset + 5)})
        send(settings, [reading(timestamp_s=start + 30 + k) for k in range(10)])
        assert sum(ends(settings, topics.MINUTES).values()) == 0
        with at_work(sink_of(settings, store)):
            until(lambda: caught_up(settings, topics.LATE, group=broker.REBUILD_GROUP))
            until(lambda: caught_up(settings, topics.MINUTES))
    assert set(store.rows("SELECT seconds, version FROM minutes")) == {(40, offset + 10)}
