"""How an enterprise repays what was deferred, drawn from a seed and the holdover's id, never from when it is asked."""

from dataclasses import astuple, dataclass
from datetime import date, timedelta
from typing import Literal

from services.simulator.drawing import chances

Habit = Literal[
    "early", "at_once", "in_two", "in_grace", "rounded_up", "told_late", "too_late", "stops", "never", "on_time"
]
# Somebody who rounds up pays in whole hundreds of yuan.
_ROUND_FEN = 10_000
_GRACE_DAYS = 15


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Shares, each 0 to 1 and of payers together at most 1; ValueError outside of that.

    Of payers: `early` (some days before the date), `at_once` (all that is open with the first instalment), `in_two`
    (each instalment in two parts), `in_grace`, `rounded_up` (more than was asked), `told_late` (pays in time, but of
    one instalment the supplier tells only after the default), `too_late` (pays the first after its grace, and then no
    more), `stops` (after some instalments), `never`. All others pay on the date.

    Of what leads a supplier to ask whether it may cut: `cut_overdue` (an instalment overdue), `cut_defaulted`,
    `cut_unpaid` (a bill that is no holdover's, long after its date).
    """

    early: float = 0.08
    at_once: float = 0.08
    in_two: float = 0.08
    in_grace: float = 0.08
    rounded_up: float = 0.08
    told_late: float = 0.05
    too_late: float = 0.02
    stops: float = 0.03
    never: float = 0.04
    cut_overdue: float = 0.4
    cut_defaulted: float = 0.8
    cut_unpaid: float = 0.01

    def __post_init__(self) -> None:
        shares = astuple(self)
        if not all(0 <= share <= 1 for share in shares) or sum(shares[: len(_DRAWN)]) > 1:
            raise ValueError(f"shares lie between 0 and 1, and those of payers add up to at most 1: {self}")


_DRAWN: tuple[Habit, ...] = (
    "early", "at_once", "in_two", "in_grace", "rounded_up", "told_late", "too_late", "stops", "never",
)  # fmt: skip
PUNCTUAL = Behaviour(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Part:
    """A payment of an instalment: `fen` of what is open of it (`whole`: of all that is open), dated `paid_on`.

    `after_default`: the supplier tells of it only once the holdover is in default.
    """

    paid_on: date
    halves: Literal[1, 2] = 2
    whole: bool = False
    rounded: bool = False
    after_default: bool = False

    def fen(self, open_fen: int, whole_fen: int) -> int:
        """`open_fen`: of the instalment; `whole_fen`: of the holdover."""
        if self.whole:
            return whole_fen
        if self.rounded:
            return -(-open_fen // _ROUND_FEN) * _ROUND_FEN
        return open_fen // 2 if self.halves == 1 else open_fen


@dataclass(frozen=True, slots=True)
class Payer:
    """`turn`: the number of the instalment at which something happens; `days`: how many before or after a date."""

    habit: Habit
    turn: int
    days: int

    def parts(self, number: int, due_on: date) -> list[Part]:
        """How the `number`-th instalment, from 1, is paid; nothing where it is not."""
        match self.habit:
            case "early":
                return [Part(due_on - timedelta(self.days))]
            case "at_once":
                return [Part(due_on, whole=True)]
            case "in_two":
                return [Part(due_on - timedelta(self.days), halves=1), Part(due_on)]
            case "in_grace":
                # Now and then on the very last day.
                return [Part(due_on + timedelta(_GRACE_DAYS if number == self.turn else self.days))]
            case "rounded_up":
                return [Part(due_on, rounded=True)]
            case "told_late":
                return [Part(due_on, after_default=number == self.turn)]
            case "too_late":
                return [Part(due_on + timedelta(_GRACE_DAYS + 1), after_default=True)] if number == 1 else []
            case "stops":
                return [Part(due_on)] if number <= self.turn else []
            case "never":
                return []
            case "on_time":
                return [Part(due_on)]


def payer(seed: int, behaviour: Behaviour, holdover_id: str) -> Payer:
    """The same for a holdover whatever it is asked to pay, and when."""
    chance = chances(seed, "payer", holdover_id)
    drawn, upto = chance.random(), 0.0
    habit: Habit = "on_time"
    for one in _DRAWN:
        upto += getattr(behaviour, one)
        if drawn < upto:
            habit = one
            break
    return Payer(habit, chance.randint(1, 3), chance.randint(1, 6))
