"""The learned rule on weeks of simulated minutes with planted days that are unlike the others."""

import numpy as np

from producers.simulate.fleet import Fleet, fleet, seconds
from streams.core.anomaly.habit import Habit, Learned, Unlike, step
from streams.core.anomaly.limits import Limits
from tests.bench.anomaly_score import Score

SEED = 20260321
BEGIN = 1_788_000_000 // 604_800 * 10_080
"""Minute number of a Thursday, midnight in UTC."""
WEEKS, SENSORS, EACH = 6, 4, 6
WEEK = 10_080
_AT_S = (7, 37)
"""A minute's mean is that of these seconds: a day is made in no time."""


def habit_score() -> dict[str, Score]:
    """Planted in weeks 4 to 6: two to four hours with a third of the contract more; and the quiet weeks of the same sensors."""
    made, scores = fleet(SEED, SENSORS, event_chance=0.0), Score()
    for sensor in range(SENSORS):
        means = _minutes(made, sensor)
        rng = np.random.default_rng(SEED + sensor)
        planted = []
        for day in sorted(rng.choice(np.arange(3 * 7, WEEKS * 7), EACH, replace=False).tolist()):
            begin, length = day * 1440 + int(rng.integers(0, 1200)), int(rng.integers(120, 241))
            means[begin : begin + length] += int(350 * made.sites.contract_w[sensor])
            planted.append((BEGIN + begin, BEGIN + begin + length))
        found = told(made, sensor, means)
        scores.planted += len(planted)
        scores.told += len(found)
        scores.right += sum(any(one.start < end and begin <= one.last for begin, end in planted) for one in found)
        for begin, end in planted:
            mine = [one for one in found if one.start < end and begin <= one.last]
            scores.found += bool(mine)
            scores.starts_s += [min(abs(one.start - begin) for one in mine) * 60.0] if mine else []
    return {"habit": scores}


def quiet_weeks() -> list[Unlike]:
    """What is told of the same weeks with nothing planted."""
    made = fleet(SEED, SENSORS, event_chance=0.0)
    return [one for sensor in range(SENSORS) for one in told(made, sensor, _minutes(made, sensor))]


def told(made: Fleet, sensor: int, means: np.ndarray) -> list[Unlike]:
    """What the rule says of a sensor's weeks."""
    limits = Limits(contracted_power_w=float(made.sites.contract_w[sensor]), zone="Asia/Seoul").habit()
    habit, learned, found = Habit(), Learned(), []
    for k, mean_mw in enumerate(means.tolist()):
        habit, over, _ = step(habit, learned, BEGIN + k, mean_mw, limits)
        found += [] if over is None else [over]
    return found


def _minutes(made: Fleet, sensor: int) -> np.ndarray:
    """Mean power of each minute, in mW."""
    total = np.zeros(WEEKS * WEEK, np.int64)
    for begin in range(0, WEEKS * WEEK, WEEK):
        for second in _AT_S:
            at_s = (BEGIN + np.arange(begin, begin + WEEK)) * 60 + second
            power = seconds(made, np.full(WEEK, sensor), at_s).power_mw[:, :, :19]
            total[begin : begin + WEEK] += power.mean(axis=2).sum(axis=1).astype(np.int64) // len(_AT_S)
    return total
