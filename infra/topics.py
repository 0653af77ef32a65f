"""Makes the topics of the log as schemas/topics.py describes them, and says when they differ."""

from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from infra.errors import ConfigurationError, PartUnavailable
from infra.settings import Settings
from schemas import topics
from schemas.topics import Topic

_TIMEOUT_S = 15.0


def wanted(topic: Topic, settings: Settings) -> NewTopic:
    """One topic as it should be made."""
    config = dict(topic.config)
    if settings.replication >= 3:
        config.setdefault("min.insync.replicas", "2")
    return NewTopic(
        topic.name,
        num_partitions=topic.partitions or settings.partitions,
        replication_factor=settings.replication,
        config=config,
    )


def make(settings: Settings) -> list[str]:
    """Make the topics that are not there.

    Returns:
        names of those it made.

    Raises:
        ConfigurationError: a topic is there with another number of partitions, or the broker refused one.
        PartUnavailable: the broker does not answer.
    """
    admin = AdminClient({"bootstrap.servers": settings.kafka, "log_level": 0})
    there = partitions_of(admin, settings)
    check_partitions(there, settings)
    lacking = [topic for topic in topics.ALL if topic.name not in there]
    if not lacking:
        return []
    made = []
    for name, future in admin.create_topics([wanted(topic, settings) for topic in lacking], request_timeout=_TIMEOUT_S).items():
        try:
            future.result()
            made.append(name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another process made it meanwhile
                raise ConfigurationError(
                    f"Kafka at {settings.kafka} refused to make topic {name}: {error.args[0].str()}"
                ) from error
    check_partitions(partitions_of(admin, settings), settings)
    return made


def problems(settings: Settings) -> list[str]:
    """What is wrong with the topics, one sentence each.

    Raises:
        PartUnavailable: the broker does not answer.
    """
    there = partitions_of(AdminClient({"bootstrap.servers": settings.kafka, "log_level": 0}), settings)
    lacking = [
        f"topic {topic.name} is not there; `powermon up` makes it, or `powermon schemas register`"
        for topic in topics.ALL
        if topic.name not in there
    ]
    return lacking + list(_differing(there, settings))


def partitions_of(admin: AdminClient, settings: Settings) -> dict[str, int]:
    """Number of partitions by topic.

    Raises:
        PartUnavailable: the broker does not answer.
    """
    try:
        metadata = admin.list_topics(timeout=_TIMEOUT_S)
    except KafkaException as error:
        raise PartUnavailable(
            f"Kafka at {settings.kafka} does not answer ({error.args[0].str()}); start it, or correct POWERMON_KAFKA_BOOTSTRAP"
        ) from error
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


def check_partitions(there: dict[str, int], settings: Settings) -> None:
    """Refuse to go on with topics whose keys would be spread otherwise than the settings say.

    Raises:
        ConfigurationError: the first difference.
    """
    for problem in _differing(there, settings):
        raise ConfigurationError(problem)


def _differing(there: dict[str, int], settings: Settings) -> Iterable[str]:
    for topic in topics.ALL:
        expected = topic.partitions or settings.partitions
        came = there.get(topic.name, expected)
        if came != expected:
            remedy = "it is fixed by the event" if topic.partitions else f"set POWERMON_PARTITIONS={came}"
            yield (
                f"topic {topic.name} has {came} partitions, expected {expected}; the number is fixed when a topic is made, "
                f"because a sensor must stay in its partition: {remedy}, or use another data folder"
            )
