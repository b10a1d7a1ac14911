"""Where Redis is and who we are there, in one address, from the variables that say so apart."""

from pathlib import Path
from urllib.parse import quote, urlsplit

from shared.keyfiles import read_password
from shared.streaming.errors import Stop

_NO_REDIS = "RELIEF_REDIS_URL is no Redis address; it looks like redis://user@host:6379/0."


def redis_address(url: str, user: str, password_file: Path | None, passwords_dir: Path | None) -> str:
    """The password is in the address, in a file, or in the directory as USER.password: then the user is that one.

    Raises Stop and KeyFileError, which never hold any of it.
    """
    try:
        parts = urlsplit(url)
        named, told, _ = parts.username or "", parts.password, parts.port
    except ValueError:
        raise Stop(_NO_REDIS) from None
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise Stop(_NO_REDIS)
    if password_file is not None:
        only_one("REDIS", told)
        password = read_password(password_file)
    elif passwords_dir is not None and told is None:
        named = user
        password = read_password(passwords_dir / f"{user}.password")
    else:
        return url
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{named}:{quote(password, safe='')}@{place}").geturl()


def only_one(server: str, password: object) -> None:
    """Stop where an address holds a password and a file another."""
    if password is not None:
        raise Stop(
            f"RELIEF_{server}_URL holds a password and RELIEF_{server}_PASSWORD_FILE names another: "
            "take one of them away."
        )
