"""Sums per programme that must be equal whichever book they are taken from, and what may differ for good reason."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from services.cli.conservation_books import EXEMPTION, REFUNDS

Sums = Counter[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Equation:
    """The same fen from several sides, each by what it is taken from."""

    measure: str
    name: str
    sides: dict[str, int]

    @property
    def holds(self) -> bool:
        return len(set(self.sides.values())) == 1


# Why books may differ, or money wait, without anything being wrong.
REASONS: Final = {
    "in_flight": "more is on its way than is due by now: the bank has it, and its answer decides what is claimed back",
    "unknown": "with the bank beyond its time to answer: nothing is paid again before it does, or a person resolves it",
    "rejected": "refused by the bank: owed still, and waiting for a decision with another account",
    "held_no_budget": "held: the programme's budget does not have it",
    "held_frozen": "held: the enterprise or the programme is frozen",
    "held_no_payee": "held: no account is known",
    "held_payee_unreadable": "held: the sealed account does not open",
    "held_payee_changed": "held: the account changed after the approval, and waits for a new one",
    "surplus": "came in for claims beyond what was owed, to be given back by a person",
    "parked": "words of the bank that contradict what is known, set aside for a person",
}


# Equations whose sides are single terms.
_SIDES: Final = {
    "settled": {
        "bank": "bank_settled",
        "payments": "settled",
        "told": "told_settled",
        "ledger: out of Assets:Bank:Fund": "fund_out",
    },
    "rejected": {"bank": "bank_rejected", "told": "told_rejected", "ledger": "posted_rejected"},
    "claimed back": {
        "payments": "clawed_back",
        "told": "told_clawback_raised",
        "ledger": "posted_clawback_raised",
    },
    "recovered": {
        "bank": "bank_received",
        "payments": "recovered",
        "told": "told_clawback_settled",
        "ledger: into Assets:Bank:Fund": "fund_in",
    },
    "written off": {
        "payments": "written_off",
        "told": "told_clawback_written_off",
        "ledger": "posted_clawback_written_off",
    },
}


def equations(sums: Sums) -> list[Equation]:
    """Over all enterprises that were compared."""
    return [_waived(sums), *(equation for measure in REFUNDS for equation in _paid(sums, measure))]


def _waived(sums: Sums) -> Equation:
    told = sum(sums[EXEMPTION, f"told_{step}"] for step in ("granted", "amended", "revoked"))
    sides = {"decided": "decided", "payments": "due", "ledger": "expensed"}
    found = {side: sums[EXEMPTION, term] for side, term in sides.items()}
    return Equation(EXEMPTION, "decided = authorised", found | {"told": told})


def _paid(sums: Sums, measure: str) -> Iterator[Equation]:
    def of(*terms: str) -> int:
        return sum(sums[measure, term] for term in terms)

    given_back = of("told_cancelled", "told_clawback_raised")
    yield Equation(
        measure,
        "decided = authorised",
        {
            "decided + in flight": of("decided", "excess"),
            "authorised - cancelled - claimed back": of("told_authorised") - given_back,
            "ledger: expenses - written off": of("expensed") - of("posted_clawback_written_off"),
        },
    )
    yield Equation(
        measure,
        "authorised = settled + rejected + cancelled + pending + in transit",
        {
            "authorised": of("told_authorised"),
            "payments by state": of("settled", "rejected", "cancelled", "pending", "in_transit"),
        },
    )
    yield Equation(
        measure,
        "in transit",
        {
            "payments": of("in_transit"),
            "ledger: Assets:Bank:InTransit": of("transit_out") - of("transit_in"),
        },
    )
    for name, terms in _SIDES.items():
        yield Equation(measure, name, {side: of(term) for side, term in terms.items()})
