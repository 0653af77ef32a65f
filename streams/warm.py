"""The worker's compiled loops, compiled or loaded before the first message: the event loop would stand still for it."""

import numpy as np

from schemas import kernels, topics, wire
from schemas.names import Names
from schemas.reading_decoder import ReadingDecoder
from schemas.run import Run
from schemas.sensor_reading import ProbeSecond, SensorReading
from schemas.tic_batch import FrameDecoder
from schemas.tic_frame import TicFrame, TicLabel, TicLink, TicRejected, TicStatus
from streams.core.anomaly.judge import Judge
from streams.core.tic_window import TicPartition
from streams.core.window import Partition

_AT_S = 1_750_000_000
_LATENESS_MS = 120_000


def warm() -> None:
    """Let every loop run once; 10 s when nothing is compiled yet."""
    kernels.records(np.zeros(16, np.uint8), 0, 0, 0, np.empty((0, 6), np.int64))
    _readings()
    _frames()


def _readings() -> None:
    values = []
    for power_mw in (1, 2):  # the second one is a copy with other values
        probe = ProbeSecond(1, "CT", [power_mw] * 20, [100] * 20, [220_000] * 20)
        reading = SensorReading("warm000001", _AT_S, _AT_S * 1000, "221013", [probe])
        values.append(wire.encode_sensor_reading(1, reading))
    decoder = ReadingDecoder(lambda _: wire.raw_schema(topics.READINGS))
    batch, _ = decoder.decode(_run(values))
    fold = Partition.restore(None, _LATENESS_MS)
    fold.judged_by(Judge())
    fold.fold(batch)
    for _ in range(2):  # while the minute is open, and when it is closed
        fold.checkpoint(decoder.names.names)
        fold.watermark_ms += 2 * _LATENESS_MS


def _frames() -> None:
    decoder = FrameDecoder(lambda _: wire.raw_schema(topics.TIC_FRAMES), Names())
    batch, _ = decoder.decode(_run([_frame(counter).message(1)[1] for counter in range(2)]))
    fold = TicPartition.restore(None, _LATENESS_MS)
    fold.fold(batch)
    fold.checkpoint(decoder.names.names)
    batch.groups(), batch.statuses()


def _frame(counter: int) -> TicFrame:
    status = TicStatus(
        False, "closed", False, False, False, False, False, 1, 1, False, True, "off", "registered", True, "none", "none", 0, 0
    )  # fmt: skip
    labels = [TicLabel("EAST", 1 + counter), TicLabel("LTARF", "BASE"), TicLabel("SMAXSN", 1, _AT_S), TicLabel("MSG1", None)]
    return TicFrame(
        "000000000000", "warm", counter, _AT_S + counter, False, _AT_S * 1000, True, 0, "standard", labels, status, 1, [], None,
        TicLink(100, 0, 0, 0), [TicRejected(b"x", "?", "shape")],
    )  # fmt: skip


def _run(values: list[bytes]) -> Run:
    return Run.of(values, range(len(values)), [_AT_S * 1000] * len(values), [b"warm"] * len(values))


if __name__ == "__main__":
    warm()
