"""What a day of frames writes to an SD card, by how the spool is set: `python -m tests.bench.tic_spool [--hours 24]`.

The frames of a day (one each 0.92 s, standard mode, single-phase) go through the spool at once, in the batches that the
reader would make. Bytes are those that the kernel sends to the block device for this process (/proc/self/io write_bytes):
whole pages of 4 KiB, each fsync by itself; the file system's own journal comes on top. FOLDER must lie on a real disk.
"""

import argparse
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from producers.tic.spool import Spool
from producers.tic.spool_file import Options
from schemas.tic_frame import TicFrame
from tests.tic import records

FRAME_S = 0.92
_MOVING = {"SINSTS": 40, "URMS1": 2, "IRMS1": 1, "UMOY1": 1, "CCASN": 30}
_COUNTING = ("EAST", "EASF01", "EASD01")


def day(hours: float, rng: random.Random) -> Iterator[TicFrame]:
    """Frames as a house makes them: power wanders, indexes count, the rest stays."""
    (frame,) = (one for one in records() if one.meter_id == "992562000017")
    values = {one.label: one.value for one in frame.labels}
    energy = 0.0
    for counter in range(int(hours * 3600 / FRAME_S)):
        power = values["SINSTS"]
        assert isinstance(power, int)
        values["SINSTS"] = max(
            60, min(9000, power + rng.randrange(-40, 41) + (rng.random() < 0.002) * rng.randrange(-2000, 2001))
        )
        for label in ("URMS1", "UMOY1"):
            values[label] = 231 + rng.randrange(-_MOVING[label], _MOVING[label] + 1)
        values["IRMS1"] = values["SINSTS"] // 231
        energy += values["SINSTS"] * FRAME_S / 3600
        at_ms = 1_766_899_543_120 + int(counter * FRAME_S * 1000)
        labels = []
        for one in frame.labels:
            value = values[one.label]
            if one.label in _COUNTING and isinstance(value, int):
                value += int(energy)
            labels.append(replace(one, value=value, at_s=one.at_s and at_ms // 1000 if one.label == "DATE" else one.at_s))
        yield replace(
            frame, counter=counter, labels=labels, meter_at_s=at_ms // 1000, received_at_ms=at_ms, monotonic_ms=int(counter * 920)
        )


def written() -> int:
    """Bytes this process sent to the disk."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("write_bytes")).split()[1])


def run(folder: Path, frames: list[TicFrame], batch_s: float, options: Options, *, delivered: bool) -> tuple[int, int, float]:
    """Bytes written, bytes of the file at the end, and seconds of processor time."""
    spool = Spool(folder / "spool.sqlite", 1 << 40, options=options)
    size = max(1, round(batch_s / FRAME_S))
    begin, cpu_s = written(), time.process_time()
    for first in range(0, len(frames), size):
        spool.put(frames[first : first + size])
        if delivered:
            spool.done(spool.oldest(1000)[-1].seq)
    took_s = time.process_time() - cpu_s
    used = spool.depth().bytes
    spool.close()
    return written() - begin, used, took_s


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=2.0, help="of frames; the table says a day's bytes")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    asked = parser.parse_args()
    frames = list(day(asked.hours, random.Random(6)))
    a_day = 24 / asked.hours
    print(f"{len(frames)} frames of {sum(len(f.body()) for f in frames[:1000]) // 1000} bytes")
    print("| frames go to disk each | network | synchronous | page | checkpoint | written a day | kept, a frame | processor |")
    print("|---|---|---|---|---|---|---|---|")
    full = Options()
    for delivered, batch_s, options in [
        (True, 1, full),
        (True, 10, full),
        (True, 30, full),
        (True, 60, full),
        (True, 10, full._replace(synchronous="NORMAL")),
        (True, 10, full._replace(page_bytes=1024)),
        (True, 10, full._replace(page_bytes=2048)),
        (True, 10, full._replace(page_bytes=8192)),
        (True, 10, full._replace(checkpoint_pages=100)),
        (True, 10, full._replace(checkpoint_pages=4000)),
        (False, 10, full),
        (False, 30, full),
        (False, 60, full),
    ]:
        folder = Path(tempfile.mkdtemp(dir=asked.folder))
        wrote, kept, cpu_s = run(folder, frames, batch_s, options, delivered=delivered)
        shutil.rmtree(folder)
        each = "–" if delivered else f"{kept / len(frames):.0f} B"
        print(
            f"| {batch_s} s | {'up' if delivered else 'away'} | {options.synchronous} | {options.page_bytes} | "
            f"{options.checkpoint_pages} | {wrote * a_day / 1e6:.0f} MB | {each} | {cpu_s / len(frames) * 1e3:.2f} ms a frame |",
            flush=True,
        )


if __name__ == "__main__":
    main()
