"""The bank's words against what payments holds, payment by payment and claim by claim.

A word that payments has set aside (parked) moved no money, whatever it says.
"""

from aiokafka.structs import TopicPartition

from services.cli.conservation_books import WITH_BANK, Books, Verdict, View
from services.cli.reconcile_rows import Claimed, Paid, Said
from services.cli.reconcile_sentences import differ
from shared.contracts.topics import COMMANDS


def compare_words(books: Books, view: View, verdict: Verdict) -> None:
    """What the bank said of each payment, and what came in for each claim."""
    heard = {subject: _heard(books, view, said, verdict) for subject, said in books.said.items()}
    for paid in books.paid.values():
        _compare_payment(books, paid, heard.pop(paid.payment_id, []), view, verdict)
    for claim in books.claimed.values():
        _compare_claim(books, claim, heard.pop(claim.clawback_id, []), view, verdict)
    for said in (one for rest in heard.values() for one in rest):
        if said.word != "accepted" and (said.partition, said.offset) not in books.parked:
            _not_in_the_books(books, said, None, view, verdict)


def _heard(books: Books, view: View, said: list[Said], verdict: Verdict) -> list[Said]:
    """The words that payments has to have heard and has not set aside. Of a receipt also those that it has: what is
    above the debt is set aside, and the rest of it booked.
    """
    found = []
    for one in said:
        parked = (one.partition, one.offset) in books.parked
        if parked:
            verdict.explain("*", "parked", 0)
        if view.counts(books.look, TopicPartition(COMMANDS, one.partition), one.offset) and (
            not parked or one.word == "received"
        ):
            found.append(one)
    return found


def _compare_payment(books: Books, paid: Paid, said: list[Said], view: View, verdict: Verdict) -> None:
    resolved = paid.state
    if resolved == "cancelled" and paid.submitted:
        resolved = "rejected"
    words = {one.word: one for one in said if one.word != "accepted"}
    if resolved in ("settled", "rejected"):
        word = words.pop(resolved, None)
        if word is None:
            verdict.differences.append(
                differ(
                    "word_missing", books.uscc, paid.measure, paid.key, paid.amount_fen, 0, paid.payment_id,
                    state=resolved,
                )
            )  # fmt: skip
        else:
            verdict.sums[paid.measure, f"bank_{resolved}"] += paid.amount_fen
    for word in words.values():
        log = TopicPartition(COMMANDS, word.partition)
        # Resolved already: once payments has read it, it will be set aside.
        if paid.state in WITH_BANK or word.offset < view.place(books.look, log):
            _not_in_the_books(books, word, paid, view, verdict)


def _not_in_the_books(books: Books, said: Said, paid: Paid | None, view: View, verdict: Verdict) -> None:
    log = TopicPartition(COMMANDS, said.partition)
    place = view.place(books.look, log)
    receipt = said.word == "received"
    kind = f"{'receipt' if receipt else 'word'}_{'lost' if said.offset < place else 'not_taken'}"
    key = (paid.measure, paid.key) if paid else ("?", "?")
    # Of a payment the bank names no amount.
    fen = paid.amount_fen if paid and not receipt else said.amount_fen
    verdict.differences.append(
        differ(
            kind, books.uscc, *key, fen, 0, said.subject,
            word=said.word, state=paid.state if paid else "nothing", reference=said.bank_reference,
            offset=said.offset, log=f"{log.topic}/{log.partition}", place=place,
        )
    )  # fmt: skip


def _compare_claim(books: Books, claim: Claimed, said: list[Said], view: View, verdict: Verdict) -> None:
    paid = books.paid.get(claim.payment_id)
    key = (paid.measure, paid.key) if paid else ("?", "?")
    receipts = dict(claim.receipts)
    backed: set[str] = set()
    for one in said:
        if receipts.get(one.bank_reference) == one.amount_fen:
            backed.add(one.bank_reference)
        elif (one.partition, one.offset) not in books.parked:
            _not_in_the_books(books, one, paid, view, verdict)
    for reference in sorted(receipts.keys() - backed):
        verdict.differences.append(
            differ(
                "receipt_word_missing", books.uscc, *key, receipts[reference], 0, claim.clawback_id,
                reference=reference,
            )
        )  # fmt: skip
    booked_fen, open_fen = sum(receipts.values()), claim.amount_fen - claim.settled_fen - claim.written_off_fen
    surplus_fen = booked_fen - claim.settled_fen
    if surplus_fen < 0 or (surplus_fen > 0 and open_fen > 0):
        what = "what is settled of the claim, and what came in for it"
        verdict.differences.append(
            differ(
                "claim_differs", books.uscc, *key, claim.settled_fen, booked_fen, claim.clawback_id, what=what
            )
        )  # fmt: skip
    elif surplus_fen:
        verdict.explain(key[0], "surplus", surplus_fen)
    verdict.sums[key[0], "bank_received"] += sum(receipts[reference] for reference in backed) - surplus_fen
    verdict.sums[key[0], "recovered"] += claim.settled_fen
    verdict.sums[key[0], "written_off"] += claim.written_off_fen
