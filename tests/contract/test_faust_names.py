"""The private names of Faust and aiokafka that streams/transport.py leans on: an upgrade that moves one is seen here."""

import inspect
import re

import aiokafka
import faust
from aiokafka.consumer import fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from faust.tables import TableManager
from faust.transport.consumer import Consumer
from faust.transport.drivers import aiokafka as driver
from faust.types.tuples import ConsumerMessage
from mode.threads import ServiceThread

from streams.transport import RunApp, RunConsumer, RunTransport

_ORIGINAL = fetcher.PartitionRecords  # before any application replaces it


def test_the_fetcher_still_goes_through_getmany() -> None:
    assert "getmany" in inspect.getsource(Consumer._drain_messages)
    assert list(inspect.signature(Consumer.getmany).parameters) == ["self", "timeout"]


def test_what_getmany_uses_is_there() -> None:
    for name in ("_wait_next_records", "perform_seek", "highwater"):
        assert callable(getattr(Consumer, name)), name
    source = inspect.getsource(Consumer)
    for name in ("flow_active", "_buffered_partitions"):
        assert name in source, name
    assert ConsumerMessage.__init__.__code__.co_varnames[1:13] == (
        "topic",
        "partition",
        "offset",
        "timestamp",
        "timestamp_type",
        "headers",
        "key",
        "value",
        "checksum",
        "serialized_key_size",
        "serialized_value_size",
        "tp",
    )


def test_the_fetcher_still_makes_its_records_by_the_names_that_are_replaced() -> None:
    source = inspect.getsource(fetcher.Fetcher._proc_fetch_request)
    assert "MemoryRecords(part_data[-1])" in source
    assert "PartitionRecords(" in source
    assert list(inspect.signature(_ORIGINAL.__init__).parameters)[1:5] == [
        "tp",
        "records",
        "aborted_transactions",
        "fetch_offset",
    ]
    used = inspect.getsource(fetcher.FetchResult)
    assert set(re.findall(r"_partition_records\.(\w+)", used)) == {"next_fetch_offset"}


def test_what_commits_use_is_there() -> None:
    assert callable(driver.AIOKafkaConsumerThread._ensure_consumer)
    assert callable(driver.AIOKafkaConsumerThread.call_thread)
    assert inspect.iscoroutinefunction(GroupCoordinator.fetch_committed_offsets)
    assert "_coordinator" in inspect.getsource(aiokafka.AIOKafkaConsumer.start)


def test_what_tells_that_the_engine_has_given_up_is_there() -> None:
    group, fetching = inspect.getsource(GroupCoordinator), inspect.getsource(fetcher.Fetcher.__init__)
    assert "self._pending_exception = exc" in group
    assert "self._coordination_task = create_task(" in group
    assert "self._fetch_task = create_task(" in fetching
    assert "self._thread = self.Worker(" in inspect.getsource(ServiceThread)
    for name in ("_consumer", "crash_reason"):
        assert hasattr(driver.AIOKafkaConsumerThread, name), name
        assert hasattr(faust.App, name), name


def test_our_consumer_is_the_one_that_is_made() -> None:
    assert issubclass(RunConsumer, driver.Consumer)
    assert RunTransport.Consumer is RunConsumer
    assert "_new_transport" in vars(RunApp)
    assert "_new_transport" in inspect.getsource(faust.App)


def test_the_folders_of_tables_are_made_in_a_method_of_their_own() -> None:
    assert "mkdir" in inspect.getsource(faust.App._create_directories)


def test_a_table_manager_does_on_its_start_what_ours_does_and_a_pause() -> None:
    source = inspect.getsource(TableManager.on_start)
    assert re.findall(r"await (.*)", source) == ["self.sleep(1.0)", "self._update_channels()", "self.recovery.start()"]
