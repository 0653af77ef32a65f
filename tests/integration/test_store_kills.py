"""Quarter-hours and traces with a source through kill -9 of the store, while minutes arrive, late ones among them."""

import itertools
import os
import random
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from infra.programs import environment
from infra.settings import Settings
from schemas import topics, wire
from schemas.record_part import RecordPart, decode_part
from schemas.units import UNITS
from sinks import broker, source_feed, tables
from sinks.clickhouse import ClickHouse
from sinks.record_table import place
from sinks.source_feed import SourceFeed
from tests import lives, quarters
from tests.integration.test_records import fresh, opened, registry_of
from tests.integration.test_sink import at_work, caught_up, ends, publish, until
from tests.lives import ANYWHERE, KILLED, PLACES, T0, Sources
from tests.quarters import Minute
from tests.stack import read_all

__all__ = ["fresh"]

MakeSettings = Callable[[], Settings]
WHOLE = (1 << 60) - 1
Hours = dict[int, tuple[float | None, bool]]
"""(kWh, estimated) by hour from T0."""


@pytest.fixture(autouse=True)
def restless(monkeypatch: pytest.MonkeyPatch) -> None:
    """The feed looks again at once."""
    monkeypatch.setattr(source_feed, "REST", 0)


def chunks(count: int, sources: Sources) -> Iterator[list[Minute]]:
    """Each has an hour of its own, first versions among its minutes, and what comes late for those before."""
    order = random.Random(7)
    late: list[Minute] = []
    for hour in range(count):
        now, later = [], []
        for sensor in sources.values():
            for m in range(60):
                at, watts = T0 + 3600 * hour + 60 * m, order.randrange(-400, 9000)
                full = quarters.steady(sensor, at, watts, 1000 + order.randrange(9))
                if order.random() < 0.15:
                    now.append(Minute(sensor, at, order.randrange(900), full.energy, WHOLE >> order.randrange(1, 50)))
                    later.append(full)
                elif order.random() > 0.01:
                    (later if m == 30 else now).append(full)
        found = now + late
        order.shuffle(found)
        yield found
        late = later
    yield late


def messages(settings: Settings, minutes: list[Minute]) -> list[tuple[bytes, bytes]]:
    schema_id = registry_of(settings).id_of(topics.MINUTES)
    rest = dict.fromkeys(("power_min_mw", "power_max_mw", "voltage_units", "voltage_min_mv", "voltage_max_mv"), 0)
    found = []
    for m in minutes:
        probes = [
            {"probe_id": k, "seconds_mask": m.mask, "samples": 1200, "energy_units": units, "pf_units": m.pf, **rest}
            for k, units in m.energy
        ]
        value = {"sensor_id": m.sensor, "minute_s": m.minute_s, "version": m.version, "probes": probes}
        found.append((m.sensor.encode(), wire.encode(topics.MINUTES, schema_id, value)))
    return found


class Lives:
    """The program of tests/lives.py."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self._log = log
        with log.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.lives"], stdin=subprocess.PIPE, stdout=out, env=environment(settings), text=True
            )
        self._read = 0

    def begin(self, where: str) -> int:
        """A process that will die there; its id."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{where}\n")
        self.process.stdin.flush()
        return self.said()

    def said(self) -> int:
        """The next number it says."""
        until(lambda: len(self._numbers()) > self._read)
        self._read += 1
        return self._numbers()[self._read - 1]

    def _numbers(self) -> list[int]:
        return [int(line.split()[1]) for line in self._log.read_text().splitlines() if line.startswith("life ")]


@contextmanager
def program(settings: Settings, log: Path) -> Iterator[Lives]:
    found = Lives(settings, log)
    try:
        yield found
    finally:
        assert found.process.stdin is not None
        found.process.stdin.close()
        found.process.wait(30)


def batches(settings: Settings, since: int) -> list[list[RecordPart]]:
    """The batches of the log that are whole, from an offset on."""
    by_id: dict[str, list[RecordPart]] = defaultdict(list)
    for m in read_all(settings, topics.CONSUMPTION):
        if m.offset() >= since:
            part = decode_part(topics.CONSUMPTION, m.value(), registry_of(settings).schema_of)
            by_id[part.batch_id].append(part)
    return [parts for parts in by_id.values() if len(parts) == parts[0].parts]


def hours_of(minutes: list[Minute], sensor: str) -> Hours:
    """What a trace must hold, by the sentences of docs/datastore.md."""
    newest: dict[int, Minute] = {}
    for m in minutes:
        if m.sensor == sensor and (m.minute_s not in newest or m.version > newest[m.minute_s].version):
            newest[m.minute_s] = m
    found: Hours = {}
    for hour in sorted({(at - T0) // 3600 for at in newest}):
        of = [m for at, m in newest.items() if (at - T0) // 3600 == hour]
        share = sum(m.mask.bit_count() for m in of) / 3600
        kwh = sum(max(0, sum(units for _, units in m.energy)) // UNITS for m in of) / 3.6e9
        found[hour] = (kwh if share >= 0.95 else None, 0.95 <= share < 0.99)
        found.setdefault(hour + 1, (None, False))
    return found


def held(store: ClickHouse, trace: int) -> Hours:
    columns = "toInt64(toUnixTimestamp(start)), value, estimated"
    rows = store.rows(f"SELECT {columns} FROM consumption_records WHERE trace = {trace} ORDER BY start")
    assert len({at for at, _, _ in rows}) == len(rows)
    return {(at - T0) // 3600: (value, bool(estimated)) for at, value, estimated in rows}


def settle(settings: Settings, store: ClickHouse, sources: Sources) -> None:
    """Let the members work until everything is through."""
    found = lives.members(settings, store, sources)
    *others, feed = found
    assert isinstance(feed, SourceFeed)
    with ExitStack() as stack:
        for member in others:
            stack.enter_context(at_work(member))
        until(lambda: caught_up(settings, topics.MINUTES))
        until(lambda: caught_up(settings, topics.MINUTES, group=broker.ROLLUP_GROUP))
        for _ in range(2):
            until(feed.look)
        (end,) = ends(settings, topics.CONSUMPTION).values()
        until(lambda: place(store, tables.CONSUMPTION_RAW).next == end)


def test_quarters_and_hours_through_kill_9_anywhere(fresh: MakeSettings, tmp_path: Path) -> None:
    settings = fresh()
    (began,) = ends(settings, topics.CONSUMPTION).values()
    wheres = [*PLACES, ANYWHERE, ANYWHERE]
    every: list[Minute] = []
    come = chunks(len(wheres), KILLED)
    with program(settings, tmp_path / "lives.log") as started:
        for where, chunk in zip(wheres, come):
            every += chunk
            said = messages(settings, chunk)
            pid = started.begin(where)
            publish(settings, topics.MINUTES, said[:100])
            if where == ANYWHERE:
                until(lambda: caught_up(settings, topics.MINUTES))
            publish(settings, topics.MINUTES, said[100:])
            if where == ANYWHERE:
                os.kill(pid, signal.SIGKILL)
            assert started.said() == -signal.SIGKILL, where
    every += (last := next(come))
    publish(settings, topics.MINUTES, messages(settings, last))
    with opened(settings) as store:
        settle(settings, store, KILLED)
        right(store, every, KILLED)
    assert not twice(settings, began)


def test_two_stores_at_once_and_one_that_goes(fresh: MakeSettings) -> None:
    settings = fresh()
    (began,) = ends(settings, topics.CONSUMPTION).values()
    sources = {9311: "grekilled011", 9312: "grekilled012"}
    every: list[Minute] = []
    come = chunks(3, sources)

    def follows() -> bool:
        return held(store, 9311) == hours_of(every, sources[9311])

    with opened(settings) as store:
        both = [lives.members(settings.model_copy(update={"instance": name}), store, sources) for name in ("one", "two")]
        with ExitStack() as stays:
            with ExitStack() as goes:
                for at, members in enumerate(both):
                    for member in members:
                        (stays if at else goes).enter_context(at_work(member))
                for chunk in itertools.islice(come, 2):
                    every += chunk
                    publish(settings, topics.MINUTES, messages(settings, chunk))
                    until(follows)
            for chunk in come:
                every += chunk
                publish(settings, topics.MINUTES, messages(settings, chunk))
            until(follows)
        settle(settings, store, sources)
        right(store, every, sources)
    assert not twice(settings, began)


def test_a_store_that_does_not_know_yet_that_another_has_taken_its_place(fresh: MakeSettings) -> None:
    settings = fresh()
    sources = {9321: "grekilled021", 9322: "grekilled022"}
    every: list[Minute] = []
    believes = SimpleNamespace(applied=10**12, turn=1)
    with opened(settings) as store:
        late = lives.feed(settings, store, believes, sources)
        with at_work(late):
            for chunk in chunks(3, sources):
                every += chunk
                publish(settings, topics.MINUTES, messages(settings, chunk))
                settle(settings, store, sources)
        settle(settings, store, sources)
        right(store, every, sources)


def right(store: ClickHouse, minutes: list[Minute], sources: Sources) -> None:
    """Assert that quarters and traces are what these minutes make."""
    mine = {key: row for key, row in quarters.stored(store).items() if key[0] in sources.values()}
    assert mine == quarters.oracle(minutes)
    for trace, sensor in sources.items():
        assert held(store, trace) == hours_of(minutes, sensor)


def twice(settings: Settings, since: int) -> list[tuple[int, int]]:
    """Records that somebody wrote again as they were, from an offset on."""
    written: dict[tuple[int, int], list[str]] = defaultdict(list)
    for parts in batches(settings, since):
        for record in np.concatenate([part.records for part in parts]).tolist():
            written[record[:2]].append(repr(record[2:]))
    return [key for key, said in written.items() if any(one == other for one, other in itertools.pairwise(said))]
