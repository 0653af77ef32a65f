"""Tokens of registry connections: given back over REST, found by their partner, and in no command, state or snapshot."""

import threading
import uuid
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from infra.errors import ConfigurationError
from streams.catalog import snapshot
from streams.catalog.commands import Command
from streams.catalog.envelope import seal
from streams.catalog.snapshot import Place
from tests.fakes.catalog import FakeCatalog
from tests.fakes.datastore import Store, datastore, served
from web.datastore import partner_tokens
from web.datastore.partner_tokens import PartnerTokens

CONNECTIONS = "registry/connections/"
ONE, TWO = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
TAKEN = (400, {"token": ["This field must be unique."]})


class Remembering(FakeCatalog):
    """Keeps the commands as the log has them."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[bytes] = []

    async def submit(self, command: Command, *, actor: str = "system") -> object:  # type: ignore[override]
        self.log.append(msgspec.json.encode(seal(command, command_id="c", at_ms=self.at_ms, actor=actor).record()))
        return await super().submit(command, actor=actor)


async def opens(store: Store, token: str) -> int:
    return (await store("GET", "/registry/summary/", token=None, Authorization=f"Token {token}")).status


async def test_a_token_opens_the_summary_and_stands_in_no_command_state_or_snapshot(tmp_path: Path) -> None:
    catalog = Remembering()
    async with datastore() as first:
        catalog.state = first.catalog.state
        async with served(catalog, lambda: catalog.at_ms / 1000, tokens=PartnerTokens(tmp_path / "registry.key")) as store:
            made_up = (await store.post(CONNECTIONS, {}))["token"]
            await store.post(CONNECTIONS, {"token": ONE})
            assert (await store("PATCH", f"{CONNECTIONS}2/", {"token": TWO})).json["token"] == TWO
            assert [one["token"] for one in await store.get(CONNECTIONS)] == [made_up, TWO]
            assert [await opens(store, token) for token in (made_up, TWO, TWO.upper(), ONE)] == [200, 200, 200, 403]
            digest = catalog.state.connections[2].token_digest
            assert await opens(store, digest) == await opens(store, str(uuid.UUID(digest[:32]))) == 403
    file = tmp_path / "catalog.snapshot"
    snapshot.write(file, snapshot.freeze(catalog.state), Place(1, b""))
    written = [*catalog.log, repr(catalog.state).encode(), file.read_bytes()]
    assert len(catalog.log) == 3
    for token in (made_up, ONE, TWO):
        forms = [token, token.replace("-", ""), repr(uuid.UUID(token).bytes)[2:-1]]
        assert not [form for form in forms for text in written if form.encode() in text]
    assert not any((tmp_path / "registry.key").read_bytes() in text for text in written)


async def test_a_token_is_unique_when_made_and_when_changed(store: Store) -> None:
    await store.post(CONNECTIONS, {"token": ONE})
    assert (await store("POST", CONNECTIONS, {"token": ONE.upper()})).said == TAKEN
    await store.post(CONNECTIONS, {"token": TWO})
    assert (await store("PATCH", f"{CONNECTIONS}2/", {"token": ONE})).said == TAKEN
    assert (await store("PATCH", f"{CONNECTIONS}1/", {"token": ONE})).said == (200, {"id": 1, "projects": [], "token": ONE})


async def test_servers_that_share_the_key_s_file_open_each_other_s_tokens_from_the_first_on(
    tmp_path: Path,
) -> None:
    path = tmp_path / "new folder" / "registry.key"
    async with (
        datastore(tokens=PartnerTokens(path)) as one,
        served(one.catalog, lambda: one.catalog.at_ms / 1000, tokens=PartnerTokens(path)) as other,
    ):
        await one.post(CONNECTIONS, {"token": ONE})
        await other.post(CONNECTIONS, {"token": TWO})
        for store in (one, other):
            assert [connection["token"] for connection in await store.get(CONNECTIONS)] == [ONE, TWO]
            assert (await store("POST", CONNECTIONS, {"token": ONE})).said == TAKEN
            assert await opens(store, TWO) == 200
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["registry.key"]


def test_of_many_who_make_the_key_at_once_one_does(tmp_path: Path) -> None:
    path = tmp_path / "registry.key"
    threads = [threading.Thread(target=partner_tokens.make, args=(path,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    key = partner_tokens.read(path)
    partner_tokens.make(path)
    assert partner_tokens.read(path) == key
    assert list(tmp_path.iterdir()) == [path]


async def test_with_the_key_lost_tokens_are_null_and_open_nothing_until_they_are_given_anew(tmp_path: Path) -> None:
    path = tmp_path / "registry.key"
    async with datastore(tokens=PartnerTokens(path)) as store:
        await store.project()
        await store.post(CONNECTIONS, {"token": ONE, "projects": [1]})
        sealed = store.catalog.state.connections[1]
        path.unlink()
        lost = PartnerTokens(path)
        async with served(store.catalog, lambda: store.catalog.at_ms / 1000, tokens=lost) as left:
            with capture_logs() as said:
                assert (await left.get(f"{CONNECTIONS}1/"))["token"] is None
                assert await left.get(CONNECTIONS) == [{"id": 1, "projects": [1], "token": None}]
            assert [(one["connection"], one["sealed_under"], one["key"]) for one in said] == [(1, sealed.token_key, "none")]
            assert await opens(left, ONE) == 403
            for method, where in (("POST", CONNECTIONS), ("PATCH", f"{CONNECTIONS}1/")):  # no new key is made silently
                refused = await left(method, where, {"token": TWO})
                assert refused.status == 503
                assert sealed.token_key in refused.json["detail"]
                assert TWO not in refused.text
            assert not path.exists()
            partner_tokens.make(path)  # what a person does who knows that it is lost
            assert (await left("PATCH", f"{CONNECTIONS}1/", {"token": TWO})).said == (
                200,
                {"id": 1, "projects": [1], "token": TWO},
            )
            assert await opens(left, TWO) == 200
            assert store.catalog.state.connections[1].salt == sealed.salt  # the partner's ids of projects stay


async def test_a_sealed_token_that_was_altered_is_null(tmp_path: Path) -> None:
    tokens = PartnerTokens(tmp_path / "registry.key")
    async with datastore(tokens=tokens) as store:
        await store.post(CONNECTIONS, {"token": ONE})
        await store.post(CONNECTIONS, {"token": TWO})
        one, two = store.catalog.state.connections.values()
        assert tokens.open(one) == ONE
        assert tokens.open(replace(one, token_sealed=two.token_sealed)) is None
        assert tokens.open(replace(one, token_sealed="A" * 86)) is None
        assert tokens.open(replace(one, token_sealed="A" * 41)) is None


@pytest.mark.parametrize(
    ("content", "mode", "says"),
    [
        pytest.param(b"k" * 32, 0o644, "has mode 0644, expected 0600", id="others can read it"),
        pytest.param(b"k" * 31, 0o600, "holds 31 bytes", id="too short"),
        pytest.param(b"", 0o600, "holds 0 bytes", id="empty"),
    ],
)
def test_a_file_that_is_no_key_stops_the_server(tmp_path: Path, content: bytes, mode: int, says: str) -> None:
    path = tmp_path / "registry.key"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(ConfigurationError) as refused:
        PartnerTokens(path)
    assert says in str(refused.value)
    assert "kkk" not in str(refused.value)
