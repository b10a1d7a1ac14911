"""What intake is told by its environment (RELIEF_ variables)."""

from typing import Annotated, Literal

from pydantic import Field

from shared.store_access import RedisAccess


class Settings(RedisAccess):
    # auto: start each calendar day (Asia/Shanghai) as it comes. manual: an operator or the demo does.
    clock: Literal["auto", "manual"] = "manual"
    # More missed days than this are not started without an operator: a wrong host clock must not move money.
    clock_days_at_most: Annotated[int, Field(ge=1, le=366)] = 7
