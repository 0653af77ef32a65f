"""What may be asked of the datastore's part of the catalog.

`Create…` gives a primary key, `Change…` leaves what is not named as it is, `Upsert…` is one record of a sync:
it finds its object by the key of the contract.
"""

from typing import get_args

from streams.catalog.datastore.energy_commands import EnergyCommand
from streams.catalog.datastore.project_commands import ProjectCommand

DatastoreCommand = ProjectCommand | EnergyCommand

ALL: tuple[type[DatastoreCommand], ...] = get_args(DatastoreCommand)
