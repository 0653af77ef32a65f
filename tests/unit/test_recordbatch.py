"""Kafka's record batches, read against those that aiokafka writes."""

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.recordbatch import CorruptBatch, batches, run_of

T0 = 1_790_000_000_000
Record = tuple[int, bytes | None, bytes | None]

record = st.tuples(st.integers(-5000, 5_000_000), st.none() | st.binary(max_size=20), st.none() | st.binary(max_size=300))


def written(records: list[Record], base: int = 0, compression: int = 0, headers: bool = False) -> bytes:
    builder = DefaultRecordBatchBuilder(2, compression, False, -1, -1, 0, 1 << 20)
    for i, (delta, key, value) in enumerate(records):
        assert builder.append(i, T0 + delta, key, value, [("h", b"x")] if headers else [])
    data = bytearray(builder.build())
    data[:8] = base.to_bytes(8, "big")  # as the broker does; outside the checksum
    return bytes(data)


@given(st.lists(st.lists(record, min_size=1, max_size=30), min_size=1, max_size=4), st.sampled_from([0, 1, 3, 4]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_run_holds_every_record_of_its_batches(groups: list[list[Record]], compression: int, headers: bool) -> None:
    data, base = b"", 100
    for group in groups:
        data += written(group, base, compression, headers)
        base += len(group)
    parts = list(batches(data))
    run = run_of(parts)
    everything = [r for group in groups for r in group]
    assert run.offset.tolist() == list(range(100, 100 + len(everything)))
    assert [(int(t) - T0, run.key(i), run.value(i)) for i, t in enumerate(run.appended_ms)] == everything
    assert parts[-1].next_offset == base


@given(st.binary(max_size=200), st.integers(0, 400))
@settings(max_examples=100, deadline=None)
def test_a_batch_that_was_cut_off_is_left_for_the_next_fetch(value: bytes, cut: int) -> None:
    whole = written([(0, b"k", value)])
    parts = list(batches(whole + whole[: min(cut, len(whole) - 1)]))
    assert len(parts) == 1


@given(st.integers(21, 10_000), st.integers(1, 255))
@settings(max_examples=100, deadline=None)
def test_a_damaged_batch_is_refused(at: int, change: int) -> None:
    data = bytearray(written([(0, b"k", b"v" * 50)]))
    data[21 + at % (len(data) - 21)] ^= change
    with pytest.raises(CorruptBatch, match="checksum"):
        list(batches(bytes(data)))


def test_with_append_time_every_record_has_the_time_of_the_log() -> None:
    from aiokafka.record._crecords import crc32c_cython

    data = bytearray(written([(0, b"k", b"a"), (7, b"k", b"b")]))
    data[22] |= 0x08  # the broker sets the attribute, the maximum, and the checksum anew
    data[35:43] = (T0 + 99).to_bytes(8, "big")
    data[17:21] = crc32c_cython(bytes(data[21:])).to_bytes(4, "big")
    assert run_of(list(batches(bytes(data)))).appended_ms.tolist() == [T0 + 99, T0 + 99]


def test_a_format_of_old_brokers_is_named() -> None:
    data = bytearray(written([(0, b"k", b"v")]))
    data[16] = 1
    with pytest.raises(CorruptBatch, match="format 1; expected 2"):
        list(batches(bytes(data)))
