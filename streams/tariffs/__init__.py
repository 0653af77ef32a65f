"""The tariffs that come with Powermon, as data. Theirs is the shape that a tariff of the catalog may have too."""

import json
from functools import cache
from importlib.resources import files

BUILT_IN = ("kepco", "linky")
"""Ids; a tariff of the catalog with such an id takes its place from its first day on."""


@cache
def text(tariff_id: str) -> str:
    """The JSON text of a built-in tariff."""
    assert tariff_id in BUILT_IN
    return files(__name__).joinpath(f"{tariff_id}.json").read_text("utf-8")


@cache
def first_day(tariff_id: str) -> str:
    """The day as of which it was written down, YYYY-MM-DD."""
    return str(json.loads(text(tariff_id))["as_of"])
