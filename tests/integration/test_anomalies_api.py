"""Anomalies over REST on the embedded ClickHouse: filters, parts, files, who has seen them; which sensors are silent."""

import csv
import io
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any

import aiohttp
import jsonschema
import pyarrow.parquet as pq
import pytest

from infra.settings import Settings
from schemas.anomaly import LINKY, OPEN, WITHDRAWN
from streams.catalog.commands import PutSite, RegisterSensor
from tests.fakes import house, website
from tests.fakes.anomalies import anomaly, fill, sag
from tests.fakes.website import Website

OPERATOR = {"Authorization": f"Bearer {website.OPERATOR}"}
READER = {"Authorization": f"Bearer {website.READER}"}
WRITER = {"Authorization": f"Bearer {website.SENSORLESS}"}
NOON = 1_780_012_800
"""2026-05-29T00:00:00Z"""
NOW_S = float(NOON + 12 * 3600)
MILL, OTHER, QUIET, METER = "mill000001", "mill000002", "mill000003", "021861234567"

SAG = sag(MILL, NOON + 3600)
SWELL = replace(sag(OTHER, NOON + 7200, residual=1.15), rule="swell", id="f" * 32, severity="warning", en50160="")
LOW_PF = anomaly("low_pf", MILL, NOON + 5000, 900, unit="permille", worst=712, limit=900, severity="notice")
SILENCE = anomaly("silence", QUIET, NOON + 100, None)
NONE = replace(anomaly("stuck", MILL, NOON + 9000, 20), state=WITHDRAWN)
OVER = anomaly("overload", METER, NOON + 4000, 60, kind=LINKY, unit="mW", worst=7_000_000, limit=6_000_000)


@pytest.fixture(scope="module")
def site(make_settings: Callable[..., Settings]) -> Iterator[Website]:
    running = Website(make_settings(), lambda: NOW_S)
    running.catalog.add(PutSite(site_id="mill", zone="Asia/Seoul"))
    for name in (MILL, OTHER, QUIET):
        running.catalog.add(
            RegisterSensor(sensor_id=name, secret_sha256="a" * 64, site="mill", owner="Kim" if name == MILL else "")
        )
    # Told as it lasted, then as it was: the last one of the log holds, in whatever batch.
    fill(
        running.db,
        [replace(SAG, state=OPEN, end_us=None, final=False), SWELL, LOW_PF, SILENCE, anomaly("stuck", MILL, NOON + 9000, 20)],
    )
    fill(running.db, [NONE, OVER, SAG], first_offset=5)
    fill(running.db, [replace(SAG, state=OPEN, end_us=None, final=False)])  # the topic read again
    house.fill(running.db, MILL, [int(NOW_S) - 1, int(NOW_S)])
    house.fill_minutes(running.db, QUIET, [NOON, NOON + 60], until_s=NOON + 100)
    yield running
    running.close()


@pytest.fixture
async def http(site: Website) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(site.url, headers=OPERATOR) as session:
        yield session


async def told(http: aiohttp.ClientSession, path: str, status: int = 200, of: str = "") -> dict[str, Any]:
    """An answer, which is as the document of the API says.

    Args:
        of: its path there, where it is not this one.
    """
    async with http.get(f"/api/v1/{path}") as answer:
        said: dict[str, Any] = await answer.json(content_type=None)
        assert answer.status == status, said
    if status == 200:
        async with http.get("/api/v1/openapi.json") as answer:
            document = await answer.json()
        operation = document["paths"][f"/api/v1/{of or path.partition('?')[0]}"]["get"]
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(said, {**schema, "components": document["components"]})
    return said


async def rules(http: aiohttp.ClientSession, query: str) -> list[str]:
    return [one["rule"] for one in (await told(http, f"anomalies?{query}"))["anomalies"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("", ["swell", "low_pf", "overload", "sag", "silence"], id="all, the newest first"),
        pytest.param("withdrawn=1", ["stuck", "swell", "low_pf", "overload", "sag", "silence"], id="those that were none too"),
        pytest.param(f"source={MILL.upper()}", ["low_pf", "sag"], id="of a sensor, in any case"),
        pytest.param("site=mill", ["swell", "low_pf", "sag", "silence"], id="of a site"),
        pytest.param("kind=linky", ["overload"], id="of Linkys"),
        pytest.param("rule=sag", ["sag"], id="of a rule"),
        pytest.param("state=open", ["silence"], id="that go on"),
        pytest.param("severity=severe", ["sag"], id="that are severe"),
        pytest.param("q=kim", ["low_pf", "sag"], id="by the sensor's owner"),
        pytest.param("q=PF", ["low_pf"], id="by a part of the rule"),
        pytest.param("from=2026-05-29T01:00:00Z&to=2026-05-29T01:00:01Z", ["sag", "silence"], id="that touch a second"),
        pytest.param("from=2026-05-29T01:25:00Z&to=2026-05-29T01:30:00Z", ["low_pf", "silence"], id="that last through a span"),
        pytest.param("to=2026-05-29T00:00:00Z", [], id="before there was one"),
        pytest.param("site=mill&to=2026-05-29", [], id="before a day of the site's zone"),
    ],
)
async def test_the_list_is_filtered(http: aiohttp.ClientSession, query: str, expected: list[str]) -> None:
    assert await rules(http, query) == expected


async def test_all_parts_of_the_list_are_the_list(http: aiohttp.ClientSession) -> None:
    found, cursor = [], ""
    while True:
        part = await told(http, f"anomalies?limit=2{cursor}")
        found += [one["id"] for one in part["anomalies"]]
        if part["next"] is None:
            break
        cursor = f"&cursor={part['next']}"
    assert found == [one.id for one in (SWELL, LOW_PF, OVER, SAG, SILENCE)]


async def test_one_anomaly_in_volts_with_its_samples(http: aiohttp.ClientSession) -> None:
    said = await told(http, f"anomalies/{SAG.id}", of="anomalies/{id}")
    assert (said["start"], said["end"], said["duration_s"]) == ("2026-05-29T01:00:00.350Z", "2026-05-29T01:00:00.750Z", 0.4)
    assert (said["worst"], said["limit"], said["unit"], said["phase"]) == (136.4, 198.0, "V", 2)
    assert (said["ieee1159"], said["en50160"], said["state"], said["final"]) == (
        "instantaneous",
        "70-40%/200-500ms",
        "closed",
        True,
    )
    assert [(one["at"], one["phase"]) for one in said["samples"][:4]] == [
        *(("2026-05-29T00:59:58Z", phase) for phase in (1, 2, 3)),
        ("2026-05-29T00:59:59Z", 1),
    ]
    (worst,) = (one for one in said["samples"] if (one["at"], one["phase"]) == ("2026-05-29T01:00:00Z", 2))
    assert (worst["voltage_v"][6:16], worst["power_w"][0], worst["pf_pct"][0]) == ([220.66, *[136.4] * 8, 220.75], 1200.0, 92)


async def test_a_silence_that_goes_on_lasts_until_now(http: aiohttp.ClientSession) -> None:
    said = await told(http, f"anomalies/{SILENCE.id}", of="anomalies/{id}")
    assert (said["end"], said["duration_s"], said["worst"], said["unit"]) == (None, 43_100.0, 43_100.0, "s")


async def test_which_sensors_are_silent_and_since_when(http: aiohttp.ClientSession) -> None:
    said = await told(http, "silent-sensors?site=mill")
    assert [(one["sensor_id"], one["since"], one["silent_s"], one["anomaly"]) for one in said["sensors"]] == [
        (QUIET, "2026-05-29T00:01:40Z", 43_100, SILENCE.id),
        (OTHER, None, None, None),
    ]


async def test_files_hold_what_the_list_says_and_no_formula(http: aiohttp.ClientSession) -> None:
    async with http.post(f"/api/v1/anomalies/{OVER.id}/acknowledgement", json={"note": "=1+1"}) as answer:
        assert answer.status == 200
    async with http.get("/api/v1/anomalies?kind=linky&format=csv") as answer:
        (row,) = csv.DictReader(io.StringIO(await answer.text()))
    assert (row["rule"], row["source"], row["worst"], row["unit"], row["note"]) == ("overload", METER, "7000", "W", "'=1+1")
    async with http.get("/api/v1/anomalies?format=parquet") as answer:
        table = pq.read_table(io.BytesIO(await answer.read()))
    assert table["id"].to_pylist() == [one.id for one in (SWELL, LOW_PF, OVER, SAG, SILENCE)]
    async with http.get("/api/v1/silent-sensors?format=csv") as answer:
        assert QUIET in await answer.text()


async def test_it_is_acknowledged_the_note_changed_and_taken_back(site: Website, http: aiohttp.ClientSession) -> None:
    path = f"/api/v1/anomalies/{LOW_PF.id}/acknowledgement"
    before = len(site.notes.written)
    async with http.post(path) as answer:
        said = await answer.json()
    assert (said["acknowledged"], said["note"], said["acknowledged_by"]) == (True, "", "root")
    assert said["acknowledged_at"] == "2026-05-29T12:00:00Z"
    for _ in range(2):  # the same again is nothing new
        async with http.post(path, json={"note": "  compensation\nis off "}) as answer:
            said = await answer.json()
    assert said["note"] == "compensation\nis off"
    assert await rules(http, "acknowledged=1&q=COMPENSATION") == ["low_pf"]
    assert "low_pf" not in await rules(http, "acknowledged=0")
    for _ in range(2):
        async with http.delete(path) as answer:
            said = await answer.json()
    assert (said["acknowledged"], said["note"], said["acknowledged_by"]) == (False, "", None)
    assert [(one["acknowledged"], one["note"], one["by"]) for one in said["history"]] == [
        (True, "", "root"),
        (True, "compensation\nis off", "root"),
        (False, "", "root"),
    ]
    assert len(site.notes.written) == before + 3


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status", "code"),
    [
        pytest.param("GET", "?rule=thunder", READER, None, 422, "bad_rule", id="a rule that is none"),
        pytest.param("GET", "?cursor=x", READER, None, 422, "bad_cursor", id="a cursor that is none"),
        pytest.param("GET", "?from=2026-05-29&to=2026-05-28", READER, None, 422, "bad_to", id="it ends before it begins"),
        pytest.param("GET", "?format=xls", READER, None, 422, "bad_format", id="a form that is none"),
        pytest.param("GET", "/x", READER, None, 404, "unknown_anomaly", id="no id"),
        pytest.param("GET", f"/{'0' * 32}", READER, None, 404, "unknown_anomaly", id="an id of none"),
        pytest.param("POST", f"/{SAG.id}/acknowledgement", READER, {}, 403, "role_missing", id="a viewer acknowledges"),
        pytest.param("POST", f"/{'0' * 32}/acknowledgement", WRITER, {}, 404, "unknown_anomaly", id="nothing to acknowledge"),
        pytest.param("POST", f"/{SAG.id}/acknowledgement", WRITER, {"note": 5}, 422, "wrong_type", id="a note that is no text"),
        pytest.param("POST", f"/{SAG.id}/acknowledgement", WRITER, {"note": "x" * 2001}, 422, "out_of_range", id="a long note"),
        pytest.param("POST", f"/{SAG.id}/acknowledgement", WRITER, {"who": "me"}, 422, "unknown_field", id="another member"),
        pytest.param("DELETE", f"/{SAG.id}/acknowledgement", {}, None, 401, "not_signed_in", id="nobody"),
    ],
)  # fmt: skip
async def test_what_is_refused(
    site: Website, method: str, path: str, headers: dict[str, str], body: Any, status: int, code: str
) -> None:
    before = len(site.notes.written)
    async with (
        aiohttp.ClientSession(site.url, headers=headers) as session,
        session.request(method, f"/api/v1/anomalies{path}", json=body) as answer,
    ):
        assert (answer.status, (await answer.json(content_type=None))["code"]) == (status, code)
    assert len(site.notes.written) == before
