"""What the meter wrote, read for answers; runs are named by their primary keys."""

import json
from collections.abc import Sequence
from typing import Any

from sinks import meter_tables
from sinks.clickhouse import ClickHouse

_NAMED_MAX = 5_000
"""More runs than this are not named in a query, which has a limit of length, but picked from all."""

Rows = list[tuple[Any, ...]]


def statuses(store: ClickHouse, runs: Sequence[int]) -> Rows:
    """(run, status, milliseconds, traceback) of runs of which something is known."""
    return _rows(store, "run, status, toUnixTimestamp64Milli(at), traceback", meter_tables.METER_RUN_STATUS.name, runs)


def results(store: ClickHouse, runs: Sequence[int]) -> list[tuple[dict[str, Any], int]]:
    """(result, microseconds) of runs that have one, by rising run."""
    found = _rows(store, "run, result, toUnixTimestamp64Micro(computed_at)", meter_tables.METER_RESULTS.name, runs)
    return [(json.loads(result), at_us) for _, result, at_us in found]


def savings(store: ClickHouse, runs: Sequence[int]) -> list[dict[str, Any]]:
    """The rows of savings of runs that have a result, by rising run."""
    return [row for _, rows in _rows(store, "run, savings", meter_tables.METER_RESULTS.name, runs) for row in json.loads(rows)]


def models(store: ClickHouse, runs: Sequence[int]) -> Rows:
    """(run, project, trace, period, status, kind, first and end microsecond, reasons, warnings) of each model of runs."""
    columns = "run, project, energy_trace, modeling_period, status, kind, start_us, end_us, reasons, warnings"
    return sorted(_rows(store, columns, meter_tables.METER_MODELS.name, runs), key=lambda row: (row[0], row[2], row[3]))


def latest(store: ClickHouse, runs: Sequence[int]) -> list[int]:
    """Of these runs, by project, the last one that has a result."""
    by_project = {project: run for run, project in _rows(store, "run, project", meter_tables.METER_RESULTS.name, runs)}
    return sorted(by_project.values())


def _rows(store: ClickHouse, columns: str, table: str, runs: Sequence[int]) -> Rows:
    if not runs:
        return []
    wanted = set(runs)
    named = f"WHERE run IN ({', '.join(f'{run:d}' for run in runs)}) " if len(wanted) <= _NAMED_MAX else ""
    return [row for row in store.rows(f"SELECT {columns} FROM {table} {named}ORDER BY run") if row[0] in wanted]
