"""`python -m tests.faults.overload`: ten times what this machine can take, and whether every promise held."""

import argparse
import logging
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.faults.matrix.ground import Needs, prepare
from tests.faults.overload.trial import CEILING_MB, TIMES, Figures, Wanted, tried

out = Console(highlight=False, width=max(Console().width, 110))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.overload", description=__doc__)
    parser.add_argument("--seconds", type=float, default=Wanted.seconds, help="of overload")
    parser.add_argument("--most", type=int, default=Wanted.most, help="records to prepare at most")
    options = parser.parse_args(arguments)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="relief-overload-") as directory:
        ground = prepare(Path(directory) / "ground", 1, Needs())
        try:
            wanted = Wanted(options.seconds, options.most)
            figures = tried(ground.running, Path(directory), wanted, out.print)
        finally:
            ground.close()
    print_table(figures)
    for sentence in figures.broken:
        out.print(f"broken: {sentence}", style="red", markup=False, soft_wrap=True)
    return 1 if figures.broken else 0


def print_table(figures: Figures) -> None:
    table = Table(title="Overload")
    table.add_column("what", no_wrap=True)
    table.add_column("figure", justify="right")
    heard = figures.heard
    memory = ", ".join(f"{name} {megabytes}" for name, megabytes in figures.memory_mb.items())
    for what, figure in (
        ("records a second through all services", f"{figures.sustainable:,.0f}"),
        ("records sent, times what is sustainable", f"{figures.sent:,}, {figures.times:.1f} (wanted {TIMES})"),
        ("seconds of overload", f"{figures.fed_seconds:.0f}"),
        ("seconds until the lag was zero again", f"{figures.recovered_seconds:.0f}"),
        ("requests answered", f"{heard.answers:,}"),
        ("of those 429, 503", f"{heard.shed(429):,}, {heard.shed(503):,}"),
        ("slowest answer, seconds", f"{heard.slowest:.1f}"),
        ("applications taken, all known later", f"{len(heard.applications)}"),
        ("probes answered, the slowest in seconds", f"{heard.probes:,}, {heard.slowest_probe:.1f}"),
        (f"most memory, MB (ceiling {CEILING_MB})", memory),
        ("promises broken", str(len(figures.broken))),
    ):
        table.add_row(what, figure)
    out.print(table)


if __name__ == "__main__":
    sys.exit(main())
