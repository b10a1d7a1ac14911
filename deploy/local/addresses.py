"""Addresses as they are shown: without the password that one may hold."""

import re

_IN_URL = re.compile(r"//([^:/?#@]*):.*@")
_NAMED = re.compile(r"\bpassword=(?:'(?:[^'\\]|\\.)*'|[^\s&]*)")


def shown(address: str) -> str:
    """The address of a server, a URL or a connection string, for a person to read."""
    return _NAMED.sub("password=***", _IN_URL.sub(r"//\1@", address))
