"""The wiring of holdover: facts and decisions in, orders to the utilities out."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from services.holdover import api, books_api, receivables_api
from services.holdover.clock import IDLE_SECONDS, Clock
from services.holdover.handlers import DecisionsFold, FactsFold
from services.holdover.orders import Signer
from services.holdover.restored import Restored
from services.holdover.settings import Settings
from services.holdover.shelf import Shelf
from services.holdover.store.rows import HoldoverRows
from shared.access import TokenVerifier
from shared.backings import looking_first, on_postgres
from shared.contracts import topics
from shared.limits import Limiter
from shared.service import Backing, Input, Service, run
from shared.streaming.publisher import Publisher
from shared.streaming.steady import Steady

NAME = "holdover"
SCHEMA = "holdover"
FACTS_GROUP = "relief-holdover-facts"
DECISIONS_GROUP = "relief-holdover-decisions"
MIGRATIONS = Path(__file__).parent / "store" / "migrations"


def build(settings: Settings) -> Service:
    """Everything put together, nothing started. Raises KeyFileError."""
    signer = Signer(settings.signing_keys)
    verifier = TokenVerifier(settings.token_keys, settings.token_issuer)
    publisher = Publisher(settings.kafka_bootstrap, settings.instance or SCHEMA)
    limiter = Limiter(settings.redis_url, NAME)
    shelf = Shelf(settings.kafka_bootstrap, settings.remind_days)
    backing, pool = on_postgres(settings.postgres_url, SCHEMA, HoldoverRows(), MIGRATIONS, tells=publisher)
    clock = Steady("clock", "the clock of holdover cannot work", Clock(pool, SCHEMA, signer).once, IDLE_SECONDS)
    backing = looking_first(_closing(backing, limiter), Restored(pool, SCHEMA, settings.kafka_bootstrap).look)
    # One store, and so one lock per partition, for both inputs: an enterprise has the same partition in both.
    backing = replace(
        backing,
        tasks=(*backing.tasks, shelf.run, clock.run),
        checks={**backing.checks, "clock": lambda: clock.trouble},
    )
    return Service(
        NAME,
        settings,
        inputs=(
            Input(FACTS_GROUP, (topics.FACTS,), FactsFold(signer), backing),
            Input(DECISIONS_GROUP, (topics.DECISIONS,), DecisionsFold(shelf.by_hash, signer), backing),
        ),
        publisher=publisher,
        writes=(topics.ORDERS,),
        routers=(
            api.routes(pool, verifier, limiter, signer),
            receivables_api.routes(pool, verifier, limiter),
            books_api.routes(pool, verifier),
        ),
    )


def _closing(backing: Backing, limiter: Limiter) -> Backing:
    """The limiter's connections are given back with the store's. It needs no opening: it works without Redis too."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[None]:
        async with backing.opened():
            try:
                yield
            finally:
                await limiter.close()

    return replace(backing, opened=opened)


def main() -> int:
    return run(NAME, Settings, build)


if __name__ == "__main__":
    sys.exit(main())
