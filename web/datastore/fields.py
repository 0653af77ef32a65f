"""Fields of a resource, and a body checked against them."""

from dataclasses import dataclass
from typing import Any

from multidict import MultiMapping

from streams.catalog.state import State
from web.datastore.answers import Document, Invalid, no_dictionary
from web.datastore.kinds import Kind

Query = MultiMapping[str]

REQUIRED = "This field is required."


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    Attributes:
        column: what commands and entries call it; "": the same.
        null: whether it may be null.
        unique: the look-up that must not find another object, and the text for when it does.
        shown: whether answers hold it.
        fixed: it is read at creation only.
        unless: the flag of the query that leaves it out.
    """

    name: str
    kind: Kind
    column: str = ""
    required: bool = False
    null: bool = False
    unique: tuple[str, str] | None = None
    shown: bool = True
    fixed: bool = False
    unless: str = ""

    @property
    def of(self) -> str:
        return self.column or self.name

    def say(self, entry: Any) -> Any:
        value = getattr(entry, self.of)
        return None if value is None else self.kind.say(value)

    def read(self, state: State, value: Any) -> Any:
        """A value as the command wants it.

        Raises:
            ValueError: it does not fit; the contract's text.
        """
        if value is None or (value == "" and self.kind.blank_is_null):
            if self.null:
                return None
            raise ValueError(self.kind.not_null)
        return self.kind.read(state, value)


def check(
    fields: tuple[Field, ...], state: State, body: Any, *, change: bool = False, partial: bool = False, own: int | None = None
) -> dict[str, Any]:
    """What a body says, by column; what it does not say is not there.

    Args:
        change: of an object that there is.
        partial: required fields may be left out.
        own: that object's primary key.

    Raises:
        Invalid: it does not fit.
    """
    if not isinstance(body, dict):
        raise no_dictionary(body)
    found: dict[str, Any] = {}
    errors: dict[str, list[str]] = {}
    for field in fields:
        if change and field.fixed:
            continue
        try:
            if field.name in body:
                found[field.of] = value = field.read(state, body[field.name])
                if field.unique is not None and state.index.one(field.unique[0], value) not in (None, own):
                    raise ValueError(field.unique[1])
            elif field.required and not partial:
                raise ValueError(REQUIRED)
        except ValueError as error:
            errors[field.name] = [str(error)]
    if errors:
        raise Invalid(errors)
    return found


def on(query: Query, flag: str) -> bool:
    """Whether a flag of the query is on; of several the last counts."""
    return bool(flag) and query.getall(flag, [])[-1:] == ["True"]


def document(fields: tuple[Field, ...], entry: Any, query: Query) -> Document:
    """An object as its fields say it."""
    return {"id": entry.pk, **{f.name: f.say(entry) for f in fields if f.shown and not on(query, f.unless)}}
