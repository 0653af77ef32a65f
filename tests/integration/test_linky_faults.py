"""kill -9 of everything around two Linkys on bad lines: every frame that was right is in ClickHouse once, and no damaged value.

One round of kills with the other tests; POWERMON_LINKY_SOAK=3600 makes it an hour of them.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra import child
from infra.settings import Settings
from schemas import topics
from schemas.registry import Registry
from schemas.tic_frame import TicFrame, decode_frame
from sinks.clickhouse import ClickHouse
from tests.linky import Frame, Meters, Reader
from tests.stack import Stack, read_all
from tests.waiting import until

SOAK_S = int(os.environ.get("POWERMON_LINKY_SOAK", "0"))
SEED = 12
WRITE_S = 1.0
PARTS = ("gateway", "worker", "store", "kafka")
ROUND_S = 45.0 if SOAK_S else 28.0
"""In which each part is killed once, and each reader twice; now and then a reader is asked to end instead."""

Group = tuple[Any, Any, Any]
"""Value, horodate in UTC seconds, whether its letter was small."""


@dataclass(frozen=True)
class Stored:
    """One row of tic_frames."""

    meter: str
    boot: str
    counter: int
    received_ms: int
    groups: dict[str, Group]

    @property
    def number(self) -> int | None:
        """Of the frame as its meter counts it; None when that group was refused."""
        value = self.groups.get("MSG1", (None,))[0]
        return int(value[1:]) if value else None


@dataclass(frozen=True)
class Outcome:
    """What the meters sent, who read it when, and what is in the log and in ClickHouse."""

    sent: dict[str, list[Frame]]
    readers: dict[str, Reader]
    log: list[TicFrame]
    rows: list[Stored]
    counted: dict[str, int]
    letters: int
    killed: Counter[str]


@pytest.fixture(scope="module")
def outcome(
    make_settings: Callable[..., Settings],
    free_port: Callable[[], int],
    java_parts: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Outcome:
    """Two meters through every fault: one delivers to Kafka, the other to the gateway."""
    settings, folder = make_settings(lateness_s=5, rebuild_interval_s=1), tmp_path_factory.mktemp("linky")
    stack = Stack(settings, folder)
    meters: Meters | None = None
    readers: dict[str, Reader] = {}
    try:
        meters = Meters(settings, folder, 2, "--faults", "--seed", str(SEED))
        for k, (address, link) in enumerate(zip(meters.addresses, meters.links)):
            readers[address] = Reader(reader_settings(stack, folder, link, address, free_port(), "kafka" if k == 0 else "https"))
            readers[address].start()
        for address, reader in readers.items():
            until(lambda reader=reader: reader.metric("powermon_tic_frames_total") > 2, f"frames of {address}", 60)
        killed = kill_all(stack, list(readers.values()))
        until(lambda: all(exists_open(reader) for reader in readers.values()), "every port is read", 60)
        meters.stop()
        for address, reader in readers.items():
            until(reader.delivered, f"everything of {address} is delivered; {child.tail(reader.running.log, 20)}", 120)
        for reader in readers.values():
            reader.stop()
        registry = Registry(settings.registry, settings.schema_cache)
        log = [decode_frame(m.value(), registry.schema_of) for m in read_all(settings, topics.TIC_FRAMES)]
        wanted = {(one.meter_id, one.boot_id, one.counter) for one in log}
        until(lambda: rows_now(stack) == len(wanted), f"{len(wanted)} frames in ClickHouse", 120)
        until(lambda: in_minutes(stack) == len(wanted), "every frame in a minute, the late ones too", 180)
        letters = len(read_all(settings, topics.DEAD_LETTERS))
    finally:
        for reader in readers.values():
            reader.stop()
        if meters is not None:
            meters.stop()
        stack.stop()
    rows, counted = stored(settings)
    return Outcome(meters.sent(), readers, log, rows, counted, letters, killed)


def reader_settings(stack: Stack, folder: Path, link: Path, address: str, port: int, delivery: str) -> Settings:
    """Of a reader with a spool of its own, beside the stack's own settings."""
    secret = folder / f"{address}.secret"
    secret.touch(0o600)
    secret.write_text(stack.run("sensors", "add", address, "--kind", "linky", "--zone", "Europe/Paris"))
    own = {
        "tic_port": str(link),
        "tic_health_port": port,
        "tic_spool_path": str(folder / f"{address}.sqlite"),
        "tic_write_s": WRITE_S,
        "tic_delivery": delivery,
        "tic_secret_file": str(secret),
    }
    return stack.settings.model_copy(update=own)


def kill_all(stack: Stack, readers: list[Reader]) -> Counter[str]:
    """Kill parts and readers in a random order, in whole rounds: one, or as many as begin in the soak's time."""
    chance, killed = random.Random(SEED), Counter[str]()
    end_s = time.monotonic() + SOAK_S
    while not killed or time.monotonic() < end_s:
        victims: list[str | Reader] = [*PARTS, *readers, *readers]
        chance.shuffle(victims)
        for victim in victims:
            pause(ROUND_S / len(victims) * chance.uniform(0.5, 1.5))
            if isinstance(victim, str):
                stack.kill(victim)
                killed[victim] += 1
            elif chance.random() < 0.75:
                victim.kill()
                killed["tic"] += 1
            else:
                victim.restart()
                killed["tic asked to end"] += 1
    return killed


def pause(seconds: float) -> None:
    """Let the load go on for a while."""
    begin_s = time.monotonic()
    until(lambda: time.monotonic() - begin_s > seconds, "the pause", seconds + 10)


def exists_open(reader: Reader) -> bool:
    return reader.away[-1].until_ms is not None


def rows_now(stack: Stack) -> int | None:
    return asked(stack, "SELECT count() AS n FROM tic_frames")


def in_minutes(stack: Stack) -> int | None:
    return asked(stack, "SELECT sum(frames + quarantined) AS n FROM tic_minutes")


def asked(stack: Stack, sql: str) -> int | None:
    """A number; None while the store, just killed, is not back."""
    try:
        (row,) = stack.rows(sql)
    except AssertionError:
        return None
    return int(row["n"])


def stored(settings: Settings) -> tuple[list[Stored], dict[str, int]]:
    """The rows, and how many frames the minutes of each meter count; the embedded engine must be free."""
    store = ClickHouse(settings)
    columns = "meter_id, boot_id, counter, toUnixTimestamp64Milli(received_at) AS received_ms, label, number, text"
    try:
        rows = store.arrow(f"SELECT {columns}, arrayMap(s -> toUnixTimestamp(s), stamp) AS at_s, stamp_degraded FROM tic_frames")
        found = [
            Stored(row["meter_id"], row["boot_id"], row["counter"], row["received_ms"], groups(row)) for row in rows.to_pylist()
        ]
        counted = store.arrow(
            "SELECT meter_id, sum(frames + quarantined) AS frames FROM tic_minutes GROUP BY meter_id"
        ).to_pylist()
    finally:
        store.close()
    return found, {row["meter_id"]: int(row["frames"]) for row in counted}


def groups(row: dict[str, Any]) -> dict[str, Group]:
    values = [n if n is not None else text or None for n, text in zip(row["number"], row["text"])]
    return {label: group for label, *group in zip(row["label"], values, row["at_s"], row["stamp_degraded"])}  # type: ignore[misc]


def test_everything_was_killed(outcome: Outcome) -> None:
    assert set(outcome.killed) == {*PARTS, "tic", "tic asked to end"}
    assert all(reader.kills for reader in outcome.readers.values())


def test_every_right_frame_is_there_once(outcome: Outcome) -> None:
    for meter, reader in outcome.readers.items():
        rows = {row.number: row for row in outcome.rows if row.meter == meter and row.number is not None}
        assert len(rows) == sum(row.meter == meter and row.number is not None for row in outcome.rows)
        right = [frame for frame in outcome.sent[meter] if frame.damage is None]
        lost = [reader.told(frame) for frame in right if frame.number not in rows and not reader.missed(frame)]
        assert not lost, f"{meter}: {len(lost)} of {len(right)} right frames are lost\n" + "\n".join(lost[:10])
        assert len(rows) > 10
        for frame in right:
            if frame.number in rows:
                assert rows[frame.number].groups == told(frame)


def test_a_reader_that_runs_misses_nothing(outcome: Outcome) -> None:
    for meter, frames in outcome.sent.items():
        boots: dict[str, set[int]] = {}
        for row in outcome.rows:
            if row.meter == meter and row.number is not None:
                boots.setdefault(row.boot, set()).add(row.number)
        right = {frame.number for frame in frames if frame.damage is None}
        for numbers in boots.values():
            assert {n for n in right if min(numbers) <= n <= max(numbers)} - numbers == set()


def test_no_damaged_value_is_there(outcome: Outcome) -> None:
    sent = {meter: [told(frame) for frame in frames] for meter, frames in outcome.sent.items()}
    begun = {meter: [frame.begin_ms for frame in frames] for meter, frames in outcome.sent.items()}
    for row in outcome.rows:
        near = [said for said, at in zip(sent[row.meter], begun[row.meter]) if abs(at - row.received_ms) < 10_000]
        assert any(all(said.get(label) == group for label, group in row.groups.items()) for said in near), row


def test_the_log_holds_what_clickhouse_holds_and_every_frame_is_in_a_minute(outcome: Outcome) -> None:
    in_log = {(one.meter_id, one.boot_id, one.counter) for one in outcome.log}
    assert {(row.meter, row.boot, row.counter) for row in outcome.rows} == in_log
    assert len(outcome.rows) == len(in_log)
    assert outcome.counted == Counter(row.meter for row in outcome.rows)


def told(frame: Frame) -> dict[str, Group]:
    return {label: list(group) for label, group in frame.groups.items()}  # type: ignore[misc]
