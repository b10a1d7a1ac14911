"""Payments without Kafka, for this service's tests: its folds, its clerk and its mailbox over real tables."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from aiokafka.structs import TopicPartition

from services.payments.app import MIGRATIONS, SCHEMA
from services.payments.bank.mailbox import DirectoryMailbox
from services.payments.bank.pain001 import Debtor
from services.payments.cases import day, made, take
from services.payments.clerk import Clerk, Rules
from services.payments.commands import CommandsFold
from services.payments.domain.refund import Programme
from services.payments.domain.state import Held
from services.payments.post import Post
from services.payments.store.command_rows import CommandRows, Kept
from services.payments.store.rows import PaymentRows
from services.payments.vault import Vault
from shared.contracts import topics
from shared.devkeys import VAULT_KEYS
from shared.keyfiles import read_digest_key
from shared.sealing import Sealer, Unsealer, payee_digest
from shared.streaming.postgres_store import Pool, PostgresStore, connect, migrate
from shared.streaming.records import Mark, Output, Record

PARTITIONS = 12
THREE = TopicPartition(topics.DECISIONS, 3)
WORDS = TopicPartition(topics.COMMANDS, 0)
DEBTOR = Debtor("Relief fund", "0000000001", "001881000005")
DEBTORS: dict[Programme, Debtor] = {"job_stabilisation": DEBTOR, "contribution_return": DEBTOR}
THRESHOLD_FEN = 100_000


@dataclass
class Office:
    """`size` payments in a batch at most; an answer of the bank is due after `silence_days`."""

    pool: Pool
    clerk: Clerk
    root: Path
    secrets: Path
    decisions: PostgresStore[Held]
    words: PostgresStore[Kept]
    heard: int = 0
    decided: int = 0
    commanded: int = 0

    def payee(self, uscc: str, account: str, bank: str = "102881000015") -> dict[str, str]:
        """Sealed as intake does."""
        secret = read_digest_key(self.secrets / "digest.key")
        named = {"account_name": "Tarim Trading", "account_number": account, "bank_code": bank}
        plain = json.dumps(named).encode()
        sealed = Sealer(self.secrets / "payments.public.jwk.json", secret).seal(plain, uscc.encode())
        return {"payee_sealed": sealed, "payee_digest": payee_digest(secret, plain)}

    async def decide(
        self, uscc: str, revision: int, amount_fen: int, account: str | None = "6222000011112222", **changed: Any
    ) -> None:
        """On the refund for 2019."""
        paid_to = {} if account is None else self.payee(uscc, account)
        record = made(uscc, "refund", "2019", revision, amount_fen, offset=self.decided, **(paid_to | changed))
        self.decided += 1
        assert await take(self.decisions, THREE, [record])

    async def start(self, started: date) -> None:
        """The day starts in every partition, and the clerk works through it."""
        for number in range(PARTITIONS):
            assert await take(
                self.decisions, TopicPartition(topics.DECISIONS, number), [day(started, partition=number)]
            )
        await self.work()

    async def work(self) -> None:
        await self.relay()
        while await self.clerk.once():
            await self.relay()

    async def relay(self) -> None:
        """As if all there is to tell were acknowledged."""
        await self.do("UPDATE outbox_pointer SET relayed = (SELECT last FROM outbox_counter)")

    async def approve(self, officer: str = "ayse", *batches: str) -> None:
        """The batches named, or all that are prepared."""
        wanted = batches or [
            batch for (batch,) in await self.rows("SELECT batch_id FROM batch WHERE state = 'prepared'")
        ]
        for batch in wanted:
            await self.command("relief.batch.approved.v1", batch, batch_id=batch, officer=officer, reason="checked")
        await self.work()

    async def answer(self, payment: str, status: str, **more: object) -> list[Output]:
        said = {"payment_id": payment, "status": status, "on": "2020-03-03"} | more
        return await self.command("relief.payment.status.v1", payment, **said)

    async def received(self, claim: str, amount_fen: int, reference: str) -> list[Output]:
        said = {"clawback_id": claim, "amount_fen": amount_fen, "bank_reference": reference, "on": "2020-03-04"}
        return await self.command("relief.clawback.received.v1", claim, **said)

    async def command(self, kind: str, key: str, **data: object) -> list[Output]:
        event = {
            "specversion": "1.0",
            "id": f"c{self.commanded}",
            "source": "//test",
            "type": kind,
            "subject": key,
            "time": "2020-03-02T12:00:00+08:00",
            "data": data,
        }
        return await self.obey([(key.encode(), json.dumps(event).encode())])

    async def obey(self, commands: Sequence[tuple[bytes, bytes]]) -> list[Output]:
        """Commands as one batch, as the runner takes them; the events they lead to."""
        fold = CommandsFold(THRESHOLD_FEN)
        records = [Record(topics.COMMANDS, 0, self.commanded + n, *command) for n, command in enumerate(commands)]
        facts = [fold.decode(record) for record in records]
        outputs: list[Output] = []
        async with self.words.session(WORDS, {key for fact in facts for key in fold.keys(fact)}) as session:
            for fact, record in zip(facts, records, strict=True):
                outputs += fold.step(session.states, fact, record)
            assert await session.commit(Mark(self.commanded + len(records)), outputs)
        self.commanded += len(records)
        return outputs

    async def hear_bank(self) -> None:
        """Take what the post has put into the log of commands."""
        query = "SELECT seq, key, value FROM outbox WHERE topic = %s AND seq > %s ORDER BY seq"
        for seq, key, value in await self.rows(query, topics.COMMANDS, self.heard):
            self.heard = seq
            await self.obey([(bytes(key), bytes(value))])

    async def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        async with self.pool.connection() as db:
            return await (await db.execute(query.encode(), parameters)).fetchall()

    async def do(self, statement: str) -> None:
        async with self.pool.connection() as db:
            await db.execute(statement.encode())

    async def one(self, query: str) -> Any:
        """The one value of the one row."""
        ((value,),) = await self.rows(query)
        return value


@asynccontextmanager
async def open_office(
    database: str, secrets: Path, root: Path, size: int = 2, silence_days: int = 3
) -> AsyncIterator[Office]:
    """An empty one, with a budget that is large enough."""
    await migrate(database, SCHEMA, MIGRATIONS)
    pool = connect(database, SCHEMA)
    await pool.open(wait=True)
    decisions: PostgresStore[Held] = PostgresStore(pool, SCHEMA, PaymentRows())
    words: PostgresStore[Kept] = PostgresStore(pool, SCHEMA, CommandRows(SCHEMA), space="payments.commands")
    for number in range(PARTITIONS):
        assert await decisions.restart(TopicPartition(topics.DECISIONS, number), 0, None)
    assert await words.restart(WORDS, 0, None)
    vault = Vault(secrets / VAULT_KEYS)
    post = Post(pool, SCHEMA, DirectoryMailbox(root), vault, DEBTORS)
    unsealer = Unsealer(secrets / "payments.private.jwks.json")
    clerk = Clerk(pool, SCHEMA, Rules(PARTITIONS, size, silence_days, prepares=True), unsealer.unseal, vault, post)
    office = Office(pool, clerk, root, secrets, decisions, words)
    await office.do("INSERT INTO budget (programme, total_fen) VALUES ('job_stabilisation', 1000000000)")
    try:
        yield office
    finally:
        await pool.close()
