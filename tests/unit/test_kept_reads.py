"""One answer for all who ask at nearly the same time."""

import asyncio
from typing import Any, cast

import pytest

from infra.errors import PowermonError
from sinks.clickhouse import ClickHouse
from web import kept_reads
from web.kept_reads import KeptReads


class Counted:
    """What is looked up, in place of ClickHouse's threads."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.down = False

    def arrow(self, sql: str, params: dict[str, Any] | None = None) -> str:
        return f"{sql} {params}"

    rows = arrow

    async def run(self, call: Any, sql: str, params: dict[str, Any]) -> str:
        self.asked.append((sql, params))
        await asyncio.sleep(0)
        if self.down:
            raise PowermonError("it does not answer")
        return str(call(sql, params))


@pytest.fixture
def db() -> Counted:
    return Counted()


@pytest.fixture
def reads(db: Counted) -> KeptReads:
    return KeptReads(cast("ClickHouse", db))


async def test_many_who_ask_for_the_same_ask_once(db: Counted, reads: KeptReads) -> None:
    asked = [reads.run(reads.arrow, "SELECT 1", {"sensors": ["a", "b"], "since": 3}) for _ in range(50)]
    assert set(await asyncio.gather(*asked)) == {"SELECT 1 {'sensors': ['a', 'b'], 'since': 3}"}
    await reads.run(reads.arrow, "SELECT 1", {"sensors": ["a", "b"], "since": 3})
    assert db.asked == [("SELECT 1", {"sensors": ["a", "b"], "since": 3})]


async def test_another_question_is_another_answer(db: Counted, reads: KeptReads) -> None:
    for sql, params in (("SELECT 1", None), ("SELECT 1", {"since": 1}), ("SELECT 1", {"since": 2}), ("SELECT 2", None)):
        assert await reads.run(reads.arrow, sql, params) == f"{sql} {params or {}}"
    assert len(db.asked) == 4


async def test_a_failure_is_not_kept(db: Counted, reads: KeptReads) -> None:
    db.down = True
    with pytest.raises(PowermonError):
        await reads.run(reads.arrow, "SELECT 1")
    db.down = False
    assert await reads.run(reads.arrow, "SELECT 1") == "SELECT 1 {}"


async def test_one_who_leaves_does_not_take_the_answer_from_the_others(db: Counted, reads: KeptReads) -> None:
    leaving, staying = (asyncio.create_task(reads.run(reads.arrow, "SELECT 1")) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == "SELECT 1 {}"
    assert len(db.asked) == 1


async def test_an_answer_is_asked_for_again_after_its_time(db: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_reads, "KEPT_S", 0.001)
    reads = KeptReads(cast("ClickHouse", db))
    async with asyncio.timeout(20):
        while len(db.asked) < 2:
            await reads.run(reads.arrow, "SELECT 1")
            await asyncio.sleep(0.002)
