"""The wiring of the ledger: money events in, postings, a read API."""

import sys
from pathlib import Path

from services.ledger import api
from services.ledger.handlers import LedgerFold
from services.ledger.settings import Settings
from services.ledger.store.rows import PostingRows
from shared.backings import on_postgres
from shared.contracts import topics
from shared.service import Input, Service, gate_of, run

SCHEMA = "ledger"
GROUP = "relief-ledger"
MIGRATIONS = Path(__file__).parent / "store" / "migrations"


def build(settings: Settings) -> Service:
    """Everything put together, nothing started. Raises KeyFileError, Stop."""
    kafka = settings.kafka(SCHEMA)
    gate = gate_of(SCHEMA, settings)
    backing, pool = on_postgres(settings.postgres(SCHEMA), SCHEMA, PostingRows(), MIGRATIONS)
    reads = (topics.LEDGER_EXEMPTIONS, topics.LEDGER_REFUNDS)
    return Service(
        "ledger",
        settings,
        kafka,
        gate,
        inputs=(Input(GROUP, reads, LedgerFold(), backing),),
        routers=(api.routes(pool, gate),),
    )


def main() -> int:
    return run("ledger", Settings, build)


if __name__ == "__main__":
    sys.exit(main())
