"""What the parts' /metrics say, as the System page needs it. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from web.view.say import Text, say


@dataclass(frozen=True, slots=True)
class Figures:
    """Samples of one part at one moment.

    Attributes:
        at_s: when they were read, UTC.
        values: by sample name and labels.
    """

    at_s: float
    values: Mapping[tuple[str, tuple[tuple[str, str], ...]], float]

    def total(self, name: str) -> float | None:
        """The sum over all labels; None when the part has no such figure."""
        found = [value for (sample, _), value in self.values.items() if sample == name]
        return sum(found) if found else None

    def by(self, name: str, label: str) -> dict[str, float]:
        """Sums by one label."""
        out: dict[str, float] = defaultdict(float)
        for (sample, labels), value in self.values.items():
            if sample == name:
                out[dict(labels).get(label, "")] += value
        return dict(out)

    def most(self, name: str, label: str) -> dict[str, float]:
        """The largest by one label."""
        out: dict[str, float] = {}
        for (sample, labels), value in self.values.items():
            if sample == name:
                key = dict(labels).get(label, "")
                out[key] = max(value, out.get(key, value))
        return out


def figures(text: str, at_s: float) -> Figures:
    """Samples of an answer in Prometheus' text format.

    Raises:
        ValueError: it is none.
    """
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    wanted = (one for one in samples if one.name.startswith("powermon_") and not one.name.endswith(("_bucket", "_created")))
    return Figures(at_s, {(one.name, tuple(sorted(one.labels.items()))): one.value for one in wanted})


RATES: tuple[tuple[str, Text], ...] = (
    ("powermon_gateway_accepted_total", say("readings accepted by the gateway")),
    ("powermon_gateway_tic_frames_total", say("frames of Linkys accepted")),
    ("powermon_worker_readings_total", say("readings folded by the worker")),
    ("powermon_worker_minutes_total", say("minutes published")),
    ("powermon_sink_rows_total", say("rows into ClickHouse")),
    ("powermon_rebuild_minutes_total", say("late minutes rebuilt")),
)
"""What a rate is told of, in the order of the way a reading goes."""


def rates(before: Iterable[Figures], now: Iterable[Figures]) -> dict[str, float | None]:
    """Each of RATES per second between two readings of the same parts; None: not known yet."""
    old, new = list(before), list(now)
    out: dict[str, float | None] = {}
    for name, _ in RATES:
        spans = [(late.total(name), early.total(name), late.at_s - early.at_s) for early, late in zip(old, new, strict=False)]
        known = [max(0.0, b - a) / span_s for b, a, span_s in spans if a is not None and b is not None and span_s > 0]
        out[name] = sum(known) if known else None
    return out


def lags(before: Iterable[Figures], now: Iterable[Figures]) -> dict[str, tuple[float, float | None]]:
    """Messages that wait, and their age in seconds (None: not told), by part and topic.

    The worker tells how long its oldest has waited; of the sink it is how old the oldest of a batch was when it
    became rows, as a mean since `before`.
    """
    old, new = list(before), list(now)
    ages = {f"worker {topic}": age for one in new for topic, age in one.most("powermon_worker_lag_seconds", "topic").items()}
    done, seconds = (_grown(old, new, f"powermon_sink_delay_seconds_{kind}") for kind in ("count", "sum"))
    ages |= {f"sink {topic}": seconds[topic] / count for topic, count in done.items() if count > 0}
    counts: dict[str, float] = defaultdict(float)
    for kind in ("worker", "sink"):
        for one in new:
            for topic, count in one.by(f"powermon_{kind}_lag", "topic").items():
                counts[f"{kind} {topic}"] += count
    return {key: (count, ages.get(key)) for key, count in counts.items()}


def _grown(before: Iterable[Figures], now: Iterable[Figures], name: str) -> dict[str, float]:
    """By how much a counter grew, by topic."""
    out: dict[str, float] = defaultdict(float)
    for sign, several in ((1, now), (-1, before)):
        for one in several:
            for topic, value in one.by(name, "topic").items():
                out[topic] += sign * value
    return dict(out)
