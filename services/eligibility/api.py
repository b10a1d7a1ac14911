"""What eligibility knows and decides of one enterprise, now: for caseworkers, auditors and the enterprise itself."""

from collections.abc import Callable
from typing import Annotated, Any

from aiokafka.structs import TopicPartition
from fastapi import APIRouter, Depends

from services.eligibility.domain.pack import Pack
from services.eligibility.domain.state import Enterprise
from services.eligibility.domain.step import standing_verdicts
from services.eligibility.handlers import IN_FORCE, InForce, State
from services.eligibility.telling import decision_data
from shared.access import Principal, forbidden
from shared.contracts.topics import FACTS, topics
from shared.contracts.vocabulary import Uscc
from shared.gate import Gate
from shared.ids import decision_id
from shared.problem_schemas import refusing
from shared.problems import Problem
from shared.streaming.errors import Retry
from shared.streaming.records import partition_of
from shared.streaming.redis_store import RedisStore

READERS = ("enterprise", "liaison", "preparer", "approver", "auditor", "operator", "service")


def routes(store: RedisStore[State], pack_by_hash: Callable[[str], Pack], gate: Gate) -> APIRouter:
    router = APIRouter()
    reader = gate.require(*READERS, rate="600/minute")

    @router.get("/v1/enterprises/{uscc}", responses=refusing(404))
    async def enterprise(uscc: Uscc, principal: Annotated[Principal, Depends(reader)]) -> dict[str, Any]:
        """Facts that count, and every decision as it stands, with its reasons."""
        if not principal.may_act_for(uscc):
            raise forbidden("An enterprise sees its own record only.")
        partition = TopicPartition(FACTS, partition_of(uscc.encode(), topics()[FACTS].partitions))
        try:
            in_force, known = await store.read(partition, [IN_FORCE, uscc])
            sha256 = in_force.pack_sha256 if isinstance(in_force, InForce) else None
            pack = pack_by_hash(sha256) if sha256 is not None else None
        except Retry as error:
            raise Problem(
                503, "store-unavailable", "Store unavailable", "State or pack cannot be read; try again.", retry_after=5
            ) from error
        if not isinstance(known, Enterprise):
            raise Problem(404, "unknown-enterprise", "Unknown enterprise", f"No fact about {uscc} has been accepted.")
        day = in_force.last_day if isinstance(in_force, InForce) else ""
        return {
            "uscc": uscc,
            "as_of": day or None,
            "registrations": [
                {
                    "effective_on": r.effective_on,
                    "version": r.version,
                    "industry": r.industry,
                    "prefecture": r.prefecture,
                    "employees": r.employees,
                    "annual_revenue_fen": r.annual_revenue_fen,
                    "total_assets_fen": r.total_assets_fen,
                    "payee_known": r.payee is not None,
                }
                for r in known.registrations
            ],
            "deregistered_on": known.deregistration.on if known.deregistration else None,
            "decisions": _decisions(uscc, known, pack) if pack is not None else [],
        }

    return router


def _decisions(uscc: str, enterprise: Enterprise, pack: Pack) -> list[dict[str, Any]]:
    """As policy says it now, with the revision last written for each; they agree unless a review is on its way."""
    found = []
    for verdict in sorted(standing_verdicts(enterprise, pack), key=lambda v: (v.measure, v.key)):
        held = enterprise.last(verdict.measure, verdict.key)
        data = decision_data(uscc, verdict, pack)
        if held is not None:
            data["revision"] = held.revision
            data["decision_id"] = decision_id(uscc, verdict.measure, verdict.key, held.revision)
            data["written"] = {"outcome": held.outcome, "amount_fen": held.amount_fen}
        found.append(data)
    return found
