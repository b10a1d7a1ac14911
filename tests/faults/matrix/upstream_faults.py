"""Faults of those who send: yesterday again, and everything in another order."""

import random
from collections.abc import Callable

from tests.faults.matrix.ground import Ground
from tests.integration.region import Upstream


def sent_again(ground: Ground) -> str:
    """All that came so far comes again, amid what is new."""
    again = [list(part) for part in ground.load.sent]
    ground.load.mix(again)
    with ground.load.flowing():
        pass
    return f"{sum(map(len, again)):,} records sent a second time, amid new ones"


def in_another_order(region: list[Upstream], seed: int) -> list[Upstream]:
    """Any order, also of one enterprise's records: a correction before what it corrects, a payment before its bill."""
    shuffled = list(region)
    random.Random(seed).shuffle(shuffled)
    return sorted(shuffled, key=lambda one: one.topic)


def each_once(region: list[Upstream], _seed: int) -> list[Upstream]:
    """Without the repeats: where a trimmed log is begun anew, a repeat of what is gone is news."""
    return list({(one.topic, one.line): one for one in region}.values())


def only_sent(what: str) -> Callable[[Ground], str]:
    def inject(ground: Ground) -> str:
        with ground.load.flowing():
            pass
        return what

    return inject
