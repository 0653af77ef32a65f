"""The cold path of Linkys: a late frame's minute and the one after it, read whole from raw."""

import numpy as np
import structlog

from infra.settings import Settings
from schemas import topics, wire
from schemas.dead_letter import DeadLetter
from schemas.registry import Registry
from schemas.units import MINUTE_S
from sinks import broker, metrics
from sinks.broker import Offsets
from sinks.clickhouse import ClickHouse
from sinks.raw import Minute
from sinks.rebuild import Rebuilder, Round, Way
from sinks.tic_raw import StoredFrames, read
from streams.core.selection import Selection

LIVE = Way(topics.TIC_LATE.name, topics.TIC_MINUTES.name, topics.TIC_FRAMES.name, group=broker.TIC_REBUILD_GROUP)

log = structlog.get_logger()


class TicRebuilder(Rebuilder):
    """One member of the group that rebuilds minutes of Linkys.

    Args:
        only: minutes that may be published; None: all.
        reports: whether late frames that break a rule of integrity go to dead.letters; not in a replay.
    """

    def __init__(
        self,
        settings: Settings,
        store: ClickHouse,
        registry: Registry,
        way: Way = LIVE,
        only: Selection | None = None,
        *,
        reports: bool = True,
    ) -> None:
        super().__init__(settings, store, registry, way)
        self._only, self._reports = only, reports

    def _wanted(self, part: Round) -> list[Minute]:
        """The next minute is made of the frames of this one too."""
        both = sorted({(meter, at) for meter, minute in part.minutes for at in (minute, minute + MINUTE_S)})
        if self._only is None or not both:
            return both
        names = sorted({meter for meter, _ in both})
        code = {name: at for at, name in enumerate(names)}
        meter = np.array([code[name] for name, _ in both], np.int64)
        minute = np.array([at for _, at in both], np.int64) // MINUTE_S
        fresh = Selection(self._only.from_s, self._only.to_s, self._only.sensors)
        return [both[at] for at in np.flatnonzero(fresh.wanted(names, meter, minute)).tolist()]

    def _publish(self, chunk: list[Minute], below: Offsets, part: Round) -> int:
        head = wire.header(self._registry.id_of(topics.TIC_MINUTES))
        stored = read(self._store, chunk, below)
        rows = []
        letters: list[tuple[bytes, bytes]] = []
        for minute in chunk:
            folded = stored.fold(minute)
            if folded.row is not None:
                rows.append(folded.row.message(head))
            if folded.refused and self._reports and minute in part.minutes:
                late = {int(offset) for copies in part.minutes[minute] for offset in copies["log_offset"]}
                letters += self._letters(stored, minute, [one for one in folded.refused if one[0] in late])
        if letters:
            self._producer.send(topics.DEAD_LETTERS.name, letters)
        self._producer.send(self._way.minutes, rows)
        return len(rows)

    def _letters(self, stored: StoredFrames, minute: Minute, refused: list[tuple[int, str]]) -> list[tuple[bytes, bytes]]:
        """Frames that came late and do not count, with their bytes as the log holds them."""
        schema_id = self._registry.id_of(topics.DEAD_LETTERS)
        place = self._way.raw, stored.partition_of(minute)
        out = []
        for offset, reason in refused:
            found = self._follower.message_at(place, offset)
            key, value, at_ms = (None, None, 0) if found is None else (found.key(), found.value(), found.timestamp()[1])
            out.append(DeadLetter(*place, offset, key, value, reason, at_ms, "rebuild").message(schema_id))
            log.warning("quarantined frame", partition=place[1], offset=offset, reason=reason)
            metrics.TIC_QUARANTINED.inc()
        return out
