"""Starts the process manager and stops it unless told to let it stay (a script: `python -I guard.py LOCK COMMAND...`).

`relief up` holds the other end of standard input. The line "stay" lets the stack outlive it. End of file without that
line, by whatever death of `relief up`, stops everything. LOCK is the stack's lock as a file descriptor, held while the
stack comes up and goes down, but not from the line "up" to the end. The first line of standard output is the process
manager's id.
"""

import contextlib
import fcntl
import select
import signal
import subprocess
import sys

GRACE_SECONDS = 5.0


def main() -> int:
    # A terminal's Ctrl-C and hang-up are for `relief up`; the guard acts on the pipe. supervisord sets both anew.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    lock = int(sys.argv[1])
    manager = subprocess.Popen(  # noqa: S603
        sys.argv[2:],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=sys.stderr,
        start_new_session=True,
    )
    stay = False
    try:
        # `relief up` may be gone already; then standard input is at its end.
        with contextlib.suppress(BrokenPipeError):
            print(manager.pid, flush=True)  # noqa: T201
        stay = told_to_stay(manager, lock)
    finally:
        if not stay:
            stop(manager, lock)
    return 0 if stay else 1


def told_to_stay(manager: "subprocess.Popen[bytes]", lock: int) -> bool:
    """False at end of file, and when the process manager ended by itself."""
    while manager.poll() is None:
        if not select.select([sys.stdin], [], [], 0.2)[0]:
            continue
        match sys.stdin.readline():
            case "up\n":
                fcntl.flock(lock, fcntl.LOCK_UN)
            case "stay\n":
                return True
            case _:
                return False
    return False


def stop(manager: "subprocess.Popen[bytes]", lock: int) -> None:
    """Gently, then not: what it started dies with it (see launch.py)."""
    # Held by another when that one is stopping the stack too; then there is nothing to keep it from.
    with contextlib.suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    manager.terminate()
    try:
        manager.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        manager.kill()
        manager.wait()


if __name__ == "__main__":
    sys.exit(main())
