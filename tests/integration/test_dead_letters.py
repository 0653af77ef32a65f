"""Dead letters on a real broker: looked at, written again, and a flood of them stops the worker."""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Consumer, Producer, TopicPartition

from infra import child
from infra.cli import powermon
from infra.errors import PowermonError
from infra.settings import Settings
from schemas import topics, wire
from schemas.dead_letter import VALUE_MAX, DeadLetter, decode_letter
from schemas.registry import Registry
from sinks.clickhouse import ClickHouse
from sinks.migrate import migrate
from sinks.sink import Sink
from streams.app import GROUP
from streams.fatal import EXIT_STATUS
from tests.builders import reading
from tests.waiting import until

SENSOR = "gre000001"


@pytest.fixture
def settings(own_log: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Settings:
    settings = own_log(publish_interval_s=0.2)
    for name in ("data", "kafka_port", "registry_url", "session_timeout_s", "publish_interval_s", "worker_port"):
        monkeypatch.setenv(f"POWERMON_{name.upper()}", str(getattr(settings, name)))
    return settings


def publish(settings: Settings, topic: topics.Topic, messages: list[tuple[bytes, bytes]]) -> None:
    producer = Producer({"bootstrap.servers": settings.kafka, "enable.idempotence": True})
    for key, value in messages:
        producer.produce(topic.name, value, key)
    assert producer.flush(30) == 0


def everything(settings: Settings, topic: topics.Topic) -> list[tuple[int, int, bytes, bytes]]:
    """Partition, offset, key and value of every message."""
    reader = Consumer({"bootstrap.servers": settings.kafka, "group.id": "test-everything", "enable.auto.commit": False})
    n = len(reader.list_topics(topic.name, timeout=10).topics[topic.name].partitions)
    ends = [reader.get_watermark_offsets(TopicPartition(topic.name, p), timeout=10)[1] for p in range(n)]
    reader.assign([TopicPartition(topic.name, p, 0) for p in range(n)])
    found: list[tuple[int, int, bytes, bytes]] = []
    while len(found) < sum(ends):
        found += [(m.partition(), m.offset(), m.key(), m.value()) for m in reader.consume(1000, 1) if not m.error()]
    reader.close()
    return found


def run(*args: str) -> Result:
    return CliRunner().invoke(powermon, ["dead-letters", *args])


def listed(*args: str) -> list[dict[str, object]]:
    result = run("list", "--json", *args)
    assert result.exit_code == 0, result.output
    found: list[dict[str, object]] = json.loads(result.output)
    return found


def test_letters_are_listed_shown_and_written_again(settings: Settings) -> None:
    client = Registry(settings.registry, settings.schema_cache)
    good = wire.encode_sensor_reading(client.id_of(topics.READINGS), reading(SENSOR))
    values = [good[:-60], b"not avro at all \x1b[31m", good, *([b"\0more"] * 12), bytes(VALUE_MAX + 10)]
    letters = [
        DeadLetter(topics.READINGS.name, 2, at, SENSOR.encode(), value, f"reason\x1b[31m {at}", 1_790_000_000_000 + at, "worker")
        for at, value in enumerate(values)
    ]
    letters.append(DeadLetter(topics.MINUTES.name, 0, 5, None, b"\0\0", "too short", 1_790_000_000_000, "sink"))
    assert run("list").stdout == "no dead letters\n", run("list").exception
    publish(settings, topics.DEAD_LETTERS, [one.message(client.id_of(topics.DEAD_LETTERS)) for one in letters])

    assert [one["number"] for one in listed("--limit", "3")] == [16, 15, 14]
    assert [one["number"] for one in listed("--stage", "sink")] == [16]
    assert [one["number"] for one in listed("--topic", "sensor.readings", "--limit", "99")] == list(range(15, -1, -1))
    assert listed("--since", "1h")[0]["number"] == 16
    assert listed("--since", "2999-01-01") == []
    assert listed("--stage", "sink")[0] | {"given_up_at": ""} == {
        "number": 16,
        "given_up_at": "",
        "stage": "sink",
        "topic": "power.minutes",
        "partition": 0,
        "offset": 5,
        "appended_at": "2026-09-21T14:13:20Z",
        "key": None,
        "bytes": 2,
        "reason": "too short",
        "retried": None,
    }
    text = run("show", "0").output
    assert f'sensor_id = "{SENSOR}"' in text
    assert "probes cannot be read" in text
    assert "sensor.readings 2@0" in text
    noise = run("show", "1").output
    assert "not avro at all" in noise
    assert "6e 6f 74 20" in noise
    assert "\x1b" not in noise + run("list").output
    assert json.loads(run("show", "2", "--json").output)["fields"]["probes"][0]["power_mw"][:2] == [1_000_000, 1_000_007]
    missing = run("show", "99")
    assert isinstance(missing.exception, PowermonError)
    assert "no dead letter 99" in str(missing.exception)

    assert run("retry", "2").exit_code == 0
    assert everything(settings, topics.READINGS) == [(2, 0, SENSOR.encode(), good)]
    assert listed("--limit", "99")[-3]["retried"] == "sensor.readings 2@0"
    assert "nothing to retry" in run("retry", "2").output
    many = run("retry", "--all", "--topic", "sensor.readings")
    assert "say --yes" in str(many.exception)
    assert len(everything(settings, topics.READINGS)) == 1
    done = run("retry", "--all", "--topic", "sensor.readings", "--yes")
    assert "14 written again" in done.output
    assert "left out, because only their beginning is kept: 15" in done.output
    assert [value for *_, value in everything(settings, topics.READINGS)] == [good, *values[:2], *values[3:15]]
    assert {one["number"] for one in listed("--limit", "99") if one["retried"] is None} == {15, 16}
    assert run("retry").exit_code == 2
    assert run("retry", "1", "--all").exit_code == 2


def committed(settings: Settings) -> int:
    asker = Consumer({"bootstrap.servers": settings.kafka, "group.id": GROUP})
    places = [TopicPartition(topics.READINGS.name, p) for p in range(settings.partitions)]
    try:
        return max(found.offset for found in asker.committed(places, timeout=10))
    finally:
        asker.close()


def test_a_flood_stops_the_worker_before_it_and_a_higher_limit_lets_it_through(settings: Settings, tmp_path: Path) -> None:
    client = Registry(settings.registry, settings.schema_cache)
    schema_id = client.id_of(topics.READINGS)
    good = [wire.encode_sensor_reading(schema_id, reading(SENSOR, 1_780_000_000 + s)) for s in range(400)]
    publish(settings, topics.READINGS, [(SENSOR.encode(), value) for value in [*good[:300], *[b"\1json?"] * 3000, *good[300:]]])
    log = tmp_path / "worker.log"
    command = [sys.executable, "-m", "infra.cli", "worker"]
    for _ in range(2):  # a restart does not nibble at it
        process = child.spawn(command, log, {"POWERMON_INSTANCE": "one"})
        try:
            until(lambda: process.poll() is not None, "the worker ends", 60)  # noqa: B023
        finally:
            child.kill(process)
        assert process.returncode == EXIT_STATUS
        assert "cannot be used" in log.read_text()
        assert "POWERMON_DEAD_LETTERS_MAX" in log.read_text()
        assert committed(settings) <= 300
        assert everything(settings, topics.DEAD_LETTERS) == []
    process = child.spawn(command, log, {"POWERMON_INSTANCE": "one", "POWERMON_DEAD_LETTERS_MAX": "5000"})
    try:
        until(lambda: committed(settings) == 3400, "the whole log", 60)
    finally:
        child.kill(process)
    found = [decode_letter(value, client.schema_of) for *_, value in everything(settings, topics.DEAD_LETTERS)]
    assert sorted({one.source_offset for one in found}) == list(range(300, 3300))
    late = [wire.decode(topics.LATE, value, client.schema_of) for *_, value in everything(settings, topics.LATE)]
    assert {one["log_offset"] for one in late} >= {3399}


@contextmanager
def at_work(settings: Settings, store: ClickHouse) -> Iterator[Sink]:
    sink = Sink(settings, store, Registry(settings.registry, settings.schema_cache))
    thread = threading.Thread(target=sink.work)
    thread.start()
    try:
        yield sink
    finally:
        sink.stop()
        thread.join(30)
        assert not thread.is_alive()


def test_a_flood_of_bad_minutes_makes_the_sink_wait(settings: Settings) -> None:
    publish(settings, topics.MINUTES, [(SENSOR.encode(), b"\1json?")] * 4000)
    store = ClickHouse(settings)
    try:
        migrate(store, settings)
        with at_work(settings, store) as sink:
            until(lambda: "messages of power.minutes cannot be used" in (sink.problem() or ""), "a problem")
        assert len(everything(settings, topics.DEAD_LETTERS)) <= settings.dead_letters_max
        with at_work(settings.model_copy(update={"dead_letters_max": 0}), store) as sink:
            until(lambda: 4000 in sink.positions.values(), "the minutes passed over")
        client = Registry(settings.registry, settings.schema_cache)
        found = [decode_letter(value, client.schema_of) for *_, value in everything(settings, topics.DEAD_LETTERS)]
        assert {one.source_offset for one in found} == set(range(4000))
    finally:
        store.close()
