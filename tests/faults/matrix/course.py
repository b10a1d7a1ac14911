"""What is sent of one region, to the end of all that follows from it, and what must have come of it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path

from shared.contracts.topics import ORDERS
from tests.faults.matrix import deferred, dues
from tests.faults.matrix.counting import Counts, count
from tests.faults.matrix.ground import Ground
from tests.faults.matrix.knowing import known, places
from tests.faults.matrix.observing import Observed, hear
from tests.faults.oracle import Rates, Verdicts, judge
from tests.faults.oracle_bank import Payments, names
from tests.faults.oracle_holdovers import Account, Stand, stands
from tests.faults.oracle_records import DISCONNECTION
from tests.integration.region import Expected, Upstream, enterprises_of, implied

# Of what is announced in a first month, the grace is over so many days later; so many days make the end of all.
_GRACE_OVER, _END = timedelta(days=26), timedelta(days=260)


class Course:
    """One region on one ground: what was sent of it so far, and what must have come of that.

    `files`: a directory in which every line that is sent is written down first, by topic, and the days beside them.
    """

    def __init__(self, ground: Ground, region: list[Upstream], files: Path, rates: Rates) -> None:
        self._ground, self._running, self._office = ground, ground.running, ground.office
        self.sent: list[Upstream] = []
        self._files, self._rates = files, rates
        self._places, self._began = places(ground.running), ground.office.today
        self._refused = len(ground.office.bank.refused)
        self._asked: dict[str, bool] = {}
        self._standing: dict[Account, Stand] = {}
        self._keep(region)

    def more(self, records: Iterable[Upstream]) -> None:
        """Sends, by the topic."""
        made = list(records)
        self._keep(made)
        self._running.send(made)
        self._running.settle()

    def close(self) -> Counts:
        """Goes on until the bank has answered for every payment and every deferred sum is repaid or in default; counts
        holdovers on the way, when the first instalment is announced."""
        office = self._office
        announced = _month_end(office.today + timedelta(days=8)) - timedelta(days=6)
        office.see_through(announced)
        standing = self.stands()
        asking = dues.requests(standing, announced, f"closing-{announced}")
        self.more(record for _, record in asking.values())
        self._asked |= {name: standing[account].may_cut(account[1]) for name, (account, _) in asking.items()}
        counts = self.holdovers()
        self.more(dues.paid_in_time(standing, announced))
        office.see_through(announced + _GRACE_OVER)
        # Not before: what it kept silent about has by then been called unknown.
        office.break_silence()
        self.more(dues.paid_late(self.stands(), announced, office.today))
        office.see_through(announced + _END)
        return counts

    def holdovers(self) -> Counts:
        """As they stand and were told today."""
        enterprises = enterprises_of(self.sent)
        told = deferred.heard(hear(self._running, ORDERS, enterprises).events)
        return deferred.count_holdovers(
            self.stands(), deferred.held(self._running, enterprises), told, self._office.today.isoformat()
        )

    def end(self, observed: Observed) -> Counts:
        """Everything that one can say in the end."""
        verdicts = self.judged()
        told = deferred.heard(observed.orders)
        answers: Mapping[str, bool | None] = {
            fact.text["request_id"]: self._asked.get(fact.text["request_id"])
            for fact in verdicts.facts
            if fact.type == DISCONNECTION
        }
        payments = Payments(
            verdicts.facts, verdicts.decisions, self._office.files(), self._office.book(), observed.refunds.values()
        )
        found, refused = payments.findings(), self._office.bank.refused[self._refused :]
        repeated = (*found.repeated, *(f"the bank refused {sentence}" for sentence in refused))
        return (
            count(_paid(implied(verdicts), payments.accounts()), observed.found)
            + Counts(tuple(found.lost), repeated, tuple(found.wrong))
            + deferred.count_answers(answers, told)
            + self.holdovers()
        )

    def story(self) -> str:
        """In words, what this region's money and holdovers came to."""
        book, mine = self._office.book(), names(self.judged().decisions)
        paid, refused = mine.keys() & book.paid.keys(), mine.keys() & book.rejected
        states = Counter(stand.state for stand in self._standing.values())
        ends = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
        return f"{len(paid)} payments paid and {len(refused)} refused by the bank; accounts: {ends}"

    def judged(self) -> Verdicts:
        return judge((one.line for one in self.sent), rates=self._rates)

    def stands(self) -> dict[Account, Stand]:
        """How every account must stand today."""
        verdicts = self.judged()
        self._standing = stands(verdicts.facts, verdicts.decisions, known(self._running, self._places, self._began))
        return self._standing

    def _keep(self, records: Iterable[Upstream]) -> None:
        for one in records:
            self.sent.append(one)
            with (self._files / f"{one.topic}.jsonl").open("ab") as file:
                file.write(one.line + b"\n")
        days = "".join(f"{day}\n" for day in self._office.started)
        (self._files / "days.txt").write_text(days)


def _paid(authorised: Expected, moved: Mapping[str, int]) -> Expected:
    """What is due to enterprises is no more than what is not paid."""
    accounts = Counter({name: fen for name, fen in authorised.accounts.items() if not name.startswith("Liabilities:")})
    accounts.update(moved)
    return Expected(authorised.standing, accounts, authorised.rejected)


def _month_end(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1)
