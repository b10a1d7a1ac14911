"""A batch through a fold: nothing of it depends on where the batch began or ends."""

from collections.abc import Sequence
from typing import Any

from shared.observability import metrics
from shared.streaming.records import F, Fold, Output, Raw, States

Watermarks = dict[str, tuple[int, int]]


def step_through(
    fold: Fold[F, Any], records: Sequence[Raw], facts: Sequence[F], states: States[Any], watermarks: Watermarks
) -> list[Output]:
    """The outputs in order; `states` and `watermarks` move along. What was seen from its source before is dropped."""
    outputs: list[Output] = []
    for record, fact in zip(records, facts, strict=True):
        cause = fold.cause(fact)
        if cause is not None:
            if cause.position <= watermarks.get(cause.source, (-1, -1)):
                metrics.DUPLICATES.labels(record.topic).inc()
                continue
            watermarks[cause.source] = cause.position
        outputs += fold.step(states, fact, record)
    return outputs
