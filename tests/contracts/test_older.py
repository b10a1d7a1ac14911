"""Examples of earlier days, never edited: whoever wrote such records must be read for ever."""

import json

import pytest

from shared.contracts import registry, topics

from .examples import OLDER, Example, leaves, load

ALL = load(OLDER)
each = pytest.mark.parametrize("example", ALL, ids=lambda example: example.name)


def test_every_type_was_frozen_once() -> None:
    """A new type's examples are copied here when it is first published."""
    types = {(topic, name) for topic in topics.topics() for name in registry.models(topic)}
    assert types == {(example.topic, example.kind) for example in ALL}


@each
def test_an_older_example_is_read_by_todays_model_with_every_field(example: Example) -> None:
    """A field renamed, dropped, newly required or narrowed fails here."""
    written = leaves(json.loads(registry.decoder(example.topic).validate_json(example.raw).model_dump_json()))
    assert {at: written.get(at, "lost") for at in leaves(example.event)} == leaves(example.event)
