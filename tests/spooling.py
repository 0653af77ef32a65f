"""Frames for a spool, and a process that fills one until it is killed."""

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

from producers.tic.spool import Entry, Spool
from schemas.tic_frame import TicFrame
from tests.tic import records

BIG = 1 << 40


@cache
def _frame(number: int) -> TicFrame:
    known = records()
    frame = replace(known[number % len(known)], meter_id="992562000017", counter=number, monotonic_ms=number * 920)
    _numbers[frame.body()] = number
    return frame


_numbers: dict[bytes, int] = {}


def frames(first: int, count: int) -> list[TicFrame]:
    """Frames that count on from `first`; no two alike."""
    return [_frame(number) for number in range(first, first + count)]


def counters(entries: list[Entry]) -> list[int]:
    """The counters of what came out, each checked to be a frame that went in."""
    assert {entry.meter_id for entry in entries} <= {"992562000017"}
    return [_numbers[entry.body] for entry in entries]


def fill(path: Path) -> None:
    """Put frames for ever, three at a time; say after each put how many are safe. Now and then some are done."""
    spool, number = Spool(path, BIG), 0
    while True:
        spool.put(frames(number, 3))
        number += 3
        print(number, flush=True)
        if number % 30 == 0:
            spool.done(spool.oldest(6)[-1].seq)
            print(-spool.oldest(1)[0].seq, flush=True)


if __name__ == "__main__":
    fill(Path(sys.argv[1]))
