"""A whole service around the toy fold, as a process of its own, for tests that kill, freeze and end it.

python -m shared.streaming.toy_member KAFKA REDIS GROUP INPUT OUTPUT [INSTANCE]. It ends on SIGTERM.
"""

import asyncio
import signal
import sys

from faststream.kafka import KafkaBroker

from shared.streaming.edge import Edge
from shared.streaming.fakes import Adding
from shared.streaming.publisher import Publisher
from shared.streaming.redis_store import RedisStore, connect
from shared.streaming.runner import Runner


async def main(bootstrap: str, redis_url: str, group: str, source: str, out: str, instance: str | None = None) -> int:
    redis = connect(redis_url)
    store = RedisStore(redis, group, lambda total: str(total).encode(), int)
    publisher = Publisher(bootstrap, group)
    broker = KafkaBroker(bootstrap.split(","), logger=None)
    # Small batches: the more of them, the more places to die in.
    edge = Edge(broker, Runner(group, Adding(out), store, publisher), [source], group, instance, max_records=50)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await publisher.start()
    await broker.start()
    try:
        async with edge.running():
            await ended.wait()
    finally:
        await broker.stop()
        await publisher.stop()
        await redis.aclose()
    return 0 if edge.fatal is None else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
