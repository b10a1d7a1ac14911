"""What eligibility is told by its environment (RELIEF_ variables)."""

from pydantic import Field

from shared.service import ServiceSettings


class Settings(ServiceSettings):
    """The pack in force comes from the log; packs ship with the code."""

    redis_url: str = Field(min_length=1)
