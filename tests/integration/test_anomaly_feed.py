"""Anomalies from the log into their table through kill -9 and replays of the topic; what a person says is read at once."""

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from infra.errors import PartUnavailable
from infra.settings import Settings
from schemas import topics
from schemas.anomaly import OPEN, WITHDRAWN, Anomaly
from schemas.anomaly_note import AnomalyNote
from schemas.registry import Registry
from sinks.clickhouse import ClickHouse
from sinks.feeds import anomaly_feed, note_feed
from sinks.sink import Sink
from tests.fakes.anomalies import anomaly, sag
from tests.integration.test_records import fresh, opened, registry_of
from tests.integration.test_sink import at_work, publish, until
from web import anomaly_queries
from web.anomaly_notes import NoteLog

__all__ = ["fresh"]

MakeSettings = Callable[[], Settings]
T0 = 1_790_000_000
ONLY = f"source LIKE 'feed%' AND toUnixTimestamp(start_at) >= {T0}"

DIES = """
import os, signal, sys
from infra.errors import PartUnavailable
from infra.settings import Settings
from schemas.registry import Registry
from sinks import feeds, sink
from sinks.clickhouse import ClickHouse
from sinks.migrate import migrate
times = int(sys.argv[2])
def die(member, offsets):
    global times
    times -= 1
    if times == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return commit(member, offsets)
commit, sink.broker.commit = sink.broker.commit, die
sink.BATCH = 7
settings = Settings()
store = ClickHouse(settings)
migrate(store, settings)
registry = Registry(settings.registry, settings.schema_cache)
feed = feeds.anomaly_feed(registry.schema_of)
sink.Sink(settings, store, registry, {feed.topic.name: feed}, sys.argv[1]).work()
"""


@contextmanager
def carried(settings: Settings, store: ClickHouse, group: str) -> Iterator[Registry]:
    """The sink of these two topics at work."""
    registry = registry_of(settings)
    made = (anomaly_feed(registry.schema_of), note_feed(registry.schema_of))
    with at_work(Sink(settings, store, registry, {feed.topic.name: feed for feed in made}, group)):
        yield registry


def lives() -> list[Anomaly]:
    """Twenty anomalies, each told as it lasted, as it was, and some withdrawn at last; in a mixed order of the log."""
    told: list[list[Anomaly]] = []
    for n in range(20):
        one = sag(f"feed{n % 3:06d}", T0 + 10 * n, phase=n % 3 + 1)
        going = [replace(one, state=OPEN, end_us=None, final=False, version=k) for k in range(n % 4)]
        told.append([*going, one, *([replace(one, state=WITHDRAWN)] if n % 5 == 0 else [])])
    order, mixed = random.Random(3), []
    while told:
        life = order.choice(told)
        mixed.append(life.pop(0))
        told = [one for one in told if one]
    return mixed


def held(store: ClickHouse) -> set[tuple[object, ...]]:
    return set(store.rows(f"SELECT id, state, isNull(end_at), length(sample_second) FROM anomalies WHERE {ONLY}"))


def test_the_last_of_the_log_holds_through_kill_9_and_the_topic_read_again(fresh: MakeSettings) -> None:
    settings = fresh()
    settings.instance = "anomalies"  # after a crash it goes on at once
    schema_id = registry_of(settings).id_of(topics.ANOMALIES)
    told = lives()
    publish(settings, topics.ANOMALIES, [one.message(schema_id) for one in told])
    expected = {(one.id, one.state, one.end_us is None, 15) for one in {one.id: one for one in told}.values()}
    environment = {f"POWERMON_{name.upper()}": str(value) for name, value in settings.model_dump(mode="json").items()}
    for times in (1, 2):
        run = [sys.executable, "-c", DIES, "anomaly-feed", str(times)]
        ended = subprocess.run(run, env=environment, capture_output=True, timeout=60, check=False)
        assert ended.returncode == -9, ended.stderr.decode()[-800:]
    with opened(settings) as store:
        for group in ("anomaly-feed", "anomaly-feed-again"):
            with carried(settings, store, group):
                until(lambda: held(store) == expected)
        ((rows,),) = store.rows(f"SELECT count() FROM anomalies WHERE {ONLY}")
        assert rows == 20


async def test_what_a_person_says_can_be_read_when_it_is_answered(fresh: MakeSettings) -> None:
    settings = fresh()
    one = anomaly("silence", "feed000009", T0 - 1000, 60)
    with opened(settings) as store, carried(settings, store, "anomaly-notes") as registry:
        publish(settings, topics.ANOMALIES, [one.message(registry.id_of(topics.ANOMALIES))])
        log = NoteLog(settings.kafka, registry, store)
        for at, note in enumerate(("seen", "it was the router")):
            await log.write(AnomalyNote(one.id, True, note, "ann", (T0 + at) * 1000))
            assert [said["note"] for said in await anomaly_queries.history(store, one.id)][-1] == note
        await log.write(AnomalyNote(one.id, False, "", "kim", (T0 + 5) * 1000))
        until(lambda: store.rows(f"SELECT 1 FROM anomalies WHERE id = '{one.id}'") == [(1,)])
        row = await anomaly_queries.one(store, one.id)
        assert row is not None
        assert (row["acknowledged"], row["said_by"], row["said_us"]) == (False, "kim", (T0 + 5) * 1_000_000)
        assert len(await anomaly_queries.history(store, one.id)) == 3
        await log.close()


async def test_a_note_that_no_store_takes_says_that_it_is_safe(fresh: MakeSettings) -> None:
    settings = fresh()
    with opened(settings) as store:
        log = NoteLog(settings.kafka, registry_of(settings), store, wait_s=0.2)
        with pytest.raises(PartUnavailable, match="safe in the log"):
            await log.write(AnomalyNote("0" * 32, True, "", "ann", T0 * 1000))
        await log.close()
