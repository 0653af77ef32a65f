"""A stack of real parts under `powermon up`, on a folder and ports of its own, for tests that break it."""

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import confluent_kafka
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from confluent_kafka import Consumer, KafkaException, Producer

from infra import child
from infra.cli.sql import ask, token
from infra.errors import PartUnavailable
from infra.programs import environment
from infra.settings import Settings
from schemas import topics
from tests.waiting import exists, until

Rows = list[dict[str, Any]]


class Stack:
    """`powermon up`, and the command line beside it.

    Args:
        settings: of every process.
        tmp_path: for what it prints.
        variables: of the environment, beside the settings.
    """

    def __init__(self, settings: Settings, tmp_path: Path, **variables: str) -> None:
        self.settings = settings
        self.env = environment(settings) | variables
        self.log = tmp_path / "up.log"
        self.process = child.spawn([sys.executable, "-m", "infra.cli", "up"], self.log, self.env)
        until(lambda: "Everything runs" in self.said() or self.process.poll() is not None, "the stack is up", 150)
        assert self.process.poll() is None, self.said()

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def run(self, *args: str) -> str:
        command = [sys.executable, "-m", "infra.cli", *args]
        done = subprocess.run(command, env={**os.environ, **self.env}, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def rows(self, sql: str) -> Rows:
        """What `powermon sql` prints, without a process for each question; a server that was killed is waited for."""
        found: list[bytes] = []

        def answered() -> bool:
            answer = io.BytesIO()
            try:
                ask(self.settings.web, token(self.settings), sql, "JSONEachRow", answer)
            except PartUnavailable:
                return False
            found[:] = answer.getvalue().splitlines()
            return True

        until(answered, "the web server answers", 90)
        return [json.loads(line) for line in found]

    def kill(self, name: str) -> None:
        """End one process as a crash would; one that is down is waited for."""
        until(lambda: exists(self.pid(name)), f"{name} runs", 60)
        os.kill(self.pid(name), signal.SIGKILL)

    def pid(self, name: str) -> int:
        return self._listed(name, "pid")

    def restarts(self, name: str) -> int:
        return self._listed(name, "restarts")

    def _listed(self, name: str, what: str) -> int:
        processes = json.loads((self.settings.data / "processes.json").read_text())
        return int(processes["processes"][name][what])

    def stop(self) -> None:
        child.stop(self.process, 60)

    def wait_settled(self, timeout_s: float = 120) -> None:
        """Wait until everything in the log has been worked through, by the worker, the rebuilder and the sink, in this order."""
        until(lambda: settled(self.settings), "everything is worked through", timeout_s)


def settled(settings: Settings) -> bool:
    """Whether nothing in the log waits for anybody."""
    return asyncio.run(_settled(settings))


async def _settled(settings: Settings) -> bool:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
    try:
        await admin.start()
        for group, topic in (
            ("powermon-minutes", topics.READINGS),
            ("powermon-rebuild", topics.LATE),
            ("powermon-sink", topics.READINGS),
            ("powermon-sink", topics.MINUTES),
        ):
            commits = await admin.list_consumer_group_offsets(group)
            for place, end in ends(settings, topic).items():
                commit = commits.get(TopicPartition(topic.name, place))
                # The worker's commit stays at its oldest open minute; how far it has come stands in the metadata.
                noted = "" if commit is None else commit.metadata.rstrip("\0")  # this client reads one byte too many
                if end > (int(noted.split(",")[1]) if noted else 0 if commit is None else commit.offset):
                    return False
    except (KafkaError, KafkaException):  # a broker that has just begun does not know its groups yet
        return False
    else:
        return True
    finally:
        await admin.close()


def ends(settings: Settings, topic: topics.Topic) -> dict[int, int]:
    """The next offset of each partition."""
    consumer = Consumer({"bootstrap.servers": settings.kafka, "group.id": "test-ends", "log_level": 0})
    try:
        return ends_of(consumer, topic.name)
    finally:
        consumer.close()


def ends_of(consumer: Consumer, topic: str) -> dict[int, int]:
    """The same, asked by this consumer; a broker that was started again takes a moment to lead its partitions."""
    found: dict[int, int] = {}

    def asked() -> bool:
        try:
            for p in consumer.list_topics(topic, timeout=10).topics[topic].partitions:
                found[p] = consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, p), timeout=10)[1]
        except KafkaException:
            return False
        return True

    until(asked, f"the ends of {topic}")
    return found


def read_all(settings: Settings, topic: topics.Topic) -> list[Any]:
    """Every message in a topic now, in log order within each partition."""
    last = ends(settings, topic)
    consumer = Consumer({"bootstrap.servers": settings.kafka, "group.id": "test-read", "enable.auto.commit": False})
    try:
        consumer.assign([confluent_kafka.TopicPartition(topic.name, p, 0) for p, end in last.items() if end])
        found: list[Any] = []
        while left := sum(last.values()) - len(found):
            messages = consumer.consume(min(left, 10_000), 10)  # returns early only when it has as many
            assert messages, f"{topic.name}: {left} of {sum(last.values())} messages did not come"
            assert not [m.error() for m in messages if m.error() is not None]
            found += messages
        return found
    finally:
        consumer.close()


def publish(settings: Settings, topic: topics.Topic, messages: list[tuple[bytes, bytes]]) -> None:
    """Append (key, value) pairs, and wait until they are safe."""
    producer = Producer({"bootstrap.servers": settings.kafka, "enable.idempotence": True, "linger.ms": 5})
    for key, value in messages:
        producer.produce(topic.name, value, key)
        producer.poll(0)
    assert producer.flush(30) == 0
