"""The gateway's 202s per second beside a bare aiohttp handler that reads the same bodies, each server on one core.

    python -m tests.bench.gateway_bench [BOOTSTRAP]

Server, then client, run in processes of their own, pinned to different cores. The bare handler stores
nothing; each of the gateway's 202s is looked up in the topic afterwards.
"""

import asyncio
import contextlib
import gzip
import hashlib
import json
import multiprocessing
import os
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import web
from confluent_kafka import Consumer, KafkaException, TopicPartition

from infra import embedded, logs, topics
from infra.publish import Publisher
from infra.running import Running
from infra.settings import Settings
from producers.gateway import app, body, exact, media
from producers.gateway.handlers import BATCH_MAX
from producers.gateway.tokens import admit
from producers.gateway.verdict import Batch
from schemas import wire
from schemas.topics import ALL, READINGS, Topic
from streams.catalog.apply import fold
from streams.catalog.commands import IssueToken, RegisterSensor
from streams.catalog.envelope import seal
from streams.catalog.state import State
from streams.catalog.view import CatalogView

SAMPLE = Path(__file__).parents[1] / "golden" / "sensor_samples" / "valid_ct_voltage_list.json"
CONNECTIONS = 256
ROUND_S = 4.0
WARM_S = 1.5
ROUNDS = 3
FIRST_S = 1_700_000_000
BATCH_ROUNDS, BATCHES_AT_ONCE = 15, 10


class FixedRegistry:
    """Ids by position: the registry is not what is measured."""

    def id_of(self, topic: Topic) -> int:
        return 1 + ALL.index(topic)

    def schema_of(self, schema_id: int) -> dict[str, Any] | None:
        return wire.raw_schema(ALL[schema_id - 1]) if 0 < schema_id <= len(ALL) else None


def sensor(k: int) -> str:
    return f"bench{k:06d}"


def token(k: int) -> str:
    return "pm1_" + hashlib.sha256(b"bench%d" % k).hexdigest()


# ---- servers, each in its own process


async def _bare(port: int) -> None:
    async def handler(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=202)

    application = web.Application()
    application.router.add_post("/powermon/data", handler)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()


async def _gateway(port: int, bootstrap: str) -> None:
    settings = Settings(kafka_bootstrap=bootstrap, gateway_port=port, gateway_rate_per_s=1e6, gateway_burst=10**6)
    registry = FixedRegistry()
    view = CatalogView(bootstrap, registry)
    await view.ready(20)
    missing = [k for k in range(CONNECTIONS) if sensor(k) not in view.state.sensors]
    await asyncio.gather(*[view.submit(RegisterSensor(sensor_id=sensor(k), secret_sha256="0" * 64)) for k in missing])
    await asyncio.gather(*[view.submit(_issue(k)) for k in missing])
    await view.close()
    gateway = await app.start(settings, registry)
    await gateway.ready(20)
    app.calm_collector()
    app.share_interpreter()


def _issue(k: int) -> IssueToken:
    digest, end = hashlib.sha256(token(k).encode()).hexdigest(), 4_000_000_000_000
    return IssueToken(sensor_id=sensor(k), token_sha256=digest, issued_at_ms=0, expires_at_ms=end, refresh_at_ms=end)


def serve(kind: str, port: int, bootstrap: str, core: int) -> None:
    """A server process: says "ready", serves until SIGTERM, then says what it used."""
    os.sched_setaffinity(0, {core})
    logs.configure(Settings(log_level="WARNING"), kind)

    async def main() -> None:
        await (_bare(port) if kind == "bare" else _gateway(port, bootstrap))
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        print("ready", flush=True)
        await stop.wait()

    uvloop.run(main())
    os._exit(0)


# ---- the client


class _Connection(asyncio.Protocol):
    def __init__(self, k: int, template: tuple[bytes, bytes], until: "Clock") -> None:
        self.first_s = FIRST_S + until.base
        self.answered = 0
        self.wrong: list[bytes] = []
        self._head, self._tail, self._until = *template, until

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._post()

    def data_received(self, data: bytes) -> None:
        if data[:12] != b"HTTP/1.1 202":
            self.wrong.append(data[:300])
        else:
            self.answered += 1
        if not self._until.over:
            self._post()
        else:
            self._until.done()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._until.over:
            self.wrong.append(f"connection lost: {error}".encode())

    def _post(self) -> None:
        self._transport.write(b"%b%d%b" % (self._head, self.first_s + self.answered, self._tail))


class Clock:
    """When the round is over, and how many connections still wait for an answer."""

    def __init__(self, base: int) -> None:
        self.base, self.over = base, False
        self.left = CONNECTIONS
        self.finished = asyncio.Event()

    def done(self) -> None:
        self.left -= 1
        if not self.left:
            self.finished.set()


def _template(k: int) -> tuple[bytes, bytes]:
    post = json.loads(SAMPLE.read_bytes())
    body = json.dumps(post | {"sensor_id": sensor(k), "token": token(k), "timestamp": FIRST_S}, separators=(",", ":")).encode()
    before, after = body.split(str(FIRST_S).encode())
    head = b"POST /powermon/data HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + before, after


async def _drive(port: int, seconds: float, base: int) -> dict[str, Any]:
    clock = Clock(base)
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda k=k: _Connection(k, _template(k), clock), "127.0.0.1", port)  # type: ignore[misc]
        for k in range(CONNECTIONS)
    ]
    connections = [connection for _, connection in made]
    await asyncio.sleep(WARM_S)
    before, started = sum(c.answered for c in connections), time.perf_counter()
    cpu_before = time.process_time()
    await asyncio.sleep(seconds)
    rate = (sum(c.answered for c in connections) - before) / (time.perf_counter() - started)
    busy = (time.process_time() - cpu_before) / seconds
    clock.over = True
    await asyncio.wait_for(clock.finished.wait(), 20)
    for transport, _ in made:
        transport.close()
    return {
        "rate": rate,
        "answered": [c.answered for c in connections],
        "wrong": [w.decode(errors="replace") for c in connections for w in c.wrong][:3],
        "client_busy": busy,
    }


def drive(port: int, seconds: float, base: int, core: int, out: Any) -> None:
    os.sched_setaffinity(0, {core})
    out.send(uvloop.run(_drive(port, seconds, base)))


# ---- the measurement


@contextlib.contextmanager
def server(kind: str, port: int, bootstrap: str, core: int) -> Iterator[int]:
    command = [sys.executable, "-m", "tests.bench.gateway_bench", "serve", kind, str(port), bootstrap, str(core)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline().strip() == "ready"
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def one_round(kind: str, bootstrap: str, base: int, server_core: int, client_core: int) -> dict[str, Any]:
    port = 18790
    context = multiprocessing.get_context("spawn")
    with server(kind, port, bootstrap, server_core) as pid:
        ours, theirs = context.Pipe()
        client = context.Process(target=drive, args=(port, ROUND_S, base, client_core, theirs))
        cpu_before, at = _cpu_s(pid), time.perf_counter()
        client.start()
        found: dict[str, Any] = ours.recv()
        found["cpu_us"] = (_cpu_s(pid) - cpu_before) / sum(found["answered"]) * 1e6
        found["busy"] = (_cpu_s(pid) - cpu_before) / (time.perf_counter() - at)
        client.join()
    assert not found["wrong"], found["wrong"]
    return found


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def check(bootstrap: str, start: dict[int, int], expected: set[tuple[str, int]]) -> int:
    """Look every 202 up in the topic. Returns how many messages there are since `start`."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench-check", "enable.auto.commit": False})
    ends = _ends(consumer)
    consumer.assign([TopicPartition(READINGS.name, p, at) for p, at in start.items()])
    heads = {sensor(k): wire.reading_head(FixedRegistry().id_of(READINGS), sensor(k)) for k in range(CONNECTIONS)}
    sent = json.loads(SAMPLE.read_bytes())["data"]
    left = total = sum(ends[p] - start[p] for p in start)
    found: set[tuple[str, int]] = set()
    while left > 0:
        messages = consumer.consume(10_000, timeout=10)
        assert messages, f"{left} messages did not come"
        left -= len(messages)
        for message in messages:
            name, value = message.key().decode(), message.value()
            head = heads[name]
            assert value.startswith(head)
            found.add((name, _varint(value, len(head))))
        whole = wire.unpack_reading(wire.decode(READINGS, messages[0].value(), FixedRegistry().schema_of))
        assert [probe["power_mw"] for probe in whole["probes"]] == [probe["power"] for probe in sent]
    consumer.close()
    missing = expected - found
    assert not missing, f"{len(missing)} answers of 202 are not in the topic, as {next(iter(missing))}"
    return total


def _varint(value: bytes, at: int) -> int:
    zigzag = shift = 0
    while True:
        zigzag |= (value[at] & 0x7F) << shift
        if value[at] < 0x80:
            return zigzag >> 1
        at, shift = at + 1, shift + 7


def _ends(consumer: Consumer) -> dict[int, int]:
    partitions = consumer.list_topics(READINGS.name, timeout=10).topics[READINGS.name].partitions
    return {p: _end(consumer, p) for p in partitions}


def _end(consumer: Consumer, partition: int) -> int:
    deadline = time.monotonic() + 20
    while True:
        try:
            return int(consumer.get_watermark_offsets(TopicPartition(READINGS.name, partition), timeout=10)[1])
        except KafkaException:  # a topic just made has no leader yet
            if time.monotonic() > deadline:
                raise


@contextlib.contextmanager
def broker(bootstrap: str | None) -> Iterator[str]:
    """The broker given, or one started for the time of the measurement."""
    if bootstrap:
        yield bootstrap
        return
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=Path(folder), kafka_port=29392, kafka_controller_port=29393)
        running = Running(embedded.kafka(settings), settings.data / "logs")
        running.start()
        try:
            running.wait_ready()
            topics.make(settings)
            yield settings.kafka
        finally:
            running.stop()


def measure(bootstrap: str | None = None) -> dict[str, Any]:
    """Medians of interleaved rounds.

    Returns:
        bare and gateway answers per second, their ratio, and the same per second of the server's CPU.
    """
    cores = sorted(os.sched_getaffinity(0))
    base = int(time.time()) % 10**7
    rounds: dict[str, list[dict[str, Any]]] = {"bare": [], "gateway": []}
    expected: set[tuple[str, int]] = set()
    with broker(bootstrap) as address:
        consumer = Consumer({"bootstrap.servers": address, "group.id": "bench-check"})
        start = _ends(consumer)
        consumer.close()
        for _ in range(ROUNDS):
            for kind, found in rounds.items():
                one = one_round(kind, address, base, cores[0], cores[-1])
                if kind == "gateway":
                    expected |= {(sensor(k), FIRST_S + base + i) for k, n in enumerate(one["answered"]) for i in range(n)}
                found.append(one)
                base += 10**5
        stored = check(address, start, expected)
    result: dict[str, Any] = {"202s checked in the topic": len(expected), "messages stored": stored}
    for kind, found in rounds.items():
        result[f"{kind}_per_s"] = round(statistics.median(one["rate"] for one in found))
        result[f"{kind}_cpu_us"] = round(statistics.median(one["cpu_us"] for one in found), 1)
        result[f"{kind}_busy"] = round(statistics.median(one["busy"] for one in found), 2)
        result[f"{kind}_client_busy"] = round(statistics.median(one["client_busy"] for one in found), 2)
    result["ratio"] = round(result["gateway_per_s"] / result["bare_per_s"], 3)
    result["ratio_per_cpu"] = round(result["bare_cpu_us"] / result["gateway_cpu_us"], 3)
    result["own_memory_mb"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    return result


# ---- batches of stored seconds


def measure_batches(bootstrap: str | None = None) -> dict[str, Any]:
    """What the gateway does with batches of 600 realistic seconds, in a process pinned to one core.

    Returns:
        stored seconds per second, plain and gzipped: from the bytes of a body until the log has all of it.
    """
    with broker(bootstrap) as address:
        found = subprocess.run(
            [sys.executable, "-m", "tests.bench.gateway_bench", "batches", address], capture_output=True, text=True, check=True
        )
    result: dict[str, Any] = json.loads(found.stdout)
    return result


def _batch_body() -> bytes:
    post = json.loads(SAMPLE.read_bytes())
    rng = random.Random(7)

    def probe(one: dict[str, Any]) -> dict[str, Any]:
        n, load = len(one["power"]), rng.randrange(50_000, 6_000_000)
        power = [load + rng.randrange(-2_000, 2_000) for _ in range(n)]
        pf, voltage = [rng.randrange(90, 100) for _ in range(n)], [rng.randrange(229_000, 231_000) for _ in range(n)]
        return one | {"power": power, "pf": pf, "voltage": voltage}

    records = [{"timestamp": FIRST_S + k, "data": [probe(one) for one in post["data"]]} for k in range(exact.RECORDS_MAX)]
    envelope = {"version": "221013", "sensor_id": sensor(0), "token": token(0), "records": records}
    return json.dumps(envelope, separators=(",", ":")).encode()


async def _batches(bootstrap: str) -> dict[str, Any]:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    state, now_ms = State(), time.time_ns() // 1_000_000
    for k, command in enumerate((RegisterSensor(sensor_id=sensor(0), secret_sha256="0" * 64), _issue(0))):
        fold(state, seal(command, command_id=str(k), at_ms=now_ms, actor="bench"))
    publisher = Publisher(bootstrap)
    head = wire.reading_head(FixedRegistry().id_of(READINGS), sensor(0))
    key, plain = sensor(0).encode(), _batch_body()
    packed = gzip.compress(plain)
    result: dict[str, Any] = {"plain_kb": len(plain) // 1000, "gzip_kb": len(packed) // 1000}

    async def one(body_: bytes, gzipped: bool) -> None:
        raw = media.gunzip(body_, BATCH_MAX) if gzipped else body_
        assert isinstance(raw, bytes)
        verdict = body.judge_batch(raw, partial(admit, state), None, now_ms)
        assert isinstance(verdict, Batch)
        assert len(verdict.readings) == exact.RECORDS_MAX
        await publisher.send_all(
            READINGS.name,
            [(key, wire.encode_reading(head, r.timestamp_s, now_ms, "221013", r.packed)) for r in verdict.readings],
        )

    app.calm_collector()
    for name, raw, gzipped in (("plain", plain, False), ("gzip", packed, True)):
        await one(raw, gzipped)
        rates, costs = [], []
        for _ in range(BATCH_ROUNDS):
            began_s, cpu_s = time.perf_counter(), time.process_time()
            await asyncio.gather(*[one(raw, gzipped) for _ in range(BATCHES_AT_ONCE)])
            stored = BATCHES_AT_ONCE * exact.RECORDS_MAX
            rates.append(stored / (time.perf_counter() - began_s))
            costs.append((time.process_time() - cpu_s) / stored * 1e6)
        result[f"{name}_per_s"] = round(statistics.median(rates))
        result[f"{name}_cpu_us"] = round(statistics.median(costs), 1)
    assert await publisher.close() == 0
    return result


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
    elif sys.argv[1:2] == ["batches"]:
        print(json.dumps(uvloop.run(_batches(sys.argv[2]))))
    else:
        print(json.dumps(measure(sys.argv[1] if len(sys.argv) > 1 else None), indent=1))
