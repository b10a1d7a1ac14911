"""What waits, and what is refused, when the ledger topics know more than the database."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Any, cast

import pytest
from aiokafka.structs import TopicPartition

from services.payments.cases import day, take
from services.payments.office_cases import Office, open_office
from services.payments.restored import CommandsAfter, DecisionsAfter, Restored
from shared.contracts import topics
from shared.streaming import told
from shared.streaming.errors import Retry, Stop
from shared.streaming.kafka_access import KafkaAccess
from shared.streaming.postgres_store import Connection, append, transaction
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
    restored = Restored(office.pool, "payments", KafkaAccess(""))
    await restored.look()
    await restored.over()


@pytest.mark.parametrize("cause", [topics.COMMANDS, "payments.actions"])
async def test_where_money_left_or_came_back_it_is_refused(office: Office, logs: Logs, cause: str) -> None:
    logs.lacking = [event(topics.DECISIONS), event(cause, 7)]
    with pytest.raises(Stop, match=rf"2 events .* and 1 of them .*offset 7 of {HERE}/3"):
        await Restored(office.pool, "payments", KafkaAccess("")).look()


async def test_what_nobody_can_read_is_refused(office: Office, logs: Logs) -> None:
    logs.lacking = [Told(HERE, 3, 0, b"{")]
    with pytest.raises(Stop):
        await Restored(office.pool, "payments", KafkaAccess("")).look()


async def test_until_all_is_told_again_no_command_is_taken_and_the_clerk_rests(office: Office, logs: Logs) -> None:
    first, second = (event(topics.DECISIONS, number) for number in range(2))
    logs.lacking = [first, second]
    restored = Restored(office.pool, "payments", KafkaAccess(""))
    await restored.look()
    rows = CommandsAfter("payments", restored)
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
    restored = Restored(office.pool, "payments", KafkaAccess(""))
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


async def test_a_database_set_back_under_us_is_found(office: Office, logs: Logs) -> None:
    """By the newest event that was seen: another has its number now."""
    restored = Restored(office.pool, "payments", KafkaAccess(""))
    await restored.look()
    rows = DecisionsAfter(restored)

    async def load() -> None:
        async with transaction(office.pool) as db:
            await rows.load(db, TopicPartition(topics.DECISIONS, 3), [])

    async def put(value: bytes) -> None:
        async with transaction(office.pool) as db:
            await append(db, "payments", [Output(HERE, 3, b"k", value)])

    for value in (b"one", b"two"):
        await put(value)
        await load()
    await office.do("ALTER TABLE outbox DISABLE TRIGGER ALL; DELETE FROM outbox WHERE seq = 2")
    await office.do("UPDATE outbox_counter SET last = 1")
    await put(b"two, and another")
    with pytest.raises(Retry, match="set back"):
        await load()
    lost = event(topics.DECISIONS)
    logs.lacking = [lost]
    with pytest.raises(Retry, match="set back"):
        await restored.over()
    await load()
    with pytest.raises(Retry, match=r"1 events .* not told again"):
        await restored.over()
    await put(lost.value)
    await restored.over()
    await office.do("DELETE FROM outbox WHERE seq = 3")
    logs.lacking = [event("payments.actions")]
    with pytest.raises(Stop):
        await restored.over()
    with pytest.raises(Stop):
        await load()


class Overtaken:
    """A connection that hands out each answer only after something else has happened."""

    def __init__(self, db: Connection, meanwhile: Callable[[], Awaitable[None]]) -> None:
        self._db, self._meanwhile = db, meanwhile

    async def execute(self, query: Any, parameters: Any = None) -> Any:
        answer = await self._db.execute(query, parameters)
        await self._meanwhile()
        return answer


async def test_transactions_that_look_at_the_same_time_raise_no_alarm(office: Office, logs: Logs) -> None:
    restored = Restored(office.pool, "payments", KafkaAccess(""))
    await restored.look()

    async def put_and_look() -> None:
        async with transaction(office.pool) as db:
            await append(db, "payments", [Output(HERE, 3, b"k", b"more")])
        async with transaction(office.pool) as db:
            await restored.same(db)

    await put_and_look()
    async with transaction(office.pool) as db:
        await restored.same(cast(Connection, Overtaken(db, put_and_look)))
    async with transaction(office.pool) as db:
        await restored.same(db)
