"""Payments and two ledgers for the money machine: real folds, runner, clerk, relay, officers' API and tables.

Only Kafka, the bank and the wire to the officers are in memory, and every commit ends as fate has it.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import httpx
from aiokafka.structs import TopicPartition
from fastapi import FastAPI

from services.ledger.handlers import LedgerFold
from services.ledger.store.rows import PostingRows
from services.payments import officers, officers_money
from services.payments.bank.pain001 import Debtor
from services.payments.clerk import Clerk, Rules
from services.payments.commands import CommandsFold
from services.payments.desk import Desk
from services.payments.domain.refund import Programme
from services.payments.handlers import PaymentsFold
from services.payments.post import Post
from services.payments.store.command_rows import CommandRows
from services.payments.store.rows import PaymentRows
from services.payments.vault import Vault
from shared import problems
from shared.access import Principal, TokenVerifier
from shared.calendar import SHANGHAI
from shared.contracts import topics
from shared.devkeys import VAULT_KEYS
from shared.gate import Gate
from shared.limits import Limiter
from shared.observability import metrics
from shared.sealing import Unsealer
from shared.streaming.errors import Retry
from shared.streaming.fakes import Log
from shared.streaming.postgres_store import PostgresStore, connect
from shared.streaming.records import Fold
from shared.streaming.relay import Relay
from tests.faults.money_machine_bank import Bank
from tests.faults.money_machine_fate import Died, Fate, Shaky, What, armed
from tests.faults.money_machine_readers import Landing, Reader, reader

PARTITIONS, SIZE, SILENCE_DAYS, THRESHOLD_FEN = 3, 2, 2, 10
PAYMENTS, LEDGER, LEDGER_AGAIN = "payments", "ledger", "ledger_again"
DEBTOR = Debtor("Relief fund", "0000000001", "001881000005")
DEBTORS: dict[Programme, Debtor] = {"job_stabilisation": DEBTOR, "contribution_return": DEBTOR}
FIRST_MORNING = datetime.combine(date(2020, 3, 1), time(9), SHANGHAI)
T = TypeVar("T")


class Badges(TokenVerifier):
    """Who is calling is not in question here: the token is `role:name`."""

    def __init__(self) -> None:
        pass

    def verify(self, token: str) -> Principal:
        role, _, name = token.partition(":")
        return Principal(name, frozenset({role}), None)


class Answer(NamedTuple):
    status: int
    body: dict[str, Any]
    fired: What | None


@dataclass
class World:
    """One example's world, over an empty database. `now` is what the officers' clock says."""

    url: str
    secrets: Path
    loop: asyncio.Runner
    log: Log = field(default_factory=Log)
    bank: Bank = field(default_factory=Bank)
    now: datetime = FIRST_MORNING
    _readers: dict[TopicPartition, Reader] = field(default_factory=dict)
    _retired: dict[TopicPartition, Reader] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.landing = Landing(self.log)
        self._run(self._connect())
        self._boot()

    async def _connect(self) -> None:
        self._pools = {schema: connect(self.url, schema) for schema in (PAYMENTS, LEDGER)}
        for pool in self._pools.values():
            pool.connection_class = Shaky
            await pool.open(wait=True)

    def _boot(self) -> None:
        self._readers.clear()
        self._retired.clear()
        pool, vault = self._pools[PAYMENTS], Vault(self.secrets / VAULT_KEYS)
        unsealer = Unsealer(self.secrets / "payments.private.jwks.json")
        post = Post(pool, PAYMENTS, self.bank, vault, DEBTORS)
        self.clerk = Clerk(pool, PAYMENTS, Rules(PARTITIONS, SIZE, SILENCE_DAYS, True), unsealer.unseal, vault, post)
        desk = Desk(pool, PAYMENTS, PARTITIONS, now=lambda: self.now)
        app = FastAPI()
        gate = Gate(Badges(), Limiter(None, PAYMENTS))
        app.include_router(officers.routes(desk, gate, self.clerk.prepare, THRESHOLD_FEN))
        app.include_router(officers_money.routes(desk, gate))
        problems.install(app)
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://payments")
        self._stores: dict[str, tuple[Fold[Any, Any], PostgresStore[Any]]] = {
            topics.DECISIONS: (PaymentsFold(), PostgresStore(pool, PAYMENTS, PaymentRows())),
            topics.COMMANDS: (
                CommandsFold(THRESHOLD_FEN),
                PostgresStore(pool, PAYMENTS, CommandRows(PAYMENTS), space=f"{PAYMENTS}.commands"),
            ),
        }
        ledger: PostgresStore[Any] = PostgresStore(self._pools[LEDGER], LEDGER, PostingRows())
        for topic in (topics.LEDGER_EXEMPTIONS, topics.LEDGER_REFUNDS):
            self._stores[topic] = LedgerFold(), ledger

    def close(self) -> None:
        self._run(self._leave())

    async def _leave(self) -> None:
        for pool in self._pools.values():
            await pool.close()

    def restart(self) -> None:
        """The processes end and others begin; what had not been committed is gone."""
        self._run(self._leave())
        self._run(self._connect())
        self._boot()

    def take(self, partition: TopicPartition, records: int, fate: Fate | None = None) -> What | None:
        """The partition's owner takes what comes next; only fate makes it fail."""
        failures = metrics.BATCHES.labels(partition.topic, "failed")
        before = failures._value.get()

        async def turn() -> None:
            if partition not in self._readers:
                self._readers[partition] = self._reader(partition)
                await self._readers[partition].stand()
            await self._readers[partition].turn(records)

        fired = self.suffer(turn, fate)
        owner = self._readers.get(partition)
        if owner is not None and fired is None:
            assert not owner.runner.stopped, owner.runner.stopped
            assert failures._value.get() == before, owner.runner.problem()
        return fired

    def at_once(self, partitions: Sequence[TopicPartition], records: int) -> None:
        """The owners of these partitions, the clerk, an officer who prepares batches, the relay: at the same time."""

        async def turns() -> None:
            for partition in partitions:
                if partition not in self._readers:
                    self._readers[partition] = await self._reader(partition).stand()
            relay = Relay(self._pools[PAYMENTS], PAYMENTS, self.landing, batch=records)
            work: list[Awaitable[object]] = [self._readers[partition].turn(records) for partition in partitions]
            work += [
                self.clerk.once(),
                relay.once(),
                self._request("POST", "batches", "preparer:pat", {"reason": "now"}),
            ]
            # Whoever is in the way of another may have to try again.
            for outcome in await asyncio.gather(*work, return_exceptions=True):
                if isinstance(outcome, BaseException) and not isinstance(outcome, Retry):
                    raise outcome
                assert not isinstance(outcome, httpx.Response) or outcome.status_code in (200, 409, 503), outcome.text

        self._run(turns())
        for partition in partitions:
            assert not self._readers[partition].runner.stopped, self._readers[partition].runner.stopped

    def refused(self, partition: TopicPartition) -> str | None:
        """Why the partition stops at what comes next, None if it does not; the next owner begins anew."""
        owner = self._reader(partition)

        async def turn() -> None:
            await (await owner.stand()).turn(9)

        self._run(turn())
        self._readers.pop(partition, None)
        return owner.runner.stopped.get(partition)

    def owned(self) -> list[TopicPartition]:
        return sorted(self._readers)

    def retired(self) -> list[TopicPartition]:
        return sorted(self._retired)

    def rebalance(self, partition: TopicPartition) -> None:
        """Another process owns the partition from now on, and the old owner does not know."""
        self._retired[partition] = self._readers.pop(partition)

    def old_owner_turns(self, partition: TopicPartition, records: int) -> None:
        self._run(self._retired[partition].turn(records))
        assert not self._retired[partition].runner.stopped

    def _reader(self, partition: TopicPartition, ledger: PostgresStore[Any] | None = None) -> Reader:
        fold, store = self._stores[partition.topic]
        return reader(self.log, partition, fold, ledger or store)

    def work(self, fate: Fate | None = None) -> What | None:
        """The clerk looks once at all there is to do; what has happened to it."""
        return self.suffer(self.clerk.once, fate)

    def relay(self, batch: int, lands: int | None, fate: Fate | None = None) -> None:
        """The relay publishes up to `batch` events, of which only `lands` reach the log if that is not None."""
        self.landing.lands = lands
        relay = Relay(self._pools[PAYMENTS], PAYMENTS, self.landing, batch=batch)
        self.suffer(relay.once, fate, expected=lands is not None)
        self.landing.lands = None

    def ask(self, method: str, path: str, token: str, body: dict[str, Any], fate: Fate | None = None) -> Answer:
        """An officer's request; the status is 0 where the process died over it."""
        answers: list[httpx.Response] = []

        async def request() -> None:
            answers.append(await self._request(method, path, token, body))

        fired = self.suffer(request, fate)
        if not answers:
            return Answer(0, {}, fired)
        status = answers[0].status_code
        assert status < 500 or (fired and status == 503), answers[0].text
        return Answer(status, json.loads(answers[0].content), fired)

    async def _request(self, method: str, path: str, token: str, body: dict[str, Any]) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return await self._http.request(method, f"/v1/{path}", json=body, headers=headers)

    def suffer(self, work: Callable[[], Awaitable[object]], fate: Fate | None, expected: bool = False) -> What | None:
        """Do it; what fate did to it. Only what fate or an `expected` failure explains may fail."""
        with armed(fate):
            try:
                self._run(_of(work))
            except Died:
                pass
            except Retry:
                assert expected or Shaky.fired is not None
            fired = Shaky.fired
        if fired in ("dies before", "dies after"):
            # Another process, and nothing of this one but what the database has; the connection is closed already.
            self._boot()
        return fired

    def again(self, order: random.Random) -> None:
        """The other ledger takes all that lies in the log, partition by partition in any order and any pieces."""

        async def read() -> None:
            pool = self._pools[LEDGER_AGAIN] = connect(self.url, LEDGER_AGAIN)
            await pool.open(wait=True)
            ledger: PostgresStore[Any] = PostgresStore(pool, LEDGER_AGAIN, PostingRows())
            wanted = [one for one in self.log.end if one.topic in (topics.LEDGER_EXEMPTIONS, topics.LEDGER_REFUNDS)]
            left = {one: await self._reader(one, ledger).stand() for one in sorted(wanted)}
            while left:
                partition = order.choice(list(left))
                await left[partition].turn(order.randint(1, 40))
                problem = left[partition].runner.problem()
                assert problem is None, problem
                if left[partition].consumer.positions[partition] == self.log.end[partition]:
                    del left[partition]

        self._run(read())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(work)


async def _of(work: Callable[[], Awaitable[object]]) -> None:
    await work()
