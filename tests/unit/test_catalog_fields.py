"""What people say of the catalog's entries, judged at the door."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.catalog import commands
from streams.catalog.admin import fields
from streams.catalog.admin.documents import tariff_document
from streams.catalog.admin.fields import FieldError
from streams.catalog.envelope import seal, unseal

NAMES = sorted({*fields.EXPECTED, "secret_sha256", "other"})
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([10**400, "UTC", "", "gre000001", "main"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.just("sag"), inner, max_size=3),
    max_leaves=8,
)
KINDS = (commands.RegisterSensor, commands.PutSite, commands.AddUser, commands.ChangeRole, commands.PutTariff)
HASHES = {"secret_sha256": "a" * 64, "password_hash": "$argon2"}


def judged(ask: Callable[[], Any]) -> tuple[Any, FieldError | None]:
    """What a door says: a value, or why not."""
    try:
        return ask(), None
    except FieldError as refused:
        return None, refused


@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6))
def test_what_is_let_in_can_be_written_and_read_and_the_rest_is_named(kind: type[commands.Command], said: dict[str, Any]) -> None:
    ours = {name: value for name, value in HASHES.items() if name in kind.__struct_fields__}
    command, refused = judged(lambda: fields.command(kind, said, **ours))
    if refused is not None:
        assert refused.code
        assert "expected" in str(refused)
    else:
        assert unseal(seal(command, command_id="c", at_ms=1, actor="test")) == command


@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4))
def test_a_change_is_named_or_refused(said: dict[str, Any]) -> None:
    command, refused = judged(lambda: fields.change_of_sensor("gre000001", said, {"sag": 1.0}))
    assert command.changes() if refused is None else "expected" in str(refused) or "only" in str(refused)


@given(st.sampled_from(NAMES), st.text(max_size=20), st.booleans())
def test_no_text_makes_it_fail(name: str, text: str, decimal_comma: bool) -> None:
    _, refused = judged(lambda: fields.from_text(name, text, decimal_comma=decimal_comma))
    assert refused is None or refused.field == name


@given(VALUES | st.binary().map(repr))
def test_a_tariff_is_an_object_or_refused(value: Any) -> None:
    try:
        content = json.dumps(value).encode()
    except ValueError:  # a number too long for Python to write
        return
    document, refused = judged(lambda: tariff_document(content))
    assert json.loads(document) == value if refused is None else refused.code == "bad_document"


@pytest.mark.parametrize(("said", "scope"), [("write read", "read write"), (" admin  admin ", "admin"), ("signin", "signin")])
def test_a_scope_is_put_in_order(said: str, scope: str) -> None:
    assert fields.scope(said) == scope


@pytest.mark.parametrize("said", ["", " ", "all", "read,write", None, 5, ["read"]])
def test_no_other_scope(said: object) -> None:
    with pytest.raises(FieldError, match="expected some of read, write, admin, signin"):
        fields.scope(said)
