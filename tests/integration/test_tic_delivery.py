"""Frames from the spool to the log: through a real broker, through a real gateway, and past a gateway in every mood."""

import asyncio
import contextlib
import gzip
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web
from confluent_kafka import Consumer, TopicPartition

from infra.errors import ConfigurationError
from infra.settings import Settings
from producers.gateway import app
from producers.tic import delivery_https
from producers.tic.delivery import deliver
from producers.tic.spool import Entry, Spool
from schemas import topics
from schemas.registry import Registry
from schemas.tic_frame import TicFrame, decode_frame
from streams.catalog.commands import RegisterSensor
from streams.catalog.tokens import hash_of
from streams.catalog.view import CatalogView
from tests.spooling import BIG, counters, frames

METER = "992562000017"
SECRET = "pms_of-the-meter"


@pytest.fixture
def spool(tmp_path: Path) -> Any:
    made = Spool(tmp_path / "spool.sqlite", BIG)
    yield made
    made.close()


@pytest.fixture
def secret_file(tmp_path: Path) -> str:
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    path.chmod(0o600)
    return str(path)


@contextlib.asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        ended = task.done()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert not ended


async def until(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline_s, f"not in time: {what}"
        await asyncio.sleep(0.02)


def in_log(bootstrap: str, registry: Registry, boot_id: str) -> list[TicFrame]:
    """Frames of one test in the topic."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "enable.auto.commit": False})
    name = topics.TIC_FRAMES.name
    partitions = consumer.list_topics(name, timeout=10).topics[name].partitions
    left = sum(consumer.get_watermark_offsets(TopicPartition(name, p), timeout=10)[1] for p in partitions)
    consumer.assign([TopicPartition(name, p, 0) for p in partitions])
    found = []
    while left:
        for message in consumer.consume(left, timeout=10):
            assert message.error() is None
            left -= 1
            with contextlib.suppress(Exception):  # other tests write noise
                frame = decode_frame(message.value(), registry.schema_of)
                assert message.key() == frame.meter_id.encode()
                found.append(frame)
    consumer.close()
    return [frame for frame in found if frame.boot_id == boot_id]


def of_boot(boot_id: str, first: int, count: int) -> list[TicFrame]:
    from dataclasses import replace

    return [replace(frame, boot_id=boot_id) for frame in frames(first, count)]


async def test_to_kafka_in_order_and_nothing_stays(
    kafka: str, registry: str, spool: Spool, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings(kafka_bootstrap=kafka, registry_url=registry)
    known = Registry(settings.registry, settings.schema_cache)
    spool.put(of_boot("to-kafka", 0, 1200))
    async with running(deliver(settings, spool)):
        await until(lambda: not spool.depth().frames, "what was there is delivered")
        spool.put(of_boot("to-kafka", 1200, 5))
        await until(lambda: not spool.depth().frames, "a put wakes the delivery")
    assert in_log(kafka, known, "to-kafka") == of_boot("to-kafka", 0, 1205)


async def test_kafka_is_away_and_frames_wait(spool: Spool, make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(kafka_bootstrap="127.0.0.1:9", registry_url="http://127.0.0.1:9")
    spool.put(frames(0, 5))
    async with running(deliver(settings, spool)):
        from producers.tic.delivery import FAILED

        before = FAILED._value.get()
        await until(lambda: FAILED._value.get() > before, "an attempt fails")
    assert counters(spool.oldest(9)) == [0, 1, 2, 3, 4]


async def test_through_the_gateway_and_who_may(
    kafka: str, registry: str, spool: Spool, secret_file: str, make_settings: Callable[..., Settings]
) -> None:
    """The gateway comes later, the meter is registered later still; then every frame is in the log once, in order."""
    settings = make_settings(kafka_bootstrap=kafka, registry_url=registry, tic_delivery="https", tic_secret_file=secret_file)
    known = Registry(settings.registry, settings.schema_cache)
    spool.put(of_boot("to-gateway", 0, 700))
    async with running(deliver(settings, spool)):
        gateway = await app.start(settings)
        try:
            await gateway.ready(20)
            view = CatalogView(kafka, known)
            await view.ready(20)
            await view.submit(RegisterSensor(sensor_id=METER, kind="linky", secret_sha256=hash_of(SECRET)))
            await view.close()
            await until(lambda: not spool.depth().frames, "the gateway takes the frames")
        finally:
            await gateway.stop()
    assert in_log(kafka, known, "to-gateway") == of_boot("to-gateway", 0, 700)


class Moody:
    """A gateway that answers as it is told, then as it should.

    Attributes:
        taken: frames it accepted, by counter.
        asked: doors that were asked, in order.
    """

    def __init__(self, *moods: tuple[int, dict[str, Any], dict[str, str]], most: int = 10_000) -> None:
        self.moods, self.most = list(moods), most
        self.taken: list[int] = []
        self.asked: list[str] = []
        self.sizes: list[int] = []

    async def token(self, request: web.Request) -> web.Response:
        self.asked.append(request.path.rpartition("/")[2])
        asked = await request.json()
        assert asked["sensor_id"] == METER
        assert asked.get("secret") == SECRET or request.headers["Authorization"].startswith("Bearer t")
        return web.json_response(
            {"token": f"t{len(self.asked)}", "token_type": "Bearer", "refresh_after": 9e9, "expires_in": 9e9}
        )

    async def frames(self, request: web.Request) -> web.Response:
        self.asked.append("tic")
        assert request.headers["Content-Encoding"] == "gzip"
        came = [frame["counter"] for frame in (await request.json())["frames"]]
        self.sizes.append(len(came))
        if self.moods:
            status, body, headers = self.moods.pop(0)
            if status == 413:
                self.moods.insert(0, (status, body, headers))
                if len(came) <= self.most:
                    self.moods.clear()
                    self.taken += came
                    return web.json_response({"accepted": len(came), "rejected": []}, status=202)
            elif status in (202, 422):
                refused = {one["index"] for one in body["rejected"]}
                self.taken += [counter for index, counter in enumerate(came) if index not in refused]
            return web.json_response(body, status=status, headers=headers)
        self.taken += came
        return web.json_response({"accepted": len(came), "rejected": []}, status=202)

    @contextlib.asynccontextmanager
    async def open(self, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
        site = web.Application()
        site.add_routes([web.post("/powermon/boot", self.token), web.post("/powermon/token", self.token)])
        site.add_routes([web.post("/powermon/tic", self.frames)])
        runner = web.AppRunner(site, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield f"http{'s' if context else ''}://127.0.0.1:{runner.addresses[0][1]}"
        await runner.cleanup()


def problem(status: int, code: str, **headers: str) -> tuple[int, dict[str, Any], dict[str, str]]:
    return status, {"status": status, "code": code, "detail": "so", "field": None, "retry": True}, headers


REJECTS = {"accepted": 29, "rejected": [{"index": 3, "code": "out_of_range", "field": "counter", "detail": "no"}]}


@pytest.mark.parametrize(
    ("moods", "most", "taken", "asked"),
    [
        pytest.param([], 500, range(30), ["boot", "tic"], id="all well"),
        pytest.param([problem(401, "token_expired")], 500, range(30), ["boot", "tic", "token", "tic"], id="an old token"),
        pytest.param(
            [problem(429, "rate_limited", **{"Retry-After": "0"})], 500, range(30), ["boot", "tic", "tic"], id="too often"
        ),
        pytest.param(
            [problem(503, "unavailable", **{"Retry-After": "0"})] * 3, 500, range(30), ["boot", *["tic"] * 4], id="busy"
        ),
        pytest.param([problem(413, "body_too_large")], 8, range(30), None, id="too large: halves"),
        pytest.param([(202, REJECTS, {})], 500, [*range(3), *range(4, 30)], ["boot", "tic"], id="one refused for good"),
        pytest.param(
            [(202, {"accepted": 30, "rejected": [], "refresh_token": True}, {})],
            500,
            range(30),
            ["boot", "tic"],
            id="refresh soon",
        ),
    ],
)
async def test_every_answer_of_a_gateway(
    moods: list[Any],
    most: int,
    taken: Any,
    asked: list[str] | None,
    spool: Spool,
    secret_file: str,
    make_settings: Callable[..., Settings],
) -> None:
    moody = Moody(*moods, most=most)
    spool.put(frames(0, 30))
    async with moody.open() as url:
        settings = make_settings(gateway_url=url, tic_delivery="https", tic_secret_file=secret_file)
        async with running(deliver(settings, spool)):
            await until(lambda: not spool.depth().frames, "all are settled")
    assert moody.taken == list(taken)
    if asked is not None:
        assert moody.asked == asked


async def test_one_frame_that_spoils_its_batch_is_found_and_left_out(
    spool: Spool, secret_file: str, make_settings: Callable[..., Settings]
) -> None:
    class Fussy(Moody):
        async def frames(self, request: web.Request) -> web.Response:
            came = [frame["counter"] for frame in (await request.json())["frames"]]
            if 17 in came:
                status, body, _ = problem(400, "bad_json")
                return web.json_response(body, status=status)
            return await super().frames(request)

    moody = Fussy()
    spool.put(frames(0, 30))
    async with moody.open() as url:
        settings = make_settings(gateway_url=url, tic_delivery="https", tic_secret_file=secret_file)
        async with running(deliver(settings, spool)):
            await until(lambda: not spool.depth().frames, "all are settled")
    assert moody.taken == [*range(17), *range(18, 30)]


async def test_what_is_no_gateway_makes_nobody_forget(
    spool: Spool, secret_file: str, make_settings: Callable[..., Settings]
) -> None:
    """A portal that answers 200, 202 or 422 with a page of its own has taken nothing."""
    moody = Moody((202, {"welcome": 1}, {}), (422, {"welcome": 1}, {}), (200, {}, {}))
    moody.moods = [(status, {"rejected": [], **body}, headers) for status, body, headers in moody.moods]
    spool.put(frames(0, 3))
    async with moody.open() as url:
        settings = make_settings(gateway_url=url, tic_delivery="https", tic_secret_file=secret_file)
        way = delivery_https.HttpsWay(settings)
        for _ in range(3):
            with pytest.raises(delivery_https.Away):
                await way.send(spool.oldest(9))
        assert await way.send(spool.oldest(9)) == 3
        await way.close()


async def test_tls_is_checked_against_the_file_that_is_named(
    spool: Spool, secret_file: str, tmp_path: Path, make_settings: Callable[..., Settings]
) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    spool.put(frames(0, 3))
    moody = Moody()
    async with moody.open(context) as url:
        common = {"gateway_url": url, "tic_delivery": "https", "tic_secret_file": secret_file}
        for trusted in (None, stranger):
            file = tmp_path / "other.pem"
            stranger.cert_pem.write_to_path(str(file))
            way = delivery_https.HttpsWay(make_settings(**common, gateway_ca_file=str(file) if trusted else ""))
            with pytest.raises(delivery_https.Away, match="is not trusted"):
                await way.send(spool.oldest(9))
            await way.close()
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        way = delivery_https.HttpsWay(make_settings(**common, gateway_ca_file=str(tmp_path / "ca.pem")))
        assert await way.send(spool.oldest(9)) == 3
        await way.close()
    assert moody.taken == [0, 1, 2]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        pytest.param({"tic_secret_file": ""}, "POWERMON_TIC_SECRET_FILE", id="no secret"),
        pytest.param({"tic_secret_file": "/nowhere"}, "cannot be read", id="no such file"),
        pytest.param({"gateway_url": "http://gateway.example"}, "expected https://", id="no TLS over a network"),
        pytest.param(
            {"gateway_url": "https://gateway.example", "gateway_ca_file": "/nowhere"}, "no certificates", id="no CA file"
        ),
    ],
)
def test_wrong_settings_are_told(
    values: dict[str, str], says: str, secret_file: str, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings(**{"tic_delivery": "https", "tic_secret_file": secret_file, **values})
    with pytest.raises(ConfigurationError, match=says):
        delivery_https.HttpsWay(settings)


def test_a_secret_that_others_can_read_is_refused(secret_file: str, make_settings: Callable[..., Settings]) -> None:
    Path(secret_file).chmod(0o644)
    with pytest.raises(ConfigurationError, match="mode 0644"):
        delivery_https.HttpsWay(make_settings(tic_delivery="https", tic_secret_file=secret_file))


def test_the_body_is_frames_in_the_shape_of_the_schema() -> None:
    entries = [Entry(1, frame.body(), METER) for frame in frames(0, 7)]
    plain = gzip.decompress(delivery_https.body_of(entries))
    assert [frame["counter"] for frame in json.loads(plain)["frames"]] == list(range(7))
