"""What holdover holds, to read as a whole: totals, whether everything has come through, and, to reconcile, whole
enterprises by the page with how far the logs were read by then."""

from dataclasses import asdict
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel

from services.holdover.store import books, sums
from services.holdover.store.books import EnterpriseBooks
from services.holdover.store.sums import AccountSum, AnswerSum
from shared.contracts.vocabulary import Uscc
from shared.gate import Gate
from shared.snapshot import snapshot
from shared.streaming import progress
from shared.streaming.postgres_store import Pool


class Totals(BaseModel):
    """All from one moment. Of `events_told` the topic has at least `events_relayed`; `waiting`: enterprises to which
    a day that has started still brings something.
    """

    accounts: list[AccountSum]
    answers: list[AnswerSum]
    events_told: int
    events_relayed: int
    waiting: int


class Books(BaseModel):
    """All from one moment. `places`: everything below these offsets is in; of `events_told` the topic has at least
    `events_relayed`. `next_after` asks for the next page, null at the end.
    """

    enterprises: list[EnterpriseBooks]
    next_after: str | None
    places: list[progress.PlaceRead]
    events_told: int
    events_relayed: int


def routes(pool: Pool, gate: Gate) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/v1")
    of_all = gate.require("auditor", "operator", "service")

    @router.get("/totals", dependencies=[Depends(of_all)], response_model=Totals)
    async def totals() -> Response:
        async with snapshot(pool) as db:
            held, answered, come = await sums.accounts(db), await sums.answers(db), await sums.progress(db)
        page = {"accounts": held, "answers": answered, **asdict(come)}
        return Response(msgspec.json.encode(page), media_type="application/json")

    @router.get("/books", dependencies=[Depends(of_all)], response_model=Books)
    async def whole_enterprises(
        uscc: Annotated[list[Uscc] | None, Query(max_length=100)] = None,
        after: Annotated[str, Query(max_length=18)] = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> Response:
        """The enterprises named, or the next `limit` ones after `after` in the order of their codes."""
        async with snapshot(pool) as db:
            wanted = uscc or await books.enterprises(db, after, limit)
            found = await books.books(db, wanted)
            places = await progress.places(db)
            told, relayed = await progress.told_and_relayed(db)
        # Written as they are: a reconciliation asks for all of them, and checking our own rows would double its time.
        page = {
            "enterprises": found,
            "next_after": wanted[-1] if uscc is None and len(wanted) == limit else None,
            "places": places,
            "events_told": told,
            "events_relayed": relayed,
        }
        return Response(msgspec.json.encode(page), media_type="application/json")

    return router
