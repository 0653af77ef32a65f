"""The compose files fit the product: real commands, real settings, pinned images, nothing open to the world."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.cli import COMMANDS
from infra.settings import Settings

ROOT = Path(__file__).parents[2]
ONE_SHOT = {"setup"}


def merged() -> dict[str, dict[str, dict[str, Any]]]:
    """Services by file: the base alone, and the cluster file on top of it as compose merges them."""
    base = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    top = yaml.safe_load((ROOT / "docker-compose.cluster.yml").read_text())["services"]
    cluster = {name: {**base.get(name, {}), **top.get(name, {})} for name in base | top}
    for name, service in cluster.items():
        service["environment"] = {**base.get(name, {}).get("environment", {}), **top.get(name, {}).get("environment", {})}
    return {"docker-compose.yml": base, "docker-compose.cluster.yml": cluster}


SERVICES = [
    pytest.param(name, service, id=f"{file}:{name}") for file, services in merged().items() for name, service in services.items()
]


@pytest.mark.parametrize(("name", "service"), SERVICES)
def test_a_service_restarts_and_tells_its_health(name: str, service: dict[str, Any]) -> None:
    if name in ONE_SHOT:
        assert service["restart"].startswith("on-failure")
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"]


@pytest.mark.parametrize(("name", "service"), SERVICES)
def test_an_image_is_pinned(name: str, service: dict[str, Any]) -> None:
    assert re.fullmatch(r"[a-z/-]+:\d+(\.\d+)+", service["image"])


@pytest.mark.parametrize(("name", "service"), SERVICES)
def test_every_variable_of_ours_is_a_setting(name: str, service: dict[str, Any]) -> None:
    ours = {variable for variable in service.get("environment", {}) if variable.startswith("POWERMON_")}
    assert ours <= {f"POWERMON_{setting.upper()}" for setting in Settings.model_fields}


@pytest.mark.parametrize(("name", "service"), SERVICES)
def test_every_command_is_one_of_the_command_line(name: str, service: dict[str, Any]) -> None:
    if service["image"].startswith("powermon:"):
        assert service["command"][0] in COMMANDS


@pytest.mark.parametrize(("name", "service"), SERVICES)
def test_ports_are_bound_to_this_machine_unless_told_otherwise(name: str, service: dict[str, Any]) -> None:
    assert all(port.startswith("${BIND:-127.0.0.1}:") for port in service.get("ports", []))


def test_the_password_of_clickhouse_has_no_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text() + (ROOT / "docker-compose.cluster.yml").read_text()
    used = re.findall(r"\$\{CLICKHOUSE_PASSWORD[^}]*\}", text)
    assert used
    assert set(used) == {"${CLICKHOUSE_PASSWORD:?choose one in .env}"}
    assert re.search(r"^CLICKHOUSE_PASSWORD=$", (ROOT / ".env.example").read_text(), re.MULTILINE)


def test_no_two_members_of_a_group_share_a_name() -> None:
    for services in merged().values():
        names = [
            s["environment"]["POWERMON_INSTANCE"] for s in services.values() if "POWERMON_INSTANCE" in s.get("environment", {})
        ]
        assert len(names) == len(set(names))


def test_the_embedded_broker_and_the_image_are_the_same_release() -> None:
    pom = (ROOT / "infra" / "kafka" / "pom.xml").read_text()
    release = re.search(r"<artifactId>kafka_2.13</artifactId>\s*<version>([^<]+)</version>", pom)
    assert release is not None
    assert merged()["docker-compose.yml"]["kafka"]["image"] == f"apache/kafka:{release[1]}"
