"""The gateway's figures: plain numbers while it works, Prometheus families when somebody asks."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Meters(Collector):
    """Counts; only the event loop writes.

    Attributes:
        accepted: readings that are safe in the log.
        refused: answers that are no 2xx, and refused records of batches, by code.
        in_flight: requests whose message is not yet acknowledged.
    """

    def __init__(self) -> None:
        self.accepted = 0
        self.refused: defaultdict[str, int] = defaultdict(int)
        self.in_flight = 0
        self._acks = [0] * (len(_BOUNDS_S) + 1)
        self._ack_sum_s = 0.0

    def acknowledged(self, seconds: float) -> None:
        """The log took a request's messages after this long."""
        self._acks[bisect_left(_BOUNDS_S, seconds)] += 1
        self._ack_sum_s += seconds

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily("powermon_gateway_accepted", "Readings that are safe in the log.", value=self.accepted)
        refused = CounterMetricFamily("powermon_gateway_refused", "Requests and records refused, by code.", labels=["code"])
        for code, count in sorted(self.refused.items()):
            refused.add_metric([code], count)
        yield refused
        yield GaugeMetricFamily(
            "powermon_gateway_in_flight", "Requests that wait for the log's acknowledgement.", value=self.in_flight
        )
        total = 0
        buckets = []
        for bound, count in zip([*map(str, _BOUNDS_S), "+Inf"], self._acks, strict=True):
            total += count
            buckets.append((bound, total))
        latency = HistogramMetricFamily("powermon_gateway_ack_seconds", "From the log's client to its acknowledgement.")
        latency.add_metric([], buckets, self._ack_sum_s)
        yield latency
