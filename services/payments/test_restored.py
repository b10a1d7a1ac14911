"""What waits, and what is refused, when the ledger topics know more than the database."""

import json
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest
from aiokafka.structs import TopicPartition

from services.payments.cases import day, take
from services.payments.office_cases import Office, open_office
from services.payments.restored import HeldBack, Restored
from shared.contracts import topics
from shared.streaming import told
from shared.streaming.errors import Retry, Stop
from shared.streaming.postgres_store import append, transaction
from shared.streaming.records import Output
from shared.streaming.told import Told

pytestmark = pytest.mark.integration
HERE, WORDS = topics.LEDGER_REFUNDS, TopicPartition(topics.COMMANDS, 0)


class Logs:
    """What Kafka would say."""

    def __init__(self) -> None:
        self.lacking: list[Told] = []
        self.commands: dict[TopicPartition, int] = {}

    async def unknown(self, *_: object) -> list[Told]:
        return self.lacking

    async def ends(self, *_: object) -> dict[TopicPartition, int]:
        return self.commands


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Logs:
    logs = Logs()
    monkeypatch.setattr(told, "unknown", logs.unknown)
    monkeypatch.setattr(told, "ends", logs.ends)
    return logs


@pytest.fixture
async def office(database: str, secrets: Path, tmp_path: Path) -> AsyncIterator[Office]:
    async with open_office(database, secrets, tmp_path / "bank") as opened:
        yield opened


def event(cause: str, number: int = 0) -> Told:
    value = json.dumps({"id": number, "data": {"origin": {"topic": cause}}}).encode()
    return Told(HERE, 3, number, value)


async def test_a_database_that_is_whole_waits_for_nothing(office: Office, logs: Logs) -> None:
    restored = Restored(office.pool, "payments", "")
    await restored.look()
    await restored.over()


@pytest.mark.parametrize("cause", [topics.COMMANDS, "payments.actions"])
async def test_where_money_left_or_came_back_it_is_refused(office: Office, logs: Logs, cause: str) -> None:
    logs.lacking = [event(topics.DECISIONS), event(cause, 7)]
    with pytest.raises(Stop, match=rf"2 events .* and 1 of them .*offset 7 of {HERE}/3"):
        await Restored(office.pool, "payments", "").look()


async def test_what_nobody_can_read_is_refused(office: Office, logs: Logs) -> None:
    logs.lacking = [Told(HERE, 3, 0, b"{")]
    with pytest.raises(Stop):
        await Restored(office.pool, "payments", "").look()


async def test_until_all_is_told_again_no_command_is_taken_and_the_clerk_rests(office: Office, logs: Logs) -> None:
    first, second = (event(topics.DECISIONS, number) for number in range(2))
    logs.lacking = [first, second]
    restored = Restored(office.pool, "payments", "")
    await restored.look()
    rows = HeldBack("payments", restored)
    clerk = office.clerk
    clerk._ready = restored.over
    for value in (first.value, b"another", second.value):
        with pytest.raises(Retry, match="not told again yet"):
            await clerk.once()
        async with transaction(office.pool) as db:
            with pytest.raises(Retry, match="not told again yet"):
                await rows.load(db, WORDS, [])
        async with transaction(office.pool) as db:
            await append(db, "payments", [Output(HERE, 3, b"k", value)])
    async with transaction(office.pool) as db:
        assert await rows.load(db, WORDS, []) == {}
    assert await clerk.once() is False


async def test_commands_given_before_the_start_come_first(office: Office, logs: Logs) -> None:
    """Of a partition that has none, nothing is awaited."""
    logs.commands = {WORDS: 1, TopicPartition(topics.COMMANDS, 1): 0}
    restored = Restored(office.pool, "payments", "")
    await restored.look()
    await restored.told_again()
    with pytest.raises(Retry, match="not all taken"):
        await restored.over()
    # Another log's place is no matter.
    assert await take(office.decisions, TopicPartition(topics.DECISIONS, 0), [day(date(2020, 3, 2), partition=0)])
    with pytest.raises(Retry, match="not all taken"):
        await restored.over()
    await office.answer("0" * 32, "settled")
    await restored.over()
