"""Durations and moments as people type them."""

import re
import time
from datetime import UTC, datetime
from typing import Any

import click

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Duration(click.ParamType):
    """90, 90s, 10m, 3h or 2d: whole seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"([0-9]{1,9})([smhd]?)", str(value).strip())
        if found is None:
            self.fail(f"{value!r} came; expected a number with s, m, h or d, as 10m", param, ctx)
        return int(found[1]) * _UNITS_S[found[2] or "s"]


class Moment(click.ParamType):
    """2026-03-02T09:00:00Z, seconds since 1970, or 3h for three hours ago: whole seconds since 1970."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        text = str(value).strip()
        if re.fullmatch(r"[0-9]{9,11}", text):
            return int(text)
        if re.fullmatch(r"[0-9]{1,9}[smhd]", text):
            return int(time.time()) - Duration().convert(text, param, ctx)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{value!r} came; expected a time as 2026-03-02T09:00:00Z, or 3h for three hours ago", param, ctx)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
