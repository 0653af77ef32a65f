"""The reader of a Linky beside everything else of a stack: processor time, memory, writes, and how long a frame is on its way.

python -m tests.bench.linky_bench                              (a minute)
python -m tests.bench.linky_bench --seconds 600 --write-s 0.5  (longer; frames go to the spool twice a second)

The meter is simulated on a pseudo-terminal at the true character rate (9600 baud, single-phase: 1.08 frames a second). How
much a spool writes in a day: tests/bench/spool_bench.py. How fast frames are decoded: tests/bench/tic_noise.py.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from infra.settings import Settings
from tests.bench.latency_bench import Sql, a_stack, listed
from tests.bench.stack import settings_in
from tests.bench.worker_bench import cpu_s, memory_mb
from tests.linky import Meters
from tests.waiting import until

POLL_S = 0.03
WARM_S = 15.0
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Found:
    """What was seen.

    Attributes:
        reader_share, meter_share: processor time of the reader and of the simulated meter, of one core.
        reader_mb: memory of the reader.
        written_mb: by the reader to the disk, reckoned for a day.
        way_s: from the last bit of a frame until a query finds it, ascending.
        wrong: what is not as it must be; None when all is.
    """

    seconds: float
    frames: int
    reader_share: float
    meter_share: float
    reader_mb: int
    written_mb: float
    way_s: list[float]
    wrong: str | None


def measure(settings: Settings, scratch: Path, seconds: float, *, options: Sequence[str] = ()) -> Found:
    """Start a stack with a reader at a simulated meter, and look.

    Args:
        settings: of a stack that does not exist yet.
        options: of `powermon simulate --linky`.
    """
    meters = Meters(settings, scratch, 1, *options)
    settings = settings.model_copy(update={"tic_port": str(meters.links[0])})
    try:
        with a_stack(settings, scratch), closing(Sql(settings)) as ask:
            reader = listed(settings)["tic"]["pid"]
            until(lambda: bool(seen_now(ask)), "the first frames", 60)
            warm = time.monotonic() + WARM_S
            seen: dict[int, float] = {}
            while time.monotonic() < warm:
                look(ask, seen)
            seen_before, begin_s, begin_cpu = set(seen), time.monotonic(), (cpu_s(reader), cpu_s(meters.process.pid))
            begin_bytes = written(reader)
            while time.monotonic() < begin_s + seconds:
                look(ask, seen)
            spent_s = time.monotonic() - begin_s
            share = [
                (now - then) / spent_s for now, then in zip((cpu_s(reader), cpu_s(meters.process.pid)), begin_cpu, strict=True)
            ]
            memory, added = memory_mb(reader), written(reader) - begin_bytes
    finally:
        meters.stop()
    (sent,) = meters.sent().values()
    ended_s = {frame.number: frame.end_ms / 1000 for frame in sent}
    numbers = sorted(set(seen) - seen_before)
    holes = set(range(numbers[0], numbers[-1] + 1)) - set(seen) - {frame.number for frame in sent if frame.damage}
    wrong = f"right frames that no query found: {sorted(holes)}" if holes else None
    way_s = sorted(seen[number] - ended_s[number] for number in numbers)
    return Found(spent_s, len(numbers), share[0], share[1], memory, added / spent_s * DAY_S / 1e6, way_s, wrong)


def look(ask: Sql, seen: dict[int, float]) -> None:
    """Note when frames are found for the first time."""
    numbers = seen_now(ask)
    now_s = time.time()
    for number in numbers:
        seen.setdefault(number, now_s)
    time.sleep(POLL_S)


def seen_now(ask: Sql) -> list[int]:
    """The meter's own numbers of the last frames."""
    rows = ask.rows(
        "SELECT toInt64(substring(text[indexOf(label, 'MSG1')], 2)) FROM tic_frames "
        "WHERE received_at > now() - 60 AND has(label, 'MSG1')"
    )
    return [int(number) for (number,) in rows]


def written(pid: int) -> int:
    """Bytes that a process has sent to the disk."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=60)
    arguments.add_argument("--write-s", type=float, default=10, help="how often frames go to the spool")
    arguments.add_argument("options", nargs="*", help="of the simulated meter, after --, as -- --phases 3 --faults")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="powermon-bench-") as folder:
        settings = settings_in(Path(folder) / "data").model_copy(update={"tic_write_s": chosen.write_s})
        settings.data.mkdir()
        found = measure(settings, Path(folder), chosen.seconds, options=chosen.options)
    quantiles = statistics.quantiles(found.way_s, n=100)
    print(f"{found.frames} frames in {found.seconds:.0f} s; spool written every {chosen.write_s:g} s")
    print(
        f"reader: {100 * found.reader_share:.2f} % of a core, {found.reader_mb} MB, {found.written_mb:.0f} MB a day to the disk"
    )
    print(f"simulated meter: {100 * found.meter_share:.2f} % of a core")
    print(f"last bit to ClickHouse: p50 {quantiles[49]:.2f} s, p95 {quantiles[94]:.2f} s, p99 {quantiles[98]:.2f} s")
    print("results: right" if found.wrong is None else f"results: {found.wrong}")


if __name__ == "__main__":
    main()
