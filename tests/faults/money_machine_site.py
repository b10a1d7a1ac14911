"""Where the money machine's examples run: one database that is emptied, and enterprises with sealed accounts."""

import asyncio
import json
import os
from functools import cache
from itertools import count
from pathlib import Path
from typing import Final

import psycopg
from psycopg.conninfo import make_conninfo

from deploy.local.postgres_server import ROLE, SUPERUSER
from services.ledger.app import MIGRATIONS as LEDGER_TABLES
from services.payments.app import MIGRATIONS as PAYMENTS_TABLES
from shared.devkeys import write_development_keys
from shared.keyfiles import read_digest_key
from shared.sealing import Sealer, payee_digest
from shared.streaming.postgres_store import migrate
from shared.streaming.records import partition_of
from shared.uscc import with_check_character
from tests.faults.money_machine_world import LEDGER, LEDGER_AGAIN, PARTITIONS, PAYMENTS

# Name, account and bank; the torn one is sealed for somebody else and opens for nobody.
ACCOUNTS = {
    "red": ("Red Sand Trading", "6222000000000001", "102881000015"),
    "blue": ("Blue Lake Trading", "6222000000000002", "102881000015"),
    "green": ("Green Oasis Trading", "6222000000000003", "103881000018"),
    "torn": ("Nobody", "6222000000000004", "103881000018"),
}
READABLE = {"red", "blue", "green"}
DATABASE: Final = f"money_machine_{os.getpid()}"
TABLES = {PAYMENTS: PAYMENTS_TABLES, LEDGER: LEDGER_TABLES, LEDGER_AGAIN: LEDGER_TABLES}


def enterprise(partition: int, nth: int = 0) -> str:
    """The `nth` enterprise, from 0, whose code leads to a partition."""
    codes = (with_check_character(f"91650100MA{number:07d}") for number in count(1))
    return [
        next(code for code in codes if partition_of(code.encode(), PARTITIONS) == partition) for _ in range(nth + 1)
    ][-1]


class Site:
    """`loop` runs everything; `url` is the database that every example finds empty."""

    def __init__(self, url: str, directory: Path) -> None:
        self.loop = asyncio.Runner()
        self.secrets = directory / "secrets"
        write_development_keys(self.secrets)
        self._digest_key = read_digest_key(self.secrets / "digest.key")
        self._sealer = Sealer(self.secrets / "payments.public.jwk.json", self._digest_key)
        self.payee = cache(self._payee)
        self._server = psycopg.connect(make_conninfo(url, user=SUPERUSER, dbname="postgres"), autocommit=True)
        self._server.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        self._server.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")
        # What is committed has to survive our processes, and need not survive this machine.
        self._server.execute(f"ALTER DATABASE {DATABASE} SET synchronous_commit = off")
        self.url = make_conninfo(url, dbname=DATABASE)
        for schema, tables in TABLES.items():
            self.loop.run(migrate(self.url, schema, tables))
        self._owner = psycopg.connect(make_conninfo(self.url, user=SUPERUSER), autocommit=True)
        self._emptying = self._statements()

    def close(self) -> None:
        self.loop.close()
        self._owner.close()
        self._server.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
        self._server.close()

    def empty(self) -> None:
        """As it was after the migrations. A database made anew would take a hundred times as long."""
        self._owner.execute(self._emptying)

    def _statements(self) -> bytes:
        self._owner.execute("CREATE SCHEMA kept")
        # The tables refuse it to everybody whom triggers and rights hold back.
        statements = ["SET session_replication_role = replica"]
        query = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY(%s) AND tablename <> 'migration'"
        for schema, table in self._owner.execute(query, (list(TABLES),)).fetchall():
            self._owner.execute(f"CREATE TABLE kept.{schema}_{table} AS TABLE {schema}.{table}".encode())
            statements.append(f"DELETE FROM {schema}.{table}")
            statements.append(f"INSERT INTO {schema}.{table} SELECT * FROM kept.{schema}_{table}")
        return ";".join(statements).encode()

    def _payee(self, uscc: str, account: str | None) -> dict[str, str]:
        """Sealed as intake does."""
        if account is None:
            return {}
        names = ("account_name", "account_number", "bank_code")
        plain = json.dumps(dict(zip(names, ACCOUNTS[account], strict=True))).encode()
        context = "of another enterprise" if account == "torn" else uscc
        sealed = self._sealer.seal(plain, context.encode())
        return {"payee_sealed": sealed, "payee_digest": payee_digest(self._digest_key, plain)}
