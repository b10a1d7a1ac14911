"""Running a pack's cases: what is decided after every step, against what is expected."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from services.eligibility import policy_cases
from services.eligibility.domain import facts as domain
from services.eligibility.domain.pack import Pack
from services.eligibility.domain.state import Enterprise
from services.eligibility.domain.step import decide, standing_verdicts
from services.eligibility.handlers import decision_data, to_domain
from services.eligibility.policy_case_facts import USCC, Sent
from services.eligibility.policy_cases import Case, Expected, Name, Step, in_words
from shared.contracts.registry import upstream_decoder
from shared.money import yuan
from shared.streaming.errors import Stop

Decisions = dict[Name, dict[str, Any]]
_FIRM = {uscc: firm for firm, uscc in USCC.items()}


class Entrance(Protocol):
    """What stands before the rules and rejects; the command line puts intake's acceptance here."""

    def take(self, line: bytes) -> str | None:
        """The code with which the line is rejected; None: not rejected."""

    def decisions(self) -> Iterable[dict[str, Any]]:
        """What `relief decide` prints of all lines so far."""


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


def run(case: Case, pack: Pack, entrance: Callable[[], Entrance] | None = None) -> list[Difference]:
    """All differences of a case, none where it passes.

    Without an entrance a record that a case expects to be rejected is held back, as intake would hold it back.
    """
    revising, opened = Revising(pack), entrance() if entrance is not None else None
    differences: list[Difference] = []
    for number, step in enumerate(case.steps, 1):
        revising.begin_step()
        differences += [found for sent in step.sent if (found := _send(sent, revising, opened)) is not None]
        printed = None if opened is None else _by_name(opened.decisions())
        prefix = f"step {number}: " if len(case.steps) > 1 else ""
        for apart in _compare(step, _by_name(revising.decisions()), revising.latest, printed):
            differences.append(replace(apart, what=prefix + apart.what))
    return differences


def _send(sent: Sent, revising: Revising, entrance: Entrance | None) -> Difference | None:
    code = sent.rejected if entrance is None else entrance.take(sent.line)
    if code is None:
        revising.take(sent.line)
    if code == sent.rejected:
        return None
    said = ["accepted" if word is None else f"rejected as {word}" for word in (sent.rejected, code)]
    return Difference(sent.at, "this record", said[0], said[1])


def _compare(
    step: Step, standing: Decisions, latest: dict[Name, Revised], printed: Decisions | None
) -> Iterator[Difference]:
    by_name = {expected.name: expected for expected in step.expected}
    for name in sorted(by_name.keys() | standing.keys()):
        expected, actual, revised = by_name.get(name), standing.get(name), latest.get(name, NEVER)
        at = step.at if expected is None else expected.at
        if expected is None or actual is None or not _meets(expected, actual, revised):
            shown = "nothing decided" if expected is None else _told(expected)
            yield Difference(at, _title(name), shown, _shown(actual, expected, revised))
        elif printed is not None and not (expected.is_return_of_nothing or _meets(expected, printed.get(name), None)):
            shown = _shown(printed.get(name), expected, None)
            yield Difference(at, _title(name), _told(expected), f"{shown} (as `relief decide` prints it)")
    for name in sorted((printed or {}).keys() - standing.keys()):
        yield Difference(step.at, _title(name), "nothing decided", "printed by `relief decide`")


def _meets(expected: Expected, actual: dict[str, Any] | None, revised: Revised | None) -> bool:
    """`revised`: None where revisions are not compared."""
    return (
        actual is not None
        and _codes(actual) == expected.reasons
        and (actual["outcome"], actual["amount_fen"]) == (expected.outcome, expected.amount_fen)
        and expected.size_class in (None, actual["size_class"])
        and expected.prefecture in (None, actual["prefecture"])
        and expected.effective_on in (None, str(actual["effective_on"]))
        and (
            revised is None
            or (
                (revised.outcome, revised.amount_fen) == (expected.outcome, expected.amount_fen)
                and expected.delta_fen in (None, revised.step_delta_fen)
                and expected.revision in (None, revised.revision)
            )
        )
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
        return "nothing decided"
    parts = [in_words(actual["outcome"], actual["amount_fen"], _codes(actual))]
    if expected is not None:
        parts += [] if expected.size_class is None else [f"class {actual['size_class']}"]
        parts += [] if expected.prefecture is None else [f"prefecture {actual['prefecture']}"]
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
