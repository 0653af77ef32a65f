"""Lives of the store's members that keep quarter-hours and traces: each a process of its own that dies where it is told.

Run as a program it reads a place a line, forks a process that dies there, and says its id and then how it ended.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from infra.settings import Settings
from schemas import record_part, topics
from schemas.registry import Registry
from sinks import follower, records, rollup, sink, source_feed
from sinks.broker import SafeProducer
from sinks.clickhouse import ClickHouse
from sinks.feeds import feeds
from sinks.migrate import migrate
from sinks.records import RecordSink
from sinks.roller import Roller
from sinks.sink import Sink
from sinks.source_feed import Applies, SourceFeed
from streams.catalog.datastore.entries import Trace
from streams.catalog.datastore.source import TraceSource

T0 = 1_790_002_800
"""An hour of UTC."""

NOW_S = T0 + 20 * 3600
EVERY_S = 0.2

Sources = dict[int, str]
"""By trace, the sensor whose hours it takes."""

KILLED = {9301: "grekilled001", 9302: "grekilled002"}

Member = Sink | Roller | RecordSink | SourceFeed


def feed(settings: Settings, store: ClickHouse, applies: Applies, sources: Sources) -> SourceFeed:
    traces = [Trace(pk, "E_C_S", "KWH", source=TraceSource("power", sensor, "import")) for pk, sensor in sources.items()]
    registry = Registry(settings.registry, settings.schema_cache)
    return SourceFeed(settings, store, registry, applies, lambda: traces, lambda: NOW_S, EVERY_S)


def members(settings: Settings, store: ClickHouse, sources: Sources) -> list[Member]:
    """Those that carry minutes, make quarters, apply records and feed traces."""
    registry = Registry(settings.registry, settings.schema_cache)
    minutes = {name: feed for name, feed in feeds(registry.schema_of).items() if name.endswith(".minutes")}
    applies = RecordSink(settings, store, registry, topics.CONSUMPTION)
    return [
        Sink(settings, store, registry, minutes),
        Roller(settings, store, registry, EVERY_S),
        applies,
        feed(settings, store, applies, sources),
    ]


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _nth(times: int, call: Callable[..., Any]) -> Callable[..., Any]:
    """Dies instead of the call when it comes for the nth time."""
    left = [times]

    def counted(*args: Any, **named: Any) -> Any:
        left[0] -= 1
        return die() if left[0] == 0 else call(*args, **named)

    return counted


class Halved(SafeProducer):
    """Dies when the first of a batch's parts is in the log."""

    def send(self, topic: str, messages: Any) -> Any:
        parts = list(messages)
        done = super().send(topic, parts[:1])
        return die() if len(parts) > 1 else done


class Sending(SafeProducer):
    """Dies when a whole batch is in the log."""

    def send(self, topic: str, messages: Any) -> Any:
        return die(super().send(topic, messages))


def _commits_of(module: Any, times: int) -> None:
    """Only this module's."""
    module.broker = SimpleNamespace(**vars(module.broker))
    module.broker.commit = _nth(times, module.broker.commit)


ANYWHERE = "wherever it is when somebody kills it"
PLACES: dict[str, Callable[[], None]] = {
    "before minutes are inserted": lambda: setattr(sink, "carry", _nth(1, sink.carry)),
    "between minutes and their commit": lambda: _commits_of(sink, 1),
    "before quarters are made": lambda: setattr(rollup, "fill", _nth(1, rollup.fill)),
    "between some quarters and others": lambda: setattr(rollup, "fill", _nth(2, rollup.fill)),
    "between quarters and their commit": lambda: _commits_of(follower, 1),
    "before hours are in the log": lambda: setattr(source_feed, "SafeProducer", _nth(1, SafeProducer)),
    "between the parts of a batch of hours": lambda: setattr(source_feed, "SafeProducer", Halved),
    "when hours are in the log": lambda: setattr(source_feed, "SafeProducer", Sending),
    "before hours are in the table": lambda: setattr(records, "insert", _nth(1, records.insert)),
    "between hours and their commit": lambda: _commits_of(records, 1),
    ANYWHERE: lambda: None,
}


def live(place: str) -> None:
    """Open the store and work, until death."""
    source_feed.REST, record_part.PART = 0, 2
    PLACES[place]()
    settings = Settings()
    store = ClickHouse(settings)
    migrate(store, settings)
    for member in members(settings, store, KILLED):
        threading.Thread(target=member.work).start()


def main() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            live(line.strip())
            threading.Event().wait()
        print(f"\nlife {pid}", flush=True)
        print(f"\nlife {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}", flush=True)


if __name__ == "__main__":
    main()
