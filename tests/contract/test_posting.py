"""`simulate` and `ingest` against the fake gateway and the real one: the same promises hold on both."""

import asyncio
import contextlib
import gzip
import io
import itertools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from infra.errors import TokenRefused
from infra.fleet_secrets import fleet_rights
from infra.operator_tokens import operator_tokens
from infra.settings import Settings
from producers.gateway import app
from producers.ingest.files import BrokenFile, chunks
from producers.ingest.report import Report
from producers.ingest.run import GatewayUnreachable, Ingest
from producers.simulate import faults
from producers.simulate.fleet import Body, fleet, second
from producers.simulate.plan import Plan
from producers.simulate.run import Simulation
from schemas import topics, wire
from schemas.registry import Registry
from tests.fakes.gateway import FakeGateway, Trouble

GOLDEN = Path(__file__).parent.parent / "golden" / "sensor_hour"
START_S = 1_772_442_000
_prefixes = (f"post{a}{b}" for a, b in itertools.product("abcdefghij", repeat=2))


class Door:
    """A gateway under test.

    Attributes:
        url: where it listens.
        tokens: gives a token for a sensor id.
        secrets: gives the secrets of sensor ids; without, simulated sensors get theirs from `tokens`.
        posted: every (sensor_id, timestamp, power of the first probe) in its log, in the order of the log.
        prefix: letters for sensor ids that nobody else uses.
    """

    def __init__(
        self, url: str, tokens: Callable[[str], Awaitable[str]], read: Callable[[str], list[tuple[str, int, list[int]]]]
    ) -> None:
        self.url, self.tokens, self._read = url, tokens, read
        self.secrets: Callable[[list[str]], Awaitable[list[str | None]]] = self._none
        self.prefix = next(_prefixes)

    async def _none(self, sensor_ids: list[str]) -> list[str | None]:
        return [None] * len(sensor_ids)

    async def token(self, sensor_id: str) -> str:
        return await self.tokens(sensor_id)

    def posted(self) -> list[tuple[str, int, list[int]]]:
        return self._read(self.prefix)

    def seconds(self) -> set[tuple[str, int]]:
        return {(sensor_id, timestamp) for sensor_id, timestamp, _ in self.posted()}


@contextlib.asynccontextmanager
async def fake_door(gateway: FakeGateway) -> AsyncIterator[Door]:
    async def token_for(sensor_id: str) -> str:
        return gateway.issue(sensor_id)

    async def secrets_for(sensor_ids: list[str]) -> list[str | None]:
        gateway.secrets |= {sensor_id: f"pms_{sensor_id}" for sensor_id in sensor_ids}
        return [gateway.secrets[sensor_id] for sensor_id in sensor_ids]

    async with gateway:
        door_ = Door(
            gateway.url, token_for, lambda p: [(s, t, r["data"][0]["power"]) for s, t, r in gateway.log if s.startswith(p)]
        )
        door_.secrets = secrets_for
        yield door_


@contextlib.asynccontextmanager
async def real_door(settings: Settings) -> AsyncIterator[Door]:
    gateway = await app.start(settings)
    try:
        async with operator_tokens(settings, "test") as token_for, fleet_rights(settings, "test") as rights:
            door_ = Door(gateway.address, token_for, lambda prefix: read_log(settings, prefix))
            door_.secrets = rights.secrets
            yield door_
    finally:
        await gateway.stop()


def read_log(settings: Settings, prefix: str) -> list[tuple[str, int, list[int]]]:
    consumer = Consumer({"bootstrap.servers": settings.kafka, "group.id": "posting-test", "enable.auto.commit": False})
    registry = Registry(settings.registry, settings.schema_cache)
    partitions = [TopicPartition(topics.READINGS.name, p, 0) for p in range(settings.partitions)]
    ends = {p.partition: consumer.get_watermark_offsets(p, timeout=10)[1] for p in partitions}
    consumer.assign(partitions)
    found = []
    left = {p for p, end in ends.items() if end > 0}
    deadline = time.monotonic() + 30
    while left and time.monotonic() < deadline:
        for message in consumer.consume(5000, timeout=0.2):
            assert message.error() is None
            if message.offset() + 1 >= ends[message.partition()]:
                left.discard(message.partition())
            if message.key().decode().startswith(prefix):
                value = wire.decode(topics.READINGS, message.value(), registry.schema_of)
                found.append((value["sensor_id"], value["timestamp_s"], power_of(value["probes"][0]["power_mw"])))
    consumer.close()
    return found


def power_of(packed: bytes) -> list[int]:
    return [int.from_bytes(packed[k : k + 4], "little", signed=True) for k in range(0, len(packed), 4)]


@pytest.fixture(params=["fake", "real"])
async def door(request: pytest.FixtureRequest) -> AsyncIterator[Door]:
    if request.param == "fake":
        async with fake_door(FakeGateway()) as found:
            yield found
        return
    request.getfixturevalue("registry")
    settings = request.getfixturevalue("stack_settings").model_copy(
        update={"gateway_port": request.getfixturevalue("free_port")()}
    )
    async with real_door(settings) as found:
        yield found


def post(sensor_id: str, timestamp: int, **members: Any) -> bytes:
    samples = [1000 + timestamp % 1000] * 20
    probe = {"probe_id": 1, "probe_type": "CT", "power": samples, "pf": [95] * 20, "voltage": 220_000}
    return json.dumps({"version": "221013", "sensor_id": sensor_id, "timestamp": timestamp, "data": [probe], **members}).encode()


async def ingest(door_: Door, lines: list[bytes], *, own_tokens: bool = False, **options: float) -> Report:
    report = Report()
    raw = b"\n".join(lines)
    await Ingest(door_.url, None if own_tokens else door_.tokens, report, **options).send(chunks(io.BytesIO(raw), "lines"))
    return report


# ---- ingest


async def test_a_file_arrives_in_its_order_however_sensors_are_mixed(door: Door) -> None:
    lines = [post(f"{door.prefix}{n % 7:06d}", START_S + n * 37 % 4001) for n in range(4001)]
    report = await ingest(door, lines)
    assert report.complete
    assert report.as_json() | {"took_s": 0} == {
        "lines": 4001,
        "accepted": 4001,
        "refused": {},
        "examples": {},
        "sensors": 7,
        "batches": 7,
        "retries": 0,
        "took_s": 0,
        "gave_up": None,
    }
    posted = door.posted()
    for sensor in range(7):
        sensor_id = f"{door.prefix}{sensor:06d}"
        sent = [json.loads(line)["timestamp"] for line in lines if sensor_id in line.decode()]
        assert [t for s, t, _ in posted if s == sensor_id] == sent


async def test_the_golden_hour_arrives_whole(door: Door) -> None:
    truth = json.loads((GOLDEN / "truth.json").read_text())
    raw = gzip.decompress((GOLDEN / "posts.ndjson.gz").read_bytes()).replace(b'"gresystem', b'"' + door.prefix.encode())
    report = await ingest(door, raw.split(b"\n"))
    assert report.complete
    assert report.lines == truth["lines"] == len(door.posted())
    assert len(door.seconds()) == truth["expected_raw"]["seconds"]
    assert report.took_s < 60


async def test_every_bad_line_is_named_and_the_good_ones_arrive(door: Door) -> None:
    sensor_id = f"{door.prefix}000001"
    good = [post(sensor_id, START_S + n) for n in range(5)]
    twice = good[1].replace(b'"probe_id": 1', b'"probe_id": 1, "probe_id": 2')
    deep = post(sensor_id, START_S + 9, extra=json.loads("[" * 31 + "]" * 31))
    lines = [
        good[0],
        b"",
        b"no json",
        post("000001", START_S),
        post(sensor_id, START_S, data=[]),
        twice,
        good[2],
        post(sensor_id, START_S + 8, data=[{"probe_id": 1, "probe_type": "CT", "power": [1], "pf": [1], "voltage": 1}]),
        post(sensor_id, START_S + 3, version="999999"),
        good[4],
        b'{"sensor_id":"%s","token":5}' % sensor_id.encode(),
        post(sensor_id, START_S + 5).replace(b"1005,", b"NaN,"),
        deep,
    ]
    report = await ingest(door, lines)
    found = {code: [r.number for r in rows] for code, rows in report.examples.items()}
    assert found.pop("bad_json") == [3, 12]
    assert found.pop("bad_sensor_id") == [4]
    assert found.pop("bad_probe_count") == [5]
    assert found.pop("duplicate_key") == [6]
    assert found.pop("sample_count") == [8]
    assert found.pop("missing_field") == [11]
    # The fake does not know dates.
    assert found in ({"bad_version": [9]}, {})
    assert report.judged == report.lines == 12
    assert {START_S, START_S + 2, START_S + 4, START_S + 9} <= {t for _, t in door.seconds()}


async def test_lines_with_their_own_tokens(door: Door) -> None:
    ids = [f"{door.prefix}{n:06d}" for n in (1, 2)]
    tokens = [await door.tokens(sensor_id) for sensor_id in ids]
    lines = [
        post(ids[0], START_S, token=tokens[0]),
        post(ids[1].upper(), START_S, token=tokens[1]),
        post(ids[0], START_S + 1),
        post(ids[0], START_S + 2, token="pm1_wrong"),
        post(ids[0], START_S + 3, token=tokens[1]),
        post(ids[0], START_S + 4, token=tokens[0]),
    ]
    report = await ingest(door, lines, own_tokens=True)
    assert dict(report.refused) == {"token_missing": 1, "token_invalid": 1, "token_sensor_mismatch": 1}
    assert report.accepted == 3
    assert door.seconds() == {(ids[0], START_S), (ids[0], START_S + 4), (ids[1], START_S)}


@pytest.fixture
async def fake() -> AsyncIterator[tuple[FakeGateway, Door]]:
    gateway = FakeGateway()
    async with fake_door(gateway) as found:
        yield gateway, found


async def test_lost_replies_and_busy_gateways_change_nothing(fake: tuple[FakeGateway, Door]) -> None:
    gateway, door_ = fake
    busy = {"Retry-After": "0"}
    gateway.troubles.extend([Trouble(503, busy), Trouble(500, busy, taken=True), Trouble(429, busy), Trouble(408, busy)])
    report = await ingest(door_, [post(f"{door_.prefix}000001", START_S + n) for n in range(10)])
    assert report.complete
    assert report.retries == 4
    assert [t for _, t, _ in door_.posted()] == [START_S + n for n in range(10)] * 2


async def test_a_batch_too_large_for_the_gateway_is_halved_in_order(fake: tuple[FakeGateway, Door]) -> None:
    gateway, door_ = fake
    gateway.batch_bytes = 20_000
    report = await ingest(door_, [post(f"{door_.prefix}000001", START_S + n) for n in range(600)])
    assert report.complete
    assert [t for _, t, _ in door_.posted()] == [START_S + n for n in range(600)]


async def test_a_token_that_ended_is_renewed_once(fake: tuple[FakeGateway, Door]) -> None:
    gateway, door_ = fake
    gateway.trouble_for = lambda number: Trouble(401, code="token_expired") if number in (0, 3, 4) else None
    lines = [post(f"{door_.prefix}000001", START_S + n) for n in range(1800)]
    report = await ingest(door_, lines)
    assert (report.accepted, dict(report.refused)) == (1200, {"token_expired": 600})


async def test_a_revoked_sensor_does_not_stop_the_others(fake: tuple[FakeGateway, Door]) -> None:
    _, door_ = fake
    issue = door_.tokens

    async def token_for(sensor_id: str) -> str:
        if sensor_id.endswith("2"):
            raise TokenRefused(f"sensor {sensor_id} is revoked")
        return await issue(sensor_id)

    door_.tokens = token_for
    report = await ingest(door_, [post(f"{door_.prefix}{n % 3:06d}", START_S + n) for n in range(9)])
    assert (report.accepted, dict(report.refused)) == (6, {"no_token": 3})
    assert "revoked" in report.examples["no_token"][0].detail


async def test_a_gateway_that_takes_nothing_ends_the_patience(fake: tuple[FakeGateway, Door]) -> None:
    gateway, door_ = fake
    gateway.trouble_for = lambda _: Trouble(503, {"Retry-After": "0"})
    with pytest.raises(GatewayUnreachable, match=r"took nothing for 0 s \(it answered 503 unavailable\); .* send the file again"):
        await ingest(door_, [post(f"{door_.prefix}000001", START_S)], patience_s=0.05)


async def test_no_gateway_is_said_at_once(free_port: Callable[[], int]) -> None:
    report = Report()
    with pytest.raises(GatewayUnreachable, match="no answer from the gateway at http://127"):
        await Ingest(f"http://127.0.0.1:{free_port()}", None, report).send(iter([[(1, b"{}")]]))
    assert report.gave_up


async def test_a_server_that_is_no_gateway_is_said(fake: tuple[FakeGateway, Door]) -> None:
    _, door_ = fake
    door_.url += "/elsewhere"
    with pytest.raises(GatewayUnreachable, match="answered 404 to a batch"):
        await ingest(door_, [post(f"{door_.prefix}000001", START_S)])


async def test_what_can_be_read_of_a_broken_file_is_sent(fake: tuple[FakeGateway, Door]) -> None:
    _, door_ = fake
    raw = gzip.compress(b"\n".join(post(f"{door_.prefix}000001", START_S + n) for n in range(3000)))
    report = Report()
    with pytest.raises(BrokenFile):
        await Ingest(door_.url, door_.tokens, report).send(chunks(io.BytesIO(raw[: len(raw) // 2]), "half"))
    assert 0 < report.accepted == report.lines == len(door_.posted())


# ---- simulate


def plan_for(door_: Door, sensors: int, **options: Any) -> Plan:
    return Plan(fleet(5, sensors, prefix=door_.prefix), door_.url, int(time.time()) - 4000, **options)


async def test_a_live_run_is_at_the_present_however_long_its_devices_took_to_boot(fake: tuple[FakeGateway, Door]) -> None:
    _, door_ = fake
    start_s, stop = int(time.time()) - 20, asyncio.Event()
    plan = Plan(fleet(5, 2, prefix=door_.prefix), door_.url, start_s, live=True)
    simulation = Simulation(plan, door_)
    async with asyncio.timeout(120):
        running = asyncio.create_task(simulation.run(stop))
        await simulation.begun.wait()
        while simulation.acknowledged < 2 * 20:  # noqa: ASYNC110 -- nobody tells
            await asyncio.sleep(0.05)
        assert simulation.now_s() == pytest.approx(time.time(), abs=1)
        stop.set()
        await running
    assert {(name, start_s + k) for name in plan.fleet.sensor_ids for k in range(20)} <= door_.seconds()


async def simulated(door_: Door, plan: Plan, stop: asyncio.Event | None = None) -> Simulation:
    simulation = Simulation(plan, door_)
    async with asyncio.timeout(120):
        await simulation.run(stop or asyncio.Event())
    return simulation


def measured(plan: Plan, from_s: int, until_s: int) -> dict[tuple[str, int], Body]:
    """What good devices measured."""
    return {
        (sensor_id, t): made
        for index, sensor_id in enumerate(plan.fleet.sensor_ids)
        for t in range(from_s, until_s)
        if (made := second(plan.fleet, index, t)) is not None
    }


async def test_every_second_arrives_with_its_samples_over_bad_links_too(door: Door, tmp_path: Path) -> None:
    plan = plan_for(door, 4, for_s=240, speed=80, backfill_s=300, faults=True, truth=tmp_path / "truth.ndjson")
    simulation = await simulated(door, plan)
    assert simulation.trouble() is None
    expected = measured(plan, plan.start_s - 300, plan.start_s + 240)
    posted = door.posted()
    assert {(s, t) for s, t, _ in posted} == set(expected)
    assert all(power == expected[s, t]["data"][0]["power"] for s, t, power in posted)
    header, *lines, end = [json.loads(line) for line in plan.truth.read_text().splitlines()]  # type: ignore[union-attr]
    again = fleet(header.pop("seed"), header.pop("sensors"), **header)
    assert second(again, 2, plan.start_s) == second(plan.fleet, 2, plan.start_s)
    assert {(line["sensor_id"], line["timestamp"]) for line in lines} == set(expected)
    assert end == {"acknowledged": len(expected), "not_acknowledged": 0}


async def test_a_stop_ends_it_soon_and_loses_nothing_acknowledged(fake: tuple[FakeGateway, Door], tmp_path: Path) -> None:
    gateway, door_ = fake
    stop = asyncio.Event()

    def after_five(number: int) -> None:
        if number == 5:
            stop.set()

    gateway.trouble_for = after_five
    plan = plan_for(door_, 2, speed=10, backfill_s=7200, truth=tmp_path / "truth.ndjson")
    simulation = await simulated(door_, plan, stop)
    assert simulation.trouble() is None
    _, *lines, end = [json.loads(line) for line in plan.truth.read_text().splitlines()]  # type: ignore[union-attr]
    assert end["not_acknowledged"] == simulation.backlog > 0
    assert {(line["sensor_id"], line["timestamp"]) for line in lines} == door_.seconds()


async def test_refused_seconds_are_trouble(fake: tuple[FakeGateway, Door]) -> None:
    gateway, door_ = fake
    gateway.trouble_for = lambda _: Trouble(422, code="out_of_range")
    simulation = await simulated(door_, plan_for(door_, 2, for_s=3, speed=10))
    assert "refused 6 good seconds (6 x out_of_range)" in (simulation.trouble() or "")


async def test_a_gateway_that_does_not_answer_is_trouble(free_port: Callable[[], int]) -> None:
    async def token_for(_: str) -> str:
        return "t"

    async def given(sensor_ids: list[str]) -> list[str | None]:
        return ["pms_x"] * len(sensor_ids)

    door_ = Door(f"http://127.0.0.1:{free_port()}", token_for, lambda _: [])
    door_.secrets = given
    simulation = await simulated(door_, plan_for(door_, 1, for_s=2, speed=10, drain_s=0.1))
    assert "nothing was acknowledged" in (simulation.trouble() or "")


async def test_a_person_hears_that_no_token_can_be_had(fake: tuple[FakeGateway, Door]) -> None:
    _, door_ = fake

    async def token_for(sensor_id: str) -> str:
        raise TokenRefused(f"sensor {sensor_id} is revoked")

    door_.tokens, door_.secrets = token_for, door_._none
    with pytest.raises(TokenRefused, match="is revoked"):
        await simulated(door_, plan_for(door_, 2, for_s=2))


async def test_a_token_that_ends_on_the_way_is_renewed(fake: tuple[FakeGateway, Door]) -> None:
    gateway, door_ = fake
    gateway.trouble_for = lambda number: Trouble(401, code="token_expired") if number == 3 else None
    plan = plan_for(door_, 1, for_s=20, speed=10)
    simulation = await simulated(door_, plan)
    assert simulation.trouble() is None
    assert (simulation.tally.boots, simulation.tally.tokens) == (1, 2)
    assert door_.seconds() == set(measured(plan, plan.start_s, plan.start_s + 20))


async def test_sensors_whose_secret_somebody_else_holds_post_by_the_operators_right(fake: tuple[FakeGateway, Door]) -> None:
    _, door_ = fake
    door_.secrets = door_._none
    plan = plan_for(door_, 2, for_s=5, speed=10)
    simulation = await simulated(door_, plan)
    assert simulation.trouble() is None
    assert door_.seconds() == set(measured(plan, plan.start_s, plan.start_s + 5))


async def test_an_outage_that_lasts_beyond_the_end_of_a_run_does_not_keep_its_backlog(
    fake: tuple[FakeGateway, Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, door_ = fake
    plan = plan_for(door_, 2, for_s=20, speed=10, faults=True)
    monkeypatch.setattr(faults, "outage", lambda seed, index, at_s: at_s >= plan.start_s + 10)
    simulation = await simulated(door_, plan)
    assert simulation.trouble() is None
    assert door_.seconds() == set(measured(plan, plan.start_s, plan.start_s + 20))


async def test_bad_clocks_power_cuts_and_stolen_tokens_harm_no_second(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for trouble, likely in (("POWER_CUT", 0.7), ("TOKEN_LOSS", 1.0), ("THEFT", 1.0)):  # some of each, whenever it is run
        monkeypatch.setattr(faults, f"{trouble}_CHANCE", likely)
    plan = plan_for(door, 4, for_s=2400, speed=240, faults=True, outages=False, troubled=True, truth=tmp_path / "truth.ndjson")
    simulation = await simulated(door, plan)
    tally = simulation.tally
    assert simulation.trouble() is None
    assert tally.power_cuts
    assert tally.boots > 4
    assert tally.steps > tally.power_cuts
    assert simulation.totals.thefts
    posted = door.posted()
    assert len({(s, t) for s, t, _ in posted}) == tally.measured == tally.acknowledged
    contents: dict[tuple[str, int], list[int]] = {}
    assert all(contents.setdefault((s, t), power) == power for s, t, power in posted), "a copy has the values of the first"
