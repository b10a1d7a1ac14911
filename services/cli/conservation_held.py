"""Decisions against what payments holds, and what it holds against itself."""

from collections import defaultdict

from aiokafka.structs import TopicPartition

from services.cli.conservation_books import EXEMPTION, MONEY, PENDING, WITH_BANK, Books, Key, Verdict, View
from services.cli.reconcile_rows import Claimed, Decided, Due, Paid
from services.cli.reconcile_sentences import differ
from shared.contracts.topics import DECISIONS


def compare_decisions(books: Books, view: View, verdict: Verdict) -> None:
    """The highest revision of each key against what is due or waived by it."""
    latest = {key: found for key, rows in books.decided.items() if (found := _latest(books, rows, view, verdict))}
    for (measure, _), decision in latest.items():
        verdict.decided[measure, decision.outcome] += 1
        verdict.sums[measure, "decided"] += decision.amount_fen
    for key in sorted(latest.keys() | books.due.keys()):
        if key[0] in MONEY:
            _compare(books.uscc, key, latest.get(key), books.due.get(key), books.look, view, verdict)


def _latest(books: Books, rows: list[Decided], view: View, verdict: Verdict) -> Decided | None:
    """The decision in force; a revision that was decided in two ways is a difference."""
    found: dict[int, Decided] = {}
    for row in rows:
        log = TopicPartition(DECISIONS, row.partition)
        if not view.counts(books.look, log, row.offset):
            continue
        first = found.setdefault(row.revision, row)
        if first.amount_fen != row.amount_fen:
            verdict.differences.append(
                differ(
                    "decision_contradicts", row.uscc, row.measure, row.key, first.amount_fen, row.amount_fen,
                    revision=row.revision, offset=row.offset, log=_name(log),
                )
            )  # fmt: skip
    return found[max(found)] if found else None


def _compare(
    uscc: str, key: Key, decided: Decided | None, due: Due | None, look: int | None, view: View, verdict: Verdict
) -> None:
    verb = "waived" if key[0] == EXEMPTION else "authorised"
    found_fen, revision = (0, 0) if due is None else (due.amount_fen, due.revision)
    verdict.sums[key[0], "due"] += found_fen
    if decided is None or decided.revision < revision:
        expected_fen = 0 if decided is None else decided.amount_fen
        verdict.differences.append(
            differ("decision_unknown", uscc, *key, expected_fen, found_fen, verb=verb, revision=revision)
        )
        return
    if (decided.revision, decided.amount_fen) == (revision, found_fen):
        return
    log = TopicPartition(DECISIONS, decided.partition)
    place = view.place(look, log)
    if decided.revision == revision:
        kind = "decision_differs"
    else:
        kind = "decision_lost" if decided.offset < place else "decision_not_taken"
    verdict.differences.append(
        differ(
            kind, uscc, *key, decided.amount_fen, found_fen,
            verb=verb, revision=decided.revision, offset=decided.offset, log=_name(log), place=place,
        )
    )  # fmt: skip


def compare_payments(books: Books, verdict: Verdict) -> None:
    """What is due against the payments that make it up, and payments against the claims on them."""
    by_key: defaultdict[Key, list[Paid]] = defaultdict(list)
    for paid in books.paid.values():
        by_key[paid.measure, paid.key].append(paid)
        _add_up(paid, verdict)
    for key in sorted(by_key.keys() | {key for key in books.due if key[0] != EXEMPTION}):
        due_fen = books.due[key].amount_fen if key in books.due else 0
        live_fen = sum(one.amount_fen - one.clawed_fen for one in by_key[key] if one.state != "cancelled")
        if live_fen > due_fen and any(one.state in WITH_BANK for one in by_key[key]):
            verdict.explain(key[0], "in_flight", live_fen - due_fen)
            verdict.sums[key[0], "excess"] += live_fen - due_fen
        elif live_fen != due_fen:
            verdict.differences.append(differ("payments_do_not_add_up", books.uscc, *key, due_fen, live_fen))
    _compare_claims(books, verdict)


def _add_up(paid: Paid, verdict: Verdict) -> None:
    measure, state = paid.measure, paid.state
    group = "pending" if state in PENDING else "in_transit" if state in WITH_BANK else state
    verdict.sums[measure, group] += paid.amount_fen
    verdict.sums[measure, "clawed_back"] += paid.clawed_fen
    if state == "held":
        verdict.explain(measure, f"held_{paid.held_for}", paid.amount_fen)
    elif state in ("rejected", "unknown"):
        verdict.explain(measure, state, paid.amount_fen)


def _compare_claims(books: Books, verdict: Verdict) -> None:
    of_payment: defaultdict[str, list[Claimed]] = defaultdict(list)
    for claim in books.claimed.values():
        of_payment[claim.payment_id].append(claim)
    for payment_id in sorted(of_payment.keys() | books.paid.keys()):
        paid = books.paid.get(payment_id)
        clawed_fen = 0 if paid is None else paid.clawed_fen
        claimed_fen = sum(claim.amount_fen for claim in of_payment[payment_id])
        if claimed_fen != clawed_fen:
            key = ("?", "?") if paid is None else (paid.measure, paid.key)
            what = "the sum of the claims on the payment, and what the payment says is claimed back of it"
            verdict.differences.append(
                differ("claim_differs", books.uscc, *key, claimed_fen, clawed_fen, payment_id, what=what)
            )


def _name(log: TopicPartition) -> str:
    return f"{log.topic}/{log.partition}"
