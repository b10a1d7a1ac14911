"""State of log-fed services: one Redis hash per input partition, rebuildable from the log.

Fields: `@next` (next_offset), `@mark` (the rest of the mark), and one per state key. Redis may lose any suffix of its
writes, or everything, never single keys: hence `noeviction`, and one script for the whole commit.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Generic

import msgspec
from aiokafka.structs import TopicPartition
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from redis.maint_notifications import MaintNotificationsConfig

from shared.streaming.errors import Retry, Stop
from shared.streaming.records import Mark, Output, S, States
from shared.streaming.store import Session

# Compare-and-set: writes everything, or nothing when `@next` is not what was loaded ('' stands for missing).
# HSET takes its fields in slices because Lua's unpack is limited to a few thousand values.
_COMMIT = """
local stored = redis.call('HGET', KEYS[1], '@next') or ''
if stored ~= ARGV[1] then return 0 end
for first = 2, #ARGV, 2000 do
  redis.call('HSET', KEYS[1], unpack(ARGV, first, math.min(first + 1999, #ARGV)))
end
return 1
"""
# The same compare-and-set, then an empty state.
_RESTART = """
local stored = redis.call('HGET', KEYS[1], '@next') or ''
if stored ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return 1
"""


class RedisStore(Generic[S]):
    """`service` prefixes the keys; the codec turns a state into bytes and back."""

    publishes_first = True

    def __init__(
        self, redis: "Redis", service: str, encode: Callable[[S], bytes], decode: Callable[[bytes], S]
    ) -> None:
        # decode_responses is off, so every answer is bytes: the library's types cannot know.
        self._redis: Any = redis
        self._service = service
        self._encode, self.decode = encode, decode
        self._commit = redis.register_script(_COMMIT)
        self._restart = redis.register_script(_RESTART)

    def key(self, partition: TopicPartition) -> str:
        return f"relief:{self._service}:{partition.topic}:{partition.partition}"

    async def mark(self, partition: TopicPartition) -> Mark | None:
        with _translated():
            stored = await self._redis.hmget(self.key(partition), ["@next", "@mark"])
        return _mark(stored[0], stored[1])

    @asynccontextmanager
    async def session(self, partition: TopicPartition, keys: Iterable[str]) -> AsyncIterator[Session[S]]:
        wanted = list(keys)
        with _translated():
            stored = await self._redis.hmget(self.key(partition), ["@next", "@mark", *wanted])
        decode = self.decode
        values = {key: decode(value) for key, value in zip(wanted, stored[2:], strict=True) if value is not None}
        yield _RedisSession(self, partition, _mark(stored[0], stored[1]), States(values))

    async def read(self, partition: TopicPartition, keys: Sequence[str]) -> list[S | None]:
        """Current states of some keys, for read APIs."""
        with _translated():
            stored = await self._redis.hmget(self.key(partition), list(keys))
        return [None if value is None else self.decode(value) for value in stored]

    async def restart(self, partition: TopicPartition, next_offset: int, seen: Mark | None) -> bool:
        args = _standing(seen.next_offset if seen else None, Mark(next_offset))
        with _translated():
            return bool(await self._restart(keys=[self.key(partition)], args=args))

    async def check(self) -> str | None:
        try:
            await self._redis.ping()
        except (RedisError, OSError) as error:
            return refusal(error) or f"Redis does not answer ({error}); start it or correct RELIEF_REDIS_URL."
        return None

    async def check_policy(self) -> None:
        """Stop unless Redis lets us at our keys and keeps every one: a single evicted one would repeat money."""
        with _translated():
            # Not by CONFIG GET: whoever may use that reads the server's passwords too.
            policy = (await self._redis.info("memory")).get("maxmemory_policy")
            await self._redis.hmget(self.key(TopicPartition("-", 0)), ["@next"])
        if policy != "noeviction":
            raise Stop(f"Redis evicts keys (maxmemory-policy is {policy}); set maxmemory-policy to noeviction.")

    async def write(self, partition: TopicPartition, expected: int | None, mark: Mark, changes: dict[str, S]) -> bool:
        args = _standing(expected, mark)
        encode = self._encode
        for key, state in changes.items():
            args += [key, encode(state)]
        with _translated():
            return bool(await self._commit(keys=[self.key(partition)], args=args))


class _RedisSession(Generic[S]):
    def __init__(self, store: RedisStore[S], partition: TopicPartition, mark: Mark | None, states: States[S]) -> None:
        self._store, self._partition = store, partition
        self.mark, self.states = mark, states

    async def commit(self, mark: Mark, outputs: Sequence[Output]) -> bool:
        expected = self.mark.next_offset if self.mark else None
        return await self._store.write(self._partition, expected, mark, self.states.changes())


class _translated:  # reads as a phrase: with _translated()
    """Any failure to talk to Redis passes: the batch is dropped and read again. A right that is missing does not."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        refused = refusal(error)
        if refused is not None:
            raise Stop(refused) from error
        if isinstance(error, RedisError | OSError):
            raise Retry(f"Redis: {error}") from error


def refusal(error: object) -> str | None:
    """A sentence when it is Redis that does not let us in, or does not let us do something; else None."""
    # The last: a command inside of a script, for which older servers have no code.
    denied = isinstance(error, AuthenticationError | NoPermissionError) or (
        isinstance(error, ResponseError) and "The user executing the script can't" in str(error)
    )
    if not denied:
        return None
    why = str(error).rstrip(".")
    return f"Redis refuses ({why}); give the user of RELIEF_REDIS_URL its password and its rights (ACL file)."


def _standing(expected: int | None, mark: Mark) -> list[str | bytes | int]:
    return ["" if expected is None else expected, "@next", mark.next_offset, "@mark", _pack(mark)]


def _pack(mark: Mark) -> bytes:
    return msgspec.msgpack.encode((mark.last_offset, mark.digest, mark.watermarks))


def _mark(next_offset: bytes | None, packed: bytes | None) -> Mark | None:
    if next_offset is None or packed is None:
        return None
    last, seen, marks = msgspec.msgpack.decode(packed, type=tuple[int, bytes, dict[str, tuple[int, int]]])
    return Mark(int(next_offset), last, seen, marks)


# What the client would tell and ask a server on every connection (CLIENT SETINFO, CLIENT MAINT_NOTIFICATIONS): nothing
# that we need, and each a command more that a user would have to be allowed. And where it follows a server's notices of
# maintenance, it looks at no connection before it is used.
UNASKED: dict[str, Any] = {"driver_info": None, "maint_notifications_config": MaintNotificationsConfig(enabled=False)}


def connect(url: str) -> "Redis":
    """A client for bytes. A connection that the server closed while nobody used it is not used again: after a restart
    of Redis readers would otherwise be told that it is away, once for each old connection.
    """
    try:
        return Redis.from_url(
            url,
            decode_responses=False,
            socket_timeout=10,
            socket_connect_timeout=5,
            **UNASKED,
        )
    except ValueError:
        # Neither the address nor the library's words, which quote it: it may hold a password.
        raise Stop("RELIEF_REDIS_URL is no Redis address; it looks like redis://user@host:6379/0.") from None
