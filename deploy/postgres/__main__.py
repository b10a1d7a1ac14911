"""`python -m deploy.postgres`: applies every service's migrations, as the owner of the schemas.

RELIEF_POSTGRES_URL and RELIEF_POSTGRES_PASSWORD_FILE say where and who. Exit status 1 and one sentence when it cannot.
"""

import asyncio
import os
import sys
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from deploy.postgres.migrations import migrate_all
from shared.keyfiles import KeyFileError, read_password
from shared.streaming.errors import Retry


def main() -> int:
    url, file = os.environ.get("RELIEF_POSTGRES_URL", ""), os.environ.get("RELIEF_POSTGRES_PASSWORD_FILE")
    try:
        if not url:
            raise KeyFileError("RELIEF_POSTGRES_URL is not set.")
        asyncio.run(migrate_all(make_conninfo(url, **({"password": read_password(Path(file))} if file else {}))))
    except (KeyFileError, Retry, psycopg.Error) as error:
        sys.stderr.write(f"the migrations are not applied: {' '.join(str(error).split())}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
