"""Anomalies from a real worker: found, kept through kill -9, and noticed although nothing arrives."""

from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Producer

from infra.settings import Settings
from schemas import topics
from schemas.anomaly import CLOSED, OPEN, Anomaly, decode_anomaly
from schemas.registry import Registry
from schemas.sensor_reading import SensorReading
from schemas.wire import encode_sensor_reading
from tests.builders import probe, reading
from tests.dated import keep_dates
from tests.integration.test_worker import T0, Worker, feed, read_all
from tests.tic_minutes import frame
from tests.waiting import until

SENSOR, OTHER, METER = "anom000001", "anom000002", "992562000017"

Stack = tuple[Settings, Registry]


@pytest.fixture
def stack(registry: str, own_log: Callable[..., Settings]) -> Stack:
    """A log whose readings keep the time that the test gives them; one partition."""
    settings = own_log(publish_interval_s=0.2, partitions=1, anomalies=True)
    keep_dates(settings.kafka, topics.READINGS)
    return settings, Registry(registry, settings.schema_cache)


def told(stack: Stack) -> dict[str, Anomaly]:
    """The topic as a keyed table."""
    settings, registry = stack
    found = [decode_anomaly(value, registry.schema_of) for _, value in read_all(settings, topics.ANOMALIES)]
    return {one.id: one for one in found}


def over(stack: Stack) -> list[Anomaly]:
    return [one for one in told(stack).values() if one.final and one.state == CLOSED]


def second(sensor: str, s: int, voltage_mv: int = 220_000) -> SensorReading:
    """A whole second; its samples differ from those of the seconds beside it."""
    volts = [voltage_mv + s % 7 + k for k in range(20)]
    return reading(sensor, T0 + s, [probe(k, 100_000 + 11 * s + k, voltage=volts) for k in (1, 2, 3)])


def send(stack: Stack, seconds: list[SensorReading]) -> None:
    settings, registry = stack
    schema_id = registry.id_of(topics.READINGS)
    feed(settings, [(r.sensor_id, encode_sensor_reading(schema_id, r), r.timestamp_s * 1000 + 1000) for r in seconds])


def send_frames(stack: Stack, seconds: range, wh: int) -> None:
    """A Linky's frames, one a second, whose index begins at wh."""
    settings, registry = stack
    producer = Producer({"bootstrap.servers": settings.kafka})
    for s in seconds:
        sent = frame(T0 + s, s, {"EAST": wh + s // 12, "SINSTS": 300, "PREF": 6}, METER)
        key, value = sent.message(registry.id_of(topics.TIC_FRAMES))
        producer.produce(topics.TIC_FRAMES.name, value, key, timestamp=(T0 + s + 1) * 1000)
    assert producer.flush(30) == 0


def indexes(stack: Stack) -> set[tuple[object, ...]]:
    return {(a.rule, a.source, a.start_us, a.state, a.worst) for a in told(stack).values() if a.rule == "index"}


def test_a_meter_whose_index_jumps_is_told_at_once_and_once_through_kill_9(
    stack: Stack, free_port: Callable[[], int], tmp_path: Path
) -> None:
    settings, _ = stack
    keep_dates(settings.kafka, topics.TIC_FRAMES)
    worker = Worker(settings, "w", free_port(), tmp_path / "w.log")
    try:
        send_frames(stack, range(60), 50_000)
        send_frames(stack, range(60, 100), 55_000)
        at = (T0 + 60) * 1_000_000
        until(lambda: indexes(stack) == {("index", METER, at, OPEN, 5001)}, "an index that jumped", 60)
        worker.kill()
        send_frames(stack, range(100, 420), 55_000)
        worker.start()
        until(lambda: indexes(stack) == {("index", METER, at, CLOSED, 5001)}, "it is over", 60)
        until(lambda: [a.rule for a in over(stack)] == ["index"], "for good", 60)
    finally:
        worker.stop()


def test_anomalies_are_told_while_they_last_and_end_exact_through_kill_9(
    stack: Stack, free_port: Callable[[], int], tmp_path: Path
) -> None:
    settings, _ = stack
    worker = Worker(settings, "w", free_port(), tmp_path / "w.log")
    try:
        send(stack, [second(SENSOR, s, 190_000 if 50 <= s < 70 else 220_000) for s in range(60)])
        until(lambda: [one.state for one in told(stack).values()] == [OPEN] * 3, "a sag of each phase that goes on", 60)
        worker.kill()
        # The sensor falls silent and comes back; the other one goes on, so that the log's time does.
        more = [second(SENSOR, s, 190_000 if s < 70 else 220_000) for s in (*range(60, 90), *range(130, 420))]
        more += [second(OTHER, s) for s in range(60, 420)]
        more.sort(key=lambda r: r.timestamp_s)
        send(stack, more[: len(more) // 2])
        worker.start()
        gap = (T0 + 90) * 1_000_000
        until(lambda: any(a.rule == "silence" and a.start_us == gap for a in told(stack).values()), "the silence", 60)
        worker.kill()
        send(stack, more[len(more) // 2 :])
        worker.start()
        until(lambda: len(over(stack)) == 4, "all over", 60)
        found = {(a.rule, a.phase, a.start_us // 1000 - T0 * 1000, a.end_us and a.end_us // 1000 - T0 * 1000, a.worst)
                 for a in over(stack)}  # fmt: skip
        sags = {("sag", p, 50_000, 70_000, 190_000) for p in (1, 2, 3)}
        assert found == {*sags, ("silence", 0, 90_000, 130_000, 40)}
        sag = next(a for a in over(stack) if a.rule == "sag")
        assert (sag.ieee1159, sag.en50160, sag.severity) == ("temporary", "90-80%/5-60s", "severe")
        assert {one.timestamp_s - T0 for one in sag.samples} == set(range(54, 59))  # it was deepest in second 56
        silent = {(SENSOR, "silence", (T0 + 420) * 1_000_000), (OTHER, "silence", (T0 + 420) * 1_000_000)}
        until(
            lambda: {(a.source, a.rule, a.start_us) for a in told(stack).values() if a.state == OPEN} == silent,
            "both sensors silent: nothing arrives any more",
            60,
        )
    finally:
        worker.stop()
