"""Rules of sensors and the places they stand at."""

import re
from dataclasses import replace

from streams.catalog import terms
from streams.catalog.commands import (
    ChangeSensor,
    IssueToken,
    PutSite,
    RegisterSensor,
    RemoveSite,
    RenewSecret,
    RevokeSensor,
)
from streams.catalog.outcome import Outcome, accepted, refused
from streams.catalog.state import TOKENS_PER_SENSOR, Change, Sensor, SensorToken, Site, State
from streams.catalog.values import METER_NAME, SENSOR_NAME

NAMES = {
    "power": "Latin letters and then six digits, as gre000001",
    "linky": "the meter's address of 12 digits, or its pseudonym as the reader shows it",
}
LINKY_ZONE = "Europe/Paris"
_DEFAULT_ZONE = RegisterSensor(sensor_id="a000000", secret_sha256="0" * 64).zone
_NAMES = {"power": re.compile(SENSOR_NAME), "linky": re.compile(METER_NAME)}


def names(kind: str, sensor_id: str) -> bool:
    """Whether a sensor of this kind may have this id."""
    return _NAMES[kind].fullmatch(sensor_id) is not None


def register(state: State, command: RegisterSensor, at_ms: int) -> Outcome:
    known = state.sensors.get(command.sensor_id)
    if known is not None:
        what = "revoked; `powermon sensors renew` brings it back with" if known.revoked else "registered; `renew` gives it"
        return refused("sensor_exists", f"sensor {command.sensor_id} is already {what} a new secret")
    if not names(command.kind, command.sensor_id):
        return refused("bad_sensor_id", f"{command.sensor_id} came for a {command.kind} sensor; expected {NAMES[command.kind]}")
    if (unknown := _unknown_site(state, command.site)) is not None:
        return unknown
    sensor = Sensor(
        command.sensor_id,
        command.units,
        _zone(command),
        command.secret_sha256,
        at_ms,
        kind=command.kind,
        site=command.site,
        owner=command.owner,
        address=command.address,
        category=command.category,
        zero_based=command.zero_based,
        nominal_voltage_v=command.nominal_voltage_v,
        contracted_power_w=command.contracted_power_w,
        tariff=command.tariff,
        thresholds=_sorted(command.thresholds),
    )
    return accepted(f"sensor {sensor.sensor_id} is registered", _put(sensor))


def _zone(command: RegisterSensor) -> str:
    """A Linky stands in France unless something else is said of it; a sensor's own default is no place for one."""
    return LINKY_ZONE if command.kind == "linky" and command.zone == _DEFAULT_ZONE else command.zone


def change(state: State, command: ChangeSensor, _: int) -> Outcome:
    sensor = state.sensors.get(command.sensor_id)
    if sensor is None:
        return unknown_sensor(command.sensor_id)
    changes = command.changes()
    if (unknown := _unknown_site(state, changes.get("site", ""))) is not None:
        return unknown
    if "zone" in changes:
        changes["own_zone"] = changes.pop("zone")
    if "thresholds" in changes:
        changes["thresholds"] = _sorted(changes["thresholds"])
    since = changes.pop("valid_from", None)
    if since is None:
        return accepted(f"sensor {sensor.sensor_id} is changed", _put(replace(sensor, **changes)))
    if not {"tariff", "contracted_power_w"} & changes.keys():
        return refused(
            "nothing_dated", f"a first day, {since}, came for sensor {sensor.sensor_id} without tariff or contracted power"
        )
    new = terms.changed(sensor, since, changes.pop("tariff", None), changes.pop("contracted_power_w", None))
    if len(new.earlier) >= terms.TERMS_MOST:
        return refused("too_many_terms", f"sensor {sensor.sensor_id} has {terms.TERMS_MOST} tariffs by day already; correct one")
    return accepted(f"sensor {sensor.sensor_id} is changed from {since} on", _put(replace(new, **changes)))


def revoke(state: State, command: RevokeSensor, at_ms: int) -> Outcome:
    sensor = state.sensors.get(command.sensor_id)
    if sensor is None:
        return unknown_sensor(command.sensor_id)
    if sensor.revoked:
        return accepted(f"sensor {sensor.sensor_id} was revoked before")
    # Its tokens stay known, so that the device hears "disabled" and keeps its data, not "get a new token".
    return accepted(f"sensor {sensor.sensor_id} is revoked", _put(replace(sensor, revoked_at_ms=at_ms)))


def renew_secret(state: State, command: RenewSecret, _: int) -> Outcome:
    sensor = state.sensors.get(command.sensor_id)
    if sensor is None:
        return unknown_sensor(command.sensor_id)
    renewed = replace(sensor, secret_sha256=command.secret_sha256, tokens=(), revoked_at_ms=None)
    gone = (Change("sensor_tokens", old, None) for old in sensor.tokens)
    return accepted(f"sensor {sensor.sensor_id} has a new secret", *gone, _put(renewed))


def issue_token(state: State, command: IssueToken, _: int) -> Outcome:
    sensor = state.sensors.get(command.sensor_id)
    if sensor is None:
        return unknown_sensor(command.sensor_id)
    if sensor.revoked:
        return refused("sensor_disabled", f"sensor {sensor.sensor_id} is revoked; it gets no more tokens")
    if state.token_known(command.token_sha256):
        return refused("token_exists", "this token was issued before; make another")
    token = SensorToken(
        command.token_sha256, sensor.sensor_id, command.issued_at_ms, command.expires_at_ms, command.refresh_at_ms
    )
    tokens = (*sensor.tokens, token.token_sha256)
    retired, kept = tokens[:-TOKENS_PER_SENSOR], tokens[-TOKENS_PER_SENSOR:]
    return accepted(
        f"sensor {sensor.sensor_id} has a new token",
        *(Change("sensor_tokens", old, None) for old in retired),
        Change("sensor_tokens", token.token_sha256, token),
        _put(replace(sensor, tokens=kept)),
    )


def put_site(state: State, command: PutSite, _: int) -> Outcome:
    verb = "changed" if command.site_id in state.sites else "made"
    site = Site(command.site_id, command.zone, command.name, command.address)
    return accepted(f"site {site.site_id} is {verb}", Change("sites", site.site_id, site))


def remove_site(state: State, command: RemoveSite, _: int) -> Outcome:
    if command.site_id not in state.sites:
        return refused("unknown_site", f"there is no site {command.site_id}")
    there = next((sensor.sensor_id for sensor in state.sensors.values() if sensor.site == command.site_id), None)
    if there is not None:
        return refused("site_in_use", f"sensor {there} stands at site {command.site_id}; give it another one first")
    return accepted(f"site {command.site_id} is removed", Change("sites", command.site_id, None))


def unknown_sensor(sensor_id: str) -> Outcome:
    return refused("unknown_sensor", f"sensor {sensor_id} is not registered; first `powermon sensors add {sensor_id}`")


def _unknown_site(state: State, site_id: str) -> Outcome | None:
    if not site_id or site_id in state.sites:
        return None
    return refused("unknown_site", f"there is no site {site_id}; first `powermon sites put {site_id} --zone …`")


def _sorted(thresholds: dict[str, float]) -> tuple[tuple[str, float], ...]:
    return tuple(sorted(thresholds.items()))


def _put(sensor: Sensor) -> Change:
    return Change("sensors", sensor.sensor_id, sensor)
