"""The receipt of one decision: a document from which anybody can recompute it, with no server and no installed pack.

It holds the decision and the facts that it names, as they stand in the log but without personal data, and the whole
policy pack. It is written canonically, so that one changed byte shows. The digest guards against damage and retouching;
against a receipt that was invented as a whole there is the position in the log: made anew from there, the receipt has
the same bytes.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, NoReturn, TypeGuard

import msgspec
from msgspec import Struct
from pydantic import ValidationError

from services.eligibility import packs
from services.eligibility.domain.contributions import contribution_return, exemption
from services.eligibility.domain.facts import (
    DayStarted,
    EnterpriseFact,
    Fact,
    Irrelevant,
    PackActivated,
    RegistrationFact,
    Review,
)
from services.eligibility.domain.holdover import holdover
from services.eligibility.domain.lapse import lapse
from services.eligibility.domain.pack import Pack
from services.eligibility.domain.refund import refund
from services.eligibility.domain.state import Enterprise, Payee
from services.eligibility.domain.verdict import Verdict
from services.eligibility.telling import decision_data
from services.eligibility.translating import to_domain
from shared.contracts.decisions import DecisionMadeData
from shared.contracts.registry import AnyEvent, decoder
from shared.contracts.topics import DECISIONS, FACTS
from shared.ids import decision_id
from shared.streaming.errors import Stop
from shared.streaming.records import Raw

FORMAT = "relief.receipt.v1"
# Personal data is sealed in the log, and has no place in a paper that is handed on, not even sealed.
_PERSONAL = ("payee", "payee_sealed", "contact", "contact_sealed")


class Place(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a record stands in a log."""

    topic: str
    partition: int
    offset: int


class Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """A record as it stands there: a CloudEvent, without the personal data."""

    event: dict[str, Any]
    log: Place


class PackCopy(Struct, frozen=True, forbid_unknown_fields=True):
    """`content`: file name to what the file says; `sha256` is of its canonical JSON."""

    sha256: str
    content: dict[str, Any]


class Receipt(Struct, frozen=True, forbid_unknown_fields=True):
    """`facts` in the order of the log; `sha256`: of the canonical JSON of all the rest."""

    format: str
    decision: Entry
    facts: list[Entry]
    pack: PackCopy
    sha256: str


class Difference(NamedTuple):
    """What the receipt says, and what follows from its facts and its pack; both as JSON would tell them."""

    what: str
    told: Any
    found: Any


class Checked(NamedTuple):
    """No differences: the decision is what facts and pack imply."""

    decision: dict[str, Any]
    differences: list[Difference]


class _Unlike(Exception):
    """A part cannot be used for recomputing at all."""

    def __init__(self, difference: Difference) -> None:
        super().__init__(difference.what)
        self.difference = difference


def facts_named(decision: Raw, log: Iterable[Raw]) -> list[Raw]:
    """The facts on which a decision rests, among its enterprise's records of `relief.facts.v1` in log order.

    Only what stood there when it was made counts, and of a record that stands there twice the first. An id is one
    authority's: facts of others that share it are kept too, they change nothing. Stop where the log no longer has all.
    """
    data = _made(decision.value or b"")
    wanted = set(data.facts)
    found: dict[tuple[str, str], Raw] = {}
    for record in log:
        event = decoder(FACTS).validate_json(record.value or b"")
        if record.offset <= data.origin.offset and event.id in wanted and _used(to_domain(event)):
            found.setdefault((event.source, event.id), record)
    missing = sorted(wanted - {identity for _, identity in found})
    if missing:
        raise Stop(f"The log of facts no longer has {', '.join(missing)}, on which decision {data.decision_id} rests.")
    return list(found.values())


def build(decision: Raw, facts: Iterable[Raw], content: dict[str, Any]) -> bytes:
    """The receipt's bytes. `decision`: a record of `relief.decisions.v1`; `facts`: those of `facts_named`."""
    made = {
        "format": FORMAT,
        "decision": _entry(decision),
        "facts": [_entry(fact) for fact in facts],
        "pack": {"sha256": packs.content_hash(content), "content": content},
    }
    return canonical(made | {"sha256": _digest(made)})


def verify(written: bytes) -> Checked:
    """Recompute a receipt from itself alone; Stop, with a sentence, for what is no receipt or cut off."""
    document, canonically = _parse(written)
    differences = []
    if canonically != written:
        differences.append(Difference("bytes", "written in another way", "one line of canonical JSON and a line end"))
    digest = _digest({name: value for name, value in document.items() if name != "sha256"})
    if document.get("sha256") != digest:
        differences.append(Difference("sha256", document.get("sha256"), digest))
    try:
        receipt = msgspec.convert(document, Receipt)
    except msgspec.ValidationError as error:
        raise Stop(f"This is no receipt of a decision: {error}.") from None
    if receipt.format != FORMAT:
        raise Stop(f"This receipt has the format {receipt.format!r}; this version reads {FORMAT}.")
    try:
        differences += _recomputed(receipt)
    except _Unlike as unlike:
        differences.append(unlike.difference)
    return Checked(receipt.decision.event, differences)


def canonical(value: Any) -> bytes:
    """The one way to write a value: keys sorted, nothing between, UTF-8, a line end. ValueError where JSON cannot."""
    return _text(value).encode() + b"\n"


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _digest(made: dict[str, Any]) -> str:
    return hashlib.sha256(_text(made).encode()).hexdigest()


def _entry(record: Raw) -> dict[str, Any]:
    event = json.loads(record.value or b"null")
    event["data"] = {name: value for name, value in event["data"].items() if name not in _PERSONAL}
    return {"event": event, "log": {"topic": record.topic, "partition": record.partition, "offset": record.offset}}


def _parse(written: bytes) -> tuple[dict[str, Any], bytes]:
    """The document, and its canonical bytes."""

    def refuse(word: str) -> NoReturn:
        raise ValueError(f"{word} is no JSON")

    try:
        document = json.loads(written.decode("utf-8"), parse_constant=refuse)
        canonically = canonical(document)  # a lone surrogate can be read, and not written
    except (ValueError, RecursionError):
        raise Stop("This is no receipt: it is not JSON, or it was cut off or damaged.") from None
    if not isinstance(document, dict):
        raise Stop("This is no receipt: it is JSON, but no object.")
    return document, canonically


def _made(value: bytes) -> DecisionMadeData:
    event = decoder(DECISIONS).validate_json(value)
    if not isinstance(event.data, DecisionMadeData):
        raise _Unlike(Difference("decision", event.type, "relief.decision.made.v1"))
    return event.data


def _recomputed(receipt: Receipt) -> Iterator[Difference]:
    event = receipt.decision.event
    try:
        data = _made(_text(event).encode())
    except ValidationError as error:
        raise _Unlike(Difference("decision", _first(error), "a decision as the contract has it")) from None
    if receipt.decision.log.topic != DECISIONS:
        yield Difference("decision.log.topic", receipt.decision.log.topic, DECISIONS)
    if event["subject"] != data.uscc:
        yield Difference("decision.subject", event["subject"], data.uscc)
    for name, told in (("decision.id", event["id"]), ("decision_id", data.decision_id)):
        identity = decision_id(data.uscc, data.measure, data.key, data.revision)
        if told != identity:
            yield Difference(name, told, identity)
    if data.revision == 1 and data.delta_fen != data.amount_fen:
        yield Difference("delta_fen", data.delta_fen, data.amount_fen)
    facts = [_fact(entry) for entry in receipt.facts]
    yield from _facts_differ(data, receipt.facts, facts)
    pack = _pack(receipt.pack)
    if receipt.pack.sha256 != pack.ref.sha256:
        yield Difference("pack.sha256", receipt.pack.sha256, pack.ref.sha256)
    verdict = _verdict(data, facts, pack)
    if verdict is None:
        raise _Unlike(Difference("decision", f"{data.outcome} {data.amount_fen}", "no decision yet"))
    # Dates to their text, as the wire has them.
    found = msgspec.to_builtins(decision_data(data.uscc, verdict, pack))
    found["payee_digest"] = verdict.payee.digest if verdict.payee is not None else None
    for name, value in found.items():
        told = event["data"].get(name)
        if told != value:
            yield Difference(name, told, value)


def _facts_differ(data: DecisionMadeData, entries: Sequence[Entry], facts: Sequence[AnyEvent]) -> Iterator[Difference]:
    """The receipt's facts are those that the decision names, of its enterprise, and stood in the log before it."""
    told, found = sorted(fact.id for fact in facts), sorted(set(data.facts))
    if sorted(set(told)) != found:
        yield Difference("the facts in the receipt", told, found)
    for fact in facts:
        uscc = getattr(fact.data, "uscc", None)
        if uscc != data.uscc:
            yield Difference(f"uscc of fact {fact.id}", uscc, data.uscc)
    before = -1
    for fact, entry in zip(facts, entries, strict=True):
        place, limit = entry.log, data.origin
        if (place.topic, place.partition) != (
            limit.topic,
            limit.partition,
        ) or not before < place.offset <= limit.offset:
            wanted = f"{limit.topic}/{limit.partition} after {before} and up to {limit.offset}"
            yield Difference(f"log of fact {fact.id}", f"{place.topic}/{place.partition}/{place.offset}", wanted)
        before = place.offset


def _fact(entry: Entry) -> AnyEvent:
    try:
        return decoder(FACTS).validate_json(_text(entry.event))
    except ValidationError as error:
        name = f"fact {entry.event.get('id')}"
        raise _Unlike(Difference(name, _first(error), "a fact as the contract has it")) from None


def _pack(copy: PackCopy) -> Pack:
    try:
        return packs.from_content(copy.content)
    except Stop as stop:
        raise _Unlike(Difference("pack", str(stop), "a policy pack")) from None


def _verdict(data: DecisionMadeData, facts: Iterable[AnyEvent], pack: Pack) -> Verdict | None:
    enterprise = Enterprise()
    for event in facts:
        fact = to_domain(event)
        if isinstance(fact, RegistrationFact) and event.data.payee_digest is not None:
            # The account itself is sealed and left out; that it is the same one shows by its digest.
            account = Payee("", event.data.payee_digest)
            fact = RegistrationFact(fact.uscc, msgspec.structs.replace(fact.registration, payee=account))
        if not _used(fact):
            raise _Unlike(Difference(f"fact {event.id}", event.type, "a fact that a rule uses"))
        fact.take(enterprise)
    if data.revision > 1 and (taken_back := lapse(enterprise, data.measure, data.key, pack)) is not None:
        return taken_back
    match data.measure:
        case "exemption":
            return exemption(enterprise, data.key, pack)
        case "contribution_return":
            # A return of nothing is decided only where there was one of something: the revision tells.
            waived = exemption(enterprise, data.key, pack)
            return None if waived is None else contribution_return(enterprise, waived, made_before=data.revision > 1)
        case "refund":
            return refund(enterprise, pack)
        case "holdover":
            return holdover(enterprise, data.key, pack)


def _used(fact: Fact) -> TypeGuard[EnterpriseFact]:
    return not isinstance(fact, Review | DayStarted | PackActivated | Irrelevant)


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
