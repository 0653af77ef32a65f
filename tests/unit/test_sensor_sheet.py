"""A CSV file of sensors, as spreadsheets write it."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.catalog.admin import sheet
from streams.catalog.admin.importing import Verdict, bring_in, counts
from streams.catalog.admin.sheet import SheetError, read
from streams.catalog.commands import ChangeSensor, PutSite, RegisterSensor, RevokeSensor
from streams.catalog.tokens import hash_of
from tests.fakes.catalog import FakeCatalog

FULL = (
    "sensor_id,units,zone,site,owner,address,category,zero_based,nominal_voltage_v,contracted_power_w,thresholds\n"
    'GRE000001,base,Europe/Paris,plant,"Mill, ""AG""","1 High St, Paris",SUB,yes,230.5,36000,sag_pct=88 swell_pct=110.5\n'
)


def one(content: str | bytes) -> sheet.Row:
    (row,) = read(content if isinstance(content, bytes) else content.encode())
    return row


def test_every_column() -> None:
    row = one(FULL)
    assert row.fault is None
    assert row.command == RegisterSensor(
        sensor_id="gre000001",
        secret_sha256="0" * 64,
        units="base",
        zone="Europe/Paris",
        site="plant",
        owner='Mill, "AG"',
        address="1 High St, Paris",
        category="sub",
        zero_based=True,
        nominal_voltage_v=230.5,
        contracted_power_w=36000.0,
        thresholds={"sag_pct": 88.0, "swell_pct": 110.5},
    )


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("sensor_id,owner\ngre000001,Müller\n".encode(), id="plain"),
        pytest.param("\ufeffsensor_id,owner\r\ngre000001,Müller\r\n".encode(), id="CSV UTF-8 of Excel"),
        pytest.param("\ufeffsensor_id;owner\r\ngre000001;Müller\r\n".encode(), id="semicolons"),
        pytest.param("sensor_id\towner\r\ngre000001\tMüller\r\n".encode("utf-16"), id="Unicode text of Excel"),
        pytest.param("sep=;\r\nsensor_id;owner\r\ngre000001;Müller\r\n".encode(), id="a line that names the separator"),
        pytest.param('"Sensor ID","Owner",,\n"gre000001","Müller",,\n,,,\n'.encode(), id="quotes, empty columns and rows"),
        pytest.param("owner,sensor-id\n Müller ,GRE000001".encode(), id="other order, no last line end"),
    ],
)
def test_what_spreadsheets_write(content: bytes) -> None:
    row = one(content)
    assert row.command is not None
    assert (row.command.sensor_id, row.command.owner) == ("gre000001", "Müller")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(b"", "the file is empty; expected a header row with sensor_id", id="empty"),
        pytest.param(b"\n ,\n", "the file is empty", id="blank"),
        pytest.param(
            b"sensor_id,colour\n", "names 'colour'; expected sensor_id, and some of kind, units, zone", id="unknown column"
        ),
        pytest.param(b"owner\nx\n", "has no sensor_id; it names owner", id="no id"),
        pytest.param(b"sensor_id,owner,Owner\n", "names owner twice", id="twice"),
        pytest.param(
            "sensor_id,owner\ngre000001,Müller\n".encode("cp1252"), "line 2 is not UTF-8; in Excel, save as", id="cp1252"
        ),
        pytest.param(b'sensor_id,owner\ngre000001,"open\n', "line 2: ", id="an open quote"),
        pytest.param(b'sensor_id,owner\ngre000001,"a"b\n', "line 2: ", id="a quote within"),
        pytest.param(b"gre000001\ngre000002\n", "names 'gre000001'", id="no header"),
        pytest.param(b"sensor_id\n" + b"a\n" * 10_001, "more than 10000 rows", id="too many"),
    ],
)
def test_a_file_that_cannot_be_used(content: bytes, says: str) -> None:
    with pytest.raises(SheetError) as refused:
        read(content)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("header", "cells", "field", "code", "came"),
    [
        ("sensor_id", "12", "sensor_id", "out_of_range", "'12'"),
        ("owner,sensor_id", "x,", "sensor_id", "missing_field", "missing"),
        ("sensor_id,units", "gre000001,W", "units", "out_of_range", "'w'"),
        ("sensor_id,zone", "gre000001,Mars/Olympus", "zone", "out_of_range", "'Mars/Olympus'"),
        ("sensor_id,site", "gre000001,Plant 1", "site", "out_of_range", "'Plant 1'"),
        ("sensor_id,category", "gre000001,big", "category", "out_of_range", "'big'"),
        ("sensor_id,zero_based", "gre000001,maybe", "zero_based", "wrong_type", "'maybe'"),
        ("sensor_id,nominal_voltage_v", "gre000001,230V", "nominal_voltage_v", "wrong_type", "'230V'"),
        ("sensor_id,nominal_voltage_v", "gre000001,0", "nominal_voltage_v", "out_of_range", "0.0"),
        ("sensor_id,contracted_power_w", "gre000001,nan", "contracted_power_w", "out_of_range", "'nan'"),
        ("sensor_id,contracted_power_w", "gre000001,-1", "contracted_power_w", "out_of_range", "-1"),
        ("sensor_id,thresholds", "gre000001,sag", "thresholds", "wrong_type", "'sag'"),
        ("sensor_id,thresholds", "gre000001,sag=low", "thresholds", "wrong_type", "'sag=low'"),
        ("sensor_id,thresholds", "gre000001,Sag=1", "thresholds", "out_of_range", "'Sag'"),
        ("sensor_id,owner", "gre000001," + "x" * 201, "owner", "out_of_range", "xxx…"),
        ("sensor_id,owner", "gre000001,a\x00b", "owner", "out_of_range", "x00"),
        ("sensor_id,owner", "gre000001,Mill, AG", "", "too_many_cells", "'AG'"),
    ],
)
def test_a_row_that_is_refused_says_why(header: str, cells: str, field: str, code: str, came: str) -> None:
    good, bad, after = read(f"{header}\n{_good(header)}\n{cells}\n{_good(header, 'gre000999')}\n".encode())
    assert good.command is not None
    assert after.command is not None
    assert bad.fault is not None
    assert (bad.line, bad.fault.field, bad.fault.code) == (3, field, code)
    assert came in str(bad.fault)
    assert "expected" in str(bad.fault)


def _good(header: str, name: str = "gre000777") -> str:
    return ",".join(name if column == "sensor_id" else "" for column in header.split(","))


def test_lines_are_those_of_the_file() -> None:
    rows = read(b'\nsensor_id,owner\n\ngre000001,"two\nlines"\ngre000002,x\ngre000002,x\n')
    assert [row.line for row in rows] == [4, 6, 7]
    assert [row.fault is None for row in rows] == [False, True, False]
    assert rows[2].fault is not None
    assert str(rows[2].fault).startswith("gre000002 stands in line 6 already")


@given(st.binary(max_size=200))
def test_no_content_makes_it_fail(content: bytes) -> None:
    for whole in (content, b"sensor_id,owner,thresholds\n" + content):
        with contextlib.suppress(SheetError):
            read(whole)


# ---- into the catalog


def content_of(*rows: str) -> list[sheet.Row]:
    return read(("sensor_id,owner,site\n" + "\n".join(rows)).encode())


async def brought(catalog: FakeCatalog, *rows: str) -> list[tuple[str, str]]:
    return [(v.result, v.code) for v in await bring_in(catalog, content_of(*rows), actor="test")]


async def test_each_row_has_its_own_verdict() -> None:
    catalog = FakeCatalog(
        PutSite(site_id="plant", zone="UTC"),
        RegisterSensor(sensor_id="old000001", secret_sha256="a" * 64, owner="Mill"),
        RegisterSensor(sensor_id="gone000001", secret_sha256="a" * 64),
        RevokeSensor(sensor_id="gone000001"),
    )
    rows = (
        "new000001,Mill,plant",
        "new000002,,nowhere",
        "old000001,Mill,",
        "old000001,Other,",
        "old000002,,",
        "gone000001,,",
        "x,,",
    )
    assert await brought(catalog, *rows) == [
        ("added", ""),
        ("refused", "unknown_site"),
        ("unchanged", ""),
        ("refused", "repeated"),
        ("added", ""),
        ("refused", "sensor_exists"),
        ("refused", "out_of_range"),
    ]
    assert (await brought(catalog, "old000001,Other,")) == [("refused", "sensor_exists")]
    assert (await brought(catalog, "new000001,Mill,plant", "old000002,,")) == [("unchanged", ""), ("unchanged", "")]
    catalog.add(ChangeSensor(sensor_id="new000001", owner="Somebody"))
    assert (await brought(catalog, "new000001,Mill,plant")) == [("refused", "sensor_exists")]


async def test_each_secret_is_told_once_and_fits() -> None:
    catalog, heard = FakeCatalog(), list[Verdict]()
    rows = content_of(*(f"gre{k:06d},," for k in range(100)))
    assert counts(await bring_in(catalog, rows, actor="test", dry_run=True))["added"] == 100
    assert not catalog.state.sensors
    verdicts = await bring_in(catalog, rows, actor="test", hear=heard.append)
    assert {v.sensor_id for v in heard} == {v.sensor_id for v in verdicts} == set(catalog.state.sensors)
    assert all(catalog.state.sensors[v.sensor_id].secret_sha256 == hash_of(v.secret or "") for v in verdicts)
    assert len({v.secret for v in verdicts}) == 100
    assert all(v.secret is None for v in await bring_in(catalog, rows, actor="test"))
