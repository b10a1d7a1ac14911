"""A value of another JSON type than the contract's is refused, wherever it stands."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.contracts import registry

from .examples import EXAMPLES, Example, load

ALL = load(EXAMPLES)
Place = tuple[str | int, ...]

# Where null is as good as a value: the field, and how the names of the examples begin that may have it.
NULLABLE = {
    **dict.fromkeys(["datacontenttype", "traceparent", "payee_sealed", "payee_digest", "contact_sealed"], ""),
    "payee": "",
    "contact": "relief.facts.v1/",
    "prefecture": "relief.decisions.v1/",
    "size_class": "relief.decisions.v1/",
    **dict.fromkeys(["batch_id", "clawback_id", "reason"], "ledger.refunds.v1/"),
    **dict.fromkeys(["reason_code", "bank_reference"], "payments.commands.v1/relief.payment.status"),
    "order_id": "holdover.orders.v1/relief.holdover.disconnection_",
    "outcome": "casework.referrals.v1/",
    "terms": "casework.replies.v1/",
    **dict.fromkeys(["raw_sealed", "content_digest", "conflicts_with"], "relief.rejected.v1/"),
}
# JSON of the sender's own shape.
FREE = {"details", "terms", "content"}
# One line of text, or named lines.
EITHER = {"contact": {"string", "object"}}

json_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8")),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["a", "zh", "uscc"]), st.integers(), max_size=2),
)


def json_type(value: Any) -> str:
    """As the contract tells types apart: a number with a fraction or an exponent is not an integer."""
    names = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
    return names.get(type(value), "object")


def nodes(value: Any, path: Place = ()) -> list[Place]:
    """Every place below a value, except inside what is of free shape."""
    if path and path[-1] in FREE:
        return [path]
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, part in inner for place in nodes(part, (*path, key)))]


def at(value: Any, path: Place) -> Any:
    for key in path:
        value = value[key]
    return value


def replaced(event: Any, path: Place, value: Any) -> Any:
    changed = copy.deepcopy(event)
    at(changed, path[:-1])[path[-1]] = value
    return changed


def may_be(example: Example, path: Place, wanted: str) -> bool:
    """Whether a value of that JSON type is right at that place, by the exceptions above."""
    name = str(path[-1])
    if wanted == "null":
        return name in NULLABLE and example.name.startswith(NULLABLE[name])
    return wanted in EITHER.get(name, set())


@settings(max_examples=25, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("example", ALL, ids=lambda example: example.name)
def test_a_value_of_another_json_type_is_refused(example: Example, data: st.DataObject) -> None:
    path = data.draw(
        st.sampled_from([place for place in nodes(example.event)[1:] if at(example.event, place) is not None])
    )
    right = json_type(at(example.event, path))
    value = data.draw(
        json_values.filter(lambda new: json_type(new) != right and not may_be(example, path, json_type(new)))
    )
    with pytest.raises(ValidationError):
        registry.decoder(example.topic).validate_json(json.dumps(replaced(example.event, path, value)))


def test_null_is_read_exactly_where_the_table_says() -> None:
    read: set[str] = set()
    for example in ALL:
        for path in nodes(example.event)[1:]:
            accepted = _accepts(example, json.dumps(replaced(example.event, path, None)))
            assert accepted == may_be(example, path, "null"), f"{example.name}: {path}"
            read |= {str(path[-1])} if accepted else set()
    assert read == set(NULLABLE)


def _accepts(example: Example, text: str) -> bool:
    try:
        registry.decoder(example.topic).validate_json(text)
    except ValidationError:
        return False
    return True
