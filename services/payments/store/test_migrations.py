"""A database of an earlier version comes along with its money."""

import shutil
from pathlib import Path

import psycopg
import pytest

from services.payments.app import MIGRATIONS, SCHEMA
from services.payments.domain.decision import Decision
from services.payments.domain.refund import Key, Payment, Refund, entitle
from services.payments.store.refunds import load_refunds, save_refunds
from shared.ids import decision_id, payment_id
from shared.streaming.postgres_store import connect, migrate, transaction

pytestmark = pytest.mark.integration
USCC = "91650100MA7ABCDE18"
PAID, WITHDRAWN, DENIED = (Key(USCC, "refund", year) for year in ("2018", "2019", "2020"))


def old_payment(
    key: Key, number: int, amount_fen: int, state: str, prefecture: str, account: str
) -> tuple[object, ...]:
    identity = payment_id(*key, number)
    return (*key, number, identity, amount_fen, state, prefecture, "d" * 32, f"sealed-{account}", account * 32)


async def test_payments_authorised_before_there_were_batches_are_kept_with_their_payee(
    database: str, tmp_path: Path
) -> None:
    shutil.copy(MIGRATIONS / "001_money_held.sql", tmp_path)
    await migrate(database, SCHEMA, tmp_path)
    with psycopg.connect(database, options=f"-c search_path={SCHEMA}") as db:
        for key, amount_fen, number in ((PAID, 150, 2), (WITHDRAWN, 0, 1), (DENIED, 0, 0)):
            db.execute("INSERT INTO refund VALUES (%s, %s, %s, 3, 4, %s, %s)", (*key, amount_fen, number))
        for row in (
            old_payment(PAID, 1, 100, "authorised", "650100", "a"),
            old_payment(PAID, 2, 50, "authorised", "653100", "a"),
            old_payment(WITHDRAWN, 1, 70, "cancelled", "650100", "b"),
        ):
            db.execute(f"INSERT INTO payment VALUES ({', '.join(['%s'] * len(row))})".encode(), row)
    for _ in range(2):
        await migrate(database, SCHEMA, MIGRATIONS)
    pool = connect(database, SCHEMA)
    await pool.open(wait=True)
    async with transaction(pool) as db:
        found = await load_refunds(db, [PAID, WITHDRAWN, DENIED])
        one, two = (
            Payment(number, payment_id(*PAID, number), fen, "authorised", place, "d" * 32, "a" * 32)
            for number, fen, place in ((1, 100, "650100"), (2, 50, "653100"))
        )
        assert found == {
            PAID: Refund(4, 150, 2, (one, two), "653100", "sealed-a", "a" * 32),
            WITHDRAWN: Refund(4, 0, 1, (), "650100", "sealed-b", "b" * 32),
            DENIED: Refund(4, 0, 0, ()),
        }
        # And they go on as any other.
        identity = decision_id(*PAID, 5)
        lower = Decision(USCC, "refund", "2018", 5, 120, "650100", identity, "sealed-c", "c" * 32)
        after = entitle(found[PAID], lower)[1]
        await save_refunds(db, [(PAID, 3, after)])
        await db.execute("SET CONSTRAINTS ALL IMMEDIATE")
    await pool.close()
