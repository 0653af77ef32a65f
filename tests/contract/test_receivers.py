"""Receivers through the REST API's door: made, changed, tried, removed; what opens them is never given back."""

import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.typedefs import Handler

from infra.settings import Settings
from streams.catalog.commands import PutSite
from streams.catalog.state import Receiver
from tests import hostile
from tests.fakes.catalog import FakeCatalog
from tests.fakes.receivers import answers, hooks
from web.api import schemas
from web.api.notifications import NotificationsApi
from web.identity import IDENTITY, Identity
from web.notices import told, try_out
from web.receivers import Vault

URL = "https://hooks.example.com/services/T00/key-4711"


class Door:
    """The API alone, as one person sees it."""

    def __init__(self, client: "TestClient[Any, Any]", catalog: FakeCatalog, key: Path) -> None:
        self.client, self.catalog, self.key = client, catalog, key

    async def __call__(self, method: str, path: str = "", body: object = None, status: int = 200, **headers: str) -> Any:
        async with self.client.request(method, f"/api/v1/notifications{path}", json=body, headers=headers) as answer:
            text = await answer.text()
            assert answer.status == status, text
            return json.loads(text) if text else None


@asynccontextmanager
async def door(tmp_path: Path, role: str = "admin") -> AsyncIterator[Door]:
    catalog, key = FakeCatalog(PutSite(site_id="mill", zone="Europe/Paris")), tmp_path / "registry.key"
    vault = Vault(key)

    async def try_receiver(receiver: Receiver) -> dict[str, object]:
        return told(await try_out(Settings(), receiver, vault))

    @web.middleware
    async def known(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[IDENTITY] = Identity("ann", role, None, None)
        return await handler(request)

    app = web.Application(middlewares=[known])
    app.add_routes(one.route() for one in NotificationsApi(catalog, vault, try_receiver).operations())
    async with TestClient(TestServer(app)) as client:
        yield Door(client, catalog, key)


def fits(name: str, document: object) -> None:
    whole = json.loads(json.dumps({"components": {"schemas": schemas.components()}}))
    jsonschema.validate(document, {**whole, "$ref": f"#/components/schemas/{name}"})


async def test_a_receiver_is_made_changed_and_removed(tmp_path: Path) -> None:
    async with door(tmp_path) as ask:
        made = await ask("PUT", "/ops", {"channel": "webhook", "url": URL, "rules": ["sag"], "quiet": ["mon-fri 22:00-07:00"]})
        fits("ReceiverWithSecret", made)
        assert made["secret"].startswith("whsec_")
        assert made["address"] == "https://hooks.example.com/…"
        shown = await ask("GET", "/ops")
        fits("Receiver", shown)
        assert "secret" not in shown
        assert (await ask("GET"))["receivers"] == [shown]
        changed = await ask("PUT", "/ops", {"severity": "severe", "sites": ["mill"]})
        assert "secret" not in changed
        assert (changed["rules"], changed["severity"], changed["sites"]) == (["sag"], "severe", ["mill"])
        receiver = ask.catalog.state.receivers["ops"]
        assert Vault(ask.key).open(receiver) == {"url": URL, "secret": made["secret"]}
        # Another secret, the same address.
        await ask("PUT", "/ops", {"secret": "0123456789abcdef"})
        assert Vault(ask.key).open(ask.catalog.state.receivers["ops"]) == {"url": URL, "secret": "0123456789abcdef"}
        assert "4711" not in str(ask.catalog.state)
        await ask("DELETE", "/ops", status=204)
        assert (await ask("GET", "/ops", status=404))["code"] == "unknown_receiver"


async def test_a_receiver_by_mail_and_one_by_mqtt(tmp_path: Path) -> None:
    async with door(tmp_path) as ask:
        mail = await ask("PUT", "/mail", {"channel": "email", "to": "ann@example.com, bob@example.com", "language": "fr"})
        assert (mail["address"], mail["language"], ask.key.exists()) == ("ann@example.com,bob@example.com", "fr", False)
        broker = await ask(
            "PUT", "/broker", {"channel": "mqtt", "url": "mqtts://mq.example.com/plant", "user": "u", "password": "open sesame"}
        )
        assert broker["address"] == "mqtts://mq.example.com/plant"
        assert Vault(ask.key).open(ask.catalog.state.receivers["broker"])["password"] == "open sesame"
        assert "sesame" not in str(ask.catalog.state)
        # Another way: nothing of the old one is left.
        other = await ask("PUT", "/mail", {"channel": "webhook", "url": URL})
        assert (other["language"], other["address"]) == ("fr", "https://hooks.example.com/…")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param({}, "channel", id="no channel"),
        pytest.param({"channel": "sms"}, "channel", id="unknown channel"),
        pytest.param({"channel": ["webhook"]}, "channel", id="no text"),
        pytest.param({"channel": "webhook"}, "url", id="no address"),
        pytest.param({"channel": "webhook", "url": "ftp://example.com"}, "url", id="another scheme"),
        pytest.param({"channel": "webhook", "url": "https://ann:key-4711@example.com/"}, "url", id="a password in it"),
        pytest.param({"channel": "webhook", "url": "https://[::1"}, "url", id="no address at all"),
        pytest.param({"channel": "webhook", "url": 7}, "url", id="a number"),
        pytest.param({"channel": "webhook", "url": URL, "secret": "short"}, "secret", id="a short secret"),
        pytest.param({"channel": "webhook", "url": URL, "to": "ann@example.com"}, "to", id="of another channel"),
        pytest.param({"channel": "webhook", "url": URL, "rules": ["dip"]}, "rules", id="unknown rule"),
        pytest.param({"channel": "webhook", "url": URL, "rules": [{}]}, "rules", id="no rule"),
        pytest.param({"channel": "webhook", "url": URL, "quiet": ["25:00-07:00"]}, "quiet", id="no such hour"),
        pytest.param({"channel": "webhook", "url": URL, "zone": "Mars/North"}, "zone", id="no such zone"),
        pytest.param({"channel": "webhook", "url": URL, "sites": ["nowhere"]}, "sites", id="no such site"),
        pytest.param({"channel": "webhook", "url": URL, "per_hour": 0}, "per_hour", id="none an hour"),
        pytest.param({"channel": "webhook", "url": URL, "colour": "red"}, "colour", id="unknown member"),
        pytest.param({"channel": "email", "to": "ann@example.com\r\nBcc: eve@example.com"}, "to", id="a header in an address"),
        pytest.param({"channel": "email", "to": ["ann"]}, "to", id="no mail address"),
        pytest.param({"channel": "mqtt", "url": "https://example.com"}, "url", id="no broker"),
    ],
)
async def test_what_is_no_receiver_is_refused_by_its_member(tmp_path: Path, body: dict[str, Any], field: str) -> None:
    async with door(tmp_path) as ask:
        refusal = await ask("PUT", "/ops", body, 422)
        assert refusal["field"] == field
        assert "4711" not in str(refusal)
        assert ask.catalog.state.receivers == {}


async def test_only_administrators_may(tmp_path: Path) -> None:
    async with door(tmp_path, "operator") as ask:
        for method, path in (("GET", ""), ("GET", "/x"), ("PUT", "/x"), ("DELETE", "/x"), ("POST", "/x/test")):
            assert (await ask(method, path, status=403))["code"] == "role_missing"


async def test_a_receiver_is_tried_out(tmp_path: Path) -> None:
    async with door(tmp_path) as ask, hooks() as heard:
        await ask("PUT", "/ops", {"channel": "webhook", "url": f"{heard.url}/a", "language": "ko"})
        assert await ask("POST", "/ops/test") == {"sent": True, "reason": ""}
        (one,) = heard.posted
        assert one.document["transition"] == "test"
        assert "시험 메시지" in one.document["text"]
        heard.answers["/a"] = answers(500)
        assert await ask("POST", "/ops/test") == {"sent": False, "reason": "it answered 500"}
        await ask("PUT", "/mail", {"channel": "email", "to": "ann@example.com"})
        assert "POWERMON_SMTP_HOST" in (await ask("POST", "/mail/test"))["reason"]


async def test_a_key_that_is_gone_is_not_made_anew_while_others_need_it(tmp_path: Path) -> None:
    async with door(tmp_path) as ask:
        await ask("PUT", "/ops", {"channel": "webhook", "url": URL})
        ask.key.unlink()
        assert "sealed under key" in (await ask("PUT", "/more", {"channel": "webhook", "url": URL}, 503))["detail"]
        assert "cannot be opened" in (await ask("POST", "/ops/test"))["reason"]
        assert not ask.key.exists()


async def test_any_body_is_answered(tmp_path: Path) -> None:
    seeds = [
        {
            "channel": "webhook",
            "url": URL,
            "secret": "0123456789abcdef",
            "rules": ["sag"],
            "quiet": ["sat,sun 00:00-24:00"],
            "per_hour": 9,
        },
        {
            "channel": "email",
            "to": ["ann@example.com"],
            "language": "ko",
            "zone": "Asia/Seoul",
            "severe_passes": False,
            "sites": ["mill"],
        },
        {"channel": "mqtt", "url": "mqtt://mq", "user": "u", "password": "p", "severity": "warning", "sensors": ["gre000001"]},
    ]
    statuses = set()
    async with door(tmp_path) as ask:
        for body in itertools.islice(hostile.bodies(17, [json.dumps(one).encode() for one in seeds]), hostile.examples(600)):
            headers = {"Content-Type": "application/json"}
            async with ask.client.put("/api/v1/notifications/ops", data=body, headers=headers) as answer:
                statuses.add(answer.status)
                assert answer.status in (200, 415, 422), (body[:300], await answer.text())
    assert {200, 422} <= statuses


async def test_who_wants_to_make_one_changes_none(tmp_path: Path) -> None:
    async with door(tmp_path) as ask:
        wanted = {"channel": "email", "to": "ann@example.com"}
        await ask("PUT", "/ops", wanted, **{"If-None-Match": "*"})
        refused = await ask("PUT", "/ops", {**wanted, "to": "eve@example.com"}, 412, **{"If-None-Match": "*"})
        assert (refused["code"], refused["field"]) == ("receiver_exists", "receiver_id")
        assert (await ask("GET", "/ops"))["address"] == "ann@example.com"
