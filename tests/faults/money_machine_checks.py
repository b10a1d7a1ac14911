"""The invariants of money, each as a sentence: what the tables hold against what must be so."""

from collections import defaultdict
from datetime import date, timedelta

from tests.faults.money_machine_books import Books, Posted, Row, sums
from tests.faults.money_machine_model import NAMES, PROGRAMMES, Model
from tests.faults.money_machine_world import SILENCE_DAYS, THRESHOLD_FEN

BEFORE_SUBMISSION = ("authorised", "held", "batched", "approved")
PHASES = dict.fromkeys(BEFORE_SUBMISSION, "authorised") | {"submitted": "submitted", "unknown": "submitted"}
RESERVED = ("batched", "approved", "submitted", "unknown")
PAYABLE_FEN = 10**15


def agree(model: Model, books: Books) -> None:
    """Everything that holds after every step."""
    payments_are_what_was_told(model, books)
    what_is_decided_is_held(model, books)
    the_silent_are_unknown_in_time(model, books)
    batches_hold_what_they_declare(model, books)
    officers_are_two_and_no_preparer(model, books)
    budgets_are_never_overdrawn(books)
    claims_never_exceed_what_was_paid(model, books)
    the_frozen_stand_still(model, books)
    every_command_moved_repeated_or_is_parked(model, books)
    the_events_say_where_the_money_is(model)


def payments_are_what_was_told(model: Model, books: Books) -> None:
    found = {
        row["payment_id"]: (
            (row["uscc"], row["measure"], row["key"]), row["amount_fen"], row["prefecture"], row["decision_id"],
            PHASES.get(row["state"], row["state"]), row["clawed_fen"], row["clawbacks"],
        )
        for row in books.payments["payment"]
    }  # fmt: skip
    expected = {
        one.payment_id: (
            one.key, one.amount_fen, one.place, one.decision_id, one.phase, model.claimed_fen(one), len(one.claims)
        )
        for one in model.payments.values()
    }  # fmt: skip
    assert found == expected
    for row in books.payments["payment"]:
        assert (row["submitted_on"] is not None) == (model.payments[row["payment_id"]].batch_id is not None)


def what_is_decided_is_held(model: Model, books: Books) -> None:
    found = {
        (row["uscc"], row["measure"], row["key"]): (row["revision"], row["amount_fen"], row["last_number"])
        for row in books.payments["refund"]
    }
    found |= {
        (row["uscc"], "exemption", f"{row['insurance']}/{row['period']}"): (
            row["revision"], row["amount_fen"], row["prefecture"]
        )
        for row in books.payments["exemption"]
    }  # fmt: skip
    expected = {
        key: (
            latest.revision, latest.amount_fen,
            model.waived[key][1] if key[1] == "exemption" else len(model.of[key]),
        )
        for key, latest in model.latest.items()
    }  # fmt: skip
    assert found == expected
    assert {row["partition"]: row["date"] for row in books.payments["day"]} == model.days


def the_silent_are_unknown_in_time(model: Model, books: Books) -> None:
    unknown = {row["payment_id"]: row for row in books.payments["payment"] if row["state"] == "unknown"}
    assert model.silent <= set(unknown), "the bank's silence was forgotten"
    for identity in set(unknown) - model.silent:
        due = date.fromisoformat(unknown[identity]["submitted_on"]) + timedelta(days=SILENCE_DAYS)
        assert due.isoformat() <= min(model.days.values()), "the bank had time yet"
        model.silent.add(identity)


def batches_hold_what_they_declare(model: Model, books: Books) -> None:
    for row in books.payments["batch"]:
        inside = [one for one in books.payments["payment"] if one["batch_id"] == row["batch_id"]]
        assert (row["count"], row["total_fen"]) == (len(inside), sum(one["amount_fen"] for one in inside))
        lot = model.lots[row["batch_id"]]
        assert (row["state"], row["frozen"]) == (lot.state, lot.frozen)
        assert {PROGRAMMES[one["measure"]] for one in inside} <= {row["programme"]}
        expected = {"prepared": {"batched"}, "approved": {"approved"}, "refused": set()}
        if lot.state in expected:
            assert {one["state"] for one in inside} <= expected[lot.state]


def officers_are_two_and_no_preparer(model: Model, books: Books) -> None:
    found: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in books.payments["approval"]:
        found[row["batch_id"]][row["version"]].append(row["officer"])
    for lot in model.lots.values():
        # A version is a content: both change together, and neither comes back.
        assert list(found[lot.batch_id].values()) == [given for given in lot.approvals.values() if given]
    for lot in model.lots.values():
        if lot.state in ("approved", "submitted"):
            assert lot.released is not None
            total_fen = sum(fen for _, fen, _ in lot.released)
            assert lot.prepared_by not in lot.released_by
            assert len(set(lot.released_by)) >= (2 if total_fen > THRESHOLD_FEN else 1)


def budgets_are_never_overdrawn(books: Books) -> None:
    for row in books.payments["budget"]:
        own = [one for one in books.payments["payment"] if PROGRAMMES[one["measure"]] == row["programme"]]
        assert row["reserved_fen"] == sum(one["amount_fen"] for one in own if one["state"] in RESERVED)
        assert row["spent_fen"] == sum(one["amount_fen"] for one in own if one["state"] == "settled")
        assert row["reserved_fen"] + row["spent_fen"] <= row["total_fen"]


def claims_never_exceed_what_was_paid(model: Model, books: Books) -> None:
    found = {
        row["clawback_id"]: (
            row["payment_id"], row["amount_fen"], row["settled_fen"], row["written_off_fen"], row["given_up_by"]
        )
        for row in books.payments["clawback"]
    }  # fmt: skip
    expected = {
        one.clawback_id: (
            one.payment.payment_id, one.amount_fen, one.settled_fen, one.written_off_fen, one.proposed_by
        )
        for one in model.claims.values()
    }  # fmt: skip
    assert found == expected
    assert all(claim.open_fen >= 0 for claim in model.claims.values())
    received = sum(fen for _, fen in model.receipts.values())
    assert received == sum(claim.settled_fen for claim in model.claims.values()) + model.surplus_fen


def the_frozen_stand_still(model: Model, books: Books) -> None:
    assert {(row["scope"], row["subject"]) for row in books.payments["frozen"]} == model.frozen
    for row in books.payments["payment"]:
        of = {("enterprise", row["uscc"]), ("programme", PROGRAMMES[row["measure"]])}
        if row["held_for"] == "frozen":
            assert of & model.frozen, "nothing holds it any longer"
        if ("enterprise", row["uscc"]) in model.frozen:
            assert row["state"] not in ("batched", "approved")


def every_command_moved_repeated_or_is_parked(model: Model, books: Books) -> None:
    assert {(row["topic"], row["partition"], row["offset"]) for row in books.payments["parked"]} == model.parked
    assert all(row["sentence"].endswith(".") for row in books.payments["parked"])
    receipts = {row["bank_reference"]: (row["clawback_id"], row["amount_fen"]) for row in books.payments["receipt"]}
    assert receipts == model.receipts


def the_events_say_where_the_money_is(model: Model) -> None:
    """Every account, worked out from decisions, the bank's words and the claims, is what the events add up to."""
    assert balances(model.booked) == where_the_money_is(model)
    assert sum(debit - credit for debit, credit in model.booked.values()) == 0


def where_the_money_is(model: Model) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for (_, _, key), (fen, place) in model.waived.items():
        name = NAMES[key.partition("/")[0]]
        found[f"Expenses:Relief:Exemption:{name}:{place}"] += fen
        found[f"Assets:Receivable:Contributions:{name}"] -= fen
    for payment in model.payments.values():
        name, fen = NAMES[PROGRAMMES[payment.key[1]]], payment.amount_fen
        if payment.phase == "cancelled":
            continue
        found[f"Expenses:Relief:{name}:{payment.place}"] += fen
        where = {"submitted": "Assets:Bank:InTransit", "settled": "Assets:Bank:Fund"}
        found[where.get(payment.phase, f"Liabilities:Payable:Refunds:{name}")] -= fen
    for claim in model.claims.values():
        name = NAMES[PROGRAMMES[claim.payment.key[1]]]
        found[f"Expenses:Relief:{name}:{claim.payment.place}"] += claim.written_off_fen - claim.amount_fen
        found[f"Assets:Receivable:Clawback:{name}"] += claim.open_fen
        found["Assets:Bank:Fund"] += claim.settled_fen
    return {account: fen for account, fen in found.items() if fen}


def balances(booked: dict[str, tuple[int, int]]) -> dict[str, int]:
    return {account: debit - credit for account, (debit, credit) in booked.items() if debit != credit}


def the_trial_balance_is_the_postings(days: list[Row], posted: list[Posted]) -> None:
    """What the ledger keeps of its sums is what its postings add up to, and debits are credits."""
    booked: dict[str, tuple[int, int]] = {}
    for one in posted:
        for account, debit, credit in ((one.debit, one.amount_fen, 0), (one.credit, 0, one.amount_fen)):
            before = booked.get(account, (0, 0))
            booked[account] = before[0] + debit, before[1] + credit
    assert sums(days) == booked
    assert sum(debit - credit for debit, credit in booked.values()) == 0


def the_clerk_left_nothing(model: Model, books: Books, readable: set[str]) -> None:
    """After a day's work every payment is in a batch, or waits for what is so; and no silence was overheard."""
    budgets = books.payments["budget"]
    free = {row["programme"]: row["total_fen"] - row["reserved_fen"] - row["spent_fen"] for row in budgets}
    for row in books.payments["payment"]:
        key = (row["uscc"], row["measure"], row["key"])
        programme, account = PROGRAMMES[row["measure"]], model.latest[key].account
        if row["state"] == "submitted":
            due = date.fromisoformat(row["submitted_on"]) + timedelta(days=SILENCE_DAYS)
            assert due.isoformat() > min(model.days.values()), "the bank is silent"
        if row["state"] not in ("authorised", "held"):
            continue
        if {("enterprise", row["uscc"]), ("programme", programme)} & model.frozen:
            why = "frozen"
        elif account is None:
            why = "no_payee"
        elif account not in readable or row["amount_fen"] > PAYABLE_FEN:
            why = "payee_unreadable"
        else:
            why = "no_budget"
            assert row["amount_fen"] > free.get(programme, 0), "there is money for it"
        assert (row["state"], row["held_for"]) == ("held", why)
