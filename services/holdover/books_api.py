"""What holdover holds, to read as a whole: totals, and whether everything has come through."""

from dataclasses import asdict

import msgspec
from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from services.holdover.store import sums
from services.holdover.store.sums import AccountSum, AnswerSum
from shared.access import TokenVerifier, require
from shared.snapshot import snapshot
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


def routes(pool: Pool, verifier: TokenVerifier) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/v1")
    of_all = require(verifier, "auditor", "operator", "service")

    @router.get("/totals", dependencies=[Depends(of_all)], response_model=Totals)
    async def totals() -> Response:
        async with snapshot(pool) as db:
            held, answered, progress = await sums.accounts(db), await sums.answers(db), await sums.progress(db)
        page = {"accounts": held, "answers": answered, **asdict(progress)}
        return Response(msgspec.json.encode(page), media_type="application/json")

    return router
