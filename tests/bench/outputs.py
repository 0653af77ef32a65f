"""What an engine left in the log, beside what it should have."""

from confluent_kafka import Consumer, TopicPartition

from schemas import topics, wire
from tests.bench.feed import Minutes

_FIELDS = (
    "seconds_mask",
    "samples",
    "energy_units",
    "power_min_mw",
    "power_max_mw",
    "pf_units",
    "voltage_units",
    "voltage_min_mv",
    "voltage_max_mv",
)


def ends(bootstrap: str, topic: str) -> dict[int, int]:
    """The next offset of each partition."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench-look"})
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        return {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1] for p in partitions}
    finally:
        consumer.close()


def minutes(bootstrap: str, topic: str, start: dict[int, int]) -> tuple[Minutes, int]:
    """The upserts in a topic since `start` as a keyed table, and how many there were."""
    until = ends(bootstrap, topic)
    left = total = sum(until[p] - start.get(p, 0) for p in until)
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench-look", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, p, start.get(p, 0)) for p in until])
    newest: dict[tuple[bytes, int], tuple[int, dict[str, object]]] = {}
    schema = wire.raw_schema(topics.MINUTES)
    while left > 0:
        messages = consumer.consume(10_000, timeout=20)
        assert messages, f"{left} messages of {topic} did not come"
        left -= len(messages)
        for message in messages:
            record = wire.decode(topics.MINUTES, message.value(), lambda _: schema)
            key = message.key(), record["minute_s"]
            if key not in newest or record["version"] >= newest[key][0]:
                newest[key] = record["version"], record
    consumer.close()
    table: Minutes = {}
    for (name, minute_s), (version, record) in newest.items():
        for probe in record["probes"]:  # type: ignore[attr-defined]
            table[name.decode(), minute_s, probe["probe_id"]] = (*(probe[field] for field in _FIELDS), version)
    return table, total


def difference(found: Minutes, expected: Minutes) -> str | None:
    """Where two tables of minutes differ, in words; None when they are equal."""
    if found == expected:
        return None
    missing, extra = expected.keys() - found.keys(), found.keys() - expected.keys()
    other = [key for key in expected.keys() & found.keys() if found[key] != expected[key]]
    example = next(iter(other), None) or next(iter(missing), None) or next(iter(extra))
    return (
        f"{len(missing)} of {len(expected)} minutes missing, {len(extra)} too many, {len(other)} different; "
        f"{example}: {found.get(example)} came, expected {expected.get(example)}"
    )
