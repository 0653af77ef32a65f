"""What `powermon doctor` looks at: each check answers with what it saw and, when something is wrong, what to do."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

from infra import certificate, parts, programs, topics
from infra.embedded import http_problem, kafka_problem, registry_problem
from infra.errors import PowermonError
from infra.settings import Settings
from schemas import topics as topic_table
from schemas.registry import Registry

_SPACE_MIN_GB = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        what: the part.
        fine: whether it works.
        saw: what was seen.
        remedy: what to do when it is not fine.
    """

    what: str
    fine: bool
    saw: str
    remedy: str = ""


def all_of(settings: Settings) -> Iterator[Finding]:
    """Every check, in the order in which parts need each other."""
    if not (settings.kafka_bootstrap and settings.registry_url):
        yield from _machine(settings)
    yield _space(settings)
    broker = kafka_problem(settings.kafka)
    start = "start it, or correct POWERMON_KAFKA_BOOTSTRAP" if settings.kafka_bootstrap else "run `powermon up`"
    yield Finding("broker", broker is None, broker or settings.kafka, start)
    if broker is None:
        yield _topics(settings)
    registry = registry_problem(settings.registry)
    start = "start it, or correct POWERMON_REGISTRY_URL" if settings.registry_url else "run `powermon up`"
    yield Finding("registry", registry is None, registry or settings.registry, start)
    if registry is None:
        yield _schemas(settings)
    if settings.clickhouse_url:
        yield _clickhouse(settings)
    if settings.gateway_tls_cert or settings.gateway_tls_key:
        yield _certificate(settings)
    yield from (_role(settings, role.name, role.ready()) for role in programs.roles(settings))


def _machine(settings: Settings) -> Iterator[Finding]:
    for name, command in (("java", parts.java), ("maven", parts.maven)):
        try:
            yield Finding(name, True, command())
        except PowermonError as error:
            # Maven only fetches; with the parts in the cache nobody misses it.
            spare = name == "maven" and all(parts.missing(part, settings.parts) is None for part in parts.ALL)
            yield Finding(name, spare, "not found, and not needed: the parts are fetched" if spare else str(error), "see above")
    for part in parts.ALL:
        problem = parts.missing(part, settings.parts)
        yield Finding(part.name, problem is None, problem or f"in {parts.folder(part, settings.parts)}", "run `make setup`")


def _space(settings: Settings) -> Finding:
    folder = settings.data.absolute()
    while not folder.exists():
        folder = folder.parent
    free_gb = shutil.disk_usage(folder).free / 1e9
    return Finding(
        "disk", free_gb >= _SPACE_MIN_GB, f"{free_gb:.1f} GB free for {settings.data}", f"free at least {_SPACE_MIN_GB:.0f} GB"
    )


def _topics(settings: Settings) -> Finding:
    try:
        found = topics.problems(settings)
    except PowermonError as error:
        found = [str(error)]
    names = ", ".join(topic.name for topic in topic_table.ALL)
    return Finding(
        "topics", not found, "; ".join(found) or names, "run `powermon schemas register`; it changes no topic that is there"
    )


def _schemas(settings: Settings) -> Finding:
    registry = Registry(settings.registry, settings.schema_cache)
    try:
        lacking = [topic.subject for topic in topic_table.ALL if not registry.is_registered(topic)]
    except PowermonError as error:
        return Finding("schemas", False, str(error), "look into the registry's log")
    saw = f"not registered as this build has them: {', '.join(lacking)}" if lacking else f"{len(topic_table.ALL)} registered"
    return Finding("schemas", not lacking, saw, "run `powermon schemas register`")


def _clickhouse(settings: Settings) -> Finding:
    address = settings.clickhouse_url.rpartition("@")[2].partition("/")[0]  # without user and password
    scheme = settings.clickhouse_url.partition("://")[0]
    problem = http_problem("ClickHouse", f"{scheme}://{address}/ping")
    return Finding("clickhouse", problem is None, problem or address, "start it, or correct POWERMON_CLICKHOUSE_URL")


def _certificate(settings: Settings) -> Finding:
    try:
        found = certificate.of_gateway(settings)
        assert found is not None
        found.context()
        days_left, until = found.days_left(), f"{found.until():%Y-%m-%d %H:%M} UTC"
    except PowermonError as error:
        return Finding("certificate", False, str(error), "correct POWERMON_GATEWAY_TLS_CERT and POWERMON_GATEWAY_TLS_KEY")
    word = "good until" if days_left > 0 else "ended"
    renew = "renew it and put the files in their place; the gateway takes them by itself"
    return Finding("certificate", days_left > certificate.SOON_DAYS, f"{word} {until}", renew)


def _role(settings: Settings, name: str, problem: str | None) -> Finding:
    listed = _listed(settings).get(name, {})
    count = listed.get("restarts", 0)
    saw = problem or "ready" + (f", restarted {count} times since the stack was started" if count else "")
    return Finding(name, problem is None, saw, f"run `powermon up`, or look into {settings.data / 'logs' / f'{name}.log'}")


def _listed(settings: Settings) -> dict[str, dict[str, int]]:
    try:
        processes: dict[str, dict[str, int]] = json.loads((settings.data / "processes.json").read_text())["processes"]
    except (OSError, ValueError, KeyError):
        return {}
    return processes
