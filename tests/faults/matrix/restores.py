"""Faults of those who keep copies: a service's tables set back to an older copy while the log kept everything."""

from collections.abc import Callable

from tests.faults.matrix.ground import Ground
from tests.faults.matrix.load import wait_until
from tests.integration.copies import dump, refusal, restore, rows

_LATER_ROWS = 20  # after the copy was made, at least: what the copy lacks


def set_back(service: str) -> Callable[[Ground], str]:
    """The service goes on by itself from the older copy."""

    def inject(ground: Ground) -> str:
        with ground.load.flowing():
            copy = dump(ground.running, service, "yesterday")
            _go_on(ground, service)
            _stop(ground, service)
            lost = restore(ground.running, service, copy)
            ground.load.was_hurt()
            _start(ground, service)
        return f"the tables of {service} restored from a copy that lacks {lost} rows of what it keeps"

    return inject


def set_back_and_refused(service: str, reason: str) -> Callable[[Ground], str]:
    """The service may not go on from it, and says so; then the operator restores the copy of its last commit."""

    def inject(ground: Ground) -> str:
        with ground.load.flowing():
            copy = dump(ground.running, service, "yesterday")
            _go_on(ground, service)
            _stop(ground, service)
            last = dump(ground.running, service, "last")
            lost = restore(ground.running, service, copy)
            said = refusal(ground.running, service)
            assert reason in said, f"{service} says something else: {said}"
            _stop(ground, service)
            restore(ground.running, service, last)
            ground.load.was_hurt()
            _start(ground, service)
        return (
            f"the tables of {service} restored from a copy that lacks {lost} rows: it did not start ({said}); after "
            "the operator's step, a copy of its last commit, it went on"
        )

    return inject


def _stop(ground: Ground, service: str) -> None:
    for replica in range(ground.replicas):
        ground.stack.stop_service(service, replica)


def _start(ground: Ground, service: str) -> None:
    for replica in range(ground.replicas):
        ground.stack.start_service(service, replica)


def _go_on(ground: Ground, service: str) -> None:
    wanted = rows(ground.running, service) + _LATER_ROWS
    wait_until(lambda: rows(ground.running, service) >= wanted, f"what {service} does after the copy was made", 120)
