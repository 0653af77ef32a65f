"""Who may come in: sessions, limits, tokens, the shape of queries. Time is moved by hand."""

import json
from pathlib import Path

import pytest

from streams.catalog.commands import AddUser, IssueUserToken, SetPassword
from streams.catalog.tokens import hash_of
from tests.fakes.catalog import FakeCatalog
from web.api.sql import Ask, check, refusal
from web.auth import _inside
from web.identity import by_bearer, by_session, by_token
from web.limits import PER_ADDRESS, PER_NAME, WINDOW_S, FailedSignIns
from web.passwords import problem
from web.sessions import IDLE_S, LIFE_S, PER_USER, Sessions

NOW = 1_800_000_000.0
HASH, OTHER = "$argon2id$one", "$argon2id$two"


def catalog(*, role: str = "viewer", scope: str = "read", expires_s: float = NOW + 60) -> FakeCatalog:
    return FakeCatalog(
        AddUser(name="ann", role=role, password_hash=HASH),  # type: ignore[arg-type]
        IssueUserToken(name="ann", token_sha256=hash_of("pm1_x"), scope=scope, expires_at_ms=int(expires_s * 1000)),
    )


def test_a_session_ends_when_idle_or_old() -> None:
    sessions = Sessions()
    one, two = sessions.open("ann", HASH, NOW), sessions.open("ann", HASH, NOW)
    assert sessions.find(one, NOW + IDLE_S - 1) is not None
    assert sessions.find(one, NOW + 2 * IDLE_S - 2) is not None
    assert sessions.find(two, NOW + IDLE_S + 1) is None
    at = NOW
    while at <= NOW + LIFE_S:
        at += IDLE_S / 2
        found = sessions.find(one, at)
    assert found is None


def test_sign_out_ends_one_session() -> None:
    sessions = Sessions()
    one, two = sessions.open("ann", HASH, NOW), sessions.open("ann", HASH, NOW)
    sessions.close(one, NOW)
    assert sessions.find(one, NOW) is None
    assert sessions.find(two, NOW) is not None
    assert sessions.find(None, NOW) is None
    assert sessions.find("guess", NOW) is None


def test_a_restart_signs_nobody_out_and_the_file_holds_no_id(tmp_path: Path) -> None:
    file = tmp_path / "sessions.json"
    one = Sessions(file).open("ann", HASH, NOW)
    assert one not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    assert Sessions(file).find(one, NOW + 5) is not None


def test_a_broken_file_of_sessions_only_signs_out(tmp_path: Path) -> None:
    file = tmp_path / "sessions.json"
    for text in ("", "[]", '{"a": 1}', json.dumps({"a": {"name": "ann"}})):
        file.write_text(text)
        assert Sessions(file).find("x", NOW) is None


def test_one_person_has_not_endlessly_many_sessions() -> None:
    sessions = Sessions()
    ids = [sessions.open("ann", HASH, NOW + k) for k in range(PER_USER + 5)]
    assert sum(sessions.find(i, NOW + 100) is not None for i in ids) == PER_USER


def test_a_new_password_ends_the_sessions_of_the_old_one() -> None:
    sessions, cat = Sessions(), catalog()
    cookie = sessions.open("ann", HASH, NOW)
    assert by_session(sessions, cat.state, cookie, NOW) is not None
    cat.add(SetPassword(name="ann", password_hash=OTHER))
    assert by_session(sessions, cat.state, cookie, NOW) is None


def test_wrong_passwords_are_limited_by_name_and_by_address() -> None:
    failures = FailedSignIns()
    for k in range(PER_NAME):
        assert failures.wait_s("ann", f"10.0.0.{k}", NOW + k) == 0
        failures.failed("ann", f"10.0.0.{k}", NOW + k)
    assert failures.wait_s("ann", "10.9.9.9", NOW + PER_NAME) == pytest.approx(WINDOW_S - PER_NAME)
    assert failures.wait_s("bob", "10.9.9.9", NOW) == 0
    assert failures.wait_s("ann", "10.9.9.9", NOW + WINDOW_S + 1) == 0
    for k in range(PER_ADDRESS):
        failures.failed(f"user{k}", "10.1.1.1", NOW)
    assert failures.wait_s("carl", "10.1.1.1", NOW + 1) > 0


def test_a_right_password_ends_the_count_of_the_name() -> None:
    failures = FailedSignIns()
    for _ in range(PER_NAME):
        failures.failed("ann", "10.0.0.1", NOW)
    failures.succeeded("ann")
    assert failures.wait_s("ann", "10.0.0.1", NOW) == 0


@pytest.mark.parametrize(
    ("header", "known"),
    [
        ("Bearer pm1_x", True),
        ("bearer pm1_x", True),
        ("Bearer pm1_y", False),
        ("Basic pm1_x", False),
        ("Bearer ", False),
        ("Bearer pm1_x pm1_x", False),
        (None, False),
    ],
)
def test_bearer_tokens(header: str | None, known: bool) -> None:
    assert (by_bearer(catalog().state, header, NOW) is not None) == known


def test_a_token_ends_and_a_link_to_sign_in_is_no_bearer_token() -> None:
    assert by_bearer(catalog(expires_s=NOW - 1).state, "Bearer pm1_x", NOW) is None
    link = catalog(scope="signin")
    assert by_bearer(link.state, "Bearer pm1_x", NOW) is None
    assert by_token(link.state, "pm1_x", NOW) is not None


@pytest.mark.parametrize(
    ("where", "to"),
    [
        ("/?sensor=gre000001&hours=6", "/?sensor=gre000001&hours=6"),
        (None, "/"),
        ("", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/signin?next=/", "/"),
        ("/a\r\nSet-Cookie: x=1", "/"),
    ],
)
def test_after_sign_in_nobody_is_sent_elsewhere(where: str | None, to: str) -> None:
    assert _inside(where) == to


@pytest.mark.parametrize(
    ("password", "again", "fine"),
    [
        ("correct horse battery", "correct horse battery", True),
        ("correct horse battery", "correct horse", False),
        ("short", "short", False),
        ("aaaaaaaaaaaa", "aaaaaaaaaaaa", False),
        ("anna-maria-x", "anna-maria-x", False),
        ("x" * 201, "x" * 201, False),
    ],
)
def test_new_passwords(password: str, again: str, fine: bool) -> None:
    assert (problem(password, again, "Anna-Maria-X") is None) == fine


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "  select 1 ; ",
        "(SELECT 1) UNION ALL (SELECT 2)",
        "WITH 1 AS x SELECT x",
        "-- a note; with a semicolon\nSELECT 1",
        "/* ; */ SELECT '; DROP TABLE x' AS a",
        "SHOW TABLES",
        "DESCRIBE TABLE minutes",
        "EXPLAIN SELECT 1",
        "SELECT ';' || \"a;b\" FROM t",
        "SELECT 'it''s; fine', 'file(x)'",
    ],
)
def test_one_reading_statement_passes(sql: str) -> None:
    assert refusal(sql) is None


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("", "empty"),
        (" -- nothing", "empty"),
        ("SELECT 1; SELECT 2", "several"),
        ("SELECT 1; DROP TABLE minutes", "several"),
        ("INSERT INTO minutes VALUES (1)", "INSERT"),
        ("/* SELECT */ DROP TABLE readings_raw", "DROP"),
        ("ALTER TABLE x DELETE WHERE 1", "ALTER"),
        ("SET readonly = 0", "SET"),
        ("SYSTEM SHUTDOWN", "SYSTEM"),
        ("SELECT * FROM file('/etc/passwd', 'LineAsString')", "file()"),
        ("SELECT * FROM `url` ('http://x', CSV)", "url()"),
        ("SELECT * FROM FILE('/etc/passwd')", "FILE()"),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", "INTO OUTFILE"),
        ("SELECT 'unclosed ; DROP TABLE x", "several"),
    ],
)
def test_anything_else_is_refused_with_the_reason(sql: str, says: str) -> None:
    assert says in (refusal(sql) or "")


def test_the_format_of_the_clause_wins_and_must_be_known() -> None:
    assert check(Ask("SELECT 1", "CSV")) == "CSV"
    assert check(Ask("SELECT 1 FORMAT Parquet", "CSV")) == "Parquet"
    with pytest.raises(ValueError, match="expected one of"):
        check(Ask("SELECT 1", "Nonsense"))
    with pytest.raises(ValueError, match="expected one of"):
        check(Ask("SELECT 1 FORMAT Nonsense"))
