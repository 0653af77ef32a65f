"""The short way can only accept, and then what the exact judge accepts: for good texts, and for such with damage."""

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.gateway import body, exact, frames, meter_values, quick
from producers.gateway.verdict import Admission, Batch, Post

GOLDEN = Path(__file__).parents[1] / "golden" / "sensor_samples"
SAMPLES = [one["file"] for one in json.loads((GOLDEN / "index.json").read_text())["files"] if one["expect_status"] == 202]
NOW_MS = 1_800_000_000_000
LATEST_S = NOW_MS // 1000 + exact.FUTURE_S
quick.warm()  # no example waits for the compiler


def admitting(scale: int) -> Any:
    return lambda *_: Admission(scale, True)


def agree(raw: bytes, scale: int) -> tuple[bool, bool]:
    """Hold the law for a text as a post, as a batch and as a frame; whether each way took it as one of them."""
    admit, taken = admitting(scale), []
    for quickly, exactly in ((body.accept, exact.judge), (body.accept_batch, exact.judge_batch)):
        found, expected = quickly(raw, admit, None, NOW_MS), exactly(raw, admit, None, NOW_MS)
        assert found is None or found == expected, raw
        taken.append((found is not None, isinstance(expected, Post) or (isinstance(expected, Batch) and not expected.rejected)))
    for zero_based in (False, True):
        frame = meter_values.accept(raw, zero_based, scale, NOW_MS)
        if frame is not None:
            read = frames.read(raw)
            assert isinstance(read, frames.Call), raw
            assert read.action == "MeterValues"
            assert frame == (read.id, meter_values.judge(read.payload, zero_based, scale, NOW_MS)), raw
        taken.append((frame is not None, frame is not None))
    return any(short for short, _ in taken), any(long for _, long in taken)


# ---- texts, written in any of the ways that JSON has for the same value

TEXT = [chr(c) for c in range(0x20, 0x80) if chr(c) not in '"\\']
SPACES = ["", "", "", "", " ", "\n", "\t\r\n  "]
QUOTED = ["1700000000", "2023-11-14T22:13:20Z", "2026-01-31T12:00:00.123+00:00"]


class Writer:
    """Makes good texts; a seed gives one."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.scale = self.dice.choice([1, 1000])

    def within(self, low: int, high: int) -> int:
        return self.dice.choice([self.dice.randint(low, high), low, high, self.dice.randint(max(low, -99), 99)])

    def probes(self, probe_id: str, kind: str, pf: str, ids: list[int]) -> list[dict[str, Any]]:
        power, voltage = exact.POWER_MAX_MW // self.scale, exact.VOLTAGE_MAX_MV // self.scale
        named, found = self.dice.random() < 0.7, []
        for one in self.dice.sample(ids, self.dice.randint(1, 3)):
            n = self.dice.randint(18, 22)
            probe: dict[str, Any] = {probe_id: one} if named else {}
            probe[kind] = self.dice.choice(exact.PROBE_TYPES)
            probe["power"] = [self.within(-power, power) for _ in range(n)]
            probe[pf] = [self.within(-100, 100) for _ in range(n)]
            probe["voltage"] = self.dice.choice([self.within(0, voltage), [self.within(0, voltage) for _ in range(n)]])
            found.append(probe)
        return found

    def second_s(self) -> int:
        return self.dice.choice([self.dice.randint(exact.TIMESTAMP_MIN_S, LATEST_S), exact.TIMESTAMP_MIN_S, LATEST_S])

    def text(self, most: int) -> str:
        return "".join(self.dice.choices(TEXT, k=self.dice.randint(0, most)))

    def post(self) -> dict[str, Any]:
        letters = "".join(self.dice.choices("abzABZ", k=self.dice.choice([1, 3, 58])))
        top = {"version": self.dice.choice(["221013", "991231"]), "sensor_id": f"{letters}{self.dice.randint(0, 999999):06d}"}
        if self.dice.random() < 0.5:
            top["token"] = self.text(70)
        data = [self.probes("probe_id", "probe_type", "pf", [1, 2, 3]) for _ in range(self.dice.randint(1, 3))]
        seconds = [{"timestamp": self.second_s(), "data": one} for one in data]
        return top | self.dice.choice([seconds[0], {"records": seconds}])

    def frame(self) -> list[Any]:
        ids = self.dice.choice([[0, 1, 2], [1, 2, 3]])
        data = [self.probes("probe", "probeType", "powerfactor", ids) for _ in range(self.dice.randint(1, 3))]
        seconds = [{"timestamp": self.dice.choice([self.second_s(), *QUOTED]), "sampledValue": one} for one in data]
        more = {name: self.dice.randint(-5, 10**12) for name in ("connectorId", "transactionId") if self.dice.random() < 0.5}
        return [2, self.text(36), "MeterValues", more | {"meterValue": seconds}]

    def written(self, value: Any) -> str:
        """As JSON, members in any order, white space wherever it may be."""
        before, behind, inside = self.dice.choices(SPACES, k=3)
        if isinstance(value, dict):
            members = [f"{self.written(name)}:{self.written(one)}" for name, one in value.items()]
            self.dice.shuffle(members)
            text = "{" + inside + ",".join(members) + "}"
        elif isinstance(value, list):
            text = "[" + inside + ",".join(map(self.written, value)) + "]"
        else:
            text = f'"{value}"' if isinstance(value, str) else str(value)
        return before + text + behind

    def damaged(self, raw: bytes) -> bytes:
        """With up to three changes: bits turned, pieces put in, left out, written twice, cut off."""
        text = bytearray(raw)
        for _ in range(self.dice.randint(1, 3)):
            at, piece = self.dice.randrange(len(text) + 1), self.dice.choice(PIECES)
            match self.dice.choice(["flip", "put", "instead", "drop", "again", "cut", "number", "member", "member"]):
                case "flip" if at < len(text):
                    text[at] ^= 1 << self.dice.randrange(8)
                case "put":
                    text[at:at] = piece
                case "instead":
                    text[at : at + self.dice.randint(1, 8)] = piece
                case "drop":
                    del text[at : at + self.dice.randint(1, 60)]
                case "again":
                    text[at:at] = text[at : at + self.dice.randint(1, 200)]
                case "cut" if self.dice.random() < 0.2:
                    del text[at:]
                case "number":
                    numbers = [found.span() for found in re.finditer(rb"-?\d+", text)]
                    start, end = self.dice.choice(numbers or [(0, 0)])
                    text[start:end] = self.dice.choice(NUMBERS)
                case _:
                    at = self.dice.choice([k + 1 for k, byte in enumerate(text) if byte in b"{,"] or [0])
                    text[at:at] = self.dice.choice(MEMBERS) + b","
        return bytes(text)


MEMBERS = [
    b'"power":1', b'"probe_id":2', b'"probe_id":1', b'"probe":0', b'"probe":1', b'"timestamp":1700000000', b'"x":1', b'"":1',
    b'"token":"t"', b'"version":"221013"', b'"sensor_id":"a000001"', b'"voltage":230000', b'"data":[]', b'"connectorId":1',
    b'"\\u0070robe":1', b'"records":[]', b'"probe_type":"CT"', b'"probeType":"CT"', b'"xxxxxxxxxxxxxxxxx":1', b"1", b"[]",
]  # fmt: skip
NUMBERS = [
    b"-0", b"00", b"01", b"-01", b"1.0", b"1.", b".5", b"1e2", b"1E+2", b"+1", b"-", b"4", b"3", b"0", b"100", b"101", b"-101",
    b"2000000000", b"2000000001", b"-2000000001", b"2000001", b"1000001", b"1001", b"4294967297", b"18446744073709551617",
    b"9" * 15, b"9" * 16, b"9" * 400, b'"5"', b"null", b"true", b"0x1", b"1_0", b"\xd9\xa3", b"1 1",
]  # fmt: skip
PIECES = [
    *MEMBERS, *NUMBERS, b",", b":", b"[", b"]", b"{", b"}", b'"', b"\\", b"\\u0070", b" ", b"\x00", b"\x1f", b"\x7f", b"\x80",
    b"\xc3\xa9", b"\xff", b"NaN", b"/**/", b"\xef\xbb\xbf", b"\x0b", b"\xc2\xa0",
]  # fmt: skip


@given(st.integers(0, 2**32), st.booleans())
@settings(max_examples=300, deadline=None)
def test_good_texts_take_the_short_way(seed: int, framed: bool) -> None:
    writer = Writer(seed)
    what = writer.frame() if framed else writer.post()
    short, long = agree(writer.written(what).encode(), writer.scale)
    assert short == long
    doubtful = (
        {3, 0} & {probe.get("probe", 1) for one in what[3]["meterValue"] for probe in one["sampledValue"]} if framed else ()
    )
    assert short or (framed and doubtful)


@given(st.integers(0, 2**32), st.booleans())
@settings(max_examples=1000, deadline=None)
def test_what_the_short_way_takes_the_exact_judge_takes_alike(seed: int, framed: bool) -> None:
    writer = Writer(seed)
    raw = writer.written(writer.frame() if framed else writer.post()).encode()
    agree(writer.damaged(raw), writer.dice.choice([writer.scale, writer.scale, 1, 1000]))


@given(st.binary(max_size=200))
def test_any_bytes(raw: bytes) -> None:
    agree(raw, 1)


@pytest.mark.parametrize("sample", SAMPLES)
def test_golden_samples_cut_and_with_each_byte_changed(sample: str) -> None:
    raw = (GOLDEN / sample).read_bytes()
    assert agree(raw, 1)[0]
    for at in range(0, len(raw), 7):
        assert not agree(raw[:at], 1)[0]
        for byte in b'0-.9",x\x00\xff':
            agree(raw[:at] + bytes((byte,)) + raw[at + 1 :], 1)


def seconds(n: int) -> bytes:
    probe = {"probe_type": "rogow_coil", "power": [-(2 * 10**9)] * 22, "pf": [-100] * 22, "voltage": [10**6] * 22}
    one = {"timestamp": 1_700_000_000, "data": [probe] * 3}
    return json.dumps({"version": "221013", "sensor_id": "a000001", "records": [one] * n}).encode()


def test_the_largest_batch_fits_and_one_more_is_not_read() -> None:
    found = body.accept_batch(seconds(600), admitting(1), None, NOW_MS)
    assert found is not None
    assert found == exact.judge_batch(seconds(600), admitting(1), None, NOW_MS)
    assert body.accept_batch(seconds(601), admitting(1), None, NOW_MS) is None
