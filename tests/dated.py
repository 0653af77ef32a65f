"""Topics whose messages keep the time that the test gives them."""

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from schemas.topics import Topic
from tests.waiting import until

_NAME, _VALUE = "message.timestamp.type", "CreateTime"


def keep_dates(bootstrap: str, topic: Topic) -> None:
    """Let producers date a topic's messages; returns once the broker does so."""
    entry = ConfigEntry(_NAME, _VALUE, incremental_operation=AlterConfigOpType.SET)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.incremental_alter_configs(
        [ConfigResource(ResourceType.TOPIC, topic.name, incremental_configs=[entry])]
    ).values():
        future.result()

    def kept() -> bool:
        (asked,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic.name)]).values()
        return bool(asked.result()[_NAME].value == _VALUE)

    until(kept, "the broker keeps the times it is given")
