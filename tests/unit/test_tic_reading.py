"""From decoded frames to the spool: identity, times, bounded memory, and what the service says of itself."""

import os
import socket
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra import sdnotify
from infra.errors import ConfigurationError
from infra.settings import Settings
from producers.tic import clock, keyfile
from producers.tic.arrival import Arrivals
from producers.tic.backlog import Backlog
from producers.tic.beats import Beats
from producers.tic.bytes import with_parity
from producers.tic.decode import Event, decode
from producers.tic.identity import pseudonym
from producers.tic.labels import Mode
from producers.tic.line import Line
from producers.tic.reception import HELD_MAX, Moment, Reception
from producers.tic.rules import LINE
from producers.tic.service import place_of
from producers.tic.writer import Writer
from schemas.tic_frame import TicFrame
from tests.tic import framed, historic, records, standard
from tests.waiting import until

MOMENT = Moment(1_766_899_543_120, True, 77_000)
ONE, OTHER = "992262000043", "992262000044"
KEY = bytes(range(32))


def saying(address: str | None) -> Event:
    groups = [historic("PAPP", "00960"), *([historic("ADCO", address)] if address else [])]
    (event,) = decode([with_parity(framed(*groups))], LINE)
    return event


def taken(reception: Reception, *addresses: str | None) -> list[TicFrame]:
    return [record for address in addresses for record in reception.take(saying(address), MOMENT)]


# ---- identity


def test_the_frames_before_the_meter_is_known_are_not_lost() -> None:
    reception = Reception("boot")
    assert taken(reception, None, ONE) == []
    records = taken(reception, ONE, None)
    assert [one.counter for one in records] == [0, 1, 2, 3]
    assert {(one.meter_id, one.boot_id) for one in records} == {(ONE, "boot")}


def test_a_damaged_address_is_no_meter_and_a_lost_frame() -> None:
    reception = Reception("boot")
    records = taken(reception, ONE, ONE, OTHER, ONE)
    assert [one.counter for one in records] == [0, 1, 2]
    assert [one.link.discarded_frames for one in records] == [0, 0, 1]
    assert reception.refused == {"other address": 1}


def test_a_changed_meter_begins_with_its_first_frame() -> None:
    records = taken(Reception("boot"), ONE, ONE, OTHER, OTHER)
    assert [one.meter_id for one in records] == [ONE, ONE, OTHER, OTHER]


@pytest.mark.parametrize("key", [None, KEY], ids=["address", "pseudonym"])
def test_the_meter_of_an_earlier_start_is_known_by_its_first_frame(key: bytes | None) -> None:
    (first,) = taken(Reception("boot", key=key), ONE, ONE)[:1]
    records = taken(Reception("later", key=key, known=first.meter_id), ONE)
    assert [(one.meter_id, one.boot_id, one.counter) for one in records] == [(first.meter_id, "later", 0)]


def test_a_frame_that_names_nobody_waits_for_the_meter_that_is_known() -> None:
    reception = Reception("boot", known=ONE)
    assert taken(reception, None) == []
    assert [one.meter_id for one in taken(reception, ONE)] == [ONE, ONE]


def test_another_meter_than_the_one_that_is_known_needs_two_frames() -> None:
    reception = Reception("boot", known=ONE)
    assert taken(reception, OTHER) == []
    assert [one.meter_id for one in taken(reception, OTHER)] == [OTHER, OTHER]


def test_the_first_frame_of_a_meter_outlives_a_stop_and_waits_for_the_second() -> None:
    ended = Reception("boot")
    assert taken(ended, None, ONE) == []
    assert [(one.meter_id, one.counter) for one in ended.unconfirmed] == [(ONE, 0)]
    again = Reception("again", left=ended.unconfirmed)
    assert again.unconfirmed == ended.unconfirmed
    assert taken(again, None) == []
    assert again.unconfirmed == ended.unconfirmed
    records = taken(again, ONE)
    assert [(one.meter_id, one.boot_id, one.counter) for one in records] == [
        (ONE, "boot", 0),
        (ONE, "again", 0),
        (ONE, "again", 1),
    ]
    assert again.unconfirmed == ()


def test_a_damaged_address_before_a_stop_makes_no_meter() -> None:
    ended = Reception("boot")
    assert taken(ended, OTHER) == []
    again = Reception("again", left=ended.unconfirmed)
    assert [one.boot_id for one in taken(again, ONE, ONE)] == ["again", "again"]
    assert again.unconfirmed == ()
    assert again.refused == {"other address": 1}


def test_a_line_without_an_address_holds_few_frames() -> None:
    reception = Reception("boot")
    assert taken(reception, *[None] * 50) == []
    assert reception.refused == {"no address": 50 - HELD_MAX}


def test_only_one_mode_and_discarded_frames_are_counted() -> None:
    reception = Reception("boot", Mode.STANDARD)
    assert taken(reception, ONE, ONE) == []
    assert reception.refused == {"other mode": 2}
    (other,) = decode([with_parity(b"\x02noise\x02")[:-1]], LINE)
    assert reception.take(other, MOMENT) == []
    group = standard("ADSC", ONE)
    (frame,) = decode([with_parity(framed(group, standard("NTARF", "01")))], LINE)
    records = [*reception.take(frame, MOMENT), *reception.take(frame, MOMENT)]
    assert [one.link.discarded_frames for one in records] == [3, 0]


def test_under_a_key_records_hold_a_pseudonym() -> None:
    records = taken(Reception("boot", key=KEY), ONE, ONE)
    assert {one.meter_id for one in records} == {pseudonym(ONE, KEY)}
    assert all(ONE.encode() not in one.body() for one in records)


# ---- times


def test_a_byte_came_as_long_before_its_read_as_those_behind_it_took() -> None:
    arrivals = Arrivals(9600)
    arrivals.read(48, 100.00)
    arrivals.read(48, 100.05)
    assert arrivals.of(95) == pytest.approx(100.05)
    assert arrivals.of(72) == pytest.approx(100.05 - 23 / 960)
    assert arrivals.of(47) == pytest.approx(100.00)
    assert arrivals.of(40) == pytest.approx(100.00 - 7 / 960)


def test_a_byte_never_came_before_the_read_before_it() -> None:
    arrivals = Arrivals(1200)
    arrivals.read(10, 100.0)
    arrivals.read(4000, 101.0)  # the process stood still, or the adapter hands over in blocks
    assert arrivals.of(10) == 100.0


def test_what_is_remembered_of_reads_is_bounded() -> None:
    arrivals = Arrivals(9600)
    for second in range(5000):
        arrivals.read(1, float(second))
    assert arrivals.of(4999) == 4999.0
    assert arrivals.of(0) == 5000.0 - 1024


def test_the_clock_counts_once_it_was_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "kernel_says", lambda: False)
    flag = tmp_path / "synchronized"
    ours = clock.Clock(flag)
    assert not ours.synchronised()
    flag.touch()
    assert ours.synchronised()
    flag.unlink()  # the kernel forgets after some hours without a network; the clock goes on
    assert ours.synchronised()


def test_the_kernel_can_be_asked() -> None:
    assert clock.kernel_says() in (True, False)


# ---- to the spool


@dataclass
class Waiting:
    frames: int = 0
    bytes: int = 0
    oldest_age_s: float = 0.0


class FakeSpool:
    """In memory. Stands still while `goes` is clear; fails while `error` is set; refuses frames in `unfit` for good."""

    def __init__(self) -> None:
        self.dropped = 0
        self.kept: list[int] = []
        self.error: Exception | None = None
        self.unfit: set[int] = set()
        self.goes = threading.Event()
        self.goes.set()

    def put(self, frames: Sequence[TicFrame]) -> None:
        self.goes.wait()
        if self.error:
            raise self.error
        if self.unfit & {frame.counter for frame in frames}:
            raise ValueError("it does not fit")
        self.kept += [frame.counter for frame in frames]

    def depth(self) -> Waiting:
        return Waiting(len(self.kept))


class Writing:
    def __init__(self, limit: int = 1000) -> None:
        self.spool, self.backlog = FakeSpool(), Backlog(limit)
        self.remembered: tuple[str, list[TicFrame]] = "", []
        self.writer = Writer(self.spool, self.backlog, Line(0.0), 0.01, lambda: None, self._remember)
        self.thread = threading.Thread(target=self.writer.run, daemon=True)
        self.thread.start()
        self.reception = Reception("boot")

    def _remember(self, meter_id: str, held: Sequence[TicFrame]) -> None:
        self.remembered = meter_id or self.remembered[0], list(held)

    def frames(self, count: int) -> None:
        for record in taken(self.reception, *[ONE] * count):
            self.backlog.put(record)

    def end(self) -> None:
        self.spool.goes.set()
        self.writer.stop()
        self.thread.join(10)
        assert not self.thread.is_alive()


@pytest.fixture
def writing() -> Iterator[Writing]:
    one = Writing(limit=20)
    yield one
    one.end()


def test_a_stop_stores_what_is_left(writing: Writing) -> None:
    writing.frames(10)
    writing.end()
    assert writing.spool.kept == list(range(10))


def test_a_disk_that_stands_still_costs_the_oldest_frames_only_and_they_are_counted(writing: Writing) -> None:
    writing.spool.goes.clear()
    writing.frames(2)
    until(lambda: len(writing.backlog) == 0, "the writer is at the disk")
    writing.frames(50)
    assert (len(writing.backlog), writing.backlog.dropped) == (20, 30)
    writing.spool.goes.set()
    until(lambda: len(writing.spool.kept) == 22, "all is stored")
    assert writing.spool.kept == [0, 1, *range(32, 52)]


def test_what_waits_for_its_meter_is_remembered_until_it_is_stored(writing: Writing) -> None:
    writing.backlog.held = tuple(records()[:1])
    until(lambda: writing.remembered == ("", records()[:1]), "the memory has it")
    writing.backlog.held = ()
    writing.frames(2)
    until(lambda: writing.remembered == (ONE, []), "the spool has it")
    assert writing.spool.kept == [0, 1]


def test_nothing_is_forgotten_while_the_disk_takes_nothing(writing: Writing) -> None:
    writing.backlog.held = tuple(records()[:1])
    until(lambda: writing.remembered == ("", records()[:1]), "the memory has it")
    writing.spool.error = OSError(28, "No space left on device")
    writing.frames(2)
    writing.backlog.held = ()
    until(lambda: writing.writer.failures >= 3, "it is tried again")
    assert writing.remembered == ("", records()[:1])


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), sqlite3.OperationalError("disk I/O error")], ids=str)
def test_a_disk_that_takes_nothing_is_tried_again(writing: Writing, error: Exception) -> None:
    writing.spool.error = error
    writing.frames(5)
    until(lambda: writing.writer.failures >= 3, "it is tried again")
    assert "the spool takes no frames" in writing.writer.problem
    writing.spool.error = None
    until(lambda: writing.spool.kept == list(range(5)), "all is stored, in order")
    until(lambda: not writing.writer.problem, "it is well again")


def test_one_frame_that_does_not_fit_keeps_no_other_back(writing: Writing) -> None:
    writing.spool.unfit = {3}
    writing.frames(6)
    until(lambda: writing.spool.kept == [0, 1, 2, 4, 5], "the others are stored")
    assert writing.writer.unfit == 1


# ---- settings


def test_without_a_port_the_sentence_says_what_to_set() -> None:
    with pytest.raises(ConfigurationError, match="POWERMON_TIC_PORT is empty; expected"):
        place_of(Settings(tic_port=""))


@pytest.mark.parametrize(
    ("speed", "mode", "tried"),
    [
        ("auto", "auto", [9600, 1200]),
        ("auto", "historic", [1200, 9600]),
        ("auto", "standard", [9600, 1200]),
        ("9600", "historic", [9600]),
    ],
)
def test_speed_and_mode_are_apart(speed: str, mode: str, tried: list[int]) -> None:
    settings = Settings.model_validate({"tic_port": "/dev/serial0", "tic_speed": speed, "tic_mode": mode})
    assert list(place_of(settings).speeds) == tried


def test_a_key_is_read_from_a_file_of_ones_own(tmp_path: Path) -> None:
    assert keyfile.read("") is None
    file = tmp_path / "key"
    file.write_bytes(KEY)
    file.chmod(0o600)
    assert keyfile.read(str(file)) == KEY


@pytest.mark.parametrize(
    ("content", "mode", "sentence"),
    [
        pytest.param(KEY, 0o640, "mode 0640, expected 0600", id="the group may read it"),
        pytest.param(b"short", 0o600, "holds 5 bytes, expected at least 16", id="too short"),
        pytest.param(None, 0o600, "cannot be read", id="none"),
    ],
)
def test_a_bad_key_is_refused_and_not_told(tmp_path: Path, content: bytes | None, mode: int, sentence: str) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
        file.chmod(mode)
    with pytest.raises(ConfigurationError, match=sentence) as caught:
        keyfile.read(str(file))
    assert "short" not in str(caught.value)


# ---- signs of life


def test_a_loop_that_falls_silent_is_dead() -> None:
    now_s = 0.0
    beats = Beats(lambda: now_s)
    port, disk = beats.of("the port", 30), beats.of("the disk", 300)
    now_s = 30.0
    assert beats.problem() is None
    now_s = 31.0
    assert "the port has not moved for 31 s" in str(beats.problem())
    port()
    assert beats.problem() is None
    now_s = 301.0
    port()
    assert "the disk" in str(beats.problem())
    disk()
    assert beats.problem() is None


@pytest.mark.parametrize("abstract", [False, True], ids=["file", "abstract"])
def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool) -> None:
    name = f"powermon-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0{name}" if abstract else name)
        systemd.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}" if abstract else name)
        assert sdnotify.notify(READY=1, STATUS="standard mode")
        assert systemd.recv(1000) == b"READY=1\nSTATUS=standard mode"


def test_without_systemd_nothing_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not sdnotify.notify(READY=1)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    assert not sdnotify.notify(READY=1)


def test_the_watchdog_is_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    assert sdnotify.watchdog_s() == 60
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert sdnotify.watchdog_s() is None
