"""Becomes the program that a plan file describes (a script of its own, run with `python -I -S launch.py PLAN`).

The plan is JSON: enabled, argv, environment (all of it), directory, parent (process id), death_signal, and user (null,
or uid and gid). The program dies by `death_signal` when its parent does, so a killed process manager leaves nothing.
A plan that is not enabled ends at once: so a program can be killed without being started again.
"""

# All imports come before setuid: another user may not be able to read Python's own library.
import ctypes
import json
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123  pathlib would double the start-up time
        plan = json.load(file)
    if not plan["enabled"]:
        return
    if plan["user"] is not None:
        os.setgroups([])
        os.setgid(plan["user"]["gid"])
        os.setuid(plan["user"]["uid"])
    # After setuid, which clears the setting.
    die_with_parent(plan["parent"], plan["death_signal"])
    os.chdir(plan["directory"])
    os.execve(plan["argv"][0], plan["argv"], plan["environment"])  # noqa: S606


def die_with_parent(parent: int, death_signal: int) -> None:
    """Linux only. Elsewhere a killed parent leaves its children to `relief down`."""
    if sys.platform != "linux":
        return
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        sys.exit(f"prctl failed: {os.strerror(ctypes.get_errno())}")
    # The parent may have died before the call.
    if os.getppid() != parent:
        sys.exit("the parent is gone")


if __name__ == "__main__":
    main()
