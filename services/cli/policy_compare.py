"""`relief policy compare`: who would gain, who would lose and what it would cost, if another pack were in force."""

import csv
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.table import Table

from services.cli.decide import opened
from services.cli.deciding import gather, shown
from services.cli.policy_plot import check_plot, draw
from services.cli.terminal import CommandError, out, print_json, progress_over, sentence_on_failure
from services.eligibility import packs
from services.eligibility.domain.pack import Pack
from services.eligibility.domain.state import Enterprise
from services.eligibility.domain.step import standing_verdicts
from services.eligibility.domain.verdict import Verdict
from shared.contracts.vocabulary import PREFECTURES
from shared.money import yuan

MEASURES = ("exemption", "contribution_return", "refund", "holdover")
SIZES = ("large", "medium", "small", "micro", "")
# What an exemption sets free again where it was paid already: its cost is the exemption's.
_WITHIN_ANOTHER = "contribution_return"
# (measure, prefecture, size class); the last two are empty for an application without a registration.
Group = tuple[str, str, str]


@dataclass(slots=True)
class Tally:
    """Of one group: enterprises with a decision under either pack, and what A and B grant them (amounts in fen)."""

    enterprises: int = 0
    gainers: int = 0
    losers: int = 0
    granted_a: int = 0
    granted_b: int = 0
    amount_a_fen: int = 0
    amount_b_fen: int = 0

    @property
    def difference_fen(self) -> int:
        return self.amount_b_fen - self.amount_a_fen

    def add(self, granted: "Granted") -> None:
        """One enterprise: it gains by a higher sum, or by the same sum with more grants (a holdover has no amount)."""
        self.enterprises += 1
        self.granted_a += granted.count_a
        self.granted_b += granted.count_b
        self.amount_a_fen += granted.fen_a
        self.amount_b_fen += granted.fen_b
        a, b = (granted.fen_a, granted.count_a), (granted.fen_b, granted.count_b)
        self.gainers += b > a
        self.losers += b < a


@dataclass(slots=True)
class Granted:
    """What one enterprise is granted in one group under A and under B."""

    fen_a: int = 0
    fen_b: int = 0
    count_a: int = 0
    count_b: int = 0

    def add(self, a: Verdict | None, b: Verdict | None) -> None:
        if a is not None and a.outcome == "granted":
            self.fen_a += a.amount_fen
            self.count_a += 1
        if b is not None and b.outcome == "granted":
            self.fen_b += b.amount_fen
            self.count_b += 1


@dataclass(slots=True)
class Comparison:
    """Tallies of every group, and along each of its three sides; an enterprise counts once in each tally.

    All but `measures` and `groups` leave returns of contributions out: they are part of what the exemption costs.
    """

    total: Tally = field(default_factory=Tally)
    measures: dict[str, Tally] = field(default_factory=dict)
    prefectures: dict[str, Tally] = field(default_factory=dict)
    sizes: dict[str, Tally] = field(default_factory=dict)
    groups: dict[Group, Tally] = field(default_factory=dict)

    def add(self, under_a: Iterable[Verdict], under_b: Iterable[Verdict]) -> None:
        """One enterprise, with all its verdicts under either pack."""
        granted: dict[Group, Granted] = {}
        for a, b in _pairs(under_a, under_b):
            granted.setdefault(_group(a, b), Granted()).add(a, b)
        total: dict[None, Granted] = {}
        measures: dict[str, Granted] = {}
        prefectures: dict[str, Granted] = {}
        sizes: dict[str, Granted] = {}
        for group, one in granted.items():
            measure, prefecture, size = group
            self.groups.setdefault(group, Tally()).add(one)
            _sum(measures, measure, one)
            if measure != _WITHIN_ANOTHER:
                _sum(prefectures, prefecture, one)
                _sum(sizes, size, one)
                _sum(total, None, one)
        for tallies, sums in ((self.measures, measures), (self.prefectures, prefectures), (self.sizes, sizes)):
            for name, one in sums.items():
                tallies.setdefault(name, Tally()).add(one)
        for one in total.values():
            self.total.add(one)

    def sides(self) -> Iterator[tuple[str, dict[str, Tally]]]:
        """(what a side is called, its tallies in the usual order)."""
        for name, tallies, order in (
            ("measure", self.measures, MEASURES),
            ("prefecture", self.prefectures, (*PREFECTURES, "")),
            ("size class", self.sizes, SIZES),
        ):
            yield name, {key: tallies[key] for key in order if key in tallies}


def compare_enterprises(enterprises: Iterable[tuple[str, Enterprise]], a: Pack, b: Pack) -> Comparison:
    """Decides each enterprise under both packs, from the same facts."""
    comparison = Comparison()
    for _, enterprise in enterprises:
        comparison.add(standing_verdicts(enterprise, a), standing_verdicts(enterprise, b))
    return comparison


@sentence_on_failure
def compare(
    pack_a: Annotated[str, typer.Argument(help="an installed policy pack, or a pack's directory")],
    pack_b: Annotated[str, typer.Argument(help="the pack to hold against it")],
    facts: Annotated[Path, typer.Option(help="upstream events as for `relief decide`; `-` for standard input")],
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="write every measure, prefecture and size class here")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="draw the cost into this file (.svg or .png)")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Decide the same facts under two packs: gainers, losers and cost by measure, prefecture and size class.

    Decisions are grouped as PACK_A groups them; those that only PACK_B makes, as PACK_B does.
    """
    a, b = packs.named(pack_a), packs.named(pack_b)
    check_plot(plot)
    for file in (csv_file, plot):
        if file is not None and not file.absolute().parent.is_dir():
            raise CommandError(f"There is no directory {file.absolute().parent} to write {file.name} into.")
    rejected = 0

    def count(_: object) -> None:
        nonlocal rejected
        rejected += 1

    with opened(facts) as source, closing(gather(progress_over(source, facts, "reading"), None, count)) as found:
        comparison = compare_enterprises(shown(found, "comparing"), a, b)
    if csv_file is not None:
        with csv_file.open("w", encoding="utf-8", newline="") as rows:
            write_csv(comparison, rows)
    if plot is not None:
        draw(list(comparison.sides()), (_name(a), _name(b)), plot)
    if as_json:
        print_json(as_plain(comparison, a, b, rejected))
    else:
        _print(comparison, a, b, rejected)


def write_csv(comparison: Comparison, file: TextIO) -> None:
    """One row per measure, prefecture and size class; amounts in fen."""
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(("measure", "prefecture", "size_class", *_fields(Tally())))
    for group, tally in sorted(comparison.groups.items(), key=lambda item: _place(item[0])):
        rows.writerow((*group, *_fields(tally).values()))


def as_plain(comparison: Comparison, a: Pack, b: Pack, rejected: int) -> dict[str, Any]:
    plain: dict[str, Any] = {"a": asdict(a.ref), "b": asdict(b.ref), "rejected_lines": rejected}
    plain["total"] = _fields(comparison.total)
    for side, tallies in comparison.sides():
        plain[f"by_{side.replace(' ', '_')}"] = {name: _fields(tally) for name, tally in tallies.items()}
    return plain


def _pairs(under_a: Iterable[Verdict], under_b: Iterable[Verdict]) -> Iterator[tuple[Verdict | None, Verdict | None]]:
    """The verdicts on the same (measure, key); None where a pack decides nothing."""
    of_b = {(verdict.measure, verdict.key): verdict for verdict in under_b}
    for verdict in under_a:
        yield verdict, of_b.pop((verdict.measure, verdict.key), None)
    for verdict in of_b.values():
        yield None, verdict


def _group(a: Verdict | None, b: Verdict | None) -> Group:
    named = a if a is not None else b
    assert named is not None, "a pair has at least one side"
    return named.measure, named.prefecture or "", named.size_class or ""


def _sum(sums: dict[Any, Granted], name: str | None, one: Granted) -> None:
    held = sums.setdefault(name, Granted())
    held.fen_a += one.fen_a
    held.fen_b += one.fen_b
    held.count_a += one.count_a
    held.count_b += one.count_b


def _fields(tally: Tally) -> dict[str, int]:
    return {**asdict(tally), "difference_fen": tally.difference_fen}


def _place(group: Group) -> tuple[int, str, int]:
    measure, prefecture, size = group
    return MEASURES.index(measure), prefecture, SIZES.index(size)


def _name(pack: Pack) -> str:
    return f"{pack.ref.pack} {pack.ref.version} ({pack.ref.sha256[:8]})"


def _print(comparison: Comparison, a: Pack, b: Pack, rejected: int) -> None:
    out.print(f"A: {_name(a)}", f"B: {_name(b)}", sep="\n", markup=False, highlight=False)
    for side, tallies in comparison.sides():
        table = Table(side, title=f"By {side}")
        for heading in ("enterprises", "gainers", "losers", "A, CNY", "B, CNY", "B - A, CNY"):
            table.add_column(heading, justify="right")
        for name, tally in tallies.items():
            _add_row(table, f"{name} *" if name == _WITHIN_ANOTHER else name or "(not registered)", tally)
        _add_row(table, "total", comparison.total)
        out.print(table)
    out.print("* What the exemption sets free of what was paid already: within its cost, not in the total.")
    if rejected:
        out.print(f"Rejected lines, which play no part: {rejected:,}. `relief decide` lists them.")


def _add_row(table: Table, name: str, tally: Tally) -> None:
    counts = (f"{count:,}" for count in (tally.enterprises, tally.gainers, tally.losers))
    table.add_row(name, *counts, *map(yuan, (tally.amount_a_fen, tally.amount_b_fen, tally.difference_fen)))
