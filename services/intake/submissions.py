"""Applications as they come in over HTTP: remembered before they are published, so that a repeat is the same event."""

from typing import Any

import msgspec
from msgspec import Struct
from redis.exceptions import RedisError

from shared.problems import Problem


class Submission(Struct, array_like=True, frozen=True):
    """Enough to make the same event from the same request again, and nothing personal.

    `asked`: digest of the request's body, which tells a repeat from another request under the same key.
    """

    uscc: str
    asked: bytes
    received_at: str  # RFC 3339


class Submissions:
    """Kept in Redis. What is lost with Redis comes back with the sender's repeat: the event's id derives from it."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis

    async def remember(self, application_id: str, submission: Submission) -> Submission:
        """The first submission under this id: the given one, unless one was there before. Raises Problem 503."""
        try:
            await self._redis.set(_key(application_id), msgspec.msgpack.encode(submission), nx=True)
        except (RedisError, OSError) as error:
            raise _unavailable() from error
        return await self.find(application_id) or submission

    async def find(self, application_id: str) -> Submission | None:
        """None where nothing was submitted under this id. Raises Problem 503."""
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
        "Applications cannot be taken or looked up at the moment; send the same request again.",
        retry_after=5,
    )


def _key(application_id: str) -> str:
    return f"relief:intake:submission:{application_id}"
