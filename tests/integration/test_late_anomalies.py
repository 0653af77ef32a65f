"""Anomalies of what came late, on the real parts; and what other thresholds would have found in it."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest

from infra.settings import Settings
from schemas import topics
from schemas.anomaly import CLOSED, WITHDRAWN, Anomaly
from schemas.registry import Registry
from sinks.broker import SafeProducer
from sinks.clickhouse import ClickHouse
from sinks.rebuild import Rebuilder
from sinks.rejudge import told
from sinks.sink import Sink
from streams.catalog.commands import RegisterSensor
from streams.catalog.limits import CatalogLimits
from streams.core.anomaly.again import Stretch
from tests.at_work import at_work
from tests.builders import probe, reading
from tests.fakes import website
from tests.fakes.anomalies import anomaly
from tests.fakes.catalog import FakeCatalog
from tests.fakes.website import Website
from tests.integration.test_conflicts import send, worker
from tests.waiting import until

SENSOR, T0 = "late000001", 1_780_000_200
DIP_MV = 180_000


@pytest.fixture
def settings(own_log: Callable[..., Settings]) -> Settings:
    return own_log(sink_interval_ms=50, rebuild_interval_s=0.2, publish_interval_s=0.2)


def states(db: ClickHouse) -> set[tuple[str, int, str]]:
    return {(one.rule, one.phase, one.state) for one in told(db, Stretch(SENSOR, T0 - 3600, T0 + 7200))}


async def test_what_comes_late_is_judged_and_a_silence_that_was_none_withdrawn(
    settings: Settings, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    site = Website(make_settings())
    try:
        site.catalog.add(RegisterSensor(sensor_id=SENSOR, secret_sha256="a" * 64, nominal_voltage_v=220.0))
        registry = Registry(settings.registry, settings.schema_cache)
        silence = anomaly("silence", SENSOR, T0 + 100, 900)
        SafeProducer(settings).send(topics.ANOMALIES.name, [silence.message(registry.id_of(topics.ANOMALIES))])
        limits = CatalogLimits(_view(site.catalog))
        with at_work(Sink(settings, site.db, registry)):
            until(lambda: states(site.db) == {("silence", 0, CLOSED)}, "what the worker had told")
            with (
                at_work(Rebuilder(settings, site.db, registry, limits=lambda: limits)),
                worker(settings, tmp_path / "worker.log"),
            ):
                send(settings, [second(s, DIP_MV if 700 <= s < 704 else 220_000) for s in range(1200)])
                sags = {("sag", k, CLOSED) for k in (1, 2, 3)}
                until(lambda: states(site.db) == {("silence", 0, WITHDRAWN), *sags}, "the dip, and no silence", 60)
        (dip, *_) = (one for one in told(site.db, Stretch(SENSOR, T0, T0 + 1200)) if one.rule == "sag")
        assert (dip.start_us, dip.end_us, dip.final) == ((T0 + 700) * 1_000_000, (T0 + 704) * 1_000_000, True)
        samples = site.db.rows("SELECT length(sample_second) FROM anomalies WHERE rule = 'sag'")
        assert all(count >= 9 for (count,) in samples)
        await tried(site, dip)
    finally:
        site.close()


async def tried(site: Website, dip: Anomaly) -> None:
    """The same readings by other thresholds."""
    one = f"/api/v1/anomaly-trial?sensor={SENSOR}"
    asked = f"{one}&from=2026-05-28T20:00:00Z&to=2026-05-28T21:00:00Z"
    async with aiohttp.ClientSession(site.url, headers={"Authorization": f"Bearer {website.READER}"}) as http:
        async with http.get(f"{asked}&threshold=sag_pct%3D80&threshold=sag_end_pct%3D82") as answer:
            said = await answer.json()
        assert answer.status == 200, said
        assert (said["same"], said["new"], said["changed"]) == (1, [], [])  # the silence after the last second
        assert {one["phase"] for one in said["gone"]} == {1, 2, 3}
        assert dip.id in {one["id"] for one in said["gone"]}
        async with http.get(f"{asked}&threshold=swell_pct%3D99&threshold=swell_end_pct%3D98") as answer:
            said = await answer.json()
        assert {one["rule"] for one in said["new"]} == {"swell"}
        for query, code in (
            ("", "thresholds"),
            ("&threshold=sag", "wrong_type"),
            ("&threshold=nothing%3D1", "thresholds"),
            ("&threshold=sag_pct%3D-1", "thresholds"),
            ("&from=2026-05-28&to=2026-07-01&threshold=sag_pct%3D80", "bad_to"),
        ):
            async with http.get((one if "from" in query else asked) + query) as answer:
                assert (answer.status, (await answer.json())["code"]) == (422, code), query
        async with http.get("/api/v1/anomaly-trial?sensor=nobody&threshold=sag_pct%3D80") as answer:
            assert answer.status == 404


def second(s: int, voltage_mv: int):  # type: ignore[no-untyped-def]
    """A whole second; its samples differ from those of the seconds beside it."""
    volts = [voltage_mv + s % 7 + k for k in range(20)]
    return reading(SENSOR, T0 + s, [probe(k, 100_000 + 11 * s + k, voltage=volts) for k in (1, 2, 3)])


def _view(catalog: FakeCatalog):  # type: ignore[no-untyped-def]
    """What is asked of a view of the catalog."""
    return SimpleNamespace(state=catalog.state, offset=0, caught_up=True)
