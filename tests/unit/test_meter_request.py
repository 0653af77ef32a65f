"""A run's message: what of a project the meter is told, and what plays no part."""

from typing import Any

from streams.catalog.commands import AddUser
from streams.catalog.datastore.energy_commands import CreateStation, CreateTrace, RequestRun
from streams.catalog.datastore.project_commands import CreateProject, RemoveProject
from streams.catalog.state import State
from streams.meter.request import request_of
from tests.fakes.catalog import FakeCatalog


def stated(**project: Any) -> State:
    catalog = FakeCatalog(AddUser(name="demo", role="admin", password_hash="$argon2"))
    catalog.add(CreateStation(station_id="X", zipcodes=("91104",), timezone="America/Los_Angeles", unit="DEGF"))
    catalog.add(CreateProject(**{"project_owner": 1, "project_id": "ABC", "zipcode": "91104"} | project))
    for kind in ("E_C_S", "NG_C_S"):
        catalog.add(CreateTrace(interpretation=kind, unit="KWH", project=1))  # type: ignore[arg-type]
    catalog.add(CreateTrace(interpretation="E_C_S", unit="KWH"))  # nobody's
    catalog.add(RequestRun(project=1))
    return catalog.state


def test_a_run_is_sent_with_its_project_s_traces_and_station() -> None:
    state = stated(baseline_period_end_us=5, reporting_period_start_us=7)
    found = request_of(state, state.runs[1], {"topic": 3})
    assert found is not None
    assert (found.run, found.project, found.baseline_period_end_us, found.reporting_period_start_us) == (1, 1, 5, 7)
    assert [(one.pk, one.interpretation) for one in found.traces] == [(1, "E_C_S"), (2, "NG_C_S")]
    assert found.station is not None
    assert (found.station.station_id, found.as_of) == ("X", {"topic": 3})


def test_baseline_period_start_and_reporting_period_end_play_no_part() -> None:
    plain = stated(baseline_period_end_us=5)
    named = stated(baseline_period_end_us=5, baseline_period_start_us=1, reporting_period_end_us=9)
    assert request_of(plain, plain.runs[1], {}) == request_of(named, named.runs[1], {})


def test_without_a_station_that_serves_it_a_project_has_no_weather_and_none_is_made_up() -> None:
    state = stated(zipcode="00000")
    found = request_of(state, state.runs[1], {})
    assert found is not None
    assert found.station is None


def test_of_a_project_that_is_gone_nothing_is_sent() -> None:
    catalog_state = stated()
    run = catalog_state.runs[1]
    catalog = FakeCatalog()
    catalog.state = catalog_state
    catalog.add(RemoveProject(pk=1))
    assert request_of(catalog.state, run, {}) is None
