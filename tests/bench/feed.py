"""A topic of readings to measure on, and what its minutes must hold.

What is expected is computed from plain lists and numpy, not by the product: a worker, or another engine that did the
same job, is right when its minutes equal these to the last integer.
"""

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from confluent_kafka import Producer

from schemas import topics, wire
from schemas.columns import Bools, Int64s
from tests.dated import keep_dates

SENSORS = 1_000
COPIES = 0.02
"""Share of the readings that are sent twice."""

COPY_AFTER_S = 30
"""A copy comes at most this much later: within the lateness bound, so that every engine has the same to do."""

T0 = 1_790_000_000 - 1_790_000_000 % 60
SENT_AFTER_MS = 40
POOL = 8_209
"""Different probe-seconds; a prime, so that sensors and seconds do not fall into step with it."""

UNITS = math.lcm(18, 19, 20, 21, 22)
NAMES = ("mask", "samples", "energy", "power_min", "power_max", "pf", "voltage", "voltage_min", "voltage_max", "version")

Minutes = dict[tuple[str, int, int], tuple[int, ...]]
"""By (sensor id, minute in seconds, probe id): the values of NAMES."""

Samples = tuple[list[int], list[int], list[int]]


@dataclass
class Feed:
    """What a topic holds, message by message in the order of sending: every array has shape (n,).

    Attributes:
        sensor: 0..SENSORS-1.
        second: of the reading, since T0.
        sent: second since T0 at which it was sent.
        copy: whether it is a retransmission.
        partition, offset: where it stands.
    """

    partitions: int
    sensor: Int64s
    second: Int64s
    sent: Int64s
    copy: Bools
    partition: Int64s
    offset: Int64s

    def __len__(self) -> int:
        return len(self.sensor)

    def expected(self, prefix: Mapping[int, int] | None = None) -> Minutes:
        """The minutes of a prefix of each partition.

        Args:
            prefix: how many messages of each partition count; None: all.
        """
        # Copies follow their original in the same partition and hold the same samples, so the originals are what counts.
        chosen = ~self.copy
        if prefix is not None:
            chosen &= self.offset < np.array([prefix.get(p, 0) for p in range(self.partitions)])[self.partition]
        at = np.flatnonzero(chosen)
        at = at[np.lexsort((self.second[at], self.sensor[at]))]
        sensor, minute = self.sensor[at], self.second[at] // 60
        edges = np.flatnonzero(np.r_[True, (np.diff(sensor) != 0) | (np.diff(minute) != 0)])
        bits = np.int64(1) << (self.second[at] % 60)
        found: Minutes = {}
        for probe in (1, 2, 3):
            rows = _row(sensor, self.second[at], probe)
            columns = [
                np.bitwise_or.reduceat(bits, edges),
                *(how.reduceat(values[rows], edges) for how, values in zip(_HOW, _FIGURES, strict=True)),
                np.maximum.reduceat(self.offset[at], edges),
            ]
            whose = zip(sensor[edges].tolist(), minute[edges].tolist(), strict=True)
            for (s, m), *values in zip(whose, *(column.tolist() for column in columns), strict=True):
                if probe in probes_of(s):
                    found[sensor_id(s), T0 + 60 * m, probe] = tuple(values)
        return found

    @cached_property
    def everything(self) -> Minutes:
        return self.expected()


def sensor_id(sensor: int) -> str:
    return f"bench{sensor:06d}"


def probes_of(sensor: int) -> tuple[int, ...]:
    """One sensor of fifty has lost a phase."""
    return (1, 2) if sensor % 50 == 7 else (1, 2, 3)


def plan(readings: int, partitions: int, seed: int = 11) -> Feed:
    """Every sensor once a second until there are so many readings, and copies on top."""
    rng = np.random.default_rng(seed)
    sensor, second = np.arange(readings) % SENSORS, np.arange(readings) // SENSORS
    again = np.flatnonzero(rng.random(readings) < COPIES)
    sent = np.concatenate((second, second[again] + rng.integers(1, COPY_AFTER_S, len(again))))
    copy = np.arange(len(sent)) >= readings
    order = np.argsort(sent, kind="stable")
    whose = np.concatenate((np.arange(readings), again))[order]
    sensor, second, sent, copy = sensor[whose], second[whose], sent[order], copy[order]
    home = np.array([zlib.crc32(sensor_id(s).encode()) % partitions for s in range(SENSORS)])
    partition, offset = home[sensor], np.zeros(len(sensor), np.int64)
    for p in range(partitions):
        mine = partition == p
        offset[mine] = np.arange(mine.sum())
    return Feed(partitions, sensor, second, sent, copy, partition, offset)


def fill(bootstrap: str, schema_id: int, feed: Feed) -> None:
    """Send a feed to `sensor.readings`, which must be empty, each message dated by its own second."""
    keep_dates(bootstrap, topics.READINGS)
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "linger.ms": 20,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 200_000,
        }
    )
    heads = [wire.reading_head(schema_id, sensor_id(s)) for s in range(SENSORS)]
    keys = [sensor_id(s).encode() for s in range(SENSORS)]
    probes = [probes_of(s) for s in range(SENSORS)]
    rows = [_row(feed.sensor, feed.second, probe).tolist() for probe in (1, 2, 3)]
    columns = (feed.sensor.tolist(), feed.second.tolist(), feed.sent.tolist(), feed.partition.tolist())
    for at, (s, second, sent, partition) in enumerate(zip(*columns, strict=True)):
        sent_ms = (T0 + sent) * 1000 + SENT_AFTER_MS
        parts = [(probe, "CT", *_POOL[rows[probe - 1][at]]) for probe in probes[s]]
        value = wire.encode_reading(heads[s], T0 + second, sent_ms - 5, "221013", wire.pack(parts))
        while True:
            try:
                producer.produce(topics.READINGS.name, value, keys[s], partition, timestamp=sent_ms)
                break
            except BufferError:
                producer.poll(0.05)
        if at % 1000 == 0:
            producer.poll(0)
    left = producer.flush(60)
    assert left == 0, f"{left} readings were not taken"


# ---- samples


def _make_pool(seed: int = 5) -> list[Samples]:
    """Loads from standby to a workshop, on a mains that wanders; now and then 19 or 21 samples, or one voltage."""
    rng = np.random.default_rng(seed)
    out: list[Samples] = []
    for _ in range(POOL):
        n = int(rng.choice([19, 20, 21], p=[0.004, 0.992, 0.004]))
        load_mw = rng.lognormal(13.5, 1.5) * rng.choice([1, -1], p=[0.95, 0.05])
        power = load_mw * (1 + rng.normal(0, 0.01, n)) + rng.normal(0, 300, n)
        voltage = 220_000 + rng.normal(0, 2_500) + rng.normal(0, 120, n)
        pf = np.clip(rng.normal(93, 4) + rng.normal(0, 1, n), -100, 100)
        if rng.random() < 0.05:
            voltage = np.sqrt(np.mean(voltage**2, keepdims=True))
        out.append((power.astype(int).tolist(), pf.astype(int).tolist(), voltage.astype(int).tolist()))
    return out


_POOL = _make_pool()
_HOW = (np.add, np.add, np.minimum, np.maximum, np.add, np.add, np.minimum, np.maximum)
_FIGURES = [
    np.array(values, np.int64)
    for values in zip(
        *(
            (
                len(power),
                sum(power) * UNITS // len(power),
                min(power),
                max(power),
                sum(pf) * UNITS // len(pf),
                sum(voltage) * UNITS // len(voltage),
                min(voltage),
                max(voltage),
            )
            for power, pf, voltage in _POOL
        ),
        strict=True,
    )
]


def _row(sensor: Int64s, second: Int64s, probe: int) -> Int64s:
    """Which of the pool a probe measured."""
    return (sensor * 7919 + second * 104_729 + probe * 2_741) % POOL
