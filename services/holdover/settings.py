"""What holdover is told by its environment (RELIEF_ variables)."""

from pathlib import Path

from pydantic import Field

from shared.devkeys import ORDERS_PRIVATE
from shared.store_access import PostgresAccess


class Settings(PostgresAccess):
    """The terms of a holdover come from the policy pack of its grant, which the log keeps."""

    # Days before its date that an instalment is announced; kept with each grant, so a change is for later grants.
    remind_days: int = Field(default=7, ge=1, le=20)

    @property
    def signing_keys(self) -> Path:
        """The private keys of orders: the first signs, the older ones stay for what they signed."""
        return self.secrets_dir / ORDERS_PRIVATE
