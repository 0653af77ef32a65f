"""Real parts for the tests that need them: started when first asked for, ended by their ids with the session."""

import itertools
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from infra import embedded, parts, topics
from infra.running import Running
from infra.settings import Settings
from schemas.registry import Registry

# How long an example takes is the machine's matter: compiled code is compiled in the first.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")

MakeKafka = Callable[..., Running]

FIRST = [
    "test_linky_faults",
    "test_outages",
    "test_faults",
    "test_replay",
    "test_up_ends",
    "test_up",
    "test_meter_fits",
    "test_leaked_tokens",
    "test_worker",
    "test_sink",
    "test_store_kills",
    "test_catalog",
    "test_stalls",
    "test_hour",
    "test_day_without_a_link",
    "test_tic_stream",
    "test_gateway_hostile",
    "test_posting",
]
"""The longest files, so that none of them begins when the other test process has nothing left to do."""


def pytest_configure(config: pytest.Config) -> None:
    """A broker of a minute's life is not worth the second compiler's work; every java reads this variable."""
    if config.getoption("markexpr") != "bench":
        os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, then those on real parts, then the short ones; else as collected."""
    kinds = ["integration", "browser", "contract", "unit"]

    def place(item: pytest.Item) -> tuple[int, int]:
        kind = item.path.parent.name
        return (
            FIRST.index(item.path.stem) if item.path.stem in FIRST else len(FIRST),
            kinds.index(kind) if kind in kinds else len(kinds),
        )

    items.sort(key=place)


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Ports that nobody listens on, below those the system gives to clients; each is returned once.

    Test processes side by side each have numbers of their own.
    """
    side = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    numbers = itertools.count(20000 + side % 4 * 3000 + os.getpid() * 37 % 2500)

    def take() -> int:
        while True:
            port = next(numbers)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
                return port

    return take


@pytest.fixture(scope="session")
def make_settings(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Callable[..., Settings]:
    """Settings of a stack of its own: a fresh data folder, free ports, 4 partitions; arguments override."""

    def make(**values: object) -> Settings:
        ports = ("kafka", "kafka_controller", "registry", "gateway", "web", "worker", "sink", "tic_health", "meter")
        own: dict[str, object] = {f"{name}_port": free_port() for name in ports}
        return Settings.model_validate({"data": tmp_path_factory.mktemp("stack"), "partitions": 4, **own, **values})

    return make


@pytest.fixture(scope="session")
def make_kafka(make_settings: Callable[..., Settings]) -> Iterator[MakeKafka]:
    """Starts brokers of a test's own, topics made: `make_kafka(settings=None, with_topics=True)`.

    The Running returned may be killed and started again; its address is `.program.address`.
    """
    started: list[Running] = []

    def make(settings: Settings | None = None, *, with_topics: bool = True) -> Running:
        settings = settings or make_settings()
        with_empty_log(settings, started)
        running = start(embedded.kafka(settings), settings.data, started)
        if with_topics:
            topics.make(settings)
        return running

    yield make
    for running in started:
        running.stop()


@pytest.fixture(scope="session")
def stack_settings(make_settings: Callable[..., Settings]) -> Settings:
    """Settings of the session's shared broker and registry."""
    return make_settings()


@pytest.fixture(scope="session")
def kafka(stack_settings: Settings, make_kafka: MakeKafka) -> str:
    """Bootstrap address of the session's shared broker, with every topic made (4 partitions)."""
    make_kafka(stack_settings)
    return stack_settings.kafka


@pytest.fixture(scope="session")
def registry(kafka: str, stack_settings: Settings) -> Iterator[str]:
    """URL of the session's shared schema registry, with every schema registered."""
    running = start(embedded.registry(stack_settings), stack_settings.data, [])
    Registry(stack_settings.registry, stack_settings.schema_cache).register_all()
    yield stack_settings.registry
    running.stop()


def with_empty_log(settings: Settings, started: list[Running]) -> None:
    """Give a new broker the empty log that this process's first one had made for it: that takes a JVM a second."""
    log = settings.data / "kafka" / "log"
    first = next((one.log.parents[1] / "kafka" / "log" for one in started if one.program.name == "kafka"), log)
    if not log.exists() and first.exists():
        log.mkdir(parents=True)
        for name in ("meta.properties", "bootstrap.checkpoint"):
            shutil.copy(first / name, log)


def start(program: embedded.Program, data: Path, started: list[Running]) -> Running:
    running = Running(program, data / "logs")
    started.append(running)
    running.start()
    running.wait_ready()
    return running


@pytest.fixture(scope="session", autouse=True)
def java_parts(request: pytest.FixtureRequest) -> None:
    """Fetch the Java parts once, before the first test that needs them."""
    if any({"kafka", "make_kafka"} & set(getattr(item, "fixturenames", ())) for item in request.session.items):
        for part in parts.ALL:
            parts.fetch(part, Settings().parts, print)
