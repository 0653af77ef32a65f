"""Which processes a stack has: names, ports and places in the group."""

from typing import Any

import pytest

from infra import programs
from infra.settings import Settings


def workers(**values: Any) -> dict[str, tuple[str, str]]:
    """Name to port and instance."""
    roles = [role for role in programs.roles(Settings.model_validate(values)) if role.command[-1] == "worker"]
    return {role.name: (role.env["POWERMON_WORKER_PORT"], role.env["POWERMON_INSTANCE"]) for role in roles}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {"worker": ("8091", "worker-1")}),
        ({"instance": "x"}, {"worker": ("8091", "x")}),
        ({"kafka_bootstrap": "k:9092"}, {"worker": ("8091", "")}),
        ({"kafka_bootstrap": "k:9092", "instance": "x"}, {"worker": ("8091", "x")}),
        ({"workers": 2}, {"worker-1": ("8091", "worker-1"), "worker-2": ("8101", "worker-2")}),
        ({"workers": 2, "instance": "x"}, {"worker-1": ("8091", "x-1"), "worker-2": ("8101", "x-2")}),
        ({"workers": 2, "kafka_bootstrap": "k:9092"}, {"worker-1": ("8091", ""), "worker-2": ("8101", "")}),
    ],
)
def test_each_worker_has_its_port_and_its_name_in_the_group(values: dict[str, Any], expected: dict[str, Any]) -> None:
    assert workers(**values) == expected


def test_the_ports_of_all_workers_are_checked_before_the_start() -> None:
    taken = programs.ports(Settings(workers=3))
    assert [port for name, _, port in taken if name == "worker_port"] == [8091, 8101, 8111]
