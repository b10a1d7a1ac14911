"""The plot of a policy comparison: what each pack costs, along each side, as SVG or PNG."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from services.cli.terminal import CommandError

_SUFFIXES = (".svg", ".png")
_FEN_PER_MILLION_CNY = 100_000_000


class Cost(Protocol):
    """What is drawn of a group: who wins, who loses, and the cost under either pack."""

    gainers: int
    losers: int
    amount_a_fen: int
    amount_b_fen: int


def check_plot(path: Path | None) -> None:
    """Before the long work: CommandError if this file could not be drawn after it."""
    if path is None:
        return
    if path.suffix.lower() not in _SUFFIXES:
        raise CommandError(f"A plot is written as .svg or .png, not as {path.name}; name it so.")
    if find_spec("matplotlib") is None:
        raise CommandError("A plot needs matplotlib, which is not installed; install relief with its extra `cli`.")


def draw(sides: Sequence[tuple[str, Mapping[str, Cost]]], names: tuple[str, str], path: Path) -> None:
    """One panel per side, a pair of bars per group in million CNY, beside them how many gain and lose."""
    # Here, because it takes half a second to load.
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # Text as text, and the same bytes from the same figures.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "relief"}):
        heights = [len(costs) + 1 for _, costs in sides]
        figure = Figure(figsize=(11, 2 + 0.45 * sum(heights)), layout="constrained")
        panels = figure.subplots(len(sides), 1, height_ratios=heights, squeeze=False)
        for panel, (side, costs) in zip(panels[:, 0], sides, strict=True):
            _draw_side(panel, side, costs, names)
        figure.suptitle(f"{names[0]} against {names[1]}")
        panels[0, 0].legend(loc="lower right")
        panels[-1, 0].set_xlabel("million CNY; + enterprises that gain, - enterprises that lose")
        figure.savefig(path, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)


def _draw_side(panel: Any, side: str, costs: Mapping[str, Cost], names: tuple[str, str]) -> None:
    for shift, name, fen in (
        (-0.2, names[0], [cost.amount_a_fen for cost in costs.values()]),
        (0.2, names[1], [cost.amount_b_fen for cost in costs.values()]),
    ):
        panel.barh(
            [place + shift for place in range(len(costs))], [f / _FEN_PER_MILLION_CNY for f in fen], 0.4, label=name
        )
    for place, cost in enumerate(costs.values()):
        longest = max(cost.amount_a_fen, cost.amount_b_fen) / _FEN_PER_MILLION_CNY
        panel.text(longest, place, f"  +{cost.gainers:,}  -{cost.losers:,}", va="center", fontsize="small")
    panel.set_yticks(range(len(costs)), [name or "(not registered)" for name in costs])
    panel.set_ylabel(side)
    panel.invert_yaxis()
    # Room for the text beside the longest bar.
    panel.margins(x=0.2)
