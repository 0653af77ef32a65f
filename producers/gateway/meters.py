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
        frames_of_meters: Linky frames that are safe in the log.
        refused: answers that are no 2xx, and refused records of batches, by code.
        in_flight: requests whose message is not yet acknowledged.
        boots: sensors that started.
        issued: tokens, by what was shown for them: "secret" or "token".
        secrets_refused: wrong ones.
        limited: requests and connections refused because there were too many, by what was counted.
        connections: open now.
        sockets: WebSockets open now.
        frames: that came over them, by action.
    """

    def __init__(self) -> None:
        self.accepted = self.frames_of_meters = 0
        self.refused: defaultdict[str, int] = defaultdict(int)
        self.in_flight = 0
        self.boots = 0
        self.issued: defaultdict[str, int] = defaultdict(int)
        self.secrets_refused = 0
        self.limited: defaultdict[str, int] = defaultdict(int)
        self.connections = 0
        self.sockets = 0
        self.frames: defaultdict[str, int] = defaultdict(int)
        self._acks = [0] * (len(_BOUNDS_S) + 1)
        self._ack_sum_s = 0.0

    def acknowledged(self, seconds: float) -> None:
        """The log took a request's messages after this long."""
        self._acks[bisect_left(_BOUNDS_S, seconds)] += 1
        self._ack_sum_s += seconds

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily("powermon_gateway_accepted", "Readings that are safe in the log.", value=self.accepted)
        yield CounterMetricFamily(
            "powermon_gateway_tic_frames", "Frames of Linkys that are safe in the log.", value=self.frames_of_meters
        )
        yield _by("powermon_gateway_refused", "Requests and records refused, by code.", "code", self.refused)
        yield CounterMetricFamily("powermon_gateway_boots", "Sensors that showed their secret and started.", value=self.boots)
        yield _by("powermon_gateway_tokens_issued", "Tokens given out, by what was shown for them.", "by", self.issued)
        yield CounterMetricFamily("powermon_gateway_secrets_refused", "Wrong secrets.", value=self.secrets_refused)
        yield _by("powermon_gateway_limited", "Refused because there were too many, by what was counted.", "by", self.limited)
        yield GaugeMetricFamily("powermon_gateway_connections", "Connections open now.", value=self.connections)
        yield GaugeMetricFamily("powermon_gateway_sockets", "WebSockets open now.", value=self.sockets)
        yield _by("powermon_gateway_frames", "Frames that came over WebSockets, by action.", "action", self.frames)
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


def _by(name: str, words: str, label: str, counts: dict[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, words, labels=[label])
    for value, count in sorted(counts.items()):
        family.add_metric([value], count)
    return family
