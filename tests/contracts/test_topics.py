"""`topics.yaml`: strict in form, and no orphans."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from shared.contracts import registry, topics
from shared.contracts.envelope import Event

ROOT = Path(topics.__file__).parents[2]
DECLARED = yaml.safe_load((Path(topics.__file__).parent / "topics.yaml").read_text("utf-8"))
# Who is not ours: authorities, the utilities, the bodies that meet needs, banks, and officers at a desk.
OUTSIDE = {"upstream", "bank", "utilities", "bodies", "officers"}
# The partitions of an enterprise's story line up from topic to topic; operations are few.
LINED_UP = 12

Word = Annotated[str, Field(min_length=1, pattern=r"^\S(.*\S)?$")]
Names = Annotated[list[Annotated[str, Field(pattern=r"^[a-z_]+$")]], Field(min_length=1)]
Types = Annotated[list[Annotated[str, Field(pattern=r"^(cn|relief)(\.[a-z_]+)+\.v[0-9]+$")]], Field(min_length=1)]


class Declared(BaseModel):
    """One entry, every field named and typed."""

    model_config = ConfigDict(strict=True, extra="forbid")

    what: Word
    key: Word
    partitions: Annotated[int, Field(ge=1)]
    retention: Literal["forever", "outage"]
    writers: Names
    readers: Names
    types: Types | Literal["facts"]
    planned: bool = False


ENTRIES = TypeAdapter(
    dict[Annotated[str, Field(pattern=r"^[a-z]+\.[a-z]+\.v[0-9]+$")], Declared],
).validate_python(DECLARED)
SERVED = {name: entry for name, entry in ENTRIES.items() if not entry.planned}


def test_a_field_of_the_wrong_name_or_type_is_found() -> None:
    entry = next(iter(DECLARED.values()))
    for wrong in ({"partitions": "12"}, {"writers": "intake"}, {"retention": "never"}, {"reader": ["intake"]}):
        with pytest.raises(ValidationError):
            Declared.model_validate({**entry, **wrong})


def test_every_topic_is_read_as_it_is_declared() -> None:
    assert list(topics.topics()) == list(DECLARED)
    for name, topic in topics.topics().items():
        entry = ENTRIES[name]
        assert (topic.name, topic.what, topic.key, topic.partitions) == (name, entry.what, entry.key, entry.partitions)
        assert (topic.retention, topic.planned) == (entry.retention, entry.planned)
        assert (topic.writers, topic.readers) == (tuple(entry.writers), tuple(entry.readers))
        assert topic.types == (entry.types if isinstance(entry.types, str) else tuple(entry.types))


@pytest.mark.parametrize("name", ENTRIES)
def test_the_types_of_a_topic_are_the_models_of_the_registry(name: str) -> None:
    types = ENTRIES[name].types
    if types == "facts":
        taken_in = {t for topic in (*topics.UPSTREAM, topics.OPERATIONS) for t in ENTRIES[topic].types}
        assert set(registry.models(name)) == taken_in
    else:
        assert len(set(types)) == len(types)
        assert list(registry.models(name)) == types


def test_every_event_model_belongs_to_a_topic() -> None:
    assert set(registry.BY_TOPIC) | {topics.FACTS} == set(ENTRIES)
    in_topics = {model for name in ENTRIES for model in registry.models(name).values()}
    assert _concrete_events() <= in_topics


def _concrete_events() -> set[type[Event[Any]]]:
    """Every event class with a type of its own: neither the base nor one of its parametrisations."""
    found: set[type[Event[Any]]] = set()
    waiting: list[type[Event[Any]]] = [Event]
    while waiting:
        model = waiting.pop()
        waiting += model.__subclasses__()
        if isinstance(model.model_fields["type"].default, str) and model.__module__.startswith("shared.contracts"):
            found.add(model)
    return found


@pytest.mark.parametrize("name", SERVED)
def test_who_writes_and_reads_a_served_topic_exists(name: str) -> None:
    ours = {*SERVED[name].writers, *SERVED[name].readers} - OUTSIDE
    missing = {service for service in ours if not (ROOT / "services" / service / "__init__.py").is_file()}
    assert missing == set()


def test_what_planned_topics_name_is_spelt_as_elsewhere() -> None:
    """A planned service need not exist yet, but a planned topic has both sides."""
    planned = {name for entry in ENTRIES.values() if entry.planned for name in (*entry.writers, *entry.readers)}
    assert planned - OUTSIDE <= {path.name for path in (ROOT / "services").iterdir()} | {"casework"}


def test_no_service_folder_is_missing_from_the_topics() -> None:
    """The simulator stands in for outside writers, the command line for operators."""
    named = {name for entry in ENTRIES.values() for name in (*entry.writers, *entry.readers)}
    folders = {path.parent.name for path in (ROOT / "services").glob("*/__init__.py")}
    assert folders - {"simulator"} <= named


def test_an_enterprise_keeps_its_partition_number_from_topic_to_topic() -> None:
    single = {topics.OPERATIONS, topics.PACKS}
    assert {entry.partitions for name, entry in ENTRIES.items() if name not in single} == {LINED_UP}
    assert {ENTRIES[name].partitions for name in single} == {1}


def test_only_what_comes_in_may_be_trimmed() -> None:
    """What comes in may hold open personal data, and is not kept for ever."""
    assert {name for name, entry in ENTRIES.items() if entry.retention == "outage"} == {
        topics.TAX,
        topics.INSURANCE,
        topics.UTILITY,
        topics.APPLICATIONS,
    }
