"""The decode contract, rule by rule; any cut of the input gives the same."""

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.tic.bytes import Parity, carries_parity, characters, with_parity
from producers.tic.decode import Decoder, Event, capture_json, decode
from producers.tic.frames import FRAME_MAX, Discarded, Why
from producers.tic.labels import LABELS, Kind, Mode, Phases
from producers.tic.rules import CONTRACT, LINE, Rules
from tests.tic import CAPTURES, FRAMES, GOLDEN, cut, framed, historic, standard

EVERYTHING = b"\r\n".join(path.read_bytes() for path in FRAMES + CAPTURES)
GOOD = standard("EAST", "011553667")


def body(*groups: bytes, rules: Rules = CONTRACT) -> dict[str, object]:
    """The only frame of these groups."""
    sent = framed(*groups)
    found = capture_json([with_parity(sent) if rules is LINE else sent], rules)
    assert len(found["frames"]) == 1
    frame: dict[str, object] = found["frames"][0]
    return frame


def refused(piece: bytes, rules: Rules = CONTRACT) -> list[str]:
    """Why a group beside a good one is refused."""
    (event,) = decode([framed(GOOD, piece)], rules)
    assert not isinstance(event, Discarded)
    assert list(event.groups) == ["EAST"]
    for one in event.rejected:
        assert "expected" in one.reason or "give" in one.reason
    return [one.code for one in event.rejected]


# ---- golden frames and captures


@pytest.mark.parametrize("rules", [CONTRACT, LINE], ids=["contract", "line"])
@pytest.mark.parametrize("path", FRAMES, ids=lambda path: path.stem)
def test_golden_frames(path: Path, rules: Rules) -> None:
    expected = json.loads(path.with_suffix(".json").read_text())
    sent = path.read_bytes()
    assert capture_json([with_parity(sent)], rules) == expected
    assert capture_json([sent], CONTRACT) == expected


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_captures_of_real_meters(path: Path) -> None:
    found = capture_json([path.read_bytes()])
    assert (found["rejected_groups"], found["discarded_frames"]) == (0, 0)
    assert capture_json([with_parity(path.read_bytes())], LINE) == found
    lines = path.read_bytes()[1:-1].decode().split("\n")[1:]
    sent = [line.rstrip("\r").split("\t" if "\t" in line else " ") for line in lines]
    (frame,) = found["frames"]
    assert list(frame) == [parts[0] for parts in sent]
    for parts in sent:
        entry, kind = frame[parts[0]], LABELS[Mode(found["mode"])][parts[0]].kind
        data = parts[-2].strip() if parts[-1] or len(parts) < 4 else parts[1]
        assert entry["value"] == (int(data) if kind is Kind.INT else data or None)


@given(st.lists(st.integers(0, len(EVERYTHING))), st.sampled_from([CONTRACT, LINE]))
@settings(max_examples=40, deadline=None)
def test_any_cut_gives_the_same(at: list[int], rules: Rules) -> None:
    sent = with_parity(EVERYTHING)
    assert list(decode(cut(sent, at), rules)) == list(decode([sent], rules))


def test_byte_by_byte_gives_the_same() -> None:
    sent = with_parity(EVERYTHING)
    assert list(decode((sent[at : at + 1] for at in range(len(sent))), LINE)) == list(decode([sent], LINE))


noise = st.one_of(
    st.binary(max_size=30),
    st.sampled_from([b"\x02", b"\x03", b"\x82", b"\x04", b"\x84", b"\n", GOOD, b"x" * FRAME_MAX, b"z" * 99]),
)


@given(st.lists(noise, max_size=12).map(b"".join), st.lists(st.integers(0, 20_000), max_size=12))
@settings(max_examples=200, deadline=None)
def test_any_cut_of_garbage_gives_the_same(data: bytes, at: list[int]) -> None:
    for rules in (CONTRACT, LINE):
        whole = list(decode([data], rules))
        assert list(decode(cut(data, at), rules)) == whole
        assert all(len(event.raw) <= FRAME_MAX + 1 for event in whole)
        begins = [event.begin for event in whole]
        assert begins == sorted(begins)
        assert all(event.stray >= 0 for event in whole)


# ---- labels


def test_the_table_is_the_published_one() -> None:
    rows = list(csv.DictReader((GOLDEN / "labels.csv").read_text().splitlines()))
    phases = {("y", "y"): Phases.ALL, ("y", "n"): Phases.SINGLE, ("n", "y"): Phases.THREE}
    expected = [
        (
            *(r["mode"], r["label"], r["type"], int(r["chars"]), r["unit"], r["horodate"] == "y"),
            *(phases[r["single_phase"], r["three_phase"]], r["producer_only"] == "y"),
        )
        for r in rows
    ]
    found = [
        (mode.value, x.name, x.kind.value, x.chars, x.unit, x.stamped, x.phases, x.producer)
        for mode, table in LABELS.items()
        for x in table.values()
    ]
    assert found == expected
    assert len(found) == 105


FORMS = {
    "PJOURF+1": "0000C001 06308002" + " NONUTILE" * 9,
    "PPOINTE": "00004005" + " NONUTILE" * 10,
    "OPTARIF": "BBR(",
    "PTEC": "HPJR",
    "DEMAIN": "----",
}


@pytest.mark.parametrize("rules", [CONTRACT, LINE], ids=["contract", "line"])
@pytest.mark.parametrize(("mode", "label"), [(mode, label) for mode in Mode for label in LABELS[mode]])
def test_each_label_once(mode: Mode, label: str, rules: Rules) -> None:
    known = LABELS[mode][label]
    data = FORMS.get(label, "A" if label == "HHPHC" else "12".rjust(known.chars, "0")) if known.chars else ""
    stamp = "H251228062542" if known.stamped else None
    group = standard(label, data, stamp) if mode is Mode.STANDARD else historic(label, data)
    value = {Kind.INT: 12, Kind.HORODATE: None}.get(known.kind, data)
    expected = {label: {"value": value, "horodate": "2025-12-28T05:25:42Z" if stamp else None}}
    assert body(group, rules=rules) == expected


def test_a_label_of_a_newer_meter_is_kept_as_text() -> None:
    assert body(standard("SINST1", "01187"), rules=LINE)["SINST1"]["value"] == "01187"
    assert body(historic("EAST", "011"))["EAST"]["value"] == "011"  # not a label of this mode


# ---- rules


@pytest.mark.parametrize(
    ("byte", "marked", "even", "stripped"),
    [
        (0x41, 0x41, 0x41, 0x41),  # even number of ones
        (0x43, 0x43, 0xFF, 0x43),  # odd, and nothing says that there is a parity
        (0xC3, 0x43, 0x43, 0x43),
        (0xC1, 0xFF, 0xFF, 0x41),
    ],
)
def test_parity(byte: int, marked: int, even: int, stripped: int) -> None:
    found = [characters(bytes([byte]), parity)[0] for parity in (Parity.MARKED, Parity.EVEN, Parity.STRIPPED)]
    assert found == [marked, even, stripped]


@pytest.mark.parametrize("path", FRAMES, ids=lambda path: path.stem)
def test_whether_a_line_carries_parity(path: Path) -> None:
    assert carries_parity(with_parity(path.read_bytes())) is True
    assert carries_parity(path.read_bytes()) is False
    assert carries_parity(with_parity(path.read_bytes())[:50]) is None


@pytest.mark.parametrize(
    ("bytes_in", "why"),
    [
        pytest.param(b"\x02" + GOOD + framed(GOOD), [Why.STX, None], id="STX in the middle"),
        pytest.param(b"\x02" + GOOD + b"\x04" + GOOD + b"\x03" + framed(GOOD), [Why.EOT, None], id="EOT in the middle"),
        pytest.param(b"\x02" + GOOD, [Why.END], id="the end in the middle"),
        pytest.param(GOOD + b"\x03\x04" + framed(GOOD), [None], id="begun in the middle"),
        pytest.param(b"\x02\x03" + framed(GOOD), [Why.NOTHING, None], id="an empty frame"),
        pytest.param(framed(b"\nEAST\t1\tx\r") + framed(GOOD), [Why.NOTHING, None], id="no group is right"),
        pytest.param(b"\x02" + b"a" * 5000 + b"\x03" + framed(GOOD), [Why.LENGTH, None], id="no end"),
        pytest.param(b"\x02" + b"a" * 9000 + framed(GOOD), [Why.LENGTH, None], id="no end, counted once"),
        pytest.param(b"\x02" + GOOD + b"\x83" + framed(GOOD), [Why.STX, None], id="a damaged ETX ends nothing"),
    ],
)
def test_frames(bytes_in: bytes, why: list[Why | None]) -> None:
    events: list[Event] = list(decode([bytes_in]))
    assert [event.why if isinstance(event, Discarded) else None for event in events] == why
    assert capture_json([bytes_in])["discarded_frames"] == sum(one is not None for one in why)


def test_a_frame_of_the_largest_size_is_kept() -> None:
    for size, count in ((FRAME_MAX, 1), (FRAME_MAX + 1, 0)):
        assert len(capture_json([framed(GOOD.ljust(size, b"\n"))])["frames"]) == count


@pytest.mark.parametrize(
    ("piece", "codes"),
    [
        pytest.param(GOOD.replace(b"6", b"7", 1), ["checksum"], id="a digit changed"),
        pytest.param(b"\nEASF01\t000000001\t\xc1\r", ["parity"], id="wrong parity"),
        pytest.param(b"\nEASF01 \x1f 1 x\r", ["character"], id="a control character"),
        pytest.param(b"\nEASF01\t1\r", ["shape"], id="two fields"),
        pytest.param(b"\nEASF01\t1\t2\t3\t4\r", ["shape"], id="five fields"),
        pytest.param(b"\nEASF01\t1\tab\r", ["shape"], id="a checksum of two characters"),
        pytest.param(b"\nEASF01\t1\t\r", ["shape"], id="no checksum"),
        pytest.param(b"\nPAPP0096000\r", ["shape"], id="no separator"),
        pytest.param(b"\nA\r", ["shape"], id="one character"),
        pytest.param(b"\n \r", ["shape"], id="a space"),
        pytest.param(historic("PAPP", "00960").replace(b" ", b"\x7f", 1), ["character"], id="DEL"),
        pytest.param(standard("East", "1"), ["label"], id="small letters"),
        pytest.param(standard("EASFABCDEF", "1"), ["label"], id="a label of ten characters"),
        pytest.param(standard("", "1"), ["label"], id="no label"),
        pytest.param(standard("EASF01", "00000000q"), ["value"], id="not digits"),
        pytest.param(standard("EASF01", "-00000001"), ["value"], id="a sign"),
        pytest.param(standard("STGE", "003a0000"), ["value"], id="small hexadecimal"),
        pytest.param(b"\n\r\r\n\n", [], id="nothing between line ends"),
        pytest.param(standard("EASF01", "1")[:-1] + standard("EASF02", "2")[1:], ["shape"], id="LF and CR lost"),
    ],
)
def test_groups_that_are_refused(piece: bytes, codes: list[str]) -> None:
    assert refused(piece) == codes


def test_the_checksum_that_is_a_space() -> None:
    assert historic("PTEC", "HP..") == b"\nPTEC HP..  \r"
    assert body(historic("PTEC", "HP.."))["PTEC"]["value"] == "HP.."
    assert body(standard("EASD01", "000000000"))["EASD01"]["value"] == 0


@pytest.mark.parametrize("line_ends", [b"\r\n", b"\n", b"\r", b"\n\n\r"])
def test_the_ends_of_lines_may_be_any(line_ends: bytes) -> None:
    groups = [GOOD.strip(b"\r\n"), standard("NTARF", "01").strip(b"\r\n")]
    assert list(body(line_ends.join([b"", *groups, b""]))) == ["EAST", "NTARF"]


@pytest.mark.parametrize("data", ["", "  "])
@pytest.mark.parametrize("label", ["EASF01", "STGE", "MSG1", "XYZ"])
def test_empty_data_is_null(label: str, data: str) -> None:
    assert body(standard(label, data)) == {label: {"value": None, "horodate": None}}


def test_text_keeps_its_inner_spaces_and_an_address_its_zeros() -> None:
    assert body(standard("LTARF", "    HP  BLEU    "))["LTARF"]["value"] == "HP  BLEU"
    assert body(historic("ADCO", "012345678901"))["ADCO"]["value"] == "012345678901"


def test_the_later_of_two_groups_counts() -> None:
    assert body(standard("NTARF", "01"), GOOD, standard("NTARF", "02"))["NTARF"]["value"] == 2


def test_the_mode_is_that_of_the_groups() -> None:
    assert capture_json([])["mode"] is None
    assert capture_json([b"\x02\x03"]) == {"mode": None, "frames": [], "rejected_groups": 0, "discarded_frames": 1}
    assert capture_json([framed(historic("PAPP", "00960"))])["mode"] == "historic"


# ---- what a line of our own demands besides


@pytest.mark.parametrize(
    ("piece", "codes"),
    [
        pytest.param(standard("EASF01", "00000001"), ["length"], id="a digit lost"),
        pytest.param(standard("EASF01", ""), ["length"], id="all digits lost"),
        pytest.param(standard("EASF01", "000000001", "H251228062542"), ["stamp"], id="a horodate too many"),
        pytest.param(standard("SMAXSN", "03985"), ["stamp"], id="no horodate"),
        pytest.param(standard("SMAXSN", "03985", "H2512q8062542"), ["value"], id="a letter in the horodate"),
        pytest.param(standard("PRM", "9999999900001w"), ["value"], id="a letter in the delivery point"),
        pytest.param(standard("RELAIS", "256"), ["value"], id="more than 8 relays"),
        pytest.param(standard("PJOURF+1", "0000C001" + " NONUTILE" * 9 + " NONUTILF"), ["value"], id="no profile"),
        pytest.param(historic("PAPP", "00960"), ["mode"], id="a group of the other mode"),
    ],
)
def test_groups_that_only_a_line_refuses(piece: bytes, codes: list[str]) -> None:
    (event,) = decode([with_parity(framed(GOOD, standard("NTARF", "01"), piece))], LINE)
    assert not isinstance(event, Discarded)
    assert [one.code for one in event.rejected] == codes
    assert list(event.groups) == ["EAST", "NTARF"]
    assert capture_json([framed(GOOD, standard("NTARF", "01"), piece)])["rejected_groups"] == 0


@pytest.mark.parametrize(("horodate", "count"), [("", 1), (" " * 13, 1), ("h000000000000", 1), ("H25122806254", 0)])
def test_a_line_keeps_a_value_whose_time_the_meter_does_not_know(horodate: str, count: int) -> None:
    sent = with_parity(framed(GOOD, standard("SMAXSN", "03985", horodate)))
    (frame,) = capture_json([sent], LINE)["frames"]
    assert len(frame) == 1 + count
    assert frame.get("SMAXSN", {"horodate": None})["horodate"] is None


def test_two_frames_that_ran_into_one_are_none() -> None:
    merged = with_parity(framed(GOOD, standard("NTARF", "01"), GOOD))
    assert [event.why for event in decode([merged], LINE) if isinstance(event, Discarded)] == [Why.REPEATED]
    assert len(capture_json([merged])["frames"]) == 1


def test_a_decoder_remembers_no_more_than_one_frame() -> None:
    decoder = Decoder(LINE)
    decoder.feed(b"\x82" + b"a" * 10_000_000)
    assert decoder.position == 10_000_001
    assert decoder.end() == []
