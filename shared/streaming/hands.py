"""What was read and is not done yet: so many records at most, and of each partition one chunk.

While one partition's batch waits for a store or a broker, others are read and stepped. A bound on what is in hand is a
bound on memory: a record in hand is decoded, and takes ten times the room that it took in the log.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from aiokafka.structs import TopicPartition

from shared.streaming.chunks import Chunk

AT_ONCE_RECORDS = 4000


class Hands:
    """Each chunk goes through `handle` in a task of its own; `handle` treats its failures itself."""

    def __init__(self, handle: Callable[[Sequence[Chunk]], Awaitable[None]], at_once: int = AT_ONCE_RECORDS) -> None:
        self._handle, self._at_once = handle, at_once
        self._tasks: dict[TopicPartition, asyncio.Task[None]] = {}
        self._records = 0
        # Set whenever a chunk is done.
        self.freed = asyncio.Event()

    def room(self, read: int) -> bool:
        """Whether more may be read, when so much was and is not taken yet."""
        return self._records + read < self._at_once

    def hold(self, partition: TopicPartition) -> bool:
        return partition in self._tasks

    def take(self, chunk: Chunk) -> None:
        """Begins with it; of its partition nothing may be in hand."""
        assert chunk.partition not in self._tasks, "one chunk of a partition at a time"
        self._records += len(chunk.records)
        self._tasks[chunk.partition] = asyncio.create_task(self._through(chunk))

    async def drop(self) -> None:
        """Cuts off what is still in hand."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _through(self, chunk: Chunk) -> None:
        try:
            await self._handle([chunk])
        finally:
            del self._tasks[chunk.partition]
            self._records -= len(chunk.records)
            self.freed.set()
