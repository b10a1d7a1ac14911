"""What was told to the suppliers against what holdover holds."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

from services.cli.holdover_accounts import deferred
from services.cli.holdover_books import IN_FORCE, Books, Known, Verdict, View
from services.cli.holdover_rows import OrderTold, account_name
from services.cli.holdover_sentences import differ
from services.cli.reconcile_sentences import Difference
from services.holdover.store.books import AccountBooked, AnswerBooked
from shared.contracts.topics import ORDERS, topics
from shared.ids import derived
from shared.streaming.records import partition_of

ENDED: Final = {"completed": "completed", "defaulted": "defaulted"}
_LIFE: Final = frozenset({"opened", "completed", "defaulted", "withdrawn"})
_ANSWERS: Final = frozenset({"disconnection_refused", "disconnection_allowed"})


def compare_told(books: Books, known: Known, view: View, verdict: Verdict) -> None:
    """Every event of every account is told once, and what was told last is how the account stands."""
    accounts = books.accounts
    by_account = defaultdict[str, list[OrderTold]](list)
    for told in _each_once(books, verdict):
        by_account[told.holdover_id].append(told)
        if told.holdover_id not in accounts:
            verdict.differences.append(_unexpected(told))
    answers = defaultdict[str, list[OrderTold]](list)
    for identity, account in accounts.items():
        events = by_account[identity]
        _compare_order_in_force(account, events, verdict)
        # What is missing is said once, not again for everything that follows from it.
        if _whole(books, account, events, view, verdict):
            _compare_life(books, account, events, verdict)
            _compare_deferred(books, account, events, known, verdict)
            _compare_repaid(books, account, events, known, verdict)
            for told in events:
                if told.kind in _ANSWERS:
                    answers[told.subject].append(told)
            for answer in books.held.answers:
                if answer.holdover_id == identity:
                    _compare_answer(books, account, answer, answers[answer.request_id], verdict)


def _each_once(books: Books, verdict: Verdict) -> list[OrderTold]:
    """By id, as they were told. Repeats are counted; one that says something else is a difference."""
    events: dict[str, OrderTold] = {}
    for told in books.told:
        first = events.setdefault(told.event_id, told)
        if first is told:
            verdict.events[f"relief.holdover.{told.kind}.v1"] += 1
        elif first.digest == told.digest:
            verdict.repeats += 1
        else:
            verdict.differences.append(
                differ(
                    "order_contradicts", told.uscc, account_name(told), first.amount_fen, told.amount_fen,
                    told.event_id, event=told.event_id, log=_log(books), offset=told.offset,
                )
            )  # fmt: skip
    return list(events.values())


def _whole(books: Books, account: AccountBooked, events: Sequence[OrderTold], view: View, verdict: Verdict) -> bool:
    """Whether these are all that holdover has told of it: an event's id is derived from its number."""
    missing: list[int] = []
    number = 0
    for told in events:
        ahead = range(number + 1, account.events + 1)
        found = next((one for one in ahead if derived(account.holdover_id, told.kind, str(one)) == told.event_id), None)
        if found is None:
            verdict.differences.append(_unexpected(told))
            return False
        missing += range(number + 1, found)
        number = found
    behind = range(number + 1, account.events + 1)
    if not missing and not behind:
        return True
    # What waits to be published is the last of it.
    kind = "order_not_published" if not missing and view.backlog else "order_missing"
    numbers = ", ".join(str(one) for one in (*missing, *behind))
    verdict.differences.append(
        differ(
            kind, books.uscc, account_name(account), subject=account.holdover_id, told=account.events, numbers=numbers,
            found_events=len(events), log=_log(books), backlog=view.backlog,
        )
    )  # fmt: skip
    return False


def _compare_life(books: Books, account: AccountBooked, events: Sequence[OrderTold], verdict: Verdict) -> None:
    """`opened` is told last of what is in force, and of what has ended so, its end. Of what never began or ended in
    another way, any end or nothing.
    """
    words = [told for told in events if told.kind in _LIFE]
    last = words[-1].kind if words else "nothing"
    if account.state in IN_FORCE:
        agrees = last == "opened"
    elif account.state in ENDED:
        agrees = last == ENDED[account.state]
    else:
        agrees = last != "opened" and (account.state != "none" or not words)
    if not agrees:
        verdict.differences.append(
            differ(
                "state_told_differs", books.uscc, account_name(account), 0, account.open_fen, account.holdover_id,
                state=account.state, last=last,
            )
        )  # fmt: skip
    for told in words:
        if told.kind == "completed" and told.amount_fen:
            verdict.differences.append(
                differ(
                    "completed_told_open", books.uscc, account_name(account), 0, told.amount_fen, told.event_id,
                    offset=told.offset, log=_log(books),
                )
            )  # fmt: skip
    if account.order is None:
        held = set[tuple[str, ...]]()
    else:
        order = account.order
        held = {(order.order_id, order.from_on.isoformat(), order.until_on.isoformat(), order.signature)}
    told_orders = set(_orders(events).values())
    if held != told_orders:
        verdict.differences.append(
            differ(
                "protection_told_differs", books.uscc, account_name(account), 0, account.open_fen,
                account.holdover_id, held=_names(held), told=_names(told_orders),
            )
        )  # fmt: skip


def _compare_order_in_force(account: AccountBooked, events: Sequence[OrderTold], verdict: Verdict) -> None:
    """No supplier was told that it may cut a supply which was protected."""
    for place, told in enumerate(events):
        if told.kind == "disconnection_allowed":
            for order_id in _orders(events[:place]):
                verdict.differences.append(
                    differ(
                        "allowed_under_order", told.uscc, account_name(account), subject=told.subject,
                        request=told.subject, order=order_id, offset=told.offset, log=f"{ORDERS}/{told.partition}",
                    )
                )  # fmt: skip


def _orders(events: Sequence[OrderTold]) -> dict[str, tuple[str, ...]]:
    """What was told as protected, and not as ended since, by order."""
    orders: dict[str, tuple[str, ...]] = {}
    for told in events:
        if told.kind == "supply_protected":
            orders[told.subject] = told.order
        elif told.kind == "protection_ended":
            orders.pop(told.subject, None)
    return orders


def _compare_deferred(
    books: Books, account: AccountBooked, events: Sequence[OrderTold], known: Known, verdict: Verdict
) -> None:
    """While a holdover is in force its supplier knows what is deferred of each bill."""
    told = {one.subject: one.amount_fen for one in events if one.kind == "bill_deferred"}
    net = deferred(books, account, known)
    if account.state not in IN_FORCE or net is None:
        return
    verdict.sums[account.utility, "told_deferred"] += sum(told.values())
    verdict.sums[account.utility, "now_deferred"] += sum(max(0, fen) for fen in net.values())
    for bill_id in sorted(told.keys() | net.keys()):
        expected, found = max(0, net.get(bill_id, 0)), told.get(bill_id)
        # A bill that has left, and one of which nothing is left, was told as 0; one that is in it was told.
        if found != expected and (found or bill_id in net):
            verdict.differences.append(
                differ(
                    "deferred_told_differs", books.uscc, account_name(account), expected, found or 0, bill_id,
                    bill=bill_id,
                )
            )  # fmt: skip


def _compare_repaid(
    books: Books, account: AccountBooked, events: Sequence[OrderTold], known: Known, verdict: Verdict
) -> None:
    """Of no payment more than there is of it, and in all no less than the instalments are paid."""
    parts = Counter[str]()
    for told in events:
        if told.kind == "instalment_paid":
            parts[told.subject] += told.amount_fen
    for payment_id, fen in sorted(parts.items()):
        most = known.payments[payment_id].amount_fen if payment_id in known.payments else 0
        if fen > most:
            verdict.differences.append(
                differ(
                    "repaid_told_differs", books.uscc, account_name(account), most, fen, payment_id, payment=payment_id
                )
            )
    paid_fen = sum(one.paid_fen for one in books.held.instalments if one.holdover_id == account.holdover_id)
    if paid_fen > parts.total():
        verdict.differences.append(
            differ("repaid_not_told", books.uscc, account_name(account), paid_fen, parts.total(), account.holdover_id)
        )


def _compare_answer(
    books: Books, account: AccountBooked, answer: AnswerBooked, told: Sequence[OrderTold], verdict: Verdict
) -> None:
    """Each request is answered once, and as the books say."""
    verdict.counts["answer", account.utility, answer.answer] += 1
    held = _answer(answer.answer, answer.order_id)
    said = [_answer(one.kind.removeprefix("disconnection_"), next(iter(one.order), None)) for one in told]
    if said == [held]:
        return
    kind = "answer_differs" if said else "answer_missing"
    verdict.differences.append(
        differ(
            kind, books.uscc, account_name(account), subject=answer.request_id, request=answer.request_id, answer=held,
            told=" and ".join(said), log=_log(books),
        )
    )  # fmt: skip


def _answer(answer: str, order_id: str | None) -> str:
    return answer if order_id is None else f"{answer} by order {order_id}"


def _unexpected(told: OrderTold) -> Difference:
    return differ(
        "order_unexpected", told.uscc, account_name(told), 0, told.amount_fen, told.event_id, event=told.event_id,
        kind_told=told.kind, offset=told.offset, log=f"{ORDERS}/{told.partition}",
    )  # fmt: skip


def _names(orders: set[tuple[str, ...]]) -> str:
    return " and ".join(f"order {order[0]} from {order[1]} to {order[2]}" for order in sorted(orders)) or "no order"


def _log(books: Books) -> str:
    """An enterprise has the same number in every topic between our services."""
    return f"{ORDERS}/{partition_of(books.uscc.encode(), topics()[ORDERS].partitions)}"
