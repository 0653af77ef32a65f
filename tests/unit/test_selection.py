"""A replay of some minutes or sensors gives the same rows as the replay of all, and no others."""

import numpy as np
import pytest

from schemas import topics, wire
from schemas.reading_decoder import ReadingDecoder
from schemas.run import Run
from streams.core.selection import Selection
from streams.core.window import Partition
from tests.builders import reading

T0 = 1_800_000_000 - 1_800_000_000 % 60
SENSORS = ("gre000001", "gre000002", "gre000003")


def rows_of(only: Selection | None) -> tuple[dict[tuple[str, int], int], set[tuple[str, int]]]:
    """Versions by minute, and the late minutes, of a log whose last readings come too late."""
    log = [(T0 + s, reading(sensor, T0 + s)) for s in range(0, 600, 7) for sensor in SENSORS]
    log += [(T0 + 900, reading(sensor, T0 + s)) for s in (1, 61, 301) for sensor in SENSORS]
    values = [wire.encode_sensor_reading(7, one) for _, one in log]
    decoder = ReadingDecoder(lambda _: wire.raw_schema(topics.READINGS))
    state = Partition(120_000, only=only)
    for at in range(0, len(log), 50):
        stop = min(at + 50, len(log))
        batch, _ = decoder.decode(Run.of(values[at:stop], range(at, stop), [t * 1000 for t, _ in log[at:stop]]))
        state.fold(batch)
    done = state.checkpoint(decoder.names.names)
    minutes, late = done.minutes, done.late
    assert done.position.watermark_ms == (T0 + 900) * 1000
    return (
        {
            (minutes.names[s], m): v
            for s, m, v in zip(minutes.sensor.tolist(), minutes.minute_s.tolist(), minutes.version.tolist())
        },
        {(late.names[s], m) for s, m in zip(late.sensor.tolist(), late.minute_s.tolist())},
    )


@pytest.mark.parametrize(
    "only",
    [
        pytest.param(Selection(), id="everything"),
        pytest.param(Selection(from_s=T0 + 300), id="from"),
        pytest.param(Selection(to_s=T0 + 120), id="to"),
        pytest.param(Selection(T0 + 60, T0 + 360, frozenset({"gre000002"})), id="a range of one sensor"),
        pytest.param(Selection(sensors=frozenset({"gre000009"})), id="a sensor that is not there"),
    ],
)
def test_a_selection_is_a_part_of_everything(only: Selection) -> None:
    def is_wanted(sensor: str, minute_s: int) -> bool:
        in_range = (only.from_s or 0) <= minute_s < (only.to_s or 1 << 40)
        return in_range and (not only.sensors or sensor in only.sensors)

    all_minutes, all_late = rows_of(None)
    minutes, late = rows_of(only)
    assert minutes == {key: version for key, version in all_minutes.items() if is_wanted(*key)}
    assert late == {key for key in all_late if is_wanted(*key)}


def test_new_sensors_are_judged_when_they_appear() -> None:
    only, names = Selection(sensors=frozenset({"b"})), ["a"]
    assert not only.wanted(names, np.array([0]), np.array([1])).any()
    names.append("b")
    assert only.wanted(names, np.array([0, 1]), np.array([1, 1])).tolist() == [False, True]
