"""The catalog's rules, and that its fold depends on the log alone."""

import dataclasses
import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import topics, wire
from streams.catalog import commands, terms
from streams.catalog.admin.corrected import corrected
from streams.catalog.apply import apply, fold
from streams.catalog.commands import Command
from streams.catalog.envelope import KINDS, Envelope, seal
from streams.catalog.limits import limits_of
from streams.catalog.outcome import Outcome
from streams.catalog.state import State
from streams.catalog.tokens import hash_of, make_password, make_secret, make_token

HASHES = [hash_of(str(i)) for i in range(6)]
DAY_MS = 86_400_000


def register(sensor_id: str = "gre000001", **more: Any) -> commands.RegisterSensor:
    return commands.RegisterSensor(sensor_id=sensor_id, secret_sha256=HASHES[0], **more)


def issue(token: int, sensor_id: str = "gre000001", at_ms: int = 1_800_000_000_000) -> commands.IssueToken:
    return commands.IssueToken(
        sensor_id=sensor_id,
        token_sha256=HASHES[token],
        issued_at_ms=at_ms,
        expires_at_ms=at_ms + 7 * DAY_MS,
        refresh_at_ms=at_ms + 3 * DAY_MS,
    )


def add_user(name: str = "ada") -> commands.AddUser:
    return commands.AddUser(name=name, role="admin", password_hash="$argon2id$x", one_time=True)


def envelope(command: Command, command_id: str = "c", at_ms: int = 1_800_000_000_000) -> Envelope:
    return seal(command, command_id=command_id, at_ms=at_ms, actor="test")


def folded(*log: Command) -> tuple[State, list[Outcome]]:
    state = State()
    return state, [fold(state, envelope(command)) for command in log]


def test_the_second_registration_of_an_id_is_refused() -> None:
    state, outcomes = folded(register(units="base"), register())
    assert [o.code for o in outcomes] == ["accepted", "sensor_exists"]
    assert state.sensors["gre000001"].units == "base"


def test_a_third_token_retires_the_oldest() -> None:
    state, outcomes = folded(register(), issue(1), issue(2), issue(3))
    assert all(o.accepted for o in outcomes)
    assert state.sensors["gre000001"].tokens == (HASHES[2], HASHES[3])
    assert set(state.sensor_tokens) == {HASHES[2], HASHES[3]}


def test_a_revoked_sensor_gets_no_token_and_its_id_is_not_used_again() -> None:
    state, outcomes = folded(register(), issue(1), commands.RevokeSensor(sensor_id="gre000001"), issue(2), register())
    assert [o.code for o in outcomes] == ["accepted", "accepted", "accepted", "sensor_disabled", "sensor_exists"]
    assert state.sensors["gre000001"].revoked


def test_tokens_are_of_one_owner() -> None:
    user_token = commands.IssueUserToken(name="ada", token_sha256=HASHES[1], scope="read write", expires_at_ms=1)
    _, outcomes = folded(register(), add_user(), issue(1), user_token, issue(1))
    assert [o.code for o in outcomes][-2:] == ["token_exists", "token_exists"]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (issue(1), "unknown_sensor"),
        (commands.RevokeSensor(sensor_id="gre000001"), "unknown_sensor"),
        (commands.SetPassword(name="ada", password_hash="$argon2id$y"), "unknown_user"),
        (commands.IssueUserToken(name="ada", token_sha256=HASHES[1], scope="read", expires_at_ms=1), "unknown_user"),
    ],
)
def test_what_is_not_there_cannot_be_changed(command: Command, code: str) -> None:
    _, (outcome,) = folded(command)
    assert (outcome.accepted, outcome.code) == (False, code)


def put_tariff(valid_from: str, document: str = "{}") -> commands.PutTariff:
    return commands.PutTariff(tariff_id="base", valid_from=valid_from, document=document)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (commands.ChangeSensor(sensor_id="gre000001", owner="x"), "unknown_sensor"),
        (commands.RenewSecret(sensor_id="gre000001", secret_sha256=HASHES[1]), "unknown_sensor"),
        (register(site="nowhere"), "unknown_site"),
        (commands.RemoveSite(site_id="plant"), "unknown_site"),
        (commands.ChangeRole(name="ada", role="viewer"), "unknown_user"),
        (commands.RemoveUser(name="ada"), "unknown_user"),
        (commands.RevokeUserToken(name="ada", token_sha256=HASHES[1]), "unknown_token"),
        (commands.RemoveTariff(tariff_id="base", valid_from="2026-01-01"), "unknown_tariff"),
        (put_tariff("2026-01-01", "[]"), "bad_document"),
        (put_tariff("2026-01-01", "{,"), "bad_document"),
    ],
)
def test_nor_can_what_else_is_not_there(command: Command, code: str) -> None:
    state, (outcome,) = folded(command)
    assert (outcome.accepted, outcome.code) == (False, code)
    assert state == State()


def test_a_change_touches_only_what_it_names() -> None:
    changed = commands.ChangeSensor(sensor_id="gre000001", zero_based=True, thresholds={"swell": 1.1, "sag": 0.9})
    state, outcomes = folded(register(units="base", owner="me"), changed)
    sensor = state.sensors["gre000001"]
    assert all(o.accepted for o in outcomes)
    assert (sensor.units, sensor.owner, sensor.zero_based) == ("base", "me", True)
    assert sensor.thresholds == (("sag", 0.9), ("swell", 1.1))


def test_a_new_secret_ends_all_tokens_and_brings_a_revoked_sensor_back() -> None:
    revoke, renew = commands.RevokeSensor(sensor_id="gre000001"), commands.RenewSecret
    state, _ = folded(register(), issue(1), issue(2), revoke, renew(sensor_id="gre000001", secret_sha256=HASHES[5]), issue(3))
    sensor = state.sensors["gre000001"]
    assert not sensor.revoked
    assert sensor.secret_sha256 == HASHES[5]
    assert sensor.tokens == (HASHES[3],)
    assert set(state.sensor_tokens) == {HASHES[3]}


def test_a_sensor_lives_by_the_clock_of_its_site() -> None:
    site = commands.PutSite(site_id="plant", zone="Europe/Paris")
    state, _ = folded(site, register(site="plant"), register("gre000002"))
    assert [state.zone_of(sensor) for sensor in state.sensors.values()] == ["Europe/Paris", "Asia/Seoul"]
    fold(state, envelope(commands.PutSite(site_id="plant", zone="Asia/Tokyo")))
    assert state.zone_of(state.sensors["gre000001"]) == "Asia/Tokyo"
    assert fold(state, envelope(commands.RemoveSite(site_id="plant"))).code == "site_in_use"
    fold(state, envelope(commands.ChangeSensor(sensor_id="gre000001", site="")))
    assert fold(state, envelope(commands.RemoveSite(site_id="plant"))).accepted
    assert state.zone_of(state.sensors["gre000001"]) == "Asia/Seoul"


def test_a_tariff_is_valid_from_its_day_until_the_next_version() -> None:
    state, _ = folded(
        put_tariff("2026-04-16", '{"v":2}'), put_tariff("2023-01-01", '{"v":1}'), put_tariff("2026-04-16", '{"v":3}')
    )
    tariff = state.tariffs["base"]
    days = ("2022-12-31", "2023-01-01", "2026-04-15", "2026-04-16")
    assert [tariff.on(day) for day in days] == [None, '{"v":1}', '{"v":1}', '{"v":3}']
    for day in ("2023-01-01", "2026-04-16"):
        assert fold(state, envelope(commands.RemoveTariff(tariff_id="base", valid_from=day))).accepted
    assert state.tariffs == {}


def test_the_last_administrator_stays() -> None:
    demote, remove = commands.ChangeRole(name="ada", role="viewer"), commands.RemoveUser(name="ada")
    state, outcomes = folded(add_user(), demote, remove, add_user("bob"), demote)
    assert [o.code for o in outcomes] == ["accepted", "last_admin", "last_admin", "accepted", "accepted"]
    assert state.users["ada"].role == "viewer"


def test_who_is_removed_leaves_no_token() -> None:
    token = commands.IssueUserToken(name="ada", token_sha256=HASHES[1], scope="read", expires_at_ms=1)
    others = commands.IssueUserToken(name="bob", token_sha256=HASHES[2], scope="read", expires_at_ms=1)
    state, _ = folded(add_user(), add_user("bob"), token, others, commands.RemoveUser(name="ada"))
    assert set(state.users) == {"bob"}
    assert set(state.user_tokens) == {HASHES[2]}
    foreign = fold(state, envelope(commands.RevokeUserToken(name="ada", token_sha256=HASHES[2])))
    assert foreign.code == "unknown_token"
    assert fold(state, envelope(commands.RevokeUserToken(name="bob", token_sha256=HASHES[2]))).accepted
    assert state.user_tokens == {}


def test_a_password_is_replaced_and_a_user_added_once() -> None:
    state, outcomes = folded(add_user(), commands.SetPassword(name="ada", password_hash="$argon2id$y"), add_user())
    assert [o.code for o in outcomes] == ["accepted", "accepted", "user_exists"]
    assert state.users["ada"].password_hash == "$argon2id$y"
    assert not state.users["ada"].one_time


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"kind": "sensor.paint"}, "unknown_kind", id="unknown kind"),
        pytest.param({"payload": "{"}, "bad_payload", id="not JSON"),
        pytest.param({"payload": "\ud800"}, "bad_payload", id="a lone surrogate"),
        pytest.param({"payload": "[" * 100_000}, "bad_payload", id="very deep"),
        pytest.param({"payload": '{"sensor_id":"gre000001"}'}, "bad_payload", id="a missing member"),
        pytest.param({"payload": json.dumps({"sensor_id": "GRE000001", "secret_sha256": HASHES[0]})}, "bad_payload", id="caps"),
        pytest.param({"payload": json.dumps({"sensor_id": "gre000001", "secret_sha256": "secret"})}, "bad_payload", id="no hash"),
        pytest.param({"entity": "sensor:gre000002"}, "wrong_entity", id="about another sensor"),
        pytest.param({"at_ms": -1}, "bad_time", id="before 1970"),
    ],
)
def test_a_bad_command_is_an_outcome_and_changes_nothing(changes: dict[str, Any], code: str) -> None:
    state = State()
    outcome = fold(state, dataclasses.replace(envelope(register()), **changes))
    assert (outcome.accepted, outcome.code, outcome.changes) == (False, code, ())
    assert state == State()


TEXT = st.text(max_size=30)
ANY_ENVELOPE = st.builds(
    Envelope, TEXT, st.integers(-(2**63), 2**63 - 1), TEXT, st.sampled_from(sorted(KINDS)) | TEXT, TEXT, TEXT
)
ANY_COMMAND = st.one_of(
    st.builds(register, st.sampled_from(["gre000001", "gre000002"])),
    st.builds(issue, st.integers(0, 5), st.sampled_from(["gre000001", "gre000002"])),
    st.sampled_from(["gre000001", "gre000002"]).map(lambda i: commands.RevokeSensor(sensor_id=i)),
    st.sampled_from(["gre000001", "gre000002"]).map(lambda i: commands.RenewSecret(sensor_id=i, secret_sha256=HASHES[4])),
    st.builds(commands.ChangeSensor, sensor_id=st.just("gre000001"), site=st.sampled_from(["", "plant"])),
    st.just(commands.PutSite(site_id="plant", zone="Asia/Seoul")),
    st.just(commands.RemoveSite(site_id="plant")),
    st.builds(put_tariff, st.sampled_from(["2026-01-01", "2026-02-01"])),
    st.builds(add_user, st.sampled_from(["ada", "bob"])),
    st.sampled_from(["ada", "bob"]).map(lambda i: commands.RemoveUser(name=i)),
)
LOG = st.lists(ANY_COMMAND.map(envelope) | ANY_ENVELOPE, max_size=30)


@given(LOG)
def test_folding_a_log_again_gives_the_same_state_and_outcomes(log: list[Envelope]) -> None:
    first, second = State(), State()
    assert [fold(first, one) for one in log] == [fold(second, one) for one in log]
    assert first == second


@given(LOG)
def test_a_command_written_twice_in_a_row_changes_nothing_more(log: list[Envelope]) -> None:
    once, twice = State(), State()
    for one in log:
        fold(once, one)
        fold(twice, one)
        fold(twice, one)
        assert once == twice


@given(LOG)
def test_the_invariants_hold(log: list[Envelope]) -> None:
    state = State()
    for one in log:
        before = dataclasses.replace(state, sensors=dict(state.sensors), sensor_tokens=dict(state.sensor_tokens))
        outcome = apply(state, one)
        assert (state.sensors, state.sensor_tokens) == (before.sensors, before.sensor_tokens)
        assert outcome.accepted or not outcome.changes
        state.put(outcome.changes)
        live = [token for sensor in state.sensors.values() for token in sensor.tokens]
        assert sorted(live) == sorted(state.sensor_tokens)
        assert all(len(sensor.tokens) <= 2 for sensor in state.sensors.values())


def test_an_envelope_survives_the_wire() -> None:
    sent = envelope(register(zone="Europe/Paris"))
    value = wire.encode(topics.CATALOG, 7, sent.record())
    assert Envelope(**wire.decode(topics.CATALOG, value, lambda _: wire.raw_schema(topics.CATALOG))) == sent


def test_tokens_and_secrets_have_their_form() -> None:
    random = bytes(range(32))
    assert make_token(random).startswith("pm1_")
    assert len(make_token(random)) == 47
    assert make_secret(random).startswith("pms_")
    assert len(make_password(random)) == 19
    assert hash_of("a") == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    with pytest.raises(ValueError, match="expected 32"):
        make_token(b"short")


# ---- meters


def test_a_linky_is_a_sensor_of_its_own_kind() -> None:
    state = State()
    for name in ("992562000017", "m0123456789abcdef0123"):
        command = register(name, kind="linky")
        assert fold(state, seal(command, command_id="c", at_ms=1, actor="test")).accepted
        assert state.sensors[name].kind == "linky"


@pytest.mark.parametrize(("kind", "name"), [("power", "992562000017"), ("linky", "gre000001")])
def test_an_id_of_the_other_kind_is_refused(kind: str, name: str) -> None:
    outcome = apply(State(), seal(register(name, kind=kind), command_id="c", at_ms=1, actor="test"))
    assert (outcome.accepted, outcome.code) == (False, "bad_sensor_id")


def test_a_command_from_before_there_were_kinds_registers_a_power_sensor() -> None:
    payload = json.dumps({"sensor_id": "gre000001", "secret_sha256": HASHES[0]}, separators=(",", ":"))
    state = State()
    assert fold(state, Envelope("c", 1, "test", "sensor.register", "sensor:gre000001", payload)).accepted
    assert state.sensors["gre000001"].kind == "power"
    now = seal(register(), command_id="c", at_ms=1, actor="test")
    assert json.loads(now.payload) == json.loads(payload)  # and what is written now can be read by who knows no kinds


def dated(since: str | None = None, **facts: Any) -> commands.ChangeSensor:
    return commands.ChangeSensor(sensor_id="gre000001", **facts, **({} if since is None else {"valid_from": since}))


ONE, TWO = "kepco/general_b/high_a/I", "kepco/general_b/high_a/II"


def of_days(*changes: commands.ChangeSensor) -> list[tuple[str, str, float]]:
    state, outcomes = folded(register(tariff=ONE, contracted_power_w=300_000.0), *changes)
    assert all(outcome.accepted for outcome in outcomes)
    sensor = state.sensors["gre000001"]
    found = [(one.since, one.tariff, one.contracted_power_w) for one in terms.every(sensor)]
    assert found[-1][1:] == (sensor.tariff, sensor.contracted_power_w)
    return found


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param([dated(tariff=TWO)], [("", TWO, 3e5)], id="without a day the only one was wrong"),
        pytest.param([dated("2026-11-01", tariff=TWO)], [("", ONE, 3e5), ("2026-11-01", TWO, 3e5)], id="from a day on"),
        pytest.param(
            [dated("2026-11-01", tariff=TWO), dated(contracted_power_w=4e5)],
            [("", ONE, 3e5), ("2026-11-01", TWO, 4e5)],
            id="without a day the newest is corrected",
        ),
        pytest.param(
            [dated("2026-11-01", tariff=TWO), dated("2026-06-01", contracted_power_w=4e5)],
            [("", ONE, 3e5), ("2026-06-01", ONE, 4e5), ("2026-11-01", TWO, 3e5)],
            id="a day between holds until the next",
        ),
        pytest.param(
            [dated("2026-11-01", tariff=TWO), dated("2026-11-01", tariff=ONE)],
            [("", ONE, 3e5), ("2026-11-01", ONE, 3e5)],
            id="taken back on its own day",
        ),
        pytest.param(
            [dated("2026-11-01", tariff=""), dated("2026-12-01", tariff=TWO)],
            [("", ONE, 3e5), ("2026-11-01", "", 3e5), ("2026-12-01", TWO, 3e5)],
            id="a month without a tariff",
        ),
    ],
)
def test_a_tariff_and_a_contracted_power_hold_from_their_day_on(
    changes: list[commands.ChangeSensor], expected: list[tuple[str, str, float]]
) -> None:
    assert of_days(*changes) == expected


@pytest.mark.parametrize(
    ("changes", "power_w", "earlier"),
    [
        pytest.param([], 3e5, [], id="one for ever"),
        pytest.param([dated("2026-11-01", tariff=TWO)], 3e5, [], id="another tariff is none for the rules"),
        pytest.param(
            [dated("2026-11-01", contracted_power_w=4e5)], 4e5, [("2026-10-31T15:00:00+00:00", 3e5)], id="from a local day on"
        ),
        pytest.param(
            [
                dated("2026-11-01", contracted_power_w=4e5),
                dated("2026-12-01", tariff=TWO),
                dated("2027-01-01", contracted_power_w=0.0),
            ],
            0.0,
            [("2026-10-31T15:00:00+00:00", 3e5), ("2026-12-31T15:00:00+00:00", 4e5)],
            id="several, and none at last",
        ),
    ],
)
def test_the_rules_know_which_contracted_power_held_when(
    changes: list[commands.ChangeSensor], power_w: float, earlier: list[tuple[str, float]]
) -> None:
    state, _ = folded(register(tariff=ONE, contracted_power_w=300_000.0), *changes)
    found = limits_of(state, state.sensors["gre000001"])
    assert found.contracted_power_w == power_w
    assert [(datetime.fromtimestamp(s, UTC).isoformat(), w) for s, w in found.earlier] == earlier


@pytest.mark.parametrize(
    ("before", "change", "expected"),
    [
        pytest.param([], dated(tariff=TWO), f"tariff {ONE} is now {TWO} for all days", id="the only one"),
        pytest.param(
            [dated("2026-03-01", tariff=TWO)],
            dated(tariff="", contracted_power_w=4e5),
            f"tariff {TWO} is now none and contracted power 300000 W is now 400000 W for all days since 2026-03-01",
            id="the newest of two",
        ),
        pytest.param([], dated(owner="me"), None, id="something else"),
        pytest.param([], dated(tariff=ONE), None, id="the same again"),
        pytest.param([], dated("2026-03-01", tariff=TWO), None, id="with a day, it was said"),
        pytest.param([dated("2026-11-01", tariff=TWO)], dated(tariff=ONE), None, id="it began this month"),
        pytest.param([dated("2027-01-01", tariff=TWO)], dated(tariff=ONE), None, id="it has not begun"),
        pytest.param([dated(tariff="")], dated(tariff=ONE), None, id="it was billed by nothing"),
    ],
)
def test_a_change_without_a_day_says_when_it_changes_bills_of_earlier_months(
    before: list[commands.ChangeSensor], change: commands.ChangeSensor, expected: str | None
) -> None:
    state, _ = folded(register(tariff=ONE, contracted_power_w=300_000.0), *before)
    known = state.sensors["gre000001"]
    state, _ = folded(register(tariff=ONE, contracted_power_w=300_000.0), *before, change)
    found = corrected(known, state.sensors["gre000001"], date(2026, 11, 30))
    said = None if expected is None else f"{expected}: bills of months that are over change, too"
    assert (found and str(found)) == said
    assert found is None or found.next_month == "2026-12-01"


def test_a_day_needs_something_that_begins_on_it_and_there_are_not_too_many() -> None:
    _, outcomes = folded(register(), dated("2026-11-01", owner="me"))
    assert outcomes[-1].code == "nothing_dated"
    days = [dated(f"{year}-01-01", contracted_power_w=float(year)) for year in range(1900, 2001)]
    state, outcomes = folded(register(), *days)
    assert [outcome.accepted for outcome in outcomes].count(False) == 2  # what holds since ever is one of them
    assert {outcome.code for outcome in outcomes if not outcome.accepted} == {"too_many_terms"}
    assert len(terms.every(state.sensors["gre000001"])) == terms.TERMS_MOST


@given(st.lists(st.tuples(st.integers(1, 28), st.sampled_from([ONE, TWO, ""])), max_size=8), st.integers(1, 28))
def test_a_day_has_what_was_said_last_of_the_newest_day_before_it(said: list[tuple[int, str]], day: int) -> None:
    state, _ = folded(register(tariff=ONE), *(dated(f"2026-02-{d:02}", tariff=tariff) for d, tariff in said))
    by_day: dict[int, str] = dict(said)
    expected = next((by_day[d] for d in sorted(by_day, reverse=True) if d <= day), ONE)
    assert terms.on(state.sensors["gre000001"], f"2026-02-{day:02}").tariff == expected
