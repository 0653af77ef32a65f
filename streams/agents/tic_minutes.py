"""A Linky's frames to its minutes: the shell of `minutes` around `core.tic_window`."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import structlog
from faust.types import TP

from schemas import wire
from schemas.dead_letter import DeadLetter
from schemas.late_minute import encode_late
from streams import metrics
from streams.agents import minutes
from streams.core.tic_window import Quarantined, TicCheckpoint, TicPartition
from streams.core.window import Position

KEPT_MAX = 50_000
"""Frames taken in since minutes were published last: some 90 MB. More are not waited for."""

log = structlog.get_logger()


@dataclass(slots=True)
class TicMinutes(minutes.Minutes):
    """The working set of the agent of `tic.frames`."""

    _taken: int = 0
    _flushing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def flush(self) -> None:
        """As that of readings; a second one waits for the first."""
        async with self._flushing:
            self._taken = 0
            await minutes.Minutes.flush(self)

    async def _breathe(self) -> None:
        if self._taken > KEPT_MAX:
            await self.flush()
        await asyncio.sleep(0)

    def _tell(self) -> None:
        metrics.TIC_OPEN.set(sum(len(one.fold.open) for one in self.owned.values()))
        if self.anomalies is not None:
            self.anomalies.tell()

    def _count(self, messages: int) -> None:
        self._taken += messages
        metrics.FRAMES.inc(messages)

    def _restored(self, position: Position | None) -> minutes.Fold:
        return TicPartition.restore(position, self.lateness_ms, self.only)

    async def _publish(self, tp: TP, checkpoint: Any, letters: list[tuple[bytes, bytes]]) -> None:
        out, found = self.outputs, checkpoint
        assert isinstance(found, TicCheckpoint)
        head = wire.header(out.minutes_id)
        sends = [out.publisher.send_all(out.minutes, [row.message(head) for row in found.minutes])]
        if len(found.late):
            sends.append(out.publisher.send_all(out.late, encode_late(wire.header(out.late_id), found.late, tp.partition)))
        if out.dead:
            letters = letters + [self._letter(tp, one) for one in found.quarantined]
            metrics.TIC_QUARANTINED.inc(len(found.quarantined))
        if letters:
            sends.append(out.publisher.send_all(out.dead, letters))
        if self.anomalies is not None:
            sends.append(self.anomalies.publish(tp, found.rulings))
        await asyncio.gather(*sends)
        metrics.TIC_MINUTES.inc(len(found.minutes))
        metrics.TIC_LATE.inc(len(found.late))

    def _letter(self, tp: TP, one: Quarantined) -> tuple[bytes, bytes]:
        log.warning("quarantined frame", partition=tp.partition, offset=one.offset, reason=one.reason)
        key, value, appended_ms = one.message
        place = tp.topic, tp.partition, one.offset
        return DeadLetter(*place, key, value, one.reason, appended_ms, "worker").message(self.outputs.dead_id)
