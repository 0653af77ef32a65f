"""The catalog's view on a real broker, and the commands that fill it."""

import asyncio
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Producer

from infra.cli import main
from infra.errors import PartUnavailable
from infra.settings import Settings
from schemas import topics
from schemas.registry import Registry
from streams.catalog import view as view_module
from streams.catalog.commands import RegisterSensor, RevokeSensor
from streams.catalog.state import State
from streams.catalog.tokens import hash_of
from streams.catalog.view import CatalogView
from tests.conftest import MakeKafka

Run = Callable[..., subprocess.CompletedProcess[str]]


def register(sensor_id: str, secret: str = "s") -> RegisterSensor:
    return RegisterSensor(sensor_id=sensor_id, secret_sha256=hash_of(secret))


async def level(*views: CatalogView) -> None:
    """Wait until all views have applied as much as the furthest."""
    async with asyncio.timeout(20):
        while len({view.offset for view in views}) > 1:  # noqa: ASYNC110 -- they are two readers of another process's log
            await asyncio.sleep(0.02)


@pytest.fixture
def known(registry: str, make_settings: Callable[..., Settings]) -> Registry:
    return Registry(registry, make_settings().schema_cache)


async def test_two_writers_race_for_one_name_and_hear_one_verdict(kafka: str, known: Registry) -> None:
    one, two = CatalogView(kafka, known), CatalogView(kafka, known)
    await asyncio.gather(one.ready(20), two.ready(20))
    for k in range(5):
        name = f"race{k:06d}"
        outcomes = await asyncio.gather(one.submit(register(name, "one")), two.submit(register(name, "two")))
        assert sorted(outcome.code for outcome in outcomes) == ["accepted", "sensor_exists"]
        winner = "one" if outcomes[0].accepted else "two"
        await level(one, two)
        assert one.state.sensors[name].secret_sha256 == two.state.sensors[name].secret_sha256 == hash_of(winner)
    late = CatalogView(kafka, known)
    await late.ready(20)
    assert late.state == one.state == two.state
    for view in (one, two, late):
        assert view.problem() is None
        await view.close()


async def test_what_cannot_be_decoded_is_skipped_and_counted(kafka: str, known: Registry) -> None:
    view = CatalogView(kafka, known)
    await view.ready(20)
    skipped, state = view.skipped, str(view.state)
    noise = Producer({"bootstrap.servers": kafka})
    for value in (None, b"", b"\x00\x00\x00\x00\x01rubbish", b"\x01abcdefgh"):
        noise.produce(topics.CATALOG.name, value, b"x")
    noise.flush(10)
    outcome = await view.submit(RevokeSensor(sensor_id="nosuch000001"))
    assert outcome.code == "unknown_sensor"
    assert view.skipped == skipped + 4
    assert str(view.state) == state
    await view.close()


async def test_a_view_outlives_its_broker(make_kafka: MakeKafka, make_settings: Callable[..., Settings], known: Registry) -> None:
    settings = make_settings()
    broker = make_kafka(settings)
    view = CatalogView(settings.kafka, known, timeout_s=3)
    await view.ready(20)
    assert (await view.submit(register("gre000001"))).accepted
    await asyncio.to_thread(broker.kill)
    with pytest.raises(PartUnavailable):
        await view.submit(register("gre000002"))
    assert view.caught_up
    assert "no answer from Kafka" in str(view.problem())
    assert set(view.state.sensors) == {"gre000001"}
    await asyncio.to_thread(broker.start)
    await asyncio.to_thread(broker.wait_ready)
    async with asyncio.timeout(60):
        while True:
            try:
                outcome = await view.submit(register("gre000003"))
                break
            except PartUnavailable:
                continue
        while view.problem() is not None:  # noqa: ASYNC110 -- the broker's client says when
            await asyncio.sleep(0.05)
    assert outcome.code in ("accepted", "sensor_exists")  # the latter when the reply of an earlier try was lost
    await view.close()


async def test_a_start_goes_on_from_the_snapshot(
    make_kafka: MakeKafka, make_settings: Callable[..., Settings], known: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_module, "SNAPSHOT_EVERY", 20)
    settings = make_settings()
    file = settings.catalog_snapshot
    broker = make_kafka(settings)
    first = CatalogView(settings.kafka, known, kept=file)
    await first.ready(20)
    for k in range(30):
        assert (await first.submit(register(f"snap{k:06d}"))).accepted
    await first.close()
    assert file.exists()

    second = CatalogView(settings.kafka, known, kept=file)
    await second.ready(20)
    assert second.restored == second.offset == first.offset
    assert second.state == first.state
    assert (await second.submit(register("snap000000"))).code == "sensor_exists"
    assert (await second.submit(register("after000001"))).accepted
    await second.close()
    await asyncio.to_thread(broker.stop)

    other = make_settings()
    await asyncio.to_thread(make_kafka, other)
    third = CatalogView(other.kafka, known, kept=file)  # a log that begins anew
    await third.ready(20)
    assert (third.restored, third.state) == (-1, State())
    assert (await third.submit(register("new000001"))).accepted
    await third.close()


async def test_many_commands_at_once_give_one_state_from_the_log_and_from_the_snapshot(
    kafka: str, known: Registry, make_settings: Callable[..., Settings]
) -> None:
    file = make_settings().catalog_snapshot
    writer = CatalogView(kafka, known, kept=file)
    await writer.ready(20)
    outcomes = await asyncio.gather(*(writer.submit(register(f"bulk{k:06d}")) for k in range(3000)))
    assert all(outcome.accepted for outcome in outcomes)
    await writer.close()
    whole, quick = CatalogView(kafka, known), CatalogView(kafka, known, kept=file)
    await asyncio.gather(whole.ready(20), quick.ready(20))
    await level(whole, quick)
    assert quick.restored == writer.offset
    assert quick.state == whole.state
    assert quick.skipped <= whole.skipped
    for view in (whole, quick):
        await view.close()


async def test_without_a_broker_it_says_what_to_do(known: Registry, make_settings: Callable[..., Settings]) -> None:
    view = CatalogView(make_settings().kafka, known)
    with pytest.raises(PartUnavailable, match=r"powermon up.*POWERMON_KAFKA_BOOTSTRAP"):
        await view.ready(2)
    await view.close()


# ---- the command line


@pytest.fixture
def powermon(kafka: str, registry: str, make_settings: Callable[..., Settings]) -> Run:
    data = make_settings().data

    def run(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from infra.cli import main; main()", *args]
        own = {"POWERMON_KAFKA_BOOTSTRAP": kafka, "POWERMON_REGISTRY_URL": registry, "POWERMON_DATA": str(data)}
        return subprocess.run(command, env=os.environ | own | env, capture_output=True, text=True, check=False, timeout=60)

    return run


def test_a_sensor_from_registration_to_revocation(powermon: Run) -> None:
    added = powermon("sensors", "add", "CLI000001", "--units", "base", "--zone", "Europe/Paris")
    assert added.returncode == 0, added.stderr
    secret = added.stdout.strip()
    assert secret.startswith("pms_")
    again = powermon("sensors", "add", "cli000001")
    assert (again.returncode, again.stdout) == (1, "")
    assert "already registered" in again.stderr
    issued = powermon("tokens", "issue", "--sensor", "cli000001", "--days", "3")
    assert issued.returncode == 0, issued.stderr
    assert issued.stdout.startswith("pm1_")
    assert len(issued.stdout.split()) == 1
    shown = json.loads(powermon("sensors", "show", "cli000001", "--json").stdout)
    assert (shown["units"], shown["zone"], len(shown["tokens"]), shown["revoked_at"]) == ("base", "Europe/Paris", 1, None)
    assert "cli000001" in [one["sensor_id"] for one in json.loads(powermon("sensors", "list", "--json").stdout)]
    assert powermon("sensors", "revoke", "cli000001").returncode == 0
    refused = powermon("tokens", "issue", "--sensor", "cli000001")
    assert (refused.returncode, refused.stdout) == (1, "")
    text = powermon("sensors", "list").stdout + powermon("sensors", "show", "cli000001").stdout
    assert "revoked" in text
    assert secret not in text


def test_every_fact_of_a_sensor_by_command_line(powermon: Run, tmp_path: Path) -> None:
    assert powermon("sites", "put", "cli-plant", "--zone", "Europe/Paris", "--name", "Plant 1").returncode == 0
    facts = ("--units", "base", "--site", "cli-plant", "--owner", "Mill AG", "--address", "1 High St", "--category", "sub")
    more = ("--zero-based", "--nominal-voltage", "230", "--contracted-power", "36000", "--threshold", "sag_pct=88")
    added = powermon("sensors", "add", "clif000001", *facts, *more, "--tariff", "linky/base")
    assert added.returncode == 0, added.stderr
    other = ("--owner", "Other", "--threshold", "sag_pct=", "--threshold", "swell_pct=112", "--tariff", "linky/hchp")
    changed = powermon("sensors", "change", "clif000001", *other)
    assert changed.returncode == 0, changed.stderr
    assert "tariff linky/base is now linky/hchp for all days: bills of months that are over change, too" in changed.stderr
    instead = re.findall(r"^  powermon sensors (change .*)$", changed.stderr, re.MULTILINE)
    assert [powermon("sensors", *line.split()).returncode for line in instead] == [0, 0]
    (found,) = json.loads(
        powermon("sensors", "list", "--search", "OTHER", "--site", "cli-plant", "--state", "new", "--json").stdout
    )
    expected = {
        "owner": "Other",
        "address": "1 High St",
        "zone": "Europe/Paris",
        "category": "sub",
        "thresholds": {"swell_pct": 112},
    }
    assert [one["tariff"] for one in found["terms"]] == ["linky/base", "linky/hchp"]
    assert found | expected | {"zero_based": True, "nominal_voltage_v": 230, "contracted_power_w": 36000} == found
    renewed = powermon("sensors", "renew", "clif000001").stdout.strip()
    assert renewed.startswith("pms_")
    assert renewed != added.stdout.strip()
    refused = powermon("sites", "remove", "cli-plant")
    assert refused.returncode == 1
    assert "clif000001 stands at site" in refused.stderr


def test_a_hundred_sensors_from_a_file(powermon: Run, tmp_path: Path) -> None:
    file, out = tmp_path / "fleet.csv", tmp_path / "secrets.csv"
    file.write_text("\ufeffsensor_id;owner\r\n" + "".join(f"FLEET{k:06d};Mill AG\r\n" for k in range(100)))
    dry = powermon("sensors", "import", str(file), "--dry-run", "--secrets", str(out))
    assert (dry.returncode, dry.stdout, out.exists()) == (0, "", False), dry.stderr
    assert "100 would be added" in dry.stderr
    done = powermon("sensors", "import", str(file), "--secrets", str(out))
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "100 added, 0 there already, 0 refused" in done.stderr
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    secrets = out.read_text().splitlines()
    assert (secrets[0], len(secrets)) == ("sensor_id,secret", 101)
    file.write_text(file.read_text() + "fleet000000;Mill AG\r\n12;x\r\nfleet000777;Mill AG\r\n")
    again = powermon("sensors", "import", str(file), "--secrets", str(out), "--json")
    assert again.returncode == 1
    report = json.loads(again.stdout)
    assert [report[name] for name in ("added", "unchanged", "refused")] == [1, 100, 2]
    assert "secret" not in again.stdout
    assert out.read_text().splitlines()[:-1] == secrets
    assert out.read_text().splitlines()[-1].startswith("fleet000777,pms_")


def test_a_tariff_by_command_line(powermon: Run, tmp_path: Path) -> None:
    file = tmp_path / "tariff.json"
    file.write_text('{"price": 0.2}')
    put = powermon("tariffs", "put", str(file), "--id", "cli-blue", "--from", "2026-01-01")
    assert put.returncode == 0, put.stderr
    assert json.loads(powermon("tariffs", "show", "cli-blue", "--on", "2026-05-01").stdout) == {"price": 0.2}
    listed = json.loads(powermon("tariffs", "list", "--json").stdout)
    assert {"tariff_id": "cli-blue", "valid_from": ["2026-01-01"]} in listed
    file.write_text("[]")
    assert powermon("tariffs", "put", str(file), "--id", "cli-blue", "--from", "2026-01-01").returncode == 1
    assert powermon("tariffs", "remove", "cli-blue", "--from", "2026-01-01").returncode == 0
    assert powermon("tariffs", "show", "cli-blue").returncode == 1


def test_a_persons_role_and_tokens(powermon: Run) -> None:
    assert powermon("users", "add", "tess", "--role", "viewer").returncode == 0
    assert powermon("users", "role", "tess", "operator").returncode == 0
    token = powermon("tokens", "issue", "--user", "tess", "--scope", "write read").stdout.strip()
    listed = powermon("tokens", "list", "--user", "tess", "--json")
    (found,) = json.loads(listed.stdout)
    assert (found["user"], found["scope"], found["id"]) == ("tess", "read write", hash_of(token)[:12])
    assert powermon("tokens", "revoke", "0" * 12).returncode == 1
    assert powermon("tokens", "revoke", found["id"]).returncode == 0
    assert json.loads(powermon("tokens", "list", "--user", "tess", "--json").stdout) == []
    assert len(powermon("users", "password", "tess").stdout.strip()) == 19
    assert powermon("users", "remove", "tess").returncode == 0
    assert powermon("users", "remove", "tess").returncode == 1


def test_a_person(powermon: Run) -> None:
    added = powermon("users", "add", "ada", "--role", "operator")
    assert (added.returncode, len(added.stdout.strip())) == (0, 19)
    assert powermon("users", "add", "ada", "--role", "viewer").returncode == 1
    assert powermon("tokens", "issue", "--user", "ada", "--scope", "read").stdout.startswith("pm1_")
    assert powermon("tokens", "issue", "--user", "nobody").returncode == 1
    assert {"name": "ada", "role": "operator", "one_time": True} in json.loads(powermon("users", "list", "--json").stdout)


@pytest.mark.parametrize(
    "args",
    [
        ("sensors", "add", "12"),
        ("sensors", "add", "gre000001", "--zone", "Mars/Olympus"),
        ("tokens", "issue"),
        ("tokens", "issue", "--sensor", "gre000001", "--user", "ada"),
        ("users", "add", "Ada", "--role", "viewer"),
        ("users", "role", "ada", "king"),
        ("tokens", "issue", "--user", "ada", "--scope", "raed"),
        ("sensors", "change", "gre000001"),
        ("sensors", "add", "gre000001", "--threshold", "sag"),
        ("sensors", "add", "gre000001", "--threshold", "sag=nan"),
        ("sensors", "add", "gre000001", "--nominal-voltage", "-1"),
        ("sensors", "add", "gre000001", "--owner", "a\nb"),
        ("sensors", "list", "--state", "dead"),
        ("sites", "put", "Bad", "--zone", "UTC"),
        ("sites", "put", "plant", "--zone", "Mars/Olympus"),
        ("tariffs", "remove", "blue", "--from", "2026-02-30"),
        ("sensors", "import", "/dev/null", "--json"),
    ],
)
def test_wrong_usage_is_exit_status_2(args: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERMON_KAFKA_BOOTSTRAP", "127.0.0.1:1")  # told before anything is asked
    with pytest.raises(SystemExit) as ended:
        main(list(args))
    assert ended.value.code == 2


def test_without_a_broker_one_sentence(powermon: Run, free_port: Callable[[], int]) -> None:
    done = powermon("sensors", "list", POWERMON_KAFKA_BOOTSTRAP=f"127.0.0.1:{free_port()}")
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.strip().splitlines()) == 1
    assert "`powermon up`" in done.stderr
    assert "POWERMON_KAFKA_BOOTSTRAP" in done.stderr
