"""Which processes make up a stack on one machine, in the order in which they start."""

import sys

from infra import embedded
from infra.embedded import Program
from infra.settings import Settings


def environment(settings: Settings) -> dict[str, str]:
    """The settings as variables, so that a child process sees just the same ones."""
    values = settings.model_dump(mode="json")
    values["data"] = str(settings.data.absolute())
    return {f"POWERMON_{name.upper()}": str(value) for name, value in values.items()}


def parts(settings: Settings) -> list[Program]:
    """The embedded parts: those of Kafka and the registry that are not configured to be elsewhere.

    Raises:
        ConfigurationError: Java or a part is missing.
    """
    broker = [] if settings.kafka_bootstrap else [embedded.kafka(settings)]
    return broker + ([] if settings.registry_url else [embedded.registry(settings)])


def roles(settings: Settings) -> list[Program]:
    """Our own processes."""
    gateway = _role(settings, "gateway", f"http://127.0.0.1:{settings.gateway_port}")
    worker = _role(settings, "worker", f"http://127.0.0.1:{settings.worker_port}", **_member(settings))
    if settings.clickhouse_url:
        sink = _role(settings, "sink", f"http://127.0.0.1:{settings.sink_port}")
        return [gateway, worker, sink, _role(settings, "web", settings.web)]
    return [gateway, worker, _role(settings, "store", settings.web)]


def simulation(settings: Settings, sensors: int) -> Program:
    """The demo's sensors; has no address, is ready once it runs."""
    command = [sys.executable, "-m", "infra.cli", "simulate", "--demo", "--sensors", str(sensors)]
    return Program("simulate", "", command, lambda: None, environment(settings))


def _member(settings: Settings) -> dict[str, str]:
    """A name for the one worker of our own broker: after a crash it goes on at once, not after a session's timeout."""
    return {} if settings.kafka_bootstrap else {"POWERMON_INSTANCE": settings.instance or "worker-1"}


def _role(settings: Settings, name: str, address: str, **variables: str) -> Program:
    return Program(
        name,
        address,
        [sys.executable, "-m", "infra.cli", name],
        lambda: embedded.http_problem(name, f"{address}/readyz"),
        environment(settings) | variables,
        alive=lambda: embedded.http_problem(name, f"{address}/healthz", 10),
        grace_s=20,
    )


def ports(settings: Settings) -> list[tuple[str, str, int]]:
    """(setting, host, port) of everything this stack will listen on."""
    used = []
    if not settings.kafka_bootstrap:
        used += [
            ("kafka_port", "127.0.0.1", settings.kafka_port),
            ("kafka_controller_port", "127.0.0.1", settings.kafka_controller_port),
        ]
    if not settings.registry_url:
        used.append(("registry_port", "127.0.0.1", settings.registry_port))
    used.append(("gateway_port", settings.gateway_host, settings.gateway_port))
    used.append(("worker_port", "127.0.0.1", settings.worker_port))
    if settings.clickhouse_url:
        used.append(("sink_port", "127.0.0.1", settings.sink_port))
    used.append(("web_port", settings.web_host, settings.web_port))
    return used
