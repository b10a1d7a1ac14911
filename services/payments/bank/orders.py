"""A batch of payments on its way to a bank, and what keeps a payment or a batch out of a bank file."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from services.payments.bank import amounts
from shared.contracts.vocabulary import AMOUNT_MAX_FEN

_ID = re.compile(r"[0-9a-f]{32}")
_BANK = re.compile(r"[0-9]{12}")
_ACCOUNT = re.compile(r"[0-9A-Za-z-]{1,34}")
_PROGRAMME = re.compile(r"[a-z_]{1,35}")
_NAME_MAX = 140
# What XML cannot carry, or carries in two ways: a line end is read back as another one.
_UNWRITABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One payment: 32 hex digits, fen above 0, and where the money goes (`bank_code`: the 12 digits of CNAPS)."""

    payment_id: str
    amount_fen: int
    account_name: str
    account_number: str
    bank_code: str


@dataclass(frozen=True, slots=True)
class Debtor:
    """The account that a programme is paid from."""

    name: str
    account_number: str
    bank_code: str


@dataclass(frozen=True, slots=True)
class Message:
    """A batch to be executed on one day; `batch_id` (32 hex digits) is the message's id, the only one it ever has."""

    batch_id: str
    programme: str
    on: date
    debtor: Debtor
    instructions: Sequence[Instruction]


class Unsound(ValueError):
    """A message that must not go to a bank. `faults`: a sentence each, without a name or an account."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(" ".join(faults))
        self.faults = faults


def unfit(instruction: Instruction) -> list[str]:
    """What keeps one payment out of a bank file, a sentence each; nothing if it may be batched."""
    who = f"Payment {instruction.payment_id[:40]!r}"
    faults = []
    if not _ID.fullmatch(instruction.payment_id):
        faults.append(f"{who} has an id that is not 32 hex digits.")
    if not 0 < instruction.amount_fen <= AMOUNT_MAX_FEN:
        most = amounts.written(AMOUNT_MAX_FEN)
        faults.append(f"{who} has an amount that is not between 0.01 and {most} {amounts.CURRENCY} in whole fen.")
    return faults + _unfit_account(who, instruction.account_name, instruction.account_number, instruction.bank_code)


def unfit_batch(message: Message) -> list[str]:
    """What keeps a batch from being sent, a sentence each, with what `unfit` says of its payments."""
    debtor = message.debtor
    faults = _unfit_account("The debtor", debtor.name, debtor.account_number, debtor.bank_code)
    if not _ID.fullmatch(message.batch_id):
        faults.append("The batch id is not 32 hex digits.")
    if not _PROGRAMME.fullmatch(message.programme):
        faults.append("The programme is not a word of a to z and _, at most 35 characters.")
    if not message.instructions:
        faults.append("There is no payment.")
    seen: set[str] = set()
    for instruction in message.instructions:
        faults += unfit(instruction)
        if instruction.payment_id in seen:
            faults.append(f"Payment {instruction.payment_id[:40]!r} occurs twice.")
        seen.add(instruction.payment_id)
    return faults


def _unfit_account(who: str, name: str, number: str, bank: str) -> list[str]:
    faults = []
    if not name.strip() or len(name) > _NAME_MAX or _UNWRITABLE.search(name):
        faults.append(f"{who} has a name that is empty, longer than {_NAME_MAX} characters, or not writable.")
    if not _ACCOUNT.fullmatch(number):
        faults.append(f"{who} has an account number that is not 1 to 34 letters, digits and hyphens.")
    if not _BANK.fullmatch(bank):
        faults.append(f"{who} has a bank code that is not 12 digits.")
    return faults
