"""The cases of a policy pack: files in its folder `cases`, each case a sentence, facts, and the decisions expected.

They are read strictly and run step by step; policy_case_runs.py compares. How to write one: cases/README.md.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from services.eligibility.domain.reasons import Code
from services.eligibility.policy_case_facts import FIRMS, Sent, Telling
from services.eligibility.policy_case_yaml import Node, read
from shared.contracts.vocabulary import INSURANCES, PREFECTURES, Measure, Outcome, SizeClass
from shared.money import yuan
from shared.streaming.errors import Stop

FOLDER = "cases"
NOTHING = "nothing decided"
# No class and no prefecture, as in a pending decision.
NONE = "none"
MEASURES, CODES, CLASSES = get_args(Measure), get_args(Code), get_args(SizeClass)
OUTCOMES = get_args(Outcome)
_DETAILS = ("class", "prefecture", "effective", "delta", "revision")

# Whose decision, on which measure, and the contract's key of it.
Name = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Expected:
    """One decision. Outcome, amount and the set of reason codes always count; what is None is left open."""

    name: Name
    outcome: str
    amount_fen: int
    reasons: frozenset[str]
    at: int
    size_class: str | None = None
    prefecture: str | None = None
    effective_on: str | None = None
    delta_fen: int | None = None
    revision: int | None = None

    @property
    def is_return_of_nothing(self) -> bool:
        """Made only after a return of something, and left out by `relief decide`."""
        return self.name[1] == "contribution_return" and self.amount_fen == 0


@dataclass(frozen=True, slots=True)
class Step:
    """Facts in the order of arrival, and after them all decisions that stand: those expected and no other."""

    sent: tuple[Sent, ...]
    expected: tuple[Expected, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Case:
    """`file` and the `at` of its parts: where it is written. `reading`: the interpretation it hangs on, if it does."""

    name: str
    file: str
    at: int
    reading: str | None
    steps: tuple[Step, ...]

    @property
    def where(self) -> str:
        return f"{self.file}:{self.at}"


def files(directory: Path) -> list[Path]:
    """The case files of a pack's directory; Stop where there are none."""
    found = sorted((directory / FOLDER).glob("*.yaml"))
    if not found:
        raise Stop(f"Policy pack {directory.name} has no cases: there is no *.yaml in its folder {FOLDER}.")
    return found


def load(directory: Path) -> list[Case]:
    """Every case of a pack, in the order of files and lines; Stop with file, line and sentence for the first fault."""
    seen: dict[str, str] = {}
    cases = [case for path in files(directory) for case in load_file(path)]
    for case in cases:
        if case.name in seen:
            raise Stop(f"{case.where}: `{case.name}` is the name of the case at {seen[case.name]} already.")
        seen[case.name] = case.where
    return cases


def load_file(path: Path) -> list[Case]:
    """The cases of one file, which may open with facts that `given` states for all of them."""
    file = f"{path.parent.parent.name}/{FOLDER}/{path.name}"
    fields = read(path, file).fields(("about", "given", "cases"), ("about", "cases"))
    _sentence(fields["about"])
    given = fields["given"].items() if "given" in fields else []
    return [_case(node, given) for node in fields["cases"].items()]


def _case(node: Node, given: list[Node]) -> Case:
    fields = node.fields(("name", "reading", "firm", "facts", "expect", "steps"), ("name",))
    telling = Telling()
    told: list[Sent] = []
    firm = fields.get("firm")
    if firm is None or not firm.is_text():
        told += telling.register(firm)
    else:
        firm.one_of(("unregistered",))
    told += [sent for fact in given for sent in telling.tell(fact)]
    if "steps" in fields:
        for other in ("facts", "expect"):
            if other in fields:
                fields[other].refuse(f"a case has either `{other}` or `steps`.")
        steps = [_step(part, telling, required=("facts", "expect")) for part in fields["steps"].items()]
    else:
        one = {key: value for key, value in fields.items() if key in ("facts", "expect")}
        if "expect" not in one:
            node.refuse("`expect` is missing.")
        steps = [_told(one, telling, node.line)]
    steps[0] = Step((*told, *steps[0].sent), steps[0].expected, steps[0].at)
    reading = _sentence(fields["reading"]) if "reading" in fields else None
    return Case(_sentence(fields["name"]), node.file, fields["name"].line, reading, tuple(steps))


def _step(node: Node, telling: Telling, required: tuple[str, ...]) -> Step:
    return _told(node.fields(("facts", "expect"), required), telling, node.line)


def _told(fields: dict[str, Node], telling: Telling, at: int) -> Step:
    facts = fields["facts"].items() if "facts" in fields else []
    sent = tuple(sent for fact in facts for sent in telling.tell(fact))
    return Step(sent, _expectations(fields["expect"]), at)


def _expectations(node: Node) -> tuple[Expected, ...]:
    if node.is_text():
        node.one_of((NOTHING,))
        return ()
    return tuple(_expected(key, value) for key, value in node.entries())


def _expected(key: Node, value: Node) -> Expected:
    name = _name(key)
    if value.is_text():
        outcome, fields, amount_fen, reasons = value.one_of(("granted",)), {}, 0, frozenset[str]()
        if name[1] != "holdover":
            value.refuse("`granted` needs an amount, except for a holdover.")
    else:
        fields = value.fields((*OUTCOMES, *_DETAILS))
        outcomes = [word for word in OUTCOMES if word in fields]
        if len(outcomes) != 1:
            value.refuse(f"an expectation says exactly one of: {', '.join(OUTCOMES)}.")
        outcome = outcomes[0]
        amount_fen = fields["granted"].exact_fen() if outcome == "granted" else 0
        reasons = frozenset[str]() if outcome == "granted" else _codes(fields[outcome])
    return Expected(
        name=name,
        outcome=outcome,
        amount_fen=amount_fen,
        reasons=reasons,
        at=key.line,
        size_class=fields["class"].one_of((*CLASSES, NONE)) if "class" in fields else None,
        prefecture=fields["prefecture"].one_of((*PREFECTURES, NONE)) if "prefecture" in fields else None,
        effective_on=fields["effective"].day() if "effective" in fields else None,
        delta_fen=fields["delta"].exact_fen() if "delta" in fields else None,
        revision=fields["revision"].whole() if "revision" in fields else None,
    )


def _name(key: Node) -> Name:
    """`exemption pension/2020-02`, or of the second firm `B exemption pension/2020-02`."""
    words = key.text().split(" ", 1)
    firm = words.pop(0) if words[0] in FIRMS else "A"
    measure, _, of = " ".join(words).partition(" ")
    if measure not in MEASURES or not of:
        key.refuse(f"`{key.text()}` is no decision; write a measure ({', '.join(MEASURES)}) and its key.")
    if measure in ("exemption", "contribution_return") and of.partition("/")[0] not in INSURANCES:
        key.refuse(f"`{of}` is no contribution; write for example `pension/2020-02`.")
    return firm, measure, of


def _codes(node: Node) -> frozenset[str]:
    """One code, or a list of them."""
    codes = [code.one_of(CODES) for code in (node.items() if node.is_list() else [node])]
    if len(set(codes)) < len(codes):
        node.refuse("a reason is named twice.")
    return frozenset(codes)


def _sentence(node: Node) -> str:
    """A case is found and understood by its sentence: one line of several words."""
    text = " ".join(node.text().split())
    if len(text.split(" ")) < 4:
        node.refuse(f"`{text}` is no sentence; say the rule, and on which side of it this lies.")
    return text


def in_words(outcome: str, amount_fen: int, reasons: frozenset[str]) -> str:
    """`granted 1,000.00 yuan`, `denied LAYOFF_RATE, NOT_SME`."""
    if outcome == "granted":
        return f"granted {yuan(amount_fen)} yuan"
    # A denial has no amount: one that has is shown with it.
    return f"{outcome} {', '.join(sorted(reasons))}" + (f" {yuan(amount_fen)} yuan" if amount_fen else "")
