"""No engine at all: a loop over confluent-kafka."""

from confluent_kafka import Consumer, Producer

from schemas import topics
from tests.bench.engines import plain


def main() -> None:
    bootstrap, group, out, step = plain.arguments()
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest"})
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "compression.type": "lz4"})
    consumer.subscribe([topics.READINGS.name])
    while not step.done:
        for message in consumer.consume(500, 0.1):
            assert not message.error(), message.error()
            for key, value in step.take(message.partition(), message.offset(), message.timestamp()[1], message.value()):
                producer.produce(out, value, key)
        producer.poll(0)
    assert producer.flush(30) == 0
    consumer.commit(asynchronous=False)
    step.report()
    consumer.close()


if __name__ == "__main__":
    main()
