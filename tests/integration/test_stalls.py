"""Nothing stalls silently: what has stopped ends, says why, and is started again."""

import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infra import embedded, topics
from infra.running import Running
from infra.settings import Settings
from schemas import topics as topic_table
from schemas import wire
from schemas.registry import Registry
from tests.builders import reading
from tests.roles import exit_status, role, running
from tests.stack import publish, read_all
from tests.waiting import until

ROOT = Path(__file__).parents[2]
T0 = 1_700_000_040


@pytest.fixture(scope="module")
def settings(make_settings: Callable[..., Settings], registry: str, stack_settings: Settings) -> Iterator[Settings]:
    """A broker that allows no session beyond ten seconds."""
    settings = make_settings(session_timeout_s=6, publish_interval_s=0.2, registry_url=registry)
    settings.schema_cache.write_bytes(stack_settings.schema_cache.read_bytes())
    program = embedded.kafka(settings)

    def prepare() -> None:
        program.prepare()
        with (settings.data / "kafka" / "server.properties").open("a") as properties:
            properties.write("\ngroup.max.session.timeout.ms=10000\n")

    broker = Running(replace(program, prepare=prepare), settings.data / "logs")
    with running(broker):
        topics.make(settings)
        yield settings


def test_a_session_that_the_broker_does_not_allow_ends_the_worker(settings: Settings) -> None:
    worker = role(settings.model_copy(update={"session_timeout_s": 30}), "worker")
    try:
        worker.start()
        assert exit_status(worker) == 70
    finally:
        worker.stop()
    assert "InvalidSessionTimeout" in worker.log.read_text()


DEAF = """
import asyncio, os
from streams import transport, watch
watch.STALL_S = 8.0
getmany = transport.RunConsumer.getmany
async def deaf(self, timeout):
    while os.path.exists(os.environ["DEAF"]):
        open(os.environ["DEAF"] + ".seen", "w").close()
        await asyncio.sleep(1)
    async for one in getmany(self, timeout):
        yield one
transport.RunConsumer.getmany = deaf
"""
"""A consumer that does not come back while a file is there: no exception, no task that ends, heartbeats go on."""


def feed(settings: Settings, seconds: range) -> None:
    schema_id = Registry(settings.registry, settings.schema_cache).id_of(topic_table.READINGS)
    log = [reading(timestamp_s=T0 + s) for s in seconds]
    publish(settings, topic_table.READINGS, [(r.sensor_id.encode(), wire.encode_sensor_reading(schema_id, r)) for r in log])


def metric(settings: Settings, name: str) -> float:
    """The highest over the partitions."""
    with urllib.request.urlopen(f"http://127.0.0.1:{settings.worker_port}/metrics") as answer:
        found = re.findall(rf"^{name}{{[^}}]*}} (\S+)", answer.read().decode(), re.MULTILINE)
    return max((float(value) for value in found), default=0.0)


def test_a_consumer_that_fetches_no_more_is_seen_and_ended(settings: Settings, tmp_path: Path) -> None:
    flag = tmp_path / "deaf"
    worker = role(settings, "worker", code=DEAF, DEAF=str(flag))
    with running(worker):
        feed(settings, range(5))
        until(lambda: len(read_all(settings, topic_table.LATE)) > 0, "the first readings are folded")
        until(lambda: metric(settings, "powermon_worker_lag") == 0, "nothing waits")
        flag.touch()
        until(flag.with_suffix(".seen").exists, "the consumer is deaf")
        feed(settings, range(60, 65))
        until(lambda: metric(settings, "powermon_worker_lag") == 5, "the lag is seen though nothing is fetched")
        until(lambda: metric(settings, "powermon_worker_lag_seconds") > 1, "and its age")
        assert exit_status(worker) == 70
        assert "messages wait in the log, and none was folded" in worker.log.read_text()
        flag.unlink()
        worker.start()
        worker.wait_ready()
        until(lambda: metric(settings, "powermon_worker_lag") == 0, "the next one goes on")
        until(lambda: len(read_all(settings, topic_table.LATE)) >= 2, "what waited is folded")


MEMBERS = """
import asyncio, threading
from sinks import service
service._FINISH_S = 0.5

class Hanging:
    def work(self): threading.Event().wait()
    def stop(self): pass
    def problem(self): return None
    def stalled(self): return None

class Failing(Hanging):
    def work(self): raise RuntimeError("shut out of the group for good")

asyncio.run(service.run_members([Hanging(), Failing()]))
"""


def test_a_thread_that_fails_beside_one_that_hangs_ends_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", MEMBERS], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 70
    assert "shut out of the group for good" in done.stdout + done.stderr
