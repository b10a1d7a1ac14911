"""What ledger is told by its environment (RELIEF_ variables)."""

from pydantic import Field

from shared.service import ServiceSettings


class Settings(ServiceSettings):
    postgres_url: str = Field(min_length=1)
