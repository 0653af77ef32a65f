"""The catalog as a file: what was folded comes back, and nothing else does."""

import stat
from pathlib import Path

import pytest

from streams.catalog import commands, snapshot
from streams.catalog.apply import fold
from streams.catalog.envelope import seal
from streams.catalog.snapshot import Damaged, Place
from tests.unit.test_catalog import HASHES, add_user, folded, issue, register

PLACE = Place(41, b"\x01" * 32)


def state() -> snapshot.State:
    found, outcomes = folded(
        commands.PutSite(site_id="plant", zone="Europe/Paris", name="Plant 1", address="here"),
        register(site="plant", thresholds={"sag": 0.9, "low_pf": 0.92}, contracted_power_w=36_000.0),
        issue(1),
        issue(2),
        commands.RevokeSensor(sensor_id="gre000001"),
        add_user(),
        commands.IssueUserToken(name="ada", token_sha256=HASHES[3], scope="read", expires_at_ms=9),
        commands.PutReceiver(
            receiver_id="ops", channel="email", address="ops@example.com", quiet=("22:00-07:00",), sites=("plant",)
        ),
        commands.SwitchOffReceiver(receiver_id="ops", reason="gone"),
        commands.PutTariff(tariff_id="base", valid_from="2026-01-01", document='{"price":1}'),
    )
    assert all(outcome.accepted for outcome in outcomes)
    return found


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "new folder" / "catalog.snapshot"
    snapshot.write(file, snapshot.freeze(state()), PLACE)
    assert snapshot.read(file) == (state(), PLACE)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [*file.parent.iterdir()] == [file]


def test_a_snapshot_is_of_the_moment_it_was_taken(tmp_path: Path) -> None:
    live, before = state(), state()
    entries = snapshot.freeze(live)
    for k in range(2, 1500):
        fold(live, seal(register(sensor_id=f"gre{k:06d}"), command_id=f"{k}", at_ms=9, actor="test"))
    fold(live, seal(commands.ChangeSensor(sensor_id="gre000001", owner="Later"), command_id="x", at_ms=9, actor="test"))
    snapshot.write(tmp_path / "s", entries, PLACE)
    assert snapshot.read(tmp_path / "s")[0] == before


def test_many_entries_take_many_frames(tmp_path: Path) -> None:
    many, _ = folded(*(register(f"gre{k:06d}") for k in range(2500)))
    snapshot.write(tmp_path / "s", snapshot.freeze(many), PLACE)
    assert snapshot.read(tmp_path / "s")[0] == many


def test_a_file_that_is_cut_off_or_altered_anywhere_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "s"
    snapshot.write(file, snapshot.freeze(state()), PLACE)
    whole = file.read_bytes()
    for at in range(len(whole)):
        for bad in (whole[:at], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]):
            file.write_bytes(bad)
            with pytest.raises(Damaged):
                snapshot.read(file)
    file.write_bytes(whole + b"x")
    with pytest.raises(Damaged):
        snapshot.read(file)


def test_other_rules_fold_the_log_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot.write(tmp_path / "s", snapshot.freeze(state()), PLACE)
    monkeypatch.setattr(snapshot, "rules", lambda: "of another release")
    with pytest.raises(Damaged, match="other rules"):
        snapshot.read(tmp_path / "s")
