"""What becomes of commits: one that is lost, one that is done and told to have failed, a process that dies."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal, NamedTuple, get_args

import psycopg
from psycopg import AsyncConnection

What = Literal["lost", "unknown", "dies before", "dies after"]
WHATS: tuple[What, ...] = get_args(What)


class Fate(NamedTuple):
    """What becomes of the `nth` commit from now, from 0."""

    nth: int
    what: What


class Died(BaseException):
    """The process ends here."""


class Shaky(AsyncConnection[tuple[Any, ...]]):
    """A connection whose commits end as fate has it. `fired`: what has happened since it was armed."""

    fate: ClassVar[Fate | None] = None
    fired: ClassVar[What | None] = None

    async def commit(self) -> None:
        fate, nth = Shaky.fate, 0
        if fate is not None:
            nth = fate.nth
            Shaky.fate = Fate(nth - 1, fate.what)
        if fate is None or nth != 0:
            await super().commit()
            return
        Shaky.fired = fate.what
        if fate.what in ("unknown", "dies after"):
            await super().commit()
        await self.close()
        if fate.what in ("lost", "unknown"):
            raise psycopg.OperationalError("the connection was lost")
        raise Died


@contextmanager
def armed(fate: Fate | None) -> Iterator[None]:
    """While inside, commits of every shaky connection count."""
    Shaky.fate, Shaky.fired = fate, None
    try:
        yield
    finally:
        Shaky.fate = None
