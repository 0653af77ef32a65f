"""What the worker counts."""

from collections.abc import Iterable, Mapping

from faust.types import TP
from prometheus_client import Counter, Gauge

READINGS = Counter("powermon_worker_readings", "Readings decoded and folded, copies included")
MINUTES = Counter("powermon_worker_minutes", "Upserts of sensor-minutes published")
LATE = Counter("powermon_worker_late_minutes", "Minutes handed to the rebuilder")
CONFLICTS = Counter("powermon_worker_conflicts", "Copies with other values than the first")
DEAD = Counter("powermon_worker_dead_letters", "Messages that could not be used")
OPEN = Gauge("powermon_worker_open_minutes", "Sensor-minutes that can still grow")
ANOMALIES = Counter("powermon_worker_anomalies", "Upserts of anomalies published")
ANOMALIES_OPEN = Gauge("powermon_worker_anomalies_open", "Anomalies that go on", ["rule"])
FRAMES = Counter("powermon_worker_tic_frames", "Frames of Linkys decoded and folded, copies included")
TIC_MINUTES = Counter("powermon_worker_tic_minutes", "Upserts of Linky minutes published")
TIC_LATE = Counter("powermon_worker_tic_late_minutes", "Linky minutes handed to the rebuilder")
TIC_QUARANTINED = Counter("powermon_worker_tic_quarantined", "Frames that break a rule of integrity")
TIC_OPEN = Gauge("powermon_worker_tic_open_minutes", "Linky minutes whose frames are kept")
LAG = Gauge("powermon_worker_lag", "Messages not yet folded (processed lag)", ["topic", "partition"])
LAG_AGE = Gauge(
    "powermon_worker_lag_seconds",
    "How long the oldest message that is not yet folded has waited, at most",
    ["topic", "partition"],
)


def open_anomalies(by_partition: Iterable[Mapping[str, int]]) -> None:
    """Note how many anomalies go on, by rule."""
    ANOMALIES_OPEN.clear()
    for counts in by_partition:
        for rule, count in counts.items():
            ANOMALIES_OPEN.labels(rule).inc(count)


def behind(tp: TP, next_offset: int, end_offset: int | None) -> None:
    """Note how far the fold is behind the end of a partition."""
    LAG.labels(tp.topic, tp.partition).set(max(0, (end_offset or next_offset) - next_offset))


def lags(of: dict[TP, tuple[int, float]]) -> None:
    """Note messages and seconds behind by partition; the others are not ours any more."""
    LAG.clear()
    LAG_AGE.clear()
    for tp, (messages, seconds) in of.items():
        LAG.labels(tp.topic, tp.partition).set(messages)
        LAG_AGE.labels(tp.topic, tp.partition).set(seconds)
