"""The datastore's API under fire: whatever comes gets JSON and no 500, and holds up nobody else."""

import asyncio
import gzip
import itertools
import json
import random
from typing import Any

import pytest

from tests import hostile
from tests.fakes.datastore import BOTH, Store

SYNCS = ("projects", "project_attribute_keys", "project_attributes", "consumption_metadatas", "weather_stations")
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 1.5, 10**25, 10**400, "", " ", "x", "1", "ABC", "\x00", "é" * 300, "9" * 5000, "E_C_S", "KWH"),
    *("2014-01-01", "2014-01-01T00:00Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00+10:00", "NaN", "Infinity"),
    *([], [1], [None], {}, {"a": []}, [[[]]], ["x"] * 10_001, "DATE", "tests", "../UTC"),
)


async def test_any_body_of_any_shape(store: Store) -> None:
    await store.project()
    await store.post("project_attribute_keys/", {"name": "ABC", "display_name": "K", "data_type": "DATE"})
    rng = random.Random(7)
    names = sorted({name for path in (*SYNCS, "project_blocks", "registry/connections") for name in _fields(path)})
    for _ in range(1500):
        body: Any = {name: rng.choice(VALUES) for name in rng.sample(names, rng.randint(0, len(names)))}
        path = rng.choice(SYNCS)
        way = rng.choice(("sync", "one", "change"))
        if way == "sync":
            answer = await store("POST", f"{path}/sync/", [body, body, rng.choice(VALUES)])
        elif way == "one":
            answer = await store("POST", f"{rng.choice((path, 'project_blocks', 'registry/connections'))}/", body)
        else:
            answer = await store(rng.choice(("PUT", "PATCH")), f"{path}/1/", body)
        assert answer.status < 500, (way, path, body)
        assert answer.json


async def test_any_record_of_any_shape(shelved: Store, trace: int) -> None:
    await shelved.post("weather_stations/", {"station_id": "s"})
    rng = random.Random(11)
    good = {"project_id": "ABC", "interpretation": "E_C_S", "start": "2014-01-01T00:00Z", "value": 1, "estimated": False}
    good |= {"metadata": trace, "metadata_id": trace, "station_id": "s", "kind": "NORMAL", "label": None}
    for _ in range(250):
        body: Any = {**(good if rng.random() < 0.7 else {}), **{name: rng.choice(VALUES) for name in rng.sample([*good], 2)}}
        path = rng.choice(
            ("consumption_records/", "consumption_records/sync/", "consumption_records/sync2/", "weather_records/sync2/")
        )
        answer = await shelved("POST", path, rng.choice((body, [body], [body, rng.choice(VALUES), body])))
        assert answer.status < 500, (path, body)
        assert answer.json != ""
        for row in await shelved.get("consumption_records/"):
            assert (row["metadata"], isinstance(row["estimated"], bool), row["start"][-1]) == (trace, True, "Z")


async def test_any_bytes(store: Store) -> None:
    rng = random.Random(8)
    for body in itertools.islice(hostile.bodies(9, hostile.VALID), 300):
        path = f"{rng.choice(SYNCS)}/{rng.choice(('', 'sync/'))}"
        answer = await store("POST", path, data=body, Content_Type="application/json")
        assert (answer.status < 500, bool(answer.json)) == (True, True), (path, body[:100])


@pytest.mark.parametrize("depth", [100, 900, *range(930, 1000, 3), 5000])
async def test_nesting_of_any_depth(store: Store, depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    for path, body in (
        ("projects/sync/", b'[{"project_id":%s}]' % nested),
        ("consumption_metadatas/", b'{"unit":%s}' % nested),
        ("project_attributes/sync/", b'[{"project_project_id":%s,"project_attribute_key_name":1}]' % nested),
    ):
        assert (await store("POST", path, data=body, Content_Type="application/json")).status == 400


async def test_a_body_that_is_not_the_gzip_it_claims_to_be_is_400(store: Store) -> None:
    packed = gzip.compress(b'{"project_id":"ABC","project_owner":1}')
    sent = {"Content_Type": "application/json", "Content_Encoding": "gzip"}
    assert (await store("POST", "projects/", data=packed, **sent)).status == 201
    assert (await store("POST", "projects/", data=b"junk", **sent)).status == 400


async def test_a_sync_cut_in_the_middle_stores_nothing(store: Store) -> None:
    record = {"name": "k", "display_name": "K", "data_type": "CHAR"}
    body = json.dumps([record] * 1000).encode()
    host, _, port = store.url.removeprefix("http://").partition(":")
    head = (
        f"POST /api/v1/project_attribute_keys/sync/ HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {BOTH}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head.encode() + body[: len(body) // 2])
    await writer.drain()
    writer.write_eof()
    await reader.read()
    writer.close()
    await writer.wait_closed()
    assert await store.get("project_attribute_keys/") == []


def _fields(path: str) -> tuple[str, ...]:
    return {
        "projects": (
            "project_id",
            "project_owner",
            "project_owner_id",
            "zipcode",
            "baseline_period_end",
            "reporting_period_start",
        ),
        "project_attribute_keys": ("name", "display_name", "data_type"),
        "project_attributes": ("project", "key", "value", "date_value", "float_value", "project_project_id"),
        "consumption_metadatas": ("interpretation", "unit", "label", "records", "project_attribute_key_name"),
        "weather_stations": ("station_id", "zipcodes", "timezone"),
        "project_blocks": ("projects",),
        "registry/connections": ("token",),
    }[path]
