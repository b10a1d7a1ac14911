"""How a service reaches PostgreSQL and Redis, and who it is there, from RELIEF_ variables.

TLS is asked for in the addresses: `?sslmode=verify-full&sslrootcert=FILE` of a postgresql:// one, `?ssl_ca_certs=FILE`
of a rediss:// one.
"""

from pathlib import Path

from pydantic import Field, SecretStr

from shared.keyfiles import read_password
from shared.redis_address import only_one, redis_address
from shared.service import ServiceSettings
from shared.streaming.errors import Stop


class PostgresAccess(ServiceSettings):
    """The password is in the address, in a file, or in the directory as relief_SERVICE.password: then the service is
    that role, whatever role the address names. With none of them the server has to know us in another way.
    """

    postgres_url: SecretStr = Field(min_length=1)
    postgres_password_file: Path | None = None
    postgres_passwords_dir: Path | None = None

    def postgres(self, service: str) -> str:
        """A connection string, with the password. Raises Stop and KeyFileError, which never hold any of it."""
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict, make_conninfo

        try:
            told = conninfo_to_dict(self.postgres_url.get_secret_value())
        except (ProgrammingError, UnicodeDecodeError):
            # Not the library's words: they quote the address.
            raise Stop(
                "RELIEF_POSTGRES_URL is no PostgreSQL address; it looks like postgresql://role@host:5432/database."
            ) from None
        if self.postgres_password_file is not None:
            only_one("POSTGRES", told.get("password"))
            told["password"] = read_password(self.postgres_password_file)
        elif self.postgres_passwords_dir is not None and told.get("password") is None:
            told["user"] = f"relief_{service}"
            told["password"] = read_password(self.postgres_passwords_dir / f"relief_{service}.password")
        return make_conninfo("", **told)


class RedisAccess(ServiceSettings):
    """Of a service whose state is in Redis: it cannot do without."""

    redis_url: SecretStr = Field(min_length=1)

    def redis(self, service: str) -> str:
        """An address with user and password. Raises Stop and KeyFileError, which never hold any of it."""
        return redis_address(
            self.redis_url.get_secret_value(), service, self.redis_password_file, self.redis_passwords_dir
        )
