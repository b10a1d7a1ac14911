"""What the runner asks of a store, and the store of tests and of `relief decide`."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Generic, Protocol

from aiokafka.structs import TopicPartition

from shared.streaming.records import Mark, Output, S, States


class Session(Protocol[S]):
    """One batch's view of one partition: what was stored when it was loaded."""

    mark: Mark | None
    states: States[S]

    async def commit(self, mark: Mark, outputs: Sequence[Output]) -> bool:
        """Write the changed states and the new mark, if the stored next_offset is still the loaded one.

        False: another owner went on, or the store lost writes; nothing was written. Stores that publish through
        an event table keep `outputs` in the same transaction; log-fed stores ignore them, the runner has published.
        """
        ...


class Store(Protocol[S]):
    """A store of marks and states per input partition."""

    # True: outputs go out before the commit (the store is rebuildable from the log). False: the store keeps them.
    publishes_first: bool

    async def mark(self, partition: TopicPartition) -> Mark | None: ...

    def session(self, partition: TopicPartition, keys: Iterable[str]) -> AbstractAsyncContextManager[Session[S]]: ...

    async def restart(self, partition: TopicPartition, next_offset: int, seen: Mark | None) -> bool:
        """Empty the partition's state and stand at `next_offset`, if the stored next_offset is still that of `seen`.

        False: another owner went on, or the store lost writes; nothing was changed.
        """
        ...

    async def check(self) -> str | None:
        """None, or one sentence on why the store cannot serve now."""
        ...


class MemoryStore(Generic[S]):
    """The store without a server; states pass through the codec, so that no object is shared by accident."""

    publishes_first = True

    def __init__(self, encode: Callable[[S], bytes], decode: Callable[[bytes], S]) -> None:
        self._encode, self._decode = encode, decode
        self._marks: dict[TopicPartition, Mark] = {}
        self._states: dict[TopicPartition, dict[str, bytes]] = {}

    async def mark(self, partition: TopicPartition) -> Mark | None:
        return _copy(self._marks.get(partition))

    @asynccontextmanager
    async def session(self, partition: TopicPartition, keys: Iterable[str]) -> AsyncIterator[Session[S]]:
        stored = self._states.get(partition, {})
        states = States({key: self._decode(stored[key]) for key in keys if key in stored})
        yield _MemorySession(self, partition, _copy(self._marks.get(partition)), states)

    async def restart(self, partition: TopicPartition, next_offset: int, seen: Mark | None) -> bool:
        if not self._stands(partition, seen.next_offset if seen else None):
            return False
        self._states[partition] = {}
        self._marks[partition] = Mark(next_offset)
        return True

    async def check(self) -> str | None:
        return None

    def write(self, partition: TopicPartition, expected: int | None, mark: Mark, changes: dict[str, S]) -> bool:
        if not self._stands(partition, expected):
            return False
        self._marks[partition] = replace(mark, watermarks=dict(mark.watermarks))
        self._states.setdefault(partition, {}).update({k: self._encode(v) for k, v in changes.items()})
        return True

    def _stands(self, partition: TopicPartition, expected: int | None) -> bool:
        stored = self._marks.get(partition)
        return (stored.next_offset if stored else None) == expected


class _MemorySession(Generic[S]):
    def __init__(self, store: MemoryStore[S], partition: TopicPartition, mark: Mark | None, states: States[S]) -> None:
        self._store, self._partition = store, partition
        self.mark, self.states = mark, states

    async def commit(self, mark: Mark, outputs: Sequence[Output]) -> bool:
        expected = self.mark.next_offset if self.mark else None
        return self._store.write(self._partition, expected, mark, self.states.changes())


def _copy(mark: Mark | None) -> Mark | None:
    return replace(mark, watermarks=dict(mark.watermarks)) if mark else None
