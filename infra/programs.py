"""Which processes make up a stack on one machine, in the order in which they start."""

import sys
from dataclasses import replace

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
    scheme = "https" if settings.gateway_tls_cert else "http"
    gateway = _role(settings, "gateway", f"{scheme}://127.0.0.1:{settings.gateway_port}")
    workers = [_worker(settings, name, port) for name, port in settings.worker_ports.items()]
    others = [meter(settings), *([tic(settings)] if settings.tic_port and not settings.demo else [])]
    if settings.clickhouse_url:
        sink = _role(settings, "sink", f"http://127.0.0.1:{settings.sink_port}")
        return [gateway, *workers, sink, _role(settings, "web", settings.web), *others]
    return [gateway, *workers, _role(settings, "store", settings.web), *others]


def meter(settings: Settings) -> Program:
    """The meter's worker, with or without OpenDSM: somebody must answer a run."""
    variables = {} if settings.kafka_bootstrap else {"POWERMON_INSTANCE": settings.instance or "meter-1"}
    return _role(settings, "meter", f"http://127.0.0.1:{settings.meter_port}", **variables)


def tic(settings: Settings) -> Program:
    """The reader of a Linky; ready once it runs: a meter that is silent keeps no stack from starting."""
    program = _role(settings, "tic", f"http://127.0.0.1:{settings.tic_health_port}")
    return replace(program, ready=lambda: embedded.http_problem("tic", f"{program.address}/healthz"))


def _worker(settings: Settings, name: str, port: int) -> Program:
    """One of our workers.

    With our own broker each has a name in the group: after a crash it goes on at once, not after a session's timeout.
    """
    instance = settings.instance if settings.kafka_bootstrap else settings.instance or "worker"
    if instance and (settings.workers > 1 or not settings.instance):
        instance = f"{instance}-{name.rpartition('-')[2] if settings.workers > 1 else 1}"
    variables = {"POWERMON_INSTANCE": instance, "POWERMON_WORKER_PORT": str(port)}
    return _role(settings, "worker", f"http://127.0.0.1:{port}", name=name, **variables)


def _role(settings: Settings, role: str, address: str, *, name: str = "", **variables: str) -> Program:
    name = name or role
    return Program(
        name,
        address,
        [sys.executable, "-m", "infra.cli", role],
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
    used += [("worker_port", "127.0.0.1", port) for port in settings.worker_ports.values()]
    if settings.clickhouse_url:
        used.append(("sink_port", "127.0.0.1", settings.sink_port))
    used.append(("web_port", settings.web_host, settings.web_port))
    used.append(("meter_port", "127.0.0.1", settings.meter_port))
    if settings.tic_port or settings.demo:
        used.append(("tic_health_port", "127.0.0.1", settings.tic_health_port))
    return used
