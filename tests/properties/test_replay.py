"""A replay from any prefix of the log ends in the same state and writes the same bytes, whatever was lost before."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from services.eligibility import packs
from services.eligibility.handlers import EligibilityFold, decode_state, encode_state
from shared.streaming.records import Output, Record, States
from tests.faults.generate import histories
from tests.properties.logs import eventful, facts_of
from tests.properties.test_decisions import SEEDS, several

Stored = dict[str, bytes]


def batch(stored: Stored, records: list[Record]) -> tuple[list[list[Output]], Stored]:
    """The outputs of each record, and the states as they would be kept: both or, after a crash, only the outputs."""
    fold = EligibilityFold(packs.by_hash)
    facts = [fold.decode(record) for record in records]
    keys = dict.fromkeys(key for fact in facts for key in fold.keys(fact))
    states = States({key: decode_state(stored[key]) for key in keys if key in stored})
    outputs = [list(fold.step(states, fact, record)) for fact, record in zip(facts, records, strict=True)]
    return outputs, stored | {key: encode_state(state) for key, state in states.changes().items()}


def partitions_of(log: list[Record]) -> list[list[Record]]:
    return [[record for record in log if record.partition == number] for number in {record.partition for record in log}]


@several(100)
@given(histories(), SEEDS, st.floats(0, 1))
def test_from_any_prefix_the_rest_gives_the_same_state_and_the_same_bytes(
    lines: list[bytes], seed: int, cut: float
) -> None:
    for log in partitions_of(eventful(facts_of(lines), seed)):
        outputs, state = batch({}, log)
        where = int(cut * len(log))
        before, rebuilt = batch({}, log[:where])
        after, end = batch(rebuilt, log[where:])
        assert before + after == outputs
        assert end == state


@several(100)
@given(histories(), SEEDS)
def test_after_crashes_and_lost_writes_repeats_equal_the_first_and_the_state_converges(
    lines: list[bytes], seed: int
) -> None:
    chance = Random(seed)
    for log in partitions_of(eventful(facts_of(lines), seed)):
        outputs, state = batch({}, log)
        kept: list[tuple[int, Stored]] = [(0, {})]
        told: dict[int, list[Output]] = {}
        crashes = 6
        while kept[-1][0] < len(log):
            begin, stored = kept[-1]
            records = log[begin : begin + chance.randint(1, 9)]
            written, after = batch(stored, records)
            for number, output in enumerate(written, begin):
                assert told.setdefault(number, output) == output
            if crashes and chance.random() < 0.4:
                crashes -= 1
                del kept[chance.randint(1, len(kept)) :]  # the crash lost any suffix of the commits, this one first
            else:
                kept.append((begin + len(records), after))
        assert [told[number] for number in range(len(log))] == outputs
        assert kept[-1][1] == state
