"""A log of a Linky's frames for tests: what worker and rebuilder make of it, and an oracle that is small, plain and slow."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil

from schemas import topics, wire
from schemas.columns import Int64s
from schemas.run import Run
from schemas.tic_batch import FrameBatch, FrameDecoder
from schemas.tic_facts import WH, Facts, facts
from schemas.tic_frame import TicFrame, TicLabel, TicLink, TicRejected, TicStatus
from schemas.tic_minute import TicIndex, TicMinute, TicPhase
from streams.core.tic_integrity import Indexes, allowed_wh, check, contract_va
from streams.core.tic_minute import Folded, first_in_log, fold
from streams.core.tic_window import TicCheckpoint, TicPartition

ID = 5
T0 = 1_780_000_020 - 1_780_000_020 % 60
LATENESS_S = 120
OTHERS_MAX_VA = 36_000

Log = list[tuple[int, TicFrame]]
"""Append time in milliseconds, and the frame; the place is the offset."""
Minute = tuple[str, int]
Labels = dict[str, int | str | None]


def status(index: int = 1, *, over: bool = False, today: str = "blue", tomorrow: str = "none") -> TicStatus:
    head = (False, "closed", False, False, over, False, False)
    return TicStatus(*head, index, 1, False, True, "off", "registered", True, today, tomorrow, 0, 0)


def frame(
    at_s: int,
    counter: int,
    labels: Labels,
    meter: str = "992562000017",
    boot: str = "boot-1",
    stge: TicStatus | None = None,
    mode: str = "standard",
    timed: bool = True,
    characters: int = 863,
    link: tuple[int, int, int] = (0, 0, 0),
) -> TicFrame:
    """One frame; untimed: neither the meter nor the reader knows when it was."""
    bad, discarded, rejected = link
    return TicFrame(
        meter_id=meter,
        boot_id=boot,
        counter=counter,
        meter_at_s=at_s if timed and mode == "standard" else None,
        clock_degraded=False,
        received_at_ms=at_s * 1000 + 120 if timed else 5_000,
        clock_synchronised=timed,
        monotonic_ms=counter * 930,
        mode=mode,
        labels=[TicLabel(label, value) for label, value in labels.items()],
        status=stge,
        relays_closed=None,
        tomorrow=None,
        peak_day=None,
        link=TicLink(characters, bad, discarded, 0),
        rejected=[TicRejected(b"\x8a?", "?", "parity")] * rejected,
    )


def batch_of(decoder: FrameDecoder, log: Log, start: int, stop: int) -> FrameBatch:
    part = log[start:stop]
    messages = [one.message(ID) for _, one in part]
    values, keys = [value for _, value in messages], [key for key, _ in messages]
    batch, rejected = decoder.decode(Run.of(values, range(start, stop), [at for at, _ in part], keys))
    assert rejected == []
    return batch


def decoder() -> FrameDecoder:
    return FrameDecoder(lambda i: wire.raw_schema(topics.TIC_FRAMES) if i == ID else None)


# ---- the paths


@dataclass
class Raw:
    """First copies, as the raw table has them."""

    log: Log
    batch: FrameBatch = field(init=False)
    found: Facts = field(init=False)
    rows: dict[Minute, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.batch = batch_of(decoder(), self.log, 0, len(self.log))
        self.found = facts(self.batch)
        seen: set[tuple[str, str, int]] = set()
        for at, (_, one) in enumerate(self.log):
            if (one.meter_id, one.boot_id, one.counter) not in seen:
                seen.add((one.meter_id, one.boot_id, one.counter))
                minute = int(self.batch.at_s[at]) // 60 * 60
                self.rows.setdefault((one.meter_id, minute), []).append(at)

    def fold(self, minute: Minute, below: int) -> Folded:
        before = self._of((minute[0], minute[1] - 60), below)
        return fold(*minute, self._of(minute, below), before)

    def _of(self, minute: Minute, below: int) -> Facts:
        rows = [at for at in self.rows.get(minute, []) if at < below]
        table: Int64s = self.found.table[rows]
        return Facts(first_in_log(table), self.found.boots, self.found.names)


class Sinked:
    """Collects upserts as a keyed table does, rebuilds what is late, and holds all to one content per version."""

    def __init__(self, log: Log) -> None:
        self.rows: dict[Minute, TicMinute] = {}
        self.contents: dict[tuple[str, int, int], TicMinute] = {}
        self.quarantined: list[int] = []
        self.late: dict[Minute, int] = {}
        self._raw = Raw(log)

    def take(self, checkpoint: TicCheckpoint) -> None:
        for row in checkpoint.minutes:
            self._upsert(row)
        self.quarantined += [one.offset for one in checkpoint.quarantined]
        late = checkpoint.late
        for meter, minute, offset in zip(late.sensor.tolist(), late.minute_s.tolist(), late.offset.tolist(), strict=True):
            at = late.names[meter], minute
            self.late[at] = max(self.late.get(at, -1), offset)
            for wanted in (at, (at[0], minute + 60)):
                self._rebuild(wanted, offset + 1)

    def _rebuild(self, minute: Minute, below: int) -> None:
        row = self._raw.fold(minute, below).row
        if row is not None:
            self._upsert(row)

    def _upsert(self, row: TicMinute) -> None:
        key = row.meter_id, row.minute_s
        assert self.contents.setdefault((*key, row.version), row) == row, "two contents for one version"
        if key not in self.rows or row.version >= self.rows[key].version:
            self.rows[key] = row


def run(log: Log, cuts: Sequence[int], crashes: Sequence[int] = (), lost: Sequence[int] = ()) -> Sinked:
    """Fold a log with checkpoints at cuts; after a step in `crashes` the commit never happened, in `lost` nor its outputs."""
    sink, state, committed, reader = Sinked(log), TicPartition(LATENESS_S * 1000), None, decoder()
    edges = sorted({0, len(log), *(cut for cut in cuts if cut <= len(log))})
    pending, gone = list(crashes), list(lost)
    at = step = 0
    while at < len(log):
        stop = next(edge for edge in edges if edge > at)
        state.fold(batch_of(reader, log, at, stop))
        at, step = stop, step + 1
        checkpoint = state.checkpoint(reader.names.names)
        if step not in gone:
            sink.take(checkpoint)
        if step in pending or step in gone:
            reader = decoder()
            state = TicPartition.restore(committed, LATENESS_S * 1000)
            at = state.next_offset
        else:
            committed = checkpoint.position
    return sink


def meter_minute(meter: str, minute_s: int) -> TicMinute:
    """A minute that says one frame came, of which no log tells."""
    (row,) = oracle([((minute_s + 1) * 1000, frame(minute_s, 0, {"EAST": 1}, meter))]).values()
    return row


# ---- the oracle


def event_s(appended_ms: int, one: TicFrame) -> int:
    if one.meter_at_s is not None and not one.clock_degraded:
        return one.meter_at_s
    received_s, appended_s = one.received_at_ms // 1000, appended_ms // 1000
    return received_s if one.clock_synchronised or 1_735_689_600 <= received_s <= appended_s + 3600 else appended_s


Known = tuple[int, int, TicFrame]
"""Event time, offset, frame."""


def oracle(log: Log) -> dict[Minute, TicMinute]:
    """Every minute from the first copies of its frames and of those of the minute before."""
    first: dict[tuple[str, str, int], Known] = {}
    for offset, (appended, one) in enumerate(log):
        first.setdefault((one.meter_id, one.boot_id, one.counter), (event_s(appended, one), offset, one))
    minutes: dict[Minute, list[Known]] = {}
    for at_s, offset, one in first.values():
        minutes.setdefault((one.meter_id, at_s // 60 * 60), []).append((at_s, offset, one))
    return {key: _minute(key, own, minutes.get((key[0], key[1] - 60), [])) for key, own in minutes.items()}


def _minute(key: Minute, own: list[Known], before: list[Known]) -> TicMinute:
    order = sorted(before + own, key=lambda known: (known[0], known[2].boot_id, known[2].counter))
    trusted, good, quarantined = Indexes(), [], 0
    for at_s, _, one in order:
        trusted, broken = check(trusted, one, at_s)
        if broken:
            quarantined += at_s >= key[1]
        else:
            good.append((at_s, one))
    mine = [(at_s, one) for at_s, one in good if at_s >= key[1]]
    every = [one for _, _, one in own]
    power = [v for _, one in mine if (v := _first(one, "SINSTS", "PAPP", "SINST1")) is not None]
    injected = [v for _, one in mine if (v := _first(one, "SINSTI")) is not None]
    indexes = _indexes(good, len(mine))
    energy = {index.label: index.energy_wh for index in indexes}
    supplier = {label: wh for label, wh in energy.items() if label.startswith("EASF")}
    historic = {label: wh for label, wh in energy.items() if not label.startswith("EA")}
    covered = {at_s + k for at_s, one in good for k in range(ceil((one.link.characters + 2) * 10 / _baud(one)))}
    return TicMinute(
        meter_id=key[0],
        minute_s=key[1],
        version=max(offset for _, offset, _ in order),
        frames=len(mine),
        seconds_mask=sum(1 << k for k in range(60) if key[1] + k in covered),
        apparent_frames=len(power),
        apparent_sum_va=sum(power),
        apparent_min_va=min(power, default=None),
        apparent_max_va=max(power, default=None),
        injected_max_va=max(injected, default=None),
        voltages=_phases([one for _, one in mine], [["URMS1"], ["URMS2"], ["URMS3"]]),
        currents=_phases([one for _, one in mine], [["IRMS1", "IINST1", "IINST"], ["IRMS2", "IINST2"], ["IRMS3", "IINST3"]]),
        tariff=next((n for one in _backwards(good) if (n := _tariff(one)) is not None), 0),
        tariff_name=next((v for one in _backwards(good) if (v := _text(one, "LTARF", "PTEC")) is not None), ""),
        indexes=indexes,
        drawn_wh=energy["EAST"] if "EAST" in energy else sum((supplier or historic).values()),
        injected_wh=energy.get("EAIT", 0),
        contract_va=next(
            (contract_va(n) for one in _backwards(good) if {"PREF", "PCOUP", "ISOUSC"} & set(n := _numbers(one))), 0
        ),
        tempo_today=next((v for one in _backwards(good) if (v := _today(one)) is not None), "none"),
        tempo_tomorrow=next((v for one in _backwards(good) if (v := _tomorrow(one)) is not None), "none"),
        over_power=any((one.status and one.status.over_power) or {"ADPS", "ADIR1"} & set(_numbers(one)) for _, one in mine),
        clock_degraded=any(one.clock_degraded for one in every),
        characters=sum(one.link.characters for one in every),
        bad_characters=sum(one.link.bad_characters for one in every),
        rejected_groups=sum(len(one.rejected) for one in every),
        discarded_frames=sum(one.link.discarded_frames for one in every),
        lost_frames=_lost([one for _, _, one in before], every),
        quarantined=quarantined,
    )


def _backwards(good: list[tuple[int, TicFrame]]) -> Iterable[TicFrame]:
    return (one for _, one in reversed(good))


def _baud(one: TicFrame) -> int:
    return 9600 if one.mode == "standard" else 1200


def _numbers(one: TicFrame) -> dict[str, int]:
    return {label.label: label.value for label in one.labels if isinstance(label.value, int)}


def _first(one: TicFrame, *labels: str) -> int | None:
    return next((_numbers(one)[label] for label in labels if label in _numbers(one)), None)


def _text(one: TicFrame, *labels: str) -> str | None:
    texts = {label.label: label.value for label in one.labels if isinstance(label.value, str)}
    return next((texts[label] for label in labels if label in texts), None)


def _tariff(one: TicFrame) -> int | None:
    by_name = {"TH..": 1, "HC..": 1, "HP..": 2, "HCJB": 1, "HPJB": 2, "HPJR": 6}
    if "NTARF" in _numbers(one):
        return _numbers(one)["NTARF"]
    return one.status.supplier_index if one.status else by_name.get(_text(one, "PTEC") or "")


def _today(one: TicFrame) -> str | None:
    if one.status:
        return one.status.tempo_today
    return {"HCJB": "blue", "HPJB": "blue", "HPJR": "red"}.get(_text(one, "PTEC") or "")


def _tomorrow(one: TicFrame) -> str | None:
    if one.status:
        return one.status.tempo_tomorrow
    return {"----": "none", "BLEU": "blue", "ROUG": "red"}.get(_text(one, "DEMAIN") or "")


def _phases(frames: list[TicFrame], labels: list[list[str]]) -> list[TicPhase]:
    values = [[v for one in frames if (v := _first(one, *of_phase)) is not None] for of_phase in labels]
    count = max((k + 1 for k in range(3) if values[k]), default=0)
    return [TicPhase(len(v), sum(v), min(v, default=None), max(v, default=None)) for v in values[:count]]


def _indexes(good: list[tuple[int, TicFrame]], count: int) -> list[TicIndex]:
    mine, earlier = good[len(good) - count :], good[: len(good) - count]
    unbroken: list[tuple[int, TicFrame]] = []  # before the minute, back to the first gap
    if mine:
        next_s = mine[0][0]
        for at_s, one in reversed(earlier):
            if next_s - at_s > 10:
                break
            unbroken.insert(0, (at_s, one))
            next_s = at_s
    found = []
    for label in WH:
        own = [(at_s, one) for at_s, one in mine if label in _numbers(one)]
        base = [(at_s, one) for at_s, one in unbroken if label in _numbers(one)][-1:]
        if not own:
            continue
        values = [(at_s, _numbers(one)[label], one) for at_s, one in base + own]
        energy = 0
        for (from_s, before, _), (to_s, after, one) in pairwise(values):
            limit = allowed_wh(OTHERS_MAX_VA if label == "EAIT" else contract_va(_numbers(one)), to_s - from_s)
            energy += after - before if 0 <= after - before <= limit else 0
        found.append(TicIndex(label, values[0][1], values[-1][1], energy))
    return found


def _lost(before: list[TicFrame], own: list[TicFrame]) -> int:
    lost = 0
    for one in own:
        earlier = [other.counter for other in before + own if other.boot_id == one.boot_id and other.counter < one.counter]
        lost += one.counter - max(earlier) - 1 if earlier else 0
    return lost
