"""The life of a payment: the one table of states and transitions."""

from typing import Final, Literal, NamedTuple

from services.payments.domain.decision import Contradiction

State = Literal[
    "authorised",
    "held",
    "batched",
    "approved",
    "submitted",
    "unknown",
    "settled",
    "rejected",
    "cancelled",
]
# Submitted money may be on its way: from here on neither the payee nor the payment can be taken back.
BEFORE_SUBMISSION: Final[frozenset[State]] = frozenset({"authorised", "held", "batched", "approved"})


class Transition(NamedTuple):
    """One row. `built` is False where nothing takes it yet; `told` says whether the ledgers hear of it."""

    name: str
    before: frozenset[State | None]
    after: State
    told: bool
    built: bool
    why: str


def _row(
    name: str, before: set[State | None], after: State, why: str, *, told: bool = False, built: bool = False
) -> Transition:
    return Transition(name, frozenset(before), after, told, built, why)


_TABLE = (
    _row("authorised", {None}, "authorised", "a decision entitles to more than is under way", told=True, built=True),
    _row(
        "cancelled",
        {"authorised", "held", "batched", "approved"},
        "cancelled",
        "a decision entitles to less than is under way",
        told=True,
        built=True,
    ),
    _row("held", {"authorised", "batched", "approved"}, "held", "no budget, frozen, no payee, or the payee changed"),
    _row("released", {"held"}, "authorised", "what held it is gone"),
    _row("batched", {"authorised"}, "batched", "taken into a batch"),
    _row("unbatched", {"batched"}, "authorised", "an officer refused the batch"),
    _row("approved", {"batched"}, "approved", "the officers approved the batch"),
    _row("submitted", {"approved"}, "submitted", "given to the bank", told=True),
    # A time-out is no answer: nothing is paid again before the bank or a person resolves it.
    _row("unanswered", {"submitted"}, "unknown", "the bank did not answer in time"),
    _row("settled", {"submitted", "unknown"}, "settled", "the bank paid", told=True),
    _row("rejected", {"submitted", "unknown"}, "rejected", "the bank refused", told=True),
)
TRANSITIONS: Final[dict[str, Transition]] = {row.name: row for row in _TABLE}


def follow(name: str, state: State | None) -> State:
    """The state after a transition; None stands for a payment that does not exist yet. Raises Contradiction."""
    row = TRANSITIONS[name]
    if not row.built or state not in row.before:
        raise Contradiction(f"A payment that is {state or 'not there'} cannot be {name}.")
    return row.after


def may(name: str, state: State) -> bool:
    """Whether `follow` would allow it."""
    row = TRANSITIONS[name]
    return row.built and state in row.before
