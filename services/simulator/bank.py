"""Stands in for the banks: takes payment files from a directory, pays, and answers in files, mistakes included.

It follows the days that it is told, and what becomes of a payment hangs on the seed and the payment's id alone, so
the same payments end in the same way whatever batches and days they come in.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from services.simulator.bank_behaviour import FLAWLESS, REASONS, Behaviour, fate
from services.simulator.bank_files import (
    STATUS_VERSIONS,
    Batch,
    Booking,
    Order,
    Verdict,
    WrongOrder,
    notice,
    read_batch,
    status_report,
)
from services.simulator.bank_post import Post
from services.simulator.drawing import chances, name

__all__ = ["FLAWLESS", "Bank", "Behaviour"]


@dataclass(frozen=True, slots=True)
class _Taken:
    """A payment under way."""

    order: Order
    account: str
    due: date


class Bank:
    """The books: `paid` and `rejected` by payment id, `received` by clawback id, in fen; `refused` payment files.

    `paid` and `rejected` hold the silent ones too; their ids are in `untold` until `break_silence`.
    """

    def __init__(self, directory: Path, seed: int, behaviour: Behaviour | None = None) -> None:
        """`directory` is that of a mailbox: the bank reads its `out/` and writes its `in/`, made where missing."""
        self._orders = directory / "out"
        self._orders.mkdir(parents=True, exist_ok=True)
        self._seed = seed
        self._behaviour = Behaviour() if behaviour is None else behaviour
        self._post = Post(directory / "in", seed, self._behaviour)
        self.paid: dict[str, int] = {}
        self.rejected: dict[str, str] = {}
        self.received: dict[str, int] = {}
        self.refused: list[str] = []
        self.untold: set[str] = set()
        self._today = date.min
        # What came under a file name, as digests.
        self._names: dict[str, str] = {}
        # By message id, with the digest of its file; and the message of each payment.
        self._batches: dict[str, tuple[str, Batch]] = {}
        self._message_of: dict[str, str] = {}
        self._under_way: list[_Taken] = []
        self._account = "650100000000"

    def day(self, on: date) -> None:
        """A day's work: yesterday's repeats, new payment files, and what is due. ValueError for a day that is over."""
        self._begin(on)
        for path in sorted(self._orders.iterdir()):
            if path.is_file() and not path.name.startswith(".") and not path.name.endswith(".part"):
                self._take(path, on)
        due = [taken for taken in self._under_way if taken.due <= on]
        self._under_way = [taken for taken in self._under_way if taken.due > on]
        for taken in due:
            assert taken.order.payment_id not in self.paid, "a payment is taken once"
            self.paid[taken.order.payment_id] = taken.order.fen
        told = [taken for taken in due if taken.order.payment_id not in self.untold]
        for account in dict.fromkeys(taken.account for taken in told):
            self._notify(account, [self._paid(taken.order) for taken in told if taken.account == account], on)

    def receive(self, clawback_id: str, fen: int, on: date) -> None:
        """Money comes back for a clawback, all or a part of it."""
        self._begin(on)
        self.received[clawback_id] = self.received.get(clawback_id, 0) + fen
        reference = name(self._seed, "in", clawback_id, str(self.received[clawback_id]))
        structured = chances(self._seed, reference).random() < 0.5
        self._notify(self._account, [Booking(reference, clawback_id, fen, "CRDT", structured)], on)

    def break_silence(self, on: date) -> None:
        """Tells what became of the silent payments that are decided by now."""
        self._begin(on)
        decided = {payment_id for payment_id in self.untold if payment_id in self.paid or payment_id in self.rejected}
        self.untold -= decided
        for message_id in sorted({self._message_of[payment_id] for payment_id in decided}):
            batch = self._batches[message_id][1]
            mine = [order for order in batch.orders if order.payment_id in decided]
            paid = [self._paid(order) for order in mine if order.payment_id in self.paid]
            reasons = [(order, self.rejected.get(order.payment_id)) for order in mine]
            rejected = [Verdict(order, "RJCT", reason) for order, reason in reasons if reason is not None]
            if rejected:
                self._report(batch, on, rejected)
            if paid:
                self._notify(batch.account, paid, on)

    def _begin(self, on: date) -> None:
        if on < self._today:
            raise ValueError(f"the bank is at {self._today}; {on} is over")
        if on > self._today:
            self._post.next_day(on)
        self._today = on

    def _take(self, path: Path, on: date) -> None:
        """A payment file, unless it is one that came before; a wrong one goes into `refused`."""
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if self._names.get(path.name) == digest:
            return
        self._names[path.name] = digest
        try:
            batch = read_batch(content)
        except WrongOrder as problem:
            self.refused.append(f"{path.name}: {problem}")
            return
        if batch.message_id in self._batches:
            if self._batches[batch.message_id][0] != digest:
                self.refused.append(f"{path.name}: the message {batch.message_id} came before with other content")
            return
        if any(order.payment_id in self._message_of for order in batch.orders):
            self.refused.append(f"{path.name}: a payment of {batch.message_id} came before in another message")
            return
        self._batches[batch.message_id] = digest, batch
        self._message_of.update((order.payment_id, batch.message_id) for order in batch.orders)
        self._account = batch.account
        self._decide(batch, on)

    def _decide(self, batch: Batch, on: date) -> None:
        chance = chances(self._seed, "batch", batch.message_id)
        if chance.random() < self._behaviour.batches_rejected:
            reason = chance.choice(REASONS)
            self.rejected.update((order.payment_id, reason) for order in batch.orders)
            self._report(batch, on, [], group="RJCT", reason=reason)
            return
        verdicts = []
        for order in batch.orders:
            drawn = fate(self._seed, self._behaviour, order.payment_id)
            if drawn.reason is not None:
                self.rejected[order.payment_id] = drawn.reason
            else:
                self._under_way.append(_Taken(order, batch.account, on + timedelta(days=drawn.days)))
            if drawn.silent:
                self.untold.add(order.payment_id)
            else:
                verdicts.append(Verdict(order, "RJCT" if drawn.reason else "ACSP", drawn.reason))
        if verdicts:
            self._first_report(batch, on, verdicts, exceptions_only=chance.random() < 0.5)

    def _first_report(self, batch: Batch, on: date, verdicts: Sequence[Verdict], *, exceptions_only: bool) -> None:
        rejected = [verdict for verdict in verdicts if verdict.reason]
        if len(verdicts) < len(batch.orders):
            # Who keeps silent on some payments says nothing of the whole.
            self._report(batch, on, verdicts)
        elif len(rejected) == len(verdicts):
            self._report(batch, on, verdicts, group="RJCT")
        else:
            counts = (("ACSP", len(verdicts) - len(rejected)), ("RJCT", len(rejected)))
            self._report(
                batch,
                on,
                rejected if exceptions_only else verdicts,
                group="PART" if rejected else "ACSP",
                counts=[(status, count) for status, count in counts if count],
            )

    def _report(
        self,
        batch: Batch,
        on: date,
        verdicts: Sequence[Verdict],
        *,
        group: str | None = None,
        reason: str | None = None,
        counts: Sequence[tuple[str, int]] = (),
    ) -> None:
        version = chances(self._seed, "version", batch.message_id).choice(STATUS_VERSIONS)

        def content(message_id: str, off: int) -> bytes:
            claimed = counts
            if off:
                status = verdicts[0].status
                claimed = [(status, sum(verdict.status == status for verdict in verdicts) + off)]
            return status_report(batch, message_id, on, version, verdicts, group=group, reason=reason, counts=claimed)

        # Where no payment is listed there is nothing that a count could contradict.
        self._post.send(on, batch.account, content, can_be_wrong=bool(verdicts))

    def _notify(self, account: str, bookings: Sequence[Booking], on: date) -> None:
        self._post.send(on, account, lambda message_id, off: notice(account, message_id, on, bookings, off_by_fen=off))

    def _paid(self, order: Order) -> Booking:
        return Booking(name(self._seed, "paid", order.payment_id), order.payment_id, order.fen, "DBIT")
