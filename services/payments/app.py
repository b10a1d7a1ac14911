"""The wiring of payments: decisions in, money events out, a read API."""

import sys
from pathlib import Path

from services.payments import api
from services.payments.handlers import PaymentsFold
from services.payments.settings import Settings
from services.payments.store.rows import PaymentRows
from shared.access import TokenVerifier
from shared.backings import on_postgres
from shared.contracts import topics
from shared.service import Input, Service, run
from shared.streaming.publisher import Publisher

SCHEMA = "payments"
GROUP = "relief-payments"
MIGRATIONS = Path(__file__).parent / "store" / "migrations"


def build(settings: Settings) -> Service:
    """Everything put together, nothing started. Raises KeyFileError."""
    verifier = TokenVerifier(settings.token_keys, settings.token_issuer)
    publisher = Publisher(settings.kafka_bootstrap, settings.instance or GROUP)
    backing, pool = on_postgres(settings.postgres_url, SCHEMA, PaymentRows(), MIGRATIONS, tells=publisher)
    return Service(
        "payments",
        settings,
        inputs=(Input(GROUP, (topics.DECISIONS,), PaymentsFold(), backing),),
        publisher=publisher,
        writes=(topics.LEDGER_EXEMPTIONS, topics.LEDGER_REFUNDS),
        routers=(api.routes(pool, verifier),),
    )


def main() -> int:
    return run("payments", Settings, build)


if __name__ == "__main__":
    sys.exit(main())
