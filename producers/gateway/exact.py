"""The exact judge: any bytes in, the contract's status and code out, in the contract's order of checks.

It is slow and sees everything; body.py answers good bodies before it is asked.
"""

from typing import Any

from producers.gateway.members import (
    RejectedError,
    echo,
    kind,
    member,
    no,
    sensor_id_of,
    shown,
    top_level,
    version_of,
    wrong_type,
)
from producers.gateway.verdict import MISSING, Admit, Batch, Post, Reading, RejectedRecord, Rejection
from schemas import wire
from schemas.units import SAMPLES_MAX, SAMPLES_MIN

PROBE_TYPES = ("CT", "rogow_coil")
PROBES_MAX = 3
RECORDS_MAX = 600
TIMESTAMP_MIN_S = 1_577_836_800
"""2020-01-01T00:00:00Z"""
FUTURE_S = 300
"""How far a sensor's clock may be ahead of ours."""
POWER_MAX_MW = 2_000_000_000
PF_MAX_PCT = 100
VOLTAGE_MAX_MV = 1_000_000


def judge(body: bytes, admit: Admit, header_token: str | None, now_ms: int) -> Post | Rejection:
    """Judge a body of POST /powermon/data, after decompression."""
    admitted: str | None = None
    try:
        top = top_level(body)
        sensor_id = sensor_id_of(top)
        admission = admit(sensor_id, top.get("token", MISSING), header_token, now_ms)
        if isinstance(admission, Rejection):
            return admission
        admitted = sensor_id
        version = version_of(top)
        return Post(sensor_id, version, admission.refresh, reading_of(top, admission.scale, now_ms))
    except RejectedError as error:
        return _of(error.rejection, admitted)


def judge_batch(body: bytes, admit: Admit, header_token: str | None, now_ms: int) -> Batch | Rejection:
    """Judge a body of POST /powermon/data/batch, after decompression."""
    admitted: str | None = None
    try:
        top = top_level(body)
        sensor_id = sensor_id_of(top)
        admission = admit(sensor_id, top.get("token", MISSING), header_token, now_ms)
        if isinstance(admission, Rejection):
            return admission
        admitted = sensor_id
        version = version_of(top)
        records = records_of(top, "records")
    except RejectedError as error:
        return _of(error.rejection, admitted)
    batch = Batch(sensor_id, version, admission.refresh, [], [])
    for index, record in enumerate(records):
        try:
            if not isinstance(record, dict):
                no("not_an_object", None, f"{kind(record)} came; expected an object")
            batch.readings.append(reading_of(record, admission.scale, now_ms))
        except RejectedError as error:
            batch.rejected.append(RejectedRecord(index, _readable_timestamp(record), error.rejection))
    return batch


# ---- the members, in the contract's order


def records_of(top: dict[str, Any], name: str) -> list[Any]:
    """The member that holds 1 to RECORDS_MAX seconds, not yet judged."""
    records = member(top, name, "")
    if not isinstance(records, list):
        wrong_type(name, records, "an array")
    if not records:
        no("out_of_range", name, f"0 records came; expected 1 to {RECORDS_MAX}")
    if len(records) > RECORDS_MAX:
        raise RejectedError(413, "body_too_large", name, f"{len(records)} records came; expected at most {RECORDS_MAX}")
    return records


def reading_of(record: dict[str, Any], scale: int, now_ms: int) -> Reading:
    """One second: its timestamp and data.

    Args:
        scale: what power and voltage are multiplied by.
    """
    timestamp = member(record, "timestamp", "")
    if type(timestamp) is not int:
        wrong_type("timestamp", timestamp, "an integer")
    if timestamp < TIMESTAMP_MIN_S:
        no("timestamp_too_old", "timestamp", f"{shown(timestamp)} came; expected {TIMESTAMP_MIN_S} (2020-01-01) or later")
    now_s = now_ms // 1000
    if timestamp > now_s + FUTURE_S:
        no("timestamp_future", "timestamp", f"{shown(timestamp)} came; expected at most {FUTURE_S} s after now, {now_s}")
    data = member(record, "data", "")
    if not isinstance(data, list):
        wrong_type("data", data, "an array")
    if not 1 <= len(data) <= PROBES_MAX:
        no("bad_probe_count", "data", f"{len(data)} probes came; expected 1 to {PROBES_MAX}")
    probes: list[wire.Probe] = []
    for index, probe in enumerate(data):
        probes.append(_probe(probe, index, [taken[0] for taken in probes], scale))
    return Reading(timestamp, sum(1 << (probe[0] - 1) for probe in probes), wire.pack(probes))


def _probe(probe: Any, index: int, taken: list[int], scale: int) -> wire.Probe:
    at = f"data[{index}]"
    if not isinstance(probe, dict):
        wrong_type(at, probe, "an object")
    probe_id = probe.get("probe_id", index + 1)
    if type(probe_id) is not int:
        wrong_type(f"{at}.probe_id", probe_id, "an integer")
    if not 1 <= probe_id <= PROBES_MAX:
        no("bad_probe_id", f"{at}.probe_id", f"{shown(probe_id)} came; expected 1, 2 or 3")
    if probe_id in taken:
        no("duplicate_probe", f"{at}.probe_id", f"probe {probe_id} came twice; expected no two alike")
    probe_type = member(probe, "probe_type", at)
    if not isinstance(probe_type, str):
        wrong_type(f"{at}.probe_type", probe_type, "a string")
    if probe_type not in PROBE_TYPES:
        no("bad_probe_type", f"{at}.probe_type", f"{echo(probe_type, 20)} came; expected CT or rogow_coil")
    power = _samples(probe, "power", at)
    power = _ranged(power, -POWER_MAX_MW, POWER_MAX_MW, scale, f"{at}.power", "mW")
    pf = _samples(probe, "pf", at, len(power))
    pf = _ranged(pf, -PF_MAX_PCT, PF_MAX_PCT, 1, f"{at}.pf", "%")
    voltage = member(probe, "voltage", at)
    voltage = [voltage] if type(voltage) is int else _samples(probe, "voltage", at, len(power))
    voltage = _ranged(voltage, 0, VOLTAGE_MAX_MV, scale, f"{at}.voltage", "mV")
    return probe_id, probe_type, power, pf, voltage


def _samples(probe: dict[str, Any], name: str, at: str, n: int | None = None) -> list[int]:
    samples = member(probe, name, at)
    if not isinstance(samples, list):
        wrong_type(f"{at}.{name}", samples, "an array of integers")
    for k, sample in enumerate(samples):
        if type(sample) is not int:
            wrong_type(f"{at}.{name}[{k}]", sample, "an integer")
    if not SAMPLES_MIN <= len(samples) <= SAMPLES_MAX:
        no("sample_count", f"{at}.{name}", f"{len(samples)} values came; expected {SAMPLES_MIN} to {SAMPLES_MAX}")
    if n is not None and len(samples) != n:
        no("sample_count", f"{at}.{name}", f"{len(samples)} values came; expected {n}, as many as power has")
    return samples


def _ranged(samples: list[int], low: int, high: int, scale: int, field: str, unit: str) -> list[int]:
    if scale != 1:
        samples = [sample * scale for sample in samples]
    for sample in samples:
        if not low <= sample <= high:
            no("out_of_range", field, f"{shown(sample)} {unit} came; expected {low} to {high}")
    return samples


def _readable_timestamp(record: Any) -> int | None:
    timestamp = record.get("timestamp") if isinstance(record, dict) else None
    return timestamp if type(timestamp) is int and abs(timestamp) < 1 << 63 else None


def _of(rejection: Rejection, sensor_id: str | None) -> Rejection:
    if sensor_id is None:
        return rejection
    return Rejection(rejection.status, rejection.code, rejection.field, rejection.detail, sensor_id)
