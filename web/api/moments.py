"""Moments and months of a query."""

import re
from datetime import date, datetime

from aiohttp import web

from streams.catalog.admin.fields import FieldError
from streams.core import energy

MOMENT = "2026-03-02T09:00:00Z, or a date: that day's first moment in the site's zone"


def moment(request: web.Request, name: str, zone: str, default_s: int) -> int:
    """A moment in UTC seconds.

    Raises:
        FieldError: it is none.
    """
    asked = request.query.get(name)
    if asked is None:
        return default_s
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", asked, re.ASCII):
            at_s = energy.midnight(zone, date.fromisoformat(asked))
        else:
            found = datetime.fromisoformat(asked.replace(" ", "+"))
            if found.tzinfo is None:
                raise ValueError
            at_s = int(found.timestamp())
    except (ValueError, OverflowError):
        at_s = -1
    if not 0 <= at_s < 2**32 - 86_400:
        text = f"{name}={asked[:40]} came; expected a time as 2026-03-02T09:00:00Z, or a date as 2026-03-02"
        raise FieldError(name, f"bad_{name}", text)
    return at_s


def month(request: web.Request, default: date) -> date:
    """The first day of the month asked for.

    Raises:
        FieldError: it is none.
    """
    asked = request.query.get("month", f"{default:%Y-%m}")
    try:
        if not re.fullmatch(r"\d{4}-\d\d", asked, re.ASCII):
            raise ValueError
        found = date.fromisoformat(f"{asked}-01")
        if not 1971 <= found.year < 2100:
            raise ValueError
    except ValueError:
        raise FieldError("month", "bad_month", f"month={asked[:20]} came; expected one as 2026-03") from None
    return found
