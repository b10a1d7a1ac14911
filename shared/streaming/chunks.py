"""What one poll finds, as it goes from the consumer to the runner."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from aiokafka.structs import TopicPartition

from shared.streaming.records import Raw


class Chunk(NamedTuple):
    """Records of one partition, as read in one go; `number` counts what was read from that partition."""

    partition: TopicPartition
    number: int
    records: Sequence[Raw]


class Poll(tuple[Raw, ...]):
    """All records of one poll, as FastStream and its middlewares expect them, with the chunks they came in."""

    chunks: tuple[Chunk, ...]

    def __new__(cls, chunks: Iterable[Chunk]) -> "Poll":
        kept = tuple(chunks)
        poll = super().__new__(cls, (record for chunk in kept for record in chunk.records))
        poll.chunks = kept
        return poll
