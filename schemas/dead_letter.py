"""Dead letters: messages that could not be used, and notes that one of them was written again."""

from dataclasses import dataclass

from schemas import topics, wire

VALUE_MAX = 900_000
"""More bytes of a message than this are not kept: with them the letter would not fit into the log."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """As in dead_letter.avsc."""

    source_topic: str
    source_partition: int
    source_offset: int
    message_key: bytes | None
    message_value: bytes | None
    reason: str
    at_ms: int
    stage: str
    value_bytes: int | None = None
    retry_of: int | None = None

    @property
    def is_cut(self) -> bool:
        """Whether the end of the message's value was not kept."""
        return self.value_bytes is not None

    def message(self, schema_id: int) -> tuple[bytes, bytes]:
        """As (key, value) for the topic; a value that is too long is cut."""
        record = {name: getattr(self, name) for name in self.__slots__}
        value = self.message_value
        if value is not None and len(value) > VALUE_MAX:
            record |= {"message_value": value[:VALUE_MAX], "value_bytes": len(value)}
        return self.source_topic.encode(), wire.encode(topics.DEAD_LETTERS, schema_id, record)


def decode_letter(value: bytes | None, schema_of: wire.SchemaOf) -> DeadLetter:
    """One value of the topic.

    Raises:
        WireError: it is none.
    """
    return DeadLetter(**wire.decode(topics.DEAD_LETTERS, value, schema_of))
