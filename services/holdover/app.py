"""The wiring of holdover: facts and decisions in, orders to the utilities out."""

import sys
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
from shared.backings import on_postgres
from shared.contracts import topics
from shared.service import Input, Service, gate_of, run
from shared.streaming.publisher import Publisher
from shared.streaming.steady import Steady

NAME = "holdover"
SCHEMA = "holdover"
FACTS_GROUP = "relief-holdover-facts"
DECISIONS_GROUP = "relief-holdover-decisions"
MIGRATIONS = Path(__file__).parent / "store" / "migrations"


def build(settings: Settings) -> Service:
    """Everything put together, nothing started. Raises KeyFileError, Stop."""
    kafka = settings.kafka(NAME)
    signer = Signer(settings.signing_keys)
    gate = gate_of(NAME, settings)
    publisher = Publisher(kafka, settings.instance or SCHEMA)
    shelf = Shelf(kafka, settings.remind_days)
    backing, pool = on_postgres(settings.postgres(SCHEMA), SCHEMA, HoldoverRows(), MIGRATIONS, tells=publisher)
    clock = Steady("clock", "the clock of holdover cannot work", Clock(pool, SCHEMA, signer).once, IDLE_SECONDS)
    # One store, and so one lock per partition, for both inputs: an enterprise has the same partition in both.
    backing = replace(
        backing,
        look=Restored(pool, SCHEMA, kafka).look,
        tasks=(*backing.tasks, shelf.run, clock.run),
        checks={**backing.checks, "clock": lambda: clock.trouble},
    )
    return Service(
        NAME,
        settings,
        kafka,
        gate,
        inputs=(
            Input(FACTS_GROUP, (topics.FACTS,), FactsFold(signer), backing),
            Input(DECISIONS_GROUP, (topics.DECISIONS,), DecisionsFold(shelf.by_hash, signer), backing),
        ),
        publisher=publisher,
        writes=(topics.ORDERS,),
        also_reads=(topics.PACKS,),
        routers=(
            api.routes(pool, gate, signer),
            receivables_api.routes(pool, gate),
            books_api.routes(pool, gate),
        ),
    )


def main() -> int:
    return run(NAME, Settings, build)


if __name__ == "__main__":
    sys.exit(main())
