"""What the log no longer holds: every minute of it that raw holds is reported as late, so the rebuilder does the rest."""

import threading
from collections.abc import Callable

import structlog

from infra.errors import PowermonError
from infra.settings import Settings
from schemas import wire
from schemas.registry import Registry
from schemas.units import MINUTE_S
from sinks import broker
from sinks.broker import SafeProducer
from sinks.clickhouse import ClickHouse, quoted
from sinks.kept import KEPT
from streams.core.replay_plan import Plan

_DAY_S = 86_400
_AGAIN_S = 2.0

log = structlog.get_logger()


class RawReport:
    """Walks through raw, a day at a time, once.

    Args:
        plan: of the replay; its `raw` is walked through.
        reported_s: minutes before this were reported by an earlier run; None: none were.
        note: is given the replay's name and how far it came.
    """

    def __init__(
        self,
        settings: Settings,
        store: ClickHouse,
        registry: Registry,
        plan: Plan,
        reported_s: int | None,
        note: Callable[[str, int], None],
    ) -> None:
        assert plan.raw is not None
        self._settings, self._store, self._registry, self._plan, self._note = settings, store, registry, plan, note
        self._from_s, self._to_s = max(plan.raw[0], reported_s or 0), plan.raw[1]
        self._stopped = threading.Event()
        self._problem: str | None = None

    def work(self) -> None:
        """Report until the end or `stop`. Blocks."""
        producer = SafeProducer(self._settings)
        while not self._stopped.is_set():
            try:
                if self._complete() and self._days(producer):
                    return
            except PowermonError as error:
                self._problem = str(error)
                log.warning("nothing is lost, will try again", reason=str(error), after_s=_AGAIN_S)
            self._stopped.wait(_AGAIN_S)

    def stop(self) -> None:
        """Let `work` end after the day in hand."""
        self._stopped.set()

    def problem(self) -> str | None:
        return self._problem

    def _complete(self) -> bool:
        """Whether raw holds everything up to the replay's end."""
        ends = {(self._plan.topic, p): end for p, end in self._plan.ends.items()}
        asker = broker.consumer(self._settings, broker.SINK_GROUP)
        try:
            have = broker.committed(asker, ends)
        finally:
            asker.close()
        behind = sum(max(0, end - have[place]) for place, end in ends.items())
        self._problem = f"{behind} messages of the log are not in the raw table yet" if behind else None
        return not behind

    def _days(self, producer: SafeProducer) -> bool:
        first = self._first()
        day = None if first is None else max(self._from_s, first // MINUTE_S * MINUTE_S)
        while day is not None and day < self._to_s:
            if self._stopped.is_set():
                return False
            until = min((day // _DAY_S + 1) * _DAY_S, self._to_s)
            self._report(producer, day, until)
            self._note(self._plan.name, until)
            day = until
        self._note(self._plan.name, self._to_s)
        return True

    def _first(self) -> int | None:
        """The first second that raw holds of what is wanted; None: it holds nothing."""
        found = self._store.rows(f"SELECT count(), toUnixTimestamp(min(second)) {self._rows(self._from_s, self._to_s)}")
        ((count, first),) = found
        return int(first) if count else None

    def _report(self, producer: SafeProducer, from_s: int, to_s: int) -> None:
        schema_id, late = self._registry.id_of(self._plan.chain.late), self._plan.chain.late
        found = self._store.rows(
            f"SELECT toString({KEPT[self._plan.topic].id}) AS sensor, toUnixTimestamp(toStartOfMinute(second)) AS minute_s, "
            "log_partition, "
            f"max(log_offset) {self._rows(from_s, to_s)} GROUP BY sensor, minute_s, log_partition ORDER BY sensor, minute_s"
        )
        producer.send(
            self._plan.names.late,
            [
                (
                    sensor.encode(),
                    wire.encode(
                        late,
                        schema_id,
                        {"sensor_id": sensor, "minute_s": minute_s, "log_partition": partition, "log_offset": offset},
                    ),
                )
                for sensor, minute_s, partition, offset in found
            ],
        )
        log.info("minutes to be rebuilt from raw", replay=self._plan.name, minutes=len(found))

    def _rows(self, from_s: int, to_s: int) -> str:
        ends = " OR ".join(f"(log_partition = {p} AND log_offset < {end})" for p, end in self._plan.ends.items())
        kept, sensors = KEPT[self._plan.topic], ", ".join(map(quoted, self._plan.asked.sensors))
        chosen = f"AND {kept.id} IN ({sensors})" if sensors else ""
        return (
            f"FROM {kept.raw.name} WHERE second >= toDateTime({from_s}, 'UTC') AND second < toDateTime({to_s}, 'UTC') "
            f"AND ({ends}) {chosen}"
        )
