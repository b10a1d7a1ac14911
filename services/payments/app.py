"""The wiring of payments: decisions and commands in, money events and bank files out, an API for officers."""

import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from services.payments import api, batches_api, books_api, officers, officers_money
from services.payments.bank import published
from services.payments.bank.mailbox import DirectoryMailbox
from services.payments.bank.pain001 import Debtor
from services.payments.clerk import IDLE_SECONDS, Clerk, Rules
from services.payments.commands import CommandsFold
from services.payments.conserving import Conserving
from services.payments.desk import Desk
from services.payments.handlers import PaymentsFold
from services.payments.post import Post
from services.payments.restored import CommandsAfter, DecisionsAfter, Restored
from services.payments.settings import Settings
from services.payments.store.rows import PaymentRows
from services.payments.vault import Vault
from shared.backings import on_postgres
from shared.contracts import topics
from shared.sealing import Unsealer
from shared.service import Backing, Input, Service, gate_of, run
from shared.streaming.errors import Stop
from shared.streaming.postgres_store import PostgresStore
from shared.streaming.publisher import Publisher
from shared.streaming.steady import Steady

SCHEMA = "payments"
GROUP = "relief-payments"
COMMANDS_GROUP = "relief-payments-commands"
MIGRATIONS = Path(__file__).parent / "store" / "migrations"


def build(settings: Settings) -> Service:
    """Everything put together, nothing started. Raises KeyFileError, Stop."""
    kafka = settings.kafka(SCHEMA)
    try:
        published.load()
    except published.SchemaMissing as missing:
        raise Stop(str(missing)) from missing
    gate = gate_of(SCHEMA, settings)
    unsealer, vault = Unsealer(settings.unsealing_keys), Vault(settings.vault_keys)
    publisher = Publisher(kafka, settings.instance or GROUP)
    backing, pool = on_postgres(settings.postgres(SCHEMA), SCHEMA, PaymentRows(), MIGRATIONS, tells=publisher)
    restored = Restored(pool, SCHEMA, kafka)
    backing = replace(backing, store=PostgresStore(pool, SCHEMA, DecisionsAfter(restored)), look=restored.look)
    debtors = {programme: Debtor(**account.model_dump()) for programme, account in settings.debtors.items()}
    post = Post(pool, SCHEMA, DirectoryMailbox(settings.bank_dir), vault, debtors)
    partitions = topics.topics()[topics.DECISIONS].partitions
    rules = Rules(
        partitions,
        settings.batch_size,
        settings.silence_days,
        prepares=settings.batches == "auto",
    )
    clerk = Clerk(pool, SCHEMA, rules, unsealer.unseal, vault, post, restored.over)
    working = Steady("clerk", "the clerk of payments cannot work", clerk.once, IDLE_SECONDS)
    desk = Desk(pool, SCHEMA, partitions, ready=restored.over)
    # Opened with the other: they share a pool. Commands are partitioned by payment or batch, and locked apart.
    words = Backing(
        PostgresStore(pool, SCHEMA, CommandsAfter(SCHEMA, restored), space=f"{SCHEMA}.commands"),
        nullcontext,
        (working.run, Conserving(pool).run),
        {"clerk": lambda: working.trouble},
    )
    return Service(
        "payments",
        settings,
        kafka,
        gate,
        inputs=(
            Input(GROUP, (topics.DECISIONS,), PaymentsFold(), backing),
            Input(COMMANDS_GROUP, (topics.COMMANDS,), CommandsFold(settings.approval_threshold_fen), words),
        ),
        publisher=publisher,
        writes=(topics.LEDGER_EXEMPTIONS, topics.LEDGER_REFUNDS, topics.COMMANDS),
        routers=(
            api.routes(pool, gate),
            batches_api.routes(pool, gate),
            books_api.routes(pool, gate),
            officers.routes(desk, gate, clerk.prepare, settings.approval_threshold_fen),
            officers_money.routes(desk, gate),
        ),
    )


def main() -> int:
    return run("payments", Settings, build)


if __name__ == "__main__":
    sys.exit(main())
