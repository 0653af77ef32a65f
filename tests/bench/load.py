"""Sensors for a measurement: each posts once a second over a connection of its own; costs little, keeps the truth.

python -m tests.bench.load PORT TOKENS SECONDS REPORT
"""

import asyncio
import json
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

VARIANTS = 211
SAMPLES = 20
TICK_S = 0.01
ANSWER_S = 20.0


def variant_of(sensor: int, timestamp_s: int) -> int:
    """Which of the VARIANTS a sensor measured in a second."""
    return (sensor * 31 + timestamp_s) % VARIANTS


def variants(seed: int = 7) -> list[list[dict[str, Any]]]:
    """The `data` of different posts."""
    rng = np.random.default_rng(seed)

    def probe(probe_id: int) -> dict[str, Any]:
        power = rng.lognormal(13.5, 1.2) * (1 + rng.normal(0, 0.01, SAMPLES))
        pf = np.clip(rng.normal(93, 3) + rng.normal(0, 1, SAMPLES), -100, 100)
        voltage = 220_000 + rng.normal(0, 2000) + rng.normal(0, 120, SAMPLES)
        values = {name: v.astype(int).tolist() for name, v in (("power", power), ("pf", pf), ("voltage", voltage))}
        return {"probe_id": probe_id, "probe_type": "CT", **values}

    return [[probe(k) for k in (1, 2, 3)] for _ in range(VARIANTS)]


class Sensor(asyncio.Protocol):
    """One sensor's connection. A second that is due while an answer is awaited waits for its turn.

    Attributes:
        due_at: by timestamp: monotonic time at which it should have been sent.
        answered_at: by timestamp: monotonic time of its 202.
        wrong: answers that were something else.
    """

    def __init__(self, index: int, name: str, token: str, data: list[bytes]) -> None:
        self.due_at: dict[int, float] = {}
        self.answered_at: dict[int, float] = {}
        self.wrong: list[str] = []
        self._index, self._data = index, data
        self._start = b'{"version":"221013","sensor_id":"%b","token":"%b","timestamp":' % (name.encode(), token.encode())
        self._waiting: deque[int] = deque()
        self._sent: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def connection_lost(self, _: Exception | None) -> None:
        if self._sent is not None:
            self.wrong.append("connection lost")

    def data_received(self, data: bytes) -> None:
        if self._sent is None or not data.startswith(b"HTTP/1.1 202"):
            self.wrong.append(data[:200].decode(errors="replace"))
        else:
            self.answered_at[self._sent] = time.monotonic()
        self._sent = None
        self._next()

    def measured(self, timestamp_s: int) -> None:
        """Send a second, or let it wait for the one before."""
        self.due_at[timestamp_s] = time.monotonic()
        self._waiting.append(timestamp_s)
        self._next()

    @property
    def busy(self) -> bool:
        return self._sent is not None

    def _next(self) -> None:
        if self._sent is not None or not self._waiting:
            return
        self._sent = self._waiting.popleft()
        body = b'%b%d,"data":%b}' % (self._start, self._sent, self._data[variant_of(self._index, self._sent)])
        head = b"POST /powermon/data HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(head % len(body) + body)


async def drive(port: int, tokens: dict[str, str], seconds: float) -> dict[str, Any]:
    """Let every sensor post each second, each at its own moment within it."""
    loop = asyncio.get_running_loop()
    data = [json.dumps(one, separators=(",", ":")).encode() for one in variants()]
    sensors: list[Sensor] = []
    for index, (name, token) in enumerate(tokens.items()):
        _, sensor = await loop.create_connection(lambda i=index, n=name, t=token: Sensor(i, n, t, data), "127.0.0.1", port)  # type: ignore[misc]
        sensors.append(sensor)
    begin, done, cpu = time.monotonic(), 0, time.process_time()
    # Sensor i posts at i/n of each second, the second that has just ended.
    offset_s = time.time() - begin
    while (now := time.monotonic()) < begin + seconds:
        due = int((now - begin) * len(sensors))
        for at in range(done, due):
            timestamp_s = int(begin + at / len(sensors) + offset_s) - 1
            sensors[at % len(sensors)].measured(timestamp_s)
        done = due
        await asyncio.sleep(TICK_S)
    deadline = time.monotonic() + ANSWER_S
    while any(sensor.busy for sensor in sensors) and time.monotonic() < deadline:  # noqa: ASYNC110 -- nobody else waits
        await asyncio.sleep(TICK_S)
    return {
        "wrong": [w for sensor in sensors for w in sensor.wrong][:5],
        "due_at": {name: sensor.due_at for name, sensor in zip(tokens, sensors, strict=True)},
        "answered_at": {name: sensor.answered_at for name, sensor in zip(tokens, sensors, strict=True)},
        "cpu_share": (time.process_time() - cpu) / seconds,
    }


if __name__ == "__main__":
    port, tokens, seconds, report = sys.argv[1:]
    found = uvloop.run(drive(int(port), json.loads(Path(tokens).read_text()), float(seconds)))
    Path(report).write_text(json.dumps(found))
