"""The tables made from the bindings against the published XSDs: two readings of one standard must agree."""

import random
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from pyiso20022.camt.camt_054_001_08 import Document as Notification
from pyiso20022.pain.pain_001_001_09 import Document as Order
from pyiso20022.pain.pain_002_001_10 import Document as Status10
from pyiso20022.pain.pain_002_001_12 import Document as Status

from services.payments.bank import published, stream
from services.payments.bank.notification import CUT as NOTIFICATION_CUT
from services.payments.bank.refused import Refused
from services.payments.bank.schema import ElementType, document_type
from services.payments.bank.schema_cases import MISTAKES, RIGHT, VALUES, Mistake, content_of, document, leads
from services.payments.bank.status import CUT as STATUS_CUT


def accepted(content: bytes, kind: ElementType, namespace: str, cut: frozenset[str]) -> bool:
    try:
        for _ in stream.parts(content, kind, namespace, cut):
            pass
    except Refused as refused:
        if refused.reason_code != "NOT_OF_SCHEMA":
            raise
        return False
    return True


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([Order, Status]), st.integers(0, 2**32), st.sampled_from(MISTAKES), st.booleans())
def test_both_readings_say_the_same_of_one_mistake(binding: Any, seed: int, mistake: Mistake, cut: bool) -> None:
    namespace, chance = binding.Meta.namespace, random.Random(seed)
    made = document(binding, chance)
    mistake(list(made.all()), chance)
    content = content_of(made, binding)
    tags = frozenset({"CdtTrfTxInf", "PmtInf", "TxInfAndSts"}) if cut else frozenset[str]()
    fault = published.fault(namespace, content)
    event(f"{mistake.__name__}: {'valid' if fault is None else 'invalid'}")
    assert accepted(content, document_type(binding), namespace, tags) == (fault is None), (fault, content.decode())


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_both_readings_say_the_same_of_every_doubtful_value(kind: Any) -> None:
    """Of a type, at a place each where it stands under other limits."""
    places: set[str] = set()
    for binding in (Order, Status):
        for seed in range(5 if leads(binding, kind) else 0):
            made = document(binding, random.Random(seed), towards=kind)
            for one in made.all():
                limits = {name: limit for name, limit in (one.facets or {}).items() if name not in ("name", "required")}
                if one.kind is kind and str(limits) not in places:
                    places.add(str(limits))
                    for one.text in VALUES[kind]:
                        content = content_of(made, binding)
                        fault = published.fault(binding.Meta.namespace, content)
                        ours = accepted(content, document_type(binding), binding.Meta.namespace, frozenset())
                        assert ours == (fault is None), (one.text, limits)
                    one.text = RIGHT[kind]
    assert places


@pytest.mark.parametrize("binding", [Order, Status, Status10, Notification])
def test_without_a_mistake_a_document_is_accepted(binding: Any) -> None:
    """Also of the kinds whose XSD is not at hand, so that nothing in their tables is too strict to be met."""
    for seed in range(60):
        content = content_of(document(binding, random.Random(seed)), binding)
        assert published.fault(binding.Meta.namespace, content) is None
        assert accepted(content, document_type(binding), binding.Meta.namespace, frozenset()), content.decode()


@pytest.mark.parametrize(
    ("binding", "cut"), [(Status10, STATUS_CUT), (Status, STATUS_CUT), (Notification, NOTIFICATION_CUT)]
)
def test_what_is_cut_out_has_one_place_in_its_schema(binding: Any, cut: frozenset[str]) -> None:
    places: dict[str, set[ElementType]] = {}
    seen: set[ElementType] = set()

    def walk(kind: ElementType) -> None:
        if kind not in seen:
            seen.add(kind)
            for child in kind.children.values():
                if child.tag in cut:
                    places.setdefault(child.tag, set()).add(kind)
                walk(child.type)

    walk(document_type(binding))
    assert set(places) == cut
    assert all(len(parents) == 1 for parents in places.values())
