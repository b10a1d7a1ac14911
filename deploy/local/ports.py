"""Choosing TCP ports on 127.0.0.1.

Between asking and binding another program may take a port, so whoever binds must be ready to come back for another.
"""

import random
import socket
from collections.abc import Collection, Iterable

HOST = "127.0.0.1"
# Below the range from which Linux (32768) and macOS (49152) take the ports of outgoing connections: a server that
# restarts must not find its port held by some client's connection.
FREE_RANGE = range(20000, 32000)


class NoPort(Exception):
    """No port of the free range can be bound."""


def is_free(port: int) -> bool:
    """Whether a server could bind the port now. Connections of an earlier server that linger do not count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def is_open(port: int) -> bool:
    """Whether someone accepts connections on the port."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def choose(preferred: Iterable[int], taken: Collection[int]) -> int:
    """The first preferred port that is free and not in `taken`, else a free one. Raises NoPort."""
    for port in preferred:
        if port not in taken and is_free(port):
            return port
    # Random, so that two stacks that start together seldom try the same ones.
    for port in random.sample(FREE_RANGE, 200):
        if port not in taken and is_free(port):
            return port
    raise NoPort(f"no free port between {FREE_RANGE.start} and {FREE_RANGE.stop - 1} on {HOST}")
