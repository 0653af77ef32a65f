"""`powermon replay` and `powermon trace` on a stack that goes on working: the same log gives the same rows."""

import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from infra import child
from infra.log_reader import LogReader
from infra.settings import Settings
from schemas import topics, wire
from schemas.registry import Registry
from schemas.sensor_reading import AHEAD_S
from schemas.tic_minute import TicMinute
from schemas.units import UNITS
from streams.core.replay_plan import Names
from tests.builders import reading
from tests.stack import Stack, ends
from tests.stack import publish as publish_all
from tests.tic_minutes import T0, frame, meter_minute
from tests.tutorial import Client
from tests.waiting import until

POSTS = Path(__file__).parents[1] / "golden" / "sensor_hour" / "posts.ndjson.gz"
GOLDEN = "minute < toDateTime('2026-03-03 00:00:00', 'UTC')"
SENSOR, MINUTE_S = "gresystem000001", 1_772_442_600
"""A sensor and a minute of the golden hour, 2026-03-02T09:10:00Z."""

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def stack(make_settings: Callable[..., Settings], java_parts: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with the golden hour in it, into which sensors post all the time."""
    folder = tmp_path_factory.mktemp("replay")
    running = Stack(make_settings(rebuild_interval_s=1, publish_interval_s=0.2, session_timeout_s=10), folder)
    try:
        running.run("ingest", str(POSTS), "--token-for-all")
        live = child.spawn(
            [sys.executable, "-m", "infra.cli", "simulate", "--sensors", "3", "--prefix", "grelive"],
            folder / "simulate.log",
            running.env,
        )
        until(lambda: count(running, GOLDEN) == 537, "the golden hour", 120)
        yield running
        child.stop(live, 10)
    finally:
        running.stop()


def count(stack: Stack, where: str) -> int:
    return int(stack.rows(f"SELECT count() AS n FROM minutes WHERE {where}")[0]["n"])


def replay(stack: Stack, name: str, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stack.run("replay", "--into", name, *arguments, "--json"))
    return found


def refused(stack: Stack, *arguments: str) -> str:
    """What a command says that must fail."""
    command = [sys.executable, "-m", "infra.cli", *arguments]
    done = subprocess.run(command, env={**os.environ, **stack.env}, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1, done.stdout
    return done.stderr


def publish(stack: Stack, topic: topics.Topic, key: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": stack.settings.kafka})
    producer.produce(topic.name, value, key.encode())
    assert producer.flush(30) == 0


def schema_id(stack: Stack, topic: topics.Topic) -> int:
    return Registry(stack.settings.registry, stack.settings.schema_cache).id_of(topic)


def energy(stack: Stack) -> int:
    which = f"sensor_id = '{SENSOR}' AND minute = toDateTime({MINUTE_S}, 'UTC') AND probe = 1"
    return int(stack.rows(f"SELECT energy_mws FROM minutes WHERE {which}")[0]["energy_mws"])


def spoil(stack: Stack, sensor: str = SENSOR, minute_s: int = MINUTE_S) -> None:
    """Let the live table hold a wrong row, as a bug would have left it: the right version, 3,600 mW s too much."""
    which = f"sensor_id = '{sensor}' AND minute = toDateTime({minute_s}, 'UTC')"
    rows = stack.rows(f"SELECT * FROM minutes_raw FINAL WHERE {which} ORDER BY probe")
    probes = [
        {**{name: int(v) for name, v in row.items() if name not in ("sensor_id", "minute")}, "probe_id": row["probe"]}
        for row in rows
    ]
    probes[0]["energy_units"] += 3600 * UNITS
    minute = {"sensor_id": sensor, "minute_s": minute_s, "version": probes[0]["version"], "probes": probes}
    publish(stack, topics.MINUTES, sensor, wire.encode(topics.MINUTES, schema_id(stack, topics.MINUTES), minute))


def newest(stack: Stack) -> int:
    """The newest second that the simulated sensors' minutes count."""
    return int(stack.rows(f"SELECT sum(seconds) AS n FROM minutes WHERE NOT ({GOLDEN})")[0]["n"])


def test_a_replay_of_everything_gives_the_same_rows(stack: Stack) -> None:
    found = replay(stack, "whole", "--diff")
    assert found["complete"]
    assert found["readings"] > 10_000
    assert found["diff"]["minutes"] >= 179
    assert (found["diff"]["differing"], found["diff"]["days"]) == (0, [])


def test_a_wrong_row_is_found_swapped_away_and_back(stack: Stack) -> None:
    right = energy(stack)
    replay(stack, "fresh")
    spoil(stack)
    until(lambda: energy(stack) == right + 3600, "the wrong row")

    diff = replay(stack, "fresh", "--diff")["diff"]
    assert diff["differing"] == 1
    (day,) = diff["days"]
    assert (day["sensor_id"], day["day"], day["differing"]) == (SENSOR, "2026-03-02", 1)
    worst = diff["worst"][0]
    assert (worst["minute_s"], worst["probe"], worst["energy_difference_mws"]) == (MINUTE_S, 1, -3600)
    assert (worst["live"]["energy_mws"], worst["replay"]["energy_mws"]) == (right + 3600, right)
    assert "3,600" not in stack.run("replay", "--into", "fresh", "--diff")  # people see Wh

    before = newest(stack)
    assert replay(stack, "fresh", "--swap")["live"]
    assert energy(stack) == right
    assert newest(stack) >= before
    assert "is live already" in refused(stack, "replay", "--into", "fresh", "--swap")
    until(lambda: newest(stack) > before + 3, "live goes on after the swap")

    before = newest(stack)
    assert not json.loads(stack.run("replay", "--into", "fresh", "--undo", "--json"))["live"]
    assert energy(stack) == right + 3600
    assert newest(stack) >= before
    assert "nothing to undo" in refused(stack, "replay", "--into", "fresh", "--undo")
    until(lambda: newest(stack) > before + 3, "live goes on after the undo")

    assert replay(stack, "fresh", "--swap")["live"]
    assert replay(stack, "fresh", "--diff")["diff"]["differing"] == 1  # against what it replaced
    stack.run("replay", "--into", "fresh", "--delete")
    assert energy(stack) == right


def test_hours_of_a_trace_follow_a_swap_and_its_undo(stack: Stack) -> None:
    sensor, hour_s = "grehours000001", 1_772_701_200  # 2026-03-05T09:00:00Z
    stack.run("sensors", "add", sensor)
    head = wire.header(schema_id(stack, topics.READINGS))
    hour = [reading(sensor, hour_s + s) for s in range(3600)]
    values = [(sensor.encode(), head + wire.encode_sensor_reading(0, one)[wire.HEADER :]) for one in hour]
    publish_all(stack.settings, topics.READINGS, values)
    mine = f"sensor_id = '{sensor}'"
    until(lambda: stack.rows(f"SELECT sum(seconds) AS n FROM minutes WHERE {mine}")[0]["n"] in (10_800, "10800"), "the hour", 60)
    replay(stack, "hours", "--sensor", sensor)

    def imported() -> int:
        return sum(int(row["import_mws"]) for row in stack.rows(f"SELECT import_mws FROM energy_minutes WHERE {mine}"))

    wrong = imported() + 3600
    spoil(stack, sensor, hour_s + 600)
    until(lambda: imported() == wrong, "the wrong row")

    source = {"kind": "power", "id": sensor, "energy": "import"}
    api = Client(stack.settings.web, stack.run("tokens", "issue", "--user", "admin").strip())
    trace = api.post("/consumption_metadatas/", {"interpretation": "E_C_S", "unit": "KWH", "source": source}).json()["id"]

    def held() -> list[tuple[str, float | None]]:
        return [(one["start"], one["value"]) for one in api.get(f"/consumption_records/?metadata={trace}").json()]

    def hours(mws: int) -> list[tuple[str, float | None]]:
        return [("2026-03-05T09:00:00Z", mws / 3.6e9), ("2026-03-05T10:00:00Z", None)]

    until(lambda: held() == hours(wrong), "the wrong hour", 60)
    replay(stack, "hours", "--swap")
    until(lambda: held() == hours(wrong - 3600), "the hour of the replay", 60)
    stack.run("replay", "--into", "hours", "--undo")
    until(lambda: held() == hours(wrong), "the hour from before", 60)
    replay(stack, "hours", "--swap")  # leaves no wrong row behind
    stack.run("replay", "--into", "hours", "--delete")
    assert imported() == wrong - 3600


def test_some_minutes_of_some_sensors(stack: Stack) -> None:
    some = ("--from", "2026-03-02T09:10:00Z", "--to", "2026-03-02T09:19:30Z", "--sensor", SENSOR)
    found = replay(stack, "some", *some, "--diff")
    assert (found["diff"]["minutes"], found["diff"]["differing"]) == (10, 0)
    assert found["plan"]["asked"] == {"from_s": MINUTE_S, "to_s": MINUTE_S + 600, "sensors": [SENSOR]}
    assert "with other" not in stack.run("replay", "--into", "some", *some)
    assert "was begun as --from 2026-03-02T09:10:00Z" in refused(stack, "replay", "--into", "some", "--sensor", "gre000009")
    replay(stack, "some", "--swap")
    assert count(stack, GOLDEN) == 537
    stack.run("replay", "--into", "some", "--undo")
    assert count(stack, GOLDEN) == 537
    stack.run("replay", "--into", "some", "--delete")
    assert "some" not in [one["name"] for one in json.loads(stack.run("replay", "--list", "--json"))]
    assert not [
        name
        for name in AdminClient({"bootstrap.servers": stack.settings.kafka}).list_topics(timeout=10).topics
        if ".some" in name
    ]


def test_killed_in_the_middle_it_goes_on(stack: Stack, tmp_path: Path) -> None:
    backlog(stack, sensors=200, seconds=600)
    command = [sys.executable, "-m", "infra.cli", "replay", "--into", "killed"]
    first = child.spawn(command, tmp_path / "replay.log", stack.env)
    log = LogReader(stack.settings)
    done: dict[int, int] = {}

    def begun() -> bool:
        done.update(log.decided(Names("killed").fold_group, topics.READINGS.name, [0, 1, 2, 3]))
        return sum(done.values()) > 0

    try:
        until(begun, "some of it is folded")
        child.kill(first)
        stack.kill("store")
        assert sum(done.values()) < sum(ends(stack.settings, topics.READINGS).values()), "it was faster than the kill"
    finally:
        log.close()
    found = replay(stack, "killed", "--diff")
    assert found["complete"]
    assert found["readings"] < sum(found["plan"]["ends"].values())
    assert found["diff"]["minutes"] > 200 * 9
    assert found["diff"]["differing"] == 0


def backlog(stack: Stack, sensors: int, seconds: int) -> None:
    """Readings of many sensors at once, straight into the log; returns when live has them."""
    head = [wire.reading_head(schema_id(stack, topics.READINGS), f"back{i:06d}") for i in range(sensors)]
    one = wire.pack([(p.probe_id, p.probe_type, p.power_mw, p.pf_pct, p.voltage_mv) for p in reading().probes])
    start = int(time.time()) // 60 * 60
    producer = Producer({"bootstrap.servers": stack.settings.kafka, "linger.ms": 20, "queue.buffering.max.messages": 1_000_000})
    for s in range(start, start + seconds):
        for i in range(sensors):
            producer.produce(
                topics.READINGS.name, wire.encode_reading(head[i], s, s * 1000, "221013", one), f"back{i:06d}".encode()
            )
        producer.poll(0)
    assert producer.flush(60) == 0
    counted = "SELECT sum(seconds) AS n FROM minutes WHERE startsWith(sensor_id, 'back') AND probe = 1"
    until(lambda: int(stack.rows(counted)[0]["n"]) == sensors * seconds, "live has the backlog", 120)


def trace(stack: Stack, sensor: str, second: int, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stack.run("trace", sensor, str(second), "--json", *arguments))
    return found


def test_a_second_is_traced(stack: Stack, tmp_path: Path) -> None:
    found = trace(stack, SENSOR, MINUTE_S)
    assert found["state"] == "counted"
    (copy,) = found["copies"]
    assert (copy["counted"], copy["late"]) == ([1, 2, 3], True)
    assert {row["offset"] for row in found["raw"]} == {copy["offset"]}
    assert all(row["counted"] and row["version"] >= copy["offset"] for row in found["minutes"])

    again = tmp_path / "again.ndjson"
    with gzip.open(POSTS, "rt") as lines:
        again.write_text(next(line for line in lines if f'"{SENSOR}","timestamp":{MINUTE_S},' in line))
    stack.run("ingest", str(again), "--token-for-all")
    found = trace(stack, SENSOR, MINUTE_S)
    assert found["state"] == "counted"
    assert [one["counted"] for one in found["copies"]] == [[1, 2, 3], []]
    assert "counts for nothing" in stack.run("trace", SENSOR, "2026-03-02T09:10:00Z")

    assert trace(stack, SENSOR, MINUTE_S - 86_400, "--deep")["state"] == "not_in_log"
    assert trace(stack, "gre000099", MINUTE_S)["state"] == "not_in_log"


def test_a_dead_letter_is_traced(stack: Stack) -> None:
    second = int(time.time()) + 2 * AHEAD_S
    value = wire.encode_sensor_reading(schema_id(stack, topics.READINGS), reading("gre000077", second))
    publish(stack, topics.READINGS, "gre000077", value)
    until(lambda: trace(stack, "gre000077", second)["state"] == "dead_letter", "the worker reports it")
    found = trace(stack, "gre000077", second)
    assert "ahead of the log's clock" in found["why"]
    assert len(found["dead_letters"]) == 1


def test_what_the_log_has_forgotten_comes_from_raw(stack: Stack) -> None:
    last = ends(stack.settings, topics.READINGS)
    admin = AdminClient({"bootstrap.servers": stack.settings.kafka})
    for future in admin.delete_records([TopicPartition(topics.READINGS.name, p, end) for p, end in last.items() if end]).values():
        future.result(30)
    found = replay(stack, "old", "--diff")
    assert found["plan"]["raw"][0] == 0
    assert found["late"] >= 179
    assert (found["diff"]["minutes"] >= 179, found["diff"]["differing"]) == (True, 0)


METER = "992562000017"


def send_frames(stack: Stack) -> None:
    """Three minutes of months ago, and the last minutes."""
    head = schema_id(stack, topics.TIC_FRAMES)
    producer = Producer({"bootstrap.servers": stack.settings.kafka})
    now = int(time.time())
    seconds = [*range(T0, T0 + 180, 2), *range(now - 100, now - 10, 2)]
    for counter, at_s in enumerate(seconds):
        key, value = frame(at_s, counter, {"EAST": counter, "PREF": 9, "SINSTS": 7, "URMS2": 230}, METER).message(head)
        producer.produce(topics.TIC_FRAMES.name, value, key)
    assert producer.flush(30) == 0


def meter_minutes(stack: Stack, where: str = "1") -> int:
    return int(stack.rows(f"SELECT count() AS n FROM tic_minutes WHERE {where}")[0]["n"])


def test_a_linkys_minutes_are_replayed_compared_and_swapped(stack: Stack) -> None:
    send_frames(stack)
    old = f"minute < toDateTime({T0 + 180}, 'UTC')"
    until(lambda: meter_minutes(stack, old) == 3 and meter_minutes(stack) >= 5, "hot and late minutes", 60)
    whole = ("--topic", topics.TIC_FRAMES.name, "--diff")
    found = replay(stack, "linky", *whole)
    assert (found["complete"], found["readings"], found["late"]) == (True, 135, 3)
    assert (found["diff"]["minutes"], found["diff"]["differing"]) == (meter_minutes(stack), 0)

    wrong = meter_minute(METER, T0 - 60)
    publish(stack, topics.TIC_MINUTES, *wrong_message(stack, wrong))
    until(lambda: meter_minutes(stack, old) == 4, "a minute that no frame tells of")
    found = replay(stack, "linky", "--diff", "--swap")
    assert (found["live"], [day["only_live"] for day in found["diff"]["days"]]) == (True, [1])
    assert meter_minutes(stack, old) == 3
    stack.run("replay", "--into", "linky", "--undo")
    assert meter_minutes(stack, old) == 4

    some = replay(stack, "part", *whole, "--from", str_of(T0 + 60), "--to", str_of(T0 + 120), "--sensor", METER)
    assert (some["diff"]["minutes"], some["diff"]["differing"]) == (1, 0)
    admin = AdminClient({"bootstrap.servers": stack.settings.kafka})
    last = ends(stack.settings, topics.TIC_FRAMES)
    gone = [TopicPartition(topics.TIC_FRAMES.name, p, end) for p, end in last.items() if end]
    for future in admin.delete_records(gone).values():
        future.result(30)
    again = replay(stack, "raw", *whole)
    assert (again["diff"]["differing"], again["late"] >= 5) == (1, True)


def wrong_message(stack: Stack, minute: TicMinute) -> tuple[str, bytes]:
    return METER, minute.message(wire.header(schema_id(stack, topics.TIC_MINUTES)))[1]


def str_of(at_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_s))
