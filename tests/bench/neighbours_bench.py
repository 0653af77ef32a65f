"""How long a sensor waits for its 202 while others send the largest batches that are accepted, in one run with and without them.

    python -m tests.bench.neighbours_bench [BOOTSTRAP]

Server and client run in processes of their own, pinned to different cores. The batches are sent again and again by
several sensors at once: good ones, gzipped ones, and ones with a bad record, which take the exact and slow judge.
"""

import asyncio
import gzip
import json
import multiprocessing
import os
import statistics
import sys
import time
from typing import Any

import uvloop

from tests.bench import gateway_bench as gateway

NEIGHBOURS, SENDERS = 16, 2
PAUSE_S, SENDERS_PAUSE_S = 0.01, 0.1
ROUND_S = 4.0
ROUNDS = 3
PORT = 18791

Request = tuple[bytes, bytes]


def _request(path: str, body: bytes, *, gzipped: bool = False) -> bytes:
    encoding = b"Content-Encoding: gzip\r\n" if gzipped else b""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + encoding + b"\r\n" + body


def _batches() -> dict[str, list[bytes]]:
    """What each of the senders sends."""
    found: dict[str, list[bytes]] = {"quiet": [], "plain": [], "gzip": [], "one bad record": []}
    envelope = json.loads(gateway._batch_body())
    for k in range(NEIGHBOURS, NEIGHBOURS + SENDERS):
        own = envelope | {"sensor_id": gateway.sensor(k), "token": gateway.token(k)}
        good = json.dumps(own, separators=(",", ":")).encode()
        bad = json.dumps(own | {"records": [*own["records"][1:], {"timestamp": "no"}]}, separators=(",", ":")).encode()
        found["plain"].append(_request("/powermon/data/batch", good))
        found["gzip"].append(_request("/powermon/data/batch", gzip.compress(good), gzipped=True))
        found["one bad record"].append(_request("/powermon/data/batch", bad))
    return found


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 202"), head
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    await reader.readexactly(length)


async def _drive(kind: str, base_s: int) -> dict[str, Any]:
    over = False
    waits_s: list[float] = []
    sent = 0

    async def neighbour(k: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        head, tail = gateway._template(k)
        await asyncio.sleep(PAUSE_S * k / NEIGHBOURS)
        second = gateway.FIRST_S + base_s
        while not over:
            at = time.perf_counter()
            await _ask(reader, writer, b"%b%d%b" % (head, second, tail))
            waits_s.append(time.perf_counter() - at)
            second += 1
            await asyncio.sleep(PAUSE_S)
        writer.close()

    async def sender(request: bytes) -> None:
        nonlocal sent
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT, limit=1 << 22)
        while not over:
            await _ask(reader, writer, request)
            sent += 1
            await asyncio.sleep(SENDERS_PAUSE_S)
        writer.close()

    work = [neighbour(k) for k in range(NEIGHBOURS)] + [sender(request) for request in _batches()[kind]]
    tasks = [asyncio.create_task(one) for one in work]
    await asyncio.sleep(1)
    waits_s.clear()
    sent, began_s = 0, time.perf_counter()
    await asyncio.sleep(ROUND_S)
    over, batches_per_s, found_s = True, sent / (time.perf_counter() - began_s), sorted(waits_s)
    await asyncio.gather(*tasks)
    at = lambda share: round(found_s[int(len(found_s) * share)] * 1000, 2)  # noqa: E731 -- three times in one line
    return {"posts": len(found_s), "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(0.99999), "batches_per_s": batches_per_s}


def drive(kind: str, base_s: int, core: int, out: Any) -> None:
    os.sched_setaffinity(0, {core})
    out.send(uvloop.run(_drive(kind, base_s)))


def measure(bootstrap: str | None = None) -> dict[str, Any]:
    """Medians of interleaved rounds.

    Returns:
        by kind of batch: the neighbours' posts, their waits, batches per second; and the waits' ratio to the quiet ones'.
    """
    cores = sorted(os.sched_getaffinity(0))
    context = multiprocessing.get_context("spawn")
    rounds: dict[str, list[dict[str, Any]]] = {kind: [] for kind in _batches()}
    base_s = int(time.time()) % 10**7
    with gateway.broker(bootstrap) as address, gateway.server("gateway", PORT, address, cores[0]):
        for _ in range(ROUNDS):
            for kind, found in rounds.items():
                ours, theirs = context.Pipe()
                client = context.Process(target=drive, args=(kind, base_s, cores[-1], theirs))
                client.start()
                theirs.close()
                found.append(ours.recv())
                client.join()
                base_s += 10**5
    result: dict[str, Any] = {}
    for kind, found in rounds.items():
        result[kind] = {name: round(statistics.median(one[name] for one in found), 2) for name in found[0]}
        result[kind]["p99_ratio"] = round(result[kind]["p99_ms"] / result["quiet"]["p99_ms"], 2)
    return result


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1] if len(sys.argv) > 1 else None), indent=1))
