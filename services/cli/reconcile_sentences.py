"""Every kind of difference there is between two books of the same money, in a sentence each, with what to do."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec


class Difference(msgspec.Struct, frozen=True, gc=False):
    """Two books disagree on one business key: `expected_fen` by the one that is nearer to the decision, `found_fen` by
    the other. `subject`: the payment, claim, event or account it shows in, where it is not the key itself.
    """

    kind: str
    uscc: str
    measure: str
    key: str
    subject: str | None
    expected_fen: int
    found_fen: int
    why: str


_RESTORE = "Stop payments and restore its database whole, inbox included."
_CHANGED = "The row was changed past the rules: find out by whom, and restore the database of payments."
_BANK = "Ask the bank for the status of this payment before the enterprise is paid anything more."
_LEDGER = "Check it with `relief export --format csv` and `relief ledger verify`, and restore the ledger's database."

SENTENCES: Final = {
    # The log of decisions and payments
    "decision_not_taken": (
        "decided {expected} fen, {verb} {found}: payments has not taken revision {revision} yet (offset {offset} of "
        "{log}; it stands at {place}). Wait for it; if its partition has stopped, /readyz of payments says why."
    ),
    "decision_lost": (
        "decided {expected} fen, {verb} {found}: payments has passed revision {revision} (offset {offset} of {log}; it "
        f"stands at {{place}}) and does not hold it. {_RESTORE}"
    ),
    "decision_differs": (
        "decided {expected} fen in revision {revision} (offset {offset} of {log}), and payments holds {found} for that "
        f"same revision. {_CHANGED}"
    ),
    "decision_unknown": (
        "{verb} {found} fen by revision {revision}, and no such decision is in relief.decisions.v1. The topic was "
        "cut or restored: restore it whole, and start nothing that reads it before."
    ),
    "decision_contradicts": (
        "revision {revision} was decided with {expected} fen and again with {found} (offset {offset} of {log}). "
        "Payments moves nothing on it: find out what made eligibility decide twice under one number."
    ),
    "unreadable": (
        "the record at offset {offset} of {log} cannot be read ({error}). What comes after it in that partition waits: "
        "find out who wrote it."
    ),
    # Payments in itself
    "payments_do_not_add_up": (
        "due are {expected} fen, and the payments of it that are not cancelled come to {found}, with nothing at the "
        f"bank that would explain it. {_CHANGED}"
    ),
    "claim_differs": (f"payments books {{expected}} fen and {{found}} fen for the same ({{what}}). {_CHANGED}"),
    # Payments and what it told
    "event_not_published": (
        "payments holds the step `{step}` of {expected} fen, and {log} has no event of it yet: {backlog} events wait "
        "to be published. Wait; if they stand, /readyz of payments says why under `relay`."
    ),
    "event_missing": (
        "payments holds the step `{step}` of {expected} fen, and {log} has no event of it though all that payments has "
        "to tell was published: the topic was cut, or the relay's pointer moved. No ledger knows of it: publish it "
        "again from the event table of payments."
    ),
    "event_unexpected": (
        "{log} tells the step `{step}` of {found} fen (offset {offset}), which payments does not hold: {state}. "
        f"{_CHANGED}"
    ),
    "event_differs": (
        "payments holds the step `{step}` with {expected} fen, and {log} tells it with {found} (offset {offset}). "
        f"{_CHANGED}"
    ),
    "event_contradicts": (
        "event {event} is in {log} twice, with {expected} fen and with {found} (offset {offset}). Ledgers stop at it: "
        "find out who wrote the second one."
    ),
    "told_differs": (
        "waived {expected} fen, and the events of it in {log} come to {found}, with {backlog} of all kinds still to be "
        "published. If none are, the topic was cut or a row changed: compare both with the event table of payments."
    ),
    # What was told and the ledger
    "posting_not_yet": (
        "told {expected} fen (`{step}`, offset {offset} of {log}), and the ledger has not read it yet (it stands at "
        "{place}). Wait for it; if its partition has stopped, /readyz of the ledger says why."
    ),
    "posting_missing": (
        "told {expected} fen (`{step}`, offset {offset} of {log}), and the ledger, which stands at {place}, has no "
        f"posting of it. {_LEDGER}"
    ),
    "posting_differs": (
        "told {expected} fen (`{step}`, {should}), and posted are {found} (`{posted_step}`, {is_}; posting {seq}). "
        f"{_LEDGER}"
    ),
    "posting_unexpected": (
        "posted are {found} fen (`{step}`, posting {seq}) of event {event}, which no ledger topic has. The topic was "
        "cut, or the posting made by hand: compare with the event table of payments."
    ),
    "account_differs": (
        "the postings up to {seq} come to {expected} fen on one side of the account, and the ledger's own sum says "
        f"{{found}}. {_LEDGER}"
    ),
    # The bank and payments
    "word_missing": (
        "payments holds {expected} fen as {state}, and no word of the bank in payments.commands.v1 says so. "
        "The topic was cut or the row changed. " + _BANK
    ),
    "word_not_taken": (
        "the bank has {word} {expected} fen, payments holds them as {state}: it has not taken that word yet (offset "
        "{offset} of {log}; it stands at {place}). Wait for it; if its partition has stopped, /readyz of payments says "
        "why."
    ),
    "word_lost": (
        "the bank has {word} {expected} fen (offset {offset} of {log}), and payments, which stands at {place}, holds "
        f"them as {{state}} without having set that word aside. {_RESTORE}"
    ),
    "receipt_word_missing": (
        "payments booked {expected} fen under the bank's reference {reference}, and no word of the bank in "
        "payments.commands.v1 says so. The topic was cut or the row changed: ask the bank for that reference."
    ),
    "receipt_not_taken": (
        "the bank has received {expected} fen under {reference}, and payments has not taken that word yet (offset "
        "{offset} of {log}; it stands at {place}). Wait for it; if its partition has stopped, /readyz of payments says "
        "why."
    ),
    "receipt_lost": (
        "the bank has received {expected} fen under {reference} (offset {offset} of {log}), and payments, which stands "
        f"at {{place}}, neither booked it nor set it aside. {_RESTORE}"
    ),
}


def differ(
    kind: str, uscc: str, measure: str, key: str, expected_fen: int, found_fen: int,
    subject: str | None = None, **facts: object,
) -> Difference:  # fmt: skip
    """A difference with its sentence; `facts` are what the sentence names beside the amounts."""
    why = SENTENCES[kind].format(expected=expected_fen, found=found_fen, **facts)
    return Difference(kind, uscc, measure, key, subject, expected_fen, found_fen, why)


class Listing:
    """Differences in a file: there may be as many as there are business keys."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "differences"
        self._file = self._path.open("wb")
        self._count = 0

    def add(self, difference: Difference) -> None:
        self._file.write(msgspec.json.encode(difference) + b"\n")
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Difference]:
        self._file.flush()
        with self._path.open("rb") as lines:
            for line in lines:
                yield msgspec.json.decode(line, type=Difference)

    def close(self) -> None:
        self._file.close()
