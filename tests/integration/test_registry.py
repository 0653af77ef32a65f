"""The registry client against a real registry on a real broker."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from infra import embedded
from infra.errors import ConfigurationError, RegistryUnavailable
from infra.running import Running
from infra.settings import Settings
from schemas import topics
from schemas.registry import IncompatibleSchema, Registry


def changed(tmp_path: Path, **field: object) -> topics.Topic:
    """power.late with one more field."""
    schema = json.loads(topics.LATE.schema_path.read_text())
    schema["fields"].append(field)
    path = tmp_path / "late_minute.avsc"
    path.write_text(json.dumps(schema))
    return dataclasses.replace(topics.LATE, schema=str(path))


def test_registering_twice_gives_the_same_ids(registry: str, tmp_path: Path) -> None:
    first, second = Registry(registry, tmp_path / "a.json"), Registry(registry, tmp_path / "b.json")
    first.register_all()
    second.register_all()
    assert [first.id_of(t) for t in topics.ALL] == [second.id_of(t) for t in topics.ALL]
    assert [first.schema_of(first.id_of(t)) for t in topics.ALL] == [json.loads(t.schema_path.read_text()) for t in topics.ALL]


def test_an_unknown_id_is_none(registry: str, tmp_path: Path) -> None:
    assert Registry(registry, tmp_path / "cache.json").schema_of(999_999) is None


def test_an_id_that_a_starting_registry_does_not_know_yet_is_in_the_file(registry: str, tmp_path: Path) -> None:
    cache = tmp_path / "cache.json"
    cache.write_text(json.dumps({"registry": registry, "ids": {}, "schemas": {"999999": topics.LATE.schema_path.read_text()}}))
    assert Registry(registry, cache).schema_of(999_999) == json.loads(topics.LATE.schema_path.read_text())


def test_an_unregistered_schema_says_how_to_register(registry: str, tmp_path: Path) -> None:
    topic = changed(tmp_path, name="why", type="string", default="")
    with pytest.raises(ConfigurationError, match="powermon schemas register"):
        Registry(registry, tmp_path / "cache.json").id_of(topic)


def test_a_field_without_a_default_is_refused_by_name(registry: str, tmp_path: Path) -> None:
    client = Registry(registry, tmp_path / "cache.json")
    with pytest.raises(IncompatibleSchema, match="new field why has no default"):
        client.register(changed(tmp_path, name="why", type="string"))


def test_ids_outlive_the_registry_and_the_file_answers_while_it_is_down(
    kafka: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings(kafka_bootstrap=kafka)
    running = Running(embedded.registry(settings), settings.data / "logs")
    running.start()
    running.wait_ready()
    client = Registry(settings.registry, settings.schema_cache)
    client.register_all()
    ids = {topic: client.id_of(topic) for topic in topics.ALL}
    running.kill()

    offline = Registry(settings.registry, settings.schema_cache)
    assert {topic: offline.id_of(topic) for topic in topics.ALL} == ids
    reading = offline.schema_of(ids[topics.READINGS])
    assert reading is not None
    assert reading["name"] == "SensorReading"
    with pytest.raises(RegistryUnavailable, match="POWERMON_REGISTRY_URL"):
        Registry(settings.registry, tmp_path / "empty.json").id_of(topics.READINGS)

    running.start()
    running.wait_ready()
    again = Registry(settings.registry, tmp_path / "fresh.json")
    assert {topic: again.id_of(topic) for topic in topics.ALL} == ids
    running.stop()
