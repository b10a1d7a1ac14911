"""What services expect to be there when they start: topics, keys, tables."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from deploy.local.errors import StackError
from deploy.local.passwords import file_of
from deploy.local.postgres_server import passwords_dir
from deploy.postgres.roles import OWNER


def prepare_services(state: Path, kafka: str, postgres: str | None) -> None:
    """`kafka` and `postgres`: addresses; None where PostgreSQL is not the stack's own. Raises StackError."""
    from deploy.postgres.migrations import migrate_all
    from shared.devkeys import write_development_keys
    from shared.keyfiles import KeyFileError, read_password
    from shared.streaming.errors import Retry, Stop
    from shared.streaming.topics import ensure_topics

    # In threads of their own: the caller's may have an event loop.
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(lambda: asyncio.run(ensure_topics(kafka)))]
        try:
            if postgres is not None:
                password = read_password(file_of(passwords_dir(state), OWNER))
                owner = make_conninfo(postgres, user=OWNER, password=password)
                waiting.append(pool.submit(lambda: asyncio.run(migrate_all(owner))))
            write_development_keys(state / "secrets")
            for one in waiting:
                one.result()
        except (KeyFileError, Retry, Stop) as error:
            raise StackError(str(error)) from error
        except psycopg.Error as error:
            raise StackError(
                f"the tables cannot be set up ({' '.join(str(error).split())}): if they are of an older version, "
                "`relief down --wipe` starts afresh"
            ) from error
