"""What the logs and holdover say of dues deferred, in rows that are small enough for a region to lie on disk."""

from collections.abc import Mapping
from typing import Protocol

import msgspec
from aiokafka.structs import TopicPartition

from services.cli.reconcile_rows import Buckets
from services.holdover.store.books import EnterpriseBooks
from shared.contracts.topics import DECISIONS, FACTS
from shared.ids import derived

# What has to be the same in the log and in the books, by name.
Content = Mapping[str, object]


class OfAccount(Protocol):
    @property
    def utility(self) -> str: ...
    @property
    def supplier_id(self) -> str: ...
    @property
    def account_no(self) -> str: ...


class _Record(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What every fact and decision has. Days are in ISO form, here and below.

    `key` and `identity` say what a difference is about, `what` names it in a sentence, `content` has to be the same in
    the books. Of those with the same identity the highest `number` counts.
    """

    uscc: str
    partition: int
    offset: int

    @property
    def number(self) -> int:
        return 0

    @property
    def fen(self) -> int:
        return 0

    @property
    def log(self) -> TopicPartition:
        return TopicPartition(FACTS, self.partition)


class BillFact(_Record, tag=1, frozen=True, array_like=True, gc=False):
    """One version of a bill that was accepted."""

    bill_id: str
    version: int
    utility: str
    supplier_id: str
    account_no: str
    period: str
    due_on: str
    amount_fen: int
    production_use: bool

    @property
    def holdover_id(self) -> str:
        return holdover_of(self.uscc, self.utility, self.supplier_id, self.account_no)

    @property
    def key(self) -> str:
        return account_name(self)

    @property
    def identity(self) -> str:
        return self.bill_id

    @property
    def number(self) -> int:
        return self.version

    @property
    def what(self) -> str:
        return f"bill {self.bill_id} of {self.amount_fen} fen"

    @property
    def fen(self) -> int:
        return self.amount_fen

    @property
    def content(self) -> Content:
        return {
            "version": self.version, "holdover": self.holdover_id, "period": self.period, "due_on": self.due_on,
            "amount_fen": self.amount_fen, "production_use": self.production_use,
        }  # fmt: skip


class PaymentFact(_Record, tag=2, frozen=True, array_like=True, gc=False):
    """A payment; `known_on`: the day that had last started in its log when it was accepted, empty before the first."""

    payment_id: str
    bill_id: str
    amount_fen: int
    paid_on: str
    known_on: str

    @property
    def key(self) -> str:
        return self.bill_id

    @property
    def identity(self) -> str:
        return self.payment_id

    @property
    def what(self) -> str:
        return f"payment {self.payment_id} of {self.amount_fen} fen"

    @property
    def fen(self) -> int:
        return self.amount_fen

    @property
    def content(self) -> Content:
        return {"bill": self.bill_id, "amount_fen": self.amount_fen, "paid_on": self.paid_on}


class AppliedFact(_Record, tag=3, frozen=True, array_like=True, gc=False):
    application_id: str
    utilities: tuple[str, ...]
    submitted_on: str

    @property
    def key(self) -> str:
        return self.application_id

    @property
    def identity(self) -> str:
        return self.application_id

    @property
    def what(self) -> str:
        return f"application {self.application_id}"

    @property
    def content(self) -> Content:
        return {"utilities": self.utilities, "submitted_on": self.submitted_on}


class WithdrawnFact(_Record, tag=4, frozen=True, array_like=True, gc=False):
    application_id: str
    submitted_on: str

    @property
    def key(self) -> str:
        return self.application_id

    @property
    def identity(self) -> str:
        return self.application_id

    @property
    def what(self) -> str:
        return f"the withdrawal of application {self.application_id}"

    @property
    def content(self) -> Content:
        return {"submitted_on": self.submitted_on}


class RequestFact(_Record, tag=5, frozen=True, array_like=True, gc=False):
    """A supplier asks whether it may cut the supply."""

    request_id: str
    utility: str
    supplier_id: str
    account_no: str
    requested_on: str

    @property
    def holdover_id(self) -> str:
        return holdover_of(self.uscc, self.utility, self.supplier_id, self.account_no)

    @property
    def key(self) -> str:
        return account_name(self)

    @property
    def identity(self) -> str:
        return self.request_id

    @property
    def what(self) -> str:
        return f"request {self.request_id} for disconnection"

    @property
    def content(self) -> Content:
        return {"holdover": self.holdover_id, "requested_on": self.requested_on}


class Ruled(_Record, tag=6, frozen=True, array_like=True, gc=False):
    """One decision on an application."""

    application_id: str
    revision: int
    outcome: str

    @property
    def key(self) -> str:
        return self.application_id

    @property
    def identity(self) -> str:
        return self.application_id

    @property
    def number(self) -> int:
        return self.revision

    @property
    def what(self) -> str:
        return f"the decision on application {self.application_id}"

    @property
    def content(self) -> Content:
        return {"outcome": self.outcome}

    @property
    def log(self) -> TopicPartition:
        return TopicPartition(DECISIONS, self.partition)


class OrderTold(msgspec.Struct, array_like=True, tag=7, frozen=True, gc=False):
    """One event of `holdover.orders.v1`. `kind` is the word in its type; `subject` the bill, payment, request, order or
    application that it is about; `order` the order it names, for `supply_protected` with its days and signature;
    `amount_fen` what is deferred, paid, due, or still open; `digest` recognises the whole record.
    """

    uscc: str
    holdover_id: str
    event_id: str
    kind: str
    utility: str
    supplier_id: str
    account_no: str
    subject: str
    order: tuple[str, ...]
    amount_fen: int
    digest: bytes
    partition: int
    offset: int


class Seen(msgspec.Struct, array_like=True, tag=8, frozen=True, gc=False):
    """All that holdover held of the enterprise at a look; what it held before is void."""

    uscc: str
    look: int
    books: EnterpriseBooks


Fact = BillFact | PaymentFact | AppliedFact | WithdrawnFact | RequestFact | Ruled
Row = Fact | OrderTold | Seen
HoldoverBuckets = Buckets[Row]
read_rows = msgspec.msgpack.Decoder(list[Row]).decode


def holdover_of(uscc: str, utility: str, supplier_id: str, account_no: str) -> str:
    """The id of a supplier account's holdover, as the contract derives it."""
    return derived("holdover", uscc, utility, supplier_id, account_no)


def account_name(account: OfAccount) -> str:
    """As people know it."""
    return f"{account.utility}/{account.supplier_id}/{account.account_no}"
