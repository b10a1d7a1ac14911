"""What payments holds against what it told, and what it told against what the ledger posted."""

from collections import defaultdict
from typing import Final

from aiokafka.structs import TopicPartition

from services.cli.conservation_books import EXEMPTION, PENDING, Books, Key, Verdict, View
from services.cli.reconcile_rows import Paid, Posted, Told
from services.cli.reconcile_sentences import Difference, differ
from shared.contracts.topics import LEDGER_EXEMPTIONS, LEDGER_REFUNDS, topics
from shared.streaming.records import partition_of

FUND: Final = "Assets:Bank:Fund"
IN_TRANSIT: Final = "Assets:Bank:InTransit"
EXPENSES: Final = "Expenses:"


def each_once(books: Books, verdict: Verdict) -> dict[str, Told]:
    """The events by id. Repeats are counted; one that says something else is a difference."""
    events: dict[str, Told] = {}
    for told in books.told:
        first = events.setdefault(told.event_id, told)
        if first is told:
            kind = "exemption" if told.measure == EXEMPTION else "refund"
            verdict.events[f"relief.{kind}.{told.step}.v1"] += 1
            verdict.sums[told.measure, f"told_{told.step}"] += told.amount_fen
        elif _content(first) == _content(told):
            verdict.repeats += 1
        else:
            verdict.differences.append(
                differ(
                    "event_contradicts", told.uscc, told.measure, told.key, first.amount_fen, told.amount_fen,
                    told.event_id, event=told.event_id, log=_name(_log(told)), offset=told.offset,
                )
            )  # fmt: skip
    return events


def compare_events(books: Books, events: dict[str, Told], view: View, verdict: Verdict) -> None:
    """Every step of a payment, and of a claim, is told once; the steps of an exemption add up to what is waived."""
    steps: defaultdict[tuple[str, str], list[Told]] = defaultdict(list)
    waived: defaultdict[Key, int] = defaultdict(int)
    for told in events.values():
        if told.measure == EXEMPTION:
            waived[told.measure, told.key] += told.amount_fen
        else:
            steps[told.clawback_id or told.payment_id, told.step].append(told)
    exemptions = TopicPartition(LEDGER_EXEMPTIONS, _partition(books))
    for key in sorted(waived.keys() | {key for key in books.due if key[0] == EXEMPTION}):
        held_fen = books.due[key].amount_fen if key in books.due else 0
        if held_fen != waived[key]:
            verdict.differences.append(
                differ(
                    "told_differs", books.uscc, *key, held_fen, waived[key],
                    log=_name(exemptions), backlog=view.backlog,
                )
            )  # fmt: skip
    expected = _expected(books)
    for subject, step in sorted(expected.keys() | steps.keys()):
        _compare_step(books, subject, step, expected.get((subject, step), 0), steps[subject, step], view, verdict)


def _expected(books: Books) -> dict[tuple[str, str], int]:
    """Fen by (payment or claim, step) that must have been told."""
    expected = {}
    for paid in books.paid.values():
        for step in _steps(paid):
            expected[paid.payment_id, step] = paid.amount_fen
    for claim in books.claimed.values():
        parts = {"raised": claim.amount_fen, "settled": claim.settled_fen, "written_off": claim.written_off_fen}
        for part, fen in parts.items():
            if fen:
                expected[claim.clawback_id, f"clawback_{part}"] = fen
    return expected


def _steps(paid: Paid) -> list[str]:
    """What was told of a payment in its state. What was given to the bank is cancelled only after it was refused."""
    # Only of a cancelled payment the state does not say whether it went out.
    went_out = paid.submitted if paid.state == "cancelled" else paid.state not in PENDING
    steps = ["authorised", *(["submitted"] if went_out else [])]
    if paid.state == "settled":
        steps.append("settled")
    elif paid.state == "rejected" or (paid.state == "cancelled" and went_out):
        steps.append("rejected")
    if paid.state == "cancelled":
        steps.append("cancelled")
    return steps


def _compare_step(
    books: Books, subject: str, step: str, expected_fen: int, told: list[Told], view: View, verdict: Verdict
) -> None:
    told_fen = sum(one.amount_fen for one in told)
    # A claim comes back in parts; everything else happens once.
    if told_fen == expected_fen and (len(told) == 1 or step == "clawback_settled"):
        return
    claim = books.claimed.get(subject)
    paid = books.paid.get(claim.payment_id if claim else told[0].payment_id if told else subject)
    key = (paid.measure, paid.key) if paid else (told[0].measure, told[0].key) if told else ("?", "?")
    log = TopicPartition(LEDGER_REFUNDS, told[0].partition if told else _partition(books))
    if not told:
        kind = "event_not_published" if view.backlog else "event_missing"
    else:
        kind = "event_differs" if expected_fen else "event_unexpected"
    state = "it knows no such payment" if paid is None else f"to it the payment is {paid.state}"
    verdict.differences.append(
        differ(
            kind, books.uscc, *key, expected_fen, told_fen, subject, step=step, log=_name(log),
            backlog=view.backlog, offset=told[-1].offset if told else None, state=state,
        )
    )  # fmt: skip


def compare_postings(books: Books, events: dict[str, Told], view: View, verdict: Verdict) -> None:
    """Every event is posted once, with its amount and between the accounts that the chart names for it."""
    missing = dict(events)
    for posted in books.posted:
        told = missing.pop(posted.event_id, None)
        debit, credit = view.legs.pair(posted.legs)
        measure = told.measure if told else "?"
        verdict.sums[measure, f"posted_{posted.step}"] += posted.amount_fen
        for account, name in ((FUND, "fund"), (IN_TRANSIT, "transit")):
            # What left the account: it was credited.
            verdict.sums[measure, f"{name}_out"] += posted.amount_fen * (credit == account)
            verdict.sums[measure, f"{name}_in"] += posted.amount_fen * (debit == account)
        sign = debit.startswith(EXPENSES) - credit.startswith(EXPENSES)
        verdict.sums[measure, "expensed"] += posted.amount_fen * sign
        if told is None:
            verdict.differences.append(
                differ(
                    "posting_unexpected", books.uscc, "?", "?", 0, posted.amount_fen, posted.event_id,
                    step=posted.step, seq=posted.seq, event=posted.event_id,
                )
            )  # fmt: skip
        elif (told.step, abs(told.amount_fen), told.legs) != (posted.step, posted.amount_fen, posted.legs):
            verdict.differences.append(_posting_differs(told, posted, view))
    for told in missing.values():
        place = view.ledger.get(_log(told), 0)
        kind = "posting_missing" if told.offset < place else "posting_not_yet"
        verdict.differences.append(
            differ(
                kind, books.uscc, told.measure, told.key, abs(told.amount_fen), 0, told.event_id,
                step=told.step, offset=told.offset, log=_name(_log(told)), place=place,
            )
        )  # fmt: skip


def _posting_differs(told: Told, posted: Posted, view: View) -> Difference:
    should, found = (" to ".join(reversed(view.legs.pair(legs))) for legs in (told.legs, posted.legs))
    return differ(
        "posting_differs", told.uscc, told.measure, told.key, abs(told.amount_fen), posted.amount_fen, told.event_id,
        step=told.step, posted_step=posted.step, should=should, is_=found, seq=posted.seq,
    )  # fmt: skip


def _content(told: Told) -> tuple[object, ...]:
    return told.measure, told.key, told.step, told.payment_id, told.clawback_id, told.amount_fen, told.legs


def _log(told: Told) -> TopicPartition:
    return TopicPartition(LEDGER_EXEMPTIONS if told.measure == EXEMPTION else LEDGER_REFUNDS, told.partition)


def _partition(books: Books) -> int:
    """An enterprise has the same number in every topic between our services."""
    return partition_of(books.uscc.encode(), topics()[LEDGER_REFUNDS].partitions)


def _name(log: TopicPartition) -> str:
    return f"{log.topic}/{log.partition}"
