"""What the ledger says of itself at one number, to be held against its postings."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from services.ledger.domain.chain import Head


class Account(msgspec.Struct, frozen=True):
    """Turnover of one account in fen."""

    account: str
    debit_fen: int
    credit_fen: int


class Statement(NamedTuple):
    """As of posting `at_seq`, which is also how many there are. Accounts by name, heads by topic and partition."""

    at_seq: int
    accounts: tuple[Account, ...]
    heads: tuple[Head, ...]


class Disagreement(Exception):
    """The ledger's postings do not add up to its balances; the message is one sentence."""


def agree(statement: Statement, balances: Mapping[str, int], postings: int) -> None:
    """Raises Disagreement unless the postings gave these balances (fen, debit minus credit) and were all there."""
    if postings != statement.at_seq:
        raise Disagreement(f"The ledger says it has {statement.at_seq} postings and gave {postings}.")
    for one in statement.accounts:
        stated, added = one.debit_fen - one.credit_fen, balances.get(one.account, 0)
        if stated != added:
            raise Disagreement(f"The ledger says that {one.account} stands at {stated} fen; its postings give {added}.")


def cny(fen: int) -> str:
    """`-123456` as `-1234.56`, the one form that both programs take."""
    sign, fen = ("-", -fen) if fen < 0 else ("", fen)
    return f"{sign}{fen // 100}.{fen % 100:02d}"
