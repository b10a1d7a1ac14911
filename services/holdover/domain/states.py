"""The life of a holdover: the one table of its states and transitions, and of what each tells.

A state follows from the facts and the day alone (`standing`), so a single fact can lead from any state to any other: a
grant that comes late, a correction, a payment that cures. The table has a row for each way, and says what is told.
"""

from typing import Final, Literal, NamedTuple, get_args

State = Literal["none", "applied", "denied", "granted", "open", "repaying", "completed", "defaulted", "withdrawn"]
Word = Literal["opened", "supply_protected", "protection_ended", "completed", "defaulted", "withdrawn"]
STATES: Final[tuple[State, ...]] = get_args(State)
# A holdover is in force: no late fee, and no disconnection where there is a supply.
IN_FORCE: Final[frozenset[State]] = frozenset({"open", "repaying"})
_OVER: Final[frozenset[State]] = frozenset({"completed", "defaulted"})
_BEFORE: Final[frozenset[State]] = frozenset({"none", "applied", "denied", "granted", "withdrawn"})

_BEGINS: tuple[Word, ...] = ("opened", "supply_protected")


class Transition(NamedTuple):
    """One row. Of a due without supply the words on protection are left out."""

    name: str
    before: frozenset[State]
    after: State
    told: tuple[Word, ...]
    why: str


def _row(name: str, before: set[State] | frozenset[State], after: State, why: str, *told: Word) -> Transition:
    return Transition(name, frozenset(before) - {after}, after, told, why)


TRANSITIONS: Final[tuple[Transition, ...]] = (
    _row("applied", _BEFORE | _OVER, "applied", "an application for this due is undecided"),
    _row("denied", _BEFORE | _OVER, "denied", "every application for this due is denied"),
    _row("granted", _BEFORE | _OVER, "granted", "granted; the account has no production bill of the window yet"),
    _row("opened", _BEFORE, "open", "granted, and the account has a production bill of the window", *_BEGINS),
    _row("reopened", _OVER, "open", "another grant counts now, and its deferral has not ended", *_BEGINS),
    _row("opened_late", _BEFORE, "repaying", "as opened, when the deferral has ended already", *_BEGINS),
    _row("struck", {"open"}, "repaying", "repayment begins: the sum is divided into instalments"),
    _row("postponed", {"repaying"}, "open", "another grant counts now, and its deferral has not ended"),
    _row("resumed", {"completed"}, "repaying", "a bill or a correction came after all was repaid", *_BEGINS),
    _row("cured", {"defaulted"}, "repaying", "a payment dated in time came later", *_BEGINS),
    _row("completed", IN_FORCE, "completed", "the deferred sum is repaid", "protection_ended", "completed"),
    _row("completed_at_once", _BEFORE, "completed", "as opened late, when all is paid", "opened", "completed"),
    _row("cured_completed", {"defaulted"}, "completed", "payments dated in time came later and repay all", "completed"),
    _row("defaulted", IN_FORCE, "defaulted", "an instalment outlasted its grace", "protection_ended", "defaulted"),
    _row("defaulted_at_once", _BEFORE, "defaulted", "as opened late, with a grace that is over", "opened", "defaulted"),
    _row("undone", {"completed"}, "defaulted", "a correction took away what had repaid an instalment", "defaulted"),
    _row("withdrawn", IN_FORCE, "withdrawn", "the application was taken back", "protection_ended", "withdrawn"),
    _row("withdrawn_unopened", _BEFORE, "withdrawn", "the application was taken back before anything was deferred"),
    _row("withdrawn_after", _OVER, "withdrawn", "the end is undone, and the application was taken back", "withdrawn"),
    _row("revoked", IN_FORCE, "denied", "the decision was revised to a denial", "protection_ended", "withdrawn"),
    _row("reconsidered", IN_FORCE, "applied", "only an undecided application is left", "protection_ended", "withdrawn"),
    _row("emptied", IN_FORCE, "granted", "the grant that counts covers no bill", "protection_ended", "withdrawn"),
)
_BY_STATES: Final = {(before, row.after): row for row in TRANSITIONS for before in row.before}


def transition(before: State, after: State) -> Transition | None:
    """The row that leads from one state to another, None where they are the same."""
    return None if before == after else _BY_STATES[before, after]
