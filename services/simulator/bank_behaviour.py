"""What goes another way than best at a bank, drawn from a seed and what it is about, never from when it is asked."""

from dataclasses import dataclass

from services.simulator.drawing import chances

REASONS = ("AC01", "AC04", "AC06", "AG01", "BE01", "RR04")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Shares, each 0 to 1, and days from 0; ValueError outside of that.

    Of payments: `rejected`, `delayed` (by `delay_days` beyond the usual `settle_days`), `silent` (paid or rejected
    like the others, and nobody is told). Of batches: `batches_rejected`. Of the bank's files: `repeated` (the same
    file again the next day), `renumbered` (the same content again under another message id), `reordered` (its name
    comes before that of earlier ones of its day), `wrong_total` (a wrong one is sent first), `unknown_ids` (one more
    is sent, about a payment that nobody ordered).
    """

    rejected: float = 0.02
    delayed: float = 0.05
    silent: float = 0.01
    batches_rejected: float = 0.02
    repeated: float = 0.1
    renumbered: float = 0.1
    reordered: float = 0.1
    wrong_total: float = 0.1
    unknown_ids: float = 0.1
    settle_days: int = 1
    delay_days: int = 5

    def __post_init__(self) -> None:
        of_payments = (self.rejected, self.delayed, self.silent, self.batches_rejected)
        of_files = (self.repeated, self.renumbered, self.reordered, self.wrong_total, self.unknown_ids)
        if not all(0 <= share <= 1 for share in of_payments + of_files) or self.settle_days < 0 or self.delay_days < 0:
            raise ValueError(f"shares lie between 0 and 1, and days from 0: {self}")


FLAWLESS = Behaviour(0, 0, 0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one payment: rejected for a reason, or paid so many days after it came."""

    reason: str | None
    days: int
    silent: bool


def fate(seed: int, behaviour: Behaviour, payment_id: str) -> Fate:
    """The same for a payment whatever its batch and day."""
    chance = chances(seed, "payment", payment_id)
    rejected, delayed, silent = (chance.random() for _ in range(3))
    return Fate(
        chance.choice(REASONS) if rejected < behaviour.rejected else None,
        behaviour.settle_days + (behaviour.delay_days if delayed < behaviour.delayed else 0),
        silent < behaviour.silent,
    )
