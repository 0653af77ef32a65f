"""/projects: the list, one project's page, its days as CSV, and the button that starts a run."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web

from infra.errors import PartUnavailable
from sinks.clickhouse import ClickHouse
from streams.catalog.datastore.energy_commands import RequestRun
from streams.catalog.datastore.entries import Project
from web import project_queries
from web.api.operation import ROLES
from web.auth import problem
from web.datastore.filters import pk_of
from web.datastore.meter import MeterLog
from web.identity import IDENTITY, Catalog, Identity
from web.meter_pages import Shell
from web.pages import look
from web.pages import project as plots
from web.project_source import BASELINE, REPORTING, Shown, shown
from web.view import project as words
from web.view import project_sheet
from web.view.say import joined

LISTED = 200
"""Projects on one page of the list."""

_OPERATOR = ROLES.index("operator")
_DEGREES = {"DEGC": "°C", "DEGF": "°F"}
_STEP = {"DEGC": 1.0, "DEGF": 2.0}


class ProjectPages:
    """Everything /projects holds.

    Args:
        catalog: projects, traces, runs; where a run is asked for.
        meter: runs, and what came of them.
        shell: answers with a page without a document on the server.
    """

    def __init__(self, db: ClickHouse, catalog: Catalog, meter: MeterLog, shell: Shell) -> None:
        self._db, self._catalog, self._meter, self._shell = db, catalog, meter, shell

    def routes(self) -> list[web.RouteDef]:
        one = "/projects/{pk}"
        return [
            web.get("/projects", _told(self.every)),
            web.get(one, _told(self.show)),
            web.get(f"{one}/days.csv", _told(self.sheet)),
            web.get(f"{one}/runs", _told(self.state_of_runs)),
            web.post(f"{one}/runs", _told(self.start)),
        ]

    async def every(self, request: web.Request) -> web.Response:
        """All projects, or those whose label, zipcode or number holds what is searched."""
        state = self._catalog.state
        query = request.query.get("q", "").strip()[:100]
        sought = query.casefold()
        fits = [one for one in state.projects.values() if not sought or sought in _searched(one)]
        listed = fits[:LISTED]
        runs = {one.pk: [state.runs[pk] for pk in state.index.all("runs", "of_project", one.pk)] for one in listed}
        latest = await project_queries.with_result(
            self._db, [run.pk for some in runs.values() for run in some if not run.result_removed]
        )
        last = {pk: some[-1] for pk, some in runs.items() if some}
        savings, statuses = await project_queries.together(
            self._meter.savings(latest), self._meter.statuses([run.pk for run in last.values()])
        )
        of: dict[int, list[Any]] = {}
        for row in savings:
            of.setdefault(row["project"], []).append(row)
        rows = [
            {
                "project": one,
                "traces": len(state.index.all("traces", "of_project", one.pk)),
                "baseline_end": words.day(one.baseline_period_end_us, one.timezone or "UTC"),
                "run": words.runs([last[one.pk]], statuses, "UTC")[0] if one.pk in last else None,
                "saved": words.figure(words.headline(of.get(one.pk, []))),
            }
            for one in listed
        ]
        counts = {"total": len(state.projects), "matching": len(fits), "listed": len(listed)}
        return self._shell("projects.html", request[IDENTITY], kind="project", query=query, rows=rows, **counts)

    async def show(self, request: web.Request) -> web.Response:
        """One project; `trace` chooses which of its traces."""
        project = self._known(request)
        found = await shown(self._db, self._meter, self._catalog.state, project, pk_of(request.query.get("trace", "")))
        values = {"shown": found, "plots": await asyncio.to_thread(_plots, found), **_said(found)}
        return self._shell("project.html", request[IDENTITY], kind="project", may_run=_may_run(request[IDENTITY]), **values)

    async def sheet(self, request: web.Request) -> web.Response:
        """The days of the page as CSV."""
        project = self._known(request)
        found = await shown(self._db, self._meter, self._catalog.state, project, pk_of(request.query.get("trace", "")))
        name = f"project-{project.pk}-trace-{found.trace.pk if found.trace else 0}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        text = await asyncio.to_thread(project_sheet.sheet, found)
        return web.Response(text=text, content_type="text/csv", charset="utf-8", headers=headers)

    async def state_of_runs(self, request: web.Request) -> web.Response:
        """Which runs there are and how each stands: a page that waits for one asks."""
        project = self._known(request)
        pks = self._catalog.state.index.all("runs", "of_project", project.pk)
        known = await self._meter.statuses(pks)
        return web.json_response({str(pk): known[pk].status if pk in known else "PENDING" for pk in pks})

    async def start(self, request: web.Request) -> web.StreamResponse:
        """Ask the meter for a run, then show the page again."""
        identity = request[IDENTITY]
        project = self._known(request)
        if not _may_run(identity):
            return problem(403, "not_allowed", f"{identity.name} may look; an operator may start a run")
        outcome = await self._catalog.submit(RequestRun(project=project.pk), actor=identity.name)
        if not outcome.accepted or outcome.pk is None:
            return problem(409, outcome.code, outcome.detail)
        await self._meter.queue(self._catalog.state.runs[outcome.pk])
        return web.Response(status=303, headers={"Location": f"/projects/{project.pk}#runs"})

    def _known(self, request: web.Request) -> Project:
        pk = pk_of(request.match_info["pk"])
        project = None if pk is None else self._catalog.state.projects.get(pk)
        if project is None:
            raise _Unknown
        return project

    def unknown(self, request: web.Request) -> web.Response:
        """That there is no such project."""
        return self._shell("no_project.html", request[IDENTITY], status=404, kind="project", asked=request.match_info["pk"][:60])


class _Unknown(Exception):
    """The path names no project."""


def _told(handler: Callable[[web.Request], Any]) -> Callable[[web.Request], Any]:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            answer: web.StreamResponse = await handler(request)
        except _Unknown:
            return handler.__self__.unknown(request)  # type: ignore[attr-defined,no-any-return]  # they are all methods
        except PartUnavailable as error:
            return problem(503, "unavailable", str(error))
        return answer

    return handle


def _searched(project: Project) -> str:
    return f"{project.pk} {project.project_id} {project.zipcode or ''}".casefold()


def _may_run(identity: Identity) -> bool:
    return identity.may("write") and identity.role in ROLES[_OPERATOR:]


def _units(found: Shown) -> dict[str, str]:
    energy = words.UNITS.get(found.trace.unit, found.trace.unit) if found.trace else "kWh"
    return {"energy": energy, "temperature": _DEGREES[found.unit]}


def _plots(found: Shown) -> dict[str, Any]:
    """For static/embed.js; empty: there is nothing to draw."""
    drawn = _drawn(found)
    return look.embedded(drawn) if drawn else {}


def _drawn(found: Shown) -> dict[str, Any]:
    """The plots there is data for, by name."""
    units = _units(found)
    project, drawn = found.project, dict[str, Any]()
    if len(found.usage.start_s):
        ends = {"baseline_end": project.baseline_period_end_us, "reporting_start": project.reporting_period_start_us}
        marks = {name: at_us // 1_000_000 for name, at_us in ends.items() if at_us is not None}
        drawn |= plots.over_time(found.usage, found.edges, found.warmth, marks, found.zone, units)
    curves = {period: one for period in (BASELINE, REPORTING) if (one := found.curve(period)) is not None}
    if curves:
        drawn["model"] = plots.model(curves, _STEP[found.unit], found.zone, units)
    days = found.against
    if days is not None and found.half_width is not None:
        drawn["against"] = plots.against(days, found.half_width, found.zone, units)
        drawn["saved"] = plots.saved(days, _band(found), found.zone)
    return drawn


def _band(found: Shown) -> float:
    """The half-width of what the trace's days avoided, in its own unit."""
    assert found.trace is not None
    mine = [row for row in found.savings if row["energy_trace"] == found.trace.pk]
    return words.own_unit(mine[0]["upper"], found.trace.unit) if mine and mine[0]["upper"] is not None else 0.0


def _said(found: Shown) -> dict[str, Any]:
    """Everything the page says in words."""
    project, labels = found.project, {trace.pk: words.label(trace) for trace in found.traces}
    told = words.runs(found.runs, found.statuses, found.zone)
    models = [(words.PERIODS[period], found.models[period]) for period in (BASELINE, REPORTING) if period in found.models]
    return {
        "labels": labels,
        "source": words.source(found.trace) if found.trace else "",
        "units": _units(found),
        "baseline_end": words.day(project.baseline_period_end_us, found.zone),
        "reporting_start": words.day(project.reporting_period_start_us, found.zone),
        "measured": words.measured(found.usage, found.zone),
        "head": words.figure(words.headline(found.savings)),
        "savings": words.savings(found.savings, labels),
        "left_out": joined(", ", [labels[trace.pk] for trace in found.unmodelled]),
        "runs": told,
        "waiting": [one.pk for one in told if not one.over],
        "failed_models": [(name, one.reasons) for name, one in models if one.status != "SUCCESS"],
        "warnings": [(name, one.warnings) for name, one in models if one.warnings],
        "missing": words.missing(project, found.trace, found.station, bool(len(found.usage.start_s)), bool(len(found.warmth))),
    }
