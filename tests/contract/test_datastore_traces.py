"""Traces, one test a sentence of the contract; their records are another matter."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from infra.errors import PartUnavailable
from streams.catalog.commands import RegisterSensor
from tests.fakes.datastore import Store, datastore
from web.datastore.answers import Invalid

TRACE = {"interpretation": "E_C_S", "unit": "KWH"}


# ---- traces


async def test_the_summary_form_of_a_trace_holds_the_whole_project(store: Store) -> None:
    project = await store.project()
    made = await store.post("consumption_metadatas/?summary=True", {**TRACE, "project": 1, "label": "DEF"})
    assert list(made.items()) == [("id", 1), *TRACE.items(), ("project", project), ("label", "DEF")]
    assert await store.get("consumption_metadatas/?summary=True&projects=1") == [made]
    assert await store.get("consumption_metadatas/1/?summary=True") == made


async def test_the_full_form_of_a_trace_holds_records_and_the_project_s_key(store: Store) -> None:
    await store.project()
    made = await store.post("consumption_metadatas/", {**TRACE, "project": 1, "records": []})
    assert list(made.items()) == [("id", 1), *TRACE.items(), ("records", []), ("project", 1), ("label", None)]
    assert await store.get("consumption_metadatas/") == [made]
    assert await store.get("consumption_metadatas/1/") == made


async def test_a_trace_without_records_or_project_is_fine(store: Store) -> None:
    assert (await store.post("consumption_metadatas/", TRACE))["records"] == []
    assert (await store.post("consumption_metadatas/?summary=True", TRACE))["project"] is None


async def test_what_a_trace_refuses(store: Store) -> None:
    refused = await store("POST", "consumption_metadatas/?summary=True", {"unit": "MWH", "project": 9, "label": "x" * 141})
    assert refused.said == (
        400,
        {
            "interpretation": ["This field is required."],
            "unit": ['"MWH" is not a valid choice.'],
            "project": ['Invalid pk "9" - object does not exist.'],
            "label": ["Ensure this field has no more than 140 characters."],
        },
    )


async def test_a_trace_may_name_a_sensor_or_a_linky_of_ours_and_says_so_only_then(store: Store) -> None:
    store.catalog.add(RegisterSensor(sensor_id="gre000001", secret_sha256="a" * 64))
    sensor = {"kind": "power", "id": "gre000001"}
    made = await store.post("consumption_metadatas/?summary=True", {**TRACE, "source": sensor})
    assert list(made.items())[-2:] == [("label", None), ("source", {**sensor, "energy": "import"})]
    linky = {"kind": "linky", "id": "052165900001", "energy": "EASF01"}
    changed = await store("PATCH", "consumption_metadatas/1/", {"source": linky})
    assert changed.json["source"] == linky
    assert (await store.get("consumption_metadatas/1/"))["source"] == linky
    assert "source" not in (await store("PATCH", "consumption_metadatas/1/", {"source": None})).json


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("gre000001", 'Expected {"kind": "power" or "linky", "id": "<sensor or meter>", "energy": "<which>"}.'),
        ({"kind": "power", "id": "gre000009"}, "there is no power sensor gre000009"),
        ({"kind": "gas", "id": "gre000009", "energy": "x"}, "Invalid enum value 'gas' - at `$.kind`."),
        ({"kind": "linky", "id": "052165900001", "energy": "import"}, "energy import came for a Linky; expected drawn"),
    ],
)
async def test_what_a_source_refuses(store: Store, source: Any, said: str) -> None:
    refused = await store("POST", "consumption_metadatas/", {**TRACE, "source": source})
    assert refused.status == 400
    assert refused.json["source"][0].startswith(said)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("project=1", [1, 2]),
        ("project=x", []),
        ("label=a", [1]),
        ("interpretation=E_C_S", [1, 3]),
        ("interpretation=E_C_S&interpretation=NG_C_S", [1, 2, 3]),
        ("interpretation=E_C_S,NG_C_S", []),
        ("unit=THM", [2]),
        ("unit=KWH&unit=THM", [1, 2, 3]),
        ("unit=FOO", []),
        ("unit=KWH&project=1", [1]),
        ("projects=1-5", [1, 2]),
    ],
)
async def test_filters_of_traces(store: Store, query: str, found: list[int]) -> None:
    await store.project()
    for more in (
        {"project": 1, "label": "a"},
        {"project": 1, "interpretation": "NG_C_S", "unit": "THM"},
        {"label": "b"},
    ):
        await store.post("consumption_metadatas/?summary=True", {**TRACE, **more})
    for flag in ("", "&summary=True"):
        assert [one["id"] for one in await store.get(f"consumption_metadatas/?{query}{flag}")] == found


async def test_traces_sync(store: Store) -> None:
    project = await store.project()
    record = {"project_project_id": "ABC", **TRACE, "label": "DEF"}
    shown = {"id": 1, **TRACE, "project": project, "label": "DEF"}
    thermal = {**shown, "unit": "THM"}
    answer = await store("POST", "consumption_metadatas/sync/", [record, record, {**record, "unit": "THM"}])
    assert answer.said == (
        200,
        [
            {**shown, "status": "created"},
            {**shown, "status": "unchanged - same record"},
            {**thermal, "status": "updated"},
        ],
    )
    (null,) = (await store("POST", "consumption_metadatas/sync/", [{**record, "label": None}])).json
    assert (null["id"], null["status"], null["label"]) == (2, "created", None)


async def test_traces_sync_errors(store: Store) -> None:
    await store.project()
    record = {"project_project_id": "ABC", **TRACE, "label": "DEF"}
    named = {"project": "ABC", "interpretation": "E_C_S", "label": "DEF"}
    no_unit = {name: value for name, value in record.items() if name != "unit"}
    answer = await store(
        "POST",
        "consumption_metadatas/sync/",
        [{**record, "unit": "FOO"}, {**record, "unit": None}, no_unit, {**record, "project_project_id": "Z"}],
    )
    assert answer.status == 400
    bad, null, missing, nowhere = answer.json
    assert (list(bad), bad["status"]) == ([*named, "status", "message"], "error - bad field value - create")
    assert null["status"] == "error - integrity error - create"
    assert missing == {**named, "status": "error - missing field", "message": "'unit'"}
    assert nowhere == {"status": "error - no Project found", "project_project_id": "Z"}
    assert await store.get("consumption_metadatas/") == []


async def test_traces_sync_of_several_that_match(store: Store) -> None:
    await store.project()
    for _ in range(2):
        await store.post("consumption_metadatas/?summary=True", {**TRACE, "project": 1, "label": "DEF"})
    (entry,) = (await store("POST", "consumption_metadatas/sync/", [{"project_project_id": "ABC", **TRACE, "label": "DEF"}])).json
    assert entry["status"] == "error - multiple records"


class Records:
    """Keeps records in memory."""

    def __init__(self) -> None:
        self.kept: dict[int, Any] = {}
        self.away = False

    async def embedded(self, traces: Sequence[int]) -> Mapping[int, bytes]:
        return {trace: self.kept[trace] for trace in traces if trace in self.kept}

    def checked(self, records: Sequence[Any]) -> Any:
        if records == ["bad"]:
            raise Invalid({"non_field_errors": ["bad"]})
        return b'[{"id":1}]'

    async def store(self, trace: int, checked: Any) -> None:
        if self.away:
            raise PartUnavailable("no log")
        self.kept[trace] = checked


async def test_a_trace_comes_with_its_records_or_not_at_all() -> None:
    keeper = Records()
    async with datastore(records=keeper) as store:
        made = await store.post("consumption_metadatas/", {**TRACE, "records": [{}]})
        assert made["records"] == [{"id": 1}]
        assert (await store.get("consumption_metadatas/"))[0]["records"] == [{"id": 1}]
        refused = await store("POST", "consumption_metadatas/", {**TRACE, "unit": "X", "records": ["bad"]})
        assert refused.said == (
            400,
            {"unit": ['"X" is not a valid choice.'], "records": {"non_field_errors": ["bad"]}},
        )
        keeper.away = True
        assert (await store("POST", "consumption_metadatas/", {**TRACE, "records": [{}]})).status == 503
        assert len(await store.get("consumption_metadatas/")) == 1
