"""The bodies of the gateway's doors, as JSON Schema."""

import json
from typing import Any

import msgspec

from producers.gateway.exact import PF_MAX_PCT, POWER_MAX_MW, PROBE_TYPES, RECORDS_MAX, TIMESTAMP_MIN_S, VOLTAGE_MAX_MV
from producers.gateway.members import SENSOR_ID, VERSION
from producers.gateway.provisioning import FIRMWARE_MAX
from producers.gateway.tic_body import FRAMES_MAX, TicFrame
from schemas.units import SAMPLES_MAX, SAMPLES_MIN
from streams.catalog.tokens import TOKEN_MAX

Schema = dict[str, Any]


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: str, about: str = "", **properties: Schema) -> Schema:
    found: Schema = {"type": "object", "required": required.split(), "properties": properties}
    return {**found, "description": about} if about else found


def _integer(about: str = "", low: int | None = None, high: int | None = None) -> Schema:
    bounds = {"minimum": low, "maximum": high, "description": about or None}
    return {"type": "integer"} | {name: value for name, value in bounds.items() if value is not None}


def _of_struct(kind: type) -> dict[str, Schema]:
    """A Struct and those within it; patterns with JSON Schema's ^ and $."""
    _, found = msgspec.json.schema_components([kind], ref_template="#/components/schemas/{name}")
    text = json.dumps(found).replace(r"\\A", "^").replace(r"\\Z", "$")
    made: dict[str, Schema] = json.loads(text)
    return made


def _samples(about: str, low: int, high: int) -> Schema:
    return {
        "type": "array",
        "items": _integer("", low, high),
        "minItems": SAMPLES_MIN,
        "maxItems": SAMPLES_MAX,
        "description": about,
    }


def _text(about: str, **more: Any) -> Schema:
    return {"type": "string", "description": about, **more}


_ID, _VERSION = _ref("SensorId"), _text("date of the payload's format, YYMMDD", pattern=f"^{VERSION}$")
_TOKEN = _text("or in `Authorization: Bearer`; in both: equal", minLength=1, maxLength=TOKEN_MAX)
_SECRET = _text("as shown when the sensor was registered", minLength=1, maxLength=TOKEN_MAX)
_T0 = {"description": "the sensor's clock in ms UTC when it sent this; anything, or absent, when it is not set"}
_TIMESTAMP = _integer("UTC seconds since 1970: the start of the second", TIMESTAMP_MIN_S)
_DATA: Schema = {
    "type": "array",
    "items": _ref("Probe"),
    "minItems": 1,
    "maxItems": 3,
    "description": "a dead probe may be left out",
}
_TOKEN_FIELDS: Schema = {
    "token": _text("opaque; at most 256 characters", maxLength=TOKEN_MAX),
    "token_type": {"const": "Bearer"},
    "expires_in": _integer("seconds it is good for"),
    "refresh_after": _integer("seconds after which to get the next one"),
}
_REFRESH = {"type": "boolean", "description": "get a new token soon"}
_REJECTED_FRAMES: Schema = {"type": "array", "items": _ref("RejectedFrame")}
_REJECTED: Schema = {"type": "array", "items": _ref("RejectedRecord")}

SCHEMAS: dict[str, Schema] = {
    "SensorId": {
        "type": "string",
        "pattern": f"^{SENSOR_ID}$",
        "maxLength": 64,
        "description": "Letters, then six digits; of a Linky its 12 digits or its pseudonym. Compared without case.",
    },
    "Boot": _object(
        "sensor_id secret version",
        sensor_id=_ID,
        secret=_SECRET,
        version=_VERSION,
        firmware=_text("for our log lines", maxLength=FIRMWARE_MAX),
        t0=_T0,
    ),
    "Token": _object("token token_type expires_in refresh_after", **_TOKEN_FIELDS),
    "Booted": _object(
        "token token_type expires_in refresh_after host urls settings time",
        **_TOKEN_FIELDS,
        host=_text("host[:port] to use from now on"),
        urls={"type": "object", "description": "paths by what they are for: data, batch, time, token, ws"},
        settings={
            "type": "object",
            "description": "post_interval_s, samples_per_second, time_sync_interval_s, batch_max_seconds",
        },
        time=_ref("Stamps"),
    ),
    "Refresh": _object(
        "", "A token (here or in the header), or sensor_id and secret.", sensor_id=_ID, token=_TOKEN, secret=_SECRET
    ),
    "Time": _object("sensor_id", sensor_id=_ID, t0=_T0),
    "Stamps": _object(
        "t0 t1 t2",
        t0={"type": ["integer", "null"], "description": "as it came; null when it was no integer"},
        t1=_integer("our clock when the request came, ms UTC"),
        t2=_integer("our clock when this was sent, ms UTC"),
    ),
    "Probe": _object(
        "probe_type power pf voltage",
        "Lists have the same length: 20, now and then 18 to 22.",
        probe_id={**_integer("phase A, B, C; absent: its position", 1, 3)},
        probe_type={"enum": list(PROBE_TYPES)},
        power=_samples("active power in mW; negative: export", -POWER_MAX_MW, POWER_MAX_MW),
        pf=_samples("power factor in percent", -PF_MAX_PCT, PF_MAX_PCT),
        voltage={
            "oneOf": [_samples("", 0, VOLTAGE_MAX_MV), _integer("", 0, VOLTAGE_MAX_MV)],
            "description": "phase to neutral in mV: per sample, or one RMS for the second",
        },
    ),
    "Post": _object(
        "version sensor_id timestamp data", version=_VERSION, sensor_id=_ID, token=_TOKEN, timestamp=_TIMESTAMP, data=_DATA
    ),
    "Record": _object("timestamp data", timestamp=_TIMESTAMP, data=_DATA),
    "Batch": _object(
        "version sensor_id records",
        version=_VERSION,
        sensor_id=_ID,
        token=_TOKEN,
        records={"type": "array", "items": _ref("Record"), "minItems": 1, "maxItems": RECORDS_MAX},
    ),
    "Accepted": _object(
        "status timestamp server_time",
        status={"const": "accepted"},
        timestamp=_integer("the second that is safe"),
        server_time=_integer("our clock, UTC seconds"),
        missing_probes={"type": "array", "items": _integer("", 1, 3), "description": "phases that were not in it"},
        refresh_token=_REFRESH,
    ),
    "BatchAccepted": _object("accepted rejected", accepted=_integer("how many"), rejected=_REJECTED, refresh_token=_REFRESH),
    "RejectedRecord": _object(
        "index timestamp code",
        index=_integer("position in records, from 0"),
        timestamp={"type": ["integer", "null"], "description": "null when it cannot be read"},
        code=_ref("Code"),
    ),
    "Problem": _object(
        "status code field detail retry",
        status=_integer("as of the answer"),
        code=_ref("Code"),
        field={"type": ["string", "null"], "description": "which member"},
        detail=_text("what came and what was expected"),
        retry={"type": "boolean", "description": "whether the same body may be accepted later"},
        accepted=_integer("of a batch: 0"),
        rejected={"type": "array", "items": {"anyOf": [_ref("RejectedRecord"), _ref("RejectedFrame")]}},
    ),
    "TicFrames": _object(
        "frames",
        token=_TOKEN,
        frames={"type": "array", "items": _ref("TicFrame"), "minItems": 1, "maxItems": FRAMES_MAX},
    ),
    "TicAccepted": _object("accepted rejected", accepted=_integer("how many"), rejected=_REJECTED_FRAMES, refresh_token=_REFRESH),
    "RejectedFrame": _object(
        "index code field detail",
        index=_integer("position in frames, from 0"),
        code=_ref("Code"),
        field={"type": ["string", "null"], "description": "which member of the frame"},
        detail=_text("what came and what was expected"),
    ),
    **_of_struct(TicFrame),
    "Call": _object(
        "action",
        action={"enum": ["Reset", "RemoteStartTransaction", "RemoteStopTransaction"]},
        payload={"type": "object", "description": "as the sensor expects it"},
    ),
    "Doors": _object(
        "service documentation openapi doors",
        service=_text(""),
        documentation=_text("its path"),
        openapi=_text("its path"),
        doors={"type": "array", "items": {"type": "object"}, "description": "method, path, summary"},
    ),
}
