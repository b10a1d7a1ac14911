"""Two sides that share no line of code keep the same books: holdover, and the suppliers that read what it tells."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

import pytest

from services.cli.demo_utilities import Held, compared, days_that_matter
from services.holdover.cases import PARTITION, Logs, events, signer, take
from services.holdover.domain.enterprise import PARTITION as DAYS
from services.holdover.domain.enterprise import Days, Enterprise
from services.holdover.domain.enterprise import Held as State
from services.holdover.domain.standing import standing
from services.holdover.handlers import advance
from services.simulator.calendar import day, moment
from services.simulator.corruption import KINDS, Corruption
from services.simulator.region import region
from services.simulator.upstream import arrivals_of
from services.simulator.utilities import PUNCTUAL, Behaviour, Utilities
from shared.contracts import registry, topics
from shared.streaming.records import Output, Record, States

LAST = date(2020, 7, 31)
STARTED = [*(date(2020, month, 1) for month in range(2, 8)), LAST]
ACCEPTED = frozenset(topics.topics()[topics.UTILITY].types) | frozenset(topics.topics()[topics.APPLICATIONS].types)


class Holdover:
    """The service without its store: records in, events out, by the day."""

    def __init__(self) -> None:
        self.logs, self.states = Logs(), States[State]({})
        self.told: list[Output] = []

    def accept(self, lines: Iterable[bytes]) -> None:
        """Facts as intake passes them on, and the decisions that follow from them."""
        for line in lines:
            event = json.loads(line)
            if event["type"] not in ACCEPTED or event["type"] == "relief.refund.declined.v1":
                continue
            data = event["data"]
            self._take([self._fact(event)])
            if event["type"] == "relief.holdover.applied.v1":
                granted = data["declared_difficulty"] and "2020-02-01" <= data["submitted_on"] <= "2020-06-30"
                outcome = "granted" if granted else "denied"
                self._take([self.logs.decided(data["application_id"], outcome, uscc=event["subject"])])

    def day(self, on: date) -> None:
        self._take(self.logs.day(on))
        days = self.states.get(DAYS)
        for key in self.states:
            enterprise = self.states.get(key)
            if isinstance(enterprise, Enterprise) and isinstance(days, Days):
                days, told = advance(days, enterprise, PARTITION, signer())
                self.told += told
        assert isinstance(days, Days)
        self.states.put(DAYS, days)

    def read(self) -> list[dict[str, Any]]:
        """What was told since the last time, as the topic has it."""
        told, self.told = self.told, []
        events(told)  # the contract reads it too
        return [json.loads(output.value or b"") for output in told]

    def totals(self) -> dict[str, Any]:
        """As `GET /v1/totals`, added up from how each account stands."""
        days = self.states.get(DAYS)
        assert isinstance(days, Days)
        assert days.started is not None
        accounts: dict[tuple[str, str], Counter[str]] = {}
        answers: Counter[tuple[str, str]] = Counter()
        for key in self.states:
            enterprise = self.states.get(key)
            if not isinstance(enterprise, Enterprise):
                continue
            for told in enterprise.told.values():
                now = standing(enterprise.facts, told.account, days.started)
                accounts.setdefault((told.account.utility, now.state), Counter()).update(
                    accounts=1,
                    protected=told.order is not None,
                    bills_fen=now.bills_fen,
                    paid_fen=now.paid_fen,
                    open_fen=now.open_fen,
                    surplus_fen=now.surplus_fen,
                )
            for one in enterprise.changed.answered:
                answer = one.telling.kind.removeprefix("disconnection_")
                answers[one.request.account.utility, answer] += 1
        names = ("accounts", "protected", "bills_fen", "paid_fen", "open_fen", "surplus_fen")
        return {
            "accounts": [
                {"utility": utility, "state": state} | {name: sums[name] for name in names}
                for (utility, state), sums in accounts.items()
            ],
            "answers": [{"utility": u, "answer": answer, "requests": n} for (u, answer), n in answers.items()],
        }

    def _fact(self, event: dict[str, Any]) -> Record:
        offset = len(self.logs.facts)
        origin = {"topic": topics.UTILITY, "partition": 0, "offset": offset, "index": 0}
        told = {name: value for name, value in event["data"].items() if name != "contact"}
        value = json.dumps(event | {"data": {"origin": origin, **told}}).encode()
        self.logs.facts.append(Record(topics.FACTS, PARTITION, offset, event["subject"].encode(), value))
        return self.logs.facts[-1]

    def _take(self, records: Sequence[Record]) -> None:
        self.told += take(self.states, records)


def lived(enterprises: int, seed: int, behaviour: Behaviour | None = None) -> tuple[Holdover, Utilities]:
    """A region month by month, and then the months of repayment, as the demo has them."""
    holdover, utilities = Holdover(), Utilities(seed, behaviour)
    corruption = Corruption(late=0.05, corrected=0.05, superseded=0.02, repeated=0.02, malformed=0)
    found = [one for enterprise in region(enterprises, seed) for one in arrivals_of(enterprise, seed, corruption)]
    flow = [one for one in sorted(found, key=lambda one: one.at) if not KINDS[one.kind].expect.isupper()]
    for one in flow:
        utilities.books.sent(json.loads(one.line))
    holdover.day(date(2020, 1, 31))
    for on in STARTED:
        until = moment(day(on.isoformat()), 0)
        holdover.accept(one.line for one in flow if one.at < until)
        flow = [one for one in flow if one.at >= until]
        holdover.day(on)
    assert not flow
    for on in days_that_matter(LAST):
        for event in holdover.read():
            utilities.books.told(event)
        records = utilities.day(on)
        for record in records:
            registry.decoder(topics.UTILITY).validate_json(record.value or b"")
        holdover.accept(record.value or b"" for record in records)
        holdover.day(on)
    for event in holdover.read():
        utilities.books.told(event)
    return holdover, utilities


def held(holdover: Holdover, utilities: Utilities) -> Held:
    return compared(holdover.totals(), utilities.books)


@pytest.mark.parametrize("seed", range(6))
def test_both_sides_end_with_the_same_books_and_no_protected_supply_is_cut(seed: int) -> None:
    holdover, utilities = lived(400, seed)
    found = held(holdover, utilities)
    assert found.wrong == []
    sums = utilities.books.sums()
    assert sum(one.completed for one in sums.values()) > 30
    assert sum(one.refused for one in sums.values()) > 10 < sum(one.allowed for one in sums.values())
    assert sum(one.in_force for one in sums.values()) == 0


def test_where_everybody_pays_on_the_date_nobody_falls_into_default_and_nothing_is_open() -> None:
    holdover, utilities = lived(400, 7, PUNCTUAL)
    assert held(holdover, utilities).wrong == []
    sums = utilities.books.sums().values()
    assert sum(one.defaulted + one.in_force for one in sums) == 0
    assert sum(one.open_fen for one in sums) == 0 < sum(one.completed for one in sums)


def test_what_is_paid_in_time_and_told_late_cures_every_default() -> None:
    names = Behaviour.__dataclass_fields__
    holdover, utilities = lived(400, 8, Behaviour(**(dict.fromkeys(names, 0.0) | {"told_late": 1.0})))
    assert held(holdover, utilities).wrong == []
    sums = utilities.books.sums().values()
    assert sum(one.cured for one in sums) > 20
    assert sum(one.defaulted for one in sums) == 0


def test_a_fen_or_an_answer_that_differs_is_told() -> None:
    holdover, utilities = lived(100, 9)
    totals = holdover.totals()
    assert compared(totals, utilities.books).holds
    row = next(row for row in totals["accounts"] if row["state"] == "completed")
    row["paid_fen"] += 1
    totals["answers"][0]["requests"] += 1
    utilities.books.cut_while_protected = 1
    utilities.books.asked.add("nobody answered this")
    wrong = compared(totals, utilities.books).wrong
    assert len(wrong) == 4
    assert row["utility"] in wrong[0] + wrong[1]


def test_the_days_that_matter_are_those_on_which_something_happens() -> None:
    days = days_that_matter(LAST)
    assert days[:3] == [date(2020, 8, 1), date(2020, 8, 16), date(2020, 8, 24)]
    assert days[-2:] == [date(2021, 1, 16), date(2021, 1, 21)]
    assert all(one > LAST for one in days)
    assert timedelta(0) < days[-1] - LAST < timedelta(200)
