"""Messages in a receiver's language, and one to try a receiver with."""

import secrets
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import aiohttp

from infra.errors import PowermonError
from infra.settings import Settings
from sinks.notify.channel import REFUSED, SENT, Message, Verdict, Words
from sinks.notify.ways import channel_of
from streams.catalog.state import Receiver
from streams.core.notices import document
from web.language import language
from web.receivers import Vault
from web.view import notice


def zone_of(receiver: Receiver) -> ZoneInfo:
    """A receiver's time zone; UTC where this machine does not know it."""
    try:
        return ZoneInfo(receiver.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def speak(said: dict[str, Any], receiver: Receiver) -> Words:
    """A document of streams/core/notices/document.py in words."""
    return Words(*notice.words(said, zone_of(receiver), language(receiver.language)))


async def try_out(settings: Settings, receiver: Receiver, vault: Vault) -> Verdict:
    """Send a receiver a test message, from this process and at once."""
    id = secrets.token_hex(16)
    body = document.text({"transition": "test"}, id=id, group=id, receiver=receiver.receiver_id)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        try:
            channel = channel_of(settings, client, receiver, vault.open(receiver))
            return await channel.send(Message(id, body, speak(document.parsed(body), receiver)))
        except PowermonError as error:
            return Verdict(REFUSED, str(error))


def told(verdict: Verdict) -> dict[str, Any]:
    """A verdict for programs."""
    return {"sent": verdict.outcome == SENT, "reason": verdict.reason}
