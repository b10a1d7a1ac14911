"""From drawn histories to logs of facts, and from these to decisions, by the services' own steps, with no broker."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any, NamedTuple

from services.eligibility import packs
from services.eligibility.domain.pack import Pack
from services.eligibility.handlers import EligibilityFold, State
from services.intake.decoding import Refused, decode_value
from services.intake.handlers import IntakeFold, Sealing
from services.intake.ruling import State as IntakeState
from shared.contracts.registry import topic_of, upstream_decoder
from shared.contracts.topics import FACTS
from shared.streaming.records import Output, Record, States

PACK, EXTENDED = packs.named("xinjiang-2020"), packs.named("xinjiang-2020-extended")
Decision = dict[str, Any]
Key = tuple[str, str, str]

_STRUCTURED = (("content-type", b"application/cloudevents+json"),)


def _digest(plain: bytes) -> str:
    return hashlib.blake2b(plain, digest_size=16).hexdigest()


SEALING = Sealing(
    payee=lambda plain, context: f"e30..b.c.{_digest(plain + context)}",
    payee_digest=_digest,
    raw=lambda plain, context: f"e30..b.c.{_digest(plain + context)}",
)


def facts_of(lines: Iterable[bytes]) -> list[Record]:
    """What intake accepts of upstream lines, in their order, each topic being one partition."""
    fold = IntakeFold(SEALING)
    known: dict[str, States[IntakeState]] = {}
    facts: list[Output] = []
    for offset, line in enumerate(lines):
        event = decode_value(line, upstream_decoder())
        topic = None if isinstance(event, Refused) else topic_of(event.type)
        if isinstance(event, Refused) or topic is None:
            continue
        record = Record(topic, 0, offset, event.subject.encode(), line, _STRUCTURED)
        states = known.setdefault(topic, States({}))
        facts += [output for output in fold.step(states, fold.decode(record), record) if output.topic == FACTS]
    return numbered(Record(o.topic, o.partition, 0, o.key, o.value) for o in facts)


def numbered(facts: Iterable[Record]) -> list[Record]:
    """The facts as logs: offsets count up within each partition."""
    ends: dict[int, int] = {}
    log = []
    for fact in facts:
        offset = ends.get(fact.partition, 0)
        log.append(Record(fact.topic, fact.partition, offset, fact.key, fact.value))
        ends[fact.partition] = offset + 1
    return log


def activation(pack: Pack, partition: int, number: int) -> Record:
    data = {"pack": pack.ref.pack, "version": pack.ref.version, "sha256": pack.ref.sha256}
    return _operation("relief.pack.activated.v1", f"activation-{number}", data, partition)


def review(uscc: str, partition: int, number: int) -> Record:
    return _operation("relief.review.requested.v1", uscc, {"uscc": uscc, "reason": "asked"}, partition, number)


def _operation(kind: str, subject: str, data: Decision, partition: int, number: int = 0) -> Record:
    event = {
        "specversion": "1.0",
        "id": f"{subject}-{number}",
        "source": "urn:operations",
        "type": kind,
        "subject": subject,
        "time": "2020-03-31T12:00:00+08:00",
        "data": data | {"origin": {"topic": "intake.operations.v1", "partition": 0, "offset": number, "index": 0}},
    }
    return Record(FACTS, partition, 0, subject.encode(), json.dumps(event).encode())


def under(pack: Pack, facts: Sequence[Record]) -> list[Record]:
    """A log that begins with the pack's activation in every partition."""
    partitions = sorted({fact.partition for fact in facts})
    return numbered([*(activation(pack, partition, 0) for partition in partitions), *facts])


def eventful(facts: Sequence[Record], seed: int) -> list[Record]:
    """The facts in any order, some of them again, with reviews and changes of the pack in between."""
    chance = Random(seed)
    facts = [*facts, *chance.choices(facts, k=chance.randrange(8))] if facts else []
    chance.shuffle(facts)
    log = []
    for number, fact in enumerate(facts):
        log.append(fact)
        match chance.randrange(12):
            case 0:
                log.append(review((fact.key or b"").decode(), fact.partition, number))
            case 1:
                pack = chance.choice((PACK, EXTENDED))
                log.append(activation(pack, fact.partition, number + 1))
                log.append(review((fact.key or b"").decode(), fact.partition, number))
    return under(PACK, log)


class Told(NamedTuple):
    """A decision as its record tells it."""

    record: Record
    data: Decision


def decided(log: Sequence[Record]) -> list[Told]:
    """Every decision on the log, in the order of its partition."""
    fold = EligibilityFold(packs.by_hash)
    known: dict[int, States[State]] = {}
    ends: dict[int, int] = {}
    told = []
    for record in log:
        for output in fold.step(known.setdefault(record.partition, States({})), fold.decode(record), record):
            offset = ends.get(output.partition, 0)
            ends[output.partition] = offset + 1
            written = Record(output.topic, output.partition, offset, output.key, output.value)
            told.append(Told(written, json.loads(output.value)["data"]))
    return told


def key_of(decision: Decision) -> Key:
    return decision["uscc"], decision["measure"], decision["key"]


def latest(decisions: Iterable[Decision]) -> dict[Key, tuple[str, int]]:
    """Outcome and amount of the last word on each key.

    A return of nothing is left out: it is decided only where there was one of something, which the order decides.
    """
    last = {key_of(decision): decision for decision in decisions}
    return {
        key: (decision["outcome"], decision["amount_fen"])
        for key, decision in last.items()
        if decision["amount_fen"] or decision["measure"] != "contribution_return"
    }


def facts_by_id(log: Iterable[Record]) -> dict[tuple[str, str], Decision]:
    """Fact events by enterprise and id; the histories' authorities share no ids."""
    events = [json.loads(record.value or b"null") for record in log]
    return {(event["subject"], event["id"]): event for event in events}
