"""The money machine: decisions, days, the bank and officers in any order, over services that fail at will."""

import json

from aiokafka.structs import TopicPartition
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from services.payments.cases import made
from shared.contracts.topics import COMMANDS, DECISIONS, LEDGER_EXEMPTIONS, LEDGER_REFUNDS
from shared.streaming.records import partition_of
from tests.faults.money_machine_fate import Fate
from tests.faults.money_machine_hands import COMMAND_PARTITIONS, HUGE, pick
from tests.faults.money_machine_model import Decision, Key
from tests.faults.money_machine_officers import ANY, FATES, SOON, A, B, C, D, Officers, some
from tests.faults.money_machine_rest import come_to_rest, compare_ledgers
from tests.faults.money_machine_site import Site
from tests.faults.money_machine_world import PARTITIONS

KEYS: list[Key] = [
    (A, "refund", "2019"), (A, "contribution_return", "pension/2020-02"), (B, "refund", "2019"),
    (D, "refund", "2019"), (A, "exemption", "pension/2020-02"), (C, "refund", "2019"),
    (B, "contribution_return", "medical/2020-03"), (B, "exemption", "medical/2020-03"),
]  # fmt: skip
PLACES = st.sampled_from(["650100", "653100"])
AMOUNTS = st.integers(0, 12) | st.sampled_from([10, 11, 10**15, 10**15 + 1]) | st.integers(0, 10**15)
PAYEES = st.sampled_from(["red", "red", "red", "blue", "blue", "green", None, "torn"])
WORDS = st.sampled_from(["settled", "settled", "rejected", "accepted"])
GARBAGE = st.binary(max_size=40) | st.text(max_size=40).map(str.encode)
FEW = st.integers(1, 4)
EVENTS = (LEDGER_EXEMPTIONS, LEDGER_REFUNDS)
LOGS = (DECISIONS, COMMANDS, *EVENTS)


class MoneyMachine(Officers):
    """After every step the tables are read past every service and held against a model that shares nothing with them;
    at the end everything comes to rest, and a second ledger that reads all in another order comes to the same.
    """

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.said: dict[tuple[Key, int], Decision] = {}
        self.published: dict[Key, int] = dict.fromkeys(KEYS, 0)
        self.order = 0

    @initialize(
        amounts=st.lists(AMOUNTS, min_size=8, max_size=8), place=PLACES, order=ANY,
        answers=st.lists(WORDS | st.none(), min_size=9, max_size=9),
        shares=st.lists(st.sampled_from([8, 4, 2, 6, 0]), min_size=9, max_size=9),
        left=st.sampled_from([HUGE, HUGE, 20, 0]),
    )  # fmt: skip
    def everybody_has_a_history(
        self, amounts: list[int], place: str, order: int, answers: list[str | None], shares: list[int],
        left: int,
    ) -> None:  # fmt: skip
        """Two rounds of payments, of which the bank has answered for some; a third waits for its officers."""
        self.order = order
        self.set_budget("contribution_return", HUGE, None)
        self.set_budget("job_stabilisation", HUGE, None)
        for key, fen in zip(KEYS, amounts, strict=True):
            self.decide(key, 1, fen, place, "red")
        for first in (0, 4):
            self.payday()
            for number, payment in enumerate(self.away(), first):
                word = answers[number % len(answers)]
                if word is not None:
                    self.command_status(payment.payment_id, word)
            self.take_all(COMMANDS)
            for number, key in enumerate(KEYS[:6], first):
                self.correct(key, shares[number % len(shares)], place, "red")
        self.a_budget_is_set("job_stabilisation", left, None)
        self.start_days(1)
        self.take_all(DECISIONS)
        self.work(None)

    # --- decisions and days

    @rule(
        decisions=some(st.sampled_from(KEYS), st.sampled_from([1, 1, 1, 2, 0, -1, -1, -2]), AMOUNTS, PLACES, PAYEES),
        soon=SOON,
    )
    def decisions_are_made(self, decisions: list[tuple[Key, int, int, str, str | None]], soon: bool) -> None:
        for decision in decisions:
            self.decide(*decision)
        if soon:
            self.take_all(DECISIONS)

    @precondition(lambda self: self.model.payments)
    @rule(corrections=some(ANY, st.sampled_from([4, 0, 1, 2, 3, 5, 8]), PLACES, PAYEES), soon=SOON)
    def decisions_are_corrected(self, corrections: list[tuple[int, int, str, str | None]], soon: bool) -> None:
        """To so many quarters of the amount, so that money is topped up or claimed back, or another account waits."""
        for which, share, place, payee in corrections:
            self.correct(pick(self.model.payments, which).key, share, place, payee)
        if soon:
            self.take_all(DECISIONS)

    def correct(self, key: Key, share: int, place: str, payee: str | None) -> None:
        self.decide(key, 1, self.model.latest[key].amount_fen * share // 4, place, payee)

    def decide(self, key: Key, ahead: int, fen: int, place: str, payee: str | None) -> None:
        """Some revision, whether late, again or ahead of others; one revision says one thing for ever."""
        revision = max(1, self.published[key] + ahead)
        self.published[key] = max(revision, self.published[key])
        payee = None if key[1] == "exemption" else payee
        fresh = Decision(key, revision, fen, place if fen or revision % 2 else None, payee)
        said = self.said.setdefault((key, revision), fresh)
        partition = partition_of(key[0].encode(), PARTITIONS)
        record = made(
            *key, revision, said.amount_fen, offset=self.end(DECISIONS, partition), partition=partition,
            prefecture=said.place, **self.site.payee(key[0], said.account),
        )  # fmt: skip
        self.put(DECISIONS, partition, key[0], record.value, said)

    @rule(days=st.sampled_from([1, 1, 2, 3, 0]), partitions=st.sets(st.integers(0, PARTITIONS - 1), min_size=1))
    def a_day_starts(self, days: int, partitions: set[int]) -> None:
        """In some partitions, and not yet in others."""
        self.start_days(days, partitions)

    @rule()
    def a_payday_goes_well(self) -> None:
        self.payday()

    @precondition(lambda self: self.following.waiting(DECISIONS))
    @rule(which=ANY, records=FEW, fate=FATES)
    def decisions_are_taken(self, which: int, records: int, fate: Fate | None) -> None:
        self.take(pick(self.following.waiting(DECISIONS), which), records, fate)

    @rule(fate=FATES)
    def the_clerk_works(self, fate: Fate | None) -> None:
        self.work(fate)

    # --- the bank

    @precondition(lambda self: self.model.payments)
    @rule(answers=some(ANY, WORDS, st.sampled_from(["sent", "sent", "sent", "any", "unknown"])), soon=SOON)
    def the_bank_answers(self, answers: list[tuple[int, str, str]], soon: bool) -> None:
        for which, word, about in answers:
            payment = pick(self.away() if about == "sent" and self.away() else self.model.payments, which)
            self.command_status(f"{which:032x}" if about == "unknown" else payment.payment_id, word)
        if soon:
            self.take_all(COMMANDS)

    @precondition(lambda self: self.world.bank.asked)
    @rule(which=ANY, word=WORDS, wrong=st.sampled_from([0, 0, 1]))
    def the_bank_reports(self, which: int, word: str, wrong: int) -> None:
        """A file on a whole message; with a wrong total it is refused as a whole."""
        message = pick(self.world.bank.asked, which)
        self.reports += 1
        self.world.bank.report(message, word, self.reports, message.sums_fen[0] + wrong)
        if not wrong:
            self.following.ordered.update((transfer.payment_id, word) for transfer in message.transfers)

    @precondition(lambda self: self.model.claims)
    @rule(receipts=some(ANY, st.integers(1, 12) | st.none(), st.integers(0, 5), st.integers(0, 9)), soon=SOON)
    def money_comes_back(self, receipts: list[tuple[int, int | None, int, int]], soon: bool) -> None:
        """A part, the rest, or too much; a reference may come again with the same or with other content."""
        for which, part, reference, known in receipts:
            claim = pick(self.model.claims, which)
            fen = part or max(1, min(10**15, claim.open_fen))
            name = f"r{reference}" if reference else f"c{self.commanded}"
            self.command_receipt(claim.clawback_id if known else f"{which:032x}", fen, name)
        if soon:
            self.take_all(COMMANDS)

    @precondition(lambda self: self.following.waiting(COMMANDS))
    @rule(which=ANY, records=FEW, fate=FATES)
    def commands_are_taken(self, which: int, records: int, fate: Fate | None) -> None:
        self.take(pick(self.following.waiting(COMMANDS), which), records, fate)

    # --- logs

    @rule(
        which=ANY, topic=st.sampled_from([DECISIONS, COMMANDS]),
        how=st.sampled_from(["again", "again", "other key", "other word", "garbage"]), garbage=GARBAGE,
    )  # fmt: skip
    def a_record_comes_again(self, which: int, topic: str, how: str, garbage: bytes) -> None:
        """As it was, as after a crash before Kafka answered; a command may also be damaged, and then is none."""
        places = [place for place, records in self.world.log.records.items() if place.topic == topic and records]
        if not places or (how == "garbage" and topic == COMMANDS):
            self.put(COMMANDS, which % COMMAND_PARTITIONS, "key", garbage, None)
            return
        place = pick(sorted(places), which)
        if how == "again" or topic == DECISIONS:
            self.repeat(place, which // len(places))
            return
        record = pick(self.world.log.records[place], which // len(places))
        key, value = (record.key or b"").decode(), record.value or b""
        key = key + "x" if how == "other key" else key
        self.put(COMMANDS, place.partition, key, value if how == "other key" else b"." + value, None)

    @precondition(lambda self: self.model.latest)
    @rule(which=ANY, more=st.sampled_from([1, 10**6]))
    def a_log_contradicts_itself(self, which: int, more: int) -> None:
        """The partition stops at it: a revision or an event with other money than it had."""
        if which % 2 and self.following.posted:
            posted = pick(self.following.posted, which // 2)
            place = TopicPartition(posted.topic, posted.partition)
            self.take_all(posted.topic)
            records = self.world.log.records[place].values()
            event = next(e for e in (json.loads(one.value or b"") for one in records) if e["id"] == posted.event_id)
            event["data"]["amount_fen"] += more
            # Past the high-watermark: what stops it has to be the event's identity.
            event["data"]["origin"]["offset"] += 10**6
            self.is_refused(place, posted.uscc, json.dumps(event).encode(), "other content")
        else:
            self.take_all(DECISIONS)
            latest = pick(self.model.latest, which // 2)
            place = TopicPartition(DECISIONS, partition_of(latest.key[0].encode(), PARTITIONS))
            offset, fen = self.end(DECISIONS, place.partition), latest.amount_fen + more
            forged = made(*latest.key, latest.revision, fen, offset=offset, partition=place.partition)
            self.is_refused(place, latest.key[0], forged.value, "contradicts")

    @rule(
        batch=st.integers(1, 20), lands=st.sampled_from([None, None, None, 0, 1, 2]),
        back=st.sampled_from([0, 0, 0, 1, 10]), fate=FATES,
    )  # fmt: skip
    def events_are_relayed(self, batch: int, lands: int | None, back: int, fate: Fate | None) -> None:
        """`back`: so many again, as after a restored pointer."""
        self.unchecked = True
        self.reading.relay_falls_back(back)
        self.world.relay(batch, lands, fate)

    @precondition(lambda self: any(self.following.waiting(topic) for topic in EVENTS))
    @rule(which=ANY, records=st.integers(1, 12), fate=FATES)
    def events_are_posted(self, which: int, records: int, fate: Fate | None) -> None:
        waiting = [place for topic in EVENTS for place in self.following.waiting(topic)]
        self.take(pick(waiting, which), records, fate)

    # --- processes

    @precondition(lambda self: any(self.following.waiting(topic) for topic in LOGS))
    @rule(which=st.lists(ANY, min_size=1, max_size=3), records=FEW)
    def everybody_works_at_once(self, which: list[int], records: int) -> None:
        waiting = [place for topic in LOGS for place in self.following.waiting(topic)]
        self.at_once(sorted({pick(waiting, one) for one in which}), records)

    @rule(which=ANY, records=FEW, how=st.sampled_from(["rebalance", "rebalance", "old owner", "old owner", "restart"]))
    def processes_come_and_go(self, which: int, records: int, how: str) -> None:
        """A partition changes hands; one who had lost it comes back and does not know; all start anew."""
        if how == "restart":
            self.world.restart()
        elif how == "rebalance" and self.world.owned():
            self.world.rebalance(pick(self.world.owned(), which))
        elif how == "old owner" and self.world.retired():
            self.unchecked = True
            self.world.old_owner_turns(pick(self.world.retired(), which), records)

    def teardown(self) -> None:
        try:
            if not self.unchecked:
                come_to_rest(self)
                compare_ledgers(self, self.order)
        finally:
            self.close()
