"""What tests of parts with a log of their own begin with."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from infra.running import Running
from infra.settings import Settings


@pytest.fixture
def own_log(
    make_kafka: Callable[..., Running], make_settings: Callable[..., Settings], registry: str, stack_settings: Settings
) -> Iterator[Callable[..., Settings]]:
    """Makes settings for a test: a broker and a data folder of its own, the schemas of the shared registry."""
    started: list[Running] = []

    def make(**values: Any) -> Settings:
        settings = make_settings(session_timeout_s=6, **values)
        settings.schema_cache.write_bytes(stack_settings.schema_cache.read_bytes())
        settings.registry_url = registry
        started.append(make_kafka(settings))
        return settings

    yield make
    for broker in started:
        broker.stop()
