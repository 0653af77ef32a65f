"""Receivers of messages as people name them: where they are, what opens them (sealed), and what they want."""

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets as randomness
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infra.errors import ConfigurationError, PartUnavailable
from streams.catalog.admin import fields
from streams.catalog.admin.facts import Document, iso
from streams.catalog.admin.fields import FieldError
from streams.catalog.commands import PutReceiver
from streams.catalog.state import Receiver, State
from streams.core.anomaly.verdict import NAMES
from streams.core.notices.quiet import Span
from web.datastore import partner_tokens

OF_CHANNEL = {"webhook": ("url", "secret"), "email": ("to",), "mqtt": ("url", "user", "password")}
"""Members that say where a receiver of each channel is, and what opens it."""

_SCHEMES = {"webhook": ("https", "http"), "mqtt": ("mqtts", "mqtt")}
_NONCE_BYTES = 12
_MAIL = re.compile(r"[^@\s,<>\"]{1,64}@[A-Za-z0-9.-]{1,190}")
_MAILS_MOST, _URL_MOST = 20, 2000
_SECRET = re.compile(r"[\x21-\x7e]{16,200}")


class Vault:
    """What seals and opens the secrets of receivers, under the key of registry tokens (docs/decisions/0015 and 0017).

    Args:
        path: of the key's file, which the first secret makes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def seal(self, receiver_id: str, target: Mapping[str, str], state: State) -> tuple[str, str]:
        """The target encrypted for this receiver, and the key's name.

        Raises:
            PartUnavailable: there is no key, and what is sealed already needs one; or its file cannot be used.
        """
        try:
            if not self._path.exists():
                others = {one.token_key for one in state.connections.values()} | {
                    one.sealed_key for one in state.receivers.values() if one.sealed_key and one.receiver_id != receiver_id
                }
                if others:
                    raise PartUnavailable(
                        f"secrets in the catalog are sealed under key {', '.join(sorted(others))}, and there is none at "
                        f"{self._path}; put the key file of the machine that made them at POWERMON_REGISTRY_KEY_FILE"
                    )
                partner_tokens.make(self._path)
            key = partner_tokens.read(self._path)
        except (ConfigurationError, OSError) as error:
            raise PartUnavailable(f"the key of receivers' secrets cannot be used: {error}") from error
        nonce = randomness.token_bytes(_NONCE_BYTES)
        sealed = nonce + _cipher(key).encrypt(nonce, json.dumps(dict(target)).encode(), receiver_id.encode())
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode(), partner_tokens.Key(key).name

    def open(self, receiver: Receiver) -> dict[str, str]:
        """Where a receiver is, and what opens it.

        Raises:
            PartUnavailable: the key is another one, or cannot be read.
        """
        if receiver.channel == "email":
            return {"to": receiver.address}
        try:
            key = partner_tokens.read(self._path)
            sealed = base64.urlsafe_b64decode(receiver.sealed + "=" * (-len(receiver.sealed) % 4))
            text = _cipher(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], receiver.receiver_id.encode())
        except ConfigurationError as error:
            raise PartUnavailable(f"the secrets of receiver {receiver.receiver_id} cannot be opened: {error}") from error
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise PartUnavailable(
                f"the secrets of receiver {receiver.receiver_id} are sealed under key {receiver.sealed_key}, which is not "
                f"the one at {self._path}; put that one there, or add the receiver anew"
            ) from error
        found: dict[str, str] = json.loads(text)
        return found


def _cipher(key: bytes) -> AESGCM:
    return AESGCM(hmac.new(key, b"powermon receiver secret seal", hashlib.sha256).digest())


def command(receiver_id: str, said: Mapping[str, Any], state: State, vault: Vault) -> tuple[PutReceiver, str | None]:
    """The command that makes or changes a receiver, from what somebody says of it.

    What is not said of a receiver that there is stays, if the channel does.

    Returns:
        the command, and the secret that was made for it, to be shown once; None: none was.

    Raises:
        FieldError: a member is unknown, missing, or not what it must be.
        PartUnavailable: secrets cannot be sealed.
    """
    known = state.receivers.get(receiver_id)
    channel = said.get("channel", known.channel if known else None)
    if not isinstance(channel, str) or channel not in OF_CHANNEL:
        if channel is None:
            raise FieldError("channel", "missing_field", f"channel is missing; expected {fields.EXPECTED['channel']}")
        raise fields.refuse("channel", channel)
    own = OF_CHANNEL[channel]
    elsewhere = {name for names in OF_CHANNEL.values() for name in names} - set(own)
    if wrong := next((name for name in said if name in elsewhere), None):
        raise FieldError(wrong, "unknown_field", f"{wrong} came for channel {channel}; expected {', '.join(own)}")
    facts = {name: value for name, value in said.items() if name not in (*own, "channel")}
    _judge(facts)
    same = known if known is not None and known.channel == channel else None
    target = {name: _text(name, said[name]) for name in own if said.get(name) is not None}
    shown = None
    if same is None or target:
        if same is not None:
            target = {**vault.open(same), **target}
        shown = _complete(channel, target, made_before=same is not None)
    kept = {name: getattr(known, name) for name in _FACTS} if known else {}
    address = _address(channel, target) if target else same.address if same else ""
    sealed: dict[str, str] = {}
    if channel != "email":
        if target:
            sealed["sealed"], sealed["sealed_key"] = vault.seal(receiver_id, target, state)
        elif same is not None:
            sealed = {"sealed": same.sealed, "sealed_key": same.sealed_key}
    named = {"receiver_id": receiver_id, "channel": channel, "address": address}
    return fields.command(PutReceiver, {**kept, **facts, **named}, **sealed), shown


def facts(receiver: Receiver) -> Document:
    """A receiver as people and programs read it: nothing that opens it."""
    return {
        "receiver_id": receiver.receiver_id,
        "channel": receiver.channel,
        "address": receiver.address,
        **{name: list(value) if isinstance(value := getattr(receiver, name), tuple) else value for name in _FACTS},
        "off": receiver.off,
        "changed_at": iso(receiver.changed_at_ms),
    }


_FACTS = ("language", "zone", "rules", "severity", "sensors", "sites", "quiet", "severe_passes", "per_hour")


def _judge(said: Mapping[str, Any]) -> None:
    for name in said:
        if name not in _FACTS:
            expected = ", ".join((*dict.fromkeys(n for names in OF_CHANNEL.values() for n in names), *_FACTS))
            raise FieldError(name[:60], "unknown_field", f"{fields.shown(name)} came; expected channel, {expected}")
    for name in ("rules", "quiet"):
        for one in said.get(name) or () if isinstance(said.get(name), list | tuple) else ():
            if name == "rules" and one not in NAMES:
                raise FieldError(name, "out_of_range", f"rules {fields.shown(one)} came; expected some of {', '.join(NAMES)}")
            if name == "quiet":
                try:
                    Span.parse(str(one))
                except ValueError as error:
                    raise FieldError(name, "out_of_range", f"quiet: {error}") from error


def _text(name: str, value: object) -> str:
    if name == "to" and isinstance(value, list):
        value = ",".join(map(str, value))
    if not isinstance(value, str) or not fields.is_text(value) or not value.isprintable():
        raise fields.refuse(name, "…", "wrong_type")
    return value.strip()


def _complete(channel: str, target: dict[str, str], *, made_before: bool) -> str | None:
    """Judge where a receiver is; give a webhook a secret if it has none.

    Returns:
        that secret.
    """
    if channel == "email":
        found = [one.strip() for one in target.get("to", "").split(",") if one.strip()]
        if not found or len(found) > _MAILS_MOST or not all(_MAIL.fullmatch(one) for one in found):
            raise fields.refuse("to", target.get("to", ""), "out_of_range" if found else "missing_field")
        target["to"] = ",".join(found)
        return None
    url = _url(channel, target.get("url", ""))
    if url is None:  # not shown: it may open a door
        what, code = ("cannot be used", "out_of_range") if target.get("url") else ("is missing", "missing_field")
        raise FieldError("url", code, f"url {what}; expected {fields.EXPECTED['url']}")
    if channel == "webhook":
        if "secret" not in target:
            assert not made_before
            target["secret"] = f"whsec_{randomness.token_urlsafe(32)}"
            return target["secret"]
        if not _SECRET.fullmatch(target["secret"]):
            raise FieldError("secret", "out_of_range", f"secret cannot be used; expected {fields.EXPECTED['secret']}")
    return None


def _url(channel: str, text: str) -> SplitResult | None:
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return None
    good = url.scheme in _SCHEMES[channel] and url.hostname and len(text) <= _URL_MOST and text.isascii() and " " not in text
    return url if good and port != 0 and "@" not in url.netloc and not url.fragment else None


def _address(channel: str, target: Mapping[str, str]) -> str:
    if channel == "email":
        return target["to"]
    url = urlsplit(target["url"])
    # The path of a webhook is often its password.
    return (
        f"{url.scheme}://{url.netloc}{url.path if channel == 'mqtt' else '/…' if url.path not in ('', '/') or url.query else ''}"[
            :1000
        ]
    )
