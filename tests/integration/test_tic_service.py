"""`powermon tic` as a process, on a pseudo-terminal, without any network: health, systemd, and what a stop leaves."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from infra import programs
from infra.running import Running
from infra.settings import Settings
from producers.tic.identity import pseudonym
from producers.tic.memory import Memory
from producers.tic.spool import Spool
from schemas import avro, topics
from schemas.tic_frame import TicFrame, of_record
from tests.fakes.pty_line import PtyLine
from tests.tic import GOLDEN
from tests.waiting import until

STANDARD = (GOLDEN / "frames" / "std_mono_hchp.tic").read_bytes()
ADDRESS = "992562000017"
KEY = b"0123456789abcdef0123456789abcdef"


@pytest.fixture
def settings(make_settings: Callable[..., Settings], tmp_path: Path) -> Settings:
    key = tmp_path / "key"
    key.write_bytes(KEY)
    key.chmod(0o600)
    return make_settings(
        data=tmp_path, tic_port=str(tmp_path / "port"), tic_write_s=600, tic_key_file=str(key), kafka_bootstrap="127.0.0.1:1"
    )


class Systemd:
    """What a service tells."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._door.bind(self.address)
        self._door.setblocking(False)
        self.told = ""

    def heard(self, fact: str) -> bool:
        while True:
            try:
                self.told += self._door.recv(2000).decode() + "\n"
            except BlockingIOError:
                return fact in self.told

    def close(self) -> None:
        self._door.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    one = Systemd(tmp_path / "notify")
    yield one
    one.close()


def service(settings: Settings, systemd: Systemd) -> Running:
    program = programs.tic(settings)
    told = {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "1000000"}
    return Running(replace(program, env={**program.env, **told}), settings.data / "logs")


def answer(one: Running, path: str) -> tuple[int, str]:
    try:
        with urlopen(f"{one.program.address}{path}") as reply:
            return reply.status, reply.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def spooled(settings: Settings) -> list[TicFrame]:
    spool = Spool(settings.tic_spool, 1_000_000_000)
    try:
        bodies = [entry.body for entry in spool.oldest(100_000)]
    finally:
        spool.close()
    schema = avro.raw_schema(topics.TIC_FRAMES)
    return [of_record(avro.decode_body(topics.TIC_FRAMES, body, schema, "ours")) for body in bodies]


def test_a_service_reads_tells_and_stops(settings: Settings, systemd: Systemd, tmp_path: Path) -> None:
    one = service(settings, systemd)
    with PtyLine(tmp_path / "port", [STANDARD], sent_baud=9600) as line:
        try:
            one.start()
            one.wait_ready()
            until(lambda: answer(one, "/readyz")[0] == 200, "right frames come")
            until(lambda: systemd.heard("STATUS=standard mode at 9600 baud"), "systemd is told")
            assert systemd.heard("READY=1")
            assert systemd.heard("WATCHDOG=1")
            line.speaks = False
            metrics = answer(one, "/metrics")[1]
            assert 'powermon_tic_groups_total{label="EAST"}' in metrics
            assert "powermon_tic_line_good 1.0" in metrics
            assert ADDRESS not in metrics
            assert answer(one, "/")[0] == 404
        finally:
            assert one.stop()
    assert one.process is not None
    assert one.process.returncode == 0
    assert systemd.heard("STOPPING=1")
    frames = spooled(settings)  # the interval of writing is ten minutes: the stop stored them
    assert [frame.counter for frame in frames] == list(range(len(frames)))
    assert len(frames) > 3
    assert {frame.meter_id for frame in frames} == {pseudonym(ADDRESS, KEY)}
    log = one.log.read_text()
    assert "line good" in log
    assert f"meter_id={pseudonym(ADDRESS, KEY)}" in log  # to register it
    assert ADDRESS not in log
    assert KEY.decode() not in log


def test_without_a_line_it_lives_and_is_not_ready(settings: Settings, systemd: Systemd) -> None:
    one = service(settings, systemd)
    try:
        one.start()
        one.wait_ready()
        status, said = answer(one, "/readyz")
        assert status == 503
        assert "no right frame yet" in said
        assert answer(one, "/healthz") == (200, '{"status": "ok"}')
        until(lambda: systemd.heard("STATUS=no right frame yet; port"), "systemd is told why")
    finally:
        assert one.stop()
    assert spooled(settings) == []


def test_two_starts_have_two_boot_ids(settings: Settings, systemd: Systemd, tmp_path: Path) -> None:
    with PtyLine(tmp_path / "port", [STANDARD]):
        for _ in range(2):
            one = service(settings, systemd)
            try:
                one.start()
                one.wait_ready()
                until(lambda one=one: answer(one, "/readyz")[0] == 200, "right frames come")  # type: ignore[misc]
            finally:
                assert one.stop()
    boots = [frame.boot_id for frame in spooled(settings)]
    assert len(set(boots)) == 2
    assert next(frame.counter for frame in spooled(settings) if frame.boot_id == boots[-1]) == 0


def test_each_single_frame_is_kept_whenever_the_reader_ends(settings: Settings, systemd: Systemd, tmp_path: Path) -> None:
    """The first frame of a meter waits for the second, which may come after a stop, or after kill -9."""
    settings.tic_write_s = 0.1
    read: list[float] = []
    with PtyLine(tmp_path / "port", [STANDARD]) as line:
        line.speaks = False
        for how in ("killed", "stopped", "killed", "stopped"):
            one = service(settings, systemd)
            try:
                one.start()
                one.wait_ready()
                read.append(read_one(one, line))
                if how == "killed":
                    until(lambda one=one: kept(settings, one) == sum(read), "it is on the disk")  # type: ignore[misc]
                    one.kill()
            finally:
                assert one.stop()
    frames = spooled(settings)
    assert [frame.counter for frame in frames] == [number for count in read for number in range(int(count))]
    assert len({frame.boot_id for frame in frames}) == 4


def read_one(one: Running, line: PtyLine) -> float:
    """Send a frame, and another one while none is read: what comes while the port is being opened is nobody's."""
    for _ in range(20):
        line.send_one()
        with suppress(AssertionError):
            until(lambda: metric(one, "powermon_tic_frames_total") > 0, "it is read", 1)
            break
    return metric(one, "powermon_tic_frames_total")


def kept(settings: Settings, one: Running) -> float:
    """How many frames are on the disk: in the spool, or beside it while their meter is not confirmed."""
    return metric(one, "powermon_tic_spool_frames") + len(Memory(Path(f"{settings.tic_spool}.line")).held)


def metric(one: Running, name: str) -> float:
    """Of its /metrics; without labels."""
    return float(next(line.split()[1] for line in answer(one, "/metrics")[1].splitlines() if line.startswith(f"{name} ")))


def test_a_wrong_setting_is_a_sentence(settings: Settings) -> None:
    settings.tic_port = ""
    ended = subprocess.run(
        [sys.executable, "-m", "infra.cli", "tic", "run"],
        env={**os.environ, **programs.environment(settings)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert ended.stderr.startswith("powermon: POWERMON_TIC_PORT is empty; expected")


def test_the_service_is_light() -> None:
    code = (
        "import sys, producers.tic.service, producers.tic.delivery_kafka, producers.tic.delivery_https, infra.cli.tic\n"
        "heavy = {'numpy', 'numba', 'faust', 'aiokafka', 'chdb', 'pyarrow', 'aiohttp', 'bokeh', 'aiomqtt'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout == "[]\n"


def test_the_unit_runs_what_there_is() -> None:
    unit = (Path(__file__).parents[2] / "infra" / "systemd" / "powermon-tic.service").read_text()
    assert "/bin/powermon tic\n" in unit
    facts = dict(line.split("=", 1) for line in unit.splitlines() if "=" in line and not line.startswith(("#", "Device")))
    wanted = {"Type": "notify", "ProtectSystem": "strict", "SupplementaryGroups": "dialout", "Restart": "always"}
    assert wanted.items() <= facts.items()
    assert 20 <= int(facts["WatchdogSec"]) <= 120
    assert facts["StateDirectory"] in facts["Environment"]
    assert "ProtectClock" not in facts  # it forbids adjtimex, by which the clock is known to be right
