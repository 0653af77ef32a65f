"""The datastore of a whole stack: the tutorial by an ordinary client, kill -9 of each of its processes, two servers at once."""

import asyncio
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import requests

from infra import child
from infra.programs import environment
from infra.settings import Settings
from tests.stack import Stack
from tests.tutorial import NORMAL_AFTER_KWH, NORMAL_BEFORE_KWH, UNCHANGED_KWH, Client, records, weather
from tests.waiting import until

SECOND = """
import asyncio
from infra.settings import Settings
from schemas.registry import Registry
from sinks.clickhouse import ClickHouse
from sinks.migrate import migrate
from streams.catalog.view import view_of
from web.server import create_app, serve

async def run():
    settings = Settings()
    store = ClickHouse(settings)
    migrate(store, settings)
    await serve(create_app(settings, store, view_of(settings, Registry(settings.registry, settings.schema_cache))), settings)
    await asyncio.get_running_loop().create_future()

asyncio.run(run())
"""
"""One more web server. The embedded store is another's, so it serves what is in the catalog."""

pytestmark = pytest.mark.timeout(900)

TAKEN = {"project_id": ["project with this project id already exists."]}


@pytest.fixture(scope="module")
def stack(make_settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A new stack with the development seed."""
    found = Stack(make_settings(session_timeout_s=6, meter_timeout_s=600), tmp_path_factory.mktemp("datastore"))
    found.run("dev-seed")
    yield found
    found.stop()


@pytest.fixture
def client(stack: Stack) -> Client:
    return Client(stack.settings.web)


@pytest.fixture
def second(stack: Stack, free_port: Callable[[], int], tmp_path: Path) -> Iterator[str]:
    """The address of one more server of the same stack."""
    port = free_port()
    own = stack.settings.model_copy(
        update={
            "data": tmp_path / "second",
            "web_port": port,
            "kafka_bootstrap": stack.settings.kafka,
            "registry_url": stack.settings.registry,
            "registry_key_file": str(stack.settings.registry_key),
        }
    )
    own.data.mkdir()
    process = child.spawn([sys.executable, "-c", SECOND], tmp_path / "second.log", environment(own))
    url = f"http://127.0.0.1:{port}"
    until(lambda: process.poll() is not None or answers(f"{url}/readyz"), "the second server knows the catalog", 60)
    yield url
    child.stop(process, 20)


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def answered(call: Callable[[], requests.Response]) -> requests.Response:
    """The answer once the server is there again."""
    found: list[requests.Response] = []

    def asked() -> bool:
        try:
            found.append(call())
        except requests.RequestException:
            return False
        return found[-1].status_code < 500

    until(asked, "the server answers", 90)
    return found[-1]


def ended(client: Client, run: int, timeout_s: float = 120) -> dict[str, Any]:
    """A run once it has come to its end."""
    found: dict[str, Any] = {}

    def over() -> bool:
        found.update(answered(lambda: client.get(f"/project_runs/{run}/")).json())
        return found["status"] in ("SUCCESS", "FAILED")

    until(over, f"run {run} ends", timeout_s)
    return found


def test_the_whole_tutorial(client: Client) -> None:
    # 1
    abc = {
        "id": 1,
        "project_owner": 1,
        "project_id": "ABC",
        "baseline_period_start": None,
        "baseline_period_end": "2012-01-01T00:00:00Z",
        "reporting_period_start": "2012-02-01T00:00:00Z",
        "reporting_period_end": None,
        "zipcode": "91104",
    }
    assert client.get("/projects/").json() == [abc]
    # 2
    first = client.get("/consumption_metadatas/?summary=True&projects=1").json()[0]
    assert first == {"id": 1, "interpretation": "NG_C_S", "unit": "THM", "label": None, "project": abc}
    # 3
    assert client.get("/consumption_records/?metadata=1").json()[:3] == [
        {"id": k + 1, "start": f"2010-0{k + 1}-01T00:00:00Z", "value": value, "estimated": False, "metadata": 1}
        for k, value in enumerate((None, 1.0, 1.0))
    ]
    traces = client.get("/consumption_metadatas/?summary=True&projects=1").json()
    held = [len(client.get(f"/consumption_records/?metadata={one['id']}").json()) for one in traces]
    assert held == [60, 1_218, 140_161, 35_041, 25_945, 87_601]
    # 4
    assert (client.delete("/projects/1/").status_code, client.get("/projects/1/").status_code) == (204, 404)
    assert [client.get(f"/consumption_metadatas/{one['id']}/").status_code for one in traces] == [404] * 6
    assert [client.get(f"/consumption_records/{path}").status_code for path in ("1/", "290026/")] == [404, 404]
    assert client.get("/consumption_records/").json() == []
    # 5, 6
    body = {
        "project_id": "ABC",
        "zipcode": "50321",
        "baseline_period_end": "2013-06-01T00:00:00+00:00",
        "reporting_period_start": "2013-07-01T00:00:00+00:00",
        "project_owner": 1,
    }
    made = client.post("/projects/", body)
    project = abc | {
        "id": 2,
        "baseline_period_end": "2013-06-01T00:00:00Z",
        "reporting_period_start": "2013-07-01T00:00:00Z",
        "zipcode": "50321",
    }
    assert (made.status_code, list(made.json().items())) == (201, list(project.items()))
    again = client.post("/projects/", body)
    assert (again.status_code, again.json()) == (400, TAKEN)
    # 7
    record = {name: value for name, value in body.items() if name != "project_owner"} | {"project_owner_id": 1}
    assert client.post("/projects/sync/", [record]).json() == [project | {"status": "unchanged - same record"}]
    # 8
    sent = {"project_project_id": "ABC", "interpretation": "E_C_S", "unit": "KWH", "label": "DEF"}
    (trace,) = client.post("/consumption_metadatas/sync/", [sent]).json()
    shown = {"id": 7, "interpretation": "E_C_S", "unit": "KWH", "label": "DEF", "project": project}
    assert trace == shown | {"status": "created"}
    # 9
    stored = client.post("/consumption_records/sync2/", records(7))
    assert (stored.status_code, stored.text) == (200, '{"status":"success"}')
    # 10, with a stray body
    found = client.get("/consumption_records/?metadata=7", json=records(7)[:1]).json()
    assert [one["id"] for one in found] == list(range(290027, 290027 + 1462))
    assert found[0] == {
        "id": 290027,
        "start": "2011-01-01T00:00:00Z",
        "value": found[0]["value"],
        "estimated": False,
        "metadata": 7,
    }
    assert [one["value"] for one in found] == [one["value"] for one in records(7)]
    # The zipcode's weather: the original knew it from elsewhere.
    station = {"station_id": "IA", "zipcodes": ["50321"], "timezone": "America/Chicago", "unit": "DEGC"}
    assert client.post("/weather_stations/", station).status_code == 201
    assert client.post("/weather_records/sync2/", weather("IA")).text == '{"status":"success"}'
    # 11
    run = client.post("/project_runs/", {"project": 2, "meter_class": "EnergyEfficiencyMeter", "meter_settings": {}})
    assert run.status_code == 201
    assert list(run.json()) == ["id", "project", "meter_class", "meter_settings", "status", "traceback", "added", "updated"]
    assert [run.json()[name] for name in ("id", "project", "status", "traceback")] == [1, 2, "PENDING", None]
    # 12
    done = ended(client, 1, 240)
    assert done == run.json() | {"status": "SUCCESS", "updated": done["updated"]}
    # 13
    (result,) = client.get("/project_results/").json()
    check_result(result, done)
    check_savings(client.get("/project_savings/?project=2").json(), result)
    until(lambda: len(client.get("/project_models/?project=2").json()) == 2, "its models are there too")
    models = client.get("/project_models/?project=2").json()
    assert [(one["energy_trace"], one["interpretation"], one["kind"], one["reasons"]) for one in models] == [
        (7, "BASELINE", "daily", []),
        (7, "REPORTING", "daily", []),
    ]
    assert models[0]["end_date"] <= "2013-06-01T00:00:00Z" < models[1]["start_date"]
    # and what a partner sees of it
    token = client.post("/registry/connections/", {"projects": [2]}).json()["token"]
    address = client.base.replace("/api/v1", "/registry/summary/")
    (seen,) = requests.get(address, headers={"Authorization": f"Token {token}"}, timeout=20).json()["projects"]
    assert (seen["project_result_pk"], seen["meter_class"], len(seen["summaries"])) == (1, "EnergyEfficiencyMeter", 4)
    assert seen["summaries"][0]["baseline_value"] == result["derivative_aggregations"][0]["baseline_value"]


def test_every_address_of_the_datastore_is_described(client: Client) -> None:
    described = client.get("/openapi.json").json()["paths"]
    page = client.get("/docs").text
    full, synced = ("projects", "project_attribute_keys", "project_attributes", "consumption_metadatas"), ("consumption_records",)
    lists = (*full, *synced, "project_owners", "project_blocks", "registry/connections", "project_runs", "project_results")
    wanted = {f"/api/v1/{name}/" for name in lists} | {f"/api/v1/{name}/{{pk}}/" for name in lists}
    wanted |= {f"/api/v1/{name}/sync/" for name in (*full, *synced, "weather_stations")}
    wanted |= {"/api/v1/", "/api/v1/consumption_records/sync2/", "/api/v1/weather_records/sync2/", "/registry/summary/"}
    wanted |= {"/api/v1/project_models/", "/api/v1/project_savings/", "/api/v1/weather_stations/", "/api/v1/weather_records/"}
    assert wanted - set(described) == set()
    assert [path for path in wanted if path.split("{")[0] not in page] == []


def check_result(result: dict[str, Any], run: dict[str, Any]) -> None:
    names = ["id", "project", "eemeter_version", "meter_class", "meter_settings", "modeling_periods", "modeling_period_groups"]
    assert list(result) == [*names, "derivative_aggregations", "energy_trace_model_results", "added", "updated"]
    assert [result[name] for name in ("id", "project", "meter_class", "meter_settings")] == [1, 2, run["meter_class"], {}]
    assert [(one["interpretation"], one["start_date"], one["end_date"]) for one in result["modeling_periods"]] == [
        ("BASELINE", None, "2013-06-01T00:00:00Z"),
        ("REPORTING", "2013-07-01T00:00:00Z", None),
    ]
    baseline, reporting = (one["id"] for one in result["modeling_periods"])
    (group,) = result["modeling_period_groups"]
    assert group == {"id": group["id"], "baseline_period": baseline, "reporting_period": reporting}
    sums = {(one["trace_interpretation"], one["interpretation"]): one for one in result["derivative_aggregations"]}
    kinds = ("annualized_weather_normal", "gross_predicted")
    fuels = ("ALL_FUELS_CONSUMPTION_SUPPLIED", "ELECTRICITY_CONSUMPTION_SUPPLIED")
    assert sorted(sums) == [(fuel, kind) for fuel in fuels for kind in kinds]
    for kind in kinds:
        one, other = (dict(sums[fuel, kind], id=0, trace_interpretation="") for fuel in fuels)
        assert one == other
    normal = sums[fuels[1], kinds[0]]
    assert (normal["baseline_n"], normal["reporting_n"]) == (365, 365)
    assert normal["baseline_value"] == pytest.approx(NORMAL_BEFORE_KWH, rel=0.02)
    assert normal["reporting_value"] == pytest.approx(NORMAL_AFTER_KWH, rel=0.02)
    models = result["energy_trace_model_results"]
    assert [(one["energy_trace"], one["modeling_period"], one["status"]) for one in models] == [
        (7, baseline, "SUCCESS"),
        (7, reporting, "SUCCESS"),
    ]
    for one in models:
        assert (one["project_result"], one["model_serializiation"]) == (1, None)
        assert [derivative["interpretation"] for derivative in one["derivatives"]] == list(kinds)
        assert all(one[name] > 0 for name in ("r2", "rmse", "cvrmse", "upper", "lower", "n"))


def check_savings(savings: list[dict[str, Any]], result: dict[str, Any]) -> None:
    of_all = {one["interpretation"]: one for one in savings if one["trace_interpretation"] == "ELECTRICITY_CONSUMPTION_SUPPLIED"}
    normal = of_all["annualized_weather_normal"]
    sums = next(one for one in result["derivative_aggregations"] if one["interpretation"] == "annualized_weather_normal")
    assert normal["value"] == pytest.approx(sums["baseline_value"] - sums["reporting_value"])
    assert of_all["avoided_energy_use"]["value"] == pytest.approx(0.2 * UNCHANGED_KWH, rel=0.1)


def test_the_tutorial_as_it_stands_in_the_documentation(client: Client, tmp_path: Path) -> None:
    """After the other one, so that the ids are the next; typed into a shell."""
    page = (Path(__file__).parents[2] / "docs" / "datastore.md").read_text()
    (typed,) = re.findall(r"```bash\n(URL=.*?)```", page, re.DOTALL)
    assert client.get("/projects/?project_id=ABC").json()[0]["id"] == 2
    for shown, here in (
        ("http://127.0.0.1:8080/api/v1", client.base),
        ("PROJECT=2 TRACE=7 RUN=1", "PROJECT=3 TRACE=8 RUN=2"),
        ("/projects/1/", "/projects/2/"),
    ):
        assert shown in typed
        typed = typed.replace(shown, here)
    done = subprocess.run(["bash", "-eu", "-c", typed], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout[-2000:]
    lines = [line for line in done.stdout.splitlines() if line]
    assert '{"status":"success"}' in lines
    assert any('"id":2,' in line and '"status":"SUCCESS"' in line for line in lines)
    (result,), savings = json.loads(lines[-2]), json.loads(lines[-1])
    assert [one["status"] for one in result["energy_trace_model_results"]] == ["SUCCESS"] * 2
    normal = next(one for one in savings if one["interpretation"] == "annualized_weather_normal")
    assert normal["value"] == pytest.approx(365 * 8, rel=0.001)


def test_runs_of_every_project_and_of_a_block_are_asked_for(stack: Stack, client: Client) -> None:
    one, two = (client.post("/projects/", {"project_id": f"asked-{k}", "project_owner": 1}).json()["id"] for k in (1, 2))
    block = client.post("/project_blocks/", {"name": "asked", "projects": [two]}).json()["id"]
    (line,) = stack.run("run-meter", "--block", str(block)).splitlines()
    (run,) = client.get(f"/project_runs/?projects={two}").json()
    assert line == f"project {two}: run {run['id']}"
    said = stack.run("run-meter").splitlines()
    assert len(said) == len(client.get("/projects/").json())
    assert len(client.get(f"/project_runs/?projects={one}").json()) == 1
    for project in (one, two):
        assert client.delete(f"/projects/{project}/").status_code == 204


# ---- kill -9


def project_with_trace(client: Client, label: str, **more: Any) -> tuple[int, int]:
    """Primary keys of a new project and its new trace."""
    project = answered(lambda: client.post("/projects/", {"project_id": label, "project_owner": 1, **more})).json()["id"]
    trace = {"project_project_id": label, "interpretation": "E_C_S", "unit": "KWH", "label": None}
    (made,) = answered(lambda: client.post("/consumption_metadatas/sync/", [trace])).json()
    return project, made["id"]


def batch(trace: int, number: int) -> list[dict[str, Any]]:
    """2,000 minutes of one day; the value tells batch and record."""
    return [
        {
            "metadata_id": trace,
            "start": f"2014-03-{number + 1:02}T{k // 60:02}:{k % 60:02}:{30 * (k >= 1000):02}Z",
            "value": number + k / 4096,
            "estimated": False,
        }
        for k in range(1400)
    ]


def test_kill_9_of_the_store_during_sync2_loses_nothing_that_was_answered(stack: Stack, client: Client) -> None:
    _, trace = project_with_trace(client, "killed-sync2")
    safe: list[int] = []
    cut: list[int] = []

    def send() -> None:
        for number in range(30):
            try:
                status = client.post("/consumption_records/sync2/", batch(trace, number)).status_code
            except requests.RequestException:
                status = 0
            (safe if status == 200 else cut).append(number)
            if status != 200:
                until(lambda: answers(f"{stack.settings.web}/readyz"), "the store is back", 90)

    sender = threading.Thread(target=send)
    sender.start()
    for answered_so_far in (4, 9):
        until(lambda n=answered_so_far: len(safe) >= n, "batches are answered", 60)  # type: ignore[misc]
        stack.kill("store")
        until(lambda n=answered_so_far: len(safe) > n + 2, "batches are answered again", 120)  # type: ignore[misc]
    sender.join(120)
    assert len(safe) + len(cut) == 30
    found = client.get(f"/consumption_records/?metadata={trace}").json()
    held = {number: [one for one in found if int(one["value"]) == number] for number in range(30)}
    assert [len(held[number]) for number in safe] == [1400] * len(safe)
    assert {len(held[number]) for number in cut} <= {0, 1400}  # all or nothing
    assert [one["value"] for one in held[safe[-1]]] == [one["value"] for one in batch(trace, safe[-1])]
    ids = [one["id"] for one in found]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert client.post("/consumption_records/sync2/", [one for n in safe for one in batch(trace, n)]).status_code == 200
    assert client.get(f"/consumption_records/?metadata={trace}").json() == found


def test_a_sync_whose_server_is_killed_is_sent_again_and_leaves_no_gap(stack: Stack, client: Client) -> None:
    fields = {"project_owner_id": 1, "zipcode": None, "baseline_period_end": None, "reporting_period_start": None}
    sent = [{"project_id": f"killed-{k}", **fields} for k in range(6000)]
    said: list[int] = []

    def send() -> None:
        try:
            said.append(client.post("/projects/sync/", sent).status_code)
        except requests.RequestException:
            said.append(0)

    sender = threading.Thread(target=send)
    sender.start()
    until(lambda: bool(said) or bool(client.get("/projects/?project_id=killed-0").json()), "the sync has begun")
    stack.kill("store")
    sender.join(60)
    again = answered(lambda: client.post("/projects/sync/", sent))
    assert again.status_code == 200
    statuses = [one["status"] for one in again.json()]
    assert set(statuses) <= {"created", "unchanged - same record"}
    assert statuses[0] == "unchanged - same record"
    ids = [one["id"] for one in again.json()]
    assert ids == list(range(ids[0], ids[0] + 6000))


def test_kill_9_of_meter_and_store_during_runs_ends_every_run_that_was_answered(stack: Stack, client: Client) -> None:
    periods = {"baseline_period_end": "2013-06-01T00:00:00Z", "reporting_period_start": "2013-07-01T00:00:00Z"}
    project, trace = project_with_trace(client, "killed-runs", zipcode="00001", **periods)
    assert client.post("/consumption_records/sync2/", records(trace)).status_code == 200
    station = {"station_id": "K", "zipcodes": ["00001"], "timezone": "America/Chicago", "unit": "DEGC"}
    assert client.post("/weather_stations/", station).status_code == 201
    assert client.post("/weather_records/sync2/", weather("K")).status_code == 200

    def asked() -> int:
        made = client.post("/project_runs/", {"project": project})
        assert made.status_code == 201
        return int(made.json()["id"])

    def status(run: int) -> str:
        return str(answered(lambda: client.get(f"/project_runs/{run}/")).json()["status"])

    runs = [asked() for _ in range(2)]
    until(lambda: status(runs[0]) == "RUNNING", "the first run is begun", 120)
    stack.kill("meter")
    until(lambda: status(runs[0]) != "PENDING", "it is taken up", 120)
    runs.append(asked())
    stack.kill("store")
    assert [(run, ended(client, run, 240)["status"]) for run in runs] == [(run, "SUCCESS") for run in runs]
    results = answered(lambda: client.get(f"/project_results/?project={project}")).json()
    assert [one["id"] for one in results] == runs
    values = {one["derivative_aggregations"][0]["baseline_value"] for one in results}
    assert len(values) == 1  # the same input gives the same numbers


# ---- two servers


async def test_of_1000_who_create_the_same_project_at_two_servers_one_does(client: Client, second: str) -> None:
    before = client.post("/projects/", {"project_id": "before", "project_owner": 1}).json()["id"]
    body = {"project_id": "raced", "project_owner": 1}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100), headers=client.headers) as http:

        async def post(base: str) -> tuple[int, Any]:
            async with http.post(f"{base}/projects/", json=body) as answer:
                return answer.status, await answer.json()

        bases = (client.base, f"{second}/api/v1")
        said = await asyncio.gather(*(post(bases[k % 2]) for k in range(1000)))
    refused = [(status, told) for status, told in said if status != 201]
    assert refused == [(400, TAKEN)] * 999
    (made,) = (told["id"] for status, told in said if status == 201)
    after = Client(second).post("/projects/", {"project_id": "after", "project_owner": 1}).json()["id"]
    assert (made, after) == (before + 1, before + 2)
    for one in (client, Client(second)):
        found = one.get(f"/projects/?projects={before}-{after + 10}").json()
        assert [(p["id"], p["project_id"]) for p in found] == [(before, "before"), (made, "raced"), (after, "after")]


def test_what_one_server_answered_the_other_knows(client: Client, second: str) -> None:
    other = Client(second)
    for k in range(30):
        here, there = (client, other) if k % 2 else (other, client)
        made = here.post("/projects/", {"project_id": f"seen-{k}", "project_owner": 1}).json()
        assert there.get(f"/projects/{made['id']}/").json() == made
        sent = {"interpretation": "E_C_S", "unit": "KWH", "project": made["id"]}
        trace = there.post("/consumption_metadatas/?summary=True", sent).json()
        assert here.get(f"/consumption_metadatas/?summary=True&project={made['id']}").json() == [trace]
        assert here.delete(f"/projects/{made['id']}/").status_code == 204
        gone = f"/projects/{made['id']}/", f"/consumption_metadatas/{trace['id']}/"
        assert [there.get(path).status_code for path in gone] == [404, 404]
    made = client.post("/registry/connections/", {"projects": []}).json()
    assert other.get(f"/registry/connections/{made['id']}/").json() == made
    headers = {"Authorization": f"Token {made['token']}"}
    assert requests.get(f"{second}/registry/summary/", headers=headers, timeout=20).status_code == 200
