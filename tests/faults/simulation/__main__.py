"""`python -m tests.faults.simulation --seeds 5000 [--from S]`: histories by the thousand; the first failure, shrunk."""

import argparse
import sys
import time

from tests.faults.simulation.plan import Plan, draw
from tests.faults.simulation.running import Outcome, quiet, run, shrink


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first seed")
    asked = parser.parse_args()
    began = time.perf_counter()
    with quiet():
        for number, seed in enumerate(range(asked.first, asked.first + asked.seeds), 1):
            plan = draw(seed)
            outcome = run(plan)
            if outcome.wrong is not None:
                say(report(plan, outcome))
                return 1
            if number % 1000 == 0:
                say(_rate(number, began))
    say(f"no history went wrong: {_rate(asked.seeds, began)}")
    return 0


def report(plan: Plan, outcome: Outcome) -> str:
    """Why, the smallest plan that fails, what happened in it, and how to see it again."""
    least = shrink(plan, lambda fewer: run(fewer).wrong is not None)
    again = run(least)
    lines = [
        f"seed {plan.seed} ({plan.work}, {plan.kind}, {plan.processes} processes): {outcome.wrong}",
        f"faults drawn: {', '.join(map(str, plan.faults)) or 'none'}",
        f"faults enough: {', '.join(map(str, least.faults)) or 'none'}, then: {again.wrong}",
        *again.notes,
        f"repeat: python -m tests.faults.simulation --from {plan.seed} --seeds 1",
    ]
    return "\n".join(lines)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _rate(histories: int, began: float) -> str:
    return f"{histories} histories, {histories / (time.perf_counter() - began) * 60:.0f} per minute"


if __name__ == "__main__":
    sys.exit(main())
