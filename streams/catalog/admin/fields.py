"""What a person says of a sensor, site, user or tariff, judged at the door: which field, what came, what was expected."""

import math
import re
import zoneinfo
from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Any, TypeVar

import msgspec

from streams.catalog import sensors
from streams.catalog.commands import ChangeSensor, Command, RegisterSensor

C = TypeVar("C", bound=Command)

SCOPES = ("read", "write", "admin", "signin")
"""What a token of a person's programs may be good for."""

_ID = "small letters, digits, '.', '_' or '-', at most 64, as plant-1"
_TEXT = "text of at most 200 characters in one line"
EXPECTED = {
    "sensor_id": "Latin letters and then six digits, as gre000001, at most 64 characters; of a Linky its 12 digits or pseudonym",
    "kind": "power (a 3-phase sensor) or linky (a Linky meter)",
    "units": "canonical (the sensor sends mW and mV) or base (W and V)",
    "zone": "an IANA time zone, as Asia/Seoul or Europe/Paris",
    "site": f"the id of a site ({_ID}), or nothing",
    "site_id": _ID,
    "tariff_id": _ID,
    "owner": _TEXT,
    "address": _TEXT,
    "category": "main, submain, sub or special",
    "zero_based": "true or false",
    "nominal_voltage_v": "volts from phase to neutral, above 0 and up to 1000, as 220",
    "contracted_power_w": "watts, 0 (none) to 1000000000",
    "tariff": "what it is billed by, as kepco/general_b/high_a/I or linky/hchp (`powermon tariffs plans` lists them), or nothing",
    "thresholds": "up to 100 names in small letters with a number each, as sag_pct=90",
    "name": "a small letter, then small letters, digits, '.', '_' or '-', at most 64",
    "role": "admin, operator or viewer",
    "scope": f"some of {', '.join(SCOPES)}, with a space between, as 'read write'",
    "days": "a whole number of days, 1 to 36500",
    "valid_from": "a day as 2026-01-31",
    "receiver_id": _ID,
    "channel": "webhook, email or mqtt",
    "url": "of a webhook http(s)://host/path, of an MQTT broker mqtt(s)://host[:port][/prefix]; no name or password in it",
    "secret": "what a webhook's messages are signed with: 16 to 200 characters without spaces; without it one is made",
    "to": "up to 20 e-mail addresses",
    "user": "a name at the MQTT broker",
    "password": "the password at the MQTT broker",
    "language": "en, ko or fr",
    "rules": "rules of anomalies, as sag or silence; none: all",
    "severity": "notice, warning or severe: the least that is told",
    "sensors": "up to 1000 ids of sensors or meters; none: all",
    "sites": "up to 1000 ids of sites; none: all",
    "quiet": "up to 20 quiet times, as 22:00-07:00 or sat,sun 00:00-24:00",
    "severe_passes": "true or false: whether what is severe is told in quiet times",
    "per_hour": "messages of an hour, 1 to 1000; more are summed up",
    "document": "the tariff as a JSON object of at most 500000 characters",
}
"""What each field must be, for people."""

SENSOR_FACTS = tuple(name for name in ChangeSensor.__struct_fields__ if name != "sensor_id")
"""What may be said of a sensor besides its id."""

_PATH = re.compile(r"`\$\.(\w+)")
_OURS = frozenset({"secret_sha256", "password_hash", "one_time", "datastore", "token_sha256", "sealed", "sealed_key"})
_TRUE, _FALSE = frozenset({"true", "yes", "y", "1"}), frozenset({"false", "no", "n", "0"})


class FieldError(Exception):
    """A field is not what it must be.

    Attributes:
        field: its name; empty when it is about all of them.
        code: unknown_field, missing_field, out_of_range (right type, wrong value) or wrong_type, for programs.
    """

    def __init__(self, field: str, code: str, detail: str) -> None:
        super().__init__(detail)
        self.field, self.code = field, code


def refuse(field: str, value: object, code: str = "out_of_range") -> FieldError:
    """The sentence for a value that does not fit."""
    return FieldError(field, code, f"{field} {shown(value)} came; expected {EXPECTED[field]}")


def shown(value: object) -> str:
    """A value as it may stand in a sentence."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def command(kind: type[C], said: Mapping[str, Any], **ours: Any) -> C:
    """The command that somebody asks for.

    Args:
        said: fields by name, as from JSON.
        ours: what the door adds, as hashes.

    Raises:
        FieldError: a field is unknown, missing, or not what it must be.
    """
    known = [name for name in kind.__struct_fields__ if name not in _OURS]
    for name in said:
        if name not in known:
            raise FieldError(name[:60], "unknown_field", f"{shown(name)} came; expected {', '.join(known)}")
    values = dict(said)
    if isinstance(values.get("sensor_id"), str):
        values["sensor_id"] = values["sensor_id"].lower()
    for name, value in values.items():
        _judge(name, value)
    try:
        made = msgspec.convert({**values, **ours}, kind)
    except msgspec.ValidationError as error:
        raise _explained(error, values) from error
    if isinstance(made, RegisterSensor) and not sensors.names(made.kind, made.sensor_id):
        detail = f"sensor_id {shown(made.sensor_id)} came; expected {sensors.NAMES[made.kind]} for kind {made.kind}"
        raise FieldError("sensor_id", "out_of_range", detail)
    return made


def change_of_sensor(sensor_id: str, said: Mapping[str, Any], thresholds: Mapping[str, float]) -> ChangeSensor:
    """The command that changes a sensor. Thresholds are named one by one; None removes one.

    Args:
        thresholds: those in force.

    Raises:
        FieldError: a field is unknown or not what it must be, or there is none.
    """
    if not said:
        raise FieldError("", "missing_field", f"nothing to change came; expected some of {', '.join(SENSOR_FACTS)}")
    values = dict(said)
    if isinstance(values.get("thresholds"), dict):
        merged = {**thresholds, **values["thresholds"]}
        values["thresholds"] = {name: limit for name, limit in merged.items() if limit is not None}
    if "sensor_id" in values:
        raise FieldError(
            "sensor_id", "unknown_field", f"sensor_id came; it cannot be changed, only {', '.join(SENSOR_FACTS)} can"
        )
    if "valid_from" in values and not {"tariff", "contracted_power_w"} & values.keys():
        detail = "valid_from came alone; expected tariff or contracted_power_w beside it, to hold from that day on"
        raise FieldError("valid_from", "missing_field", detail)
    return command(ChangeSensor, {"sensor_id": sensor_id, **values})


def scope(said: object) -> str:
    """The scope of a token, in order and without repeats.

    Raises:
        FieldError: it names none, or one that there is not.
    """
    words = said.split() if isinstance(said, str) else []
    if not words or not set(words) <= set(SCOPES):
        raise refuse("scope", said)
    return " ".join(word for word in SCOPES if word in words)


def from_text(name: str, text: str, *, decimal_comma: bool = False) -> Any:
    """A field as a person types it.

    Args:
        decimal_comma: 1,5 is one and a half.

    Raises:
        FieldError: it cannot be read.
    """
    if name == "thresholds":
        pairs = (threshold(pair, decimal_comma=decimal_comma) for pair in re.split(r"[\s;|]+", text.strip()) if pair)
        return dict(pairs)
    if name in ("nominal_voltage_v", "contracted_power_w"):
        return _number(name, text, decimal_comma)
    if name == "zero_based":
        word = text.lower()
        if word not in _TRUE | _FALSE:
            raise refuse(name, text, "wrong_type")
        return word in _TRUE
    return text.lower() if name in ("units", "category", "kind") else text


def threshold(pair: str, *, decimal_comma: bool = False) -> tuple[str, float | None]:
    """NAME=VALUE; None for NAME= .

    Raises:
        FieldError: it is neither.
    """
    name, sign, text = pair.partition("=")
    if not sign or not name.strip():
        raise refuse("thresholds", pair, "wrong_type")
    return name.strip(), _number("thresholds", text, decimal_comma, whole=pair) if text.strip() else None


def _number(name: str, text: str, decimal_comma: bool, whole: str | None = None) -> float:
    try:
        found = float(text.replace(",", ".") if decimal_comma else text)
    except ValueError:
        raise refuse(name, whole or text, "wrong_type") from None
    if not math.isfinite(found):
        raise refuse(name, whole or text)
    return found


def _judge(name: str, value: object) -> None:
    """What the command's own type cannot say."""
    if isinstance(value, str) and not value.isascii() and not is_text(value):
        raise refuse(name, value)
    if name == "zone" and isinstance(value, str) and not is_zone(value):
        raise refuse(name, value)
    if name == "valid_from" and isinstance(value, str) and not is_day(value):
        raise refuse(name, value)
    numbers = value.values() if name == "thresholds" and isinstance(value, dict) else [value]
    if any(isinstance(number, float) and not math.isfinite(number) for number in numbers):
        raise refuse(name, value)


def is_text(value: str) -> bool:
    """Whether it can be written at all: half a surrogate pair cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


@cache
def is_zone(name: str) -> bool:
    """Whether this machine knows the time zone."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return bool(name)


def is_day(text: str) -> bool:
    """Whether a text is a day as 2026-01-31."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _explained(error: msgspec.ValidationError, values: dict[str, Any]) -> FieldError:
    """Our sentence for what msgspec found."""
    missing = re.search(r"missing required field `(\w+)`", str(error))
    if missing is not None:
        name = missing[1]
        return FieldError(name, "missing_field", f"{name} is missing; expected {EXPECTED[name]}")
    found = _PATH.search(str(error))
    name = found[1] if found is not None and found[1] in EXPECTED else next(iter(values), "")
    wrong_type = re.match(r"Expected `(str|float|int|bool|object)`, got", str(error)) is not None
    return refuse(name, values.get(name), "wrong_type" if wrong_type else "out_of_range")


REGISTERED = tuple(name for name in RegisterSensor.__struct_fields__ if name not in _OURS)
"""What may be said of a new sensor; sensor_id must be."""
