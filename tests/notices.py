"""A notifier without Kafka and receivers: a log of anomalies, what it keeps, and what receivers heard; it may crash."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from schemas.anomaly import CLOSED, NOTICE, OPEN, POWER, WARNING, WITHDRAWN, Anomaly, anomaly_id
from schemas.notification import Notification
from streams.core.notices.office import Office
from streams.core.notices.rules import Place, Rules

T0 = 1_800_000_000
"""2027-01-15 08:00:00 UTC, a Friday."""

STEPS = ("take", "keep", "commit", "send", "settle")


def anomaly(
    source: str = "gre000001",
    start_s: float = 0,
    end_s: float | None = None,
    *,
    rule: str = "silence",
    state: str = "",
    final: bool = False,
    severity: str = WARNING,
    phase: int = 0,
) -> Anomaly:
    """One that began so many seconds after T0."""
    start_us = int((T0 + start_s) * 1e6)
    end_us = None if end_s is None else int((T0 + end_s) * 1e6)
    return Anomaly(
        anomaly_id(rule, POWER, source, phase, start_us), rule, POWER, source, phase, start_us, end_us, end_us or start_us,
        state or (OPEN if end_s is None else CLOSED), final, severity, "s", 7, 5,
    )  # fmt: skip


def withdrawn(one: Anomaly) -> Anomaly:
    return anomaly(one.source, one.start_us / 1e6 - T0, rule=one.rule, phase=one.phase, state=WITHDRAWN)


@dataclass
class World:
    """Everything that outlives the process.

    Attributes:
        log: (second at which it is appended, anomaly) by offset, of one partition.
        heard: each message that a receiver was sent: (second, receiver, document).
        takes: whether a receiver takes a message.
    """

    rules: dict[str, Rules]
    log: list[tuple[float, Anomaly]] = field(default_factory=list)
    place: Callable[[str], Place] = lambda _: Place(site="plant-1")
    takes: Callable[[str, float], bool] = lambda _, __: True
    kept: dict[str, Notification] = field(default_factory=dict)
    committed: int = 0
    heard: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)
    office: Office | None = None
    at: int = 0

    def run(self, until_s: int, begin_s: int = 0, crashes: Iterable[tuple[int, str]] = ()) -> "World":
        """Let time pass, a second at a time; a crash follows on a step of a second."""
        planned = set(crashes)
        for second in range(begin_s, until_s):
            for step in STEPS:
                if self.office is None:
                    self.office = Office(self.kept.values(), {0: self.committed}, T0 + second)
                    self.office.receivers(self.rules, T0 + second)
                    self.at = self.committed
                    self.changes: dict[str, Notification | None] = {}
                    self.sent: list[tuple[str, str]] = []
                getattr(self, f"_{step}")(second)
                if (second, step) in planned:
                    self.office = None
                    break
        return self

    def _take(self, second: int) -> None:
        assert self.office is not None
        now_s = T0 + second
        while self.at < len(self.log) and self.log[self.at][0] <= second:
            self.office.take(0, self.at, self.log[self.at][1], self.place, now_s)
            self.at += 1
        self.office.tick(now_s)
        self.changes, self.position = self.office.changes(), self.office.position()

    def _keep(self, _: int) -> None:
        assert self.office is not None
        for id, record in self.changes.items():
            if record is None:
                self.kept.pop(id, None)
            else:
                self.kept[id] = record
        self.office.kept(self.changes)

    def _commit(self, _: int) -> None:
        self.committed = self.position[0]

    def _send(self, second: int) -> None:
        assert self.office is not None
        self.sent = []
        for name, desk in self.office.desks.items():
            if (record := desk.out.due(T0 + second)) is not None:
                if not self.takes(name, second):
                    desk.out.failed(record.id, "503", None, 0.5, T0 + second)
                    continue
                assert record == self.kept[record.id], "only what is safe is sent"
                self.heard.append((second, name, json.loads(record.body)))
                self.sent.append((name, record.id))

    def _settle(self, second: int) -> None:
        assert self.office is not None
        for name, id in self.sent:
            self.office.desks[name].out.delivered(id, T0 + second)

    def told(self, receiver: str = "ops") -> list[tuple[str, int]]:
        """Transition and number of sources of each message, repetitions left out."""
        once = {document["id"]: document for _, name, document in self.heard if name == receiver}
        return [(one["transition"], one.get("sources", one.get("groups"))["total"]) for one in once.values()]

    def documents(self, receiver: str = "ops") -> list[dict[str, Any]]:
        return list({document["id"]: document for _, name, document in self.heard if name == receiver}.values())


def quick(severity: str = NOTICE, **more: Any) -> Rules:
    return Rules(severity=severity, **more)
