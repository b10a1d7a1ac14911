import socket
from collections.abc import Iterator

import pytest

from deploy.local.ports import FREE_RANGE, HOST, NoPort, choose, is_free, is_open


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def test_the_preferred_port_is_taken_when_it_is_free(listener: int) -> None:
    free = choose([], [])
    assert choose([listener, free], []) == free


def test_a_port_that_another_program_listens_on_is_not_chosen(listener: int) -> None:
    assert not is_free(listener)
    assert is_open(listener)
    assert choose([listener], []) in FREE_RANGE


def test_a_port_promised_to_another_program_of_the_stack_is_not_chosen() -> None:
    free = choose([], [])
    assert choose([free], [free]) != free


def test_connections_that_linger_after_a_server_do_not_hold_its_port() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection((HOST, port)):
            accepted, _ = server.accept()
            accepted.close()  # the server's side closes first, so its port stays in TIME_WAIT
    assert is_free(port)


def test_no_free_port_is_an_error() -> None:
    with pytest.raises(NoPort):
        choose([], FREE_RANGE)
