"""The lock holds what pyproject.toml asks for, as names, versions and hashes and nothing else."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = {
    ROOT / "requirements.lock": ("", "dev", "bench", "build"),
    ROOT / "infra" / "docker" / "requirements.lock": ("", "build"),
    ROOT / "infra" / "docker" / "meter.lock": ("", "meter", "build"),
    ROOT / "infra" / "systemd" / "requirements.lock": ("tic",),
}
"""Which groups each holds; "" stands for the project's own dependencies."""


def pins(lock: Path) -> dict[str, str]:
    return {
        canonicalize_name(name): version for name, version in re.findall(r"^([^ =]+)==([^ ]+)", lock.read_text(), re.MULTILINE)
    }


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_lock_satisfies_the_project(lock: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    groups = {"": project["project"]["dependencies"], **extras, **project["dependency-groups"]}
    wanted = [line for group in LOCKS[lock] for line in groups[group]]
    pinned = pins(lock)
    for requirement in map(Requirement, wanted):
        version = pinned.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement} is not in {lock.name}; run `make lock`"
        assert requirement.specifier.contains(version), f"{requirement}, locked {version}; run `make lock`"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_lock_names_no_host_and_hashes_everything(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    entries = re.split(r"\n(?=\S)", text.strip())
    assert all("==" in entry and "--hash=sha256:" in entry for entry in entries)


def test_what_is_installed_elsewhere_has_the_versions_that_were_tested() -> None:
    tested, *others = (pins(lock) for lock in LOCKS)
    for other in others:
        assert {name: version for name, version in other.items() if name != "colorama"}.items() <= tested.items()
