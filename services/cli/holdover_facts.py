"""What was accepted and decided against what holdover holds of it."""

from collections.abc import Iterable, Mapping

from services.cli.holdover_books import Books, F, Known, Verdict, View
from services.cli.holdover_rows import (
    AppliedFact,
    BillFact,
    Content,
    Fact,
    PaymentFact,
    RequestFact,
    Ruled,
    WithdrawnFact,
)  # fmt: skip
from services.cli.holdover_sentences import differ
from services.cli.reconcile_sentences import Difference
from services.holdover.store.books import AnswerBooked, ApplicationBooked, BillBooked, PaymentBooked


def take(books: Books, view: View, verdict: Verdict) -> Known:
    """What had to be in the books when they were looked at. What is not is late, or came after the beginning."""
    taken: list[Fact] = []
    for fact in books.facts:
        place = view.place(books.look, fact.log)
        if fact.offset < place:
            taken.append(fact)
        elif fact.offset >= view.ends.get(fact.log, 0):
            verdict.explain("on_its_way", fact.fen)
        elif not isinstance(fact, Ruled):
            verdict.differences.append(_of_fact("fact_not_taken", fact, fact.fen, 0, place=place))
        else:
            outcome = _outcomes(books).get(fact.application_id, "undecided")
            if outcome != fact.outcome:
                verdict.differences.append(_of_ruling("ruling_not_taken", fact, outcome, place))
    inside = Books(books.uscc, facts=taken)
    bills, requests = inside.of_kind(BillFact), inside.of_kind(RequestFact)
    return Known(
        _newest(bills, verdict),
        _newest(inside.of_kind(PaymentFact), verdict),
        _newest(inside.of_kind(AppliedFact), verdict),
        _newest(inside.of_kind(WithdrawnFact), verdict),
        _newest(requests, verdict),
        _newest(inside.of_kind(Ruled), verdict),
        frozenset([*(one.holdover_id for one in bills), *(one.holdover_id for one in requests)]),
    )


def compare_facts(books: Books, known: Known, view: View, verdict: Verdict) -> None:
    """Nothing is missing, nothing is made up, and all is as it was accepted."""
    held = {one.bill_id: one for one in books.held.bills}
    _compare("bill", books, known.bills, {key: _bill(one) for key, one in held.items()}, view, verdict)
    for bill_id in sorted(known.bills.keys() | held.keys()):
        _count_bill(books, known.bills.get(bill_id), held.get(bill_id), verdict)
    for bill_id in sorted(known.bills.keys() & held.keys()):
        _compare_bill(books, known.bills[bill_id], held[bill_id], known, verdict)
    payments = {one.payment_id: _payment(one) for one in books.held.payments}
    _compare("payment", books, known.payments, payments, view, verdict)
    _count_payments(books, known, verdict)
    applications = books.held.applications
    applied = {one.application_id: _applied(one) for one in applications if one.utilities is not None}
    _compare("application", books, known.applied, applied, view, verdict)
    withdrawn = {one.application_id: _withdrawn(one) for one in applications if one.withdrawn_on is not None}
    _compare("the withdrawal of application", books, known.withdrawn, withdrawn, view, verdict)
    asked = {one.request_id: _request(one) for one in books.held.answers}
    _compare("request", books, known.requests, asked, view, verdict)


def compare_decisions(books: Books, known: Known, view: View, verdict: Verdict) -> None:
    """An application stands as the highest revision of its decision says."""
    held = _outcomes(books)
    for identity in sorted(known.ruled.keys() | held.keys()):
        ruled, outcome = known.ruled.get(identity), held.get(identity, "undecided")
        verdict.counts["application", "", outcome] += 1
        if outcome in ("undecided", "pending") and identity not in known.withdrawn:
            verdict.explain(outcome, 0)
        if ruled is None:
            if outcome != "undecided":
                verdict.differences.append(
                    differ("ruling_unknown", books.uscc, identity, application=identity, held=outcome)
                )
        elif ruled.outcome != outcome:
            place = view.place(books.look, ruled.log)
            verdict.differences.append(_of_ruling("ruling_differs", ruled, outcome, place))


def _compare(
    what: str, books: Books, facts: Mapping[str, F], held: Mapping[str, Content], view: View, verdict: Verdict
) -> None:
    """Fact by fact. Only bills and payments have an amount, which is the one number above a version."""
    for identity in sorted(facts.keys() | held.keys()):
        fact = facts.get(identity)
        if fact is None:
            verdict.differences.append(differ("fact_unknown", books.uscc, identity, what=f"{what} {identity}"))
        elif identity not in held:
            place = view.place(books.look, fact.log)
            verdict.differences.append(_of_fact("fact_lost", fact, fact.fen, 0, place=place))
        elif fact.content != held[identity]:
            accepted, found = _apart(fact.content, held[identity])
            verdict.differences.append(_of_fact("fact_differs", fact, fact.fen, 0, accepted=accepted, held=found))


def _compare_bill(books: Books, fact: BillFact, held: BillBooked, known: Known, verdict: Verdict) -> None:
    """What is paid of it, and why it is left out. Whether its due date is in the window is for the policy pack to say;
    all else follows from the bill and the applications.
    """
    paid_fen = known.paid_fen(fact.bill_id)
    if held.paid_fen != paid_fen:
        what = f"paid of bill {fact.bill_id}"
        verdict.differences.append(
            differ("sums_differ", fact.uscc, fact.key, paid_fen, held.paid_fen, fact.bill_id, what=what)
        )
    if not fact.production_use:
        should: tuple[str | None, ...] = ("not_production",)
    elif not books.granted(fact.utility):
        should = ("no_grant",)
    else:
        should = (None, "outside_window")
    if held.left_out not in should:
        verdict.differences.append(
            differ(
                "reason_differs", fact.uscc, fact.key, fact.fen, held.amount_fen, fact.bill_id, bill=fact.bill_id,
                held=(held.left_out or "deferred"), should=" or ".join(one or "deferred" for one in should),
            )
        )  # fmt: skip


def _count_bill(books: Books, fact: BillFact | None, held: BillBooked | None, verdict: Verdict) -> None:
    if fact is not None:
        verdict.sums[fact.utility, "accepted"] += fact.amount_fen
        verdict.suppliers[fact.utility, fact.supplier_id, "accepted"] += fact.amount_fen
        verdict.counts["bill", fact.utility, "accepted"] += 1
    if held is not None:
        account = books.accounts.get(held.holdover_id)
        of, where = "?" if account is None else account.utility, held.left_out or "deferred"
        verdict.sums[of, where] += held.amount_fen
        if account is not None:
            verdict.suppliers[of, account.supplier_id, where] += held.amount_fen
        verdict.counts["bill", of, where] += 1


def _count_payments(books: Books, known: Known, verdict: Verdict) -> None:
    """Of a payment whose bill nobody knows there is no utility; it waits."""
    of = {bill_id: fact.utility for bill_id, fact in known.bills.items()}
    for fact in known.payments.values():
        verdict.sums[of.get(fact.bill_id, "?"), "paid"] += fact.amount_fen
        if fact.bill_id not in of:
            verdict.explain("payment_waits", fact.amount_fen)
    for held in books.held.payments:
        verdict.sums[of.get(held.bill_id, "?"), "paid_held"] += held.amount_fen


def _newest(facts: Iterable[F], verdict: Verdict) -> dict[str, F]:
    """By id that with the highest number, and of those the first; another content under one number is a difference."""
    found: dict[str, F] = {}
    for fact in facts:
        before = found.setdefault(fact.identity, fact)
        if before is fact or fact.number < before.number:
            continue
        if fact.number > before.number:
            found[fact.identity] = fact
        elif fact.content == before.content:
            verdict.repeats += 1
        else:
            verdict.differences.append(_contradiction(before, fact))
    return found


def _contradiction(before: Fact, fact: Fact) -> Difference:
    if isinstance(before, Ruled) and isinstance(fact, Ruled):
        return differ(
            "ruling_contradicts", fact.uscc, fact.key, application=fact.key, decided=before.outcome,
            again=fact.outcome, revision=fact.revision, offset=fact.offset, log=_name(fact),
        )  # fmt: skip
    return _of_fact("fact_contradicts", fact, before.fen, fact.fen)


def _of_fact(kind: str, fact: Fact, expected_fen: int, found_fen: int, **facts: object) -> Difference:
    return differ(
        kind, fact.uscc, fact.key, expected_fen, found_fen, fact.identity, what=fact.what, offset=fact.offset,
        log=_name(fact), **facts,
    )  # fmt: skip


def _of_ruling(kind: str, ruled: Ruled, held: str, place: int) -> Difference:
    return differ(
        kind, ruled.uscc, ruled.key, application=ruled.key, decided=ruled.outcome, revision=ruled.revision, held=held,
        offset=ruled.offset, log=_name(ruled), place=place,
    )  # fmt: skip


def _outcomes(books: Books) -> dict[str, str]:
    return {one.application_id: one.outcome for one in books.held.applications}


def _bill(held: BillBooked) -> Content:
    return {
        "version": held.version, "holdover": held.holdover_id, "period": held.period,
        "due_on": held.due_on.isoformat(), "amount_fen": held.amount_fen, "production_use": held.production_use,
    }  # fmt: skip


def _payment(held: PaymentBooked) -> Content:
    return {"bill": held.bill_id, "amount_fen": held.amount_fen, "paid_on": held.paid_on.isoformat()}


def _applied(held: ApplicationBooked) -> Content:
    return {"utilities": tuple(held.utilities or ()), "submitted_on": str(held.submitted_on)}


def _withdrawn(held: ApplicationBooked) -> Content:
    return {"submitted_on": str(held.withdrawn_on)}


def _request(held: AnswerBooked) -> Content:
    return {"holdover": held.holdover_id, "requested_on": held.requested_on.isoformat()}


def _apart(accepted: Content, held: Content) -> tuple[str, str]:
    """Only what differs."""
    names = [name for name in accepted if accepted[name] != held[name]]
    return ", ".join(f"{one} {accepted[one]}" for one in names), ", ".join(f"{one} {held[one]}" for one in names)


def _name(fact: Fact) -> str:
    return f"{fact.log.topic}/{fact.partition}"
