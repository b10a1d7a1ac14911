"""What eligibility is told by its environment (RELIEF_ variables)."""

from shared.store_access import RedisAccess


class Settings(RedisAccess):
    """The pack in force comes from the log; packs ship with the code."""
