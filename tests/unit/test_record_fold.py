"""Batches of records in any order and in any pieces, read again from anywhere: the same ids and the same records."""

from dataclasses import dataclass, field
from itertools import groupby, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import topics, wire
from schemas.record_part import ESTIMATED, MOVED, PART, RECORD, REMOVED, RecordPart, Records, decode_part, encode_parts
from streams.core.record_batches import GIVE_UP_MS, Batch, OpenBatches, Torn
from streams.core.record_fold import Folded, Known, fold

Key = tuple[int, int]


def records(*lines: tuple[int, int, float, int, int]) -> Records:
    return np.array(list(lines), RECORD)


@dataclass
class Shelf:
    """What ClickHouse does, in a dict: keyed rows of which the highest version stays, and the place, changed at once."""

    rows: dict[Key, tuple[int, int, float, bool, bool]] = field(default_factory=dict)
    next: int = 0
    resume: int = 0
    next_id: int = 1
    refused: set[int] = field(default_factory=set)

    def known(self, batches: list[Batch]) -> Known:
        keys = {(int(r["series"]), int(r["start_us"])) for batch in batches for r in batch.records}
        there = [(key, self.rows[key][1]) for key in sorted(keys) if key in self.rows and not self.rows[key][4]]
        column = lambda values: np.array(list(values), np.int64)  # noqa: E731
        return Known(column(k[0] for k, _ in there), column(k[1] for k, _ in there), column(i for _, i in there))

    def insert(self, folded: Folded, next_offset: int, resume: int) -> None:
        rows = folded.rows
        columns = (rows.series, rows.start_us, rows.version, rows.record_id, rows.value, rows.estimated, rows.removed)
        for series, start, version, record_id, value, estimated, removed in zip(*(c.tolist() for c in columns), strict=True):
            old = self.rows.get((series, start))
            if old is None or version >= old[0]:
                self.rows[series, start] = (version, record_id, value, estimated, removed)
        self.next, self.resume, self.next_id = next_offset, resume, folded.next_id
        self.refused |= set(folded.refused)

    def live(self) -> dict[Key, tuple[int, str, bool]]:
        return {key: (i, str(value), estimated) for key, (_, i, value, estimated, removed) in self.rows.items() if not removed}


def read(shelf: Shelf, log: list[tuple[int, RecordPart]], start: int, stop: int, turn: int) -> None:
    """A member at work from `start` until it is killed at `stop`; turns of so many messages, no insert for the last."""
    opened = OpenBatches()
    offset = start
    while offset < min(stop, len(log)):
        end = min(offset + turn, len(log))
        done = [(one, opened.take(at, log[at][0], log[at][1])) for at, one in zip(range(offset, end), log[offset:end])]
        ended = [one for _, one in done if one is not None and one.last >= shelf.next]
        offset = end
        runs = [list(run) for _, run in groupby(ended, lambda one: isinstance(one, Batch) and one.is_plain)]
        for at, run in enumerate(runs):
            if offset >= stop and at == len(runs) - 1:
                return  # killed before the insert
            later = [one.first for others in runs[at + 1 :] for one in others if isinstance(one, Batch)]
            batches = [one for one in run if isinstance(one, Batch)]
            folded = fold(shelf.known(batches), batches, shelf.next_id)
            after = run[-1].last + 1
            oldest = [at for at in (opened.oldest, *later) if at is not None]
            shelf.insert(folded, after, min([after, *oldest]))
            shelf.refused |= {one.last for one in run if isinstance(one, Torn)}


class Model:
    """The rules in the plainest words."""

    def __init__(self) -> None:
        self.live: dict[Key, tuple[int, str, bool]] = {}
        self.next_id = 1
        self.refused: set[int] = set()

    def apply(self, offset: int, lines: list[tuple[int, int, float, int, int]]) -> None:
        live, next_id, freed = dict(self.live), self.next_id, 0
        for series, start, value, asked, flags in lines:
            found = live[series, start][0] if (series, start) in live else 0
            if flags & MOVED:
                if found or not asked or freed != asked:
                    self.refused.add(offset)
                    return
                found = asked
            elif asked and asked != found:
                self.refused.add(offset)
                return
            freed = 0
            if flags & REMOVED:
                freed = found
                live.pop((series, start), None)
                continue
            if not found:
                found, next_id = next_id, next_id + 1
            live[series, start] = (found, str(value), bool(flags & ESTIMATED))
        self.live, self.next_id = live, next_id


keys = st.tuples(st.integers(1, 2), st.integers(-1, 2))
values = st.sampled_from([0.0, 1.5, -2.0, float("nan")])
plain = st.lists(
    st.tuples(keys, values, st.sampled_from([0, ESTIMATED])).map(lambda x: (*x[0], x[1], 0, x[2])), min_size=1, max_size=5
)
removal = st.tuples(keys, st.integers(0, 4)).map(lambda x: [(*x[0], float("nan"), x[1], REMOVED)])
change = st.tuples(keys, values, st.integers(1, 4)).map(lambda x: [(*x[0], x[1], x[2], 0)])
move = st.tuples(keys, keys, values, st.integers(1, 4)).map(
    lambda x: [(*x[0], float("nan"), x[3], REMOVED), (*x[1], x[2], x[3], MOVED)]
)
anything = st.lists(
    st.tuples(keys, values, st.integers(0, 3), st.sampled_from([0, 1, REMOVED, MOVED])).map(lambda x: (*x[0], *x[1:])),
    min_size=1,
    max_size=4,
)


@st.composite
def logs(draw: st.DrawFn) -> tuple[list[tuple[int, RecordPart]], list[tuple[int, list[tuple[int, int, float, int, int]]]]]:
    """A log of parts of several writers, some of whom die; and the batches that count, by the offset of their last part."""
    batches = draw(st.lists(st.one_of(plain, plain, removal, change, move, anything), max_size=8))
    queues = []
    for n, lines in enumerate(batches):
        cuts = sorted(draw(st.lists(st.integers(1, len(lines)), max_size=2, unique=True)) if len(lines) > 1 else [])
        edges = [0, *[cut for cut in cuts if cut < len(lines)], len(lines)]
        pieces = [lines[a:b] for a, b in pairwise(edges)]
        parts = [RecordPart(f"b{n}", k, len(pieces), records(*piece)) for k, piece in enumerate(pieces)]
        dies_at = draw(st.sampled_from([None, None, None, 1]))
        lost_at = draw(st.sampled_from([None, None, None, 0]))
        kept = parts[:dies_at] if len(parts) > 1 else parts
        if lost_at is not None and len(kept) > 1:
            kept = kept[1:]
        queues.append((lines, kept, len(kept) == len(parts)))
    log: list[tuple[int, RecordPart]] = []
    whole: list[tuple[int, list[tuple[int, int, float, int, int]]]] = []
    while any(parts for _, parts, _ in queues):
        n = draw(st.sampled_from([n for n, (_, parts, _) in enumerate(queues) if parts]))
        lines, parts, complete = queues[n]
        log.append((0, parts.pop(0)))
        if not parts and complete:
            whole.append((len(log) - 1, lines))
    return log, whole


@given(logs(), st.lists(st.tuples(st.integers(0, 12), st.integers(1, 5)), max_size=4), st.integers(1, 5), st.booleans())
def test_any_stops_and_readings_again_come_to_the_same(
    made: tuple[list[tuple[int, RecordPart]], list[tuple[int, list[tuple[int, int, float, int, int]]]]],
    stops: list[tuple[int, int]],
    turn: int,
    from_the_start: bool,
) -> None:
    log, whole = made
    model = Model()
    for offset, lines in whole:
        model.apply(offset, lines)
    shelf = Shelf()
    for stop, each in [*stops, (len(log) + 99, turn)]:
        read(shelf, log, 0 if from_the_start else shelf.resume, stop, each)
    assert shelf.live() == model.live
    assert shelf.next_id == model.next_id
    assert model.refused <= shelf.refused


def test_a_batch_whose_writer_was_lost_is_given_up_and_its_late_end_is_refused() -> None:
    opened = OpenBatches()
    first, last = (RecordPart("a", k, 2, records((1, k, 1.0, 0, 0))) for k in range(2))
    other = RecordPart("b", 0, 1, records((2, 0, 1.0, 0, 0)))
    assert opened.take(0, 1000, first) is None
    assert opened.oldest == 0
    assert isinstance(opened.take(1, 1001 + GIVE_UP_MS, other), Batch)
    assert opened.oldest is None
    assert opened.take(2, 1002 + GIVE_UP_MS, last) == Torn(2)


@pytest.mark.parametrize("topic", [topics.CONSUMPTION, topics.WEATHER], ids=lambda t: t.name)
def test_what_was_encoded_is_decoded(topic: topics.Topic) -> None:
    n = PART + 1
    batch = np.zeros(n, RECORD)
    batch["series"], batch["start_us"], batch["value"] = 7, np.arange(n) - 5, np.nan
    parts = [decode_part(topic, value, lambda _: wire.raw_schema(topic)) for _, value in encode_parts(topic, 3, "x", batch)]
    assert [(p.part, p.parts, p.batch_id) for p in parts] == [(0, 2, "x"), (1, 2, "x")]
    assert np.concatenate([p.records for p in parts]).tobytes() == batch.tobytes()
    assert all(len(value) < 1_000_000 for _, value in encode_parts(topic, 3, "x", batch))
    assert encode_parts(topic, 3, "x", batch[:0]) == []


@pytest.mark.parametrize(
    ("record", "words"),
    [
        pytest.param({"records": b""}, "multiple of 33 bytes", id="no records"),
        pytest.param({"records": b"x" * 34}, "multiple of 33 bytes", id="half a record"),
        pytest.param({"part": 1}, "a part from 0 on", id="a part too many"),
        pytest.param({"records": records((0, 0, 0.0, 0, 0)).tobytes()}, "series from 1 on", id="series 0 is the log's own"),
    ],
)
def test_what_is_no_part_is_told(record: dict[str, object], words: str) -> None:
    good = {"batch_id": "x", "part": 0, "parts": 1, "records": records((1, 0, 0.0, 0, 0)).tobytes()}
    value = wire.encode(topics.CONSUMPTION, 3, good | record)
    with pytest.raises(wire.WireError, match=words):
        decode_part(topics.CONSUMPTION, value, lambda _: wire.raw_schema(topics.CONSUMPTION))
