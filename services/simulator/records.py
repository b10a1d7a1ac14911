"""Reads what `write_upstream` wrote as the records that the authorities would send to Kafka."""

import re
import zlib
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

STRUCTURED = (("content-type", b"application/cloudevents+json"),)
# The tax authority sends one record in twenty in binary mode; which ones follows from the id, so a repeat is alike.
BINARY_TOPIC = "upstream.tax.v1"
BINARY_EVERY = 20


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A Kafka record of an upstream topic. `time_ms` is the event's own time, which a late record keeps."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    time_ms: int


class _Envelope(msgspec.Struct, gc=False):
    type: str
    source: str
    subject: str
    time: str
    specversion: str
    data: msgspec.Raw
    id: str | None = None


class _RawLine(msgspec.Struct, gc=False):
    after_line: int
    key_b64: str | None
    value_b64: str | None
    headers: list[tuple[str, str]]
    time_ms: int
    expect: str


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_raw = msgspec.json.Decoder(_RawLine).decode
_SUBJECT = re.compile(rb'"subject":"([^"]*)"')
_TIME = re.compile(rb'"time":"([^"]*)"')


def records(directory: Path, topic: str) -> Iterator[RawRecord]:
    """The records of one topic, lines and raw ones together, in the order of arrival; OSError without the files."""
    with (directory / f"{topic}.jsonl").open("rb") as lines, (directory / f"{topic}.raw.jsonl").open("rb") as raw_lines:
        raws = map(_decode_raw, raw_lines)
        raw = next(raws, None)
        number = 0
        for number, line in enumerate(lines, start=1):
            while raw is not None and raw.after_line < number:
                yield _raw_record(raw)
                raw = next(raws, None)
            yield _record(line.rstrip(b"\n"), topic == BINARY_TOPIC)
        while raw is not None:
            yield _raw_record(raw)
            raw = next(raws, None)


def _record(line: bytes, some_binary: bool) -> RawRecord:
    try:
        event = _decode_envelope(line)
    except msgspec.MsgspecError:
        return _broken(line)
    key = event.subject.encode()
    time_ms = _unix_ms(event.time)
    if some_binary and event.id is not None and zlib.crc32(event.id.encode()) % BINARY_EVERY == 0:
        headers = (
            ("ce_specversion", event.specversion.encode()),
            ("ce_id", event.id.encode()),
            ("ce_source", event.source.encode()),
            ("ce_type", event.type.encode()),
            ("ce_subject", key),
            ("ce_time", event.time.encode()),
            ("content-type", b"application/json"),
        )
        return RawRecord(key, bytes(event.data), headers, time_ms)
    return RawRecord(key, line, STRUCTURED, time_ms)


def _broken(line: bytes) -> RawRecord:
    """A line that is no JSON still goes where its sender would have sent it."""
    subject, time = _SUBJECT.search(line), _TIME.search(line)
    if subject is None or time is None:
        raise ValueError(f"a line without subject or time is not the simulator's: {line[:80]!r}")
    return RawRecord(subject[1], line, STRUCTURED, _unix_ms(time[1].decode()))


def _raw_record(raw: _RawLine) -> RawRecord:
    return RawRecord(
        None if raw.key_b64 is None else b64decode(raw.key_b64),
        None if raw.value_b64 is None else b64decode(raw.value_b64),
        tuple((name, b64decode(value)) for name, value in raw.headers),
        raw.time_ms,
    )


def _unix_ms(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp()) * 1000
