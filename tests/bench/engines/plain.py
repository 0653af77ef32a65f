"""What each Python engine does with one message: decode, drop copies, fold into minutes, say what to publish.

The same job as the worker's, written as one would write it one message at a time: fastavro, a dict, integers.
"""

import io
import json
import resource
import struct
import sys
import time
from typing import Any

import fastavro

from schemas import topics, wire
from tests.bench.feed import UNITS

LATENESS_MS = 120_000
PUBLISH_S = 1.0
MARK = 500

_INTS = [struct.Struct(f"<{n}i").unpack for n in range(23)]
_BYTES = [struct.Struct(f"<{n}b").unpack for n in range(23)]
_READING = wire.parsed_schema(topics.READINGS)
_MINUTE = wire.parsed_schema(topics.MINUTES)
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

Messages = list[tuple[bytes, bytes]]


class _Minute:
    __slots__ = ("changed", "partition", "probes", "version")

    def __init__(self, partition: int) -> None:
        self.probes: dict[int, list[int]] = {}
        self.version, self.changed, self.partition = -1, False, partition


class Step:
    """The job and how far it is.

    Args:
        minutes_id: schema id of what is published.
        total: so many messages are taken; with the last one everything is published.
    """

    def __init__(self, minutes_id: int, total: int) -> None:
        self.total, self.count, self.late = total, 0, 0
        self.marks: list[tuple[float, float, int]] = []
        self.prefix: dict[int, int] = {}
        self._head = wire.header(minutes_id)
        self._open: dict[tuple[str, int], _Minute] = {}
        self._watermark_ms: dict[int, int] = {}
        self._publish_at_s = time.monotonic() + PUBLISH_S

    @property
    def done(self) -> bool:
        return self.count >= self.total

    def take(self, partition: int, offset: int, appended_ms: int, value: bytes) -> Messages:
        """Fold one message. Returns what is due to be published."""
        if self.done:
            return []
        self._fold(partition, offset, appended_ms, value)
        self.count += 1
        self.prefix[partition] = offset + 1
        if self.count == 1 or self.count % MARK == 0:
            self.marks.append((time.monotonic(), time.process_time(), self.count))
        if self.done or time.monotonic() >= self._publish_at_s:
            self._publish_at_s = time.monotonic() + PUBLISH_S
            return self._changed()
        return []

    def report(self) -> None:
        """Print how it went, for the one who started this process; call once everything is acknowledged."""
        found = {
            "marks": self.marks,
            "prefix": self.prefix,
            "late": self.late,
            "published_at": time.monotonic(),
            "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
        print(json.dumps(found), flush=True)

    def _fold(self, partition: int, offset: int, appended_ms: int, value: bytes) -> None:
        body = io.BytesIO(value)
        body.seek(wire.HEADER)
        reading: Any = fastavro.schemaless_reader(body, _READING, None)
        watermark_ms = self._watermark_ms[partition] = max(self._watermark_ms.get(partition, 0), appended_ms)
        second = reading["timestamp_s"]
        minute_s = second - second % 60
        if (minute_s + 60) * 1000 + LATENESS_MS <= watermark_ms:
            self.late += 1
            return
        key = reading["sensor_id"], minute_s
        minute = self._open.get(key)
        if minute is None:
            minute = self._open[key] = _Minute(partition)
        bit, counted = 1 << (second - minute_s), False
        for probe in reading["probes"]:
            counted |= _add(minute.probes, probe, bit)
        if counted:
            minute.version, minute.changed = offset, True

    def _changed(self) -> Messages:
        out: Messages = []
        for (sensor_id, minute_s), minute in list(self._open.items()):
            if minute.changed:
                out.append((sensor_id.encode(), self._encode(sensor_id, minute_s, minute)))
                minute.changed = False
            if (minute_s + 60) * 1000 + LATENESS_MS <= self._watermark_ms[minute.partition]:
                del self._open[sensor_id, minute_s]
        return out

    def _encode(self, sensor_id: str, minute_s: int, minute: _Minute) -> bytes:
        probes = [
            dict(zip(_FIELDS, values, strict=True), probe_id=probe_id) for probe_id, values in sorted(minute.probes.items())
        ]
        out = io.BytesIO()
        out.write(self._head)
        record = {"sensor_id": sensor_id, "minute_s": minute_s, "version": minute.version, "probes": probes}
        fastavro.schemaless_writer(out, _MINUTE, record)
        return out.getvalue()


def _add(probes: dict[int, list[int]], probe: dict[str, Any], bit: int) -> bool:
    """Count one probe-second unless it was counted before."""
    packed_power, packed_pf, packed_voltage = probe["power_mw"], probe["pf_pct"], probe["voltage_mv"]
    n, v = len(packed_power) // 4, len(packed_voltage) // 4
    power, pf, voltage = _INTS[n](packed_power), _BYTES[n](packed_pf), _INTS[v](packed_voltage)
    scale, v_scale = UNITS // n, UNITS // v
    values = probes.get(probe["probe_id"])
    if values is None:
        probes[probe["probe_id"]] = [
            bit,
            n,
            sum(power) * scale,
            min(power),
            max(power),
            sum(pf) * scale,
            sum(voltage) * v_scale,
            min(voltage),
            max(voltage),
        ]
        return True
    if values[0] & bit:
        return False
    values[0] |= bit
    values[1] += n
    values[2] += sum(power) * scale
    values[3] = min(values[3], min(power))  # noqa: PLW3301 -- nested is faster than unpacked
    values[4] = max(values[4], max(power))  # noqa: PLW3301
    values[5] += sum(pf) * scale
    values[6] += sum(voltage) * v_scale
    values[7] = min(values[7], min(voltage))  # noqa: PLW3301
    values[8] = max(values[8], max(voltage))  # noqa: PLW3301
    return True


def arguments() -> tuple[str, str, str, Step]:
    """Of an engine's process: BOOTSTRAP GROUP TOPIC-OUT MINUTES-ID TOTAL."""
    bootstrap, group, out, minutes_id, total = sys.argv[1:]
    return bootstrap, group, out, Step(int(minutes_id), int(total))
