"""What the ledger's tables refuse: from a faulty service, from its own database user, and from the superuser."""

from collections.abc import AsyncIterator

import psycopg
import pytest

from services.ledger.cases import EXEMPTIONS, enterprise, exemption, take
from services.ledger.domain.posting import Posted
from shared.streaming.postgres_store import PostgresStore

pytestmark = pytest.mark.integration
Store = PostgresStore[Posted]

# A good row to come after the one that is there, its link left out.
ROW = {
    "seq": "2", "topic": f"'{EXEMPTIONS}'", "partition": "3", "event_id": "repeat('2', 32)::uuid",
    "type": "'relief.refund.settled.v1'", "business_key": "repeat('b', 32)::uuid", "uscc": "'91650100MA7ABCDE18'",
    "decision_id": "repeat('d', 32)::uuid", "debit": "'Assets:Bank:InTransit'", "credit": "'Assets:Bank:Fund'",
    "amount_fen": "5::bigint", "booked_on": "'2020-02-20'::date", "digest": "decode(repeat('0', 32), 'hex')",
}  # fmt: skip
SECOND = {"seq": "3", "event_id": "repeat('3', 32)::uuid", "business_key": "repeat('c', 32)::uuid"}
LAST_LINK = f"(SELECT link FROM ledger.chain_head WHERE topic = '{EXEMPTIONS}' AND partition = 3)"


def insert(previous: str = LAST_LINK, link: str | None = None, **changed: str) -> bytes:
    """The row as SQL, chained to `previous` unless a `link` is given."""
    row = ROW | changed
    given = ", ".join(row[name] for name in ROW)
    chained = link or f"ledger.next_link({previous}, {given})"
    return f"INSERT INTO ledger.posting ({', '.join(row)}, link) VALUES ({given}, {chained})".encode()


@pytest.fixture
async def posted(store: Store, superuser_database: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """As the superuser, whom rights do not hold back; one posting is there."""
    await take(store, [exemption(enterprise(1), "granted", 70)])
    async with await psycopg.AsyncConnection.connect(superuser_database) as db:
        yield db


async def test_a_good_row_is_taken(posted: psycopg.AsyncConnection) -> None:
    await posted.execute(insert())
    found = await posted.execute(
        "SELECT last, (SELECT max(last_seq) FROM ledger.chain_head) FROM ledger.posting_counter"
    )
    assert await found.fetchone() == (2, 2)


@pytest.mark.parametrize(
    ("constraint", "changed"),
    [
        ("posting_key", {"seq": "1"}),
        ("posting_seq", {"seq": "0"}),
        ("posting_event_once", {"event_id": "(SELECT event_id FROM ledger.posting)"}),
        ("posting_type", {"type": "'relief.gift.made.v1'"}),
        ("posting_uscc", {"uscc": "'9165'"}),
        ("posting_uscc", {"uscc": "'91650100MA7ABCDE1O'"}),
        ("posting_uscc", {"uscc": "'91650100ma7abcde18'"}),
        ("posting_amount", {"amount_fen": "0"}),
        ("posting_amount", {"amount_fen": "-5"}),
        ("posting_amount", {"amount_fen": "9000000000000000001"}),
        ("posting_digest", {"digest": "''::bytea"}),
        ("posting_partition", {"partition": "-1"}),
        ("posting_link", {"link": "''::bytea"}),
        ("posting_two_accounts", {"debit": "'Assets:Bank:Fund'"}),
        ("account_day_form", {"debit": "'Assets:bank'"}),
        ("account_day_form", {"debit": "'Expenses:Relief::650100'"}),
        ("account_day_form", {"credit": "'Cash:Box'"}),
        ("account_day_form", {"credit": "E'Assets:Bank\\n'"}),
        ("posting_continues", {"seq": "3"}),
        ("posting_chained", {"previous": "NULL"}),
        ("posting_chained", {"partition": "4"}),
        ("posting_chained", {"link": "sha256('')"}),
    ],
)
async def test_a_row_that_does_not_belong_there_is_refused(
    posted: psycopg.AsyncConnection, constraint: str, changed: dict[str, str]
) -> None:
    with pytest.raises(psycopg.errors.IntegrityError) as raised:
        await posted.execute(insert(**changed))
    assert raised.value.diag.constraint_name == constraint


@pytest.mark.parametrize("name", ["event_id", "business_key", "decision_id"])
async def test_an_id_that_is_no_hash_is_refused(posted: psycopg.AsyncConnection, name: str) -> None:
    with pytest.raises(psycopg.errors.InvalidTextRepresentation):
        await posted.execute(insert(**{name: "'2'::uuid"}))


@pytest.mark.parametrize("other", [{"partition": "4", "previous": "NULL"}, {"seq": "4"}])
async def test_one_statement_continues_one_chain(posted: psycopg.AsyncConnection, other: dict[str, str]) -> None:
    first = insert().decode()
    second = insert(**(SECOND | other)).decode()
    both = f"{first}, {second[second.index('VALUES') + 6 :]}"
    with pytest.raises(psycopg.errors.IntegrityError) as raised:
        await posted.execute(both.encode())
    assert raised.value.diag.constraint_name == "posting_continues"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger.posting SET amount_fen = 71",
        "UPDATE ledger.posting SET link = sha256('')",
        "DELETE FROM ledger.posting",
        "TRUNCATE ledger.posting",
        "UPDATE ledger.account_day SET debit_fen = debit_fen + 1",
        "DELETE FROM ledger.account_day",
        "TRUNCATE ledger.account_day",
        "INSERT INTO ledger.account_day VALUES ('Assets:Bank:Fund', '2020-02-20', 5, 0, 1)",
        "UPDATE ledger.chain_head SET link = sha256('')",
        "DELETE FROM ledger.chain_head",
        "TRUNCATE ledger.chain_head",
        "INSERT INTO ledger.chain_head VALUES ('ledger.refunds.v1', 3, 1, 1, sha256(''))",
        "UPDATE ledger.posting_counter SET last = last + 1",
        "DELETE FROM ledger.posting_counter",
        "TRUNCATE ledger.posting_counter",
    ],
)
async def test_what_is_posted_stays(posted: psycopg.AsyncConnection, statement: str) -> None:
    with pytest.raises(psycopg.errors.IntegrityError, match="is refused: rows here are immutable"):
        await posted.execute(statement.encode())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger.posting SET amount_fen = 71",
        "DELETE FROM ledger.posting",
        "TRUNCATE ledger.posting",
        *(f"{what} ledger.{table}" for what in ("DELETE FROM", "TRUNCATE")
          for table in ("account_day", "chain_head", "posting_counter")),
    ],
)  # fmt: skip
async def test_the_service_has_not_even_the_right(store: Store, database: str, statement: str) -> None:
    async with await psycopg.AsyncConnection.connect(database) as db:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await db.execute(statement.encode())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger.account_day SET debit_fen = debit_fen + 1",
        "UPDATE ledger.chain_head SET link = sha256('')",
        "UPDATE ledger.posting_counter SET last = last + 1",
    ],
)
async def test_what_follows_the_postings_is_not_the_services_to_write(
    posted: psycopg.AsyncConnection, database: str, statement: str
) -> None:
    async with await psycopg.AsyncConnection.connect(database) as db:
        with pytest.raises(psycopg.errors.IntegrityError, match="is refused"):
            await db.execute(statement.encode())
