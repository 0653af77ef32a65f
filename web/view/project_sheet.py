"""The days of a project's page as CSV."""

import csv
import io
from typing import Any

import numpy as np

from web.view.project import utc
from web.view.project_days import date_of

HEADER = (
    *("day", "start_utc", "end_utc", "metered", "coverage_pct", "temperature", "expected", "expected_half_width"),
    *("energy_unit", "temperature_unit"),
)


def sheet(shown: Any) -> str:
    """One row a day (or bill) that is metered; what is not known is empty.

    Args:
        shown: a web.project_source.Shown.
    """
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\n")
    write.writerow(HEADER)
    if shown.trace is None:
        return out.getvalue()
    days, used = shown.against, shown.usage
    expected = {} if days is None else dict(zip(days.day_s.astype(np.int64).tolist(), days.predicted.tolist(), strict=True))
    columns = (used.start_s, used.end_s, used.energy, used.coverage, shown.temperature)
    for start_s, end_s, energy, coverage, warmth in zip(*(column.tolist() for column in columns), strict=True):
        wanted = expected.get(start_s)
        values = (
            *(date_of(start_s, shown.zone), utc(start_s), utc(end_s), _text(energy, 6), _text(coverage * 100, 2)),
            *(_text(warmth, 2), _text(wanted, 6), _text(None if wanted is None else shown.half_width, 6)),
            *(shown.trace.unit, shown.unit),
        )
        write.writerow(values)
    return out.getvalue()


def _text(value: float | None, digits: int) -> str:
    return "" if value is None or value != value else f"{round(value, digits):g}" if digits < 3 else repr(round(value, digits))  # noqa: PLR0124 (NaN)
