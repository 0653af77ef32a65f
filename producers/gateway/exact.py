"""The exact judge: any bytes in, the contract's status and code out, in the contract's order of checks.

It is slow and sees everything; body.py answers good bodies before it is asked.
"""

import datetime
import json
import re
from typing import Any, NoReturn

from producers.gateway.verdict import MISSING, Admission, Admit, Batch, Post, Probe, Reading, RejectedRecord, Rejection
from schemas.units import SAMPLES_MAX, SAMPLES_MIN

SENSOR_ID = r"[A-Za-z]{1,58}[0-9]{6}"
VERSION = r"[0-9]{6}"
PROBE_TYPES = ("CT", "rogow_coil")
PROBES_MAX = 3
RECORDS_MAX = 600
DEPTH_MAX = 32
TIMESTAMP_MIN_S = 1_577_836_800
"""2020-01-01T00:00:00Z"""
FUTURE_S = 300
"""How far a sensor's clock may be ahead of ours."""
POWER_MAX_MW = 2_000_000_000
PF_MAX_PCT = 100
VOLTAGE_MAX_MV = 1_000_000

_DIGITS_MAX = 25
_BEYOND = 10**_DIGITS_MAX
_SENSOR_ID = re.compile(SENSOR_ID, re.ASCII)
_VERSION = re.compile(VERSION, re.ASCII)
_NESTING = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


class _RejectedError(Exception):
    def __init__(self, status: int, code: str, field: str | None, detail: str) -> None:
        super().__init__(code)
        self.rejection = Rejection(status, code, field, detail)


def judge(body: bytes, admit: Admit, header_token: str | None, now_ms: int) -> Post | Rejection:
    """Judge a body of POST /powermon/data, after decompression."""
    admitted: str | None = None
    try:
        top = _top_level(body)
        sensor_id = _sensor_id(top)
        admission = admit(sensor_id, top.get("token", MISSING), header_token, now_ms)
        if isinstance(admission, Rejection):
            return admission
        admitted = sensor_id
        version = _version(top)
        return Post(sensor_id, version, admission.refresh, _reading(top, admission, now_ms))
    except _RejectedError as error:
        return _of(error.rejection, admitted)


def judge_batch(body: bytes, admit: Admit, header_token: str | None, now_ms: int) -> Batch | Rejection:
    """Judge a body of POST /powermon/data/batch, after decompression."""
    admitted: str | None = None
    try:
        top = _top_level(body)
        sensor_id = _sensor_id(top)
        admission = admit(sensor_id, top.get("token", MISSING), header_token, now_ms)
        if isinstance(admission, Rejection):
            return admission
        admitted = sensor_id
        version = _version(top)
        records = _member(top, "records", "")
        if not isinstance(records, list):
            _wrong_type("records", records, "an array")
        if not records:
            _no("out_of_range", "records", f"0 records came; expected 1 to {RECORDS_MAX}")
        if len(records) > RECORDS_MAX:
            raise _RejectedError(413, "body_too_large", "records", f"{len(records)} records came; expected at most {RECORDS_MAX}")
    except _RejectedError as error:
        return _of(error.rejection, admitted)
    batch = Batch(sensor_id, version, admission.refresh, [], [])
    for index, record in enumerate(records):
        try:
            if not isinstance(record, dict):
                _no("not_an_object", None, f"{_kind(record)} came; expected an object")
            batch.readings.append(_reading(record, admission, now_ms))
        except _RejectedError as error:
            batch.rejected.append(RejectedRecord(index, _readable_timestamp(record), error.rejection))
    return batch


# ---- JSON


def _top_level(body: bytes) -> dict[str, Any]:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise _RejectedError(400, "bad_encoding", None, f"the body is not UTF-8: {error.reason} at byte {error.start}") from None
    try:
        top = json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer)
    except json.JSONDecodeError as error:
        if _too_deep(text[: error.pos + 1]):
            _deep()
        raise _RejectedError(400, "bad_json", None, f"the body is not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        _deep()
    if _too_deep(text):
        _deep()
    if not isinstance(top, dict):
        _no("not_an_object", None, f"{_kind(top)} came; expected an object")
    return top


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        repeated = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise _RejectedError(400, "duplicate_key", repeated[:64], "a member stands twice in one object; expected once")
    return members


def _constant(name: str) -> NoReturn:
    raise _RejectedError(400, "bad_json", None, f"{name} is not JSON")


def _integer(digits: str) -> int:
    # Beyond every range of ours one number is as good as another, and converting a long one costs its square.
    return int(digits) if len(digits) <= _DIGITS_MAX else -_BEYOND if digits[0] == "-" else _BEYOND


def _too_deep(text: str) -> bool:
    depth = 0
    for match in _NESTING.finditer(text):
        mark = match.group()
        if mark in ("{", "["):
            depth += 1
            if depth > DEPTH_MAX:
                return True
        elif mark in ("}", "]"):
            depth -= 1
    return False


def _deep() -> NoReturn:
    raise _RejectedError(400, "too_deep", None, f"the body nests deeper than {DEPTH_MAX} levels")


# ---- the members, in the contract's order


def _sensor_id(top: dict[str, Any]) -> str:
    sensor_id = _member(top, "sensor_id", "")
    if not isinstance(sensor_id, str):
        _wrong_type("sensor_id", sensor_id, "a string")
    if not _SENSOR_ID.fullmatch(sensor_id):
        _no("bad_sensor_id", "sensor_id", f"{sensor_id[:64]!a} came; expected 1 to 58 Latin letters, then six digits")
    return sensor_id.lower()


def _version(top: dict[str, Any]) -> str:
    version = _member(top, "version", "")
    if not isinstance(version, str):
        _wrong_type("version", version, "a string")
    if not is_version(version):
        _no("bad_version", "version", f"{version[:20]!a} came; expected a date as YYMMDD")
    return version


def is_version(text: str) -> bool:
    """Whether text is six digits that are a date, YYMMDD."""
    if not _VERSION.fullmatch(text):
        return False
    try:
        datetime.date(2000 + int(text[:2]), int(text[2:4]), int(text[4:]))
    except ValueError:
        return False
    return True


def _reading(record: dict[str, Any], admission: Admission, now_ms: int) -> Reading:
    timestamp = _member(record, "timestamp", "")
    if type(timestamp) is not int:
        _wrong_type("timestamp", timestamp, "an integer")
    if timestamp < TIMESTAMP_MIN_S:
        _no("timestamp_too_old", "timestamp", f"{_shown(timestamp)} came; expected {TIMESTAMP_MIN_S} (2020-01-01) or later")
    now_s = now_ms // 1000
    if timestamp > now_s + FUTURE_S:
        _no("timestamp_future", "timestamp", f"{_shown(timestamp)} came; expected at most {FUTURE_S} s after now, {now_s}")
    data = _member(record, "data", "")
    if not isinstance(data, list):
        _wrong_type("data", data, "an array")
    if not 1 <= len(data) <= PROBES_MAX:
        _no("bad_probe_count", "data", f"{len(data)} probes came; expected 1 to {PROBES_MAX}")
    probes: list[Probe] = []
    for index, probe in enumerate(data):
        probes.append(_probe(probe, index, [taken[0] for taken in probes], admission.scale))
    return Reading(timestamp, probes)


def _probe(probe: Any, index: int, taken: list[int], scale: int) -> Probe:
    at = f"data[{index}]"
    if not isinstance(probe, dict):
        _wrong_type(at, probe, "an object")
    probe_id = probe.get("probe_id", index + 1)
    if type(probe_id) is not int:
        _wrong_type(f"{at}.probe_id", probe_id, "an integer")
    if not 1 <= probe_id <= PROBES_MAX:
        _no("bad_probe_id", f"{at}.probe_id", f"{_shown(probe_id)} came; expected 1, 2 or 3")
    if probe_id in taken:
        _no("duplicate_probe", f"{at}.probe_id", f"probe {probe_id} came twice; expected no two alike")
    probe_type = _member(probe, "probe_type", at)
    if not isinstance(probe_type, str):
        _wrong_type(f"{at}.probe_type", probe_type, "a string")
    if probe_type not in PROBE_TYPES:
        _no("bad_probe_type", f"{at}.probe_type", f"{probe_type[:20]!a} came; expected CT or rogow_coil")
    power = _samples(probe, "power", at)
    power = _ranged(power, -POWER_MAX_MW, POWER_MAX_MW, scale, f"{at}.power", "mW")
    pf = _samples(probe, "pf", at, len(power))
    pf = _ranged(pf, -PF_MAX_PCT, PF_MAX_PCT, 1, f"{at}.pf", "%")
    voltage = _member(probe, "voltage", at)
    voltage = [voltage] if type(voltage) is int else _samples(probe, "voltage", at, len(power))
    voltage = _ranged(voltage, 0, VOLTAGE_MAX_MV, scale, f"{at}.voltage", "mV")
    return probe_id, probe_type, power, pf, voltage


def _samples(probe: dict[str, Any], name: str, at: str, n: int | None = None) -> list[int]:
    samples = _member(probe, name, at)
    if not isinstance(samples, list):
        _wrong_type(f"{at}.{name}", samples, "an array of integers")
    for k, sample in enumerate(samples):
        if type(sample) is not int:
            _wrong_type(f"{at}.{name}[{k}]", sample, "an integer")
    if not SAMPLES_MIN <= len(samples) <= SAMPLES_MAX:
        _no("sample_count", f"{at}.{name}", f"{len(samples)} values came; expected {SAMPLES_MIN} to {SAMPLES_MAX}")
    if n is not None and len(samples) != n:
        _no("sample_count", f"{at}.{name}", f"{len(samples)} values came; expected {n}, as many as power has")
    return samples


def _ranged(samples: list[int], low: int, high: int, scale: int, field: str, unit: str) -> list[int]:
    if scale != 1:
        samples = [sample * scale for sample in samples]
    for sample in samples:
        if not low <= sample <= high:
            _no("out_of_range", field, f"{_shown(sample)} {unit} came; expected {low} to {high}")
    return samples


# ---- words


def _member(members: dict[str, Any], name: str, at: str) -> Any:
    value = members.get(name, MISSING)
    if value is MISSING:
        field = f"{at}.{name}" if at else name
        _no("missing_field", field, f"there is no {field}; it is required")
    return value


def _no(code: str, field: str | None, detail: str) -> NoReturn:
    raise _RejectedError(422, code, field, detail)


def _wrong_type(field: str, value: Any, expected: str) -> NoReturn:
    _no("wrong_type", field, f"{_kind(value)} came; expected {expected}")


def _kind(value: Any) -> str:
    words = {dict: "an object", list: "an array", str: "a string", int: "an integer", bool: "a truth value"}
    return "null" if value is None else words.get(type(value), "a number with a fraction or exponent")


def _shown(number: int) -> str:
    return str(number) if abs(number) < _BEYOND else "a number of many digits"


def _readable_timestamp(record: Any) -> int | None:
    timestamp = record.get("timestamp") if isinstance(record, dict) else None
    return timestamp if type(timestamp) is int and abs(timestamp) < 1 << 63 else None


def _of(rejection: Rejection, sensor_id: str | None) -> Rejection:
    if sensor_id is None:
        return rejection
    return Rejection(rejection.status, rejection.code, rejection.field, rejection.detail, sensor_id)
