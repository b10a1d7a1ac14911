"""Lets aiokafka read a record whose header name is not UTF-8.

Kafka takes any bytes as a header's name. aiokafka decodes them while it reads, and one such record would keep its
whole partition from being read, though only intake may reject, and the records around it have to go through. Here
the name comes out with surrogate escapes, which no strict encoder takes for text.

And keeps aiokafka from inflating without bound: a few kilobytes can stand for gigabytes, and a process that dies of
them would die of them again. Importing this module installs both.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import cramjam
from aiokafka.codec import _detect_xerial_stream
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

from shared.streaming.errors import Stop

# Four times the largest message that a topic of ours takes, however well it is compressed.
INFLATED_MAX_BYTES = 16 * 1024 * 1024
RECORDS_MAX = 250_000

_LENGTH_AT, _OVERHEAD, _MAGIC_AT, _ATTRIBUTES_AT, _COUNT_AT, _HEADER_BYTES = 8, 12, 16, 21, 57, 61
_CODEC = 0x07


class LenientRecords:
    """What a broker sent of one partition, batch by batch: aiokafka's reader, and a slower one for what it refuses."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0
        self._records = MemoryRecords(data)

    def size_in_bytes(self) -> int:
        return int(self._records.size_in_bytes())

    def has_next(self) -> bool:
        return bool(self._records.has_next())

    def next_batch(self) -> "_Batch":
        begin = self._at
        self._at += _OVERHEAD + struct.unpack_from(">i", self._data, begin + _LENGTH_AT)[0]
        return _Batch(self._records.next_batch(), self._data[begin : self._at])


class _Batch:
    def __init__(self, batch: Any, data: bytes) -> None:
        self._batch, self._data = batch, data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        """Raises Stop for a batch that would grow beyond all measure."""
        batch, data = self._batch, self._data
        if data[_MAGIC_AT] >= 2:
            _check_count(data)
            if data[_ATTRIBUTES_AT + 1] & _CODEC:
                data = _inflated(data)
                batch = MemoryRecords(data).next_batch()
        try:
            return iter(list(batch))
        except UnicodeDecodeError:
            if data[_MAGIC_AT] < 2:
                raise  # the old formats have no headers
            batch = _DefaultRecordBatchPy(data)
            batch._buffer = _LenientBuffer(batch._buffer)
            return iter(list(batch))


def _check_count(data: bytes) -> None:
    count: int = struct.unpack_from(">i", data, _COUNT_AT)[0]
    if count > RECORDS_MAX:
        raise _too_much(data, f"{RECORDS_MAX} records")


def _inflated(data: bytes) -> bytes:
    """The same batch without compression. Its checksum is that of the compressed one, and was checked there."""
    codec = data[_ATTRIBUTES_AT + 1] & _CODEC
    try:
        body = _INFLATE[codec](data[_HEADER_BYTES:])
    except _TooMuch:
        raise _too_much(data, f"{INFLATED_MAX_BYTES} bytes") from None
    head = bytearray(data[:_HEADER_BYTES])
    struct.pack_into(">i", head, _LENGTH_AT, _HEADER_BYTES - _OVERHEAD + len(body))
    head[_ATTRIBUTES_AT + 1] &= ~_CODEC & 0xFF
    return bytes(head) + body


class _TooMuch(Exception):
    pass


def _too_much(data: bytes, limit: str) -> Stop:
    offset: int = struct.unpack_from(">q", data)[0]
    return Stop(
        f"The record batch at offset {offset} holds more than {limit}: it cannot be read. "
        "Have the sender repeat its records in smaller batches, and delete the topic's records up to and with it."
    )


def _gzip(body: bytes) -> bytes:
    found, left = bytearray(), body
    while left:  # a file of several members is one text
        member = zlib.decompressobj(wbits=31)
        found += member.decompress(left, INFLATED_MAX_BYTES + 1 - len(found))
        if len(found) > INFLATED_MAX_BYTES:
            raise _TooMuch
        if not member.eof:
            raise EOFError("the compressed batch ends early")
        left = member.unused_data.lstrip(b"\0")
    return bytes(found)


def _snappy(body: bytes) -> bytes:
    """Each block says in advance how long it will be, and may be believed no further than the limit."""
    if not _detect_xerial_stream(body):
        return _block(body, INFLATED_MAX_BYTES)
    found, at = bytearray(), 16
    while at < len(body):
        size = struct.unpack_from(">i", body, at)[0]
        if size <= 0:
            raise ValueError("a block without content")  # it would be read again and again
        found += _block(body[at + 4 : at + 4 + size], INFLATED_MAX_BYTES - len(found))
        at += 4 + size
    return bytes(found)


def _block(block: bytes, at_most: int) -> bytes:
    if cramjam.snappy.decompress_raw_len(block) > at_most:
        raise _TooMuch
    return bytes(cramjam.snappy.decompress_raw(block))


@lru_cache(maxsize=1)
def _room(size: int) -> bytearray:
    """One for all: to clear so much memory for each batch would cost more than most batches do."""
    return bytearray(size)


def _into(decompress: Callable[[bytes, bytearray], int], body: bytes) -> bytes:
    room = _room(INFLATED_MAX_BYTES)
    try:
        size = decompress(body, room)
    except cramjam.DecompressionError as error:
        if "whole buffer" in str(error):
            raise _TooMuch from None
        raise
    return bytes(memoryview(room)[:size])


_INFLATE: dict[int, Callable[[bytes], bytes]] = {
    1: _gzip,
    2: _snappy,
    3: lambda body: _into(cramjam.lz4.decompress_into, body),
    4: lambda body: _into(cramjam.zstd.decompress_into, body),
}


class _LenientBuffer(bytearray):
    """aiokafka's reader in Python decodes nothing but header names, from slices of its buffer."""

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        return found if isinstance(found, int) else _LenientBuffer(found)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return super().decode(encoding, "surrogateescape")


fetcher.MemoryRecords = LenientRecords
