"""Replays as the store keeps them: what was asked, how far each is, and the members that fill its table.

The fold itself runs in the command's own process, into topics of the replay; here those topics become rows.
"""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog

from infra.errors import NoSuchReplay, ReplayRefused
from infra.settings import Settings
from schemas import topics
from schemas.registry import Registry
from schemas.topics import Topic
from sinks import broker, tables
from sinks.clickhouse import ClickHouse, quoted
from sinks.feeds import minute_feed, tic_minute_feed
from sinks.hosted import Hosted, Member
from sinks.raw_report import RawReport
from sinks.rebuild import Rebuilder, Way
from sinks.replay_progress import Progress, progress
from sinks.rollup import after_exchange
from sinks.shadow import Shadow
from sinks.shadow_diff import difference
from sinks.sink import Sink
from sinks.tables import Table
from sinks.tic_rebuild import TicRebuilder
from streams.core.replay_plan import NAME, Plan
from streams.core.selection import Selection

REBUILD_INTERVAL_S = 0.5
"""A replay waits for nothing that may still come."""

Document = dict[str, Any]

log = structlog.get_logger()


class Replays:
    """All replays of a store. Calls block; each may be used by any thread.

    Args:
        settings: broker and retention.
        store: where the tables are.
        registry: schemas to read and write with.
    """

    def __init__(self, settings: Settings, store: ClickHouse, registry: Registry) -> None:
        self._settings, self._store, self._registry = settings, store, registry
        self._lock = threading.RLock()
        self._hosted: dict[str, list[Hosted]] = {}

    def close(self) -> None:
        """Let every member finish what it has in hand."""
        with self._lock:
            for name in list(self._hosted):
                self._release(name)

    def every(self) -> list[Document]:
        """Every replay, the newest last."""
        return [self._told(record) for record in self._records()]

    def begin(self, document: Document) -> Document:
        """Begin a replay by its plan, or go on with it.

        Raises:
            ValueError: the document is no plan.
            ReplayRefused: there is one of that name with another plan.
        """
        plan = Plan.of_json(document)
        if not NAME.fullmatch(plan.name):
            raise ValueError(f"the name {plan.name[:40]!r} came; expected a to z, 0 to 9 and _, a letter first, at most 32")
        with self._lock:
            found = [record for record in self._records() if record["plan"]["name"] == plan.name]
            if found and Plan.of_json(found[0]["plan"]) != plan:
                raise ReplayRefused(f"replay {plan.name} is there with other arguments; choose another name, or delete it first")
            self._shadow(plan).make()
            record = found[0] if found else {"plan": plan.as_json(), "made_at_s": int(time.time()), "complete": False}
            record |= {"raw_reported_s": None, "state": "", **record}
            self._save(record)
            if not record["complete"]:
                self._host(record)
        return self.status(plan.name)

    def status(self, name: str) -> Document:
        """How far a replay is; sees that it goes on, and finishes it when everything is in its table.

        Raises:
            NoSuchReplay: there is none of that name.
            PartUnavailable: the broker does not tell.
        """
        record = self._record(name)
        plan = Plan.of_json(record["plan"])
        now = progress(self._settings, plan, raw_done=_raw_done(plan, record))
        with self._lock:
            record = self._record(name)
            if now.complete and not record["complete"]:
                record["complete"] = True
                self._save(record)
                self._release(name)
                log.info("replay complete", name=name)
            elif not record["complete"]:
                self._host(record)
            problems = [found for one in self._hosted.get(name, []) if (found := one.problem()) is not None]
        return self._told(record, now, problems)

    def diff(self, name: str, worst: int) -> Document:
        """What the replay says otherwise than live; as `shadow_diff.difference`.

        Raises:
            ReplayRefused: it is not finished.
        """
        return difference(self._shadow(self._finished(name, "compared")), worst)

    def swap(self, name: str) -> Document:
        """Make the replay's minutes the live ones.

        Raises:
            ReplayRefused: it is not finished, or live already.
        """
        return self._exchange(name, "swapped", "swapping", "swapped", lambda shadow: shadow.swap)

    def undo(self, name: str) -> Document:
        """Make the minutes live again that were so before the swap.

        Raises:
            ReplayRefused: the replay is not live.
        """
        return self._exchange(name, "undone", "undoing", "", lambda shadow: shadow.undo)

    def delete(self, name: str) -> None:
        """Forget a replay and drop the table that is not live; after a swap that is the old one.

        Raises:
            NoSuchReplay: there is none of that name.
        """
        with self._lock:
            record = self._record(name)
            self._release(name)
            self._shadow(Plan.of_json(record["plan"])).drop()
            self._write(name, "")

    def _exchange(
        self, name: str, what: str, doing: str, done: str, how: Callable[[Shadow], Callable[[Callable[[], bool]], None]]
    ) -> Document:
        plan = self._finished(name, what)
        shadow = self._shadow(plan)
        with self._lock:
            record = self._record(name)
            live = shadow.is_live()
            if record["state"] != doing:
                if live is (doing == "swapping"):
                    raise ReplayRefused(
                        f"replay {name} is live already; --undo makes the former minutes live again"
                        if live
                        else f"replay {name} is not live, so there is nothing to undo; what is live: {shadow.live_mark()}"
                    )
                self._save(record | {"state": doing})
            how(shadow)(broker.Settled(self._settings, broker.SINK_GROUP, plan.chain.minutes.name))
            after_exchange(self._store, shadow.live)
            self._save(record | {"state": done})
        return self.status(name)

    def _finished(self, name: str, what: str) -> Plan:
        record = self._record(name)
        if not record["complete"]:
            raise ReplayRefused(f"replay {name} is not finished, so it cannot be {what}; `powermon replay --into {name}` goes on")
        return Plan.of_json(record["plan"])

    def _host(self, record: Document) -> None:
        """Start the members that fill the table, unless they are at work."""
        plan = Plan.of_json(record["plan"])
        names, shadow, chain = plan.names, self._shadow(plan), plan.chain
        linky = plan.topic == topics.TIC_FRAMES.name
        with self._lock:
            if plan.name in self._hosted:
                return
            settings = self._settings.model_copy(update={"rebuild_interval_s": REBUILD_INTERVAL_S})
            store, registry = self._store, self._registry

            def sink() -> Member:
                topic = Topic(names.minutes, chain.minutes.key, chain.minutes.schema, None, {})
                made = tic_minute_feed if linky else minute_feed
                feed = made(registry.schema_of, topic, Table(shadow.name, shadow.kept.minutes.columns))
                return Sink(settings, store, registry, {names.minutes: feed}, names.sink_group)

            def rebuilder() -> Member:
                ends = {(plan.topic, p): end for p, end in plan.ends.items()}
                way = Way(names.late, names.minutes, plan.topic, group=names.rebuild_group, ends=ends)
                if not linky:
                    return Rebuilder(settings, store, registry, way)
                about = Selection(plan.from_s, plan.asked.to_s, frozenset(plan.asked.sensors))
                return TicRebuilder(settings, store, registry, way, about, reports=False)

            def report() -> Member:
                return RawReport(settings, store, registry, plan, record["raw_reported_s"], self._reported)

            makers = [sink, rebuilder] + ([] if _raw_done(plan, record) else [report])
            self._hosted[plan.name] = [Hosted(plan.name, make) for make in makers]

    def _release(self, name: str) -> None:
        hosted = self._hosted.pop(name, [])
        for one in hosted:
            one.stop()
        for one in hosted:
            one.join()

    def _reported(self, name: str, until_s: int) -> None:
        with self._lock:
            self._save(self._record(name) | {"raw_reported_s": until_s})

    def _shadow(self, plan: Plan) -> Shadow:
        return Shadow(self._store, self._settings, plan)

    def _told(self, record: Document, now: Progress | None = None, problems: list[str] | None = None) -> Document:
        """A record as the command line sees it."""
        plan = Plan.of_json(record["plan"])
        shadow = self._shadow(plan)
        told = {"name": plan.name, **record, "table": shadow.name, "live": shadow.is_live(), "problems": problems or []}
        return told if now is None else told | {"progress": now.as_json()}

    # ---- the list

    def _record(self, name: str) -> Document:
        found = [record for record in self._records() if record["plan"]["name"] == name]
        if not found:
            raise NoSuchReplay(f"there is no replay {name}; `powermon replay --list` names those there are")
        return found[0]

    def _records(self) -> list[Document]:
        rows = self._store.rows(f"SELECT body FROM {tables.REPLAYS.name} FINAL WHERE body != ''")
        records: list[Document] = [json.loads(body) for (body,) in rows]
        return sorted(records, key=lambda record: (record["made_at_s"], record["plan"]["name"]))

    def _save(self, record: Document) -> None:
        self._write(record["plan"]["name"], json.dumps(record))

    def _write(self, name: str, body: str) -> None:
        self._store.command(
            f"INSERT INTO {tables.REPLAYS.name} (name, change, body) SELECT {quoted(name)}, "
            f"(SELECT max(change) FROM {tables.REPLAYS.name}) + 1, {quoted(body)}"
        )


def _raw_done(plan: Plan, record: Document) -> bool:
    return plan.raw is None or (record["raw_reported_s"] or 0) >= plan.raw[1]
