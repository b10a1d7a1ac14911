"""Domain to wire: what is told to the utilities."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from services.holdover.domain.enterprise import Enterprise
from services.holdover.domain.identity import event_id
from services.holdover.domain.telling import Telling
from services.holdover.orders import Signer
from shared.contracts.topics import ORDERS
from shared.streaming.records import Output

SOURCE = "/relief/holdover"
# Stands in `origin` for what no record caused: a day that started in a partition, by the occasion's number there.
DAYS = "holdover.days"
_json = msgspec.json.Encoder()


class Occasion(NamedTuple):
    """What every event told at one occasion shares: when, because of which record or day, and in which partition."""

    at: datetime
    traceparent: str | None
    topic: str
    # An enterprise keeps its partition number in every topic between our services.
    partition: int
    offset: int


def outputs(enterprise: Enterprise, said: Iterable[Telling], occasion: Occasion, signer: Signer) -> list[Output]:
    """The events on `holdover.orders.v1`, numbered from 0. An order is signed, and keeps its signature."""
    made = []
    for index, telling in enumerate(said):
        data = {
            "origin": {
                "topic": occasion.topic,
                "partition": occasion.partition,
                "offset": occasion.offset,
                "index": index,
            },
            "holdover_id": telling.holdover_id,
            "uscc": enterprise.uscc,
            **telling.account._asdict(),
            "on": telling.on,
            **telling.fields,
        }
        if telling.kind == "supply_protected":
            data["signature"] = _signed(enterprise, telling, data, signer)
        made.append(_output(telling, data, occasion))
    return made


def _signed(enterprise: Enterprise, telling: Telling, data: dict[str, Any], signer: Signer) -> str:
    signature = signer.sign(data)
    told = enterprise.told[telling.holdover_id]
    assert told.order is not None  # it was told just now
    told.order = msgspec.structs.replace(told.order, signature=signature)
    return signature


def _output(telling: Telling, data: dict[str, Any], occasion: Occasion) -> Output:
    event = {
        "specversion": "1.0",
        "id": event_id(telling.holdover_id, telling.kind, telling.number),
        "source": SOURCE,
        "type": f"relief.holdover.{telling.kind}.v1",
        "subject": data["uscc"],
        "time": occasion.at,
        "datacontenttype": "application/json",
        "data": data,
    }
    if occasion.traceparent is not None:
        event["traceparent"] = occasion.traceparent
    return Output(ORDERS, occasion.partition, data["uscc"].encode(), _json.encode(event))
