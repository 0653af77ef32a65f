"""Topics on a real broker."""

from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource

from infra import topics
from infra.errors import ConfigurationError, PartUnavailable
from infra.settings import Settings
from schemas import topics as table


def config(bootstrap: str, topic: str, name: str) -> str:
    admin = AdminClient({"bootstrap.servers": bootstrap})  # held by name: the answer dies with it
    (answer,) = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)]).values()
    return str(answer.result()[name].value)


def test_made_once(kafka: str, stack_settings: Settings) -> None:
    assert topics.make(stack_settings) == []
    assert topics.problems(stack_settings) == []


def test_readings_carry_the_time_of_the_log_and_stay_for_ever(kafka: str) -> None:
    assert config(kafka, table.READINGS.name, "message.timestamp.type") == "LogAppendTime"
    assert {config(kafka, topic.name, "retention.ms") for topic in table.ALL} == {"-1"}


def test_other_partitions_are_refused_with_the_way_out(kafka: str, make_settings: Callable[..., Settings]) -> None:
    other = make_settings(kafka_bootstrap=kafka, partitions=7)
    with pytest.raises(ConfigurationError, match=r"has 4 partitions, expected 7; .* set POWERMON_PARTITIONS=4"):
        topics.make(other)
    assert any("has 4 partitions" in problem for problem in topics.problems(other))


def test_more_replicas_than_brokers_are_refused(
    make_kafka: Callable[..., object], make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings(replication=3)
    make_kafka(settings, with_topics=False)
    with pytest.raises(ConfigurationError, match="refused to make topic"):
        topics.make(settings)


def test_no_broker(make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "_TIMEOUT_S", 0.5)
    with pytest.raises(PartUnavailable, match=r"does not answer .*; start it, or correct POWERMON_KAFKA_BOOTSTRAP"):
        topics.make(make_settings())
