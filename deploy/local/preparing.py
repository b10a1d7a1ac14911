"""What services expect to be there once the servers answer: topics, keys, tables, and who may do what."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from deploy.local import kafka_server, postgres_server
from deploy.local.errors import StackError
from deploy.local.passwords import file_of
from deploy.postgres.roles import OWNER
from shared.streaming.kafka_access import KafkaAccess


def prepare_services(state: Path, kafka: KafkaAccess, brokers: int, own: Mapping[str, str]) -> None:
    """`brokers`: how often a new topic keeps each record. `own`: the addresses of the servers that are the stack's own.

    Raises StackError.
    """
    # Here: most commands prepare nothing, and these take long to load.
    from deploy.local import kafka_users
    from deploy.postgres.migrations import migrate_all
    from shared.devkeys import write_development_keys
    from shared.keyfiles import KeyFileError, read_password
    from shared.streaming.errors import Retry, Stop
    from shared.streaming.topics import ensure_topics

    def prepare_kafka() -> None:
        # Users first: they would be in force only when a new broker has made all partitions, seconds later.
        if kafka_server.PORT in own:
            kafka_users.let_in(state, own[kafka_server.PORT])
        asyncio.run(ensure_topics(kafka, brokers))

    works: list[Callable[[], None]] = [prepare_kafka, lambda: write_development_keys(state / "secrets")]
    # In threads of their own: the caller's may have an event loop.
    with ThreadPoolExecutor(len(works) + 1) as pool:
        try:
            if postgres_server.PORT in own:
                password = read_password(file_of(postgres_server.passwords_dir(state), OWNER))
                owner = make_conninfo(own[postgres_server.PORT], user=OWNER, password=password)
                works.append(lambda: asyncio.run(migrate_all(owner)))
            for done in [pool.submit(work) for work in works]:
                done.result()
        except (KeyFileError, Retry, Stop) as error:
            raise StackError(str(error)) from error
        except psycopg.Error as error:
            raise StackError(
                f"the tables cannot be set up ({' '.join(str(error).split())}): if they are of an older version, "
                "`relief down --wipe` starts afresh"
            ) from error
