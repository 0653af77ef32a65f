"""Ways to receivers, on real servers: taken, refused, told to wait, no answer; the same message each time."""

import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
import trustme
from aiosmtpd.smtp import AuthResult

from infra.errors import ConfigurationError
from infra.settings import Settings
from sinks.notify.channel import GONE, REFUSED, RETRY, SENT, Message, Words
from sinks.notify.mail import Mail, Server, server_of
from sinks.notify.mqtt import Mqtt
from sinks.notify.webhook import Webhook
from tests.fakes import mqtt
from tests.fakes.receivers import Hooks, answers, hooks, mailbox, never

NOW, SECRET = 1_800_000_000.9, "whsec_0123456789abcdef"
STATES = {("gre000001", "silence"): {"state": "open"}, ("gre000002", "silence"): {"state": "closed"}}
MESSAGE = Message("0f" * 16, '{"schema": 1, "transition": "began"}', Words("Powermon: 전압 é", "Silence: 2 capteurs é\n"), STATES)


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


@pytest.fixture
async def heard() -> AsyncIterator[Hooks]:
    async with hooks() as running:
        yield running


MakeHook = Callable[[str], Webhook]


@pytest.fixture
def hook(client: aiohttp.ClientSession, heard: Hooks) -> MakeHook:
    return lambda path: Webhook(client, f"{heard.url}{path}", SECRET, lambda: NOW, timeout_s=0.5)


async def test_a_webhook_is_signed_and_the_same_at_each_attempt(heard: Hooks, hook: MakeHook) -> None:
    assert [(await hook("/a").send(MESSAGE)).outcome for _ in range(2)] == [SENT, SENT]
    first, again = heard.posted
    assert (first.body, first.key) == (again.body, again.key)
    assert first.key == MESSAGE.id
    assert first.document == {"schema": 1, "transition": "began", "text": MESSAGE.words.text}
    at, digest = (part.partition("=")[2] for part in first.headers["Powermon-Signature"].split(","))
    assert at == "1800000000"
    assert digest == hmac.new(SECRET.encode(), f"{at}.".encode() + first.body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("status", "headers", "outcome", "retry_after_s"),
    [
        pytest.param(200, {}, SENT, None, id="200"),
        pytest.param(204, {}, SENT, None, id="204"),
        pytest.param(302, {"Location": "/elsewhere"}, REFUSED, None, id="a redirect is not followed"),
        pytest.param(400, {}, REFUSED, None, id="400"),
        pytest.param(404, {}, REFUSED, None, id="404"),
        pytest.param(408, {}, RETRY, None, id="408"),
        pytest.param(410, {}, GONE, None, id="410"),
        pytest.param(429, {"Retry-After": "120"}, RETRY, 120.0, id="429 with seconds"),
        pytest.param(503, {"Retry-After": "Fri, 15 Jan 2027 08:01:00 GMT"}, RETRY, pytest.approx(59.1), id="503 with a date"),
        pytest.param(503, {"Retry-After": "soon"}, RETRY, None, id="503 with nonsense"),
        pytest.param(500, {}, RETRY, None, id="500"),
    ],
)
async def test_a_webhook_s_answer(
    heard: Hooks, hook: MakeHook, status: int, headers: dict[str, str], outcome: str, retry_after_s: float | None
) -> None:
    heard.answers["/a"] = answers(status, **headers)
    verdict = await hook("/a").send(MESSAGE)
    assert (verdict.outcome, verdict.retry_after_s) == (outcome, retry_after_s)
    assert [one.path for one in heard.posted] == ["/a"]


async def test_a_webhook_that_does_not_answer_is_tried_again_and_nothing_of_its_address_is_said(
    heard: Hooks, hook: MakeHook, client: aiohttp.ClientSession
) -> None:
    heard.answers["/key-4711"] = never
    slow = await hook("/key-4711").send(MESSAGE)
    away = await Webhook(client, f"http://127.0.0.1:{mqtt.free_port()}/key-4711", SECRET).send(MESSAGE)
    assert [one.outcome for one in (slow, away)] == [RETRY, RETRY]
    assert "4711" not in slow.reason + away.reason


def plain(port: int) -> Server:
    return Server("127.0.0.1", port, "none", "powermon@example.com")


async def test_a_mail_says_it_in_words_and_has_the_message_s_id() -> None:
    with mailbox() as box:
        mail = Mail(plain(box.port), "ann@example.com,bob@example.com")
        assert [(await mail.send(MESSAGE)).outcome for _ in range(2)] == [SENT, SENT]
        first, again = box.mails
        assert first["Message-ID"] == again["Message-ID"] == f"<{MESSAGE.id}@example.com>"
        assert (first["Subject"], first["From"], first["Auto-Submitted"]) == (
            MESSAGE.words.subject,
            "powermon@example.com",
            "auto-generated",
        )
        assert first.get_content().replace("\r\n", "\n") == MESSAGE.words.text
        assert box.recipients[0] == ["ann@example.com", "bob@example.com"]


@pytest.mark.parametrize(
    ("says", "outcome"),
    [
        pytest.param({"ann@example.com": "550 unknown"}, SENT, id="one of two is enough"),
        pytest.param({"ann@example.com": "550 unknown", "bob@example.com": "553 no"}, REFUSED, id="both are unknown"),
        pytest.param({"ann@example.com": "450 later", "bob@example.com": "550 no"}, RETRY, id="one may take it later"),
        pytest.param({"data": "451 later"}, RETRY, id="the server takes it later"),
        pytest.param({"data": "554 spam"}, REFUSED, id="the server will never take it"),
    ],
)
async def test_a_mail_server_s_answer(says: dict[str, str], outcome: str) -> None:
    with mailbox() as box:
        box.says |= says
        assert (await Mail(plain(box.port), "ann@example.com,bob@example.com").send(MESSAGE)).outcome == outcome


async def test_no_mail_server_and_one_that_is_no_mail_server_are_tried_again(heard: Hooks) -> None:
    assert (await Mail(plain(mqtt.free_port()), "ann@example.com").send(MESSAGE)).outcome == RETRY
    port = int(heard.url.rpartition(":")[2])
    assert (await Mail(plain(port), "ann@example.com", timeout_s=0.5).send(MESSAGE)).outcome == RETRY


async def test_a_mail_goes_over_tls_with_a_password_and_to_nobody_else(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "password").write_text("open sesame\n")
    asked = []

    def judge(*args: object) -> AuthResult:
        login = args[-1]
        asked.append((login.login, login.password))  # type: ignore[attr-defined]
        return AuthResult(success=login.password == b"open sesame", handled=False)  # type: ignore[attr-defined]

    with mailbox(tls_context=context, require_starttls=True, authenticator=judge, auth_required=True) as box:
        made = {
            "smtp_host": "127.0.0.1",
            "smtp_port": box.port,
            "smtp_from": "powermon@example.com",
            "smtp_user": "powermon",
            "smtp_password_file": str(tmp_path / "password"),
        }
        trusting = server_of(Settings(**made, smtp_ca_file=str(tmp_path / "ca.pem")))  # type: ignore[arg-type]
        assert "open sesame" not in repr(trusting)
        assert (await Mail(trusting, "ann@example.com").send(MESSAGE)).outcome == SENT
        assert asked == [(b"powermon", b"open sesame")]
        # A server that nobody vouches for is told no password.
        assert (await Mail(server_of(Settings(**made)), "ann@example.com").send(MESSAGE)).outcome == RETRY  # type: ignore[arg-type]
        assert len(asked) == 1
        (tmp_path / "password").write_text("wrong")
        wrong = await Mail(server_of(Settings(**made, smtp_ca_file=str(tmp_path / "ca.pem"))), "ann@example.com").send(MESSAGE)  # type: ignore[arg-type]
        assert (wrong.outcome, wrong.reason) == (RETRY, "the mail server refused name or password (535)")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({}, "set POWERMON_SMTP_HOST", id="none"),
        pytest.param({"smtp_host": "mail"}, "expected the sender's address", id="no sender"),
        pytest.param({"smtp_host": "mail", "smtp_from": "a@b", "smtp_password_file": "/nowhere"}, "cannot be read", id="no file"),
    ],
)
def test_what_is_wrong_with_the_settings_of_mail_is_said(settings: dict[str, str], expected: str) -> None:
    with pytest.raises(ConfigurationError, match=expected):
        server_of(Settings(**settings))  # type: ignore[arg-type]


def test_no_password_goes_in_the_clear(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("x")
    with pytest.raises(ConfigurationError, match="in the clear"):
        server_of(Settings(smtp_host="mail", smtp_from="a@b", smtp_tls="none", smtp_password_file=str(tmp_path / "p")))


async def test_an_mqtt_broker_keeps_what_holds_and_hears_the_message() -> None:
    port = mqtt.free_port()
    way = Mqtt(f"mqtt://127.0.0.1:{port}/plant/power", None, None, "ops", timeout_s=5)
    assert (await way.send(MESSAGE)).outcome == RETRY
    async with mqtt.broker(port), mqtt.listener(port) as heard:
        assert (await way.send(MESSAGE)).outcome == SENT
        await mqtt.eventually(lambda: heard.last("plant/power/notices"), "the message")
        assert heard.json("plant/power/notices") == json.loads(MESSAGE.body)
        assert heard.json("plant/power/anomalies/gre000001/silence") == {"state": "open"}
        async with mqtt.listener(port) as late:
            await mqtt.eventually(lambda: late.last("plant/power/anomalies/gre000002/silence"), "what was kept")
            assert late.last("plant/power/notices") is None
