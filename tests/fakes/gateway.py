"""A gateway in memory that follows the sensor contract, and misbehaves on request."""

import gzip
import json
import re
import time
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.fakes import provisioning

SENSOR_ID = re.compile(r"[a-z]{1,58}[0-9]{6}")
BATCH_BYTES, BATCH_RECORDS, POST_BYTES = 2 * 1024 * 1024, 600, 65_536
DEPTH = 32


@dataclass(frozen=True)
class Trouble:
    """What happens to one request instead of a plain answer.

    Attributes:
        status: to answer with; 0 closes the connection without an answer.
        taken: whether the seconds go into the log all the same (a lost reply).
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    taken: bool = False
    code: str = "unavailable"


@dataclass(frozen=True)
class Refusal(Exception):
    status: int
    code: str
    detail: str = ""
    rejected: list[dict[str, Any]] | None = None


class FakeGateway:
    """Serves on a free port of 127.0.0.1.

    Attributes:
        secrets: by sensor id.
        tokens: sensor id by live token.
        log: every accepted (sensor_id, timestamp, record), copies included, in the order they came.
        requests: (path, number of seconds) of every request.
        troubles: for the next requests, one each; then all is well again.
        trouble_for: decides for a request (by its number from 0) once `troubles` is empty.
    """

    def __init__(self, now_s: int | None = None) -> None:
        self.secrets: dict[str, str] = {}
        self.tokens: dict[str, str] = {}
        self.issued = 0
        self.disabled: set[str] = set()
        self.log: list[tuple[str, int, dict[str, Any]]] = []
        self.requests: list[tuple[str, int]] = []
        self.troubles: deque[Trouble] = deque()
        self.trouble_for: Callable[[int], Trouble | None] = lambda _: None
        self.url = ""
        self.batch_bytes = BATCH_BYTES
        self._fixed_now_s = now_s
        self._runner: web.AppRunner | None = None

    @property
    def _now_s(self) -> int:
        return int(time.time()) if self._fixed_now_s is None else self._fixed_now_s

    def issue(self, sensor_id: str) -> str:
        self.issued += 1
        token = f"pm1_{sensor_id}_{self.issued}"
        self.tokens[token] = sensor_id
        return token

    def seconds(self) -> dict[str, list[int]]:
        """Distinct seconds by sensor."""
        found: dict[str, set[int]] = {}
        for sensor_id, timestamp, _ in self.log:
            found.setdefault(sensor_id, set()).add(timestamp)
        return {k: sorted(v) for k, v in sorted(found.items())}

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024 * 1024, handler_args={"auto_decompress": False})
        app.add_routes([web.post("/powermon/data", self._one), web.post("/powermon/data/batch", self._batch)])
        app.add_routes([web.get("/healthz", self._health), *provisioning.routes(self)])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _one(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, POST_BYTES, self._judge_one)

    async def _batch(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, self.batch_bytes, self._judge_batch)

    async def _answer(
        self, request: web.Request, limit: int, judge: Callable[[dict[str, Any], str], tuple[str, list[Any], dict[str, Any]]]
    ) -> web.StreamResponse:
        number = len(self.requests)
        self.requests.append((request.path, 0))
        raw = await request.read()
        trouble = self.troubles.popleft() if self.troubles else self.trouble_for(number)
        try:
            if request.headers.get("Content-Encoding") == "gzip":
                try:
                    raw = gzip.decompress(raw)
                except (OSError, EOFError, zlib.error):
                    raise Refusal(400, "bad_gzip") from None
            if len(raw) > limit:
                raise Refusal(413, "body_too_large")
            body = _parse(raw)
            sensor_id = body.get("sensor_id")
            if not isinstance(sensor_id, str) or not SENSOR_ID.fullmatch(sensor_id.lower()):
                raise Refusal(422, "bad_sensor_id" if "sensor_id" in body else "missing_field")
            sensor_id = sensor_id.lower()
            self._check_token(sensor_id, body.get("token"), request.headers.get("Authorization"))
            _, records, reply = judge(body, sensor_id)
            self.requests[number] = (request.path, len(records))
            if trouble is None or trouble.taken:
                self.log += [(sensor_id, r["timestamp"], r) for r in records]
        except Refusal as refusal:
            if trouble is None:
                problem = {"status": refusal.status, "code": refusal.code, "detail": refusal.detail, "retry": False}
                if refusal.rejected is not None:
                    problem |= {"accepted": 0, "rejected": refusal.rejected}
                return web.json_response(problem, status=refusal.status, content_type="application/problem+json")
        if trouble is not None:
            if trouble.status == 0:
                assert request.transport is not None
                request.transport.close()
            return web.json_response(
                {"status": trouble.status, "code": trouble.code}, status=trouble.status or 500, headers=trouble.headers
            )
        return web.json_response(reply, status=202)

    def _check_token(self, sensor_id: str, in_body: Any, header: str | None) -> None:
        in_header = header.removeprefix("Bearer ") if header else None
        token = in_body if in_body is not None else in_header
        if token is None:
            raise Refusal(401, "token_missing")
        if not isinstance(token, str) or token not in self.tokens or (in_header is not None and in_header != token):
            raise Refusal(401, "token_invalid")
        if self.tokens[token] != sensor_id:
            raise Refusal(403, "token_sensor_mismatch")
        if sensor_id in self.disabled:
            raise Refusal(403, "sensor_disabled")

    def _judge_one(self, body: dict[str, Any], sensor_id: str) -> tuple[str, list[Any], dict[str, Any]]:
        _version(body)
        self._record(body)
        return sensor_id, [body], {"status": "accepted", "timestamp": body["timestamp"], "server_time": self._now_s}

    def _judge_batch(self, body: dict[str, Any], sensor_id: str) -> tuple[str, list[Any], dict[str, Any]]:
        _version(body)
        records = body.get("records")
        if not isinstance(records, list):
            raise Refusal(422, "missing_field" if records is None else "wrong_type")
        if not 1 <= len(records) <= BATCH_RECORDS:
            raise Refusal(413, "body_too_large")
        good, rejected = [], []
        for index, record in enumerate(records):
            try:
                self._record(record)
                good.append(record)
            except Refusal as refusal:
                rejected.append({"index": index, "timestamp": record.get("timestamp"), "code": refusal.code})
        if not good:
            raise Refusal(422, "none_accepted", rejected=rejected)
        return sensor_id, good, {"accepted": len(good), "rejected": rejected}

    def _record(self, record: dict[str, Any]) -> None:
        timestamp = record.get("timestamp")
        if timestamp is None:
            raise Refusal(422, "missing_field")
        if type(timestamp) is not int:
            raise Refusal(422, "wrong_type")
        if not 1_577_836_800 <= timestamp <= self._now_s + 300:
            raise Refusal(422, "timestamp_future" if timestamp > self._now_s else "timestamp_too_old")
        probes = record.get("data")
        if not isinstance(probes, list):
            raise Refusal(422, "missing_field" if probes is None else "wrong_type")
        if not 1 <= len(probes) <= 3:
            raise Refusal(422, "bad_probe_count")
        for probe in probes:
            _probe(probe)


def _version(body: dict[str, Any]) -> None:
    if "version" not in body:
        raise Refusal(422, "missing_field")
    if not isinstance(body["version"], str) or not re.fullmatch(r"[0-9]{6}", body["version"]):
        raise Refusal(422, "bad_version")


def _probe(probe: dict[str, Any]) -> None:
    if probe["probe_id"] not in (1, 2, 3):
        raise Refusal(422, "bad_probe_id")
    if probe["probe_type"] not in ("CT", "rogow_coil"):
        raise Refusal(422, "bad_probe_type")
    n = len(probe["power"])
    voltage = probe["voltage"] if isinstance(probe["voltage"], list) else [probe["voltage"]] * n
    if not 18 <= n <= 22 or len(probe["pf"]) != n or len(voltage) != n:
        raise Refusal(422, "sample_count")
    for values, least, most in ((probe["power"], -2 * 10**9, 2 * 10**9), (probe["pf"], -100, 100), (voltage, 0, 10**6)):
        if not all(type(v) is int for v in values):
            raise Refusal(422, "wrong_type")
        if not all(least <= v <= most for v in values):
            raise Refusal(422, "out_of_range")


def _parse(raw: bytes) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({k for k, _ in pairs}) < len(pairs):
            raise Refusal(400, "duplicate_key")
        return dict(pairs)

    def constant(name: str) -> Any:
        raise Refusal(400, "bad_json", name)

    try:
        body = json.loads(raw.decode(), object_pairs_hook=once, parse_constant=constant)
    except UnicodeDecodeError:
        raise Refusal(400, "bad_encoding") from None
    except (ValueError, RecursionError):
        raise Refusal(400, "bad_json") from None
    if _depth(body) > DEPTH:
        raise Refusal(400, "too_deep")
    if not isinstance(body, dict):
        raise Refusal(422, "not_an_object")
    return body


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max((_depth(v) for v in inner if isinstance(v, dict | list)), default=0) if isinstance(value, dict | list) else 0
