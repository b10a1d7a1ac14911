"""The roles of Relief's database: roles.sql, and their passwords."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

SQL: Final = Path(__file__).with_name("roles.sql")
OWNER: Final = "relief_owner"
OPERATOR: Final = "relief_operator"
# Each service that has a schema, which is called as it is.
SERVING: Final = {name: f"relief_{name}" for name in ("payments", "holdover", "ledger")}
ROLES: Final = (OWNER, *SERVING.values(), OPERATOR)


def set_up(db: psycopg.Connection[Any], passwords: Mapping[str, str]) -> None:
    """Roles, schemas and rights, and the passwords by role; `db`: a superuser's connection to Relief's database.

    The server gets to see the passwords' SCRAM verifiers only, so that no log of its holds one. Raises psycopg.Error.
    """
    db.execute(SQL.read_bytes())
    for role, password in passwords.items():
        verifier = db.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
        db.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), verifier.decode()))
