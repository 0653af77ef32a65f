"""Which way leads to a receiver."""

from collections.abc import Mapping

import aiohttp

from infra.errors import ConfigurationError
from infra.settings import Settings
from sinks.notify.channel import Channel
from sinks.notify.mail import Mail, server_of
from sinks.notify.mqtt import Mqtt
from sinks.notify.webhook import Webhook
from streams.catalog.state import Receiver


def channel_of(settings: Settings, client: aiohttp.ClientSession, receiver: Receiver, target: Mapping[str, str]) -> Channel:
    """The way to a receiver.

    Raises:
        ConfigurationError: a setting that it needs is missing or wrong.
    """
    if receiver.channel == "webhook":
        return Webhook(client, target["url"], target["secret"])
    if receiver.channel == "email":
        return Mail(server_of(settings), target["to"])
    if receiver.channel == "mqtt":
        return Mqtt(target["url"], target.get("user"), target.get("password"), receiver.receiver_id)
    raise ConfigurationError(f"channel {receiver.channel} came; this release knows webhook, email and mqtt")
