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
# With the bank, and not yet answered for: nothing is paid again, claimed back or taken back until it is.
IN_FLIGHT: Final[frozenset[State]] = frozenset({"submitted", "unknown"})


class Transition(NamedTuple):
    """One row; `told` says whether the ledgers hear of it."""

    name: str
    before: frozenset[State | None]
    after: State
    told: bool
    why: str


def _row(name: str, before: set[State | None], after: State, why: str, *, told: bool = False) -> Transition:
    return Transition(name, frozenset(before), after, told, why)


_TABLE = (
    _row("authorised", {None}, "authorised", "a decision entitles to more than is under way", told=True),
    _row(
        "cancelled",
        # Rejected money never left the fund: what is owed for it ends here, and another payment may take its place.
        {"authorised", "held", "batched", "approved", "rejected"},
        "cancelled",
        "a decision entitles to less than is under way, or names another account after the bank refused",
        told=True,
    ),
    _row("held", {"authorised", "batched", "approved"}, "held", "no budget, frozen, no payee, or the payee changed"),
    _row("released", {"held"}, "authorised", "what held it is gone"),
    _row("batched", {"authorised"}, "batched", "taken into a batch"),
    _row("unbatched", {"batched"}, "authorised", "an officer refused the batch, or the payee changed"),
    _row("approved", {"batched"}, "approved", "the officers approved the batch"),
    _row("submitted", {"approved"}, "submitted", "given to the bank", told=True),
    # A time-out is no answer: nothing is paid again before the bank or a person resolves it.
    _row("unanswered", {"submitted"}, "unknown", "the bank did not answer in time"),
    _row("acknowledged", {"unknown"}, "submitted", "the bank broke its silence: it has the payment"),
    _row("settled", {"submitted", "unknown"}, "settled", "the bank paid", told=True),
    _row("rejected", {"submitted", "unknown"}, "rejected", "the bank refused", told=True),
)
TRANSITIONS: Final[dict[str, Transition]] = {row.name: row for row in _TABLE}


def follow(name: str, state: State | None) -> State:
    """The state after a transition; None stands for a payment that does not exist yet. Raises Contradiction."""
    row = TRANSITIONS[name]
    if state not in row.before:
        raise Contradiction(f"A payment that is {state or 'not there'} cannot be {name}.")
    return row.after


def may(name: str, state: State) -> bool:
    """Whether `follow` would allow it."""
    return state in TRANSITIONS[name].before
