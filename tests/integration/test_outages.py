"""What may befall a stack beside kill -9: a broker that is away, a full disk, a clock that jumps, workers that come and go."""

import ctypes
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.running import Running
from infra.settings import Settings
from schemas import topics, wire
from schemas.registry import Registry
from schemas.sensor_reading import SensorReading
from tests import truth
from tests.builders import probe, reading
from tests.load import Load
from tests.roles import role, running
from tests.stack import ends, publish, read_all, settled
from tests.waiting import until

Broken = tuple[Settings, Running]
"""Settings of a stack, and its broker."""


@pytest.fixture(scope="module")
def make_stack(
    make_kafka: Callable[..., Running], make_settings: Callable[..., Settings], registry: str, stack_settings: Settings
) -> Callable[[], Broken]:
    """A broker and a data folder, with the schemas of the shared registry."""

    def make() -> Broken:
        settings = make_settings(session_timeout_s=6, publish_interval_s=0.2, sink_interval_ms=50, rebuild_interval_s=0.5)
        settings.schema_cache.write_bytes(stack_settings.schema_cache.read_bytes())
        settings.registry_url = registry
        return settings, make_kafka(settings)

    return make


@pytest.fixture
def stack(make_stack: Callable[[], Broken]) -> Iterator[Broken]:
    """One that nobody else uses."""
    settings, broker = make_stack()
    yield settings, broker
    broker.stop()


@pytest.fixture(scope="module")
def fed(make_stack: Callable[[], Broken]) -> Iterator[Settings]:
    """One for the tests that write the log themselves; each finds what the others wrote, and all of it must be exact."""
    settings, broker = make_stack()
    yield settings
    broker.stop()


def schemas(settings: Settings) -> Registry:
    return Registry(settings.registry, settings.schema_cache)


def logged(settings: Settings) -> list[truth.Logged]:
    return truth.logged(read_all(settings, topics.READINGS), schemas(settings))


def is_exact(settings: Settings, load: Load) -> None:
    """Hold ClickHouse to the log, and the log to what the sensors know; the store must have ended."""
    log = logged(settings)
    in_log = [one.second for one in log]
    assert load.safe() - set(in_log) == set()
    assert [one.reading.probes for one in log] == load.window.contents(in_log)
    truth.one_content_per_version([m.value() for m in read_all(settings, topics.MINUTES)], schemas(settings))
    assert read_all(settings, topics.DEAD_LETTERS) == []
    minutes, seconds = truth.stored(settings)
    assert seconds == truth.seconds(log)
    assert minutes == truth.minutes(log)


def readiness(one: Running) -> str | None:
    return one.program.ready()


def test_a_minute_without_a_broker(stack: Broken, tmp_path: Path) -> None:
    settings, broker = stack
    settings.gateway_ack_timeout_ms = 2000
    gateway, worker, store = (role(settings, name) for name in ("gateway", "worker", "store"))
    with running(gateway, worker, store):
        with Load(settings, tmp_path / "truth", sensors=10, seed=2, for_s=68, backfill_s=30) as load:
            assert load.goes_on(3)
            broker.kill()
            before = load.acknowledged
            assert load.goes_on(60)
            assert load.simulation is not None
            assert load.simulation.totals.statuses[503] > 0
            assert load.acknowledged - before < 20  # answers that were on their way
            # An answer comes within the time for an acknowledgement; the rest is for a busy machine.
            assert max(load.simulation.totals.latency_s) < 8
            broker.start()
            broker.wait_ready()
            load.wait()
        until(lambda: settled(settings), "everything is worked through", 90)
        assert all(one.ended() is None for one in (gateway, worker, store))
    is_exact(settings, load)


# ---- a full disk


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A file system of its own size for a folder; needs the right to mount."""
    libc = ctypes.CDLL(None, use_errno=True)
    folder.mkdir(parents=True)
    if libc.mount(b"tmpfs", bytes(folder), b"tmpfs", 0, f"size={size}".encode()):
        pytest.skip(f"mounting a small disk is not permitted here ({os.strerror(ctypes.get_errno())})")
    try:
        yield
    finally:
        libc.umount2(bytes(folder), 2)


def fill(file: Path) -> None:
    """Write until the disk is full."""
    rest = os.statvfs(file.parent)
    with file.open("wb", buffering=0) as out:
        os.posix_fallocate(out.fileno(), 0, rest.f_bavail * rest.f_frsize)


def test_a_full_disk_loses_nothing(stack: Broken, tmp_path: Path) -> None:
    settings, _ = stack
    gateway, worker, store = (role(settings, name) for name in ("gateway", "worker", "store"))
    with small_disk(settings.clickhouse_path, "40m"):
        with running(gateway, worker, store):
            with Load(settings, tmp_path / "truth", sensors=10, seed=3, for_s=15, backfill_s=30) as load:
                until(lambda: load.acknowledged > 30, "the first readings")
                filler = settings.clickhouse_path / "filler"
                fill(filler)
                until(lambda: "not enough space" in (readiness(store) or ""), "the store says why it is not ready")
                assert store.program.alive() is None  # starting anew would not help
                load.wait()  # the sensors do not notice
                assert not settled(settings)
            filler.unlink()
            until(lambda: settled(settings), "everything is worked through", 90)
            until(lambda: readiness(store) is None, "the store is ready again")
        is_exact(settings, load)


# ---- the worker alone, fed by hand


def feed(settings: Settings, log: list[SensorReading], *, poison_every: int = 0) -> None:
    """Append readings, and bytes that are none among them."""
    schema_id = schemas(settings).id_of(topics.READINGS)
    messages = []
    for at, one in enumerate(log):
        key = one.sensor_id.encode()
        messages.append((key, wire.encode_sensor_reading(schema_id, one)))
        if poison_every and at % poison_every == 0:
            messages.append((key, f"poison {one.sensor_id} {one.timestamp_s} {at}".encode()))
    publish(settings, topics.READINGS, messages)


def published(settings: Settings) -> dict[truth.Key, tuple[object, ...]]:
    """The newest version of every minute in power.minutes, as `truth.minutes` gives it; one content each."""
    registry = schemas(settings)
    values = [m.value() for m in read_all(settings, topics.MINUTES)]
    truth.one_content_per_version(values, registry)
    return truth.newest([wire.decode(topics.MINUTES, value, registry.schema_of) for value in values])


def readings_of(settings: Settings) -> list[truth.Logged]:
    """The readings in the log, poison left out."""
    return truth.logged(
        [m for m in read_all(settings, topics.READINGS) if not m.value().startswith(b"poison")], schemas(settings)
    )


def now_s() -> int:
    return int(time.time())


def minutes_are_exact(settings: Settings, timeout_s: float = 60) -> None:
    wanted = truth.minutes(readings_of(settings))
    until(lambda: published(settings) == wanted, "exact minutes", timeout_s)


def seconds_of(sensors: int, start_s: int, count: int) -> list[SensorReading]:
    """Every sensor each second, every seventh second twice."""
    log = []
    for s in range(start_s, start_s + count):
        for i in range(sensors):
            one = reading(f"out{i:06d}", s, [probe(k, 1000 * (s % 1000) + 10 * i + k, 19 + (s + k) % 3) for k in (1, 2, 3)])
            log += [one, one] if (s + i) % 7 == 0 else [one]
    return log


def test_workers_that_join_and_leave_in_the_middle_of_batches(fed: Settings, free_port: Callable[[], int]) -> None:
    settings = fed
    first, second, third = (
        role(settings.model_copy(update={"worker_port": free_port(), "instance": name}), "worker") for name in ("w1", "w2", "w3")
    )
    start_s, rounds = now_s() - 100, itertools.count()
    stop = threading.Event()

    def keep_feeding() -> None:
        while not stop.is_set():
            feed(settings, seconds_of(12, start_s + 3 * next(rounds), 3), poison_every=40)
            stop.wait(0.05)

    feeder = threading.Thread(target=keep_feeding)
    with running(first, second):
        feeder.start()
        try:
            for _ in range(3):
                before = sum(ends(settings, topics.READINGS).values())
                with running(third):
                    until(lambda: sum(ends(settings, topics.READINGS).values()) > before + 100, "a load")  # noqa: B023
        finally:
            stop.set()
            feeder.join()
        minutes_are_exact(settings, 90)
        assert first.pid
        assert second.pid
    letters = [
        wire.decode(topics.DEAD_LETTERS, m.value(), schemas(settings).schema_of) for m in read_all(settings, topics.DEAD_LETTERS)
    ]
    poison = {m.value() for m in read_all(settings, topics.READINGS) if m.value().startswith(b"poison")}
    assert len(poison) > 5
    assert {letter["message_value"] for letter in letters} == poison
    assert read_all(settings, topics.LATE) == []


JUMP = """
import datetime, os, time
def shift(flag=os.environ["JUMP"]):
    return 86400 if os.path.exists(flag) else 0
real, real_ns, clock = time.time, time.time_ns, datetime.datetime
class Shifted(clock):
    @classmethod
    def now(cls, tz=None):
        return clock.now(tz) + datetime.timedelta(seconds=shift())
    @classmethod
    def utcnow(cls):
        return clock.utcnow() + datetime.timedelta(seconds=shift())
time.time = lambda: real() + shift()
time.time_ns = lambda: real_ns() + shift() * 10**9
datetime.datetime = Shifted
"""
"""A machine whose clock goes a day ahead when a file appears, and back when it goes."""


def test_the_clock_of_the_workers_machine_jumps(fed: Settings, tmp_path: Path) -> None:
    settings = fed
    flag = tmp_path / "jump"
    worker = role(settings, "worker", code=JUMP, JUMP=str(flag))
    start_s = now_s() - 100
    with running(worker):
        for step, jumps in enumerate((False, True, True, False, True)):
            (flag.touch if jumps else lambda: flag.unlink(missing_ok=True))()
            feed(settings, seconds_of(4, start_s + 20 * step, 20))
            minutes_are_exact(settings)
        tomorrow = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86_400))
        worker.kill()
        worker.start()  # a restart says when it is
        feed(settings, seconds_of(4, start_s + 100, 5))
        minutes_are_exact(settings)
        assert tomorrow in worker.log.read_text()  # it did believe in another day
    assert read_all(settings, topics.LATE) == []


def test_a_partition_that_idles(fed: Settings) -> None:
    settings = fed
    worker = role(settings, "worker")
    start_s = now_s() - 100
    log = seconds_of(8, start_s, 30)
    with running(worker):
        feed(settings, log)
        minutes_are_exact(settings)
        place = {one.reading.sensor_id: one.partition for one in readings_of(settings)}
        feed(settings, [r for r in seconds_of(8, start_s + 30, 30) if place[r.sensor_id] != place["out000000"]])
        minutes_are_exact(settings)  # the silent sensor's last minute as well
        worker.kill()
        worker.start()
        worker.wait_ready()
        # It goes on in the minute in which it fell silent, which is still open: a restart has read it again.
        feed(settings, [r for r in seconds_of(8, start_s + 30, 10) if r.sensor_id == "out000000"])
        minutes_are_exact(settings)
    assert read_all(settings, topics.LATE) == []
