"""The Kafka broker and the schema registry of one machine: how each is configured, started and found healthy."""

import base64
import shutil
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from infra import parts
from infra.errors import ConfigurationError
from infra.settings import Settings

LITTLE_WORK = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
"""For a java with too little work for its second compiler to pay."""

Probe = Callable[[], str | None]
"""Answers None when fine, else what is wrong."""


@dataclass(frozen=True, slots=True)
class Program:
    """How one process of a stack is run.

    Attributes:
        name: also of its log, `DATA/logs/<name>.log`.
        address: where it is found.
        command: what is started.
        ready: whether it does its work.
        alive: whether restarting it would not help; asked while it runs.
        env: variables that differ from ours.
        prepare: called before each start.
        grace_s: how long it may take to end when asked to.
    """

    name: str
    address: str
    command: list[str]
    ready: Probe
    env: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], None] = lambda: None
    alive: Probe = lambda: None
    grace_s: float = 10.0


def kafka(settings: Settings) -> Program:
    """The broker, in KRaft mode: broker and controller in one process.

    Raises:
        ConfigurationError: Java or the jars are missing.
    """
    java, jars = _java_for(parts.KAFKA, settings), parts.folder(parts.KAFKA, settings.parts)
    home = (settings.data / "kafka").absolute()
    properties = home / "server.properties"
    classpath = [*_kept_classes(parts.KAFKA, settings), "-cp", f"{jars}/*"]

    def prepare() -> None:
        home.mkdir(parents=True, exist_ok=True)
        _empty(home / "tmp")
        properties.write_text(kafka_properties(settings, home / "log"))
        if not (home / "log" / "meta.properties").exists():
            cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster}"]
            format_log = [*tool, "-c", str(properties), "--ignore-formatted"]
            run = subprocess.run([java, *LITTLE_WORK, *classpath, *format_log], capture_output=True, text=True, check=False)
            if run.returncode:
                raise ConfigurationError(
                    f"Kafka could not make its log folder {home / 'log'}: {(run.stderr or run.stdout).strip()[-600:]}"
                )

    options = ["-Xmx512m", "-Xms96m", "-XX:-UsePerfData", "-Djava.awt.headless=true", f"-Djava.io.tmpdir={home / 'tmp'}"]
    options.append(f"-Dlog4j2.configurationFile={Path(__file__).parent / 'kafka' / 'log4j2.properties'}")
    return Program(
        "kafka",
        f"127.0.0.1:{settings.kafka_port}",
        [java, *options, *classpath, "kafka.Kafka", str(properties)],
        lambda: kafka_problem(f"127.0.0.1:{settings.kafka_port}"),
        prepare=prepare,
        grace_s=20,
    )


def kafka_properties(settings: Settings, log: Path) -> str:
    """The broker's configuration, sized for a small machine."""
    broker, controller = f"127.0.0.1:{settings.kafka_port}", f"127.0.0.1:{settings.kafka_controller_port}"
    return "\n".join(
        f"{key}={value}"
        for key, value in {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{broker}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "log.dirs": log,
            "auto.create.topics.enable": "false",
            "default.replication.factor": 1,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 8,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "share.coordinator.state.topic.num.partitions": 1,
            "group.initial.rebalance.delay.ms": 0,
            # The registry makes topics of its own with the broker's default; its schemas must not vanish after a week.
            "log.retention.ms": -1,
            # A stack that was switched off for a month goes on where it stopped.
            "offsets.retention.minutes": 2**31 - 1,
            "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
            "log.cleaner.threads": 1,
            "num.network.threads": 2,
            "num.io.threads": 4,
        }.items()
    )


def registry(settings: Settings) -> Program:
    """The schema registry; its schemas are kept in Kafka itself.

    Raises:
        ConfigurationError: Java or the archive is missing.
    """
    java, home = _java_for(parts.REGISTRY, settings), parts.folder(parts.REGISTRY, settings.parts)
    (jar,) = home.glob("*-runner.jar")
    scratch = (settings.data / "registry" / "tmp").absolute()
    properties = {
        "java.io.tmpdir": scratch,
        "apicurio.storage.kind": "kafkasql",
        "apicurio.kafkasql.bootstrap.servers": settings.kafka,
        "apicurio.ui.enabled": "false",
        "quarkus.http.host": "127.0.0.1",
        "quarkus.http.port": settings.registry_port,
        "quarkus.banner.enabled": "false",
        'quarkus.log.category."io.quarkus.http.access-log".level': "WARN",
        'quarkus.log.category."org.apache.kafka".level': "WARN",
        # It waits this long for a snapshot of its journal at every start.
        "apicurio.kafkasql.consumer.poll.timeout": 1000,
    }
    options = ["-Xmx256m", "-Xms64m", *LITTLE_WORK, "-XX:-UsePerfData", *_kept_classes(parts.REGISTRY, settings)]
    options += [f"-D{key}={value}" for key, value in properties.items()]
    return Program(
        "registry",
        settings.registry,
        [java, *options, "-jar", str(jar)],
        # It answers before it has read its journal, and does not know then what it was told.
        lambda: http_problem("the schema registry", f"http://127.0.0.1:{settings.registry_port}/health/ready"),
        prepare=lambda: _empty(scratch),
    )


def kafka_problem(bootstrap: str, timeout_s: float = 2.0) -> str | None:
    """Why this Kafka cannot be used now; None when it answers."""
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout_s).close()
            break
        except (OSError, ValueError) as error:
            problem = f"Kafka at {address} does not answer ({error})"
    else:
        return problem
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0, "socket.timeout.ms": 5000})
    try:
        admin.list_topics(timeout=timeout_s)
    except KafkaException as error:
        return f"Kafka at {bootstrap} accepts connections but does not answer ({error.args[0].str()})"
    return None


def registry_problem(url: str, timeout_s: float = 3.0) -> str | None:
    """Why this registry cannot be used now; None when it answers."""
    return http_problem("the schema registry", f"{url}/subjects", timeout_s)


def http_problem(title: str, url: str, timeout_s: float = 3.0) -> str | None:
    """Why a GET is not answered with success; None when it is.

    A part of our own on this machine may have a certificate: it is made out to the name that others use.
    """
    context = ssl._create_unverified_context() if url.startswith("https://127.0.0.1:") else None  # noqa: S323 -- see above
    try:
        urllib.request.urlopen(url, timeout=timeout_s, context=context).close()  # noqa: S310 -- the operator's own setting
    except urllib.error.HTTPError as error:
        with error:
            return f"{title} at {url} answers {error.code}: {error.read(300).decode(errors='replace').strip()}"
    except (OSError, ValueError) as error:
        return f"{title} at {url} does not answer ({getattr(error, 'reason', error)})"
    return None


def _java_for(part: parts.Part, settings: Settings) -> str:
    command = parts.java()
    problem = parts.missing(part, settings.parts)
    if problem is not None:
        raise ConfigurationError(f"{problem}, or set POWERMON_KAFKA_BOOTSTRAP and POWERMON_REGISTRY_URL to ones that run already")
    return command


def _kept_classes(part: parts.Part, settings: Settings) -> list[str]:
    archive = parts.classes(part, settings.parts)
    # A JVM that an archive does not fit would say so at each start, in a log that a person reads.
    return [f"-XX:SharedArchiveFile={archive}", "-Xlog:cds*=off"] if archive.exists() else []


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
