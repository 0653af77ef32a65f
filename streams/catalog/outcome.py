"""The verdict on a command."""

from dataclasses import dataclass

from streams.catalog.state import Change


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict on one command.

    Attributes:
        code: "accepted", or why not, for programs.
        detail: the same as a sentence.
        changes: what becomes of the state; empty when refused.
    """

    accepted: bool
    code: str
    detail: str
    changes: tuple[Change, ...] = ()


def accepted(detail: str, *changes: Change) -> Outcome:
    return Outcome(True, "accepted", detail, changes)


def refused(code: str, detail: str) -> Outcome:
    return Outcome(False, code, detail)
