"""Fifty open pages on a whole stack under sensors that post: what they cost the server, and whether the ingest notices."""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from infra import accounts, child
from infra.settings import Settings
from schemas.registry import Registry
from schemas.units import UNITS
from sinks.clickhouse import ClickHouse
from sinks.migrate import migrate
from streams.catalog.admin import grants
from streams.catalog.commands import ChangeSensor, Command
from streams.catalog.view import view_of
from tests.bench.latency_bench import Sql, a_stack, check, listed, look, percentiles_ms, stored, tokens_of
from tests.bench.worker_bench import ROOT, cpu_s
from tests.fakes.anomalies import fill as fill_anomalies
from tests.fakes.anomalies import sag
from tests.linky import Meters
from tests.waiting import until

SENSORS = 100
OLD = 10
"""Sensors with fourteen months behind them; pages of money and energy are about them."""

TRACKED_EVERY = 5
PAGES = 50
PLAN = "kepco/general_b/high_a/I"
WARM_S, SETTLE_S = 15.0, 22.0
"""Before the first figures; and after pages begin to open, the time until all of them have."""

REST_S = 0.2
"""Between two questions for what was posted: asked without a rest, they cost the server over a third of what the pages do."""

QUARTER_UNITS = 900 * 1_000_000 * UNITS
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Ingest:
    """How posts fared: percentiles (50, 95, 99) from the moment each was due.

    Attributes:
        queryable_ms: until somebody who asks again and again has the answer.
        stored_ms: of the oldest reading of a batch, from the log to the table: the mean, as the sink says.
    """

    acknowledged: int
    answer_ms: tuple[float, float, float]
    queryable_ms: tuple[float, float, float]
    stored_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Found:
    """What was seen without pages and with them.

    Attributes:
        store_share: CPU of the store, which is the web server too, of one core: without pages, with them.
        load_ms: by page, until its HTML was there: the median.
        asked: answers to the pages' scripts.
        samples_per_s: that the live page with the fewest got, from when it was opened; 20 were measured.
        wrong: what is not as it must be, None when all is.
    """

    sensors: int
    pages: int
    seconds: float
    store_share: tuple[float, float]
    quiet: Ingest
    busy: Ingest
    load_ms: dict[str, float]
    asked: int
    samples_per_s: float
    client_share: float
    wrong: str | None


def paths(old: Sequence[str], live: Sequence[str], meter: str) -> list[str]:
    """What people look at: PAGES of them, some at the same, some each at their own."""
    zooms = ("hour", "day", "week", "month", "year", "day", "day", "hour")
    found = ["/"] * 6 + [f"/?sensor={one}" for one in live[:6]]
    found += [f"/energy?sensor={old[k % 4]}&zoom={zoom}" for k, zoom in enumerate(zooms)]
    found += [f"/demand?sensor={old[k % 3]}" for k in range(6)] + [f"/cost?sensor={old[k % 3]}" for k in range(6)]
    found += ["/anomalies"] * 4 + [f"/anomalies?span=week&sensor={one}" for one in old[:2]]
    found += [f"/meters?meter={meter}"] * 6 + ["/system"] * 6
    return found


def measure(settings: Settings, scratch: Path, seconds: float = 20.0) -> Found:
    """Sensors post all the time; pages are open in the second half of it.

    Args:
        settings: of a stack that does not exist yet.
        seconds: of each half.
    """
    names = [f"load{k:06d}" for k in range(SENSORS)]
    remember(settings, names[:OLD])
    meters = Meters(settings, scratch, 1)
    settings = settings.model_copy(update={"tic_port": str(meters.links[0]), "anomalies": True})
    try:
        with a_stack(settings, scratch), closing(Sql(settings)) as ask:
            tokens = asyncio.run(tokens_of(settings, names))
            link = asyncio.run(plans_and_link(settings, names[:OLD]))
            return _measured(settings, scratch, seconds, ask, tokens, link)
    finally:
        meters.stop()


def _measured(settings: Settings, scratch: Path, seconds: float, ask: Sql, tokens: dict[str, str], link: str) -> Found:
    names, whole = list(tokens), WARM_S + 2 * seconds + SETTLE_S
    (scratch / "tokens.json").write_text(json.dumps(tokens))
    load_report, page_report = scratch / "load.json", scratch / "pages.json"
    until(lambda: bool(ask.rows("SELECT meter_id FROM tic_frames LIMIT 1")), "the first frame of the Linky", 60)
    ((meter,),) = ask.rows("SELECT meter_id FROM tic_frames LIMIT 1")
    looked = paths(names, names[OLD:], meter)
    arguments = [str(settings.gateway_port), str(scratch / "tokens.json"), str(whole), str(load_report)]
    load = child.spawn([sys.executable, "-m", "tests.bench.load", *arguments], scratch / "load.log", cwd=ROOT)
    quiet_at = time.monotonic() + WARM_S
    open_at, busy_at = quiet_at + seconds, quiet_at + seconds + SETTLE_S
    visitor = [sys.executable, "-m", "tests.bench.open_pages", "--wait", str(open_at - time.monotonic())]
    visitor += [settings.web, link, str(SETTLE_S + seconds), str(page_report), *looked]
    visitors = child.spawn(visitor, scratch / "pages.log", cwd=ROOT)
    try:
        seen = look(ask, names[::TRACKED_EVERY], load, [quiet_at, open_at, busy_at], REST_S)
        end = {name: cpu_s(one["pid"]) for name, one in listed(settings).items()}
        seen.stored.append(stored(settings))
        assert load.wait(60) == 0, child.tail(scratch / "load.log")
        assert visitors.wait(60) == 0, child.tail(scratch / "pages.log")
    finally:
        child.stop(load, 5)
        child.stop(visitors, 5)
    posts: dict[str, Any] = json.loads(load_report.read_text())
    shown: dict[str, Any] = json.loads(page_report.read_text())
    at_quiet, at_open, at_busy = (one["store"][1] for one in seen.usage)
    shares = (at_open - at_quiet) / seconds, (end["store"] - at_busy) / (seen.ended_at - busy_at)
    quiet, late = _ingest(posts, seen.visible_at, quiet_at, open_at)
    busy, later = _ingest(posts, seen.visible_at, busy_at, seen.ended_at - 3)
    quiet, busy = (replace(one, stored_ms=_mean_ms(*seen.stored[k : k + 2])) for one, k in ((quiet, 0), (busy, 2)))
    wrong = check(ask, names, posts, since_s=int(time.time() - whole - 120)) or late or later
    wrong = wrong or next(iter(posts["wrong"]), None) or _unseen(shown["pages"])
    by_path: dict[str, list[float]] = {}
    for page in shown["pages"]:
        by_path.setdefault(page["path"].partition("?")[0], []).append(page["load_ms"])
    return Found(
        SENSORS,
        len(looked),
        seconds,
        shares,
        quiet,
        busy,
        {path: statistics.median(times) for path, times in by_path.items()},
        sum(page["asked"] for page in shown["pages"]),
        min(page["samples"] for page in shown["pages"] if _live(page["path"])) / (seconds + SETTLE_S),
        shown["cpu_share"],
        wrong,
    )


def _ingest(
    posts: dict[str, Any], visible_at: dict[tuple[str, int], float], begin: float, end: float
) -> tuple[Ingest, str | None]:
    """Of the posts that were due from `begin` up to `end`; and which could not be queried."""
    answers, queryable, lost = [], [], None
    for name, due in list(posts["due_at"].items())[::TRACKED_EVERY]:
        for second, due_at in due.items():
            if not begin <= due_at < end:
                continue
            answers.append(posts["answered_at"][name][second] - due_at)
            seen_at = visible_at.get((name, int(second)))
            if seen_at is None:
                lost = f"{name} at {second} did not become visible"
            else:
                queryable.append(seen_at - due_at)
    return Ingest(len(answers), percentiles_ms(answers), percentiles_ms(queryable)), lost


def _mean_ms(before: tuple[float, float], after: tuple[float, float]) -> float:
    return 1000 * (after[1] - before[1]) / (after[0] - before[0])


def _unseen(pages: list[dict[str, Any]]) -> str | None:
    """What a page should have got and did not."""
    for page in pages:
        path = page["path"]
        if page["wrong"]:
            return f"{path}: {page['wrong'][0]}"
        if not page["asked"]:
            return f"{path} got no answer to its scripts"
        if _plotted(path):
            if not page["patches"] or (_live(path) and not page["samples"]):
                return f"{path} got {page['patches']} changes and {page['samples']} samples"
        elif not page["drawn"]:
            return f"{path} draws nothing"
    return None


def _live(path: str) -> bool:
    return path == "/" or path.startswith("/?")


def _plotted(path: str) -> bool:
    """Whether a page has its plots from the server over a WebSocket."""
    return _live(path) or path.startswith("/meters")


def remember(settings: Settings, names: Sequence[str]) -> None:
    """Fourteen months of quarter-hours of a kW, the last hour apart, and what went wrong in the last days."""
    store = ClickHouse(settings)
    try:
        migrate(store, settings)
        until_s = int(time.time()) // 900 * 900 - 3600
        count = 425 * _DAY // 900
        columns = "sensor_id, quarter, version, minutes, seconds, seconds_a, seconds_b, seconds_c, units_import, units_sliding"
        for name in names:
            store.command(
                f"INSERT INTO quarters_raw ({columns}) SELECT '{name}', toDateTime({until_s} - 900 * (number + 1), 'UTC'), "
                f"1, 15, 900, 900, 900, 900, {QUARTER_UNITS}, {QUARTER_UNITS} FROM numbers({count})"
            )
        fill_anomalies(store, [sag(name, until_s - 3571 * k) for name in names for k in range(20)])
    finally:
        store.close()


async def plans_and_link(settings: Settings, names: Sequence[str]) -> str:
    """Give sensors a tariff. Returns a token that signs in."""
    view = view_of(settings, Registry(settings.registry, settings.schema_cache))

    async def submit(command: Command) -> None:
        outcome = await view.submit(command, actor="bench")
        assert outcome.accepted, outcome.detail

    try:
        await view.ready(60)
        for name in names:
            await submit(ChangeSensor(sensor_id=name, tariff=PLAN, contracted_power_w=400_000))
        token, command = grants.for_user(accounts.OPERATOR, "signin", time.time_ns() // 1_000_000, 1)
        await submit(command)
        return token
    finally:
        await view.close()
