"""Rules of blocks: named lists of projects."""

from dataclasses import replace

from streams.catalog.datastore.entries import Block
from streams.catalog.datastore.project_commands import ChangeBlock, CreateBlock, RemoveBlock
from streams.catalog.datastore.verdicts import missing, next_pk, not_found, put, removed
from streams.catalog.outcome import Outcome
from streams.catalog.state import State


def create(state: State, command: CreateBlock, _: int) -> Outcome:
    if (wrong := missing("projects", state.projects, command.projects)) is not None:
        return wrong
    pk, counted = next_pk(state, "blocks")
    return put("blocks", Block(pk, command.name, tuple(sorted({*command.projects}))), counted)


def change(state: State, command: ChangeBlock, _: int) -> Outcome:
    block = state.blocks.get(command.pk)
    if block is None:
        return not_found(command.pk)
    fields = command.changes()
    if "projects" in fields:
        if (wrong := missing("projects", state.projects, fields["projects"])) is not None:
            return wrong
        fields["projects"] = tuple(sorted({*fields["projects"]}))
    return put("blocks", replace(block, **fields))


def remove(state: State, command: RemoveBlock, _: int) -> Outcome:
    block = state.blocks.get(command.pk)
    return not_found(command.pk) if block is None else removed("blocks", block)
