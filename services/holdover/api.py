"""What is protected and how it is repaid, to read: for a supplier its accounts, for an enterprise its schedule."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Query

from services.holdover import picture
from services.holdover.answers import EnterpriseHoldovers, Protection
from services.holdover.domain.enterprise import Enterprise
from services.holdover.orders import Signer
from services.holdover.store import reading
from services.holdover.store.reading import Known
from shared.access import Principal, forbidden
from shared.contracts.topics import FACTS, topics
from shared.contracts.vocabulary import Name, Uscc, Utility
from shared.gate import Gate
from shared.problem_schemas import refusing
from shared.problems import Problem
from shared.snapshot import snapshot
from shared.streaming.errors import Stop
from shared.streaming.postgres_store import Connection, Pool
from shared.streaming.records import partition_of

log = structlog.get_logger()
SUPPLIER_READERS = ("supplier", "auditor", "operator", "service")
ENTERPRISE_READERS = ("enterprise", "liaison", "approver", "auditor", "operator", "service")
# A control room asks account by account.
PROTECTION_RATE = "600/minute"
RATE = "120/minute"
# More enterprises than ever had one meter, and few enough to look at one by one.
ACCOUNTS_MAX = 100


def routes(pool: Pool, gate: Gate, signer: Signer) -> APIRouter:
    """`signer`: of orders; the API makes none of its own, see `picture`."""
    router = APIRouter(prefix="/v1")
    of_supplier = gate.require(*SUPPLIER_READERS, rate=PROTECTION_RATE)
    of_enterprise = gate.require(*ENTERPRISE_READERS, rate=RATE)

    @router.get("/protection", responses=refusing(404))
    async def protection(
        supplier_id: Annotated[Name, Query()],
        account_no: Annotated[Name, Query()],
        caller: Annotated[Principal, Depends(of_supplier)],
        utility: Utility | None = None,
        uscc: Uscc | None = None,
    ) -> Protection:
        """Whether the supply of each account with this number is protected, by which order, and whether it may be cut.

        404 `unknown-account` where no bill and no request has ever named the account: it says nothing on whether the
        supply may be cut. That depends on the enterprise, whose application may be undecided, and an account number
        alone does not tell which one it is. A disconnection request names it, and is answered in every case. 422
        `too-many-accounts` where more than 100 enterprises have the number: name one with `uscc`.
        """
        if not caller.may_see_supplier(supplier_id):
            raise forbidden("A supplier sees its own accounts only.")
        async with _look(pool) as db:
            found = await reading.of_account(db, supplier_id, account_no, utility, uscc, ACCOUNTS_MAX + 1)
        if not found:
            raise _unknown_account()
        if len(found) > ACCOUNTS_MAX:
            raise _too_many_accounts()
        accounts = [picture.protection(known, account, signer) for known, account in found]
        return Protection(supplier_id=supplier_id, account_no=account_no, accounts=accounts)

    @router.get("/enterprises/{uscc}/holdovers")
    async def holdovers(uscc: Uscc, caller: Annotated[Principal, Depends(of_enterprise)]) -> EnterpriseHoldovers:
        """Applications, accounts with bills, instalments and answers, and payments that wait for a bill."""
        if not caller.may_act_for(uscc):
            raise forbidden("An enterprise sees its own holdovers only.")
        async with _look(pool) as db:
            known = await reading.of_enterprise(db, uscc) or await _nobody(db, uscc)
            answers = await reading.answers(db, uscc)
        return picture.holdovers(known, answers, signer)

    return router


async def _nobody(db: Connection, uscc: str) -> Known:
    """An enterprise that nothing is known of: the days go on for it too."""
    partition = partition_of(uscc.encode(), topics()[FACTS].partitions)
    return Known(Enterprise(uscc), partition, await reading.days(db, partition))


@asynccontextmanager
async def _look(pool: Pool) -> AsyncIterator[Connection]:
    try:
        async with snapshot(pool) as db:
            yield db
    except Stop as stop:
        log.exception("a state cannot be read", exc_info=stop)
        raise Problem(
            503, "state-unreadable", "State unreadable", "This replica is older than what is stored.", retry_after=60
        ) from stop


def _unknown_account() -> Problem:
    return Problem(
        404,
        "unknown-account",
        "Unknown account",
        "No bill and no request has named this account. Whether its supply may be cut depends on the enterprise: send "
        "a disconnection request, which names it, and wait for the answer.",
    )


def _too_many_accounts() -> Problem:
    return Problem(
        422,
        "too-many-accounts",
        "Too many accounts",
        f"More than {ACCOUNTS_MAX} enterprises have an account with this number; name one with uscc.",
    )
