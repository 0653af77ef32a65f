"""Rules of tariffs: each is a row of versions, valid from a day on."""

import json

from streams.catalog.commands import PutTariff, RemoveTariff
from streams.catalog.outcome import Outcome, accepted, refused
from streams.catalog.state import Change, State, Tariff


def put(state: State, command: PutTariff, _: int) -> Outcome:
    try:
        document = json.loads(command.document)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return refused("bad_document", f"the document of tariff {command.tariff_id} is not a JSON object")
    known = state.tariffs.get(command.tariff_id)
    versions = dict(known.versions if known else ())
    versions[command.valid_from] = command.document
    tariff = Tariff(command.tariff_id, tuple(sorted(versions.items())))
    return accepted(f"tariff {tariff.tariff_id} is set from {command.valid_from} on", Change("tariffs", tariff.tariff_id, tariff))


def remove(state: State, command: RemoveTariff, _: int) -> Outcome:
    known = state.tariffs.get(command.tariff_id)
    versions = dict(known.versions if known else ())
    if command.valid_from not in versions:
        return refused("unknown_tariff", f"tariff {command.tariff_id} has no version from {command.valid_from} on")
    del versions[command.valid_from]
    left = Tariff(command.tariff_id, tuple(sorted(versions.items()))) if versions else None
    return accepted(
        f"tariff {command.tariff_id} from {command.valid_from} on is removed", Change("tariffs", command.tariff_id, left)
    )
