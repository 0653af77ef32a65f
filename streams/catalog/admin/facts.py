"""The catalog's entries as people and their programs read them: never a hash of a secret or a token."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from streams.catalog import terms
from streams.catalog.state import Sensor, Site, State, Tariff, User, UserToken

Document = dict[str, Any]

TOKEN_ID_DIGITS = 12
"""Hex digits of a token's hash by which people name it; they tell nothing about the token."""

REGISTRATIONS = ("new", "active", "revoked")
"""new: has had no token yet, so its device has not booted; active: has; revoked: may not post."""


def registration(sensor: Sensor) -> str:
    """One of REGISTRATIONS."""
    if sensor.revoked:
        return "revoked"
    return "active" if sensor.tokens else "new"


def sensor_facts(state: State, sensor: Sensor) -> Document:
    """All about one sensor."""
    tokens = [state.sensor_tokens[token] for token in sensor.tokens]
    return {
        "sensor_id": sensor.sensor_id,
        "registration": registration(sensor),
        "kind": sensor.kind,
        "units": sensor.units,
        "zone": state.zone_of(sensor),
        "own_zone": sensor.own_zone,
        "site": sensor.site,
        "owner": sensor.owner,
        "address": sensor.address,
        "category": sensor.category,
        "zero_based": sensor.zero_based,
        "nominal_voltage_v": sensor.nominal_voltage_v,
        "contracted_power_w": sensor.contracted_power_w,
        "tariff": sensor.tariff,
        "terms": [
            {"from": one.since or None, "tariff": one.tariff, "contracted_power_w": one.contracted_power_w}
            for one in terms.every(sensor)
        ],
        "thresholds": dict(sensor.thresholds),
        "registered_at": iso(sensor.registered_at_ms),
        "revoked_at": None if sensor.revoked_at_ms is None else iso(sensor.revoked_at_ms),
        "tokens": [
            {
                "issued_at": iso(token.issued_at_ms),
                "refresh_at": iso(token.refresh_at_ms),
                "expires_at": iso(token.expires_at_ms),
            }
            for token in tokens
        ],
    }


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sensors somebody looks for; what is empty is not asked for.

    Attributes:
        text: part of the id, owner, address or site, in any case.
        owner: the whole owner, in any case.
        registration: one of REGISTRATIONS.
        kind: power or linky.
    """

    text: str = ""
    category: str = ""
    site: str = ""
    owner: str = ""
    registration: str = ""
    kind: str = ""

    def fits(self, sensor: Sensor) -> bool:
        """Whether the sensor is one of them."""
        return (
            (not self.category or sensor.category == self.category)
            and (not self.kind or sensor.kind == self.kind)
            and (not self.site or sensor.site == self.site)
            and (not self.owner or sensor.owner.casefold() == self.owner.casefold())
            and (not self.registration or registration(sensor) == self.registration)
            and (not self.text or self._holds(sensor))
        )

    def _holds(self, sensor: Sensor) -> bool:
        text = self.text.casefold()
        return any(text in part.casefold() for part in (sensor.sensor_id, sensor.owner, sensor.address, sensor.site))


def find(sensors: Iterable[Sensor], wanted: Wanted) -> list[Sensor]:
    """Those that fit, by id."""
    return sorted((sensor for sensor in sensors if wanted.fits(sensor)), key=lambda sensor: sensor.sensor_id)


def site_facts(state: State, site: Site) -> Document:
    return {
        "site_id": site.site_id,
        "zone": site.zone,
        "name": site.name,
        "address": site.address,
        "sensors": sum(sensor.site == site.site_id for sensor in state.sensors.values()),
    }


def user_facts(user: User) -> Document:
    return {"name": user.name, "role": user.role, "one_time": user.one_time, "added_at": iso(user.added_at_ms)}


def user_token_facts(token: UserToken) -> Document:
    return {
        "id": token.token_sha256[:TOKEN_ID_DIGITS],
        "user": token.name,
        "scope": token.scope,
        "expires_at": iso(token.expires_at_ms),
    }


def tokens_of(state: State, name: str | None = None) -> list[UserToken]:
    """Tokens of one person's programs, or of all, by person and then by when they end."""
    found = (token for token in state.user_tokens.values() if name in (None, token.name))
    return sorted(found, key=lambda token: (token.name, token.expires_at_ms, token.token_sha256))


def token_by_id(state: State, short: str, name: str | None = None) -> UserToken | None:
    """The one token that an id names; None when none does, or more than one."""
    wanted = short.lower()
    if len(wanted) < TOKEN_ID_DIGITS:
        return None
    found = [token for token in tokens_of(state, name) if token.token_sha256.startswith(wanted)]
    return found[0] if len(found) == 1 else None


def tariff_facts(tariff: Tariff) -> Document:
    return {"tariff_id": tariff.tariff_id, "valid_from": [day for day, _ in tariff.versions]}


def tariff_version(tariff: Tariff, day: str) -> Document | None:
    """The version that begins on a day; None when none does."""
    document = dict(tariff.versions).get(day)
    if document is None:
        return None
    return {"tariff_id": tariff.tariff_id, "valid_from": day, "document": json.loads(document)}


def iso(at_ms: int) -> str:
    """A moment in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
