"""Operations as records of `intake.operations.v1`: days, packs, reviews. Ids derive from what they ask for."""

from datetime import date, datetime
from typing import Any

import msgspec

from shared.contracts.topics import OPERATIONS
from shared.ids import derived
from shared.streaming.records import Output

_json = msgspec.json.Encoder()


def day_started(day: date, at: datetime) -> Output:
    return _operation("relief.day.started.v1", derived("day", day.isoformat()), {"date": day}, at)


def pack_activated(pack: str, version: str, sha256: str, at: datetime) -> Output:
    """Activating the same pack again later is another operation: the time of the wish is part of its id."""
    identity = derived("pack", sha256, at.isoformat())
    return _operation("relief.pack.activated.v1", identity, {"pack": pack, "version": version, "sha256": sha256}, at)


def review_requested(uscc: str, sha256: str, reason: str, at: datetime) -> Output:
    """One record per enterprise; the id derives from pack and uscc, so that a repeated request reviews once."""
    identity = derived("review", sha256, uscc)
    return _operation("relief.review.requested.v1", identity, {"uscc": uscc, "reason": reason}, at)


def _operation(kind: str, identity: str, data: dict[str, Any], at: datetime) -> Output:
    event = {
        "specversion": "1.0",
        "id": identity,
        "source": "/relief/operations",
        "type": kind,
        "subject": identity,
        "time": at,
        "datacontenttype": "application/json",
        "data": data,
    }
    return Output(OPERATIONS, 0, identity.encode(), _json.encode(event))
