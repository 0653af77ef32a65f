"""The last minute at the sensor's own sampling rate: seconds to plot columns, gaps as gaps."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.units import MV_PER_V, MW_PER_W, PROBES
from web.view.clock import Zone
from web.view.scale import Range, calm

Floats = npt.NDArray[np.float64]

WINDOW_S = 60
LIVE_S = 5
"""A sensor that sent nothing for longer than this is silent."""
PHASES = "ABC"
QUANTITIES = ("power", "voltage", "pf")
COLUMNS = ("t", *(f"{quantity}_{phase}" for quantity in QUANTITIES for phase in PHASES))
ROLLOVER = (WINDOW_S + 10) * 22
"""Points a page keeps: some more than the window, at the densest sampling."""

_LEAST = {"power": 0.1, "voltage": 8.0, "pf": 20.0}
_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Probe:
    """One phase in one second, in the log's units.

    Attributes:
        power_mw, pf_pct: shape (n,), n from 18 to 22.
        voltage_mv: shape (n,), or (1,): the RMS of the whole second.
    """

    power_mw: Floats
    pf_pct: Floats
    voltage_mv: Floats

    @property
    def samples(self) -> int:
        return len(self.power_mw)


Second = Mapping[int, Probe]
"""The probes (1, 2, 3) of one second; an absent phase is absent."""
Seconds = Mapping[int, Second]
"""By UTC second."""
Columns = dict[str, list[float]]


def columns(seconds: Seconds, start_s: int, end_s: int, zone: Zone) -> Columns:
    """Points of every second from start_s up to end_s; a missing second is one point without values.

    A plot line breaks at a point without value, so no line crosses a missing second. Phases of one second
    that hold different numbers of samples share the densest one's points: each point takes the sample
    that covers it.

    Returns:
        equally long lists by name in COLUMNS: local milliseconds, kW, V, percent.
    """
    out: Columns = {name: [] for name in COLUMNS}
    missing = False
    for second in range(start_s, end_s):
        probes = seconds.get(second)
        if not probes:
            if not missing:
                out["t"].append(zone.local_ms(second))
                for name in COLUMNS[1:]:
                    out[name].append(_NAN)
            missing = True
            continue
        missing = False
        n = max(probe.samples for probe in probes.values())
        start_ms = zone.local_ms(second)
        out["t"].extend(start_ms + k * 1000 / n for k in range(n))
        for probe_id in range(1, PROBES + 1):
            phase = PHASES[probe_id - 1]
            probe = probes.get(probe_id)
            if probe is None:
                for quantity in QUANTITIES:
                    out[f"{quantity}_{phase}"].extend([_NAN] * n)
                continue
            out[f"power_{phase}"].extend(_spread(probe.power_mw, n, MW_PER_W * 1000))
            out[f"voltage_{phase}"].extend(_spread(probe.voltage_mv, n, MV_PER_V))
            out[f"pf_{phase}"].extend(_spread(probe.pf_pct, n, 1))
    return out


def _spread(samples: Floats, n: int, divisor: int) -> list[float]:
    if len(samples) != n:
        samples = samples[np.arange(n) * len(samples) // n]
    spread: list[float] = (samples / divisor).tolist()
    return spread


def gaps(seconds: Seconds, start_s: int, end_s: int) -> list[tuple[int, int]]:
    """Spans [from, to) of seconds that are not there."""
    spans: list[tuple[int, int]] = []
    for second in range(start_s, end_s):
        if seconds.get(second):
            continue
        if spans and spans[-1][1] == second:
            spans[-1] = (spans[-1][0], second + 1)
        else:
            spans.append((second, second + 1))
    return spans


def window(newest_s: int | None, now_s: float) -> tuple[int, int]:
    """Which seconds to show.

    Live: the minute that ends with the newest second. Silent: the minute up to now, the hole growing at
    its end. Silent for longer than a minute: the last minute received, since nothing else is there to see.
    """
    if newest_s is None:
        end = int(now_s)
    elif newest_s + 1 >= now_s - LIVE_S or newest_s + 1 < now_s - WINDOW_S:
        end = newest_s + 1
    else:
        end = int(now_s)
    return end - WINDOW_S, end


@dataclass(frozen=True, slots=True)
class Now:
    """Means of the newest second, in the log's units; NaN where nothing was measured."""

    power_mw: tuple[float, float, float]
    voltage_mv: tuple[float, float, float]
    pf_pct: tuple[float, float, float]

    @property
    def total_mw(self) -> float:
        """Phases summed with sign; NaN when no phase was measured."""
        present = [p for p in self.power_mw if not math.isnan(p)]
        return sum(present) if present else _NAN


def now(second: Second | None) -> Now:
    """The numbers beside the plots."""
    probes = [(second or {}).get(probe_id) for probe_id in range(1, PROBES + 1)]

    def means(quantity: str) -> tuple[float, float, float]:
        a, b, c = (_NAN if p is None else float(getattr(p, quantity).mean()) for p in probes)
        return a, b, c

    return Now(means("power_mw"), means("voltage_mv"), means("pf_pct"))


def ranges(points: Columns, current: Mapping[str, Range]) -> dict[str, Range]:
    """The three y axes for what is shown."""
    out: dict[str, Range] = {}
    for quantity in QUANTITIES:
        values = np.array([points[f"{quantity}_{phase}"] for phase in PHASES])
        seen = values[~np.isnan(values)]
        low, high = (float(seen.min()), float(seen.max())) if seen.size else (_NAN, _NAN)
        floor = 0.0 if quantity == "power" else None
        out[quantity] = calm(low, high, current.get(quantity), least=_LEAST[quantity], floor=floor)
    start, end = out["pf"]
    out["pf"] = (max(start, -100.0), min(end, 100.0))
    return out
