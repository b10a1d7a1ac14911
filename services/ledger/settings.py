"""What ledger is told by its environment (RELIEF_ variables)."""

from shared.store_access import PostgresAccess


class Settings(PostgresAccess):
    """Nothing but what it stands on."""
