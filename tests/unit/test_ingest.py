"""Lines, batches and reports of `powermon ingest`."""

import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.ingest.batches import BYTES_MAX, Batch, Grouping
from producers.ingest.files import BLOCK, BrokenFile, chunks
from producers.ingest.lines import LINE_MAX, Line, Refused, depth_of, fault_of, read_line
from producers.ingest.report import Report

GOLDEN = Path(__file__).parent.parent / "golden" / "sensor_hour" / "posts.ndjson.gz"


def line_of(text: str | bytes, *, needs_token: bool = False) -> Line | Refused:
    return read_line(7, text.encode() if isinstance(text, str) else text, needs_token=needs_token)


# ---- lines


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("hello", "bad_json", id="no JSON"),
        pytest.param('{"sensor_id":"gre000001",}', "bad_json", id="a trailing comma"),
        pytest.param('{"sensor_id":"gre000001"} {}', "bad_json", id="two values"),
        pytest.param('{"sensor_id":"gre000001"', "bad_json", id="cut off"),
        pytest.param(b'{"sensor_id":"gr\xff000001"}', "bad_encoding", id="not UTF-8"),
        pytest.param("[1]", "not_an_object", id="a list"),
        pytest.param('{"timestamp":1}', "missing_field", id="no sensor"),
        pytest.param('{"sensor_id":5}', "wrong_type", id="a number for a sensor"),
        pytest.param('{"sensor_id":"000001gre"}', "bad_sensor_id", id="digits first"),
        pytest.param('{"sensor_id":"gre00000١"}', "bad_sensor_id", id="digits of another script"),
        pytest.param('{"sensor_id":"gre000001","timestamp":1,"timestamp":2}', "duplicate_key", id="a repeated member"),
        pytest.param('{"sensor_id":"gre000001","timestamp":1,"time\\u0073tamp":2}', "duplicate_key", id="one of them escaped"),
        pytest.param('{"sensor_id":"gre000001","x":' + "[" * 32 + "]" * 32 + "}", "too_deep", id="33 levels"),
        pytest.param("[" * 100_000, "body_too_large", id="too long"),
        pytest.param("[" * 60_000, "too_deep", id="a hole"),
    ],
)
def test_lines_that_are_refused_before_they_are_sent(text: str | bytes, code: str) -> None:
    refused = line_of(text)
    assert isinstance(refused, Refused)
    assert (refused.number, refused.code) == (7, code)
    assert refused.detail


def test_a_line_without_its_own_token_is_refused() -> None:
    refused = line_of('{"sensor_id":"gre000001"}', needs_token=True)
    assert isinstance(refused, Refused)
    assert refused.code == "token_missing"


def test_a_record_keeps_what_it_does_not_know() -> None:
    text = '{ "extra":{"timestamp":[1.5e3]}, "version":"221013","sensor_id":"GRE000001","timestamp": 1.0 ,"token":"t","Ω":"ü"}'
    line = line_of(text, needs_token=True)
    assert line == Line(7, "gre000001", b'"221013"', b'"t"', '{"extra":{"timestamp":[1.5e3]},"timestamp":1.0,"Ω":"ü"}'.encode())


def test_with_a_token_for_all_the_lines_own_is_left_out() -> None:
    line = line_of('{"sensor_id":"gre000001","token":"stale"}')
    assert isinstance(line, Line)
    assert line.token is None
    assert line.record == b"{}"


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_good_json_has_no_fault(value: object) -> None:
    text = json.dumps(value)
    assert fault_of(text.encode()) is None
    assert fault_of(json.dumps(value, ensure_ascii=False).encode()) is None or "\\ud" in text


@pytest.mark.parametrize(("text", "depth"), [("1", 0), ("{}", 1), ('{"a":[[]]}', 3), (r'["[\"[{"]', 1), (r'["\\",[]]', 2)])
def test_brackets_in_strings_do_not_nest(text: str, depth: int) -> None:
    assert depth_of(text.encode()) == depth


# ---- batches


def made(
    number: int, sensor: str = "gre000001", version: bytes | None = b'"221013"', token: bytes | None = None, size: int = 20
) -> Line:
    record = b'{"timestamp":%d}' % number
    return Line(number, sensor, version, token, record[:-1] + b" " * max(size - len(record), 0) + b"}")


def grouped(lines: list[Line], **limits: int) -> list[Batch]:
    grouping = Grouping(**limits)
    return [batch for line in lines for batch in grouping.add(line)] + grouping.rest()


def numbers(batches: list[Batch]) -> list[list[int]]:
    return [[line.number for line in batch.lines] for batch in batches]


def test_a_batch_holds_600_records() -> None:
    assert [len(b.lines) for b in grouped([made(n) for n in range(1500)])] == [600, 600, 300]


def test_a_batch_holds_2_mib() -> None:
    batches = grouped([made(n, size=60_000) for n in range(100)])
    assert all(len(b.envelope(b'"' + b"t" * 256 + b'"')) <= 2 * 1024 * 1024 for b in batches)
    assert len(batches) == -(-100 // (BYTES_MAX // 60_001))


def test_a_change_of_version_or_token_starts_a_new_batch() -> None:
    lines = [made(1), made(2, version=b'"230101"'), made(3, version=b'"230101"', token=b'"t"'), made(4)]
    assert numbers(grouped(lines)) == [[1], [2], [3], [4]]


def test_when_too_much_is_held_the_largest_go_first() -> None:
    lines = [made(n, f"gre{n % 3:06d}") for n in range(9)] + [made(n, "gre000009", size=200) for n in range(9, 19)]
    batches = grouped(lines, held_max=5000)
    assert batches[0].sensor_id == "gre000009"
    assert sorted(n for some in numbers(batches) for n in some) == list(range(19))


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from([b'"1"', b'"2"', None]), st.integers(20, 400)), max_size=200),
    st.integers(1, 9),
    st.integers(500, 3000),
    st.integers(300, 20_000),
)
def test_each_sensor_keeps_its_file_order(drawn: list[tuple[int, bytes | None, int]], records: int, size: int, held: int) -> None:
    lines = [made(n, f"gre{who:06d}", version, size=long) for n, (who, version, long) in enumerate(drawn)]
    batches = grouped(lines, records_max=records, bytes_max=size, held_max=held)
    for who in range(4):
        sensor_id = f"gre{who:06d}"
        sent = [line for batch in batches if batch.sensor_id == sensor_id for line in batch.lines]
        assert sent == [line for line in lines if line.sensor_id == sensor_id]
    for batch in batches:
        assert 1 <= len(batch.lines) <= records
        assert len({line.version for line in batch.lines}) == 1
        assert batch.size <= max(size, batch.lines[0].record.__len__() + 1)


def test_envelopes_are_json() -> None:
    batch = Batch("gre000001", b'"221013"', None)
    batch.add(made(1))
    assert json.loads(batch.envelope(b'"t"')) == {
        "version": "221013",
        "sensor_id": "gre000001",
        "token": "t",
        "records": [{"timestamp": 1}],
    }
    assert json.loads(batch.single(b'"t"')) == {"version": "221013", "sensor_id": "gre000001", "token": "t", "timestamp": 1}
    bare = Batch("gre000001", None, None)
    bare.add(Line(1, "gre000001", None, None, b"{}"))
    assert json.loads(bare.single(b'"t"')) == {"sensor_id": "gre000001", "token": "t"}
    batch.add(made(2))
    assert numbers(list(batch.halves())) == [[1], [2]]


# ---- files


def lines_of(raw: bytes) -> list[tuple[int, bytes]]:
    return [line for some in chunks(io.BytesIO(raw), "posts") for line in some]


@given(st.lists(st.binary(max_size=40).filter(lambda b: b"\n" not in b), max_size=30), st.booleans())
def test_lines_come_with_their_numbers(texts: list[bytes], packed: bool) -> None:
    raw = b"\n".join(texts)
    if raw[:2] == b"\x1f\x8b" or raw[:3] == b"\xef\xbb\xbf":
        return
    found = lines_of(gzip.compress(raw) if packed else raw)
    assert found == [(n, text.strip()) for n, text in enumerate(texts, 1) if text.strip()]


def test_lines_across_blocks_and_members_of_gzip() -> None:
    texts = [b"%06d" % n + b"x" * n for n in range(1600)]
    raw = b"\r\n".join(texts) + b"\n"
    assert len(raw) > 4 * BLOCK
    expected = list(enumerate(texts, 1))
    assert lines_of(raw) == expected
    assert lines_of(gzip.compress(raw[:700_000]) + gzip.compress(raw[700_000:])) == expected


@pytest.mark.parametrize("length", [LINE_MAX - 1, LINE_MAX, LINE_MAX + 1, 3 * BLOCK + 5])
def test_a_line_too_long_is_cut_and_the_next_one_is_whole(length: int) -> None:
    found = lines_of(b"a\n" + b"x" * length + b"\nb")
    assert [n for n, _ in found] == [1, 2, 3]
    assert len(found[1][1]) == min(length, LINE_MAX + 1)
    assert found[2][1] == b"b"


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert lines_of(b"\xef\xbb\xbf{}\n") == [(1, b"{}")]


@pytest.mark.parametrize("cut", [20, 2000, -4])
def test_a_broken_gzip_gives_what_can_be_read_and_says_so(cut: int) -> None:
    raw = gzip.compress(b"\n".join(b"%d" % (n * n) for n in range(5000)))[:cut]
    found: list[tuple[int, bytes]] = []
    with pytest.raises(BrokenFile, match="posts cannot be read beyond line"):
        found.extend(line for some in chunks(io.BytesIO(raw), "posts") for line in some)
    assert [n for n, _ in found] == list(range(1, len(found) + 1))


def test_the_golden_hour_is_read_whole() -> None:
    with GOLDEN.open("rb") as source:
        lines = [read_line(n, text, needs_token=False) for some in chunks(source, "hour") for n, text in some]
    assert len(lines) == 10_731
    batches = grouped([line for line in lines if isinstance(line, Line)])
    assert len(batches) == 18
    assert sum(len(b.lines) for b in batches) == 10_731


# ---- reports


def test_a_report_names_the_first_lines_of_each_code() -> None:
    report = Report(lines=10, accepted=2, took_s=2.0, sensors={"gre000001"})
    for number in (9, 3, 4, 5, 6, 7, 8):
        report.refuse(Refused(number, "sample_count", ""))
    report.refuse(Refused(1, "bad_json", "what?"))
    assert report.sentences() == [
        "10 lines of 1 sensor: 2 accepted, 8 refused, in 2.0 s (5 lines/s)",
        "  sample_count x 7: lines 3, 4, 5, 6, 7 …",
        "  bad_json x 1: line 1 (what?)",
    ]
    assert report.as_json()["refused"] == {"sample_count": 7, "bad_json": 1}
    assert report.as_json()["examples"]["bad_json"] == [{"line": 1, "detail": "what?"}]
    assert not report.complete


def test_a_report_is_complete_when_every_line_was_accepted() -> None:
    assert Report(lines=3, accepted=3).complete
    assert not Report(lines=3, accepted=3, gave_up="no answer").complete
