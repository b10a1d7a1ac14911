"""The fold of commands: officers' approvals and the bank's words, from `payments.commands.v1`.

A command never stops the partition: it comes from outside. What cannot be read, names nothing we know, or contradicts
what happened is parked for a person, with a sentence, and moves nothing.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

from pydantic import ValidationError

from services.payments.domain.answer import answer
from services.payments.domain.batch import Refusal, approve, reject
from services.payments.domain.claim import receive
from services.payments.domain.day import Day, booked_on
from services.payments.domain.refund import PROGRAMMES
from services.payments.domain.state import state_key
from services.payments.handlers import told
from services.payments.store.batches import Approval
from services.payments.store.command_rows import (
    ClaimHeld,
    Decided,
    Entitlement,
    Kept,
    Owner,
    Parked,
    Receipt,
    day_key,
)
from services.payments.wire import Occasion, claim_output
from shared.contracts import registry, topics
from shared.contracts.commands import BatchApproved, BatchRejected, ClawbackReceived, PaymentStatus
from shared.observability import metrics
from shared.streaming.records import Output, Raw, States

_commands = registry.decoder(topics.COMMANDS)
Command = BatchApproved | BatchRejected | PaymentStatus | ClawbackReceived


class Unreadable(NamedTuple):
    sentence: str


class CommandsFold:
    """Reads `payments.commands.v1`; state: the payments, batches and claims named, with what they belong to."""

    def __init__(self, threshold_fen: int) -> None:
        """Batches above `threshold_fen` need two officers."""
        self._threshold_fen = threshold_fen

    def decode(self, record: Raw) -> Command | Unreadable:
        try:
            event = cast("Command", _commands.validate_json(record.value or b""))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            return Unreadable(f"This is no command: {'.'.join(map(str, first['loc'])) or 'value'}: {first['msg']}.")
        named = _named(event)
        if record.key != named.encode():
            return Unreadable(f"The record's key is not {named}, which the command names.")
        return event

    def keys(self, fact: Command | Unreadable) -> Iterable[str]:
        match fact:
            case PaymentStatus():
                return (f"payment/{fact.data.payment_id}",)
            case ClawbackReceived():
                return f"claim/{fact.data.clawback_id}", f"receipt/{fact.data.bank_reference}"
            case BatchApproved() | BatchRejected():
                return (f"batch/{fact.data.batch_id}",)
            case _:
                return ()

    def cause(self, fact: Command | Unreadable) -> None:
        return None

    def step(self, states: States[Kept], fact: Command | Unreadable, record: Raw) -> Sequence[Output]:
        match fact:
            case PaymentStatus():
                return self._answered(states, fact, record)
            case ClawbackReceived():
                return self._received(states, fact, record)
            case BatchApproved() | BatchRejected():
                return self._decided(states, fact, record)
            case Unreadable():
                return _park(states, record, "unreadable", "", fact.sentence)

    def _answered(self, states: States[Kept], event: PaymentStatus, record: Raw) -> Sequence[Output]:
        data = event.data
        owner = states.get(f"payment/{data.payment_id}")
        if not isinstance(owner, Owner):
            return _park(states, record, event.type, data.payment_id, "No payment has this id.")
        name = state_key(owner.key)
        held = states.get(name)
        assert isinstance(held, Entitlement)
        taken, after, changes = answer(held.refund, owner.key, data.payment_id, data.status, data.reason_code)
        if taken == "repeat":
            metrics.DUPLICATES.labels(record.topic).inc()
            return ()
        if taken == "parked":
            sentence = (
                f"The bank says {data.status} of a payment that cannot be: it is resolved already, or not with it."
            )
            return _park(states, record, event.type, data.payment_id, sentence)
        states.put(name, Entitlement(owner, after))
        return told(changes, owner.key, _occasion(states, event, record, owner))

    def _received(self, states: States[Kept], event: ClawbackReceived, record: Raw) -> Sequence[Output]:
        data = event.data
        before = states.get(f"receipt/{data.bank_reference}")
        if isinstance(before, Receipt):
            if (before.clawback_id, before.amount_fen) == (data.clawback_id, data.amount_fen):
                metrics.DUPLICATES.labels(record.topic).inc()
                return ()
            sentence = f"The bank reference {data.bank_reference} came before with another amount or claim."
            return _park(states, record, event.type, data.clawback_id, sentence)
        held = states.get(f"claim/{data.clawback_id}")
        if not isinstance(held, ClaimHeld):
            return _park(states, record, event.type, data.clawback_id, "No clawback has this id.")
        states.put(f"receipt/{data.bank_reference}", Receipt(data.bank_reference, data.clawback_id, data.amount_fen))
        after, change, surplus_fen = receive(held.claim, data.amount_fen)
        if surplus_fen:
            sentence = f"{surplus_fen} fen more came in than is owed; they have to be given back."
            _park(states, record, event.type, data.clawback_id, sentence)
        if change is None:
            return ()
        states.put(f"claim/{data.clawback_id}", ClaimHeld(held.owner, after))
        programme = PROGRAMMES[held.owner.key.measure]
        metrics.MONEY_FEN.labels("relief.refund.clawback_settled.v1", programme).inc(change.amount_fen)
        return (claim_output(change, 0, _occasion(states, event, record, held.owner)),)

    def _decided(self, states: States[Kept], event: BatchApproved | BatchRejected, record: Raw) -> Sequence[Output]:
        data = event.data
        held = states.get(f"batch/{data.batch_id}")
        if not isinstance(held, Decided):
            return _park(states, record, event.type, data.batch_id, "No batch has this id.")
        try:
            if isinstance(event, BatchRejected):
                verdict = reject(held.batch, data.officer)
            else:
                verdict = approve(held.batch, data.officer, self._threshold_fen)
        except Refusal as refusal:
            return _park(states, record, event.type, data.batch_id, str(refusal))
        if verdict.repeat:
            metrics.DUPLICATES.labels(record.topic).inc()
            return ()
        approvals = held.approvals
        if isinstance(event, BatchApproved):
            place = len(verdict.batch.approvals)
            approvals += (Approval(data.batch_id, held.batch.version, data.officer, data.reason, place),)
        states.put(f"batch/{data.batch_id}", Decided(verdict.batch, approvals))
        return ()


def _named(event: Command) -> str:
    match event:
        case PaymentStatus():
            return event.data.payment_id
        case ClawbackReceived():
            return event.data.clawback_id
        case _:
            return event.data.batch_id


def _occasion(states: States[Kept], event: Command, record: Raw, owner: Owner) -> Occasion:
    day = states.get(day_key(owner.partition))
    assert day is None or isinstance(day, Day)
    return Occasion(
        event.time,
        event.traceparent,
        booked_on(day, event.time),
        record.topic,
        record.partition,
        record.offset,
        told_in=owner.partition,
    )


def _park(states: States[Kept], record: Raw, kind: str, subject: str, sentence: str) -> Sequence[Output]:
    metrics.PARKED.labels(kind).inc()
    place = record.topic, record.partition, record.offset
    states.put("parked/{}/{}/{}".format(*place), Parked(*place, kind, subject[:256], sentence))
    return ()
