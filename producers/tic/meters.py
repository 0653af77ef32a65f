"""/metrics of the reader of a line, gathered when they are asked for: a frame costs nothing more."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from producers.tic.backlog import Backlog
from producers.tic.line import Line
from producers.tic.reception import Reception
from producers.tic.writer import Writer


class Losses(Protocol):
    """What a spool has lost."""

    @property
    def dropped(self) -> int: ...
    @property
    def lost(self) -> int: ...
    @property
    def broken(self) -> int: ...


class Meters(Collector):
    """The counters of all parts under their names. Labels of the meter are counted, its values never shown."""

    def __init__(self, line: Line, reception: Reception, backlog: Backlog, writer: Writer, spool: Losses) -> None:
        self._line, self._reception, self._backlog, self._writer, self._spool = line, reception, backlog, writer, spool

    def collect(self) -> Iterator[Metric]:
        """As prometheus_client asks for it, from any thread."""
        with self._line.lock:
            yield from self._quality()
        yield from self._now()
        yield from self._losses()

    def _quality(self) -> list[Metric]:
        quality = self._line.quality
        return [
            _counter("frames", "frames with at least one right group", quality.frames),
            _counter("whole_frames", "of these, without a refused group", quality.whole),
            _counter("characters", "inside of frames", quality.characters),
            _counter("bad_characters", "of these, with wrong parity", quality.bad_characters),
            _counter("stray_characters", "outside of any frame", quality.stray_characters),
            _by("discarded_frames", "frames given up", ["why"], _single(quality.discarded)),
            _by("groups", "groups accepted", ["label"], _single(quality.accepted)),
            _by("rejected_groups", "groups refused", ["label", "why"], quality.rejected.items()),
        ]

    def _now(self) -> list[Metric]:
        line, now_s, waiting = self._line, time.monotonic(), self._writer.waiting
        since_s = now_s - (line.started_s if line.right_s is None else line.right_s)
        return [
            _gauge("line_good", "1: a right frame came within the last 10 s", line.problem(now_s) is None),
            _gauge("right_frame_age_seconds", "since the last right frame, or the start", since_s),
            _gauge("speed_baud", "at which the port is read", line.speed),
            _by("reopenings", "of the port", ["why"], _single(line.openings.copy())),
            _gauge("backlog_frames", "in memory, on the way to the spool", len(self._backlog)),
            _gauge("spool_frames", "not delivered yet", waiting.frames if waiting else 0),
            _gauge("spool_bytes", "taken by the spool", waiting.bytes if waiting else 0),
            _gauge("spool_oldest_age_seconds", "of the oldest frame not delivered", waiting.oldest_age_s if waiting else 0),
        ]

    def _losses(self) -> list[Metric]:
        lost = self._reception.refused.copy() | {
            "backlog full": self._backlog.dropped,
            "unfit for the spool": self._writer.unfit,
            "spool full": self._spool.dropped,
            "spool damaged": self._spool.lost,
        }
        return [
            _by("lost_frames", "right frames that do not reach the log", ["why"], _single(lost)),
            _counter("spool_failures", "attempts to write that failed", self._writer.failures),
            _counter("spool_broken", "damaged spool files that were moved aside", self._spool.broken),
        ]


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(f"powermon_tic_{name}", meaning, value=value)


def _counter(name: str, meaning: str, value: float) -> Metric:
    return CounterMetricFamily(f"powermon_tic_{name}", meaning, value=value)


def _by(name: str, meaning: str, labels: list[str], values: Iterable[tuple[Sequence[str], int]]) -> Metric:
    family = CounterMetricFamily(f"powermon_tic_{name}", meaning, labels=labels)
    for key, value in values:
        family.add_metric(key, value)
    return family


def _single(values: Mapping[str, int]) -> Iterator[tuple[Sequence[str], int]]:
    return (([key], value) for key, value in values.items())
