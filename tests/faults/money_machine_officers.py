"""What officers do to money, by their HTTP API and by commands."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from shared.contracts.topics import COMMANDS
from tests.faults.money_machine_fate import WHATS, Fate
from tests.faults.money_machine_hands import HUGE, Hands, pick
from tests.faults.money_machine_model import Claim, Lot
from tests.faults.money_machine_site import enterprise
from tests.faults.money_machine_words import Outcome, decide_batch, freeze_batch, write_off
from tests.faults.money_machine_world import PARTITIONS, THRESHOLD_FEN

A, B, C, D = enterprise(0), enterprise(1), enterprise(2), enterprise(0, 1)
OFFICERS = st.sampled_from(["ayse", "bek", "clerk"])
APPROVERS = st.sampled_from(["ayse", "bek", "again", "clerk"])
FATES = st.sampled_from([*[None] * 24, *(Fate(nth, what) for nth in range(4) for what in WHATS)])
ANY = st.integers(0, 999)
SOON = st.sampled_from([True, True, False])
Frozen = tuple[str, str]


def some(*values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    """A few at once, so that they can come to lie in one commit."""
    return st.lists(st.tuples(*values), min_size=1, max_size=4)


class Officers(Hands):
    @precondition(lambda self: self.model.lots)
    @rule(words=some(ANY, APPROVERS, st.sampled_from([True, True, True, False]), st.integers(0, 19)), soon=SOON)
    def officers_command(self, words: list[tuple[int, str, bool, int]], soon: bool) -> None:
        for which, officer, approves, known in words:
            lot = self._lot(which)
            self.command_batch(lot.batch_id if known else f"{which:032x}", _named(officer, lot), approves)
        if soon:
            self.take_all(COMMANDS)

    @precondition(lambda self: self.model.lots)
    @rule(
        which=ANY, officer=APPROVERS, approves=st.sampled_from([True, True, True, False]),
        stale=st.sampled_from([None, 0, 1]), fate=FATES,
    )  # fmt: skip
    def an_officer_decides(
        self, which: int, officer: str, approves: bool, stale: int | None, fate: Fate | None
    ) -> None:
        lot = self._lot(which)
        version = None if stale is None else max(1, lot.version - stale)
        self.decide_batch(lot, _named(officer, lot), approves, version, fate)

    def _lot(self, which: int) -> Lot:
        """Mostly one that waits for officers, if there is any."""
        prepared = [lot for lot in self.model.lots.values() if lot.state == "prepared"]
        return pick(prepared if prepared and which % 4 else self.model.lots, which)

    def decide_batch(self, lot: Lot, officer: str, approves: bool, version: int | None, fate: Fate | None) -> None:
        def expected() -> Outcome:
            return decide_batch(self.model, lot.batch_id, officer, approves, THRESHOLD_FEN, version)

        path = f"batches/{lot.batch_id}/{'approve' if approves else 'reject'}"
        self.ask("POST", path, f"approver:{officer}", fate, expected, version=version)

    @rule(officer=OFFICERS, fate=FATES)
    def an_officer_prepares(self, officer: str, fate: Fate | None) -> None:
        started = len(self.books.payments["day"]) == PARTITIONS
        self.unchecked = True
        answer = self.world.ask("POST", "batches", f"preparer:{officer}", {"reason": "now"}, fate)
        assert answer.fired or answer.status == (200 if started else 409)
        self.check()

    @rule(
        which=ANY, what=st.sampled_from(["batch", "batch", "enterprise", "programme"]),
        stop=st.sampled_from([True, True, False]), fate=FATES,
    )  # fmt: skip
    def something_is_frozen_or_released(self, which: int, what: str, stop: bool, fate: Fate | None) -> None:
        if what == "batch" and self.model.lots:
            self.stop_batch(self._lot(which), stop, fate)
        elif what == "programme":
            self.stop((what, "job_stabilisation"), stop, fate)
        else:
            self.stop(("enterprise", pick([A, B], which)), stop, fate)

    def stop_batch(self, lot: Lot, stop: bool, fate: Fate | None) -> None:
        path = f"batches/{lot.batch_id}/{'freeze' if stop else 'release'}"
        self.ask("POST", path, "operator:oya", fate, lambda: freeze_batch(lot, stop))

    def stop(self, what: Frozen, stop: bool, fate: Fate | None) -> None:
        def expected() -> Outcome:
            if (what in self.model.frozen) == stop:
                return "repeat"
            self.model.frozen ^= {what}
            if stop and what[0] == "enterprise":
                self.model.send_away(what[1])
            return "moved"

        path = "freezes" if stop else "freezes/release"
        self.ask("POST", path, "approver:ayse", fate, expected, scope=what[0], subject=what[1])

    @rule(
        programme=st.sampled_from(["job_stabilisation", "contribution_return"]),
        more=st.sampled_from([-1, 0, 3, 12, HUGE]), fate=FATES,
    )  # fmt: skip
    def a_budget_is_set(self, programme: str, more: int, fate: Fate | None) -> None:
        """To so much more than is gone of it already."""
        self.set_budget(programme, max(0, self._gone_fen(programme) + more), fate)

    def _gone_fen(self, programme: str) -> int:
        budgets = self.books.payments["budget"]
        return sum(row["reserved_fen"] + row["spent_fen"] for row in budgets if row["programme"] == programme)

    def set_budget(self, programme: str, total: int, fate: Fate | None) -> None:
        def expected() -> Outcome:
            return "refused" if total < self._gone_fen(programme) else "moved"

        self.ask("PUT", f"budgets/{programme}", "approver:ayse", fate, expected, total_fen=total)

    @precondition(lambda self: self.model.payments)
    @rule(which=ANY, word=st.sampled_from(["settled", "rejected"]), fate=FATES)
    def an_officer_answers_for_the_bank(self, which: int, word: str, fate: Fate | None) -> None:
        payment = pick(self.model.payments, which)

        def expected() -> Outcome:
            said = self.resolved.get(payment.payment_id)
            if said == word and payment.phase in (word, "submitted"):
                return "repeat"
            if payment.phase != "submitted" or said is not None:
                return "refused"
            self.resolved[payment.payment_id] = word
            self.following.ordered.update([(payment.payment_id, word)])
            return "moved"

        path = f"payments/{payment.payment_id}/resolve"
        self.ask("POST", path, "approver:bek", fate, expected, status=word, bank_reference="s1")

    @precondition(lambda self: self.model.claims)
    @rule(words=some(ANY, OFFICERS, st.sampled_from([False, False, False, True])), fate=FATES)
    def officers_give_claims_up(self, words: list[tuple[int, str, bool]], fate: Fate | None) -> None:
        for which, officer, withdraw in words:
            self.give_up(pick(self.model.claims, which), officer, withdraw, fate)

    def give_up(self, claim: Claim, officer: str, withdraw: bool, fate: Fate | None) -> None:
        def expected() -> Outcome:
            if withdraw:
                claim.proposed_by = None
                return "moved"
            outcome, fen = write_off(self.model, claim.clawback_id, officer)
            if fen:
                self.following.write_offs[claim.clawback_id] = fen
            return outcome

        path = f"clawbacks/{claim.clawback_id}/write-off" + ("/withdraw" if withdraw else "")
        self.ask("POST", path, f"approver:{officer}", fate, expected)


def _named(officer: str, lot: Lot) -> str:
    """Perhaps the very one who has approved the batch already."""
    return next(iter(lot.approvals.get(lot.content, [])), "ayse") if officer == "again" else officer
