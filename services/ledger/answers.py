"""What the read API answers, as its OpenAPI document shows it. Amounts are integer fen, days YYYY-MM-DD."""

from datetime import date

from pydantic import BaseModel


class AccountBalance(BaseModel):
    """Turnover of one account; `balance_fen` is debit minus credit."""

    account: str
    debit_fen: int
    credit_fen: int
    balance_fen: int


class Accounts(BaseModel):
    """Every account that has a posting, after posting `at_seq`; with `on`, of what is booked on that day or before."""

    accounts: list[AccountBalance]
    at_seq: int
    on: date | None


class TrialBalance(Accounts):
    """The accounts and their sums, over `postings` postings; `balance_fen` over all is 0."""

    debit_fen: int
    credit_fen: int
    balance_fen: int
    postings: int


class Transaction(BaseModel):
    """One posting as the journal has it; `link` is SHA-256 over it and its chain's link before it, in hex."""

    seq: int
    topic: str
    partition: int
    event_id: str
    type: str
    business_key: str
    uscc: str
    decision_id: str
    debit: str
    credit: str
    amount_fen: int
    booked_on: date
    digest: str
    link: str


class Transactions(BaseModel):
    """A page in ledger order; `next_after` asks for more, null at the end. A page may be empty and not the last."""

    transactions: list[Transaction]
    next_after: int | None
    at_seq: int


class ChainHead(BaseModel):
    """The end of one partition's chain: its postings, the last one's number in the ledger, and its link in hex."""

    topic: str
    partition: int
    postings: int
    last_seq: int
    link: str


class ChainHeads(BaseModel):
    """Every chain after posting `at_seq`; kept elsewhere, it shows later whether the journal was written anew."""

    heads: list[ChainHead]
    at_seq: int


class PostingRow(BaseModel):
    """One posting; `business_key` is the exemption's or the payment's id."""

    seq: int
    event_id: str
    type: str
    business_key: str
    decision_id: str
    debit: str
    credit: str
    amount_fen: int
    booked_on: date


class Postings(BaseModel):
    """One enterprise's postings in ledger order; `next_after` asks for more, null at the end."""

    uscc: str
    postings: list[PostingRow]
    next_after: int | None
