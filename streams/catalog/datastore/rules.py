"""The rule of each of the datastore's commands."""

from collections.abc import Callable
from typing import Any

from streams.catalog.datastore import (
    attribute_keys,
    attributes,
    blocks,
    commands,
    connections,
    owners,
    projects,
    runs,
    stations,
    traces,
)
from streams.catalog.outcome import Outcome
from streams.catalog.state import State

RULES: dict[Any, Callable[[State, Any, int], Outcome]] = {
    commands.EnrolUser: owners.enrol,
    commands.CreateOwner: owners.create,
    commands.ChangeOwner: owners.change,
    commands.RemoveOwner: owners.remove,
    commands.CreateProject: projects.create,
    commands.ChangeProject: projects.change,
    commands.RemoveProject: projects.remove,
    commands.UpsertProject: projects.upsert,
    commands.CreateBlock: blocks.create,
    commands.ChangeBlock: blocks.change,
    commands.RemoveBlock: blocks.remove,
    commands.CreateAttributeKey: attribute_keys.create,
    commands.ChangeAttributeKey: attribute_keys.change,
    commands.RemoveAttributeKey: attribute_keys.remove,
    commands.UpsertAttributeKey: attribute_keys.upsert,
    commands.CreateAttribute: attributes.create,
    commands.ChangeAttribute: attributes.change,
    commands.RemoveAttribute: attributes.remove,
    commands.UpsertAttribute: attributes.upsert,
    commands.CreateTrace: traces.create,
    commands.ChangeTrace: traces.change,
    commands.RemoveTrace: traces.remove,
    commands.UpsertTrace: traces.upsert,
    commands.RequestRun: runs.request,
    commands.RemoveResult: runs.remove_result,
    commands.CreateConnection: connections.create,
    commands.ChangeConnection: connections.change,
    commands.RemoveConnection: connections.remove,
    commands.CreateStation: stations.create,
    commands.ChangeStation: stations.change,
    commands.RemoveStation: stations.remove,
    commands.UpsertStation: stations.upsert,
}
