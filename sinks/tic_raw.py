"""Reads the frames of whole minutes back out of the raw table, and folds them as the hot path does."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from schemas import tic_kernels
from schemas.columns import Bools, Int64s
from schemas.tic_batch import MODES
from schemas.tic_facts import AT, COLOURS, NUMBERS, OFFSET, TEXTS, Facts, Sent, together
from schemas.units import MINUTE_S
from sinks import tic_tables
from sinks.broker import Offsets
from sinks.clickhouse import ClickHouse, quoted
from sinks.raw import Minute, spans
from streams.core.tic_minute import Folded, first_in_log, fold


@dataclass(frozen=True, slots=True)
class StoredFrames:
    """n frames of raw, first copies.

    Attributes:
        facts: of all of them.
        partition: shape (n,), of the log.
        rows: by minute, which rows are its frames.
    """

    facts: Facts
    partition: Int64s
    rows: dict[Minute, Int64s]

    def fold(self, minute: Minute) -> Folded:
        """One minute as the hot path would have it."""
        before = self._of((minute[0], minute[1] - MINUTE_S))
        return fold(*minute, self._of(minute), before if len(before.table) else None)

    def partition_of(self, minute: Minute) -> int:
        """Where in the log the frames of a minute stand."""
        return int(self.partition[self.rows[minute][0]])

    def _of(self, minute: Minute) -> Facts:
        rows = self.rows.get(minute)
        table = self.facts.table[:0] if rows is None else first_in_log(self.facts.table[rows])
        return Facts(table, self.facts.boots, self.facts.names)


def read(store: ClickHouse, wanted: Iterable[Minute], below: Offsets) -> StoredFrames:
    """What raw holds of some minutes and of those before them.

    Args:
        wanted: meter id, and the UTC second at which the minute starts.
        below: by topic and partition of tic.frames, the offset that raw is complete up to; what lies beyond is not read.
    """
    minutes = set(wanted)
    return stored(store.arrow(_query(minutes | {(meter, minute - MINUTE_S) for meter, minute in minutes}, below)))


def stored(rows: pa.Table) -> StoredFrames:
    """Columns as in `_query`."""
    table = rows.combine_chunks()
    meters, meter = _coded(table["meter"])
    boots, boot = _coded(table["boot"])
    has = _numbers(table, "has_status") != 0
    texts, vocabulary = _texts(table)
    sent = Sent(
        offset=_numbers(table, "log_offset"),
        at_s=_numbers(table, "second_s"),
        boot=boot,
        counter=_numbers(table, "counter"),
        mode=_index(table["mode"], MODES),
        characters=_numbers(table, "characters"),
        bad=_numbers(table, "bad_characters"),
        discarded=_numbers(table, "discarded_frames"),
        rejected=_numbers(table, "rejected"),
        degraded=_flags(table, "clock_degraded"),
        status_index=np.where(has, _numbers(table, "supplier_index"), -1),
        over_power=_flags(table, "over_power"),
        today=np.where(has, _index(table["tempo_today"], COLOURS), -1),
        tomorrow=np.where(has, _index(table["tempo_tomorrow"], COLOURS), -1),
        numbers=_labels(table),
        texts=texts,
        vocabulary=vocabulary,
    )
    facts = Facts(together(sent), boots, vocabulary)
    return StoredFrames(facts, _numbers(table, "log_partition"), _rows_by_minute(meters, meter, facts.table))


def _rows_by_minute(meters: list[str], meter: Int64s, table: Int64s) -> dict[Minute, Int64s]:
    minute = table[:, AT] // MINUTE_S
    order = np.lexsort((table[:, OFFSET], minute, meter))
    if not len(order):
        return {}
    changes = np.flatnonzero((np.diff(meter[order]) != 0) | (np.diff(minute[order]) != 0)) + 1
    parts = np.split(order, changes)
    return {(meters[meter[part[0]]], int(minute[part[0]]) * MINUTE_S): part for part in parts}


def _query(wanted: Iterable[Minute], below: Offsets) -> str:
    places = " OR ".join(f"(meter_id = {quoted(m)} AND second >= {start} AND second < {end})" for m, start, end in spans(wanted))
    bounds = " OR ".join(f"(log_partition = {partition} AND log_offset < {end})" for (_, partition), end in below.items())
    texts = ", ".join(f"toString(text[indexOf(label, '{label}')]) AS {label}" for label in TEXTS)
    return (
        "SELECT toString(meter_id) AS meter, toString(boot_id) AS boot, counter, toUnixTimestamp(second) AS second_s, "
        "toString(mode) AS mode, label, number, characters, bad_characters, discarded_frames, clock_degraded, "
        "breaker != '' AS has_status, supplier_index, over_power, toString(tempo_today) AS tempo_today, "
        f"toString(tempo_tomorrow) AS tempo_tomorrow, {texts}, length(rejected_code) AS rejected, log_partition, log_offset "
        f"FROM {tic_tables.TIC_FRAMES_RAW.name} FINAL WHERE ({places or '0'}) AND ({bounds or '0'}) "
        "SETTINGS do_not_merge_across_partitions_select_final = 1"
    )


def _numbers(table: pa.Table, name: str) -> Int64s:
    return table[name].to_numpy().astype(np.int64)


def _flags(table: pa.Table, name: str) -> Bools:
    return table[name].to_numpy().astype(np.bool_)


def _coded(column: "pa.ChunkedArray[Any]") -> tuple[list[str], Int64s]:
    """Distinct texts, and the index into them."""
    coded: Any = column.combine_chunks().dictionary_encode()
    return coded.dictionary.to_pylist(), coded.indices.to_numpy().astype(np.int64)


def _index(column: "pa.ChunkedArray[Any]", names: tuple[str, ...]) -> Int64s:
    found, index = _coded(column)
    places = np.array([*(names.index(name) if name in names else 0 for name in found), 0], np.int64)
    return places[index]


def _texts(table: pa.Table) -> tuple[dict[str, Int64s], list[str]]:
    vocabulary: list[str] = []
    texts = {}
    for label in TEXTS:
        found, index = _coded(table[label])
        places = np.array([*(len(vocabulary) + at if text else -1 for at, text in enumerate(found)), -1], np.int64)
        texts[label] = places[index]
        vocabulary += found
    return texts, vocabulary


def _labels(table: pa.Table) -> Int64s:
    """The numbers of all frames by label, shape (n, len(NUMBERS))."""
    labels: Any = table["label"].combine_chunks()
    numbers: Any = table["number"].combine_chunks()
    edges = labels.offsets.to_numpy().astype(np.int64)
    out = np.full((len(table), len(NUMBERS)), -1, np.int64)
    if not len(table):
        return out
    coded = labels.values.dictionary_encode()
    columns = np.array([NUMBERS.index(name) if name in NUMBERS else -1 for name in coded.dictionary.to_pylist()], np.int64)
    column = columns[coded.indices.to_numpy()][edges[0] : edges[-1]]
    values = numbers.values.fill_null(-1).to_numpy()[edges[0] : edges[-1]].astype(np.int64)
    tic_kernels.scatter(np.repeat(np.arange(len(table)), np.diff(edges)), column, values, out)
    return out
