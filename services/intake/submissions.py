"""Applications as they come in over HTTP: remembered before they are published, so that a repeat is the same event."""

from typing import Any

import msgspec
from msgspec import Struct
from redis.exceptions import RedisError

from shared.problems import Problem


class Submission(Struct, array_like=True, frozen=True):
    """`event` is the record as published; `body` the digest of what was asked, to tell a repeat from another request."""

    uscc: str
    body: bytes
    event: bytes
    received_at: str


class Submissions:
    """Kept in Redis. Lost with Redis, it comes back with the sender's repeat: the event's id derives from the request."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis

    async def remember(self, application_id: str, submission: Submission) -> Submission:
        """The first submission under this id: the given one, unless one was there before."""
        try:
            await self._redis.set(_key(application_id), msgspec.msgpack.encode(submission), nx=True)
            return await self.find(application_id) or submission
        except (RedisError, OSError) as error:
            raise _unavailable() from error

    async def find(self, application_id: str) -> Submission | None:
        try:
            stored = await self._redis.get(_key(application_id))
        except (RedisError, OSError) as error:
            raise _unavailable() from error
        return None if stored is None else msgspec.msgpack.decode(stored, type=Submission)


def _unavailable() -> Problem:
    return Problem(
        503,
        "store-unavailable",
        "Store unavailable",
        "Applications cannot be taken at the moment; send the same request again.",
        retry_after=5,
    )


def _key(application_id: str) -> str:
    return f"relief:intake:submission:{application_id}"
