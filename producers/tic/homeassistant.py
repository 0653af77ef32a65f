"""A Linky in Home Assistant: MQTT discovery, off unless a broker is named.

A task beside the reader. It looks at the newest frame every few seconds; a broker that is slow or away holds up nothing.
"""

import asyncio
import contextlib
import json
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from infra.errors import ConfigurationError
from infra.settings import Settings
from producers.tic.home import Home, Topics
from schemas.tic_frame import TicFrame

if TYPE_CHECKING:
    import aiomqtt

WAIT_MIN_S, WAIT_MAX_S = 1.0, 60.0
LOOK_S = 0.5
"""How often a first frame is looked for."""
SAMPLES = 60
"""The line's quality is told over so many states."""
TIMEOUT_S = 10.0
ONLINE, OFFLINE = "online", "offline"
PORT, TLS_PORT = 1883, 8883


@dataclass(frozen=True, slots=True)
class Broker:
    """How to reach the MQTT broker.

    Attributes:
        password: never in a log line.
        tls: None: plain.
    """

    host: str
    port: int
    user: str | None
    password: str | None
    tls: ssl.SSLContext | None


@dataclass(frozen=True, slots=True)
class Source:
    """What is told.

    Attributes:
        newest: the newest frame; None before the first.
        counts: right frames and those given up, since the start.
    """

    newest: Callable[[], TicFrame | None]
    counts: Callable[[], tuple[int, int]]


def broker_of(settings: Settings) -> Broker | None:
    """The broker by the settings; None: none is named, nothing is published.

    Raises:
        ConfigurationError: a setting is wrong, or the package is missing.
    """
    named = settings.homeassistant_mqtt
    if not named:
        return None
    try:
        import aiomqtt  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(
            "POWERMON_HOMEASSISTANT_MQTT is set and the package aiomqtt is not installed; "
            'install it: pip install "aiomqtt>=2.4", or empty the setting'
        ) from error
    host, _, port = named.rpartition(":") if _has_port(named) else (named, "", "")
    if not host or (port and not 0 < int(port) < 65536):
        raise ConfigurationError(f"POWERMON_HOMEASSISTANT_MQTT is {named!r}; expected host or host:port")
    tls = _tls(settings)
    return Broker(
        host.strip("[]"),
        int(port) if port else (TLS_PORT if tls else PORT),
        settings.homeassistant_user or None,
        _password(settings.homeassistant_password_file),
        tls,
    )


def _has_port(named: str) -> bool:
    """An IPv6 address has colons of its own; with a port it stands in brackets."""
    head, colon, tail = named.rpartition(":")
    return bool(colon) and tail.isdecimal() and (":" not in head or head.endswith("]"))


def _password(path: str) -> str | None:
    if not path:
        return None
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ConfigurationError(
            f"the file of POWERMON_HOMEASSISTANT_PASSWORD_FILE cannot be read: {reason}; expected one line with the password"
        ) from error


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if not settings.homeassistant_tls:
        return None
    try:
        return ssl.create_default_context(cafile=settings.homeassistant_ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"the file of POWERMON_HOMEASSISTANT_CA_FILE cannot be used: {error}; expected certificates as PEM"
        ) from error


async def publish(settings: Settings, source: Source) -> None:
    """Tell Home Assistant until cancelled; at once done when no broker is named.

    Raises:
        ConfigurationError: a setting is wrong, or the package is missing.
    """
    broker = broker_of(settings)
    if broker is None:
        return
    import aiomqtt

    log, wait_s = structlog.get_logger(__name__), WAIT_MIN_S
    while True:
        meter_id = await _meter(source)
        topics = Topics(settings.homeassistant_prefix, meter_id)
        try:
            async with _client(broker, topics) as client:
                log.info("home assistant is told", broker=f"{broker.host}:{broker.port}")
                wait_s = WAIT_MIN_S
                await _Telling(client, topics, source, settings.homeassistant_every_s).run()
        except (aiomqtt.MqttError, OSError, TimeoutError) as error:
            log.warning("no mqtt broker", broker=f"{broker.host}:{broker.port}", reason=str(error), again_in_s=wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, WAIT_MAX_S)


async def _meter(source: Source) -> str:
    """The meter's id, as soon as a frame says it."""
    while (frame := source.newest()) is None:  # noqa: ASYNC110 - a thread of the port brings it
        await asyncio.sleep(LOOK_S)
    return frame.meter_id


def _client(broker: Broker, topics: Topics) -> "aiomqtt.Client":
    import aiomqtt

    return aiomqtt.Client(
        broker.host,
        broker.port,
        username=broker.user,
        password=broker.password,
        identifier=f"powermon-{topics.meter_id}"[:23],
        will=aiomqtt.Will(topics.availability, OFFLINE, qos=1, retain=True),
        tls_context=broker.tls,
        timeout=TIMEOUT_S,
        keepalive=30,
    )


class _Telling:
    """One connection to a broker."""

    def __init__(self, client: "aiomqtt.Client", topics: Topics, source: Source, every_s: float) -> None:
        self._client, self._topics, self._source, self._every_s = client, topics, source, every_s
        self._home = Home(topics.meter_id)
        self._told: set[str] = set()
        self._last: tuple[str, int] | None = None
        self._counts: deque[tuple[int, int]] = deque(maxlen=SAMPLES)
        self._born = asyncio.Event()

    async def run(self) -> None:
        """Tell until the connection breaks, or another meter is at the line."""
        await self._client.subscribe(self._topics.status, qos=1)
        births = asyncio.create_task(self._hear_births())
        births.add_done_callback(lambda _: self._born.set())
        try:
            await self._client.publish(self._topics.availability, ONLINE, qos=1, retain=True)
            while await self._tell():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._every_s):
                        await self._born.wait()
                if births.done():
                    births.result()
                if self._born.is_set():  # Home Assistant started anew and knows nothing
                    self._born.clear()
                    self._told.clear()
                    self._last = None
                    await self._client.publish(self._topics.availability, ONLINE, qos=1, retain=True)
        finally:
            births.cancel()
            await asyncio.gather(births, return_exceptions=True)
            with contextlib.suppress(Exception):
                async with asyncio.timeout(1):
                    await self._client.publish(self._topics.availability, OFFLINE, qos=1, retain=True)

    async def _tell(self) -> bool:
        """Publish what is new; False when the frames are another meter's."""
        frame = self._source.newest()
        if frame is None or (frame.boot_id, frame.counter) == self._last:
            return True
        if frame.meter_id != self._topics.meter_id:
            return False
        self._last = frame.boot_id, frame.counter
        self._home = self._home.after(frame)
        self._counts.append(self._source.counts())
        for entity in self._home.entities():
            if entity.key not in self._told:
                config = json.dumps(self._topics.config(entity, self._home.mode))
                await self._client.publish(self._topics.discovery(entity), config, qos=1, retain=True)
                self._told.add(entity.key)
        await self._client.publish(self._topics.state, json.dumps(self._home.state(self._right_pct())), qos=0)
        return True

    def _right_pct(self) -> float | None:
        (right_0, wrong_0), (right, wrong) = (self._counts[0] if len(self._counts) > 1 else (0, 0)), self._counts[-1]
        every = right - right_0 + wrong - wrong_0
        return 100 * (right - right_0) / every if every > 0 else None

    async def _hear_births(self) -> None:
        async for message in self._client.messages:
            if message.payload == ONLINE.encode():
                self._born.set()
