"""What could not be used goes to `dead.letters`, with its bytes, its place and the reason."""

from aiokafka.structs import ConsumerRecord

from schemas import topics, wire


def letter(schema_id: int, record: ConsumerRecord, reason: str, stage: str) -> tuple[bytes, bytes]:
    """One dead letter as (key, value) for the topic.

    Args:
        schema_id: of DeadLetter.
        record: the message as it came.
        reason: what came, what was expected.
        stage: who gave up on it.
    """
    value = wire.encode(
        topics.DEAD_LETTERS,
        schema_id,
        {
            "source_topic": record.topic,
            "source_partition": record.partition,
            "source_offset": record.offset,
            "message_key": record.key,
            "message_value": record.value,
            "reason": reason,
            "at_ms": record.timestamp,
            "stage": stage,
        },
    )
    return record.topic.encode(), value
