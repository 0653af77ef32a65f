"""`powermon tic`: a Linky's line to the log.

port thread → backlog (memory) → disk thread → spool (file) → delivery. Each may stand still without the ones before it.
"""

import asyncio
import gc
import secrets
import threading
import time
from collections.abc import Awaitable, Callable, Sequence

import structlog
from prometheus_client import REGISTRY

from infra import sdnotify
from infra.errors import ConfigurationError, PowermonError
from infra.settings import Settings
from producers.tic import homeassistant, keyfile
from producers.tic.backlog import Backlog
from producers.tic.beats import Beats
from producers.tic.clock import Clock, machine
from producers.tic.dating import Dating
from producers.tic.delivery import deliver
from producers.tic.door import Door
from producers.tic.labels import Mode
from producers.tic.line import Line
from producers.tic.memory import Memory
from producers.tic.meters import Meters
from producers.tic.reader import Place, Reader
from producers.tic.reception import Reception
from producers.tic.spool import Spool
from producers.tic.writer import Writer
from schemas.tic_frame import TicFrame

SPEEDS = {Mode.STANDARD: 9600, Mode.HISTORIC: 1200}
PORT_PATIENCE_S = 30.0
"""A round takes half a second; opening a USB adapter that is being plugged in takes longer."""
DISK_PATIENCE_S = 300.0
"""Beyond the interval of writing. An SD card may stand still for a minute; a new start would not move it, but would a lock."""
LOOP_PATIENCE_S = 30.0
PULSE_S = 5.0
STOP_S = 10.0
"""For what is left in memory to reach the spool."""
RETRY_S = 30.0


def place_of(settings: Settings) -> Place:
    """Where to listen, by the settings.

    Raises:
        ConfigurationError: no port is named.
    """
    if not settings.tic_port:
        raise ConfigurationError(
            "POWERMON_TIC_PORT is empty; expected the serial port of the meter's adapter: "
            "the name below /dev/serial/by-id/, or /dev/serial0 for a Raspberry Pi's header"
        )
    mode = None if settings.tic_mode == "auto" else Mode(settings.tic_mode)
    speeds = list(SPEEDS.values()) if settings.tic_speed == "auto" else [int(settings.tic_speed)]
    if mode is not None:
        speeds.sort(key=lambda speed: speed != SPEEDS[mode])
    return Place(settings.tic_port, speeds, mode)


class Service:
    """A line being read. Made by `run`."""

    def __init__(self, settings: Settings, place: Place, key: bytes | None) -> None:
        self._settings = settings
        self.boot_id = secrets.token_hex(8)
        self.beats, self.backlog = Beats(), Backlog()
        self.line = Line(time.monotonic(), bad_after_s=place.patience.settled_s)
        self.spool = Spool(settings.tic_spool, settings.tic_spool_limit_mb * 1_000_000)
        self.memory = Memory(settings.tic_spool.with_name(f"{settings.tic_spool.name}.line"))
        known = self.memory.known
        self.reception = Reception(self.boot_id, place.mode, key, known=known.meter_id, left=self.memory.held)
        self.backlog.held = self.reception.unconfirmed
        port_beat = self.beats.of("the port's thread", PORT_PATIENCE_S)
        disk_beat = self.beats.of("the spool's thread", settings.tic_write_s + DISK_PATIENCE_S)
        self._loop_beat = self.beats.of("the event loop", LOOP_PATIENCE_S)
        clock = Clock()
        self.dating = Dating(self._undated(clock), clock)
        self.reader = Reader(place, self.line, self.reception, self.backlog, clock, port_beat, known.speed)
        self.writer = Writer(self.spool, self.backlog, self.line, settings.tic_write_s, disk_beat, self._remember)
        self._threads = [
            threading.Thread(target=self.reader.run, name="port", daemon=True),
            threading.Thread(target=self.writer.run, name="spool", daemon=True),
        ]

    def _undated(self, clock: Clock) -> list[str]:
        """Starts of the reader, this one included, whose frames may have the time of a clock that was not set."""
        earlier, own = self.memory.starts(machine()), [] if clock.synchronised() else [self.boot_id]
        if own:
            self.memory.start(self.boot_id, machine())
        return [*earlier, *own]

    def start(self) -> None:
        """Begin to read."""
        for thread in self._threads:
            thread.start()

    async def stop(self) -> None:
        """End the threads in the order of the frames' way, so that what was read is in the spool."""
        self.reader.stop()
        await asyncio.to_thread(self._threads[0].join, STOP_S)
        self.writer.stop()
        await asyncio.to_thread(self._threads[1].join, STOP_S)
        left = len(self.backlog)
        say = structlog.get_logger(__name__).error if left else structlog.get_logger(__name__).info
        say("line left", frames=self.line.quality.frames, not_stored=left)

    async def watch(self) -> None:
        """Tell systemd that all is alive while it is; return when a thread has ended by a fault."""
        every_s = min(PULSE_S, (sdnotify.watchdog_s() or PULSE_S * 2) / 2)
        sdnotify.notify(READY=1)
        while all(thread.is_alive() for thread in self._threads):
            self._loop_beat()
            if self.beats.problem() is None:
                sdnotify.notify(WATCHDOG=1, STATUS=self.status())
            await asyncio.sleep(every_s)

    def _remember(self, meter_id: str, held: Sequence[TicFrame]) -> None:
        self.memory.keep(meter_id, self.line.speed if self.line.mode is not None and not self.line.trouble else 0, held)

    @property
    def source(self) -> homeassistant.Source:
        """What Home Assistant is told."""
        quality = self.line.quality
        return homeassistant.Source(lambda: self.backlog.newest, lambda: (quality.frames, quality.discarded.total()))

    def status(self) -> str:
        """One line for `systemctl status`."""
        waiting = self.writer.waiting
        state = self.line.problem(time.monotonic()) or self.line.words()
        return f"{state}; {self.line.quality.frames} frames, {waiting.frames if waiting else 0} wait to be delivered"

    def alive(self) -> str | None:
        """For /healthz: the process works. A silent meter is no reason to start it again."""
        return self.beats.problem()

    def ready(self) -> str | None:
        """For /readyz: right frames come and are stored."""
        return self.line.problem(time.monotonic()) or self.writer.problem or self.spool.trouble or self.beats.problem()


async def run(settings: Settings, place: Place | None = None) -> None:
    """Read until cancelled, then store what was read.

    Args:
        place: in place of the one that the settings name.

    Raises:
        ConfigurationError: a setting or a file is wrong.
    """
    homeassistant.broker_of(settings)
    service = Service(settings, place or place_of(settings), keyfile.read(settings.tic_key_file))
    meters = Meters(service.line, service.reception, service.backlog, service.writer, service.spool)
    door = Door("127.0.0.1", settings.tic_health_port, service.alive, service.ready)
    REGISTRY.register(meters)
    gc.collect()
    gc.freeze()
    service.start()
    helpers = [
        asyncio.create_task(_kept("delivery", lambda: deliver(settings, service.spool, dating=service.dating))),
        asyncio.create_task(_kept("home assistant", lambda: homeassistant.publish(settings, service.source))),
    ]
    try:
        await service.watch()
        raise RuntimeError("a thread of the reader has ended; its traceback stands above")
    finally:
        sdnotify.notify(STOPPING=1)
        await service.stop()
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
        service.spool.close()
        REGISTRY.unregister(meters)
        door.close()


async def _kept(what: str, start: Callable[[], Awaitable[None]]) -> None:
    """Begin again after any failure: frames are read and spooled meanwhile. Ends when the work has nothing to do."""
    log = structlog.get_logger(__name__)
    while True:
        try:
            return await start()
        except PowermonError as error:
            log.error(f"no {what}", reason=str(error), again_in_s=RETRY_S)
        except Exception as error:
            log.error(f"no {what}", again_in_s=RETRY_S, exc_info=error)
        await asyncio.sleep(RETRY_S)
