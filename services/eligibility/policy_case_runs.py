"""Running a pack's cases: what is decided after every step, against what is expected."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from services.eligibility import policy_cases
from services.eligibility.domain import facts as domain
from services.eligibility.domain.pack import Pack
from services.eligibility.domain.state import Enterprise
from services.eligibility.domain.step import decide, standing_verdicts
from services.eligibility.policy_case_facts import USCC
from services.eligibility.policy_cases import Case, Expected, Name, in_words
from services.eligibility.telling import decision_data
from services.eligibility.translating import to_domain
from shared.contracts.registry import upstream_decoder
from shared.money import yuan
from shared.streaming.errors import Stop

Decisions = dict[Name, dict[str, Any]]
_FIRM = {uscc: firm for firm, uscc in USCC.items()}


class Answer(NamedTuple):
    """What came of the lines of a case so far: the codes of rejected ones by their number from 1, and the decisions."""

    rejected: dict[int, str]
    decisions: list[dict[str, Any]]


# Whoever decides from upstream lines: the command line puts `relief decide` here, with intake's acceptance.
Decider = Callable[[list[bytes]], Answer]


@dataclass(frozen=True, slots=True)
class Difference:
    """`at`: the line of the case file to look at; `what`: the decision, or the record."""

    at: int
    what: str
    expected: str
    actual: str


class Revised(NamedTuple):
    """The last revision issued for one decision, and by how much all those of the present step moved its amount."""

    revision: int
    outcome: str
    amount_fen: int
    step_delta_fen: int


NEVER = Revised(0, "not issued", 0, 0)


class Revising:
    """The rules as the service applies them: fact by fact, a revision where outcome or amount changes."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self._enterprises: dict[str, Enterprise] = {}
        self._adapter = upstream_decoder()
        self.latest: dict[Name, Revised] = {}

    def begin_step(self) -> None:
        self.latest = {name: revised._replace(step_delta_fen=0) for name, revised in self.latest.items()}

    def take(self, line: bytes) -> None:
        """A record that is accepted; a repeat or an older version changes nothing."""
        fact = to_domain(self._adapter.validate_json(line))
        if isinstance(fact, domain.Irrelevant | domain.DayStarted | domain.PackActivated):
            return
        enterprise = self._enterprises.setdefault(fact.uscc, Enterprise())
        for decision in decide(enterprise, fact, self._pack):
            verdict = decision.verdict
            name = (_FIRM[fact.uscc], verdict.measure, verdict.key)
            before = self.latest[name].step_delta_fen if name in self.latest else 0
            self.latest[name] = Revised(
                decision.revision, verdict.outcome, verdict.amount_fen, before + decision.delta_fen
            )

    def decisions(self) -> Iterator[dict[str, Any]]:
        """As `relief decide`, but with the returns of nothing that follow a return of something."""
        for uscc, enterprise in sorted(self._enterprises.items()):
            for verdict in standing_verdicts(enterprise, self._pack):
                yield decision_data(uscc, verdict, self._pack)


def check(directory: Path, pack: Pack) -> int:
    """How many cases the pack keeps; Stop with file, line and sentence at the first that fails. Nothing is printed."""
    cases = policy_cases.load(directory)
    for case in cases:
        for found in run(case, pack):
            expected = f"expected {found.expected}, but it is {found.actual}"
            raise Stop(f"{case.file}:{found.at}: the case `{case.name}` fails at {found.what}: {expected}.")
    return len(cases)


def run(case: Case, pack: Pack, decider: Decider | None = None) -> list[Difference]:
    """All differences of a case, none where it passes: of the revisions issued, and of what the decider answers.

    A record that the case expects to be rejected is held back from the revisions, as intake would hold it back.
    """
    revising = Revising(pack)
    differences: list[Difference] = [] if decider is None else answered(case, decider)
    for number, step in enumerate(case.steps, 1):
        revising.begin_step()
        for sent in step.sent:
            if sent.rejected is None:
                revising.take(sent.line)
        standing = _by_name(revising.decisions())
        for name, expected in _pairs(standing, step.expected):
            actual, revised = standing.get(name), revising.latest.get(name, NEVER)
            if expected is None or not _meets(expected, actual) or not _moved(expected, revised):
                differences.append(_difference(case, number, name, expected, _shown(actual, expected, revised)))
    return list(dict.fromkeys(differences))


def answered(case: Case, decider: Decider) -> list[Difference]:
    """Where the decider's answers differ from the case, after every step; of revisions it says nothing."""
    differences: list[Difference] = []
    lines: list[bytes] = []
    for number, step in enumerate(case.steps, 1):
        before = len(lines)
        lines += [sent.line for sent in step.sent]
        answer = decider(lines)
        for line, sent in enumerate(step.sent, before + 1):
            code = answer.rejected.get(line)
            if code != sent.rejected:
                said = ["accepted" if word is None else f"rejected as {word}" for word in (sent.rejected, code)]
                differences.append(Difference(sent.at, f"record {line}", said[0], said[1]))
        decided = _by_name(answer.decisions)
        for name, expected in _pairs(decided, (e for e in step.expected if not e.is_return_of_nothing)):
            actual = decided.get(name)
            if expected is None or not _meets(expected, actual):
                differences.append(_difference(case, number, name, expected, _shown(actual, expected, None)))
    return differences


def _pairs(decided: Decisions, expected: Iterable[Expected]) -> Iterator[tuple[Name, Expected | None]]:
    """Every decision that is expected or made, with what is expected of it; None: that it is not made."""
    by_name = {one.name: one for one in expected}
    for name in sorted(by_name.keys() | decided.keys()):
        yield name, by_name.get(name)


def _difference(case: Case, number: int, name: Name, expected: Expected | None, actual: str) -> Difference:
    step = case.steps[number - 1]
    what = f"step {number}: {_title(name)}" if len(case.steps) > 1 else _title(name)
    if expected is None:
        return Difference(step.at, what, policy_cases.NOTHING, actual)
    return Difference(expected.at, what, _told(expected), actual)


def _meets(expected: Expected, actual: dict[str, Any] | None) -> bool:
    return (
        actual is not None
        and _codes(actual) == expected.reasons
        and (actual["outcome"], actual["amount_fen"]) == (expected.outcome, expected.amount_fen)
        and expected.size_class in (None, actual["size_class"] or policy_cases.NONE)
        and expected.prefecture in (None, actual["prefecture"] or policy_cases.NONE)
        and expected.effective_on in (None, str(actual["effective_on"]))
    )


def _moved(expected: Expected, revised: Revised) -> bool:
    """Whether the revisions came to the same decision, and by the steps expected."""
    return (
        (revised.outcome, revised.amount_fen) == (expected.outcome, expected.amount_fen)
        and expected.delta_fen in (None, revised.step_delta_fen)
        and expected.revision in (None, revised.revision)
    )


def _told(expected: Expected) -> str:
    parts = [in_words(expected.outcome, expected.amount_fen, expected.reasons)]
    parts += [] if expected.size_class is None else [f"class {expected.size_class}"]
    parts += [] if expected.prefecture is None else [f"prefecture {expected.prefecture}"]
    parts += [] if expected.effective_on is None else [f"effective {expected.effective_on}"]
    parts += [] if expected.delta_fen is None else [f"delta {yuan(expected.delta_fen)} yuan"]
    parts += [] if expected.revision is None else [f"revision {expected.revision}"]
    return "; ".join(parts)


def _shown(actual: dict[str, Any] | None, expected: Expected | None, revised: Revised | None) -> str:
    """The same parts as those expected, and why."""
    if actual is None:
        return policy_cases.NOTHING
    parts = [in_words(actual["outcome"], actual["amount_fen"], _codes(actual))]
    if expected is not None:
        parts += [] if expected.size_class is None else [f"class {actual['size_class'] or policy_cases.NONE}"]
        parts += [] if expected.prefecture is None else [f"prefecture {actual['prefecture'] or policy_cases.NONE}"]
        parts += [] if expected.effective_on is None else [f"effective {actual['effective_on']}"]
        if revised is not None:
            parts += [] if expected.delta_fen is None else [f"delta {yuan(revised.step_delta_fen)} yuan"]
            parts += [] if expected.revision is None else [f"revision {revised.revision}"]
            if (revised.outcome, revised.amount_fen) != (actual["outcome"], actual["amount_fen"]):
                parts.append(f"last revision issued: {revised.outcome} {yuan(revised.amount_fen)} yuan")
    why = " / ".join(reason["text"]["en"] for reason in actual["reasons"])
    return "; ".join(parts) + (f" ({why})" if why else "")


def _codes(decision: dict[str, Any]) -> frozenset[str]:
    return frozenset(reason["code"] for reason in decision["reasons"])


def _by_name(decisions: Iterable[dict[str, Any]]) -> Decisions:
    return {(_FIRM[d["uscc"]], d["measure"], d["key"]): d for d in decisions}


def _title(name: Name) -> str:
    firm, measure, key = name
    return f"{measure} {key}" if firm == "A" else f"{firm} {measure} {key}"
