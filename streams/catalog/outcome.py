"""The verdict on a command."""

from dataclasses import dataclass

from streams.catalog.state import Change, Entry


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict on one command.

    Attributes:
        code: "accepted" (of a sync's record "created", "updated" or "unchanged"), or why not, for programs.
        detail: the same as a sentence.
        changes: what becomes of the state; empty when refused.
        pk: of the datastore's object this is about; None when a sync's record was to be created.
        field: of the command, which was refused.
        entry: the datastore's object as the command left it.
    """

    accepted: bool
    code: str
    detail: str
    changes: tuple[Change, ...] = ()
    pk: int | None = None
    field: str | None = None
    entry: Entry | None = None


def accepted(detail: str, *changes: Change) -> Outcome:
    return Outcome(True, "accepted", detail, changes)


def refused(code: str, detail: str, *, field: str | None = None, pk: int | None = None) -> Outcome:
    return Outcome(False, code, detail, pk=pk, field=field)
