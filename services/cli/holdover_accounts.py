"""Whether each account adds up: its sums, instalments and protection, worked out again from its bills and payments."""

from collections import defaultdict

from services.cli.holdover_books import (
    IN_FORCE,
    REPAID_IN_PARTS,
    WITHOUT_SUPPLY,
    Books,
    Known,
    Verdict,
)  # fmt: skip
from services.cli.holdover_rows import account_name, holdover_of
from services.cli.holdover_sentences import differ
from services.holdover.store.books import AccountBooked, BillBooked, InstalmentBooked

_BY_GRANT = frozenset({"granted", "open", "repaying", "completed", "defaulted"})


def compare_accounts(books: Books, known: Known, verdict: Verdict) -> None:
    """Every account that a bill or a request has named is there once, and says what follows from its rows."""
    accounts = books.accounts
    for missing in sorted(known.accounts - accounts.keys()):
        verdict.differences.append(differ("account_lost", books.uscc, missing))
    plans = defaultdict[str, list[InstalmentBooked]](list)
    for instalment in books.held.instalments:
        plans[instalment.holdover_id].append(instalment)
    for identity, account in accounts.items():
        name = account_name(account)
        verdict.counts["account", account.utility, account.state] += 1
        derived = holdover_of(books.uscc, account.utility, account.supplier_id, account.account_no)
        if identity not in known.accounts or identity != derived:
            verdict.differences.append(differ("account_unknown", books.uscc, name, 0, account.open_fen, identity))
        _compare_grant(books, account, verdict)
        _compare_sums(books, account, known, verdict)
        _compare_plan(books, account, plans[identity], verdict)
        _compare_protection(books, account, verdict)


def deferred(books: Books, account: AccountBooked, known: Known) -> dict[str, int] | None:
    """What is deferred of each bill, below 0 where it is overpaid: less what was paid before repayment began.

    A payment lowers its bill or repays by the day it became known, so what lowers is whatever was known up to some day.
    None where no day divides the payments as the account says.
    """
    net = {bill.bill_id: bill.amount_fen for bill in _own(books, account)}
    payments = sorted(
        (one for one in known.payments.values() if one.bill_id in net), key=lambda payment: payment.known_on
    )
    lowered_fen = 0
    for place, payment in enumerate(payments):
        begins = place == 0 or payment.known_on > payments[place - 1].known_on
        if begins and lowered_fen == account.lowered_fen:
            break
        lowered_fen += payment.amount_fen
        net[payment.bill_id] -= payment.amount_fen
    return net if lowered_fen == account.lowered_fen else None


def _own(books: Books, account: AccountBooked) -> list[BillBooked]:
    return [one for one in books.held.bills if one.holdover_id == account.holdover_id and one.left_out is None]


def _compare_grant(books: Books, account: AccountBooked, verdict: Verdict) -> None:
    granted, by = books.granted(account.utility), account.application_id
    if by is None and granted:
        should = f"application {min(granted)} is granted for this due"
    elif by is not None and by not in granted:
        should = "no such application is granted for this due"
    elif by is None and account.state in _BY_GRANT:
        should = "no application is granted for this due"
    elif (account.state == "none") == books.asked(account.utility):
        should = "an application asks for it" if account.state == "none" else "no application asks for it"
    else:
        return
    verdict.differences.append(
        differ(
            "grant_differs", books.uscc, account_name(account), 0, account.open_fen, by, state=account.state,
            application=by or "none", should=should,
        )
    )  # fmt: skip


def _compare_sums(books: Books, account: AccountBooked, known: Known, verdict: Verdict) -> None:
    own = _own(books, account)
    bills_fen = sum(one.amount_fen for one in own)
    paid_fen = sum(known.paid_fen(one.bill_id) for one in own)
    of = account.utility
    held_paid_fen = account.lowered_fen + account.repaid_fen
    verdict.sums.update(
        {
            (of, "bills"): account.bills_fen,
            (of, "lowered"): account.lowered_fen,
            (of, "repaid"): account.repaid_fen,
            (of, "open"): account.open_fen,
            (of, "surplus"): account.surplus_fen,
            (of, "paid_on_deferred"): paid_fen,
        }
    )
    supplier = of, account.supplier_id
    verdict.suppliers.update({(*supplier, "open"): account.open_fen, (*supplier, "surplus"): account.surplus_fen})
    if account.surplus_fen:
        verdict.explain("surplus", account.surplus_fen)
    pairs = {
        "bills": (bills_fen, account.bills_fen),
        "paid before and after repayment began": (paid_fen, held_paid_fen),
        "bills less payments, open": (max(0, bills_fen - paid_fen), account.open_fen),
        "payments beyond bills, surplus": (max(0, paid_fen - bills_fen), account.surplus_fen),
    }
    if paid_fen == held_paid_fen and deferred(books, account, known) is None:
        _differs("split_differs", books, account, "", paid_fen, account.lowered_fen, verdict)
    for what, (expected, found) in pairs.items():
        if expected != found:
            _differs("sums_differ", books, account, what, expected, found, verdict)
    if account.state == "completed" and account.open_fen:
        verdict.differences.append(
            differ("completed_and_open", books.uscc, account_name(account), 0, account.open_fen, account.holdover_id)
        )


def _compare_plan(books: Books, account: AccountBooked, plan: list[InstalmentBooked], verdict: Verdict) -> None:
    """Instalments are numbered from 1, add up to the sum that repayment began with, and are paid oldest first."""
    plan = sorted(plan, key=lambda one: one.number)
    planned = account.state in REPAID_IN_PARTS
    to_repay_fen = max(0, account.bills_fen - account.lowered_fen) if planned else 0
    planned_fen = sum(one.amount_fen for one in plan)
    verdict.sums[account.utility, "to_repay"] += to_repay_fen
    verdict.sums[account.utility, "planned"] += planned_fen
    if [one.number for one in plan] != list(range(1, account.instalments + 1)) or bool(plan) != planned:
        what = f"instalments {[one.number for one in plan]}, while the account has {account.instalments}"
        _differs("instalments_do_not_add_up", books, account, what, to_repay_fen, planned_fen, verdict)
    elif to_repay_fen != planned_fen:
        _differs("instalments_do_not_add_up", books, account, "instalments", to_repay_fen, planned_fen, verdict)
    left_fen = account.repaid_fen
    for one in plan:
        part_fen = min(left_fen, one.amount_fen)
        left_fen -= part_fen
        if one.paid_fen != part_fen:
            _differs("sums_differ", books, account, f"paid of instalment {one.number}", part_fen, one.paid_fen, verdict)


def _compare_protection(books: Books, account: AccountBooked, verdict: Verdict) -> None:
    """There is an order exactly while the holdover is in force, and where there is a supply."""
    protected = account.state in IN_FORCE and account.utility != WITHOUT_SUPPLY
    order = account.order
    if protected == (order is not None) and (order is None or order.from_on <= order.until_on):
        return
    held = "no order" if order is None else f"order {order.order_id} from {order.from_on} to {order.until_on}"
    verdict.differences.append(
        differ(
            "protection_differs", books.uscc, account_name(account), 0, account.open_fen,
            None if order is None else order.order_id, state=account.state, held=held,
        )
    )  # fmt: skip


def _differs(
    kind: str, books: Books, account: AccountBooked, what: str, expected: int, found: int, verdict: Verdict
) -> None:
    name = account_name(account)
    verdict.differences.append(differ(kind, books.uscc, name, expected, found, account.holdover_id, what=what))
