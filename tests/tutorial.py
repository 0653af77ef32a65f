"""The datastore's tutorial as an ordinary HTTP client does it: made-up usage of a house in Iowa, and its weather."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

Documents = list[dict[str, Any]]

FIRST = datetime(2011, 1, 1, tzinfo=UTC)
DAYS = 1462
RETROFIT = datetime(2013, 6, 1, tzinfo=UTC)
NORMAL_BEFORE_KWH, NORMAL_AFTER_KWH, UNCHANGED_KWH = 10_585, 8_468, 15_905
"""What the made-up house uses in any year, before and after; and from July 2013 on, had it not changed."""


def degrees_c(at: datetime) -> float:
    """Colder in January and at night; each day a little off, so that models have something to fit."""
    day = (at - FIRST).days
    season, hour = 2 * math.pi * (day % 365.25) / 365.25, math.pi * at.hour / 12
    return 10 - 14 * math.cos(season) - 3 * math.cos(hour) + 4 * math.sin(day * 2.4)


def used_kwh(day: int) -> float:
    """A day's usage: it heats below 15 degrees, a fifth less after the retrofit."""
    at = FIRST + timedelta(days=day)
    mean_c = sum(degrees_c(at + timedelta(hours=hour)) for hour in range(24)) / 24
    return (18 + 1.5 * max(0.0, 15 - mean_c)) * (0.8 if at >= RETROFIT else 1.0)


def records(trace: int) -> Documents:
    """1,462 days as the tutorial's file has them: the last value is blank, every 18th is estimated."""
    return [
        {
            "metadata_id": trace,
            "start": f"{FIRST + timedelta(days=day):%Y-%m-%dT%H:%M:%S}+0000",
            "value": round(used_kwh(day), 2) if day < DAYS - 1 else None,
            "estimated": day % 18 == 7,
        }
        for day in range(DAYS)
    ]


def weather(station_id: str) -> Documents:
    """The hours of the same days."""
    hours = (FIRST + timedelta(hours=hour) for hour in range(24 * DAYS))
    return [{"station_id": station_id, "start": f"{at:%Y-%m-%dT%H:%M:%SZ}", "value": round(degrees_c(at), 2)} for at in hours]


class Client:
    """`requests` with a bearer token and an address, as the tutorial has it."""

    def __init__(self, url: str, token: str = "tokstr") -> None:
        self.base = f"{url}/api/v1"
        self.headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str, **more: Any) -> requests.Response:
        return requests.get(f"{self.base}{path}", headers=self.headers, timeout=60, **more)

    def post(self, path: str, body: Any) -> requests.Response:
        return requests.post(f"{self.base}{path}", json=body, headers=self.headers, timeout=60)

    def delete(self, path: str) -> requests.Response:
        return requests.delete(f"{self.base}{path}", headers=self.headers, timeout=60)
