"""Rules of weather stations, and which one a project has."""

from dataclasses import replace

from streams.catalog.datastore.energy_commands import ChangeStation, CreateStation, RemoveStation, UpsertStation
from streams.catalog.datastore.entries import Project, Station
from streams.catalog.datastore.verdicts import next_pk, not_found, not_unique, put, removed, upserted
from streams.catalog.outcome import Outcome
from streams.catalog.state import Change, State

_TAKEN = "weather station with this station id already exists."


def by_name(state: State, station_id: str) -> Station | None:
    pk = state.index.one("station", station_id)
    return None if pk is None else state.stations[pk]


def of_project(state: State, project: Project) -> Station | None:
    """The station a project names, else the oldest that holds its zipcode, else None."""
    if project.weather_station is not None:
        return state.stations[project.weather_station]
    found = state.index.all("stations", "zipcode", project.zipcode) if project.zipcode else []
    return state.stations[found[0]] if found else None


def create(state: State, command: CreateStation, _: int) -> Outcome:
    if by_name(state, command.station_id) is not None:
        return not_unique("station_id", _TAKEN)
    pk, counted = next_pk(state, "stations")
    return put("stations", Station(pk, **command.changes()), counted)


def change(state: State, command: ChangeStation, _: int) -> Outcome:
    known = state.stations.get(command.pk)
    if known is None:
        return not_found(command.pk)
    changed = replace(known, **command.changes())
    if state.index.one("station", changed.station_id) not in (None, known.pk):
        return not_unique("station_id", _TAKEN)
    return put("stations", changed)


def remove(state: State, command: RemoveStation, _: int) -> Outcome:
    known = state.stations.get(command.pk)
    if known is None:
        return not_found(command.pk)
    named = (state.projects[pk] for pk in state.index.all("projects", "at_station", known.pk))
    return removed("stations", known, *(Change("projects", p.pk, replace(p, weather_station=None)) for p in named))


def upsert(state: State, command: UpsertStation, _: int) -> Outcome:
    known = by_name(state, command.station_id)
    if known is not None:
        return upserted("stations", known, replace(known, **command.changes()))
    pk, counted = next_pk(state, "stations")
    return upserted("stations", None, Station(pk, **command.changes()), counted)
