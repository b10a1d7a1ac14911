"""Compressed batches are read up to a bound, whatever their codec; beyond it their partition stops alone."""

import struct
import tracemalloc
from typing import Any

import pytest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.structs import TopicPartition

from shared.streaming import lenient
from shared.streaming.errors import Stop
from shared.streaming.fakes import IN, Log, Process, memory_store
from shared.streaming.lenient import INFLATED_MAX_BYTES, RECORDS_MAX, LenientRecords

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
codecs = pytest.mark.parametrize("codec", [number for number in CODECS.values() if number], ids=list(CODECS)[1:])
OTHER = TopicPartition(IN.topic, 1)


def batch(codec: int, *values: bytes, headers: Any = ()) -> bytes:
    builder = _DefaultRecordBatchBuilderPy(2, codec, False, -1, -1, -1, 2**30)
    for offset, value in enumerate(values):
        builder.append(offset, 0, b"key", value, list(headers))
    return bytes(builder.build())


def read(data: bytes) -> list[Any]:
    found = LenientRecords(data).next_batch()
    assert found.validate_crc()
    return list(found)


@codecs
def test_a_compressed_batch_is_read_as_an_open_one(codec: int) -> None:
    values = (b"", b"a", b"b" * 100_000, bytes(range(256)) * 300)
    headers = [("name", b"value")]
    plain, packed = (read(batch(one, *values, headers=headers)) for one in (0, codec))
    for one, other in zip(plain, packed, strict=True):
        assert (one.offset, one.timestamp, one.key, one.value, one.headers) == (
            other.offset, other.timestamp, other.key, other.value, other.headers,
        )  # fmt: skip


class NoText(str):
    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"\xff\xfe"


@codecs
def test_a_header_that_is_no_text_is_read_in_a_compressed_batch(codec: int) -> None:
    (record,) = read(batch(codec, b"value", headers=[(NoText("x"), b"1")]))
    assert record.headers == (("\udcff\udcfe", b"1"),) or list(record.headers) == [("\udcff\udcfe", b"1")]


@codecs
def test_a_batch_is_read_up_to_the_limit_and_stops_beyond_it(codec: int, monkeypatch: pytest.MonkeyPatch) -> None:
    one = read(batch(codec, bytes(50_000)))
    size = len(batch(0, bytes(50_000))) - 61
    monkeypatch.setattr(lenient, "INFLATED_MAX_BYTES", size)
    assert len(read(batch(codec, bytes(50_000)))[0].value) == len(one[0].value)
    monkeypatch.setattr(lenient, "INFLATED_MAX_BYTES", size - 1)
    with pytest.raises(Stop, match=f"offset 0 holds more than {size - 1} bytes"):
        read(batch(codec, bytes(50_000)))


@codecs
def test_a_bomb_costs_no_more_than_the_limit(codec: int) -> None:
    bomb = batch(codec, bytes(12 * INFLATED_MAX_BYTES))
    tracemalloc.start()
    try:
        with pytest.raises(Stop):
            read(bomb)
        assert tracemalloc.get_traced_memory()[1] < 2.5 * INFLATED_MAX_BYTES + 2 * len(bomb)
    finally:
        tracemalloc.stop()


@codecs
@pytest.mark.parametrize(
    "spoilt", [b"", b"\x00", b"\xff" * 40, b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01" + bytes(8)]
)
def test_what_is_no_compressed_text_fails_and_ends(codec: int, spoilt: bytes) -> None:
    whole = batch(codec, b"value" * 100)
    head = bytearray(whole[:61])
    struct.pack_into(">i", head, 8, 49 + len(spoilt))
    with pytest.raises(Exception):  # noqa: B017, PT011  # any: the poller takes each for an unreadable partition
        list(LenientRecords(bytes(head) + spoilt).next_batch())


def test_a_batch_of_too_many_records_stops() -> None:
    head = bytearray(batch(0, b"value"))
    struct.pack_into(">i", head, 57, RECORDS_MAX + 1)
    with pytest.raises(Stop, match=f"more than {RECORDS_MAX} records"):
        list(LenientRecords(bytes(head)).next_batch())


async def test_a_bomb_stops_its_partition_at_once_and_alone() -> None:
    log, store = Log(), memory_store()
    log.add(1)
    log.add(2, partition=OTHER)
    process = await Process(log, store).take(IN, OTHER)
    process.consumer.unreadable[IN] = [Stop("it holds more than it may")]
    await process.turn(3)
    assert process.runner.stopped == {IN: "it holds more than it may"}
    assert [output.partition for output in process.publisher.out] == [OTHER.partition]
