"""What several contracts are tested on."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.datastore import Store, datastore


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    """The datastore with user `demo` and its owner, both pk 1, and nothing else."""
    async with datastore() as running:
        yield running
