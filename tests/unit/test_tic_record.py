"""From a decoded frame to the log: whose it is, under which name, and what the record says."""

import json
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.cli import powermon
from producers.tic.bytes import with_parity
from producers.tic.decode import DecodedFrame, decode
from producers.tic.groups import Group
from producers.tic.identity import Meter, address_of, hidden, pseudonym
from producers.tic.record import Received, record
from producers.tic.rules import LINE
from schemas import tic_frame, topics, wire
from schemas.tic_frame import TicFrame, decode_frame
from tests.tic import FRAMES, GOLDEN, framed, historic, standard

ID = 9
KEY = b"0123456789abcdef"
RECEIVED = Received("992562000017", "boot-1", 41, 1_766_899_543_120, True, 77_000, 2, 31)


def schema_of(schema_id: int) -> wire.Schema | None:
    return wire.raw_schema(topics.TIC_FRAMES) if schema_id == ID else None


def only(data: bytes) -> DecodedFrame:
    (event,) = decode([with_parity(data)], LINE)
    assert isinstance(event, DecodedFrame)
    return event


def golden(name: str) -> DecodedFrame:
    return only((GOLDEN / "frames" / f"{name}.tic").read_bytes())


# ---- schema and record


def test_the_records_are_the_schema_field_by_field() -> None:
    found: dict[str, list[str]] = {}

    def collect(schema: object) -> None:
        if isinstance(schema, list):
            for one in schema:
                collect(one)
        elif isinstance(schema, dict):
            if schema.get("type") == "record":
                found[schema["name"]] = [field["name"] for field in schema["fields"]]
            for inner in ("type", "items", "fields"):
                collect(schema.get(inner))

    collect(wire.raw_schema(topics.TIC_FRAMES))
    assert set(found) == {"TicFrame", "TicLabel", "TicStatus", "TicSwitch", "TicLink", "TicRejected"}
    for name, names in found.items():
        assert [field.name for field in fields(getattr(tic_frame, name))] == names


@pytest.mark.parametrize("path", FRAMES, ids=lambda path: path.stem)
def test_every_golden_frame_goes_through_the_log(path: Path) -> None:
    frame = record(golden(path.stem), RECEIVED)
    key, value = frame.message(ID)
    assert key == b"992562000017"
    assert decode_frame(value, schema_of) == frame


def test_what_a_record_says() -> None:
    frame = record(golden("std_tri_tempo"), RECEIVED)
    assert (frame.meter_at_s, frame.clock_degraded, frame.mode) == (1_764_786_784, False, "standard")
    assert (frame.boot_id, frame.counter) == ("boot-1", 41)
    assert frame.status is not None
    assert (frame.status.tempo_today, frame.status.tempo_tomorrow) == ("blue", "red")
    assert frame.relays_closed == 0
    assert frame.tomorrow is not None
    assert [(one.minute, one.supplier_index) for one in frame.tomorrow] == [(0, 1), (360, 2), (1320, 1)]
    assert frame.peak_day is not None
    assert [one.supplier_index for one in frame.peak_day] == [5, 6, 5]
    assert (frame.link.bad_characters, frame.link.discarded_frames, frame.link.stray_characters) == (0, 2, 31)


@pytest.mark.parametrize(
    ("groups", "degraded", "at_s"),
    [
        pytest.param([standard("DATE", "", "H251228062542")], False, 1_766_899_542, id="right"),
        pytest.param([standard("DATE", "", "h251228062542")], True, 1_766_899_542, id="a small letter"),
        pytest.param([standard("DATE", "", "H251228062542"), standard("STGE", "00010000")], True, 1_766_899_542, id="STGE"),
        pytest.param([standard("NTARF", "01")], False, None, id="DATE was refused"),
        pytest.param([historic("PAPP", "00960")], False, None, id="historic"),
    ],
)
def test_the_meters_time(groups: list[bytes], degraded: bool, at_s: int | None) -> None:
    frame = record(only(framed(*groups)), RECEIVED)
    assert (frame.clock_degraded, frame.meter_at_s) == (degraded, at_s)


def test_refused_groups_keep_their_bytes() -> None:
    bad = standard("EASF01", "000000001").replace(b"0001", b"0002")
    frame = record(only(framed(standard("NTARF", "01"), bad)), RECEIVED)
    assert [(one.raw, one.label, one.code) for one in frame.rejected] == [(with_parity(bad)[1:-1], "EASF01", "checksum")]


# ---- whose frame


def test_under_a_key_nothing_names_the_home() -> None:
    address, point = "992562000017", "99999999000017"
    bad = [standard("ADSC", address).replace(b"17\t", b"18\t"), b"\n56200001 \t9\r", standard("MSG1", f"{point} X")]
    frame = only(framed(standard("ADSC", address), standard("PRM", point), *bad))
    under: TicFrame = record(frame, RECEIVED, KEY)
    _, value = under.message(ID)
    for piece in (address[2:], point, "5620000"):
        assert piece.encode() not in value
    assert under.meter_id == pseudonym(address, KEY) == {one.label: one.value for one in under.labels}["ADSC"]
    assert [one.label for one in under.rejected] == ["ADSC", "?", "MSG1"]


def test_a_pseudonym_is_that_of_its_key() -> None:
    assert pseudonym("992562000017", KEY) == pseudonym("992562000017", KEY)
    assert pseudonym("992562000017", KEY) != pseudonym("992562000017", KEY[::-1])
    with pytest.raises(ValueError, match="expected at least 16"):
        pseudonym("992562000017", b"short")


@given(st.lists(st.sampled_from("123456789"), min_size=12, max_size=12).map("".join))
@settings(deadline=None)
def test_only_what_names_a_home_changes(address: str) -> None:
    frame = only(framed(standard("ADSC", address), standard("EAST", "000000001")))
    found = hidden(frame.groups, KEY)
    assert found["EAST"] == frame.groups["EAST"]
    assert found["ADSC"].value not in (address, None)


def test_a_damaged_address_makes_no_meter() -> None:
    def saying(address: str | None) -> dict[str, Group]:
        return only(framed(historic("PAPP", "00960"), *([historic("ADCO", address)] if address else []))).groups

    one, other = "992262000043", "992262000044"
    meter = Meter()
    told = []
    for address in (None, one, one, other, one, None, other, other, other):
        groups = saying(address)
        meter = meter.after(groups)
        told.append((meter.address, meter.owns(groups)))
    assert told == [
        (None, False),
        (None, False),
        (one, True),
        (one, False),
        (one, True),
        (one, True),
        (one, False),
        (other, True),
        (other, True),
    ]
    assert address_of(saying(None)) is None


# ---- the command


def test_the_command_prints_the_contract() -> None:
    for args in ([], ["--json"], ["--json", "--strict"]):
        path = GOLDEN / "frames" / "std_mono_hchp.tic"
        sent = with_parity(path.read_bytes()) * 3
        result = CliRunner().invoke(powermon, ["tic", "decode", "-", *args], input=sent)
        assert result.exit_code == 0
        found = json.loads(result.stdout)
        expected = json.loads(path.with_suffix(".json").read_text())
        assert found == expected | {"frames": expected["frames"] * 3}
        assert ("3 frames" in result.stderr) is (args == [])


def test_the_command_says_what_was_wrong() -> None:
    result = CliRunner().invoke(powermon, ["tic", "decode", "-"], input=b"\x02noise\x02")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"mode": None, "frames": [], "rejected_groups": 0, "discarded_frames": 2}
    assert "1 cut off, 1 restarted" in result.stderr
    assert "no frame was right" in result.stderr


def test_a_file_that_is_none_is_wrong_usage() -> None:
    result = CliRunner().invoke(powermon, ["tic", "decode", "no-such-file"])
    assert result.exit_code == 2
    assert "does not exist" in result.output
