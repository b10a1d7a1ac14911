"""`relief policy docs`: the pack and the rules as a document for policy officers, made from what decides."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, NamedTuple

import typer

from services.cli.terminal import CommandError, err, sentence_on_failure
from services.eligibility import packs
from services.eligibility.domain import contributions, holdover, refund
from shared.money import yuan

Content = dict[str, Any]


class Part(NamedTuple):
    """Measures that one rule decides, and the file of the pack it reads."""

    title: str
    measures: tuple[str, ...]
    rule: ModuleType
    file: str


class Reading(NamedTuple):
    """Where the text leaves room. `keys`: the values of the pack that answer; none: the rule does, as `answer` says."""

    question: str
    keys: tuple[str, ...]
    switch: str
    answer: str = ""


PARTS = (
    Part(
        "M1 and M4: contributions waived, and returned where they were paid",
        ("M1", "M4"),
        contributions,
        "contributions.yaml",
    ),
    Part("M2: unemployment premium returned", ("M2",), refund, "refund.yaml"),
    Part("M3 and M5: utility fees and housing provident fund deferred", ("M3", "M5"), holdover, "holdover.yaml"),
)
_IN_THE_RULE = "A change of the rule."
READINGS = (
    Reading(
        "How much less is the medical premium?",
        ("contributions.yaml:rates.medical.sme",),
        "Change its values; 10000 is all of the employer part.",
    ),
    Reading(
        "Do large enterprises pay less medical premium?",
        ("contributions.yaml:rates.medical.large",),
        "Change its values; 5000 is half of the employer part.",
    ),
    Reading(
        "Who gets the refund?",
        tuple(f"refund.yaml:rates.{size}.{place}" for size in ("large", "sme") for place in ("southern", "other")),
        "Change the values of `large`; null is no refund.",
    ),
    Reading(
        'The text joins the layoff limits by "and". What does the second one mean?',
        ("refund.yaml:small_layoff_limit",),
        "Set it to the value of `layoff_limit`: then that limit holds for all.",
    ),
    Reading(
        "Are the directly administered cities southern?",
        ("prefectures.yaml:prefectures.659000",),
        "Set its `southern`.",
    ),
    Reading(
        "When are the measures open?",
        ("window.yaml:window",),
        "Change `first_day` and `last_day` for the refund and deferrals, the dates of the rates for contributions.",
    ),
    Reading(
        "Is an enterprise served that no longer exists?",
        ("window.yaml:still_registered",),
        "The pack states it, the rule compares: before the month's first day, before the window's (refund), on or "
        "before the application's (deferral). Another reading is a change of the rule.",
    ),
    Reading(
        "When and how are deferred fees repaid?",
        ("holdover.yaml:repay_from", "holdover.yaml:instalments", "holdover.yaml:grace_days"),
        "Change the values.",
    ),
    Reading(
        "On which day is the size taken?",
        (),
        _IN_THE_RULE,
        "The month's first day; 31 December of the reference year (refund); the application's day (deferral).",
    ),
    Reading(
        "Layoff rate of what?",
        (),
        _IN_THE_RULE,
        "Layoffs of the year over the mean of its months that have a report; a month without a layoff report counts 0.",
    ),
    Reading(
        "How much of what was paid is returned?",
        (),
        _IN_THE_RULE,
        "All that is beyond what is still due, not only up to the amount waived.",
    ),
    Reading(
        "To which account does money go?",
        (),
        _IN_THE_RULE,
        "To that of the newest registration known, even if it is not in force yet.",
    ),
)


_INTRODUCTION = (
    "A value is in force from the day before it until the next one; `none` is a repeal, or no relief at all. Money is",
    "counted in fen, shares in basis points (10000 are all of it). A change is a new pack: copy the directory, change",
    "the values, check it with `relief policy check`, try its cases with `relief policy test`, see what it costs with",
    "`relief policy compare`, and put it in force with `relief policy activate`.",
)


@sentence_on_failure
def docs(
    pack: Annotated[str, typer.Argument(help="an installed policy pack, or a pack's directory")] = "xinjiang-2020",
    to: Annotated[
        Path | None, typer.Option("--out", help="write the document here, and not to standard output")
    ] = None,
    check: Annotated[Path | None, typer.Option(help="only see whether this file is current; else exit code 1")] = None,
) -> None:
    """Print a pack as a document: each measure, its text, its values by date, the readings, sizes and places."""
    written = document(pack)
    if check is not None:
        if not check.is_file() or check.read_text("utf-8") != written:
            raise CommandError(f"{check} is not current; make it anew with `relief policy docs {pack} --out {check}`.")
    elif to is not None:
        to.write_text(written, "utf-8")
        err.print(f"The policy is in {to}.", markup=False, soft_wrap=True)
    else:
        typer.echo(written, nl=False)


def document(name: str) -> str:
    """The pack in Markdown, and what the other installed packs have otherwise. Stop where it is not right."""
    loaded = packs.load_with_content(packs.directory_of(name))
    content, ref = loaded.content, loaded.pack.ref
    others = [other for sha256 in packs.installed() if sha256 != ref.sha256 and (other := packs.content(sha256))]
    lines = [
        f"# Policy pack {ref.pack}, version {ref.version}",
        "",
        "Made by `relief policy docs` from the pack's files and the rules; change those, and make it anew.",
        "",
        f"- Jurisdiction: {content['pack.yaml']['jurisdiction']}",
        f"- Source: {content['pack.yaml']['source']}",
        f"- SHA-256 of the content: `{ref.sha256}`",
        "",
        *_INTRODUCTION,
        "",
        "## Measures",
        *(line for part in PARTS for line in _measure(part, content)),
        "",
        "### For every measure",
        "",
        *_parameters("window.yaml", content),
        "",
        "M6 to M9 are granted by other bodies; no value of this pack decides them.",
        "",
        "## Readings, and how to switch them",
        "",
        *_table(
            ("question", "our reading", "where", "to switch it"),
            [(r.question, *_reading(r, content), r.switch) for r in READINGS],
        ),
        "",
        "## Size standard",
        "",
        *_sizes(content["sizes.yaml"]),
        "",
        "## Prefectures",
        "",
        *_prefectures(content["prefectures.yaml"]),
        *(line for other in others for line in _differences(content, other)),
    ]
    return "\n".join(lines) + "\n"


def parameters(file: str, content: Content) -> Iterator[tuple[str, Content]]:
    """Key and content of everything in a file that states a sentence, in the file's order."""

    def within(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Content]]:
        if isinstance(value, dict):
            if "sentence" in value:
                yield f"{file}:{'.'.join(path)}".removesuffix(":"), value
                return
            for name, inner in value.items():
                yield from within(inner, (*path, name))

    yield from within(content[file], ())


def _measure(part: Part, content: Content) -> Iterator[str]:
    yield from ("", f"### {part.title}", "")
    yield "\n>\n".join(f"> {_flat(paragraph)}" for paragraph in (part.rule.__doc__ or "").strip().split("\n\n"))
    yield from ("", f"The rule is `{part.rule.__name__.replace('.', '/')}.py`; its values:", "")
    yield from _parameters(part.file, content)


def _parameters(file: str, content: Content) -> Iterator[str]:
    rows = [
        (f"`{key}`", stated["sentence"], _in_force(stated), stated["unit"], stated["citation"])
        for key, stated in parameters(file, content)
    ]
    yield from _table(("value", "what it says", "in force", "unit", "citation"), rows)


def _reading(reading: Reading, content: Content) -> tuple[str, str]:
    """Our answer, and where it stands with what stands there."""
    if not reading.keys:
        return reading.answer, "the rule"
    readings, sentences, values = [], [], []
    for key in reading.keys:
        stated = at(key, content)
        shown = _in_force(stated).replace("<br>", "; ") if "sentence" in stated else _southern(stated)
        values.append(f"`{key}` ({shown})")
        sentences.append(stated.get("sentence", f"{stated.get('name')}: {shown}."))
        _, _, ours = stated.get("citation", "").partition("Reading: ")
        readings += [ours[0].upper() + ours[1:]] if ours else []
    return " ".join(dict.fromkeys(readings or sentences)), "<br>".join(values)


def _southern(prefecture: Content) -> str:
    return "southern" if prefecture["southern"] else "not southern"


def at(key: str, content: Content) -> Content:
    """What stands at `file:path.of.keys`; KeyError where nothing does."""
    file, _, path = key.partition(":")
    found: Content = content[file]
    for name in path.split("."):
        found = found[name]
    return found


def _in_force(stated: Content) -> str:
    if "first_day" in stated:
        return f"{stated['first_day']} to {stated['last_day']}"
    shown = [f"{dated['since']}: {_value(dated['value'], stated['unit'])}" for dated in stated.get("values", ())]
    return "<br>".join(shown) or "always"


def _value(value: Any, unit: str) -> str:
    if value is None:
        return "none"
    return f"{value} ({yuan(value).removesuffix('.00')} %)" if unit.startswith("basis points") else str(value)


def _sizes(file: Content) -> Iterator[str]:
    yield f"{file['sentence']} {file['citation']}; in force from {file['since']}."
    yield "A class needs every bound in its column (at least so many); the highest class met counts; none met is micro."
    yield "Revenue and assets in million yuan."
    yield ""
    rows = []
    for code, row in file["industries"].items():
        rows.append((f"`{code}`", row["name"], *(_bounds(row[size]) for size in ("large", "medium", "small"))))
    yield from _table(("industry", "", "large", "medium", "small"), rows)


def _bounds(bounds: dict[str, int | None]) -> str:
    shown = []
    for name, value in bounds.items():
        if value is not None:
            whole, rest = divmod(value, 1_000_000)
            millions = f"{whole}.{rest:06d}".rstrip("0").rstrip(".")
            shown.append(f"{value} employees" if name == "employees" else f"{name} {millions}")
    return ", ".join(shown)


def _prefectures(file: Content) -> Iterator[str]:
    yield f"{file['sentence']} {file['citation']}; in force from {file['since']}."
    yield ""
    rows = [(f"`{code}`", row["name"], "yes" if row["southern"] else "") for code, row in file["prefectures"].items()]
    yield from _table(("code", "name", "southern"), rows)


def _differences(content: Content, other: Content) -> Iterator[str]:
    """What another installed pack has otherwise; a table of values, as `relief policy compare` shows their cost."""
    about = other["pack.yaml"]
    yield from ("", f"## What {about['name']}, version {about['version']}, has otherwise", "")
    rows = []
    for file in content:
        mine = dict(parameters(file, content))
        for key, stated in parameters(file, other):
            before = mine.get(key)
            if before is None or _in_force(before) != _in_force(stated):
                was = "not there" if before is None else _in_force(before)
                rows.append((f"`{key}`", was, _in_force(stated), stated["citation"]))
    yield from _table(("value", "here", "there", "citation"), rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(_flat(cell).replace('|', '/') for cell in row)} |"


def _flat(text: str) -> str:
    return " ".join(text.split())
