import re
from datetime import date

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain.chart import CHART, INSURANCES, PROGRAMMES
from services.ledger.domain.posting import LedgerEvent, Unpostable, meet, post

PENSION, HELD = "Expenses:Relief:Exemption:Pension:650100", "Assets:Receivable:Contributions:Pension"
RELIEF, PAYABLE = "Expenses:Relief:JobStabilisation:650100", "Liabilities:Payable:Refunds:JobStabilisation"
TRANSIT, FUND = "Assets:Bank:InTransit", "Assets:Bank:Fund"
CLAWBACK = "Assets:Receivable:Clawback:JobStabilisation"


def event(event_type: str, amount_fen: int, purpose: str = "pension", prefecture: str = "650100") -> LedgerEvent:
    return LedgerEvent(
        "e" * 32, event_type, "b" * 32, "91650100MA7ABCDE18", prefecture, purpose, amount_fen, "d" * 32,
        date(2020, 2, 20), b"0" * 16,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("event_type", "amount_fen", "purpose", "debit", "credit"),
    [
        ("relief.exemption.granted.v1", 5, "pension", PENSION, HELD),
        ("relief.exemption.amended.v1", 5, "pension", PENSION, HELD),
        ("relief.exemption.amended.v1", -5, "pension", HELD, PENSION),
        ("relief.exemption.revoked.v1", -5, "pension", HELD, PENSION),
        ("relief.refund.authorised.v1", 5, "job_stabilisation", RELIEF, PAYABLE),
        ("relief.refund.submitted.v1", 5, "job_stabilisation", PAYABLE, TRANSIT),
        ("relief.refund.settled.v1", 5, "job_stabilisation", TRANSIT, FUND),
        ("relief.refund.rejected.v1", 5, "job_stabilisation", TRANSIT, PAYABLE),
        ("relief.refund.cancelled.v1", 5, "job_stabilisation", PAYABLE, RELIEF),
        ("relief.refund.clawback_raised.v1", 5, "job_stabilisation", CLAWBACK, RELIEF),
        ("relief.refund.clawback_settled.v1", 5, "job_stabilisation", FUND, CLAWBACK),
        ("relief.refund.clawback_written_off.v1", 5, "job_stabilisation", RELIEF, CLAWBACK),
    ],
)
def test_the_legs_of_every_event(event_type: str, amount_fen: int, purpose: str, debit: str, credit: str) -> None:
    posting = post(event(event_type, amount_fen, purpose))
    assert (posting.debit, posting.credit, posting.amount_fen) == (debit, credit, 5)


@given(
    event_type=st.sampled_from(sorted(CHART)),
    purpose=st.sampled_from(sorted({*INSURANCES, *PROGRAMMES})),
    prefecture=st.from_regex(r"\A[0-9]{6}\Z"),
    amount_fen=st.integers(-(10**15), 10**15),
)
def test_what_is_posted_is_well_formed(event_type: str, purpose: str, prefecture: str, amount_fen: int) -> None:
    try:
        posting = post(event(event_type, amount_fen, purpose, prefecture))
    except Unpostable:
        return
    form = re.compile(r"(Assets|Liabilities|Expenses)(:[A-Z0-9][A-Za-z0-9-]*)+")
    assert form.fullmatch(posting.debit)
    assert form.fullmatch(posting.credit)
    assert posting.debit != posting.credit
    assert posting.amount_fen > 0


@pytest.mark.parametrize(("change", "fen"), [("granted", 1), ("amended", 1), ("amended", -1), ("revoked", -1)])
def test_a_single_fen_is_posted(change: str, fen: int) -> None:
    assert post(event(f"relief.exemption.{change}.v1", fen)).amount_fen == 1


@pytest.mark.parametrize(
    ("event_type", "amount_fen", "purpose", "why"),
    [
        ("relief.exemption.granted.v1", 0, "pension", "moves 0 fen"),
        ("relief.exemption.amended.v1", 0, "pension", "moves 0 fen"),
        ("relief.exemption.granted.v1", -5, "pension", "moves -5 fen"),
        ("relief.exemption.revoked.v1", 5, "pension", "moves 5 fen"),
        ("relief.refund.authorised.v1", -5, "job_stabilisation", "moves -5 fen"),
        ("relief.refund.authorised.v1", 5, "pension", "is no programme"),
        ("relief.exemption.granted.v1", 5, "job_stabilisation", "is no insurance"),
        ("relief.refund.forgiven.v1", 5, "job_stabilisation", "no entry"),
    ],
)
def test_what_the_chart_cannot_book_is_refused(event_type: str, amount_fen: int, purpose: str, why: str) -> None:
    with pytest.raises(Unpostable, match=why):
        post(event(event_type, amount_fen, purpose))


def test_an_id_met_again() -> None:
    first = event("relief.exemption.granted.v1", 5)
    assert meet(None, first) == "created"
    assert meet(first.digest, first) == "exists"
    assert meet(first.digest, msgspec.structs.replace(first, digest=b"1" * 16)) == "exists_with_different_content"
