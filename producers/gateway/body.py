"""Bodies to readings. Good ones take a short way that can only accept; all others go to the exact judge.

The short way is a typed decoder. It would not notice a member that stands twice, so it counts colons:
a body holds at least as many as it has members, hence when there are just as many as the members that
were found, each was written once, none is unknown, and none hides in a string.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from producers.gateway import exact
from producers.gateway.exact import FUTURE_S, PF_MAX_PCT, POWER_MAX_MW, TIMESTAMP_MIN_S, VOLTAGE_MAX_MV
from producers.gateway.members import SENSOR_ID, is_version
from producers.gateway.verdict import MISSING, Admit, Batch, Post, Probe, Reading, Rejection
from schemas.units import SAMPLES_MAX, SAMPLES_MIN

Power = Annotated[int, Meta(ge=-POWER_MAX_MW, le=POWER_MAX_MW)]
Pf = Annotated[int, Meta(ge=-PF_MAX_PCT, le=PF_MAX_PCT)]
Voltage = Annotated[int, Meta(ge=0, le=VOLTAGE_MAX_MV)]
N = Meta(min_length=SAMPLES_MIN, max_length=SAMPLES_MAX)


class ProbeSecond(Struct, gc=False):
    """One probe's members, their ranges and the lengths of the lists checked."""

    probe_type: Literal["CT", "rogow_coil"]
    power: Annotated[list[Power], N]
    pf: Annotated[list[Pf], N]
    voltage: Annotated[list[Voltage], N] | Voltage
    probe_id: Annotated[int, Meta(ge=1, le=3)] | UnsetType = UNSET


_Probes = Annotated[list[ProbeSecond], Meta(min_length=1, max_length=3)]
_SensorId = Annotated[str, Meta(pattern=rf"\A{SENSOR_ID}\Z")]


class _Record(Struct, gc=False):
    timestamp: int
    data: _Probes


class _Post(Struct, gc=False):
    version: str
    sensor_id: _SensorId
    timestamp: int
    data: _Probes
    token: str | UnsetType = UNSET


class _Batch(Struct, gc=False):
    version: str
    sensor_id: _SensorId
    records: Annotated[list[_Record], Meta(min_length=1, max_length=exact.RECORDS_MAX)]
    token: str | UnsetType = UNSET


_decode_post = msgspec.json.Decoder(_Post).decode
_decode_batch = msgspec.json.Decoder(_Batch).decode
UNFIT = (msgspec.MsgspecError, ValueError, RecursionError)

_versions: dict[str, bool] = {}
"""Formats seen that are dates; devices in the field name a handful."""


def judge(body: bytes, admit: Admit, header_token: str | None, now_ms: int) -> Post | Rejection:
    """Judge a body of POST /powermon/data.

    Args:
        body: after decompression.
        admit: checks the token.
        header_token: of the Authorization header.
        now_ms: the gateway's clock, UTC.
    """
    return accept(body, admit, header_token, now_ms) or exact.judge(body, admit, header_token, now_ms)


def judge_batch(body: bytes, admit: Admit, header_token: str | None, now_ms: int) -> Batch | Rejection:
    """Judge a body of POST /powermon/data/batch; arguments as for `judge`."""
    return accept_batch(body, admit, header_token, now_ms) or exact.judge_batch(body, admit, header_token, now_ms)


def accept(body: bytes, admit: Admit, header_token: str | None, now_ms: int) -> Post | None:
    """The short way; None says nothing about the body."""
    try:
        post = _decode_post(body)
    except UNFIT:
        return None
    token = MISSING if post.token is UNSET else post.token
    members = 4 if token is MISSING else 5
    version = post.version
    if version not in _versions and not _known(version):
        return None
    sensor_id = post.sensor_id.lower()
    admission = admit(sensor_id, token, header_token, now_ms)
    if isinstance(admission, Rejection):
        return None
    reading = reading_of(post.timestamp, post.data, admission.scale, now_ms)
    if reading is None or body.count(b":") != members + reading[1]:
        return None
    return Post(sensor_id, version, admission.refresh, reading[0])


def accept_batch(body: bytes, admit: Admit, header_token: str | None, now_ms: int) -> Batch | None:
    """The short way for a batch in which every record is good; None says nothing about the body."""
    try:
        batch = _decode_batch(body)
    except UNFIT:
        return None
    token = MISSING if batch.token is UNSET else batch.token
    members = 3 if token is MISSING else 4
    version = batch.version
    if version not in _versions and not _known(version):
        return None
    sensor_id = batch.sensor_id.lower()
    admission = admit(sensor_id, token, header_token, now_ms)
    if isinstance(admission, Rejection):
        return None
    readings: list[Reading] = []
    for record in batch.records:
        reading = reading_of(record.timestamp, record.data, admission.scale, now_ms)
        if reading is None:
            return None
        readings.append(reading[0])
        members += 2 + reading[1]
    if body.count(b":") != members:
        return None
    return Batch(sensor_id, version, admission.refresh, readings, [])


def reading_of(timestamp: int, data: Sequence[ProbeSecond], scale: int, now_ms: int) -> tuple[Reading, int] | None:
    """The reading and how many members its probes have; None when it is not plainly good."""
    if not TIMESTAMP_MIN_S <= timestamp <= now_ms // 1000 + FUTURE_S:
        return None
    probes: list[Probe] = []
    members = 0
    taken = 0
    for index, probe in enumerate(data):
        named = probe.probe_id
        members += 4 if named is UNSET else 5
        probe_id = index + 1 if isinstance(named, UnsetType) else named
        bit = 1 << probe_id
        if taken & bit:
            return None
        taken |= bit
        power, pf, sent = probe.power, probe.pf, probe.voltage
        voltage = [sent] if isinstance(sent, int) else sent
        n = len(power)
        if len(pf) != n or (voltage is sent and len(voltage) != n):
            return None
        if scale != 1:
            power = [sample * scale for sample in power]
            voltage = [sample * scale for sample in voltage]
            if max(power) > POWER_MAX_MW or min(power) < -POWER_MAX_MW or max(voltage) > VOLTAGE_MAX_MV:
                return None
        probes.append((probe_id, probe.probe_type, power, pf, voltage))
    return Reading(timestamp, probes), members


def _known(version: str) -> bool:
    if not is_version(version):
        return False
    if len(_versions) < 1000:
        _versions[version] = True
    return True
