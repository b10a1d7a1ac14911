"""The end of every example: nothing is left undone, and two ledgers come to the same."""

from collections.abc import Iterable
from random import Random

from shared.contracts.topics import COMMANDS, DECISIONS, LEDGER_EXEMPTIONS, LEDGER_REFUNDS
from tests.faults.money_machine_books import Posted
from tests.faults.money_machine_checks import PAYABLE_FEN, balances, where_the_money_is
from tests.faults.money_machine_hands import HUGE
from tests.faults.money_machine_officers import Officers
from tests.faults.money_machine_site import READABLE


def come_to_rest(machine: Officers) -> None:
    """Nothing is frozen, there is money, the bank pays, claims come in: then everybody has what was decided."""
    for what in sorted(machine.model.frozen):
        machine.stop(what, False, None)
    for lot in list(machine.model.lots.values()):
        machine.stop_batch(lot, False, None)
    for programme in ("job_stabilisation", "contribution_return"):
        machine.set_budget(programme, HUGE, None)
    machine.take_all(DECISIONS)
    machine.work(None)
    machine.relay_all()
    machine.take_all(COMMANDS)
    # Twice: what is decided to be less than is with the bank may be authorised anew once the bank has answered.
    for _ in range(2):
        machine.payday()
        for payment in machine.away():
            machine.command_status(payment.payment_id, "settled")
        machine.relay_all()
        machine.take_all(COMMANDS)
    for claim in list(machine.model.claims.values()):
        # Receipts are payments, and have their limit.
        for part in range(-(-claim.open_fen // PAYABLE_FEN)):
            machine.command_receipt(claim.clawback_id, PAYABLE_FEN, f"end {claim.clawback_id} {part}")
    machine.take_all(COMMANDS)
    assert not any(claim.open_fen for claim in machine.model.claims.values())
    everybody_has_what_was_decided(machine)


def everybody_has_what_was_decided(machine: Officers) -> None:
    model = machine.model
    assert not machine.away()
    assert not +machine.following.ordered, "a word was never put into the log of commands"
    for key, latest in model.latest.items():
        if key[1] == "exemption":
            continue
        paid_fen = 0
        for payment in model.of[key]:
            if payment.phase == "authorised":
                assert latest.account not in READABLE or payment.amount_fen > PAYABLE_FEN, "it could be paid"
            if payment.phase == "settled":
                paid_fen += payment.amount_fen - model.claimed_fen(payment)
        owed = sum(one.amount_fen for one in model.of[key] if one.phase in ("authorised", "rejected"))
        assert paid_fen + owed == latest.amount_fen


def compare_ledgers(machine: Officers, seed: int) -> None:
    """The ledger has every event once, and a second one that reads them in another order comes to the same."""
    machine.relay_all()
    machine.take_all(LEDGER_EXEMPTIONS, LEDGER_REFUNDS)
    assert machine.following.posted.keys() == machine.model.ids
    assert machine.reading.sums("ledger") == machine.model.booked
    assert balances(machine.reading.sums("ledger")) == where_the_money_is(machine.model)
    machine.reading.cannot("UPDATE ledger.posting SET amount_fen = amount_fen + 1")
    machine.reading.cannot("DELETE FROM ledger.posting")
    # Everything is told once more, and nothing is posted for it.
    machine.reading.relay_falls_back(10**9)
    machine.check()
    machine.relay_all()
    machine.world.again(Random(seed))
    machine.take_all(LEDGER_EXEMPTIONS, LEDGER_REFUNDS)
    assert machine.following.posted.keys() == machine.model.ids
    assert machine.reading.sums("ledger_again") == machine.model.booked
    assert _said(machine.reading.journal("ledger_again")) == _said(machine.following.posted.values())


def _said(posted: Iterable[Posted]) -> dict[str, tuple[object, ...]]:
    """By event, all but the ledger's own number and link."""
    return {one.event_id: one[1:13] for one in posted}
