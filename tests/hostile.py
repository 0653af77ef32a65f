"""Bad bodies and bad bytes by the thousand: golden samples, damaged by a seeded generator."""

import gzip
import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "golden" / "sensor_samples"
VALID = [path.read_bytes() for path in sorted(_FOLDER.glob("valid_*.json"))]
SAMPLES = VALID + [path.read_bytes() for path in sorted(_FOLDER.glob("invalid_*.json"))]

STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.0, -0.0, 1e308, 2**31, 2**63, -(2**63) - 1, 2**64, 10**24, 10**4000, "", "0", "1e3", "CT", "\x00",
    "é", "\ud800", "\U0001f4a3", "\r\nX-Injected: 1", "gre000001", "GRE000001", "gre٠٠٠٠٠١", "g" * 59 + "000001", "x" * 70_000,
    "pm1_wrong", [], {}, [[]], [{}], [None] * 20, [1] * 17, [1] * 23, [10**30] * 20, {"power": {}}, [[[[[[]]]]]],
)  # fmt: skip
"""Values where others belong."""

RAW = (
    b"NaN", b"-Infinity", b"1e999999999", b"-" + b"9" * 5000, b"0." + b"1" * 30_000, b"01", b"+1", b".5", b"1.", b"0x10", b"'a'",
    b'"\\ud800"', b'"\\u0000"', b'"\xff\xfe"', b'"\xed\xa0\x80"', b'"\xc0\x80"', b"\xef\xbb\xbf1", b"[" * 31 + b"]" * 31,
    b"[" * 40 + b"]" * 40, b"[" * 60_000, b'{"a":' * 3000, b'{"a":1,"a":2}', b'{"a":1,"\\u0061":2}', b"/**/1", b"1//", b"[1,]",
    b"{", b'"', b"\\", b"\x00", b"undefined", b"0" * 300, b"-0", b"1E+2", b"{}{}", b"1 2",
)  # fmt: skip
"""Pieces of text where a value belongs, that json.dumps would not write."""

_NUL = "\x7fhere\x7f"


def examples(most: int) -> int:
    """How many to try: POWERMON_FUZZ_EXAMPLES, or what a run of the suite has time for."""
    return int(os.environ.get("POWERMON_FUZZ_EXAMPLES", most))


def bodies(seed: int, samples: list[bytes] = SAMPLES) -> Iterator[bytes]:
    """Bodies without end: one in ten as it is, the others damaged once or more."""
    rng = random.Random(seed)
    while True:
        body = rng.choice(samples)
        for _ in range(rng.choice((0, 1, 1, 1, 1, 1, 1, 2, 2, 5))):
            body = rng.choice(_DAMAGES)(rng, body)
        yield body


def gzipped(seed: int) -> Iterator[bytes]:
    """Bodies that say they are gzip: whole, cut, damaged, of many members, bombs, or none at all."""
    rng, plain = random.Random(seed), bodies(seed)
    empty, bomb = gzip.compress(b""), gzip.compress(b" " * 20_000_000)
    while True:
        packed = gzip.compress(next(plain), 1)
        yield rng.choice(
            (
                packed,
                packed[: rng.randrange(len(packed))],
                _flip(rng, packed),
                packed + rng.randbytes(rng.randrange(1, 40)),
                empty * rng.randrange(1, 3000) + packed,
                bomb,
                gzip.compress(bomb),
                packed[:10] + rng.randbytes(200),
                rng.randbytes(50),
                b"",
            )
        )


# ---- damage to bytes


def _flip(rng: random.Random, body: bytes) -> bytes:
    if not body:
        return b"\x01"
    damaged = bytearray(body)
    for _ in range(rng.choice((1, 1, 2, 8))):
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def _cut(rng: random.Random, body: bytes) -> bytes:
    return body[: rng.randrange(len(body) + 1)]


def _without(rng: random.Random, body: bytes) -> bytes:
    at = rng.randrange(len(body) + 1)
    return body[:at] + body[at + rng.randrange(1, 30) :]


def _twice(rng: random.Random, body: bytes) -> bytes:
    at = rng.randrange(len(body) + 1)
    end = at + rng.randrange(1, 300)
    return body[:end] + body[at:]


def _with(rng: random.Random, body: bytes) -> bytes:
    at = rng.randrange(len(body) + 1)
    return body[:at] + rng.choice((*RAW, rng.randbytes(rng.randrange(1, 20)))) + body[at:]


# ---- damage to values


def _value(rng: random.Random, body: bytes) -> bytes:
    """Another value somewhere."""
    return _changed(rng, body, lambda: rng.choice(STRANGE))


def _raw(rng: random.Random, body: bytes) -> bytes:
    """No value somewhere."""
    return _changed(rng, body, lambda: _NUL).replace(json.dumps(_NUL).encode(), rng.choice(RAW))


def _changed(rng: random.Random, body: bytes, value: Callable[[], Any]) -> bytes:
    try:
        top = json.loads(body)
    except (ValueError, RecursionError):
        return _flip(rng, body)
    if not isinstance(top, dict | list) or not top:
        return _text(value())
    at = top
    while True:
        key: Any = rng.choice(list(at)) if isinstance(at, dict) else rng.randrange(len(at))
        within = at[key]
        if isinstance(within, dict | list) and within and rng.random() < 0.7:
            at = within
            continue
        if isinstance(at, dict) and rng.random() < 0.2:
            del at[key]
        else:
            at[key] = value()
        return _text(top)


def _member_twice(rng: random.Random, body: bytes) -> bytes:
    """A member that stands twice, with the same value or another."""
    places = [at for at in range(len(body)) if body[at : at + 1] == b"{"]
    if not places:
        return _with(rng, body)
    at = rng.choice(places) + 1
    name = rng.choice((b"sensor_id", b"token", b"secret", b"timestamp", b"power", b"probe_id", b"version", b"data"))
    return body[:at] + b'"' + name + b'":' + rng.choice((b"1", b'"gre000001"', b"[]", b"null")) + b"," + body[at:]


def _deeper(rng: random.Random, body: bytes) -> bytes:
    """Packed into objects and lists."""
    for _ in range(rng.choice((1, 10, 31, 32, 33, 2000))):
        body = b"[" + body + b"]" if rng.random() < 0.5 else b'{"a":' + body + b"}"
        if len(body) > 100_000:
            break
    return body


def _text(value: Any) -> bytes:
    # Not more digits than a person's patience: Python refuses to write longer ones by itself.
    return json.dumps(value, default=str).encode() if not _long(value) else b'{"timestamp":' + b"7" * 5000 + b"}"


def _long(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_long, value.values()))
    if isinstance(value, list):
        return any(map(_long, value))
    return type(value) is int and value.bit_length() > 14_000


_DAMAGES = (_flip, _flip, _cut, _without, _twice, _with, _value, _value, _value, _raw, _member_twice, _deeper)


def damaged_bytes(seed: int, wholes: list[bytes]) -> Iterator[bytes]:
    """Bytes of any kind, damaged without a look at what they mean."""
    rng = random.Random(seed)
    while True:
        data = rng.choice(wholes)
        for _ in range(rng.choice((1, 1, 2, 4))):
            data = rng.choice((_flip, _flip, _cut, _without, _twice, _with))(rng, data)
        yield data
