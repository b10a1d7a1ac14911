"""ISO 20022 schemas as tables that a stream of XML can be held against, made from the bindings of `pyiso20022`.

The bindings carry what the published schemas say: names, order, how often, lengths, patterns, digits. So files of
a kind whose XSD nobody packages are checked as strictly as the others. Looser than the XSD in two places that no file
of ours uses: a year may be a month, and what stands in supplementary data is not looked at.
"""

import base64
import binascii
import dataclasses
import enum
import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any, cast, get_args, get_origin, get_type_hints

from xsdata.models.datatype import XmlDate, XmlDateTime, XmlPeriod

_SPACE = " \t\r\n"
_ZONE = r"(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)?"
_DATE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})" + _ZONE)
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})T(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?|24:00:00(?:\.0+)?)"
    + _ZONE
)
_PERIOD = re.compile(r"[0-9]{4}(?:-(?:0[1-9]|1[0-2]))?" + _ZONE)
_DECIMAL = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?")

Text = Callable[[str], str | None]
"""Takes what stands in an element or attribute: the text to keep, None if it is not of the type."""


@dataclasses.dataclass(slots=True, eq=False)
class ElementType:
    """What may stand in an element. `children` by full name (namespace, space, local name), in their order."""

    name: str
    children: dict[str, "Child"] = dataclasses.field(default_factory=dict)
    # Of each position in order, whether a child must stand there.
    required: list[bool] = dataclasses.field(default_factory=list)
    attributes: dict[str, Text] = dataclasses.field(default_factory=dict)
    text: Text | None = None
    # One kind of child, and no other. ISO 20022 names every such type so.
    choice: bool = False
    # Exactly one child, whatever it is.
    wild: bool = False


@dataclasses.dataclass(slots=True, frozen=True)
class Child:
    """`tag` is the local name; at most `most` of them in a row."""

    tag: str
    position: int
    most: int
    type: ElementType


def document_type(document: Any) -> ElementType:
    """The type of a message's `Document` element, from its binding."""
    return _complex(document, document.Meta.namespace)


@cache
def _complex(binding: Any, namespace: str) -> ElementType:
    made = ElementType(binding.__name__, choice=binding.__name__.endswith("Choice"))
    hints = get_type_hints(binding)
    for field in dataclasses.fields(binding):
        kind, repeated = _unwrapped(hints[field.name])
        form = field.metadata.get("type")
        if form == "Wildcard":
            made.wild = True
        elif form == "Attribute":
            assert field.metadata.get("required"), f"{binding.__name__} has an attribute that may be left out"
            made.attributes[field.metadata["name"]] = _text(kind, field.metadata)
        elif form == "Element":
            least, most = _occurrences(field.metadata, repeated)
            inner = (
                _complex(cast("Any", kind), namespace)
                if dataclasses.is_dataclass(kind)
                else ElementType(field.metadata["name"], text=_text(kind, field.metadata))
            )
            tag = field.metadata["name"]
            made.children[f"{namespace} {tag}"] = Child(tag, len(made.required), most, inner)
            made.required.append(least > 0)
        else:
            made.text = _text(kind, field.metadata)
    return made


def _unwrapped(hint: Any) -> tuple[Any, bool]:
    """The type of one value, and whether there may be several."""
    if get_origin(hint) is list:
        return get_args(hint)[0], True
    kinds = [kind for kind in get_args(hint) if kind is not type(None)]
    return (kinds[0] if kinds else hint), False


def _occurrences(facets: Mapping[str, Any], repeated: bool) -> tuple[int, int]:
    if repeated:
        least, most = facets.get("min_occurs", 0), facets.get("max_occurs", 2**31)
        assert least <= 1, "the tables know whether, not how often a child is required"
        return least, most
    return int(facets.get("required", False)), 1


def _text(kind: Any, facets: Mapping[str, Any]) -> Text:
    if kind is str:
        return _string(facets)
    if kind is Decimal:
        return _decimal(facets)
    if kind is bytes:
        return _binary(facets)
    if kind is bool:
        return _collapsed(lambda text: text in ("true", "false", "1", "0"))
    if kind is XmlDate:
        return _collapsed(lambda text: _is_day(_DATE.fullmatch(text)))
    if kind is XmlDateTime:
        return _collapsed(lambda text: _is_day(_MOMENT.fullmatch(text)))
    if kind is XmlPeriod:
        return _collapsed(lambda text: _PERIOD.fullmatch(text) is not None)
    assert issubclass(kind, enum.Enum), f"no rule for values of type {kind}"
    words = frozenset(word.value for word in kind)
    return lambda text: text if text in words else None


def _collapsed(holds: Callable[[str], bool]) -> Text:
    def read(text: str) -> str | None:
        text = text.strip(_SPACE)
        return text if holds(text) else None

    return read


def _string(facets: Mapping[str, Any]) -> Text:
    least, most = facets.get("min_length", 0), facets.get("max_length", 2**31)
    pattern = re.compile(facets["pattern"]) if "pattern" in facets else None

    def read(text: str) -> str | None:
        fits = least <= len(text) <= most and (pattern is None or pattern.fullmatch(text))
        return text if fits else None

    return read


def _binary(facets: Mapping[str, Any]) -> Text:
    def read(text: str) -> str | None:
        compact = "".join(text.split())
        try:
            size = len(base64.b64decode(compact, validate=True))
        except (binascii.Error, ValueError):
            return None
        return compact if facets.get("min_length", 0) <= size <= facets.get("max_length", 2**31) else None

    return read


def _decimal(facets: Mapping[str, Any]) -> Text:
    total, fractions, least = facets["total_digits"], facets["fraction_digits"], facets.get("min_inclusive")
    assert least in (None, 0), "the only bound in these schemas is that an amount is not negative"

    def holds(text: str) -> bool:
        match = _DECIMAL.fullmatch(text)
        if match is None or not (match[2] or match[3]):
            return False
        fraction = (match[3] or "").rstrip("0")
        digits = (match[2] + fraction).lstrip("0")
        return (
            len(digits) <= total
            and len(fraction) <= min(fractions, total)
            and not (least is not None and match[1] == "-" and digits)
        )

    return _collapsed(holds)


def _is_day(match: re.Match[str] | None) -> bool:
    if match is None:
        return False
    try:
        date.fromisoformat(match[1])
    except ValueError:
        return False
    return True
