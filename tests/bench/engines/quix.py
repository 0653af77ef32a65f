"""Quix Streams: a data frame over the topic, the step applied to each message."""

from quixstreams import Application, message_context
from quixstreams.models import SerializationContext, Serializer

from schemas import topics
from tests.bench.engines import plain


class ValueOfPair(Serializer):
    def __call__(self, value: tuple[bytes, bytes], ctx: SerializationContext) -> bytes:
        return value[1]


def main() -> None:
    bootstrap, group, out_name, step = plain.arguments()
    app = Application(bootstrap, consumer_group=group, auto_offset_reset="earliest", auto_create_topics=False, loglevel="WARNING")
    readings = app.topic(topics.READINGS.name, key_deserializer="bytes", value_deserializer="bytes")
    out = app.topic(out_name, key_serializer="bytes", value_serializer=ValueOfPair())

    def fold(value: bytes, _key: bytes, timestamp_ms: int, _headers: object) -> plain.Messages:
        where = message_context()
        due = step.take(where.partition, where.offset, timestamp_ms, value)
        if step.done:
            app.stop()
        return due

    rows = app.dataframe(readings).apply(fold, expand=True, metadata=True)
    rows.to_topic(out, key=lambda row: row[0])
    app.run()
    step.report()


if __name__ == "__main__":
    main()
