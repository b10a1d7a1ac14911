"""What a sender may put into a record: examples of the contract, bent where parsers are known to give way."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from tests.contracts.examples import EXAMPLES, Example, leaves, load

BY_TOPIC: dict[str, list[Example]] = {}
for _example in load(EXAMPLES):
    BY_TOPIC.setdefault(_example.topic, []).append(_example)

# As JSON that is put in place of a value; most of it is no JSON at all, or none that anybody means.
VALUES = (
    b"NaN", b"-Infinity", b"1e999", b"-0", b"0.1", b"1e3", b"9" * 400, b"-" + b"9" * 5000, b"9223372036854775808",
    b"18446744073709551616", b"1" + b"0" * 20, b'"\\ud800"', b'"\\udfff\\ud800"', b'"\\u0000"', b'"\xff\xfe"',
    b'"\xed\xa0\x80"', b'""', b"null", b"true", b"[]", b"{}", b'{"a":{"a":{}}}', b"[" * 50 + b"]" * 50,
    b"[" * 5_000 + b"]" * 5_000, b'{"a":' * 3_000 + b"1" + b"}" * 3_000, b'"' + b"x" * 20_000 + b'"',
    '"\u202e\u0130ﬀ𝕏"'.encode(), b'"0001-01-01"', b'"9999-12-31"', b'"2020-02-30"', b'"2020-02-20T25:61:61+99:99"',
    b'"2020-W08-4"', b'"-1"', b'"1"', b"'x'", b"[", b"//", b"",
)  # fmt: skip
_HOLE = "@hole@"


def in_place(event: dict[str, Any], path: tuple[str | int, ...], value: bytes) -> bytes:
    """The event as JSON with these bytes where the path leads."""
    copy: Any = json.loads(json.dumps(event))
    inner = copy
    for part in path[:-1]:
        inner = inner[part]
    if path:
        inner[path[-1]] = _HOLE
    return json.dumps(copy if path else _HOLE).encode().replace(f'"{_HOLE}"'.encode(), value)


def twice(event: dict[str, Any], path: tuple[str | int, ...], value: bytes, first: bool) -> bytes:
    """A member of that name comes two times, once with these bytes."""
    name = json.dumps(path[-1]).encode() + b": "
    original: Any = event
    for part in path:
        original = original[part]
    whole = json.dumps(original).encode()
    both = (value, whole) if first else (whole, value)
    return in_place(event, path, both[0] + b", " + name + both[1])


@st.composite
def bent(draw: st.DrawFn, topic: str) -> tuple[Example, bytes]:
    """An example of the topic, and bytes that were one before one to three things happened to them."""
    example = draw(st.sampled_from(BY_TOPIC[topic]))
    paths = [path for path in leaves(example.event) if path]
    paths += [path[:-1] for path in paths if len(path) > 1]
    path = draw(st.sampled_from(paths))
    value = draw(st.sampled_from(VALUES) | st.integers().map(lambda n: str(n).encode()) | _texts)
    how = draw(st.sampled_from(("in place", "twice", "bytes", "whole")))
    if how == "whole":
        return example, draw(st.sampled_from(VALUES) | st.binary(max_size=60))
    if how == "in place" or (how == "twice" and isinstance(path[-1], int)):
        raw = in_place(example.event, path, value)
    elif how == "twice":
        raw = twice(example.event, path, value, draw(st.booleans()))
    else:
        raw = example.raw
    for _ in range(draw(st.integers(0, 2)) + (how == "bytes")):
        raw = draw(st.sampled_from(_SPOILT))(raw, draw(st.integers(0, max(0, len(raw) - 1))), draw(st.integers(0, 255)))
    return example, raw


_texts = st.text(st.characters(), max_size=12).map(lambda text: json.dumps(text).encode())
_SPOILT: tuple[Callable[[bytes, int, int], bytes], ...] = (
    lambda raw, at, byte: raw[:at] + bytes([byte]) + raw[at + 1 :],
    lambda raw, at, byte: raw[:at] + bytes([byte]) + raw[at:],
    lambda raw, at, _: raw[:at],
    lambda raw, at, byte: raw[:at] + raw[at + byte :],
    lambda raw, *_: b"\xef\xbb\xbf" + raw,
    lambda raw, *_: raw + raw,
    lambda raw, *_: raw.decode("utf-8", "replace").encode("utf-16"),
)


def large() -> dict[str, bytes]:
    """Quarter-megabyte inputs that cost a careless reader much more than their size."""
    size = 250_000
    return {
        "nested lists": b"[" * (size // 2) + b"]" * (size // 2),
        "nested members": b'{"a":' * (size // 5),
        "one number": b'{"data":' + b"9" * size + b"}",
        "one fraction": b'{"data":0.' + b"1" * size + b"}",
        "one exponent": b'{"data":1e' + b"9" * size + b"}",
        "one string": b'{"data":"' + b"x" * size + b'"}',
        "escapes": b'{"data":"' + b"\\ud83d\\ude00" * (size // 12) + b'"}',
        "one name again and again": b"{" + b'"a":1,' * (size // 6) + b'"a":1}',
        "many names": b"{" + b",".join(b'"%d":1' % n for n in range(size // 10)) + b"}",
        "empty lists": b"[" + b"[]," * (size // 3) + b"[]]",
        "zeros": bytes(size),
        "no UTF-8": b"\xff" * size,
    }
