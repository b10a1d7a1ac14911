"""For tests: one enterprise's money lived through in memory by the services' own domains, with every book it leaves."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Final

import msgspec
from aiokafka.structs import TopicPartition

from services.cli.conservation import examine
from services.cli.conservation_books import Places, View
from services.cli.reconcile_logs import Rows
from services.cli.reconcile_rows import Claimed, Due, Legs, Paid, Parked, Posted, Row, Seen, Told
from services.ledger.domain.posting import post
from services.ledger.handlers import LedgerFold
from services.payments.cases import enterprise, made
from services.payments.domain.answer import Word, answer
from services.payments.domain.claim import Claim, ClaimChange, receive, write_off
from services.payments.domain.exemption import Exemption
from services.payments.domain.life import follow
from services.payments.domain.refund import Key, Payment, PaymentChange, Reason, Refund
from services.payments.domain.state import Held, state_key
from services.payments.handlers import PaymentsFold, told
from services.payments.wire import Occasion, claim_output
from shared.contracts.topics import COMMANDS, DECISIONS, LEDGER_EXEMPTIONS, LEDGER_REFUNDS
from shared.ids import derived
from shared.streaming.records import Output, Record, States

USCC: Final = enterprise(1)
KEY: Final = Key(USCC, "refund", "2019")
WAIVED: Final = Key(USCC, "exemption", "pension/2020-02")
PARTITION: Final = 10  # of that enterprise
_AT = datetime(2020, 3, 2, tzinfo=UTC)


class World:
    """Everything of one enterprise. `logs` are the rows of the topics, `posted` those of the ledger."""

    def __init__(self) -> None:
        self.legs = Legs()
        self._rows, self._fold = Rows(self.legs), PaymentsFold()
        self._states: States[Held] = States({})
        self.logs: list[Row] = []
        self.posted: list[Posted] = []
        self.parked: list[Parked] = []
        self.claims: dict[str, Claim] = {}
        self._receipts: dict[str, tuple[str, int]] = {}
        self._ends: dict[str, int] = dict.fromkeys((DECISIONS, LEDGER_EXEMPTIONS, LEDGER_REFUNDS, COMMANDS), 0)

    @property
    def refund(self) -> Refund:
        held = self._states.get(state_key(KEY))
        return held if isinstance(held, Refund) else Refund(0, 0, 0, ())

    def decide(self, fen: int, account: str = "one", key: Key = KEY) -> None:
        held = self._states.get(state_key(key))
        revision = held.revision + 1 if isinstance(held, Refund | Exemption) else 1
        record = made(
            USCC, key.measure, key.key, revision, fen, offset=self._ends[DECISIONS], partition=PARTITION, payee=account
        )
        self._append(record)
        for output in self._fold.step(self._states, self._fold.decode(record), record):
            self._tell(output)
        self._raise_claims()

    def move(self, place: int, name: str, **changed: object) -> None:
        """One of the payments through a transition that no record causes."""
        payment = self.refund.payments[place]
        state = follow(name, payment.state)
        after = msgspec.structs.replace(payment, state=state, held_for=None, **changed)
        self._keep(place, after)
        if name == "submitted":
            self._told([PaymentChange("submitted", after, after.amount_fen, after.decision_id, 1)])

    def submit(self, place: int) -> None:
        for name in ("batched", "approved"):
            self.move(place, name, batch_id="b" * 32)
        self.move(place, "submitted", submitted_on=date(2020, 3, 2))

    def hold(self, place: int, reason: Reason) -> None:
        self.move(place, "held")
        self._keep(place, msgspec.structs.replace(self.refund.payments[place], held_for=reason))

    def say(self, payment_id: str, word: Word, reference: str | None = None) -> None:
        offset = self._ends[COMMANDS]
        data = {"payment_id": payment_id, "status": word, "bank_reference": reference, "on": "2020-03-03"}
        self._command("relief.payment.status.v1", payment_id, data)
        taken, after, changes = answer(self.refund, KEY, payment_id, word, None)
        if taken == "parked":
            self.parked.append(Parked(USCC, 0, offset))
        elif taken == "changed":
            self._states.put(state_key(KEY), after)
            self._told(changes)
            self._raise_claims()

    def receive(self, clawback_id: str, fen: int, reference: str) -> None:
        offset = self._ends[COMMANDS]
        data = {"clawback_id": clawback_id, "amount_fen": fen, "bank_reference": reference, "on": "2020-03-03"}
        self._command("relief.clawback.received.v1", clawback_id, data)
        before = self._receipts.get(reference)
        if before is not None:
            if before != (clawback_id, fen):
                self.parked.append(Parked(USCC, 0, offset))
            return
        self._receipts[reference] = (clawback_id, fen)
        self.claims[clawback_id], change, surplus_fen = receive(self.claims[clawback_id], fen)
        if surplus_fen:
            self.parked.append(Parked(USCC, 0, offset))
        self._part(change)

    def give_up(self, clawback_id: str) -> None:
        proposed, _ = write_off(self.claims[clawback_id], "one", "gone")
        self.claims[clawback_id], change = write_off(proposed, "two", "gone")
        self._part(change)

    def held(self) -> list[Row]:
        """The books of payments."""
        rows: list[Row] = [Seen(USCC, 0)]
        for name, key in ((state_key(key), key) for key in (KEY, WAIVED)):
            held = self._states.get(name)
            if isinstance(held, Refund | Exemption):
                rows.append(Due(USCC, key.measure, key.key, held.revision, held.amount_fen))
        rows += [_paid(one) for one in self.refund.payments]
        for claim in self.claims.values():
            receipts = tuple(sorted((ref, fen) for ref, (of, fen) in self._receipts.items() if of == claim.clawback_id))
            rows.append(
                Claimed(
                    USCC, claim.payment_id, claim.clawback_id, claim.amount_fen, claim.settled_fen,
                    claim.written_off_fen, receipts,
                )
            )  # fmt: skip
        return rows

    def rows(self) -> list[Row]:
        return [*self.held(), *self.logs, *self.parked, *self.posted]

    def view(self, backlog: int = 0) -> View:
        """Everything was read to its end."""
        ends = {TopicPartition(log, 0 if log == COMMANDS else PARTITION): end for log, end in self._ends.items()}
        return View(ends, [ends], backlog, ends, self.legs)

    def _keep(self, place: int, payment: Payment) -> None:
        payments = (*self.refund.payments[:place], payment, *self.refund.payments[place + 1 :])
        self._states.put(state_key(KEY), msgspec.structs.replace(self.refund, payments=payments))

    def _raise_claims(self) -> None:
        by_id = {payment.payment_id: payment for payment in self.refund.payments}
        for raised in self.refund.raised:
            paid = by_id[raised.payment_id]
            claim = Claim(
                raised.clawback_id, raised.payment_id, KEY, paid.prefecture, paid.decision_id, raised.amount_fen
            )
            self.claims.setdefault(raised.clawback_id, claim)

    def _part(self, change: ClaimChange | None) -> None:
        if change is not None:
            self._tell(claim_output(change, 0, self._occasion()))

    def _told(self, changes: list[PaymentChange] | tuple[PaymentChange, ...]) -> None:
        for output in told(changes, KEY, self._occasion()):
            self._tell(output)

    def _occasion(self) -> Occasion:
        return Occasion(_AT, None, date(2020, 3, 2), COMMANDS, 0, self._ends[COMMANDS], PARTITION)

    def _tell(self, output: Output) -> None:
        record = Record(output.topic, output.partition, self._ends[output.topic], output.key, output.value)
        row = self._append(record)
        assert isinstance(row, Told)
        posting = post(LedgerFold().decode(record))
        legs = self.legs.number(posting.debit, posting.credit)
        self.posted.append(Posted(USCC, row.event_id, row.step, posting.amount_fen, legs, len(self.posted) + 1))

    def _command(self, kind: str, subject: str, data: Mapping[str, object]) -> None:
        event = {
            "specversion": "1.0", "id": derived(kind, str(self._ends[COMMANDS])), "source": "//bank", "type": kind,
            "subject": subject, "time": "2020-03-03T00:00:00+08:00", "data": data,
        }  # fmt: skip
        record = Record(COMMANDS, 0, self._ends[COMMANDS], subject.encode(), json.dumps(event).encode())
        self._append(record)

    def _append(self, record: Record) -> Row | None:
        row = self._rows.row(record)
        self._ends[record.topic] += 1
        if row is not None:
            self.logs.append(msgspec.structs.replace(row, uscc=USCC))
        return row


def _paid(one: Payment) -> Paid:
    return Paid(
        USCC, "refund", "2019", one.payment_id, one.amount_fen, one.state, one.held_for, one.submitted_on is not None,
        one.clawed_fen,
    )  # fmt: skip


def paid_world() -> World:
    """700 paid; 300 of it claimed back, 100 of that received; another 40 on their way to the bank; 20 waived."""
    world = World()
    world.decide(700)
    world.submit(0)
    world.say(world.refund.payments[0].payment_id, "settled")
    world.decide(400)
    (claim,) = world.claims
    world.receive(claim, 100, "R1")
    world.decide(440)
    world.submit(1)
    world.decide(20, key=WAIVED)
    return world


def at(view: View, place: Places) -> View:
    """Payments had read only so far."""
    return View(view.ends, [{**view.looks[0], **place}], view.backlog, view.ledger, view.legs)


def found(rows: list[Row], view: View) -> dict[str, str]:
    """Sentences by kind; each kind once."""
    differences = examine(USCC, rows, view).differences
    kinds = {one.kind: one.why for one in differences}
    assert len(kinds) == len(differences), differences
    return kinds
