"""Anomalies of minutes that came late: the stretch around them is judged again from raw, and the differences are told."""

import time
from collections.abc import Callable, Iterable

import structlog

from infra.settings import Settings
from schemas import topics
from schemas.anomaly import POWER, Anomaly
from schemas.registry import Registry
from schemas.units import MINUTE_S
from sinks import metrics, tables
from sinks.broker import Offsets, SafeProducer
from sinks.clickhouse import ClickHouse
from sinks.raw import Minute
from sinks.raw_batches import batches
from streams.core.anomaly.again import Judging, Stretch, corrections, stretches, widened
from streams.core.anomaly.sensors import LimitsOf

_WIDEN_MAX = 8
_EDGE_SPARE_S = MINUTE_S
"""The worker closes minutes by the log's clock, which may be a little behind."""

_FIELDS = ("id", "rule", "kind", "source", "phase", "state", "final", "severity", "unit", "worst", "ieee1159", "en50160")

log = structlog.get_logger()


class Rejudge:
    """Judges again for one rebuilder.

    Args:
        producer: publishes to power.anomalies.
    """

    def __init__(self, settings: Settings, store: ClickHouse, registry: Registry, producer: SafeProducer) -> None:
        self._lateness_s, self._store, self._registry, self._producer = settings.lateness_s, store, registry, producer
        self.told: Offsets = {}
        """By partition of power.anomalies: the table must be complete up to here before the next call."""

    def correct(self, minutes: Iterable[Minute], below: Offsets, limits: LimitsOf, going_on: Callable[[], bool]) -> bool:
        """Tell what late minutes change; False when asked to stop before the end.

        Args:
            below: as in `raw.read`.
            limits: the thresholds, as the worker has them.
            going_on: called now and then; False: stop.

        Raises:
            PartUnavailable: the store or the log does not answer; all may be done again.
        """
        edge_s = int(time.time() - self._lateness_s) // MINUTE_S * MINUTE_S - _EDGE_SPARE_S
        for stretch in stretches(minutes, edge_s):
            whole, known = self._whole(stretch, edge_s)
            place = self._place(whole)
            if place is None:
                continue
            judging = Judging(limits, *place)
            for batch in batches(self._store, whole.sensor, whole.begin_s, whole.end_s, below):
                if not going_on():
                    return False
                judging.take(batch)
            found = judging.found(whole.end_s)
            news = corrections(whole, known, found)
            if news:
                schema_id = self._registry.id_of(topics.ANOMALIES)
                self.told |= self._producer.send(topics.ANOMALIES.name, [one.message(schema_id) for one in news])
                metrics.REJUDGED.inc(len(news))
                log.info("anomalies corrected by late minutes", sensor=whole.sensor, count=len(news))
        return True

    def _whole(self, stretch: Stretch, edge_s: int) -> tuple[Stretch, list[Anomaly]]:
        """The stretch with the intervals it cuts, and all that was told of it."""
        for _ in range(_WIDEN_MAX):
            known = told(self._store, stretch)
            wider = widened(stretch, known, edge_s)
            if wider == stretch:
                break
            stretch = wider
        return stretch, known

    def _place(self, stretch: Stretch) -> tuple[int, int] | None:
        """Partition of sensor.readings and newest offset of what raw holds of it; None where it holds nothing."""
        values = {"sensor": stretch.sensor, "begin": stretch.begin_s, "end": stretch.end_s}
        sql = (
            f"SELECT anyLast(log_partition), max(toInt64(log_offset)), count() FROM {tables.READINGS_RAW.name} "
            "WHERE sensor_id = {sensor:String} AND second >= {begin:Int64} AND second < {end:Int64}"
        )
        partition, offset, count = self._store.rows(sql, values)[0]
        return (int(partition), int(offset)) if count else None


def told(store: ClickHouse, stretch: Stretch) -> list[Anomaly]:
    """What was told of a sensor that touches a stretch, withdrawn or not; without samples."""
    values = {"kind": POWER, "sensor": stretch.sensor, "begin": stretch.begin_s * 1_000_000, "end": stretch.end_s * 1_000_000}
    sql = f"""
SELECT {", ".join(_FIELDS)}, limit_value AS limit, toUnixTimestamp64Micro(start_at) AS start_us,
    toUnixTimestamp64Micro(end_at) AS end_us, toUnixTimestamp64Micro(last_at) AS last_us, details, log_partition, log_offset
FROM {tables.ANOMALIES_RAW.name} FINAL
WHERE kind = {{kind:String}} AND source = {{sensor:String}} AND start_at < fromUnixTimestamp64Micro({{end:Int64}})
    AND greatest(last_at, ifNull(end_at, last_at)) >= fromUnixTimestamp64Micro({{begin:Int64}})
SETTINGS do_not_merge_across_partitions_select_final = 1"""
    rows = store.arrow(sql, values).to_pylist()
    return [
        Anomaly(
            **{name: row[name] for name in (*_FIELDS, "limit", "start_us", "end_us", "last_us", "log_partition")},
            details=dict(row["details"]),
            version=row["log_offset"],
        )
        for row in rows
    ]
