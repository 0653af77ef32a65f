"""Frames of Linkys on the real parts: in by the log, out as rows, through kill -9, lateness and damage."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Producer

from infra import child
from infra.letters import Letters
from infra.settings import Settings
from schemas import topics
from schemas.registry import Registry
from schemas.tic_frame import TicFrame
from sinks import tic_rows, tic_tables
from sinks.clickhouse import ClickHouse
from sinks.migrate import migrate
from sinks.sink import Sink
from sinks.tic_rebuild import TicRebuilder
from tests.at_work import at_work
from tests.dated import keep_dates
from tests.tic_minutes import T0, Labels, Log, frame, oracle, status
from tests.waiting import until

METERS = ("992562000017", "992562000018")
COLUMNS = ", ".join(tic_tables.TIC_MINUTES_RAW.columns)


@pytest.fixture
def settings(own_log: Callable[..., Settings]) -> Settings:
    """A log whose frames keep the time that the test gives them."""
    settings = own_log(sink_interval_ms=50, rebuild_interval_s=0.2, partitions=1)
    keep_dates(settings.kafka, topics.TIC_FRAMES)
    return settings


@contextmanager
def worker(settings: Settings, log: Path) -> Iterator[None]:
    env = {
        "POWERMON_KAFKA_BOOTSTRAP": settings.kafka,
        "POWERMON_REGISTRY_URL": settings.registry_url,
        "POWERMON_DATA": str(settings.data),
        "POWERMON_TIC_PUBLISH_INTERVAL_S": "0.2",
        "POWERMON_WORKER_PORT": str(settings.worker_port),
        "POWERMON_SESSION_TIMEOUT_S": "6",
        "POWERMON_INSTANCE": "one",
    }
    process = child.spawn([sys.executable, "-m", "infra.cli", "worker"], log, env)
    try:
        yield
    finally:
        child.kill(process)


def feed(settings: Settings, log: list[tuple[int, TicFrame | bytes]]) -> None:
    schema_id = Registry(settings.registry, settings.schema_cache).id_of(topics.TIC_FRAMES)
    producer = Producer({"bootstrap.servers": settings.kafka, "enable.idempotence": True})
    for at_ms, one in log:
        key, value = (METERS[0].encode(), one) if isinstance(one, bytes) else one.message(schema_id)
        producer.produce(topics.TIC_FRAMES.name, value, key, timestamp=at_ms)
    assert producer.flush(30) == 0


def stored(store: ClickHouse) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = store.arrow(
        f"SELECT {COLUMNS} FROM tic_minutes_raw FINAL ORDER BY meter_id, minute"
    ).to_pylist()
    return rows


def expected(log: Log) -> list[dict[str, object]]:
    return tic_rows.minutes(list(oracle(log).values())).to_pylist()


def day(seconds: range) -> list[TicFrame]:
    """Two meters, one of each mode; a frame each two seconds."""
    frames = []
    for s in seconds:
        index = 1000 + s // 2
        link = (s % 3 == 0, s % 5 == 0, s % 7 == 0)
        labels: Labels = {"DATE": None, "EAST": index, "SINSTS": s, "URMS1": 231, "PREF": 6, "NTARF": 1, "LTARF": "HC", "EAIT": 5}
        frames.append(frame(T0 + s, s // 2, labels, METERS[0], stge=status(1, tomorrow="red"), link=link))
        historic: Labels = {"ISOUSC": 30, "BASE": index, "PTEC": "TH..", "IINST": 3, "PAPP": 700}
        frames.append(frame(T0 + s, s // 2, historic, METERS[1], mode="historic", characters=168))
    return frames


def test_frames_become_rows_once_through_kill_and_lateness(settings: Settings, tmp_path: Path) -> None:
    frames = day(range(0, 420, 2))
    late = [one for one in frames if one.meter_id == METERS[0] and T0 + 40 <= one.received_at_ms // 1000 < T0 + 70]
    torn = frame(T0 + 90, 9_001, {"EAST": 12, "PREF": 6}, METERS[0], boot="torn")
    untimed = frame(T0, 9_002, {"PAPP": 90}, METERS[1], boot="cold", mode="historic", timed=False)
    on_time: Log = [(one.received_at_ms // 1000 * 1000 + 900, one) for one in frames if one not in late]
    on_time += [((T0 + 91) * 1000, torn), ((T0 + 200) * 1000, untimed), ((T0 + 380) * 1000, untimed)]
    on_time = sorted(on_time, key=lambda pair: pair[0])
    on_time += on_time[-40:]
    first, then = on_time[:250], on_time[250:]
    damaged = replace(torn, meter_at_s=T0 + 50, received_at_ms=(T0 + 50) * 1000, counter=9_003)
    behind: Log = [((T0 + 430) * 1000, one) for one in [*late, *late[:5], damaged]]
    end: Log = [((T0 + 900) * 1000, replace(one, meter_at_s=T0 + 900, received_at_ms=(T0 + 900) * 1000)) for one in frames[-1:]]
    end = [(at, replace(one, mode="standard", counter=9_004)) for at, one in end]

    store = ClickHouse(settings)
    schemas = Registry(settings.registry, settings.schema_cache)
    members = Sink(settings, store, schemas), TicRebuilder(settings, store, schemas)
    with ExitStack() as stack:
        stack.callback(store.close)
        migrate(store, settings)
        stack.enter_context(at_work(*members))
        feed(settings, list(first))
        with worker(settings, tmp_path / "worker.log"):
            until(lambda: len(stored(store)) > 2, "the first minutes")
        feed(settings, [*then, (behind[0][0], b"\0noise")])
        with worker(settings, tmp_path / "worker.log"):
            until(
                lambda: any(row["meter_id"] == METERS[0] and row["minute"] == T0 + 360 for row in stored(store)), "the last ones"
            )
        feed(settings, [*behind, *end])
        shifted = [*first, *then, (behind[0][0], replace(frames[0])), *behind, *end]  # the noise takes an offset
        with worker(settings, tmp_path / "worker.log"):
            until(lambda: stored(store) == expected(shifted), "the rows of the oracle", 60)
        assert store.rows("SELECT count(), countIf(counter >= 9000) FROM tic_frames") == [(len(frames) + 4, 4)]
        (one,) = store.rows(
            "SELECT seconds, drawn_wh, tariff_name, tempo_tomorrow, voltage_mean_v, index, quarantined FROM tic_minutes "
            f"WHERE meter_id = '{METERS[0]}' AND minute = toDateTime({T0 + 60}, 'UTC')"
        )
        assert one == (30, 30, "HC", "red", [231.0], ["EAST", "EAIT"], 1)
    letters = Letters(settings)
    found = {(kept.letter.source_offset, kept.letter.stage): kept.letter for kept in letters.newest_first()}
    letters.close()
    schema_id = schemas.id_of(topics.TIC_FRAMES)
    by_stage = sorted((letter.stage, letter.message_value) for letter in found.values())
    assert by_stage == sorted(
        [("worker", torn.message(schema_id)[1]), ("worker", b"\0noise"), ("rebuild", damaged.message(schema_id)[1])]
    )
