import os
import socket
import subprocess
import sys

from deploy.local.identity import Identity, identify, listens
from deploy.local.ports import HOST


def test_a_running_process_is_itself_and_not_an_earlier_owner_of_its_id() -> None:
    me = identify(os.getpid())
    assert me is not None
    assert me.alive()
    assert not Identity(me.pid, "another birth").alive()


def test_a_process_that_ended_is_not_alive_even_before_its_parent_asks() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    seen = identify(child.pid)
    assert seen is not None
    assert seen.alive()
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not seen.alive()
    child.communicate()


def test_a_port_belongs_to_the_process_that_listens_on_it() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        assert listens(os.getpid(), port)
        assert not listens(os.getppid(), port + 1)
