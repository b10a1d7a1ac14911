"""What the tables of payments and of a ledger hold, read whole and past every service's code."""

import json
from dataclasses import dataclass, field
from typing import Any, LiteralString, NamedTuple, cast

import psycopg

Row = dict[str, Any]
_PAYMENTS = {
    "day": "partition",
    "exemption": "uscc, insurance, period",
    "refund": "uscc, measure, key",
    "payment": "payment_id",
    "batch": "batch_id",
    "approval": "batch_id, version, place",
    "approved_payment": "batch_id, payment_id",
    "budget": "programme",
    "frozen": "scope, subject",
    "clawback": "clawback_id",
    "receipt": "bank_reference",
    "parked": 'topic, partition, "offset"',
    "action": "seq",
    "clerk": "one",
    "inbox": "topic, partition",
    "bank_file": "name",
    "outbox_counter": "one",
    "outbox_pointer": "one",
}
_LEDGER = {"account_day": "account, booked_on", "chain_head": "topic, partition", "inbox": "topic, partition"}


class Told(NamedTuple):
    """One row of the table of events."""

    seq: int
    topic: str
    partition: int
    key: str
    event: Row


class Posted(NamedTuple):
    """One row of the journal, in the order in which its link is computed; ids and digests in hex."""

    seq: int
    topic: str
    partition: int
    event_id: str
    type: str
    business_key: str
    uscc: str
    decision_id: str
    debit: str
    credit: str
    amount_fen: int
    booked_on: str
    digest: str
    link: str


@dataclass(frozen=True)
class Books:
    """Every row that may change, by table, and what was told and posted since the books before."""

    payments: dict[str, list[Row]]
    ledger: dict[str, list[Row]]
    told: list[Told] = field(default_factory=list)
    posted: list[Posted] = field(default_factory=list)

    def next_offsets(self) -> dict[tuple[str, int], int]:
        """How far each partition was read, by topic and number."""
        rows = [*self.payments["inbox"], *self.ledger["inbox"]]
        return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}

    def but(self, *tables: str) -> dict[str, list[Row]]:
        """What payments holds, without some tables."""
        return {name: rows for name, rows in self.payments.items() if name not in tables}


class Reading:
    """Reads the books of one database again and again."""

    def __init__(self, url: str) -> None:
        self._db = psycopg.connect(url, autocommit=True)
        self._told = self._posted = 0

    def close(self) -> None:
        self._db.close()

    def books(self) -> Books:
        told = [
            Told(seq, topic, partition, bytes(key).decode(), json.loads(bytes(value)))
            for seq, topic, partition, key, value in self._db.execute(_TOLD, (self._told,))
        ]
        posted = [Posted(*row) for row in self._db.execute(_journal("ledger"), (self._posted,))]
        # Nothing commits between the statements: whoever reads the books is the one who lets the others work.
        self._told += len(told)
        self._posted += len(posted)
        return Books(self._tables("payments", _PAYMENTS), self._tables("ledger", _LEDGER), told, posted)

    def relay_falls_back(self, events: int) -> None:
        """The relay has forgotten that it told the last events."""
        self._db.execute("UPDATE payments.outbox_pointer SET relayed = greatest(0, relayed - %s)", (events,))

    def cannot(self, statement: str) -> None:
        """The database refuses it, to the very user that the services are."""
        refused = False
        try:
            self._db.execute(statement.encode())
        except psycopg.Error:
            refused = True
        assert refused, statement

    def journal(self, schema: str) -> list[Posted]:
        """All of a ledger's postings."""
        return [Posted(*row) for row in self._db.execute(_journal(schema), (0,))]

    def sums(self, schema: str) -> dict[str, tuple[int, int]]:
        """What a ledger has kept of its sums: debit and credit by account."""
        return sums(self._tables(schema, _LEDGER)["account_day"])

    def _tables(self, schema: str, tables: dict[str, str]) -> dict[str, list[Row]]:
        parts = (
            f"'{name}', (SELECT coalesce(json_agg(row_to_json(t) ORDER BY {order}), '[]') FROM {schema}.{name} t)"
            for name, order in tables.items()
        )
        row = self._db.execute(f"SELECT json_build_object({', '.join(parts)})".encode()).fetchone()
        assert row is not None
        return cast("dict[str, list[Row]]", row[0])


def sums(days: list[Row]) -> dict[str, tuple[int, int]]:
    """Debit and credit by account."""
    found: dict[str, tuple[int, int]] = {}
    for row in days:
        debit, credit = found.get(row["account"], (0, 0))
        found[row["account"]] = debit + row["debit_fen"], credit + row["credit_fen"]
    return found


_TOLD: LiteralString = "SELECT seq, topic, partition, key, value FROM payments.outbox WHERE seq > %s ORDER BY seq"


def _journal(schema: str) -> bytes:
    event, business, decision = (
        f"replace({name}::text, '-', '')" for name in ("event_id", "business_key", "decision_id")
    )
    return (
        f"SELECT seq, topic, partition, {event}, type, {business}, uscc, {decision}, debit, credit, amount_fen,"
        " booked_on::text, encode(digest, 'hex'), encode(link, 'hex')"
        f" FROM {schema}.posting WHERE seq > %s ORDER BY seq"
    ).encode()
