"""Large bodies leave the event loop; the exact judge has one thread, so that the loop has its turn."""

import asyncio
import json
import threading
from typing import Any

from producers.gateway.exact import RECORDS_MAX
from producers.gateway.judges import Judges
from producers.gateway.verdict import Admission, Batch
from tests import hostile

NOW_MS = 1_800_000_000_000
POST = json.loads(hostile.VALID[0])


def batch(records: int, **last: Any) -> bytes:
    seconds = [{"timestamp": 1_700_000_000 + k, "data": POST["data"]} for k in range(records)]
    seconds[-1] |= last
    envelope = {"version": "221013", "sensor_id": POST["sensor_id"], "token": POST["token"], "records": seconds}
    return json.dumps(envelope, separators=(",", ":")).encode()


async def judged_by(bodies: list[bytes]) -> tuple[list[Batch], set[str]]:
    """The verdicts of bodies that come at once, and the threads that asked for the token."""
    judges = Judges()
    asked: set[str] = set()

    def admit(*_: Any) -> Admission:
        asked.add(threading.current_thread().name)
        return Admission(1, False)

    try:
        found = await asyncio.gather(*[judges.batch(body, admit, None, NOW_MS) for body in bodies])
    finally:
        judges.close()
    assert all(isinstance(one, Batch) for one in found)
    return [one for one in found if isinstance(one, Batch)], asked


async def test_a_few_seconds_are_judged_at_once() -> None:
    found, asked = await judged_by([batch(3), batch(3, timestamp="no")])
    assert [(len(one.readings), len(one.rejected)) for one in found] == [(3, 0), (2, 1)]
    assert asked == {threading.current_thread().name}


async def test_large_good_ones_beside_the_loop() -> None:
    found, asked = await judged_by([batch(RECORDS_MAX)])
    assert len(found[0].readings) == RECORDS_MAX
    assert threading.current_thread().name not in asked
    assert not any("exact" in name for name in asked)


async def test_large_bad_ones_in_one_thread() -> None:
    found, asked = await judged_by([batch(RECORDS_MAX, data=None)] * 4)
    assert [(len(one.readings), len(one.rejected)) for one in found] == [(RECORDS_MAX - 1, 1)] * 4
    assert {name for name in asked if "exact" in name} == {"exact-judge_0"}
    assert threading.current_thread().name not in asked
