"""For this room's tests: documents written from the bindings, right ones and such with one mistake."""

import dataclasses
import enum
import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from xsdata.models.datatype import XmlDate, XmlDateTime, XmlPeriod

MATCHING = {
    "[0-9]{1,15}": "7",
    "[a-zA-Z0-9]{4}": "aB3d",
    "[A-Z]{2,2}": "CN",
    "[A-Z0-9]{4,4}[A-Z]{2,2}[A-Z0-9]{2,2}([A-Z0-9]{3,3}){0,1}": "ICBKCNBJXXX",
    "[A-Z0-9]{18,18}[0-9]{2,2}": "A" * 18 + "12",
    r"\+[0-9]{1,3}-[0-9()+\-]{1,30}": "+86-10(1)",
    "[A-Z]{2,2}[0-9]{2,2}[a-zA-Z0-9]{1,30}": "CN12ab",
    "[A-Z]{3,3}": "CNY",
    "[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-[89ab][a-f0-9]{3}-[a-f0-9]{12}": "12345678-1234-4123-8123-123456789abc",
    "[0-9]{2}": "01",
    "[0-9]{1,5}": "12345",
    r"[\+]{0,1}[0-9]{1,15}": "+1",
    "[0-9]{8,28}": "12345678",
    "[0-9]{2,3}": "12",
    "[0-9]{3}": "123",
    "[0-9]": "1",
    "[0-9]{3,4}": "123",
    "[0-9]{1,3}": "1",
    "[A-Z]{2,2}[A-Z0-9]{9,9}[0-9]{1,1}": "CN1234567890",
    "[a-z]{2,2}": "zh",
}
# Right and wrong ones; the XSD says which. None has blanks around a date: XML Schema allows them, libxml2 does not.
NUMBERS: tuple[str, ...] = (
    "0",
    "1.5",
    "-1",
    "-0.0",
    "+2.50",
    "1" * 18,
    "1" * 19,
    "0.12345",
    "0.123456",
    "0." + "0" * 16 + "1",
)
NUMBERS += ("0." + "0" * 17 + "1", "1.", ".", ".5", "1e3", "", " 7 ", "0" * 18 + "1", "1." + "0" * 20, "-", "七")
DAYS: tuple[str, ...] = (
    "2020-02-29",
    "2021-02-29",
    "2020-1-1",
    "2020-01-01Z",
    "2020-01-01+14:00",
    "2020-01-01+14:01",
    "0000-01-01",
)
DAYS += ("2020-13-01", "2020-01-01+08", "2020-01-01-00:00", "20200101", "２０20-01-01")
MOMENTS: tuple[str, ...] = (
    "2020-01-01T00:00:00",
    "2020-01-01T24:00:00Z",
    "2020-01-01T24:00:01Z",
    "2020-01-01T23:60:00",
)
MOMENTS += (
    "2020-01-01T23:59:59.123+08:00",
    "2020-01-01",
    "2020-01-01T23:59:60",
    "2020-01-01 00:00:00",
    "2020-02-30T00:00:00",
)
VALUES: dict[Any, tuple[str, ...]] = {
    Decimal: NUMBERS,
    XmlDate: DAYS,
    XmlDateTime: MOMENTS,
    XmlPeriod: ("2020", "2020Z", "20", ""),
    bool: ("true", "false", "1", "0", "TRUE", " true ", "yes"),
    bytes: ("AAAA", "AAA=", "A", "", "AA AA", "A===", "é"),
}
FORMS = ("Element", "Attribute", "Wildcard", None)
Mistake = Callable[[list["Element"], random.Random], None]
RIGHT = {Decimal: "1", XmlDate: "2020-02-29", XmlDateTime: MOMENTS[0], XmlPeriod: "2020", bool: "true", bytes: "AAAA"}


@dataclasses.dataclass(eq=False)
class Element:
    """An element of a document being written, with what its binding says of its value (`kind` None: only elements)."""

    tag: str
    kind: Any
    facets: Any
    text: str = ""
    attributes: dict[str, str] = dataclasses.field(default_factory=dict)
    children: list["Element"] = dataclasses.field(default_factory=list)
    # Of a choice: every alternative, by tag.
    alternatives: dict[str, Any] = dataclasses.field(default_factory=dict)

    def all(self) -> Iterator["Element"]:
        yield self
        for child in self.children:
            yield from child.all()

    def written(self) -> str:
        attributes = "".join(f' {name}="{value}"' for name, value in self.attributes.items())
        return f"<{self.tag}{attributes}>{self.text}{''.join(child.written() for child in self.children)}</{self.tag}>"


def the(hint: Any) -> Any:
    """The type behind an optional or a list."""
    return next((kind for kind in get_args(hint) if kind is not type(None)), hint)


@cache
def leads(binding: Any, kind: Any) -> bool:
    """Whether a value of the kind may stand somewhere in an element of the binding."""
    if not dataclasses.is_dataclass(binding):
        return binding is kind
    return any(leads(the(hint), kind) for hint in get_type_hints(binding).values())


def document(
    binding: Any, chance: random.Random, towards: Any = None, tag: str = "Document", facets: Any = None, depth: int = 0
) -> Element:
    """A valid element of a binding, with a part of what may stand in it; with all that leads `towards` a kind."""
    if not dataclasses.is_dataclass(binding):
        return Element(tag, binding, facets, right(binding, facets, chance))
    made = Element(tag, None, facets)
    hints = get_type_hints(binding)
    fields = {form: [f for f in dataclasses.fields(binding) if f.metadata.get("type") == form] for form in FORMS}
    for field in fields["Attribute"]:
        made.attributes[field.metadata["name"]] = right(the(hints[field.name]), field.metadata, chance)
    for field in fields[None]:
        made.kind, made.facets = the(hints[field.name]), field.metadata
        made.text = right(made.kind, made.facets, chance)
    if fields["Wildcard"]:
        made.text = "<anything xmlns='urn:else'><at>all</at></anything>"
    elements = fields["Element"]
    is_choice = str(getattr(binding, "__name__", "")).endswith("Choice")
    if is_choice:
        made.alternatives = {f.metadata["name"]: (the(hints[f.name]), f.metadata) for f in elements}
        elements = [f for f in elements if leads(the(hints[f.name]), towards)] or elements
        elements = [chance.choice(elements)]
    for field in elements:
        required = is_choice or field.metadata.get("required") or field.metadata.get("min_occurs")
        sought = leads(the(hints[field.name]), towards)
        wanted = 1 if required or sought or (depth < 9 and chance.random() < 0.25) else 0
        if wanted and get_origin(hints[field.name]) is list and chance.random() < 0.3:
            wanted = field.metadata.get("max_occurs", 2)
        for _ in range(wanted):
            name, kind = field.metadata["name"], the(hints[field.name])
            made.children.append(document(kind, chance, towards, name, field.metadata, depth + 1))
    return made


def right(kind: Any, facets: Any, chance: random.Random) -> str:
    if kind is str:
        return MATCHING[facets["pattern"]] if "pattern" in facets else "字" * chance.choice((1, facets["max_length"]))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return str(chance.choice(list(kind)).value)
    return RIGHT[kind]


def doubtful(kind: Any, facets: Any, chance: random.Random) -> str:
    """A value that may be wrong."""
    if kind is str:
        if "pattern" in facets:
            good = MATCHING[facets["pattern"]]
            return chance.choice(("", "é", good + "é", good + good, good.lower(), good.upper(), " " + good))
        return "字" * chance.choice((0, facets["max_length"], facets["max_length"] + 1))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        good = str(chance.choice(list(kind)).value)
        return chance.choice(("", good + " ", good.lower(), good + good))
    return chance.choice(VALUES[kind])


def value(elements: list[Element], chance: random.Random) -> None:
    kinds = sorted({str(one.kind) if one.kind in VALUES else "text" for one in elements if one.kind})
    chosen = chance.choice(kinds)
    one = chance.choice([e for e in elements if e.kind and (str(e.kind) if e.kind in VALUES else "text") == chosen])
    one.text = doubtful(one.kind, one.facets, chance)


def drop(elements: list[Element], chance: random.Random) -> None:
    children = chance.choice([one for one in elements if one.children]).children
    children.pop(chance.randrange(len(children)))


def again(elements: list[Element], chance: random.Random) -> None:
    children = chance.choice([one for one in elements if one.children]).children
    place = chance.randrange(len(children))
    children[place:place] = [children[place]] * chance.choice((1, 2, 10))


def swap(elements: list[Element], chance: random.Random) -> None:
    several = [one for one in elements if len({child.tag for child in one.children}) > 1]
    children = chance.choice(several).children
    place = chance.choice([n for n in range(1, len(children)) if children[n].tag != children[n - 1].tag])
    children[place - 1 : place + 1] = children[place], children[place - 1]


def choose_twice(elements: list[Element], chance: random.Random) -> None:
    one = chance.choice([one for one in elements if one.alternatives] or [Element("", None, None, alternatives={})])
    if one.alternatives:
        tag, (kind, facets) = chance.choice(list(one.alternatives.items()))
        one.children.insert(chance.choice((0, 1)), document(kind, chance, None, tag, facets, 9))


def stray(elements: list[Element], chance: random.Random) -> None:
    children = chance.choice([one for one in elements if one.children]).children
    leaves = [one for one in elements if not one.children]
    children.insert(chance.randrange(len(children) + 1), chance.choice([*leaves, Element("Unknown", None, None)]))


def attribute(elements: list[Element], chance: random.Random) -> None:
    one = chance.choice([one for one in elements if one.attributes] or elements)
    one.attributes = chance.choice(({}, {"Ccy": "CNY"}, {"Ccy": "cny"}, {"Ccy": "CNY", "Other": "1"}, {"Ccy": ""}))


def words(elements: list[Element], chance: random.Random) -> None:
    one = chance.choice([one for one in elements if one.kind is None and one.children])
    one.text = chance.choice(("text", " \n\t", "<!-- comment -->", "\u3000", "<?instruction?>", "<![CDATA[ ]]>"))


MISTAKES = (value, value, value, drop, drop, again, swap, choose_twice, stray, attribute, words)


def content_of(made: Element, binding: Any) -> bytes:
    return made.written().replace("<Document", f'<Document xmlns="{binding.Meta.namespace}"', 1).encode()
