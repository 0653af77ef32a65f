"""What pages read: whoever asks for the same at nearly the same time gets the same answer."""

from collections.abc import Callable, Hashable
from typing import TypeVar

from async_lru import alru_cache

from sinks.clickhouse import ClickHouse, Params

KEPT_S = 2.0
"""No figure of quarter-hours changes faster in a way that a person sees."""
KEPT = 64

T = TypeVar("T")
_Frozen = tuple[tuple[str, Hashable], ...]


class KeptReads:
    """The reading half of ClickHouse, for pages that are asked for again and again.

    An answer is kept for KEPT_S; what is being looked up is waited for. Its tables are read by many and changed by none.
    """

    def __init__(self, db: ClickHouse) -> None:
        self.arrow, self.rows = db.arrow, db.rows
        self._db = db
        self._kept = alru_cache(maxsize=KEPT, ttl=KEPT_S)(self._read)

    async def run(self, call: Callable[[str, Params], T], sql: str, params: Params = None) -> T:
        """As of ClickHouse."""
        frozen = tuple((name, tuple(value) if isinstance(value, list) else value) for name, value in (params or {}).items())
        found: T = await self._kept(call, sql, frozen)
        return found

    async def _read(self, call: Callable[[str, Params], T], sql: str, frozen: _Frozen) -> T:
        return await self._db.run(call, sql, {name: list(value) if isinstance(value, tuple) else value for name, value in frozen})


Reads = ClickHouse | KeptReads
"""What looks something up for a page or an answer."""
