"""Lets aiokafka read a record whose header name is not UTF-8.

Kafka takes any bytes as a header's name. aiokafka decodes them while it reads, and one such record would keep its
whole partition from being read, though only intake may reject, and the records around it have to go through. Here
the name comes out with surrogate escapes, which no strict encoder takes for text. Importing this module installs it.
"""

import struct
from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

_LENGTH_AT, _OVERHEAD, _MAGIC_AT = 8, 12, 16


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
        try:
            return iter(list(self._batch))
        except UnicodeDecodeError:
            if self._data[_MAGIC_AT] < 2:
                raise  # the old formats have no headers
            batch = _DefaultRecordBatchPy(self._data)
            batch._maybe_uncompress()
            batch._buffer = _LenientBuffer(batch._buffer)
            return iter(list(batch))


class _LenientBuffer(bytearray):
    """aiokafka's reader in Python decodes nothing but header names, from slices of its buffer."""

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        return found if isinstance(found, int) else _LenientBuffer(found)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return super().decode(encoding, "surrogateescape")


fetcher.MemoryRecords = LenientRecords
