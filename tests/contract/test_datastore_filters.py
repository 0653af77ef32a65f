"""Every filter of every list, alone and with the others: AND between them, the last of a repeated one, never an error."""

import pytest

from tests.fakes.datastore import Store

DAYS = ("2012-01-01T00:00Z", "2012-01-01T23:59:59.999999Z", "2012-01-02T00:00Z", None, "2011-12-31T23:59:59.999999Z")


async def found(store: Store, path: str, query: str) -> list[int]:
    """Primary keys of what a list's query selects, which must be a bare array by rising key."""
    said = await store("GET", f"{path}/?{query}")
    assert said.status == 200, said.text
    ids = [one["id"] for one in said.json]
    assert ids == sorted(ids)
    return ids


@pytest.fixture
async def five(store: Store) -> Store:
    """Projects p1 to p5, blocks a (1, 2) and b (2, 3), owner 1 of the first three and 2 of the others."""
    for k, (day, other) in enumerate(zip(DAYS, reversed(DAYS), strict=True), 1):
        more = {"baseline_period_end": day, "reporting_period_start": other, "zipcode": f"9110{k % 2}"}
        await store.post("projects/", {"project_id": f"p{k}", "project_owner": 1 if k <= 3 else 2, **more})
    await store.post("project_blocks/", {"name": "a", "projects": [1, 2]})
    await store.post("project_blocks/", {"name": "b", "projects": [2, 3]})
    return store


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        pytest.param("projects=2-4&project_owner=1", [2, 3], id="projects and owner"),
        pytest.param("projects=1+5&zipcode=91101&project_owner=2", [5], id="three of them"),
        pytest.param("project_id=p1&project_owner=2", [], id="nothing has both"),
        pytest.param("projects=abc&zipcode=91101", [], id="one that selects nothing beside one that does"),
        pytest.param("projects=1-5&projects=4", [4], id="of a repeated one the last"),
        pytest.param("projects=1%0A2%093", [1, 2, 3], id="any white space separates"),
        pytest.param("project_owner=1&project_owner=x", [], id="the last cannot be read"),
        pytest.param("project_owner=x&project_owner=1", [1, 2, 3], id="the last can"),
        pytest.param("zipcode=91100&zipcode=91101", [1, 3, 5], id="the last zipcode"),
        pytest.param("project_owner=1,2", [], id="commas do not separate"),
        pytest.param("baseline_period_end_0=2012-01-01", [1, 2, 3], id="from a day's start, included"),
        pytest.param("baseline_period_end_1=2012-01-01", [1, 2, 5], id="to a day's end, included"),
        pytest.param("reporting_period_start_0=2012-01-01", [3, 4, 5], id="from a day on"),
        pytest.param("reporting_period_start_1=2012-01-01", [1, 4, 5], id="to a day"),
        pytest.param("reporting_period_start_0=2012-01-01&reporting_period_start_1=2012-01-01", [4, 5], id="one day"),
        pytest.param("baseline_period_end_0=2012-01-01&reporting_period_start_1=2011-12-31", [1], id="both periods"),
        pytest.param("baseline_period_end_0=2012-01-02&baseline_period_end_1=2012-01-01", [], id="an empty range"),
        pytest.param("reporting_period_start=2012-01-01", [1, 2, 3, 4, 5], id="the bare name is ignored"),
        pytest.param("baseline_period_start_0=2012-01-01", [1, 2, 3, 4, 5], id="there is none for the baseline's start"),
        pytest.param("reporting_period_start_1=2012-1-1x", [], id="a date that is none"),
        pytest.param("projectblock_or=2&zipcode=91101", [3], id="members of a block and a zipcode"),
        pytest.param("projectblock_and=1", [1, 2], id="members of all of one"),
        pytest.param("projectblock_and=1&projectblock_and=2&zipcode=91101", [], id="members of both, elsewhere"),
        pytest.param("projectblock_or=1&projectblock_and=2", [2], id="any of some and all of others"),
        pytest.param("projectblock_or=1&projectblock_or=x", [], id="one of several cannot be read"),
        pytest.param("projectblock_or=9", [], id="no such block"),
        pytest.param("project_id=p1&with_attributes=True&with_meter_runs=True", [1], id="flags do not select"),
    ],
)
async def test_projects(five: Store, query: str, wanted: list[int]) -> None:
    assert await found(five, "projects", query) == wanted


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        pytest.param("", [1, 2, 3, 4], id="all"),
        pytest.param("project=2", [3], id="project"),
        pytest.param("project=9", [], id="no such project"),
        pytest.param("project=1&project=2", [3], id="the last project"),
        pytest.param("label=a", [1, 3], id="label"),
        pytest.param("label=A", [], id="labels are exact"),
        pytest.param("label=a&label=b", [2], id="the last label"),
        pytest.param("interpretation=NG_C_S", [2], id="interpretation"),
        pytest.param("interpretation=E_C_S&interpretation=FOO", [], id="one of several cannot be read"),
        pytest.param("unit=KWH&unit=FOO", [], id="one of several units cannot be read"),
        pytest.param("unit=kwh", [], id="units are exact"),
        pytest.param("projects=1", [1, 2], id="projects"),
        pytest.param("projects=", [], id="an empty projects filter"),
        pytest.param("projects=1-2&project=2", [3], id="projects and project"),
        pytest.param("projects=1-2&label=a&interpretation=E_C_S&unit=KWH", [1], id="all of them"),
        pytest.param("projects=1-2&label=a&interpretation=E_C_S&unit=THM", [], id="all of them, one wrong"),
        pytest.param("interpretation=E_OSG_U&interpretation=NG_C_S&unit=KWH&unit=THM", [2, 3, 4], id="any of each"),
    ],
)
async def test_traces(five: Store, query: str, wanted: list[int]) -> None:
    for project, label, kind, unit in (
        (1, "a", "E_C_S", "KWH"),
        (1, "b", "NG_C_S", "THM"),
        (2, "a", "E_OSG_U", "KWH"),
        (None, None, "E_OSG_U", "KWH"),
    ):
        body = {"project": project, "label": label, "interpretation": kind, "unit": unit}
        await five.post("consumption_metadatas/", body)
    for flag in ("", "&summary=True"):
        assert await found(five, "consumption_metadatas", f"{query}{flag}") == wanted


@pytest.mark.parametrize(
    ("path", "query", "wanted"),
    [
        pytest.param("project_attribute_keys", "name=b&data_type=DATE", [2], id="name and type of a key"),
        pytest.param("project_attribute_keys", "name=b&data_type=CHAR", [], id="nothing has both"),
        pytest.param("project_attribute_keys", "name=B", [], id="names are exact"),
        pytest.param("project_attribute_keys", "data_type=CHAR&data_type=DATE", [2], id="the last type"),
        pytest.param("project_attribute_keys", "data_type=DATE,CHAR", [], id="commas do not separate"),
        pytest.param("project_attributes", "project=1", [1, 2], id="project of an attribute"),
        pytest.param("project_attributes", "key=2", [2, 3], id="key of an attribute"),
        pytest.param("project_attributes", "project=1&key=2", [2], id="project and key"),
        pytest.param("project_attributes", "project=1&key=x", [], id="one that cannot be read"),
        pytest.param("project_attributes", "projects=1", [1, 2, 3], id="no projects filter here"),
        pytest.param("weather_stations", "station_id=t", [2], id="station"),
        pytest.param("weather_stations", "station_id=t&station_id=s", [1], id="the last station"),
        pytest.param("registry/connections", "projects=9&token=x", [1], id="connections have no filters"),
    ],
)
async def test_keys_attributes_stations_and_connections(five: Store, path: str, query: str, wanted: list[int]) -> None:
    for name, kind in (("a", "CHAR"), ("b", "DATE")):
        await five.post("project_attribute_keys/", {"name": name, "display_name": name, "data_type": kind})
    for project, key in ((1, 1), (1, 2), (2, 2)):
        await five.post("project_attributes/", {"project": project, "key": key})
    for station in "st":
        await five.post("weather_stations/", {"station_id": station})
    await five.post("registry/connections/", {"projects": [1]})
    assert await found(five, path, query) == wanted
