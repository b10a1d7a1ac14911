"""Every service's migrations, applied by the role that owns the schemas; the services' own roles define nothing."""

from pathlib import Path
from typing import Final

from deploy.postgres.roles import SERVING
from shared.streaming.postgres_store import migrate

_SERVICES: Final = Path(__file__).parents[2] / "services"


async def migrate_all(url: str) -> None:
    """`url`: a connection string of the owner. Raises Retry without a server, psycopg.Error for what is refused."""
    for service in SERVING:
        await migrate(url, service, _SERVICES / service / "store" / "migrations")
