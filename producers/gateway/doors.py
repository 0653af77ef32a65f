"""The gateway's doors as an OpenAPI 3.1 document."""

from typing import Any

from producers.gateway import provisioning
from producers.gateway.door_schemas import SCHEMAS

Document = dict[str, Any]

CODES: dict[int, dict[str, str]] = {
    400: {
        "bad_json": "not JSON, or not HTTP",
        "bad_encoding": "not UTF-8",
        "duplicate_key": "a member stands twice in one object",
        "too_deep": "nested deeper than 32 levels",
        "bad_gzip": "not gzip, or cut off",
    },
    401: {
        "token_missing": "no token, or no secret",
        "token_invalid": "not a token we know, or the secret is wrong, or there is no such sensor",
        "token_expired": "its time is over",
    },
    403: {
        "token_sensor_mismatch": "the token of another sensor",
        "sensor_disabled": "the sensor is revoked",
        "wrong_kind": "a Linky's token where readings belong, or the other way round",
        "scope_missing": "a user's token without the scope admin",
    },
    404: {"not_found": "no door of this name"},
    405: {"method_not_allowed": "`Allow` names the methods"},
    408: {"timeout": "the request came too slowly"},
    413: {"body_too_large": "too many bytes after decompression, or too many records"},
    415: {
        "unsupported_media_type": "not `application/json` in UTF-8",
        "unsupported_content_encoding": "neither gzip nor plain",
    },
    422: {
        "not_an_object": "the body is JSON, but no object",
        "missing_field": "a required member is not there",
        "wrong_type": "as an integer with a fraction or in quotes",
        "bad_version": "not a date as YYMMDD",
        "bad_sensor_id": "not letters and then six digits, nor a meter's 12 digits or pseudonym",
        "timestamp_too_old": "before 2020",
        "timestamp_future": "more than 300 s ahead of our clock",
        "bad_probe_count": "not 1 to 3 probes",
        "bad_probe_id": "not 1, 2 or 3",
        "duplicate_probe": "two probes of one number",
        "bad_probe_type": "neither CT nor rogow_coil",
        "sample_count": "not 18 to 22 samples, or lists of different length",
        "out_of_range": "a value no device can measure",
    },
    426: {"upgrade_required": "a plain request where a WebSocket begins"},
    429: {"rate_limited": "too often; `Retry-After` says when to come again"},
    500: {"unavailable": "the gateway failed"},
    503: {"unavailable": "the log cannot take it now; `Retry-After`"},
    504: {"unavailable": "the sensor did not answer"},
}
"""Every code an answer may hold, by status."""

DO = {
    400: "Drop it, count it.",
    401: "Get a token, send the same again.",
    403: "Keep the data, try again in an hour, raise an alarm.",
    404: "Configuration fault: stop.",
    405: "Configuration fault: stop.",
    408: "Keep it, retry.",
    413: "Drop it; a batch: halve it.",
    415: "Configuration fault: drop it.",
    422: "Drop it, count it.",
    426: "Configuration fault: stop.",
    429: "Retry after `Retry-After`.",
    500: "Keep it, retry.",
    503: "Keep it, retry after `Retry-After`.",
    504: "Ask again.",
}
"""What firmware does."""

_ABOUT = """Sensors get their token here and post what they measure. Every answer is JSON; a path may end with a slash.

A 2xx means: safe, forget it. Of other answers a device needs the status, `retry` and `Retry-After` alone: 401 get a new token;
408, 429, 5xx or no answer: keep it and retry, after 1 s, doubling to 300 s, give or take 20 %; any other 4xx: drop it.

Bodies are `application/json` in UTF-8, plain or `Content-Encoding: gzip`. Integers have no fraction, no exponent, no quotes.
Members we do not know are ignored; a member that stands twice is refused."""

_BODY = (400, 408, 413, 415)
_ALWAYS = (429, 500)
_READ_ERRORS = ("not_an_object", "missing_field", "wrong_type", "bad_sensor_id")
_OF_SENSOR = ("token_sensor_mismatch", "sensor_disabled")
_OF_KIND = (*_OF_SENSOR, "wrong_kind")
_FRAME_ERRORS = ("not_an_object", "missing_field", "wrong_type", "out_of_range")
_CALL_ERRORS = ("not_an_object", "missing_field", "wrong_type", "out_of_range")
_RECORD_ERRORS = tuple(CODES[422])


def _problems(*statuses: int, fields: tuple[str, ...] = (), forbidden: tuple[str, ...] = _OF_SENSOR) -> Document:
    found: Document = {}
    for status in sorted({*statuses, *_ALWAYS}):
        allowed = {403: forbidden, 422: fields}.get(status, tuple(CODES[status]))
        words = "; ".join(f"`{code}` {CODES[status][code]}" for code in allowed)
        found[str(status)] = {
            "description": f"{words}. {DO[status]}",
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        if status in (429, 503):
            found[str(status)]["headers"] = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}
    return found


def _json(name: str, description: str, example: Any = None) -> Document:
    content: Document = {"schema": {"$ref": f"#/components/schemas/{name}"}}
    if example is not None:
        content["example"] = example
    return {"description": description, "content": {"application/json": content}}


def _post(tag: str, summary: str, about: str, body: Document, answers: Document, *, token: bool) -> Document:
    return {
        "post": {
            "tags": [tag],
            "summary": summary,
            "description": about,
            "security": [{"token": []}, {}] if token else [],
            "requestBody": {**body, "required": True},
            "responses": answers,
        }
    }


def _get(summary: str, answers: Document, tag: str = "about") -> Document:
    return {"get": {"tags": [tag], "summary": summary, "security": [], "responses": answers}}


_STAMPS = {"t0": 1700000000000, "t1": 1700000000120, "t2": 1700000000121}
_TOKEN = {"token": "pm1_…", "token_type": "Bearer", "expires_in": 604800, "refresh_after": 302400}
_PROBE = {"probe_id": 1, "probe_type": "CT", "power": [1000] * 20, "pf": [98] * 20, "voltage": 229594}
_POST = {"version": "221013", "sensor_id": "gre000001", "token": "pm1_…", "timestamp": 1700000000, "data": [_PROBE]}
_BATCH = {
    "version": "221013",
    "sensor_id": "gre000001",
    "token": "pm1_…",
    "records": [{"timestamp": 1700000000, "data": [_PROBE]}],
}

_FRAME: Document = {
    "meter_id": "992562000017",
    "boot_id": "5c1fd0c6",
    "counter": 41,
    "meter_at_s": 1766899542,
    "clock_degraded": False,
    "received_at_ms": 1766899543120,
    "clock_synchronised": True,
    "monotonic_ms": 77000,
    "mode": "standard",
    "labels": [{"label": "EAST", "value": 24108}, {"label": "SINSTS", "value": 412}],
    "link": {"characters": 864, "bad_characters": 0, "discarded_frames": 0, "stray_characters": 0},
    "rejected": [{"raw": "ClVSTVMxCTIzMQ==", "label": "URMS1", "code": "parity"}],
}
_PATHS: Document = {
    "/powermon/boot": _post(
        "start",
        "A secret gives a token, addresses, settings and the time.",
        "The first thing after power-up, over TLS. Lost the answer? Ask again: it costs nothing. At most two tokens of a sensor "
        "are live; a third retires the oldest. At most 10 wrong secrets a minute for a sensor and for an address.",
        _json("Boot", "", {"sensor_id": "gre000001", "secret": "pms_…", "version": "221013", "firmware": "1.4.2", "t0": 0}),
        {
            "200": _json(
                "Booted",
                "Use what is named here.",
                _TOKEN
                | {"host": "gateway.example", "urls": provisioning.URLS, "settings": provisioning.SETTINGS, "time": _STAMPS},
            )
        }
        | _problems(*_BODY, 401, 403, 422, 503, fields=(*_READ_ERRORS, "bad_version", "out_of_range")),
        token=False,
    ),
    "/powermon/token": _post(
        "start",
        "The present token, or the secret, gives a new token.",
        "From `refresh_after` on, or when an answer says `refresh_token`. The present token stands in the body or in "
        "`Authorization: Bearer`; with it `sensor_id` may be left out. The one before stays good until it expires or a third is "
        "made.",
        _json("Refresh", "", {"sensor_id": "gre000001", "token": "pm1_…"}),
        {"200": _json("Token", "The new token.", _TOKEN)} | _problems(*_BODY, 401, 403, 422, 503, fields=_READ_ERRORS),
        token=True,
    ),
    "/powermon/time": _post(
        "start",
        "What time is it? Four stamps; no token.",
        "t0 is your clock when you send, t3 when you receive. Your clock lacks ((t1 - t0) + (t2 - t3)) / 2; the delay is "
        "(t3 - t0) - (t2 - t1). Ask four times and take the answer with the smallest delay. t0 may be anything: what is no "
        "integer comes back as null.",
        _json("Time", "", {"sensor_id": "gre000001", "t0": 1700000000000}),
        {"200": _json("Stamps", "Milliseconds UTC.", _STAMPS)} | _problems(*_BODY, 422, fields=_READ_ERRORS),
        token=False,
    ),
    "/powermon/data": _post(
        "measure",
        "One second.",
        "At most 65536 bytes after decompression. The key is the timestamp: a copy gets the same answer and counts once.",
        _json("Post", "", _POST),
        {
            "202": _json(
                "Accepted",
                "Safe in the log; forget it.",
                {"status": "accepted", "timestamp": 1700000000, "server_time": 1700000001, "missing_probes": [2, 3]},
            )
        }
        | _problems(*_BODY, 401, 403, 422, 503, fields=_RECORD_ERRORS, forbidden=_OF_KIND),
        token=True,
    ),
    "/powermon/data/batch": _post(
        "measure",
        "Stored seconds: 1 to 600, any order.",
        "At most 2 MiB after decompression; gzip welcome. Records are judged one by one: forget the accepted and the rejected "
        "alike. 422 only when none was good, with the same list.",
        _json("Batch", "", _BATCH),
        {
            "202": _json(
                "BatchAccepted",
                "Safe in the log.",
                {"accepted": 598, "rejected": [{"index": 3, "timestamp": 1700000003, "code": "sample_count"}]},
            )
        }
        | _problems(*_BODY, 401, 403, 422, 503, fields=_RECORD_ERRORS, forbidden=_OF_KIND),
        token=True,
    ),
    "/powermon/tic": _post(
        "measure",
        "Frames of a Linky: 1 to 600, any order.",
        "At most 2 MiB after decompression; gzip welcome. The token names the meter, and each frame must be that meter's. A "
        "frame is one decoded frame of the TIC, in the shape of `tic.frames`; (meter_id, boot_id, counter) is its key: a copy "
        "counts once. Frames are judged one by one: forget the accepted and the rejected alike. 422 only when none was good, "
        "with the same list.",
        _json("TicFrames", "", {"frames": [_FRAME]}),
        {
            "202": _json(
                "TicAccepted",
                "Safe in the log.",
                {"accepted": 59, "rejected": [{"index": 3, "code": "missing_field", "field": "link", "detail": "there is no …"}]},
            )
        }
        | _problems(*_BODY, 401, 403, 422, 503, fields=_FRAME_ERRORS, forbidden=_OF_KIND),
        token=True,
    ),
    "/powermon/ws/{sensor_id}": {
        "parameters": [
            {"name": "sensor_id", "in": "path", "required": True, "schema": {"$ref": "#/components/schemas/SensorId"}},
        ],
        "get": {
            "tags": ["measure"],
            "summary": "The same over a WebSocket; also at /powermon/data/{sensor_id}.",
            "description": "Token in `Authorization: Bearer`, or the secret in a BootNotification as first frame within 10 s. "
            "Frames are `[2, id, action, payload]`, `[3, id, payload]` and `[4, id, code, text, {}]`. Actions: "
            "BootNotification, Heartbeat, MeterValues, StartTransaction, StopTransaction, StatusNotification.",
            "security": [{"token": []}, {}],
            "responses": {"101": {"description": "Frames from here on."}}
            | _problems(400, 422, 426, 503, fields=("bad_sensor_id",)),
        },
    },
    "/powermon/ws/{sensor_id}/calls": {
        "parameters": [
            {"name": "sensor_id", "in": "path", "required": True, "schema": {"$ref": "#/components/schemas/SensorId"}},
        ],
        **_post(
            "operation",
            "An administrator asks a sensor that is connected to this process.",
            "With a user's token of scope `admin`.",
            _json("Call", "", {"action": "Reset", "payload": {"type": "Soft"}}),
            {"200": {"description": "`result`, or the sensor's `error`.", "content": {"application/json": {}}}}
            | _problems(*_BODY, 401, 403, 404, 422, 503, 504, fields=_CALL_ERRORS, forbidden=("scope_missing",)),
            token=True,
        ),
    },
    "/": _get("What is there; a page for a browser. Also at /powermon.", {"200": _json("Doors", "The list.")}),
    "/powermon/openapi.json": _get(
        "This document.", {"200": {"description": "OpenAPI 3.1", "content": {"application/json": {}}}}
    ),
    "/powermon/docs": _get("This document for people.", {"200": {"description": "A page", "content": {"text/html": {}}}}),
    "/healthz": _get("Is the process alive?", {"200": {"description": "yes"}, "503": {"description": "no"}}, "operation"),
    "/readyz": _get("Does it know the catalog?", {"200": {"description": "yes"}, "503": {"description": "no"}}, "operation"),
    "/metrics": _get("Figures for Prometheus.", {"200": {"description": "text", "content": {"text/plain": {}}}}, "operation"),
}

DOCUMENT: Document = {
    "openapi": "3.1.0",
    "info": {"title": "Powermon gateway", "version": "1", "description": _ABOUT},
    "tags": [
        {"name": "start", "description": "From a secret in flash to a token and the right time."},
        {"name": "measure", "description": "What was measured."},
        {"name": "about"},
        {"name": "operation"},
    ],
    "paths": _PATHS,
    "components": {
        "schemas": SCHEMAS
        | {"Code": {"enum": sorted({code for codes in CODES.values() for code in codes}), "description": "Why not."}},
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "Or the member `token` of the body."}},
    },
}
