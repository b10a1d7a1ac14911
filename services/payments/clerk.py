"""The clerk: what happens to payments by the day, and not by a record: batches, submission, silence.

Days come from the log: a day is worked through once it has started in every partition. Each piece of work is one
transaction under the locks of the partitions it touches, and leaves an action behind. One clerk works at a time, by a
lock in the database; a second replica waits for it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import msgspec
import structlog

from services.payments.bank.pain001 import unfit
from services.payments.domain.batch import plan
from services.payments.domain.life import follow
from services.payments.domain.refund import Payment, PaymentChange
from services.payments.handlers import told
from services.payments.post import Payee, Post, instruction
from services.payments.restored import ready_at_once
from services.payments.store import batches, clerking
from services.payments.store.clerking import Going, Opened, Sealed
from services.payments.turnover import turn_over
from services.payments.vault import Vault
from services.payments.wire import Occasion
from shared.calendar import SHANGHAI
from shared.sealing import UnsealError
from shared.streaming import crash
from shared.streaming.errors import Stop
from shared.streaming.postgres_store import Connection, Pool, append, lock_partitions, transaction
from shared.streaming.records import Output

log = structlog.get_logger()

IDLE_SECONDS = 0.5
OPENED_AT_ONCE = 500
CANDIDATES_AT_ONCE = 10_000
# Stands in `origin` for what no record caused: an officer's or the clerk's action, by its number.
ACTIONS = "payments.actions"
CLERK = "clerk"


@dataclass(frozen=True, slots=True)
class Rules:
    """`partitions` of decisions; `size`: payments in one message; `silence_days` after submission an answer is due."""

    partitions: int
    size: int
    silence_days: int
    prepares: bool


class Clerk:
    """`once` is the work of a task beside the runner. `ready` raises Retry while nothing may be done."""

    def __init__(
        self, pool: Pool, schema: str, rules: Rules, unseal: Callable[[str, bytes], bytes], vault: Vault, post: Post,
        ready: Callable[[], Awaitable[None]] = ready_at_once,
    ) -> None:  # fmt: skip
        self._pool, self._schema, self._rules = pool, schema, rules
        self._unseal, self._vault, self._post, self._ready = unseal, vault, post, ready
        # At the start, for keys are read then, and every day: a replica with the older file may still store under it.
        self._keys_to_check = True

    async def once(self) -> bool:
        """Do what there is to do; whether there was anything. False also while another replica's clerk works."""
        await self._ready()
        async with self._pool.connection() as own:
            row = await (await own.execute("SELECT pg_try_advisory_xact_lock(hashtext('relief.clerk'), 0)")).fetchone()
            if row is None or not row[0]:
                return False
            await own.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            if self._keys_to_check:
                await self._turn_keys_over()
            worked = await self._open_payees()
            if self._rules.prepares:
                worked |= await self._work_days()
            worked |= await self._submit_batches()
            return await self._post.once() or worked

    async def prepare(self, day: date, prepared_by: str, reason: str, at: datetime) -> int:
        """Put what waits into batches; how many were made. Also an officer's way to make batches out of turn."""
        made, after = 0, ""
        while True:
            async with transaction(self._pool) as db:
                await lock_partitions(db, self._schema, range(self._rules.partitions))
                waiting = await clerking.candidates(db, after, CANDIDATES_AT_ONCE)
                if not waiting:
                    return made
                found = plan(
                    waiting,
                    await clerking.free_budgets(db),
                    await clerking.frozen(db),
                    day.isoformat(),
                    await clerking.next_numbers(db, day),
                    self._rules.size,
                )
                await clerking.hold(db, sorted(found.held.items()))
                await clerking.make_batches(db, found.batches, day, prepared_by)
                if found.batches:
                    await clerking.record_action(db, "batches", day.isoformat(), prepared_by, reason, at)
                    crash.reached("batches_before_commit")
            if found.batches:
                crash.reached("batches_after_commit")
            made += len(found.batches)
            after = waiting[-1].payment_id

    async def _open_payees(self) -> bool:
        """Open the accounts of payments that wait, so that their banks are known. No lock: an account under its digest
        is the same whenever it is opened.
        """
        async with transaction(self._pool) as db:
            sealed = await clerking.unopened(db, OPENED_AT_ONCE)
        if not sealed:
            return False
        opened = await asyncio.to_thread(lambda: [self._open(one) for one in sealed])
        async with transaction(self._pool) as db:
            await clerking.keep_opened(db, opened)
        return True

    def _open(self, one: Sealed) -> Opened:
        try:
            plain = self._unseal(one.payee_sealed, one.uscc.encode())
            payee = msgspec.json.decode(plain, type=Payee)
        except (UnsealError, msgspec.MsgspecError) as error:
            log.error("a payee does not open; its payment is held", payment=one.payment_id, error=type(error).__name__)
            return Opened(one.payment_id, one.payee_digest, None, None)
        wrong = unfit(instruction(one.payment_id, one.amount_fen, payee))
        if wrong:
            log.error("a payment cannot go to a bank; it is held", payment=one.payment_id, reason=wrong[0])
            return Opened(one.payment_id, one.payee_digest, None, None)
        return Opened(one.payment_id, one.payee_digest, payee.bank_code[:3], self._vault.put(plain, one.payment_id))

    async def _work_days(self) -> bool:
        async with transaction(self._pool) as db:
            day, done = await clerking.started_day(db, self._rules.partitions), await clerking.worked_day(db)
        if day is None or (done is not None and day <= done):
            return False
        async with transaction(self._pool) as db:
            await lock_partitions(db, self._schema, range(self._rules.partitions))
            silent = await clerking.fall_silent(db, day - timedelta(days=self._rules.silence_days))
        if silent:
            log.warning("the bank has not answered in time", payments=silent, day=str(day))
        await self.prepare(day, CLERK, "the day started", datetime.combine(day, time(), SHANGHAI))
        async with transaction(self._pool) as db:
            await clerking.finish_day(db, day)
        self._keys_to_check = True
        return True

    async def _turn_keys_over(self) -> None:
        done = await turn_over(self._pool, self._vault)
        self._keys_to_check = False
        if done.renewed:
            log.info("payees are stored under the new key", payees=done.renewed, key=self._vault.key_id)
        if done.unopened:
            log.error("stored payees do not open", payees=done.unopened, first=done.first_trouble)

    async def _submit_batches(self) -> bool:
        """Approved batches become submitted, and told, before their message leaves the house."""
        async with transaction(self._pool) as db:
            ready = await clerking.ready_batches(db)
            day = await clerking.started_day(db, self._rules.partitions)
        if day is None:
            return False
        for batch_id in ready:
            async with transaction(self._pool) as db:
                await self._submit(db, batch_id, day)
                crash.reached("submission_before_commit")
            crash.reached("submission_after_commit")
        return bool(ready)

    async def _submit(self, db: Connection, batch_id: str, day: date) -> None:
        await lock_partitions(db, self._schema, await batches.partitions_of(db, [batch_id]))
        batch = (await batches.load_batches(db, [batch_id]))[batch_id]
        programmes = (await clerking.frozen(db))["programme"]
        if batch.state != "approved" or batch.frozen or batch.programme in programmes or batch.count == 0:
            return  # changed between the look and the locks
        payments = await clerking.going(db, batch_id)
        if len(payments) != batch.count or sum(one.amount_fen for one in payments) != batch.total_fen:
            raise Stop(f"Batch {batch_id} declares other payments than were approved; nothing of it may be paid.")
        message = await self._post.message(db, batch_id, day)
        at = datetime.combine(day, time(), SHANGHAI)
        seq = await clerking.record_action(db, "submitted", batch_id, CLERK, "approved", at)
        await clerking.submit(db, batch_id, day, message.sha256)
        await append(db, self._schema, list(_submitted(payments, batch_id, seq, at)))


def _submitted(payments: Iterable[Going], batch_id: str, seq: int, at: datetime) -> Iterable[Output]:
    for place, one in enumerate(payments):
        payment = Payment(
            one.number,
            one.payment_id,
            one.amount_fen,
            follow("submitted", "approved"),
            one.prefecture,
            one.decision_id,
            one.payee_digest,
            batch_id,
        )
        change = PaymentChange("submitted", payment, one.amount_fen, one.decision_id, 1)
        occasion = Occasion(at, None, one.booked_on, ACTIONS, 0, seq, told_in=one.partition)
        yield from told([change], one.key, occasion, first_index=place)
