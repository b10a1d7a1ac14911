"""What services expect to be there once the servers answer: topics, keys, and who may do what."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deploy.local.errors import StackError
from shared.streaming.kafka_access import KafkaAccess


def prepare(state: Path, kafka: KafkaAccess, brokers: int, *, ours: bool) -> None:
    """`brokers`: how often a new topic keeps each record. `ours`: this Kafka is the stack's own, so its users are too.

    Raises StackError.
    """
    # Here: most commands prepare nothing, and these take long to load.
    from deploy.local import kafka_users
    from shared.devkeys import write_development_keys
    from shared.keyfiles import KeyFileError
    from shared.streaming.errors import Retry, Stop
    from shared.streaming.topics import ensure_topics

    works: list[Callable[[], None]] = [
        lambda: asyncio.run(ensure_topics(kafka, brokers)),
        lambda: write_development_keys(state / "secrets"),
    ]
    if ours:
        works.append(lambda: kafka_users.let_in(state, kafka.bootstrap))
    # In threads of their own: the caller's may have an event loop.
    with ThreadPoolExecutor(len(works)) as pool:
        try:
            for done in [pool.submit(work) for work in works]:
                done.result()
        except (KeyFileError, Retry, Stop) as error:
            raise StackError(str(error)) from error
