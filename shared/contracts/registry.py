"""From event type and topic to model: the only table that names every event."""

import functools
import operator
from functools import cache
from typing import Annotated, Any, Literal, cast

from pydantic import Field, TypeAdapter, create_model

from shared.contracts import topics
from shared.contracts.applications import APPLICATION_EVENTS
from shared.contracts.casework import REFERRAL_EVENTS, REPLY_EVENTS
from shared.contracts.commands import COMMAND_EVENTS
from shared.contracts.decisions import DECISION_EVENTS
from shared.contracts.envelope import Event
from shared.contracts.facts import FACT_DATA
from shared.contracts.insurance import INSURANCE_EVENTS
from shared.contracts.ledger_events import EXEMPTION_EVENTS, REFUND_EVENTS
from shared.contracts.operations import OPERATION_EVENTS, PACK_EVENTS
from shared.contracts.orders import ORDER_EVENTS
from shared.contracts.rejected import REJECTED_EVENTS
from shared.contracts.tax import TAX_EVENTS
from shared.contracts.utility import UTILITY_EVENTS

AnyEvent = Event[Any]

BY_TOPIC: dict[str, tuple[type[AnyEvent], ...]] = {
    topics.TAX: TAX_EVENTS,
    topics.INSURANCE: INSURANCE_EVENTS,
    topics.UTILITY: UTILITY_EVENTS,
    topics.APPLICATIONS: APPLICATION_EVENTS,
    topics.OPERATIONS: OPERATION_EVENTS,
    topics.PACKS: PACK_EVENTS,
    topics.REJECTED: REJECTED_EVENTS,
    topics.DECISIONS: DECISION_EVENTS,
    topics.LEDGER_EXEMPTIONS: EXEMPTION_EVENTS,
    topics.LEDGER_REFUNDS: REFUND_EVENTS,
    "payments.commands.v1": COMMAND_EVENTS,
    "holdover.orders.v1": ORDER_EVENTS,
    "casework.referrals.v1": REFERRAL_EVENTS,
    "casework.replies.v1": REPLY_EVENTS,
}


def type_of(model: type[AnyEvent]) -> str:
    return str(model.model_fields["type"].default)


@cache
def fact_models() -> dict[str, type[AnyEvent]]:
    """Event models of `relief.facts.v1` by type."""
    return {name: _fact_model(name, data) for name, data in FACT_DATA.items()}


def _fact_model(name: str, data: Any) -> type[AnyEvent]:
    tag: Any = Literal[name]
    base: Any = Event[data]
    model: Any = create_model(
        data.__name__.removesuffix("Data"), __base__=base, __doc__=_read_by_intake()[name].__doc__, type=(tag, name)
    )
    return cast("type[AnyEvent]", model)


def _read_by_intake() -> dict[str, type[AnyEvent]]:
    events = [model for topic in (*topics.UPSTREAM, topics.OPERATIONS) for model in BY_TOPIC[topic]]
    return {type_of(model): model for model in events}


@cache
def models(topic: str) -> dict[str, type[AnyEvent]]:
    """Event models of a topic by type."""
    if topic == topics.FACTS:
        return fact_models()
    return {type_of(model): model for model in BY_TOPIC[topic]}


@cache
def decoder(topic: str) -> TypeAdapter[AnyEvent]:
    """Validates one record's JSON as any of the topic's events, chosen by `type`."""
    return _union(tuple(models(topic).values()))


@cache
def upstream_decoder() -> TypeAdapter[AnyEvent]:
    """As `decoder`, over all upstream topics together: for files that mix them."""
    return _union(tuple(_read_by_intake().values()))


@cache
def topic_of(type_name: str) -> str | None:
    """The upstream topic that carries a type."""
    return next((t for t in (*topics.UPSTREAM, topics.OPERATIONS) if type_name in models(t)), None)


def _union(events: tuple[type[AnyEvent], ...]) -> TypeAdapter[AnyEvent]:
    if len(events) == 1:
        return TypeAdapter(events[0])
    members: Any = functools.reduce(operator.or_, events)
    return TypeAdapter(Annotated[members, Field(discriminator="type")])
