"""Messages to an MQTT broker: each one under `…/notices`, and what holds now, retained, under `…/anomalies/<source>/<rule>`."""

import json
import ssl
from urllib.parse import urlsplit

import aiomqtt

from sinks.notify.channel import RETRY, SENT, TIMEOUT_S, Message, Verdict

PREFIX = "powermon"
_PORTS = {"mqtt": 1883, "mqtts": 8883}


class Mqtt:
    """One broker. Each message has a connection of its own: they are few.

    Args:
        url: mqtt(s)://host[:port][/prefix].
        name: of the client, the same each time.
    """

    def __init__(self, url: str, user: str | None, password: str | None, name: str, timeout_s: float = TIMEOUT_S) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        self._tls = ssl.create_default_context() if parts.scheme == "mqtts" else None
        self._prefix = parts.path.strip("/") or PREFIX
        self._user, self._password, self._name, self._timeout_s = user, password, name, timeout_s

    async def send(self, message: Message) -> Verdict:
        """Publish, states first: who hears the message finds them in place."""
        client = aiomqtt.Client(
            self._host,
            self._port,
            username=self._user or None,
            password=self._password or None,
            identifier=f"powermon-{self._name}"[:64],
            tls_context=self._tls,
            timeout=self._timeout_s,
        )
        try:
            async with client:
                for (source, rule), state in message.states.items():
                    topic = f"{self._prefix}/anomalies/{source}/{rule}"
                    await client.publish(topic, json.dumps(state), qos=1, retain=True, timeout=self._timeout_s)
                await client.publish(f"{self._prefix}/notices", message.body, qos=1, timeout=self._timeout_s)
        except aiomqtt.MqttError as error:
            refused = isinstance(error, aiomqtt.MqttCodeError)
            return Verdict(RETRY, "the MQTT broker refused" if refused else "no MQTT broker answers")
        except (OSError, TimeoutError, ValueError) as error:
            return Verdict(RETRY, f"no MQTT broker ({type(error).__name__})")
        return Verdict(SENT)

    async def close(self) -> None:
        """Nothing stays open."""
