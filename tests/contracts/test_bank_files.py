"""Two sides that share no line of code write and read each other's bank files: the payments room and the stand-in."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.payments.bank.answers import Reply
from services.payments.bank.mailbox import DirectoryMailbox
from services.payments.bank.pain001 import Debtor, Instruction, Message, build
from services.payments.bank.refused import Refused
from services.payments.bank.replies import read
from services.simulator.bank import FLAWLESS, Bank, Behaviour

DAY = date(2020, 3, 2)
DEBTOR = Debtor("救助资金 Relief <Fund> & Co", "650100123456", "102881000013")
SHARES = st.sampled_from([0.0, 0.1, 0.5, 1.0])
BEHAVIOURS = st.builds(
    Behaviour,
    rejected=SHARES,
    delayed=SHARES,
    silent=SHARES,
    batches_rejected=st.sampled_from([0.0, 0.3]),
    repeated=SHARES,
    renumbered=SHARES,
    reordered=SHARES,
    wrong_total=SHARES,
    unknown_ids=SHARES,
    settle_days=st.integers(0, 2),
    delay_days=st.integers(0, 4),
)


class Desk:
    """The least that a payments side must do: send, read, count each payment once, refuse what it does not know."""

    def __init__(self, directory: Path) -> None:
        self.mailbox = DirectoryMailbox(directory)
        self.batches: dict[str, Message] = {}
        self.open: dict[str, int] = {}
        self.settled: dict[str, int] = {}
        self.rejected: dict[str, str | None] = {}
        self.received: dict[tuple[str, str], int] = {}
        self.refusals: list[str] = []

    def send(self, batch: Message) -> None:
        self.batches[batch.batch_id] = batch
        self.open.update((one.payment_id, one.amount_fen) for one in batch.instructions)
        self.mailbox.put(f"{batch.batch_id}.xml", build(batch))

    def take_all(self) -> None:
        for name in self.mailbox.incoming():
            try:
                reply = read(self.mailbox.read(name))
                self.check(reply)
            except Refused as refused:
                self.refusals.append(refused.reason_code)
                self.mailbox.refuse(name, refused.sentence)
            else:
                self.apply(reply)
                self.mailbox.accept(name)

    def check(self, reply: Reply) -> None:
        for answer in reply.answers:
            if answer.payment_id not in self.open:
                raise Refused("BAD_ID", "Nobody ordered this.")
            assert answer.amount_fen == self.open[answer.payment_id]
        if reply.original_message_id is not None:
            batch = self.batches[reply.original_message_id]
            assert reply.original_count == len(batch.instructions)
            assert reply.original_total_fen == sum(one.amount_fen for one in batch.instructions)

    def apply(self, reply: Reply) -> None:
        if reply.whole == "rejected":
            assert reply.original_message_id is not None
            for one in self.batches[reply.original_message_id].instructions:
                self.rejected.setdefault(one.payment_id, reply.reason_code)
        for answer in reply.answers:
            if answer.status == "settled":
                assert answer.amount_fen is not None
                assert self.settled.setdefault(answer.payment_id, answer.amount_fen) == answer.amount_fen
            if answer.status == "rejected":
                self.rejected[answer.payment_id] = answer.reason_code
        for part in reply.received:
            self.received[part.clawback_id, part.bank_reference] = part.amount_fen


def batches(sizes: Sequence[int], fen: Sequence[int]) -> list[Message]:
    made, number = [], 0
    for index, size in enumerate(sizes):
        instructions = []
        for _ in range(size):
            number += 1
            name = f"第{number}公司 & <sons>"
            instructions.append(
                Instruction(f"{number:032x}", fen[number % len(fen)], name, f"6222{number}", f"{number:012d}")
            )
        made.append(Message(f"{index:032x}", "job_stabilisation", DAY, DEBTOR, instructions))
    return made


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10_000),
    BEHAVIOURS,
    st.lists(st.integers(1, 8), min_size=1, max_size=4),
    st.lists(st.integers(1, 10**13), min_size=1, max_size=6),
)
def test_both_sides_end_with_the_same_books_to_the_fen(
    tmp_path_factory: pytest.TempPathFactory, seed: int, behaviour: Behaviour, sizes: list[int], fen: list[int]
) -> None:
    directory = tmp_path_factory.mktemp("mailbox")
    desk, bank = Desk(directory), Bank(directory, seed, behaviour)
    for offset, batch in enumerate(batches(sizes, fen)):
        desk.send(batch)
        bank.day(DAY + timedelta(offset))
        desk.take_all()
        told = {payment_id: paid for payment_id, paid in bank.paid.items() if payment_id not in bank.untold}
        assert desk.settled == told
    end = DAY + timedelta(20)
    bank.day(end)
    desk.take_all()
    bank.break_silence(end)
    for part in (1, 7):
        bank.receive("c" * 32, part, end)
    bank.day(end + timedelta(1))
    desk.take_all()
    assert bank.refused == []
    assert desk.settled == bank.paid
    assert desk.rejected == bank.rejected
    assert set(desk.settled) | set(desk.rejected) == set(desk.open)
    assert sum(desk.received.values()) == sum(bank.received.values()) == 8
    assert set(desk.refusals) <= {"WRONG_TOTAL", "BAD_ID"}
    assert desk.mailbox.incoming() == []


def test_what_is_wrong_on_purpose_is_refused_and_nothing_else(tmp_path: Path) -> None:
    for name, behaviour, expected in (
        ("flawless", FLAWLESS, set[str]()),
        ("totals", Behaviour(0.2, 0, 0, 0, 0, 0, 0, wrong_total=1, unknown_ids=0), {"WRONG_TOTAL"}),
        ("ids", Behaviour(0.2, 0, 0, 0, 0, 0, 0, wrong_total=0, unknown_ids=1), {"BAD_ID"}),
        ("repeats", Behaviour(0.2, 0, 0, 0, repeated=1, renumbered=1, wrong_total=0, unknown_ids=0), set[str]()),
    ):
        desk, bank = Desk(tmp_path / name), Bank(tmp_path / name, 1, behaviour)
        for batch in batches([30], [12345]):
            desk.send(batch)
        for offset in range(4):
            bank.day(DAY + timedelta(offset))
            desk.take_all()
        assert set(desk.refusals) == expected, name
        assert desk.settled == bank.paid != {}
        if expected:
            assert len(list((tmp_path / name / "refused").glob("*.reason.txt"))) == len(desk.refusals) > 1
