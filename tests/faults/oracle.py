"""The plainest program that says what the system must answer: one batch, no state, no broker, nothing shared with it.

A differential test feeds the same lines to the system and to `judge`. This program was written from the policy and the
contracts alone, so a difference is a mistake on one of the two sides or a sentence that can be read in two ways.
Where a sentence leaves room, this is the reading taken here:

Records
 1. A line that is JSON but no object is NOT_JSON (no code fits well: not generated). An empty line is no record; it
    still counts in the numbering.
 2. One code per line, the first of: NOT_UTF8, NOT_JSON, type (MISSING_FIELD, INVALID_FIELD, UNKNOWN_TYPE), any missing
    field, the envelope's and then the data's fields in the contract's order, WRONG_KEY. Operations and payment commands
    are no upstream types: UNKNOWN_TYPE.
 3. "A fact without `version` is version 1" is taken for every type, so an absent `version` is never MISSING_FIELD;
    null is INVALID_FIELD. `payee` must be present; it may be null.
 4. OUT_OF_RANGE covers every integer: below 0 or above 10**15, a version below 1, a year outside 1 to 9999. For counts
    of people the contracts name no bound; a lower one is as good, and the generator stays at a million.
    A value outside a closed list without a code of its own (insurance, utility) is INVALID_FIELD; a prefecture that is
    no known code is UNKNOWN_PREFECTURE, even when it is not six digits.
 5. Ids are INVALID_FIELD when empty; other text may be empty. Of a uscc only the alphabet, the length and the check
    character are examined, not the registration authority or the division code inside it. Lengths, years far away and
    lone surrogates are not bounded anywhere in the contracts: accepted here, not generated.
 6. The form of a line is judged before `as_of` looks at its time: a malformed line is rejected whatever its time, a
    well-formed later one is `later` and takes no part in anything, conflicts included.
    "A fact that contradicts itself" is one kind: an assessment due in a year before its period's year and before the
    day of its own record. A year paid in advance and a month assessed late are no contradictions.

Ids and versions
 7. An event id is taken within (uscc, source) by each line that was not rejected: accepted, repeated or superseded. A
    rejected line takes nothing, so the same id may come back repaired.
 8. The same content under another event id at the same version is a duplicate.
 9. A record is compared with the version in force of its business id, not with versions already replaced: another
    content of a replaced version is superseded, not a conflict. No decision hangs on it.
10. Business ids are as written: `assessment_id`, `payment_id` and `bill_id` mean one thing whichever enterprise sends
    them (otherwise "carry the same uscc" would say nothing); those of contributions and of bills are apart. Ids that
    the contracts do not list (applications, withdrawals, declines, needs, disconnection requests) are taken as business
    ids within their type and enterprise, version 1.
11. An assessment of another uscc, insurance or period than the one in force is VERSION_CONFLICT at every version.
    What has no version can not be corrected: other content under the same business id is VERSION_CONFLICT.
12. `id`, `source` and `time` are not content; nor are unknown fields, also inside `payee`. The order of `utilities` is.

Decisions
13. Medical contributions are for SMEs too, as all of M1 and M4: "not only for SMEs" is taken to describe the national
    notice, from which the rate comes.
14. All refusals of M1 and M4 are listed together, NOTHING_DUE too. Half fen are rounded once, on the period's sum.
15. Payments count whatever their date, and only towards the payer's own assessments. A payment that names an
    assessment of another key, or none known, counts nowhere.
16. A contribution return has the exemption's prefecture, class and date, and is gone when the exemption is no longer
    granted.
17. M2: no year settled, no December report or no registration on 31 December: no decision, whatever else is known.
    A report of 0 employees is a report. A decline alone is not an application and makes nothing pending.
    "Deregistered before the window's first day" is strict; the holdover's "by then" includes the day itself.
18. M3, M5: one decision per application, the same for every utility in it, the provident fund included. A withdrawal
    is the holdover service's affair and leaves the decision as it was. The registration is missing before all else, so
    an application outside the window is pending until there is one.
19. The class and the prefecture come from the same registration. Only the first pack is modelled,
    with other rates on request.

Money
20. Totals are the net sums of the latest decisions. The totals per insurance and per programme must agree with the
    ledger. The split by prefecture may not, when a prefecture changed after money was booked under the old one.
    An enterprise without a payee counts as authorised.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

from .oracle_records import ASSESSED, Fact, RejectedError, read
from .oracle_rules import FIRST_PACK, Decision, Key, Rates, decide

__all__ = ["Decision", "Key", "Rates", "Totals", "Verdicts", "judge"]

SHANGHAI = timezone(timedelta(hours=8))
PROGRAMMES = {"refund": "job_stabilisation", "contribution_return": "contribution_return"}


@dataclass(frozen=True)
class Totals:
    """Net fen from the latest decisions; see reading 20. Keys: (insurance, prefecture) and (programme, prefecture)."""

    exempted: Mapping[tuple[str, str], int]
    authorised: Mapping[tuple[str, str], int]

    def exempted_by_insurance(self) -> dict[str, int]:
        return _by_first(self.exempted)

    def authorised_by_programme(self) -> dict[str, int]:
        return _by_first(self.authorised)


@dataclass(frozen=True)
class Verdicts:
    """What became of each line (numbered from 1), and what follows from those accepted.

    `superseded` came when a higher version was in force already; `later` lies after `as_of`. `facts`: what the accepted
    lines say, in their order.
    """

    rejected: Mapping[int, str]
    duplicates: tuple[int, ...]
    superseded: tuple[int, ...]
    accepted: tuple[int, ...]
    later: tuple[int, ...]
    facts: tuple[Fact, ...]
    decisions: Mapping[Key, Decision]
    totals: Totals


def judge(lines: Iterable[bytes], as_of: date | None = None, rates: Rates = FIRST_PACK) -> Verdicts:
    """`lines`: structured-mode CloudEvents, in file order. `as_of`: its whole day in Shanghai is still known.
    `rates`: of the pack that is in force in the end."""
    end = None if as_of is None else datetime(as_of.year, as_of.month, as_of.day, tzinfo=SHANGHAI) + timedelta(days=1)
    rejected: dict[int, str] = {}
    seen: dict[str, list[int]] = {"DUPLICATE": [], "SUPERSEDED": [], "ACCEPTED": [], "LATER": []}
    taken: dict[tuple[str, str, str], str] = {}
    in_force: dict[tuple[str, ...], Fact] = {}
    facts: list[Fact] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            fact = read(line)
            if end is not None and fact.time >= end:
                seen["LATER"].append(number)
                continue
            verdict = _place(fact, taken.get((fact.uscc, fact.source, fact.event_id)), in_force.get(fact.business_id))
        except RejectedError as error:
            rejected[number] = str(error.args[0])
            continue
        seen[verdict].append(number)
        taken[fact.uscc, fact.source, fact.event_id] = fact.content
        if verdict == "ACCEPTED":
            in_force[fact.business_id] = fact
            facts.append(fact)
    decisions = decide(in_force.values(), rates)
    return Verdicts(
        rejected=rejected,
        duplicates=tuple(seen["DUPLICATE"]),
        superseded=tuple(seen["SUPERSEDED"]),
        accepted=tuple(seen["ACCEPTED"]),
        later=tuple(seen["LATER"]),
        facts=tuple(facts),
        decisions=decisions,
        totals=_totals(decisions.values()),
    )


def _place(fact: Fact, content_of_this_id: str | None, standing: Fact | None) -> str:
    """ACCEPTED, DUPLICATE or SUPERSEDED; raises RejectedError on a conflict."""
    if content_of_this_id is not None:
        if content_of_this_id != fact.content:
            raise RejectedError("ID_CONFLICT")
        return "DUPLICATE"
    if standing is None:
        return "ACCEPTED"
    if fact.type == ASSESSED and _belongs_to(fact) != _belongs_to(standing):
        raise RejectedError("VERSION_CONFLICT")
    if fact.version != standing.version:
        return "ACCEPTED" if fact.version > standing.version else "SUPERSEDED"
    if fact.content != standing.content:
        raise RejectedError("VERSION_CONFLICT")
    return "DUPLICATE"


def _belongs_to(assessment: Fact) -> tuple[str, str, str]:
    return assessment.uscc, assessment.text["insurance"], assessment.text["period"]


def _totals(decisions: Iterable[Decision]) -> Totals:
    exempted: dict[tuple[str, str], int] = {}
    authorised: dict[tuple[str, str], int] = {}
    for decision in decisions:
        if decision.amount_fen == 0 or decision.prefecture is None:
            continue
        if decision.measure == "exemption":
            entry, book = (decision.key.split("/")[0], decision.prefecture), exempted
        else:
            entry, book = (PROGRAMMES[decision.measure], decision.prefecture), authorised
        book[entry] = book.get(entry, 0) + decision.amount_fen
    return Totals(exempted, authorised)


def _by_first(split: Mapping[tuple[str, str], int]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for (first, _), amount in split.items():
        sums[first] = sums.get(first, 0) + amount
    return sums
