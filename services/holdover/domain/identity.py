"""What a holdover is of, and the ids that follow from it."""

from typing import Final, NamedTuple

from shared.ids import derived

# A due without supply: it can be deferred, and there is nothing to cut.
WITHOUT_SUPPLY: Final = "provident_fund"


class Account(NamedTuple):
    """A supplier's account of one enterprise: what its bills, and a holdover, are of."""

    utility: str
    supplier_id: str
    account_no: str


def holdover_id(uscc: str, account: Account) -> str:
    """One holdover per enterprise, utility and supplier account, for ever: also where it opens again."""
    return derived("holdover", uscc, *account)


def order_id(holdover: str, number: int) -> str:
    """The `number`-th order, from 1, to keep one account's supply on."""
    return derived(holdover, "order", str(number))


def event_id(holdover: str, kind: str, number: int) -> str:
    """The `number`-th event, from 1, that is told of one account."""
    return derived(holdover, kind, str(number))
