"""Whatever is decided, done in the office, said by the bank and paid back, in whatever order: the money adds up."""

import re
from collections import defaultdict
from datetime import date
from typing import cast

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.payments.domain.answer import Word, answer
from services.payments.domain.cases import ALI, BATCH, BEK, KEY, decision, put
from services.payments.domain.claim import Claim, ClaimChange, NothingOpen, SameOfficer, receive, write_off
from services.payments.domain.life import BEFORE_SUBMISSION, IN_FLIGHT, TRANSITIONS, State, follow, may
from services.payments.domain.refund import Payment, PaymentChange, Refund, entitle
from shared.ids import ledger_event_id

STEPS = {(before, row.after) for row in TRANSITIONS.values() for before in row.before}
# What a ledger may hear of one payment, by the first letters; claims (L) only on what was paid.
STORY = re.compile(r"a(c|s(tL*|rc?)?)?")
LETTERS = {
    "authorised": "a", "submitted": "s", "settled": "t", "rejected": "r", "cancelled": "c", "clawback_raised": "L"
}  # fmt: skip
AMOUNTS = st.integers(0, 6) | st.integers(0, 10**15)
OFFICERS = [None, "officer-1", "officer-2"]


class AnyLife(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.refund = Refund(0, 0, 0, ())
        # Every payment there ever was, as it was last seen: the refund may forget what was cancelled.
        self.known: dict[str, Payment] = {}
        self.claims: dict[str, Claim] = {}
        self.stories: dict[str, str] = defaultdict(str)
        self.fen: dict[str, int] = defaultdict(int)
        self.booked: dict[str, int] = defaultdict(int)
        self.ids: list[str] = []

    # What can happen.

    @rule(
        ahead=st.integers(1, 3),
        amount=AMOUNTS,
        place=st.sampled_from(["650100", "653100"]),
        payee=st.sampled_from([ALI, BEK, None]),
    )
    def decide(self, ahead: int, amount: int, place: str, payee: str | None) -> None:
        one = decision(self.refund.revision + ahead, amount, place if amount else None, payee)
        outcome, after, changes = entitle(self.refund, one)
        assert outcome == "changed"
        self.take(after, changes)
        assert entitle(self.refund, one) == ("repeat", self.refund, ())

    @rule(back=st.integers(1, 3), amount=AMOUNTS)
    def decide_late(self, back: int, amount: int) -> None:
        revision = self.refund.revision - back
        if revision >= 1:
            assert entitle(self.refund, decision(revision, amount)) == ("superseded", self.refund, ())

    @rule(place=st.integers(0, 3), steps=st.integers(1, 3), word=st.sampled_from([None, None, "settled", "rejected"]))
    def go_on(self, place: int, steps: int, word: str | None) -> None:
        """The clerk and the officers bring payments on their way, and the bank answers for all that it has."""
        for _ in range(steps):
            self.do(place, "submitted", "approved", "batched", "released")
        for payment in self.refund.payments if word else ():
            if payment.state in IN_FLIGHT:
                self.take(*answer(self.refund, KEY, payment.payment_id, cast("Word", word), None)[1:])

    @rule(place=st.integers(0, 3), name=st.sampled_from(["held", "unbatched", "unanswered"]))
    def hold_up(self, place: int, name: str) -> None:
        self.do(place, name)

    def do(self, place: int, *names: str) -> None:
        """To one payment, the first of the steps that it can take."""
        able = [(one, name) for one in self.refund.payments for name in names if may(name, one.state)]
        if not able:
            return
        payment, name = able[place % len(able)]
        refund = put(self.refund, payment.number, follow(name, payment.state))
        changed = next(one for one in refund.payments if one.number == payment.number)
        told = PaymentChange("submitted", changed, changed.amount_fen, changed.decision_id, 1)
        self.take(refund, [told] if name == "submitted" else [])

    @rule(place=st.integers(0, 9), word=st.sampled_from(["accepted", "settled", "rejected"]))
    def say(self, place: int, word: str) -> None:
        """The bank on any payment, also one that it never got or has resolved already."""
        if not self.known:
            return
        payment = [*self.known.values()][place % len(self.known)]
        taken, after, changes = answer(self.refund, KEY, payment.payment_id, cast("Word", word), None)
        assert (taken == "changed") == (
            payment.state in IN_FLIGHT and (word, payment.state) != ("accepted", "submitted")
        )
        if taken != "changed":
            assert (after, changes) == (self.refund, ())
        self.take(after, changes)

    @rule(place=st.integers(0, 9), fen=st.integers(1, 5) | st.integers(1, 10**15), officer=st.sampled_from(OFFICERS))
    def pay_back_or_give_up(self, place: int, fen: int, officer: str | None) -> None:
        if not self.claims:
            return
        claim = [*self.claims.values()][place % len(self.claims)]
        if officer is None:
            after, told, surplus = receive(claim, fen)
            assert surplus + (told.amount_fen if told else 0) == fen
            self.keep(after, told)
        elif claim.open_fen == 0 or claim.given_up_by == officer:
            with pytest.raises((NothingOpen, SameOfficer)):
                write_off(claim, officer, "hopeless")
        else:
            self.keep(*write_off(claim, officer, "hopeless"))

    @rule()
    def keep_and_read_again(self) -> None:
        """What the store gives back: no claims of earlier batches, and not what was cancelled before it went out."""
        left = tuple(one for one in self.refund.payments if one.state != "cancelled" or one.submitted_on)
        self.refund = msgspec.structs.replace(self.refund, payments=left, raised=())

    # What is taken down of it.

    def take(self, after: Refund, changes: tuple[PaymentChange, ...] | list[PaymentChange]) -> None:
        for payment in after.payments:
            before = self.known.get(payment.payment_id)
            assert goes(before.state if before else None, payment.state), (before, payment)
            if before is not None:
                fixed = dict.fromkeys(("number", "payment_id", "amount_fen", "prefecture", "decision_id"))
                assert all(getattr(before, name) == getattr(payment, name) for name in fixed)
            if before is not None and before.state == "settled":
                assert payment.clawed_fen >= before.clawed_fen
                assert payment.payee_digest == before.payee_digest
            self.known[payment.payment_id] = payment
        for claim in after.raised:
            kept = Claim(claim.clawback_id, claim.payment_id, KEY, "650100", "d" * 32, claim.amount_fen)
            assert self.claims.setdefault(claim.clawback_id, kept).amount_fen == claim.amount_fen
        self.refund = after
        for change in changes:
            business_key = change.clawback_id or change.payment.payment_id
            self.ids.append(ledger_event_id(business_key, change.change, change.revision))
            self.stories[change.payment.payment_id] += LETTERS[change.change]
            self.fen[change.change] += change.amount_fen
            sign = {"authorised": 1, "cancelled": -1, "clawback_raised": -1}.get(change.change, 0)
            self.booked[change.payment.prefecture] += sign * change.amount_fen
            assert change.amount_fen > 0

    def keep(self, claim: Claim, told: ClaimChange | None) -> None:
        self.claims[claim.clawback_id] = claim
        if told is not None:
            assert told.amount_fen > 0
            self.fen[told.change] += told.amount_fen
            self.ids.append(ledger_event_id(claim.clawback_id, told.change, claim.parts))

    # What holds after every step.

    @invariant()
    def what_is_live_is_what_is_due_unless_the_bank_still_has_some_of_it(self) -> None:
        due, live = self.refund.amount_fen, self.refund.live_fen
        in_flight = any(one.state in IN_FLIGHT for one in self.refund.payments)
        assert live == due or (live > due and in_flight)
        assert self.fen["authorised"] - self.fen["cancelled"] - self.fen["clawback_raised"] == live
        # Nothing that could be taken back is left while too much is live.
        assert live <= due or not any(may("cancelled", one.state) for one in self.refund.payments)

    @invariant()
    def what_is_told_is_what_happened(self) -> None:
        for change, state in (("authorised", None), ("settled", "settled"), ("cancelled", "cancelled")):
            assert self.fen[change] == sum(one.amount_fen for one in self.known.values() if state in (None, one.state))
        assert len(self.ids) == len(set(self.ids))
        assert set(self.stories) == set(self.known)
        assert all(STORY.fullmatch(story) for story in self.stories.values()), dict(self.stories)

    @invariant()
    def nothing_is_reversed_where_it_was_not_booked(self) -> None:
        assert all(fen >= 0 for fen in self.booked.values())

    @invariant()
    def claims_never_exceed_what_was_paid(self) -> None:
        for payment in self.known.values():
            claims = [one for one in self.claims.values() if one.payment_id == payment.payment_id]
            assert (len(claims), sum(one.amount_fen for one in claims)) == (payment.clawbacks, payment.clawed_fen)
            assert payment.clawed_fen <= (payment.amount_fen if payment.state == "settled" else 0)
            assert all(0 <= one.open_fen <= one.amount_fen for one in claims)
        over = self.fen["clawback_settled"] + self.fen["clawback_written_off"]
        assert self.fen["clawback_raised"] == over + sum(one.open_fen for one in self.claims.values())

    @invariant()
    def what_has_not_gone_out_follows_the_payee(self) -> None:
        for payment in self.refund.payments:
            if payment.state in BEFORE_SUBMISSION:
                assert payment.payee_digest == self.refund.payee_digest
            elif payment.state == "rejected":
                assert self.refund.payee_digest in (None, payment.payee_digest)

    @invariant()
    def every_payment_has_the_shape_of_its_state(self) -> None:
        for payment in self.refund.payments:
            assert (payment.state == "held") == (payment.held_for is not None)
            if payment.state == "cancelled":
                assert payment.batch_id == (BATCH if payment.submitted_on else None)
            else:
                assert payment.batch_id == (None if payment.state in ("authorised", "held") else BATCH)
            assert payment.submitted_on == (None if not went_out(payment) else date(2020, 3, 2))


def went_out(payment: Payment) -> bool:
    return payment.state in IN_FLIGHT | {"settled", "rejected"} or (
        payment.state == "cancelled" and payment.batch_id is not None
    )


def goes(before: State | None, after: State) -> bool:
    """By one step of the table, or by two of them at one stroke, such as refused and given up."""
    if before == after or (before, after) in STEPS:
        return True
    return any((before, middle) in STEPS and (middle, after) in STEPS for middle in ("rejected", "authorised", "held"))


TestAnyLife = AnyLife.TestCase
TestAnyLife.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
