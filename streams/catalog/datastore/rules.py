"""The rule of each of the datastore's commands."""

from collections.abc import Callable
from typing import Any

from streams.catalog.datastore import (
    attribute_keys,
    attributes,
    blocks,
    connections,
    energy_commands,
    owners,
    project_commands,
    projects,
    runs,
    stations,
    traces,
)
from streams.catalog.outcome import Outcome
from streams.catalog.state import State

RULES: dict[Any, Callable[[State, Any, int], Outcome]] = {
    project_commands.EnrolUser: owners.enrol,
    project_commands.CreateOwner: owners.create,
    project_commands.ChangeOwner: owners.change,
    project_commands.RemoveOwner: owners.remove,
    project_commands.CreateProject: projects.create,
    project_commands.ChangeProject: projects.change,
    project_commands.RemoveProject: projects.remove,
    project_commands.UpsertProject: projects.upsert,
    project_commands.CreateBlock: blocks.create,
    project_commands.ChangeBlock: blocks.change,
    project_commands.RemoveBlock: blocks.remove,
    project_commands.CreateAttributeKey: attribute_keys.create,
    project_commands.ChangeAttributeKey: attribute_keys.change,
    project_commands.RemoveAttributeKey: attribute_keys.remove,
    project_commands.UpsertAttributeKey: attribute_keys.upsert,
    project_commands.CreateAttribute: attributes.create,
    project_commands.ChangeAttribute: attributes.change,
    project_commands.RemoveAttribute: attributes.remove,
    project_commands.UpsertAttribute: attributes.upsert,
    energy_commands.CreateTrace: traces.create,
    energy_commands.ChangeTrace: traces.change,
    energy_commands.RemoveTrace: traces.remove,
    energy_commands.UpsertTrace: traces.upsert,
    energy_commands.RequestRun: runs.request,
    energy_commands.RemoveResult: runs.remove_result,
    energy_commands.CreateConnection: connections.create,
    energy_commands.ChangeConnection: connections.change,
    energy_commands.RemoveConnection: connections.remove,
    energy_commands.CreateStation: stations.create,
    energy_commands.ChangeStation: stations.change,
    energy_commands.RemoveStation: stations.remove,
    energy_commands.UpsertStation: stations.upsert,
}
