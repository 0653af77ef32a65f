"""One watched sensor: what pages hear when seconds come in order, late, twice, or not at all."""

import json
import math
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from web.view import clock, seconds
from web.view.seconds import Probe
from web.watched import Update, Watched

T = 1_800_000_000


def second(power: float = 1e6, probes: tuple[int, ...] = (1, 2, 3)) -> dict[int, Probe]:
    return {k: Probe(np.full(20, power), np.full(20, 90.0), np.full(20, 2.2e5)) for k in probes}


def watched() -> Watched:
    return Watched("gre000001", clock.Zone("UTC", 0))


class Browser:
    """Applies updates as a page does."""

    def __init__(self) -> None:
        self.points: dict[str, list[float]] = {name: [] for name in seconds.COLUMNS}
        self.now: dict[str, Any] = {}

    def take(self, update: Update) -> None:
        if update.whole is not None:
            self.points = {name: list(column) for name, column in update.whole.items()}
        if update.points is not None:
            self.points = {n: (self.points[n] + update.points[n])[-seconds.ROLLOVER :] for n in seconds.COLUMNS}
        if update.now is not None:
            self.now = json.loads(update.now)

    def measured(self, start_s: int) -> list[tuple[float, float]]:
        pairs = zip(self.points["t"], self.points["power_A"], strict=True)
        return [(t, p) for t, p in pairs if t >= start_s * 1000 and not math.isnan(p)]


def test_a_second_in_order_is_appended() -> None:
    one = watched()
    one.take({T: second()}, T + 1.5, None)
    update = one.take({T: second(), T + 1: second()}, T + 2.5, None)
    assert update.whole is None
    assert update.points is not None
    assert update.points["t"][0] == (T + 1) * 1000


def test_a_gap_is_appended_as_one_point_without_value() -> None:
    one = watched()
    one.take({T: second()}, T + 1.5, None)
    update = one.take({T + 3: second()}, T + 4.5, None)
    assert update.points is not None
    assert len(update.points["t"]) == 21
    assert math.isnan(update.points["power_A"][0])
    assert json.loads(update.now or "")["gaps"][-1] == [(T + 1) * 1000, (T + 3) * 1000]


def test_a_late_second_and_a_late_phase_redraw() -> None:
    one = watched()
    one.take({T: second(), T + 2: second(probes=(1,))}, T + 3.5, None)
    assert one.take({T + 1: second()}, T + 3.6, None).whole is not None
    assert one.take({T + 2: second()}, T + 3.7, None).whole is not None
    assert not one.take({T + 2: second()}, T + 3.7, None)


def test_what_is_known_already_changes_nothing() -> None:
    one = watched()
    one.take({T: second()}, T + 1.5, None)
    assert not one.take({T: second()}, T + 1.9, None)


def test_silence_is_told_every_second_and_keeps_the_last_minute() -> None:
    one = watched()
    one.take({T + s: second() for s in range(60)}, T + 61.0, None)
    assert json.loads(one.take({}, T + 80.2, None).now or "")["sentence"] == "no data for 20 s"
    for later in range(81, 200):
        one.take({}, T + later + 0.2, None)
    assert len(one.held) == 60
    assert len(one.points(T + 200.2)["t"]) == 1200


def test_a_clock_far_ahead_is_not_followed() -> None:
    one = watched()
    one.take({T: second(), T + 4000: second()}, T + 1.5, None)
    assert one.newest_s == T


@given(st.permutations(range(40)), st.sets(st.integers(0, 39), max_size=8), st.lists(st.integers(1, 5), min_size=40, max_size=40))
def test_whatever_the_order_a_page_ends_with_what_a_new_page_shows(order: list[int], lost: set[int], sizes: list[int]) -> None:
    one, page = watched(), Browser()
    page.take(one.whole(1, T + 40.0))
    left = [s for s in order if s not in lost]
    for size in sizes:
        some, left = left[:size], left[size:]
        page.take(one.take({T + s: second(s * 1e3) for s in some}, T + 40.0, None))
    fresh = Browser()
    fresh.take(one.whole(1, T + 40.0))
    start_s, _ = seconds.window(one.newest_s, T + 40.0)
    assert page.measured(start_s) == fresh.measured(start_s)
    assert page.now == fresh.now
    assert page.points["t"] == sorted(page.points["t"])
