"""Every type has examples; models, JSON Schemas and examples agree."""

import json
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # its stubs are another package
from pydantic import BaseModel, ValidationError

from shared import ids, uscc
from shared.contracts import generate, registry, topics

from .examples import EXAMPLES, Example, leaves, load


def data_model(event: type[registry.AnyEvent]) -> type[BaseModel]:
    model = event.model_fields["data"].annotation
    assert isinstance(model, type)
    assert issubclass(model, BaseModel)
    return model


ALL = load(EXAMPLES)
TYPES = [(topic, name) for topic in topics.topics() for name in registry.models(topic)]
DATA_MODELS = list(dict.fromkeys(data_model(registry.models(topic)[name]) for topic, name in TYPES))
each = pytest.mark.parametrize("example", ALL, ids=lambda example: example.name)
each_type = pytest.mark.parametrize(("topic", "type_name"), TYPES, ids=lambda value: value)


def schema_of(example: Example) -> Draft202012Validator:
    schema = json.loads((generate.SCHEMAS / example.topic / f"{example.kind}.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


@each_type
def test_every_type_has_an_example(topic: str, type_name: str) -> None:
    assert any((example.topic, example.kind) == (topic, type_name) for example in ALL)


@each
def test_an_example_lies_where_its_topic_and_type_say(example: Example) -> None:
    assert example.kind in registry.models(example.topic)
    assert example.event["type"] == example.kind


@each
def test_an_example_is_valid_by_its_model_and_by_its_topics_decoder(example: Example) -> None:
    assert registry.decoder(example.topic).validate_json(example.raw) == example.model.model_validate_json(example.raw)


@each
def test_an_example_is_valid_by_its_json_schema(example: Example) -> None:
    assert [error.message for error in schema_of(example).iter_errors(example.event)] == []


@each
def test_every_field_of_an_example_survives_reading_and_writing(example: Example) -> None:
    written = json.loads(example.model.model_validate_json(example.raw).model_dump_json())
    kept = leaves(written)
    assert {at: kept.get(at, "lost") for at in leaves(example.event)} == leaves(example.event)


@each
def test_an_example_is_keyed_by_its_subject_and_its_codes_check(example: Example) -> None:
    code = example.event["data"].get("uscc")
    if code is None:
        return
    assert uscc.is_valid(code)
    # Reviews are keyed by their operation until intake puts them into their enterprise's partition, cases by the case.
    if not example.topic.startswith("casework.") and example.topic != topics.OPERATIONS:
        assert example.event["subject"] == code


@each
def test_the_ids_of_our_own_events_are_the_derived_ones(example: Example) -> None:
    data = example.event["data"]
    if example.kind == "relief.decision.made.v1":
        expected = ids.decision_id(data["uscc"], data["measure"], data["key"], data["revision"])
        assert example.event["id"] == data["decision_id"] == expected
    if example.topic == topics.LEDGER_EXEMPTIONS:
        assert data["exemption_id"] == ids.exemption_id(data["uscc"], f"{data['insurance']}/{data['period']}")


@each
def test_unknown_fields_are_ignored_in_the_envelope_and_in_the_data(example: Example) -> None:
    newer = example.event | {"dataschema": "https://example.org/v9", "comexampleextension": {"a": [1]}}
    newer["data"] = example.event["data"] | {"field_of_next_year": {"deep": [1.5, None]}}
    read = example.model.model_validate_json(json.dumps(newer))
    assert read == example.model.model_validate_json(example.raw)
    assert list(schema_of(example).iter_errors(newer)) == []


@each
def test_an_event_without_a_mandatory_field_is_refused_by_the_model_and_by_the_schema(example: Example) -> None:
    """`type` chooses the model, so its absence is the decoder's to refuse."""
    schema = schema_of(example)
    for name in ("specversion", "id", "source", "subject", "time", "data"):
        lacking = {key: value for key, value in example.event.items() if key != name}
        with pytest.raises(ValidationError):
            example.model.model_validate_json(json.dumps(lacking))
        assert not schema.is_valid(lacking)
    assert not schema.is_valid({key: value for key, value in example.event.items() if key != "type"})
    for name, field in data_model(example.model).model_fields.items():
        if field.is_required():
            data = {key: value for key, value in example.event["data"].items() if key != name}
            with pytest.raises(ValidationError):
                example.model.model_validate_json(json.dumps(example.event | {"data": data}))
            assert not schema.is_valid(example.event | {"data": data})


@pytest.mark.parametrize("topic", [topic for topic in topics.topics() if len(registry.models(topic)) > 1])
def test_an_event_without_a_type_is_refused_by_its_topics_decoder(topic: str) -> None:
    event = next(example.event for example in ALL if example.topic == topic)
    with pytest.raises(ValidationError):
        registry.decoder(topic).validate_python({key: value for key, value in event.items() if key != "type"})


@pytest.mark.parametrize("data", DATA_MODELS, ids=lambda model: model.__name__)
def test_the_examples_show_every_field_with_a_value_and_every_optional_one_without(data: type[BaseModel]) -> None:
    """Of one payload model: several types may share it."""
    shown = [example.event["data"] for example in ALL if data_model(example.model) is data]
    for path, may_lack, can_have in fields(data):
        values = [value for event in shown for value in at(event, path)]
        assert not can_have or any(value is not None for value in values), f"{'.'.join(path)} is never shown"
        assert not may_lack or any(value is None for value in values), f"{'.'.join(path)} is always there"


@pytest.mark.parametrize("attribute", ["datacontenttype", "traceparent"])
def test_the_examples_show_every_optional_attribute_of_the_envelope(attribute: str) -> None:
    assert {attribute in example.event for example in ALL} == {True, False}


def fields(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], bool, bool]]:
    """Every field below a model: where, whether it may be null or missing, whether it may be more than null."""
    for name, field in model.model_fields.items():
        parts = list(flat(field.annotation))
        yield (*path, name), type(None) in parts or not field.is_required(), parts != [type(None)]
        for part in parts:
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from fields(part, (*path, name))


def flat(annotation: Any) -> Iterator[Any]:
    """The members of a union, of a list's items, and of what annotations wrap."""
    origin = get_origin(annotation)
    if origin in (Union, UnionType, list):
        for part in get_args(annotation):
            yield from flat(part)
    elif origin is Annotated:
        yield from flat(get_args(annotation)[0])
    else:
        yield annotation


def at(value: Any, path: tuple[str, ...]) -> list[Any]:
    """What stands at a path, in each item of the lists on the way; None for what is missing."""
    if isinstance(value, list):
        return [found for item in value for found in at(item, path)]
    if not path:
        return [value]
    return at(value.get(path[0]), path[1:]) if isinstance(value, dict) else [None]
