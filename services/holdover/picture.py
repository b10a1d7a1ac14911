"""An enterprise as it is shown: what is stored of it, brought to the last day that started, in the API's words.

A day is worked by the clock some time after it started, or by the enterprise's next record. What is shown is as if that
had happened: what a request to cut the supply would be answered now. Nothing of it is kept or told.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from services.holdover.answers import (
    AccountProtection,
    AnswerShown,
    ApplicationShown,
    BillShown,
    EnterpriseHoldovers,
    HoldoverShown,
    InstalmentShown,
    OrderShown,
    WaitingPayment,
)
from services.holdover.domain import words
from services.holdover.domain.enterprise import Enterprise
from services.holdover.domain.facts import DAWN, Facts
from services.holdover.domain.identity import Account, holdover_id
from services.holdover.domain.standing import Standing, standing
from services.holdover.domain.states import IN_FORCE
from services.holdover.domain.telling import Told, may_disconnect
from services.holdover.handlers import advance
from services.holdover.orders import Signer
from services.holdover.store.reading import AnswerGiven, Known


def protection(known: Known, account: Account, signer: Signer) -> AccountProtection:
    """One account that the enterprise has."""
    enterprise, day = _now(known, signer)
    return _protection(enterprise, account, day)


def holdovers(known: Known, answers: Sequence[AnswerGiven], signer: Signer) -> EnterpriseHoldovers:
    """The whole enterprise; `answers`: to requests to cut its supplies."""
    enterprise, day = _now(known, signer)
    accounts = sorted(told.account for told in enterprise.told.values())
    return EnterpriseHoldovers(
        uscc=enterprise.uscc,
        as_of=day,
        applications=list(_applications(enterprise.facts)),
        accounts=[_holdover(enterprise, account, day, answers) for account in accounts],
        waiting_payments=[
            WaitingPayment(payment_id=identity, bill_id=one.bill_id, amount_fen=one.amount_fen, paid_on=one.paid_on)
            for identity, one in sorted(enterprise.facts.payments.items())
            if one.bill_id not in enterprise.facts.bills
        ],
    )


def _now(known: Known, signer: Signer) -> tuple[Enterprise, date | None]:
    # Orders that this makes are signed as they will be when they go out: the signature is the same each time.
    days, _ = advance(known.days, known.enterprise, known.partition, signer)
    return known.enterprise, days.started


def _protection(enterprise: Enterprise, account: Account, day: date | None) -> AccountProtection:
    identity = holdover_id(enterprise.uscc, account)
    told, now = enterprise.told[identity], standing(enterprise.facts, account, day or DAWN)
    verdict = may_disconnect(told, now)
    return AccountProtection(
        holdover_id=identity,
        uscc=enterprise.uscc,
        utility=account.utility,
        as_of=day,
        state=now.state,
        undecided=now.undecided,
        protected=told.order is not None,
        may_disconnect=verdict.allowed,
        reason=verdict.reason,
        late_fees_suspended=now.state in IN_FORCE,
        order=_order(enterprise.uscc, identity, told),
    )


def _order(uscc: str, identity: str, told: Told) -> OrderShown | None:
    order = told.order
    if order is None:
        return None
    return OrderShown(
        order_id=order.order_id,
        holdover_id=identity,
        uscc=uscc,
        **told.account._asdict(),
        from_on=order.from_on,
        until_on=order.until_on,
        signature=order.signature,
    )


def _holdover(
    enterprise: Enterprise, account: Account, day: date | None, answers: Sequence[AnswerGiven]
) -> HoldoverShown:
    seen = _protection(enterprise, account, day)
    now = standing(enterprise.facts, account, day or DAWN)
    return HoldoverShown(
        **dict(seen),
        supplier_id=account.supplier_id,
        account_no=account.account_no,
        application_id=now.application_id,
        begun_on=now.begun_on,
        deferred_fen=now.bills_fen,
        paid_fen=now.paid_fen,
        open_fen=now.open_fen,
        surplus_fen=now.surplus_fen,
        bills=list(_bills(enterprise.facts, now)),
        instalments=list(_instalments(enterprise.facts, now, day or DAWN)),
        answers=[
            AnswerShown(
                request_id=one.request_id,
                requested_on=one.requested_on,
                answer=one.answer,
                order_id=one.order_id,
                reason=one.reason,
                answered_on=one.answered_on,
            )
            for one in answers
            if one.holdover_id == seen.holdover_id
        ],
    )


def _applications(facts: Facts) -> Iterator[ApplicationShown]:
    for identity in sorted({*facts.applications, *facts.rulings, *facts.withdrawals}):
        application, ruling = facts.applications.get(identity), facts.rulings.get(identity)
        withdrawal = facts.withdrawals.get(identity)
        yield ApplicationShown(
            application_id=identity,
            utilities=None if application is None else list(application.utilities),
            submitted_on=None if application is None else application.submitted_on,
            outcome="undecided" if ruling is None else ruling.outcome,
            withdrawn_on=None if withdrawal is None else withdrawal.submitted_on,
        )


def _bills(facts: Facts, now: Standing) -> Iterator[BillShown]:
    paid = dict.fromkeys((*now.net_fen, *now.left_out), 0)
    for payment in facts.payments.values():
        if payment.bill_id in paid:
            paid[payment.bill_id] += payment.amount_fen
    for identity, paid_fen in sorted(paid.items(), key=lambda one: (facts.bills[one[0]][-1].due_on, one[0])):
        bill, left_out = facts.bills[identity][-1], now.left_out.get(identity)
        yield BillShown(
            bill_id=identity,
            version=bill.version,
            period=bill.period,
            due_on=bill.due_on,
            amount_fen=bill.amount_fen,
            paid_fen=paid_fen,
            left_out=left_out,
            why=None if left_out is None else words.LEFT_OUT[left_out],
        )


def _instalments(facts: Facts, now: Standing, day: date) -> Iterator[InstalmentShown]:
    ruling = facts.rulings.get(now.application_id or "")
    if ruling is None or ruling.terms is None:
        return
    for number, one in enumerate(now.instalments, 1):
        yield InstalmentShown(
            number=number,
            announced_on=one.announced_on,
            due_on=one.due_on,
            grace_until=one.due_on + timedelta(days=ruling.terms.grace_days),
            amount_fen=one.amount_fen,
            paid_fen=one.paid_fen,
            open_fen=one.open_fen,
            status=one.status(day),
        )
