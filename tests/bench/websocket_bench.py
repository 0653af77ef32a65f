"""MeterValues a second over WebSockets beside bare aiohttp handlers of the same frames; and what idle WebSockets cost.

    python -m tests.bench.websocket_bench [BOOTSTRAP]

Each server runs alone on one core, the client on another, as in gateway_bench. The bare handler answers Accepted to the
id of each frame, for which it must read the JSON, and an echo sends back what came, which no sensor could use; both
judge nothing and store nothing. Each Accepted of the gateway is looked up in the topic afterwards. One frame of each
connection is in flight, then several.
"""

import asyncio
import contextlib
import json
import multiprocessing
import os
import resource
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import uvloop
from aiohttp import WSMsgType, web
from confluent_kafka import Consumer

from infra import logs
from infra.settings import Settings
from producers.gateway import app
from streams.catalog.commands import RegisterSensor
from streams.catalog.view import CatalogView
from tests.bench import gateway_bench
from tests.bench.gateway_bench import CONNECTIONS, FIRST_S, SAMPLE, FixedRegistry, sensor, token

ROUND_S = 4.0
WARM_S = 1.5
ROUNDS = 3
IN_FLIGHT = (1, 8)
IDLE = 5000
IDLE_MAX_MB = 300
PORT = 18791
ACCEPTED = b'"Accepted"}]'
_NAMES = {"probe_id": "probe", "probe_type": "probeType", "pf": "powerfactor"}


# ---- servers, each in its own process


def _same(text: str) -> str:
    return text


def _accepted(text: str) -> str:
    return f'[3,"{json.loads(text)[1]}",{{"status":"Accepted"}}]'


ANSWERS: dict[str, Callable[[str], str]] = {"echo": _same, "bare": _accepted}


async def _aiohttp(port: int, answer: Callable[[str], str]) -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                await ws.send_str(answer(message.data))
        return ws

    application = web.Application()
    application.router.add_get("/powermon/ws/{sensor}", handler)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=8192).start()


async def _gateway(port: int, bootstrap: str) -> None:
    settings = Settings(kafka_bootstrap=bootstrap, gateway_port=port, gateway_rate_per_s=1e6, gateway_burst=10**6)
    gateway = await app.start(settings, FixedRegistry())
    await gateway.ready(60)
    app.calm_collector()


async def enrol(bootstrap: str, count: int) -> None:
    """Register the sensors that are not known yet."""
    view = CatalogView(bootstrap, FixedRegistry())
    await view.ready(60)
    missing = [k for k in range(count) if sensor(k) not in view.state.sensors]
    for at in range(0, len(missing), 500):
        some = missing[at : at + 500]
        await asyncio.gather(*[view.submit(RegisterSensor(sensor_id=sensor(k), secret_sha256="0" * 64)) for k in some])
        await asyncio.gather(*[view.submit(gateway_bench._issue(k)) for k in some])
    await view.close()


def serve(kind: str, port: int, bootstrap: str, core: int) -> None:
    """A server process: says "ready", serves until SIGTERM."""
    os.sched_setaffinity(0, {core})
    logs.configure(Settings(log_level="WARNING"), kind)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 2 * IDLE + 500)), hard))

    async def main() -> None:
        await (_aiohttp(port, ANSWERS[kind]) if kind in ANSWERS else _gateway(port, bootstrap))
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        print("ready", flush=True)
        await stop.wait()

    uvloop.run(main())
    os._exit(0)


# ---- the client


def handshake(k: int) -> bytes:
    return (
        f"GET /powermon/ws/{sensor(k)} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer {token(k)}\r\n\r\n"
    ).encode()


def template() -> tuple[bytes, bytes, bytes]:
    """A masked frame in three pieces: before the id, between it and the timestamp, after. The mask is zeros."""
    data = json.loads(SAMPLE.read_bytes())["data"]
    sampled = [{_NAMES.get(name, name): value for name, value in probe.items()} for probe in data]
    payload = {"connectorId": 1, "transactionId": 1, "meterValue": [{"timestamp": FIRST_S, "sampledValue": sampled}]}
    text = json.dumps([2, "00000000", "MeterValues", payload], separators=(",", ":")).encode()
    head, rest = text.split(b"00000000", 1)
    between, tail = rest.split(str(FIRST_S).encode(), 1)
    return b"\x81\xfe" + len(text).to_bytes(2, "big") + bytes(4) + head, between, tail


class _Socket(asyncio.Protocol):
    """One sensor; `in_flight` frames wait for their answers at once."""

    def __init__(
        self, k: int, pieces: tuple[bytes, bytes, bytes], clock: gateway_bench.Clock, in_flight: int, echo: bool
    ) -> None:
        self.first_s = FIRST_S + clock.base
        self.sent = self.answered = 0
        self.wrong: list[bytes] = []
        self._k, self._pieces, self._clock, self._in_flight, self._echo = k, pieces, clock, in_flight, echo
        self._opened = False
        self._waiting: set[bytes] = set()
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._transport.write(handshake(self._k))

    def data_received(self, data: bytes) -> None:
        if not self._opened:
            if not data.startswith(b"HTTP/1.1 101"):
                self.wrong.append(data[:300])
            self._opened = True
            for _ in range(self._in_flight):
                self._send()
            return
        data = self._rest + data
        at = 0
        while len(data) - at >= 4:
            length, start = data[at + 1], at + 2
            if length == 126:
                length, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            if len(data) < start + length:
                break
            self._take(data[start : start + length])
            at = start + length
        self._rest = data[at:]

    def connection_lost(self, error: Exception | None) -> None:
        if not self._clock.over:
            self.wrong.append(f"connection lost: {error}".encode())

    def _take(self, text: bytes) -> None:
        frame_id = text[4:12]
        right = text.startswith(b"[2," if self._echo else b"[3,") and (self._echo or text.endswith(ACCEPTED))
        if not right or frame_id not in self._waiting:
            self.wrong.append(text[:200])
        self._waiting.discard(frame_id)
        self.answered += 1
        if not self._clock.over:
            self._send()
        elif not self._waiting:
            self._clock.done()

    def _send(self) -> None:
        head, between, tail = self._pieces
        frame_id = b"%08d" % self.sent
        self._waiting.add(frame_id)
        self._transport.write(b"%b%b%b%d%b" % (head, frame_id, between, self.first_s + self.sent, tail))
        self.sent += 1


async def _drive(port: int, base: int, in_flight: int, echo: bool) -> dict[str, Any]:
    clock, pieces = gateway_bench.Clock(base), template()
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda k=k: _Socket(k, pieces, clock, in_flight, echo), "127.0.0.1", port)  # type: ignore[misc]
        for k in range(CONNECTIONS)
    ]
    sockets = [socket for _, socket in made]
    await asyncio.sleep(WARM_S)
    before, started, cpu = sum(s.answered for s in sockets), time.perf_counter(), time.process_time()
    await asyncio.sleep(ROUND_S)
    rate = (sum(s.answered for s in sockets) - before) / (time.perf_counter() - started)
    busy = (time.process_time() - cpu) / ROUND_S
    clock.over = True
    await asyncio.wait_for(clock.finished.wait(), 20)
    for transport, _ in made:
        transport.close()
    return {
        "rate": rate,
        "answered": [s.answered for s in sockets],
        "wrong": [w.decode(errors="replace") for s in sockets for w in s.wrong][:3],
        "client_busy": busy,
    }


def drive(port: int, base: int, in_flight: int, echo: bool, core: int, out: Any) -> None:
    os.sched_setaffinity(0, {core})
    out.send(uvloop.run(_drive(port, base, in_flight, echo)))


# ---- the measurement


@contextlib.contextmanager
def server(kind: str, bootstrap: str, core: int) -> Iterator[int]:
    command = [sys.executable, "-m", "tests.bench.websocket_bench", "serve", kind, str(PORT), bootstrap, str(core)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline().strip() == "ready"
        yield process.pid
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def one_round(kind: str, bootstrap: str, base: int, in_flight: int, cores: tuple[int, int]) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    with server(kind, bootstrap, cores[0]) as pid:
        ours, theirs = context.Pipe()
        client = context.Process(target=drive, args=(PORT, base, in_flight, kind == "echo", cores[1], theirs))
        cpu_s = gateway_bench._cpu_s(pid)
        client.start()
        found: dict[str, Any] = ours.recv()
        found["cpu_us"] = (gateway_bench._cpu_s(pid) - cpu_s) / sum(found["answered"]) * 1e6
        client.join()
    assert not found["wrong"], found["wrong"]
    return found


def rss_mb(pid: int) -> float:
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


async def _idle(count: int, pid: int) -> tuple[float, int]:
    """Open WebSockets that say nothing; by how much the server grew, and how many answer a Heartbeat afterwards."""
    before_mb = rss_mb(pid)
    loop = asyncio.get_running_loop()
    open_ones: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    for k in range(count):
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT, limit=4096)
        writer.write(handshake(k))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        open_ones.append((reader, writer))
    grown_mb = rss_mb(pid) - before_mb
    text = b'[2,"h","Heartbeat",{}]'
    answers = 0
    for reader, writer in open_ones:
        writer.write(b"\x81" + bytes((0x80 | len(text),)) + bytes(4) + text)
        head = await reader.readexactly(2)
        answers += (await reader.readexactly(head[1])).startswith(b'[3,"h",{"currentTime"')
    for _, writer in open_ones:
        writer.close()
    assert loop.is_running()
    return grown_mb, answers


def idle(bootstrap: str, count: int = IDLE) -> dict[str, Any]:
    """What idle WebSockets cost the gateway process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, count + 500)), hard))
    try:
        with server("gateway", bootstrap, min(os.sched_getaffinity(0))) as pid:
            grown_mb, answers = uvloop.run(_idle(count, pid))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert answers == count, f"{answers} of {count} idle WebSockets answered a Heartbeat"
    return {"idle": count, "idle_mb": round(grown_mb, 1), "idle_kb_each": round(grown_mb * 1024 / count, 1)}


def measure(bootstrap: str | None = None) -> dict[str, Any]:
    """Medians of interleaved rounds, and the cost of idle ones."""
    available = sorted(os.sched_getaffinity(0))
    cores = available[0], available[-1]
    base = int(time.time()) % 10**7 + 2 * 10**7
    expected: set[tuple[str, int]] = set()
    result: dict[str, Any] = {}
    with gateway_bench.broker(bootstrap) as address:
        uvloop.run(enrol(address, IDLE))
        consumer = Consumer({"bootstrap.servers": address, "group.id": "bench-check"})
        start = gateway_bench._ends(consumer)
        consumer.close()
        for in_flight in IN_FLIGHT:
            rounds: dict[str, list[dict[str, Any]]] = {"echo": [], "bare": [], "gateway": []}
            for _ in range(ROUNDS):
                for kind, found in rounds.items():
                    one = one_round(kind, address, base, in_flight, cores)
                    if kind == "gateway":
                        expected |= {(sensor(k), FIRST_S + base + i) for k, n in enumerate(one["answered"]) for i in range(n)}
                    found.append(one)
                    base += 10**5
            result[f"in_flight_{in_flight}"] = _medians(rounds)
        result["frames checked in the topic"] = len(expected)
        result["messages stored"] = gateway_bench.check(address, start, expected)
        result |= idle(address)
    return result


def _medians(rounds: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    medians: dict[str, Any] = {}
    for kind, found in rounds.items():
        medians[f"{kind}_per_s"] = round(statistics.median(one["rate"] for one in found))
        medians[f"{kind}_cpu_us"] = round(statistics.median(one["cpu_us"] for one in found), 1)
        medians[f"{kind}_client_busy"] = round(statistics.median(one["client_busy"] for one in found), 2)
    for kind in ANSWERS:
        medians[f"{kind}_ratio"] = round(medians["gateway_per_s"] / medians[f"{kind}_per_s"], 3)
        medians[f"{kind}_ratio_per_cpu"] = round(medians[f"{kind}_cpu_us"] / medians["gateway_cpu_us"], 3)
    return medians


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
    else:
        print(json.dumps(measure(sys.argv[1] if len(sys.argv) > 1 else None), indent=1))
