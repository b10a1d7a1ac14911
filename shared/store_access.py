"""How a service reaches PostgreSQL and Redis, and who it is there, from RELIEF_ variables.

TLS is asked for in the addresses: `?sslmode=verify-full&sslrootcert=FILE` of a postgresql:// one, `?ssl_ca_certs=FILE`
of a rediss:// one.
"""

from pathlib import Path
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr

from shared.keyfiles import read_password
from shared.service import ServiceSettings
from shared.streaming.errors import Stop

_NO_REDIS = "RELIEF_REDIS_URL is no Redis address; it looks like redis://user@host:6379/0."


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
            _only_one("POSTGRES", told.get("password"))
            told["password"] = read_password(self.postgres_password_file)
        elif self.postgres_passwords_dir is not None and told.get("password") is None:
            told["user"] = f"relief_{service}"
            told["password"] = read_password(self.postgres_passwords_dir / f"relief_{service}.password")
        return make_conninfo("", **told)


class RedisAccess(ServiceSettings):
    """As with PostgreSQL; in a directory of passwords a service's user has the service's name."""

    redis_url: SecretStr = Field(min_length=1)
    redis_password_file: Path | None = None
    redis_passwords_dir: Path | None = None

    def redis(self, service: str) -> str:
        """An address with user and password. Raises Stop and KeyFileError, which never hold any of it."""
        return redis_address(
            self.redis_url.get_secret_value(), service, self.redis_password_file, self.redis_passwords_dir
        )


def redis_address(url: str, user: str, password_file: Path | None, passwords_dir: Path | None) -> str:
    """As `RedisAccess` says, for whoever has the variables from elsewhere."""
    try:
        parts = urlsplit(url)
        named, told, _ = parts.username or "", parts.password, parts.port
    except ValueError:
        raise Stop(_NO_REDIS) from None
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise Stop(_NO_REDIS)
    if password_file is not None:
        _only_one("REDIS", told)
        password = read_password(password_file)
    elif passwords_dir is not None and told is None:
        named = user
        password = read_password(passwords_dir / f"{user}.password")
    else:
        return url
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{named}:{quote(password, safe='')}@{place}").geturl()


def _only_one(server: str, password: object) -> None:
    if password is not None:
        raise Stop(
            f"RELIEF_{server}_URL holds a password and RELIEF_{server}_PASSWORD_FILE names another: "
            "take one of them away."
        )
