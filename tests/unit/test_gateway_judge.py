"""Bodies to answers: the samples, the table of faults, and whatever else may come."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.gateway import body, exact
from producers.gateway.verdict import Admission, Batch, Post, Rejection
from schemas import wire

GOLDEN = Path(__file__).parents[1] / "golden" / "sensor_samples"
INDEX = json.loads((GOLDEN / "index.json").read_text())["files"]
NOW_MS = 1_800_000_000_000
NOW_S = NOW_MS // 1000
CODES_400 = {"bad_json", "bad_encoding", "duplicate_key", "too_deep"}
CODES_422 = {
    "not_an_object", "missing_field", "wrong_type", "bad_version", "bad_sensor_id", "timestamp_too_old", "timestamp_future",
    "bad_probe_count", "bad_probe_id", "duplicate_probe", "bad_probe_type", "sample_count", "out_of_range",
}  # fmt: skip


def anyone(*_: object) -> Admission:
    return Admission(1, False)


def in_watts(*_: object) -> Admission:
    return Admission(1000, False)


def nobody(*_: object) -> Rejection:
    return Rejection(401, "token_invalid", "token", "no")


def probe(**changes: Any) -> dict[str, Any]:
    good = {"probe_id": 1, "probe_type": "CT", "power": [1000] * 20, "pf": [90] * 20, "voltage": [220_000] * 20}
    return {name: value for name, value in (good | changes).items() if value is not None}


def post(**changes: Any) -> dict[str, Any]:
    good = {"version": "221013", "sensor_id": "gre000001", "token": "t", "timestamp": 1_700_000_000, "data": [probe()]}
    return {name: value for name, value in (good | changes).items() if value is not None}


def judged(what: Any, admit: Any = anyone) -> Post | Rejection:
    """The verdict, after holding that the two ways agree."""
    raw = what if isinstance(what, bytes) else json.dumps(what).encode()
    slow = exact.judge(raw, admit, None, NOW_MS)
    quick = body.accept(raw, admit, None, NOW_MS)
    assert quick is None or quick == slow
    assert body.judge(raw, admit, None, NOW_MS) == slow
    return slow


@pytest.mark.parametrize("sample", INDEX, ids=[sample["file"] for sample in INDEX])
def test_each_sample_gets_its_status_and_code(sample: dict[str, Any]) -> None:
    verdict = judged((GOLDEN / sample["file"]).read_bytes())
    found = (202, "accepted") if isinstance(verdict, Post) else (verdict.status, verdict.code)
    assert found == (sample["expect_status"], sample["expect_code"])


LONG_VOLTAGE = json.dumps(post(data=[probe(voltage=-7)])).replace("-7", "7" * 5000).encode()

FAULTS = [
    ("a list", [], 422, "not_an_object", None),
    ("a number", b"5", 422, "not_an_object", None),
    ("nothing", b"", 400, "bad_json", None),
    ("a byte order mark", b"\xef\xbb\xbf{}", 400, "bad_json", None),
    ("NaN", b'{"sensor_id":NaN}', 400, "bad_json", None),
    ("minus infinity", b'{"a":-Infinity}', 400, "bad_json", None),
    ("a comment", b"{} // x", 400, "bad_json", None),
    ("two values", b"{}{}", 400, "bad_json", None),
    ("a raw control character", b'{"sensor_id":"\x01"}', 400, "bad_json", None),
    ("latin-1", '{"sensor_id":"é"}'.encode("latin-1"), 400, "bad_encoding", None),
    ("an encoded surrogate", b'{"sensor_id":"\xed\xa0\x80"}', 400, "bad_encoding", None),
    ("a member twice", b'{"version":"221013","version":"221013"}', 400, "duplicate_key", "version"),
    ("a member twice, once escaped", b'{"version":"1","\\u0076ersion":"1"}', 400, "duplicate_key", "version"),
    ("33 levels", json.dumps(post())[:-1].encode() + b',"x":' + b"[" * 32 + b"]" * 32 + b"}", 400, "too_deep", None),
    ("a hundred thousand levels", b"[" * 100_000, 400, "too_deep", None),
    ("no sensor_id", post(sensor_id=None), 422, "missing_field", "sensor_id"),
    ("a sensor_id of another type", post(sensor_id=1), 422, "wrong_type", "sensor_id"),
    ("arabic digits", post(sensor_id="gre٠٠٠٠٠١"), 422, "bad_sensor_id", "sensor_id"),
    ("a line end behind the id", post(sensor_id="gre000001\n"), 422, "bad_sensor_id", "sensor_id"),
    ("59 letters", post(sensor_id="a" * 59 + "000001"), 422, "bad_sensor_id", "sensor_id"),
    ("seven digits", post(sensor_id="gre0000001"), 422, "bad_sensor_id", "sensor_id"),
    ("a lone surrogate", b'{"sensor_id":"\\ud800"}', 422, "bad_sensor_id", "sensor_id"),
    ("no version", post(version=None), 422, "missing_field", "version"),
    ("a version as number", post(version=221013), 422, "wrong_type", "version"),
    ("month 13", post(version="221313"), 422, "bad_version", "version"),
    ("29 February of a common year", post(version="230229"), 422, "bad_version", "version"),
    ("seven digits of version", post(version="2210130"), 422, "bad_version", "version"),
    ("a quoted timestamp", post(timestamp="1700000000"), 422, "wrong_type", "timestamp"),
    ("true for a timestamp", post(timestamp=True), 422, "wrong_type", "timestamp"),
    ("1.7e9", json.dumps(post()).replace("1700000000", "1.7e9").encode(), 422, "wrong_type", "timestamp"),
    ("the last second of 2019", post(timestamp=1_577_836_799), 422, "timestamp_too_old", "timestamp"),
    ("301 s ahead", post(timestamp=NOW_S + 301), 422, "timestamp_future", "timestamp"),
    ("milliseconds", post(timestamp=NOW_MS), 422, "timestamp_future", "timestamp"),
    ("9999 digits", json.dumps(post()).replace("1700000000", "9" * 9999).encode(), 422, "timestamp_future", "timestamp"),
    ("no data", post(data=None), 422, "missing_field", "data"),
    ("data as object", post(data={}), 422, "wrong_type", "data"),
    ("no probe", post(data=[]), 422, "bad_probe_count", "data"),
    ("a probe that is null", post(data=[None]), 422, "wrong_type", "data[0]"),
    ("probe 0", post(data=[probe(probe_id=0)]), 422, "bad_probe_id", "data[0].probe_id"),
    ("probe 1.0", post(data=[probe(probe_id=1.0)]), 422, "wrong_type", "data[0].probe_id"),
    ("probe 2 twice", post(data=[probe(probe_id=2), probe(probe_id=2)]), 422, "duplicate_probe", "data[1].probe_id"),
    ("probe 2, then a second", post(data=[probe(probe_id=2), probe(probe_id=None)]), 422, "duplicate_probe", "data[1].probe_id"),
    ("ct in small letters", post(data=[probe(probe_type="ct")]), 422, "bad_probe_type", "data[0].probe_type"),
    ("no type", post(data=[probe(probe_type=None)]), 422, "missing_field", "data[0].probe_type"),
    ("no pf", post(data=[probe(pf=None)]), 422, "missing_field", "data[0].pf"),
    ("17 values", post(data=[probe(power=[1] * 17)]), 422, "sample_count", "data[0].power"),
    ("23 values", post(data=[probe(power=[1] * 23)]), 422, "sample_count", "data[0].power"),
    ("lists of 20 and 19", post(data=[probe(pf=[1] * 19)]), 422, "sample_count", "data[0].pf"),
    ("voltage of 19", post(data=[probe(voltage=[1] * 19)]), 422, "sample_count", "data[0].voltage"),
    ("a true in a list", post(data=[probe(pf=[1] * 19 + [True])]), 422, "wrong_type", "data[0].pf[19]"),
    ("a null in a list", post(data=[probe(power=[1] * 19 + [None])]), 422, "wrong_type", "data[0].power[19]"),
    ("2 MW and a bit", post(data=[probe(power=[2_000_000_001] * 20)]), 422, "out_of_range", "data[0].power"),
    ("65 bits", post(data=[probe(power=[2**64] * 20)]), 422, "out_of_range", "data[0].power"),
    ("five thousand digits", LONG_VOLTAGE, 422, "out_of_range", "data[0].voltage"),
    ("pf -101", post(data=[probe(pf=[-101] * 20)]), 422, "out_of_range", "data[0].pf"),
    ("a negative voltage", post(data=[probe(voltage=-1)]), 422, "out_of_range", "data[0].voltage"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "status", "code", "field"), [case[1:] for case in FAULTS], ids=[case[0] for case in FAULTS])
def test_each_fault_has_one_answer(what: Any, status: int, code: str, field: str | None) -> None:
    verdict = judged(what)
    assert isinstance(verdict, Rejection)
    assert (verdict.status, verdict.code, verdict.field) == (status, code, field)
    assert not verdict.retry


GOOD = [
    ("32 levels", json.dumps(post())[:-1].encode() + b',"x":' + b"[" * 31 + b"]" * 31 + b"}"),
    ("unknown members", post(later={"a": [1, {"b": None}]}, data=[probe(temperature=21.5)])),
    ("a colon in an unknown string", post(note="a:b")),
    ("an unknown later version", post(version="991231")),
    ("300 s ahead", post(timestamp=NOW_S + 300)),
    ("the first second of 2020", post(timestamp=1_577_836_800)),
    ("18 values", post(data=[probe(power=[1] * 18, pf=[1] * 18, voltage=[1] * 18)])),
    ("22 values, one voltage", post(data=[probe(power=[1] * 22, pf=[1] * 22, voltage=230_000)])),
    ("the edges", post(data=[probe(power=[-2 * 10**9, 2 * 10**9] * 10, pf=[-100, 100] * 10, voltage=[0, 10**6] * 10)])),
    ("minus zero", json.dumps(post()).replace("[1000,", "[-0,").encode()),
    ("probes out of order", post(data=[probe(probe_id=3), probe(probe_id=1)])),
    ("no probe ids", post(data=[probe(probe_id=None), probe(probe_id=None), probe(probe_id=None)])),
    ("white space", json.dumps(post(), indent=3).encode() + b"\r\n\t "),
    ("no token", post(token=None)),
    ("a name in capitals", post(sensor_id="GRE000001")),
]  # fmt: skip


@pytest.mark.parametrize("what", [case[1] for case in GOOD], ids=[case[0] for case in GOOD])
def test_good_bodies_are_accepted(what: Any) -> None:
    verdict = judged(what)
    assert isinstance(verdict, Post), verdict
    assert verdict.sensor_id == "gre000001"


def test_an_absent_probe_is_missing_not_zero() -> None:
    verdict = judged(post(data=[probe(probe_id=2)]))
    assert isinstance(verdict, Post)
    assert verdict.reading.missing == [1, 3]
    assert verdict.reading.phases == 0b010


def test_watts_and_volts_become_milliwatts_and_millivolts_before_the_ranges() -> None:
    verdict = judged(post(data=[probe(power=[-2_000_000, 5] * 10, voltage=230)]), in_watts)
    assert isinstance(verdict, Post)
    assert verdict.reading.packed == wire.pack([(1, "CT", [-2_000_000_000, 5000] * 10, [90] * 20, [230_000])])
    refused = judged(post(data=[probe(power=[2_000_001] * 20, voltage=230)]), in_watts)
    assert isinstance(refused, Rejection)
    assert refused.code == "out_of_range"


def test_a_stranger_learns_nothing_about_the_rest_of_the_body() -> None:
    for what in (post(), post(version=1), post(timestamp="x"), post(data=[])):
        verdict = judged(what, nobody)
        assert isinstance(verdict, Rejection)
        assert verdict.code == "token_invalid"


def test_the_good_samples_take_the_short_way() -> None:
    for sample in INDEX:
        if sample["expect_status"] == 202:
            assert body.accept((GOLDEN / sample["file"]).read_bytes(), anyone, None, NOW_MS)


# ---- anything at all


def allowed(verdict: Post | Batch | Rejection) -> bool:
    if isinstance(verdict, Rejection):
        known = {400: CODES_400, 422: CODES_422, 413: {"body_too_large"}}[verdict.status]
        json.dumps([verdict.field, verdict.detail]).encode()
        return verdict.code in known
    return True


@given(st.binary(max_size=300))
def test_any_bytes_get_an_answer(raw: bytes) -> None:
    assert allowed(judged(raw))
    assert allowed(body.judge_batch(raw, anyone, None, NOW_MS))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
MEMBERS = ["version", "sensor_id", "timestamp", "data", "probe_id", "probe_type", "power", "pf", "voltage", "records", "token"]


@given(st.data())
@settings(max_examples=300)
def test_good_bodies_with_anything_put_somewhere(data: st.DataObject) -> None:
    base = post(data=[probe(), probe(probe_id=2), probe(probe_id=3, voltage=230_000)])
    where = data.draw(st.sampled_from([base, *base["data"]]))
    where[data.draw(st.sampled_from(MEMBERS))] = data.draw(
        JSON | st.lists(st.integers(-(2**70), 2**70), min_size=18, max_size=22)
    )
    assert allowed(judged(base))


@given(st.data())
@settings(max_examples=300)
def test_good_bodies_with_bytes_changed(data: st.DataObject) -> None:
    raw = bytearray(json.dumps(post(data=[probe(), probe(probe_id=2)]), separators=(",", ":")).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        change = data.draw(st.sampled_from(["set", "delete", "repeat"]))
        if change == "set":
            raw[at] = data.draw(st.sampled_from(b'"{}[]:,0189.-eE\\ \xff\x00tn') | st.integers(0, 255))
        elif change == "delete":
            del raw[at : at + data.draw(st.integers(1, 40))]
        else:
            end = at + data.draw(st.integers(1, 60))
            raw[at:at] = raw[at:end]
    assert allowed(judged(bytes(raw)))


@given(st.sampled_from(["version", "sensor_id", "timestamp", "data", "token", "probe_id", "power", "voltage"]), st.integers(0, 1))
def test_a_member_that_stands_twice_is_always_noticed(name: str, same: int) -> None:
    base = post()
    place = base if name in base else base["data"][0]
    text = json.dumps(base, separators=(",", ":"))
    member = f'"{name}":{json.dumps(place[name], separators=(",", ":"))}'
    assert member in text
    verdict = judged(text.replace(member, f"{member},{member}" if same else f'{member},"{name}":0', 1).encode())
    assert isinstance(verdict, Rejection)
    assert (verdict.status, verdict.code, verdict.field) == (400, "duplicate_key", name)


# ---- batches


def batch(*records: Any, **changes: Any) -> bytes:
    whole = {"version": "221013", "sensor_id": "gre000001", "token": "t", "records": list(records)} | changes
    return json.dumps(whole).encode()


def record(timestamp: Any = 1_700_000_000, **changes: Any) -> dict[str, Any]:
    return {"timestamp": timestamp, "data": [probe(**changes)]}


def test_records_are_judged_one_by_one() -> None:
    verdict = body.judge_batch(
        batch(record(), record(1), 7, record(1_700_000_001), record(power=[1]), record("x")), anyone, None, NOW_MS
    )
    assert isinstance(verdict, Batch)
    assert [one.timestamp_s for one in verdict.readings] == [1_700_000_000, 1_700_000_001]
    assert [(r.index, r.timestamp, r.rejection.code) for r in verdict.rejected] == [
        (1, 1, "timestamp_too_old"),
        (2, None, "not_an_object"),
        (4, 1_700_000_000, "sample_count"),
        (5, None, "wrong_type"),
    ]


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        pytest.param(batch(), 422, "out_of_range", id="no records"),
        pytest.param(batch(*[1] * 601), 413, "body_too_large", id="601 records"),
        pytest.param(batch(records={}), 422, "wrong_type", id="records as object"),
        pytest.param(batch(record(), version="1"), 422, "bad_version", id="a bad version refuses the whole"),
        pytest.param(batch(record())[:-2] + b',"sensor_id":"a"}', 400, "bad_json", id="broken"),
        pytest.param(batch(record()).replace(b'"pf"', b'"pf":1,"pf"'), 400, "duplicate_key", id="a member twice in a record"),
    ],
)
def test_envelope_faults_refuse_the_whole(raw: bytes, status: int, code: str) -> None:
    verdict = body.judge_batch(raw, anyone, None, NOW_MS)
    assert isinstance(verdict, Rejection)
    assert (verdict.status, verdict.code) == (status, code)


@given(st.lists(st.sampled_from([record(), record(voltage=5), record(1), record(pf=None), 3]), min_size=1, max_size=5))
def test_both_ways_agree_on_batches(records: list[Any]) -> None:
    raw = batch(*records)
    quick = body.accept_batch(raw, anyone, None, NOW_MS)
    slow = exact.judge_batch(raw, anyone, None, NOW_MS)
    assert isinstance(slow, Batch)
    assert quick == (slow if not slow.rejected else None)
