"""A Linky in Home Assistant, over a real MQTT broker."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from infra.errors import ConfigurationError
from infra.settings import Settings
from producers.tic.bytes import with_parity
from producers.tic.decode import DecodedFrame, decode
from producers.tic.homeassistant import Source, publish
from producers.tic.identity import pseudonym
from producers.tic.record import Received, record
from producers.tic.rules import LINE
from schemas.tic_frame import TicFrame
from tests.fakes import mqtt
from tests.tic import GOLDEN

ADDRESS, KEY = "992463000029", b"0123456789abcdef"
METER = pseudonym(ADDRESS, KEY)
RECEIVED = Received(ADDRESS, "boot-1", 41, 1_766_899_543_120, True, 77_000, 0, 0)


class Line:
    """Stands for the reader: the newest frame, and how many were right."""

    def __init__(self, frame: TicFrame) -> None:
        self.frame: TicFrame | None = frame
        self.counts = (1, 0)

    @property
    def source(self) -> Source:
        return Source(lambda: self.frame, lambda: self.counts)

    def next(self, frame: TicFrame) -> None:
        assert self.frame is not None
        self.counts = (self.counts[0] + 1, self.counts[1])
        self.frame = replace(frame, counter=self.frame.counter + 1)


def frame(name: str) -> TicFrame:
    """A golden frame under a pseudonym."""
    (event,) = decode([with_parity((GOLDEN / "frames" / f"{name}.tic").read_bytes())], LINE)
    assert isinstance(event, DecodedFrame)
    return record(event, RECEIVED, KEY)


def settings(port: int, **more: object) -> Settings:
    return Settings(homeassistant_mqtt=f"127.0.0.1:{port}", homeassistant_every_s=1, **more)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def telling(line: Line, told: Settings) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(publish(told, line.source))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_meter_is_discovered_told_and_missed() -> None:
    port, line = mqtt.free_port(), Line(frame("std_tri_tempo"))
    state, availability = f"powermon/{METER}/state", f"powermon/{METER}/availability"
    async with mqtt.broker(port), mqtt.listener(port) as heard:
        async with telling(line, settings(port)):
            await mqtt.eventually(lambda: heard.last(state), "a state")
            configs = {topic: json.loads(text) for topic, text, _ in heard.heard if topic.endswith("/config")}
            total = configs[f"homeassistant/sensor/powermon_{METER}/east/config"]
            assert (total["device_class"], total["state_class"], total["unit_of_measurement"]) == (
                "energy",
                "total_increasing",
                "Wh",
            )
            assert total["state_topic"] == state
            assert total["availability_topic"] == availability
            assert configs[f"homeassistant/binary_sensor/powermon_{METER}/over_power/config"]["device_class"] == "problem"
            said = heard.json(state)
            assert (said["apparent_power"], said["east"], said["voltage_2"]) == (5374, 18300635, 239)
            assert (said["tempo_today"], said["tempo_tomorrow"], said["over_power"]) == ("blue", "red", "OFF")
            assert heard.last(availability) == "online"
            assert ADDRESS not in str(heard.heard), "the address, where a pseudonym was asked for"
            assert "99999999000029" not in str(heard.heard), "the delivery point"
            before = len(heard.heard)
            await heard.client.publish("homeassistant/status", "online", qos=1)
            await mqtt.eventually(
                lambda: sum(topic.endswith("/config") for topic, *_ in heard.heard[before:]) == len(configs), "all of it again"
            )
        await mqtt.eventually(lambda: heard.last(availability) == "offline", "the farewell")
        async with mqtt.listener(port) as late:
            await mqtt.eventually(lambda: late.last(availability) == "offline", "what was kept")
            await mqtt.eventually(
                lambda: {topic for topic, _, retain in late.heard if retain and topic.endswith("/config")} == configs.keys(),
                "every description",
            )
            assert late.last(state) is None, "an old value must not look like a new one"


async def test_the_broker_tells_when_the_reader_is_gone() -> None:
    port, line = mqtt.free_port(), Line(frame("std_mono_hchp"))
    availability = f"powermon/{METER}/availability"
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(mqtt.broker(port))
        heard = await stack.enter_async_context(mqtt.listener(port))
        cable = await stack.enter_async_context(mqtt.Cable(port))
        await stack.enter_async_context(telling(line, settings(cable.port)))
        await mqtt.eventually(lambda: heard.last(availability) == "online", "that it is there")
        cable.cut()
        await mqtt.eventually(lambda: heard.last(availability) == "offline", "the last will")


async def test_a_broker_that_went_away_is_found_again() -> None:
    port, line = mqtt.free_port(), Line(frame("hist_tri_tempo"))
    async with telling(line, settings(port)) as task:  # nobody listens yet
        for _ in range(2):
            async with mqtt.broker(port), mqtt.listener(port) as heard:
                line.next(frame("hist_tri_tempo"))
                await mqtt.eventually(lambda: heard.last(f"powermon/{METER}/state"), "a state")
                assert not task.done()


async def test_a_short_frame_takes_nothing_away() -> None:
    port, line = mqtt.free_port(), Line(frame("hist_tri_tempo"))
    state = f"powermon/{METER}/state"
    async with mqtt.broker(port), mqtt.listener(port) as heard, telling(line, settings(port)):
        await mqtt.eventually(lambda: heard.last(state), "a state")
        whole = heard.json(state)
        line.next(frame("hist_tri_short_adir"))
        await mqtt.eventually(lambda: heard.json(state)["over_power"] == "ON", "the short frame")
        assert set(heard.json(state)) >= whole.keys()


async def test_without_a_broker_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiomqtt", None)
    await publish(Settings(), Line(frame("hist_mono_hc")).source)
    with pytest.raises(ConfigurationError, match=r"the package aiomqtt is not installed; install it"):
        await publish(settings(1), Line(frame("hist_mono_hc")).source)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        pytest.param({"homeassistant_mqtt": ":1883"}, "expected host or host:port", id="no host"),
        pytest.param({"homeassistant_password_file": "/nowhere/password"}, "PASSWORD_FILE cannot be read", id="no password"),
        pytest.param(
            {"homeassistant_tls": True, "homeassistant_ca_file": "/nowhere/ca.pem"}, "CA_FILE cannot be used", id="no authority"
        ),
    ],
)
async def test_what_is_wrong_is_said(wrong: dict[str, object], says: str) -> None:
    told = settings(1).model_copy(update=wrong)
    with pytest.raises(ConfigurationError, match=says):
        await publish(told, Line(frame("hist_mono_hc")).source)
