"""Both inputs through the real runner into one real store, by processes that come and go."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka.structs import TopicPartition

from services.holdover.app import SCHEMA
from services.holdover.cases import DECISIONS, FACTS, Logs, events, signer, take
from services.holdover.clock import Clock
from services.holdover.domain.enterprise import Held
from services.holdover.store.test_rows import Store, look, story, told
from shared.contracts import topics
from shared.streaming.consumer import Poller
from shared.streaming.fakes import FakeConsumer, Log, RecordingPublisher
from shared.streaming.records import Record, States
from shared.streaming.relay import Relay
from shared.streaming.runner import Runner

pytestmark = pytest.mark.integration
WHERE = {fold: TopicPartition(topic, 3) for fold, topic in ((FACTS, topics.FACTS), (DECISIONS, topics.DECISIONS))}


class Member:
    """One input of one process."""

    def __init__(self, log: Log, store: Store, fold: Any, max_records: int) -> None:
        self.consumer = FakeConsumer(log)
        self.consumer.assigned = {WHERE[fold]}
        self.runner: Runner[Any, Held] = Runner("holdover", fold, store, None)
        self.poller = Poller(self.runner, max_records, 0.0)

    async def turn(self) -> None:
        poll = await self.poller.poll(self.consumer)
        await self.runner.handle(poll.chunks)
        assert not self.runner.stopped

    async def begin(self) -> "Member":
        self.runner.bind(self.consumer)
        await self.runner.assigned(set(self.consumer.assigned))
        while self.runner._recoveries:
            await next(iter(self.runner._recoveries.values()))
        return self


def log_of(records: Sequence[Record]) -> Log:
    log = Log()
    for record in records:
        where = TopicPartition(record.topic, 3)
        log.records.setdefault(where, {})[record.offset] = record
        log.end[where] = record.offset + 1
    return log


@pytest.mark.parametrize("seed", range(4))
async def test_processes_that_come_and_go_end_where_one_reading_does(store: Store, seed: int) -> None:
    chance = random.Random(seed)
    records = story(Logs())
    log, works = log_of(records), Clock(store.pool, SCHEMA, signer())
    members = [await Member(log, store, fold, chance.randint(1, 4)).begin() for fold in (FACTS, DECISIONS)]
    for _ in range(60):
        place = chance.randrange(2)
        await members[place].turn()
        if chance.random() < 0.2:
            await works.once()
        if chance.random() < 0.1:  # a new owner, while the old one may still be there
            fold = (FACTS, DECISIONS)[place]
            stale = members[place]
            members[place] = await Member(log, store, fold, chance.randint(1, 4)).begin()
            await stale.turn()
    for member in members:
        for _ in range(30):
            await member.turn()
    while await works.once():
        pass
    states: States[Held] = States({})
    take(states, records)
    assert await look(
        store,
        "SELECT utility, state, bills_fen, lowered_fen, repaid_fen, open_fen FROM account ORDER BY utility",
    ) == [
        ("electricity", "repaying", 1160, 41, 600, 519),
        ("provident_fund", "defaulted", 700, 0, 0, 700),
        ("water", "none", 0, 0, 0, 0),
    ]
    said = await told(store)
    assert len({one.id for one in said}) == len(said)
    sources: dict[str, tuple[int, int]] = {}
    for one in said:
        origin = one.data.origin
        assert (origin.offset, origin.index) > sources.get(origin.topic, (-1, -1))
        sources[origin.topic] = (origin.offset, origin.index)


async def test_what_is_stored_is_relayed_in_order(store: Store) -> None:
    records = story(Logs())
    log, publisher = log_of(records), RecordingPublisher()
    for fold in (DECISIONS, FACTS):
        member = await Member(log, store, fold, 500).begin()
        await member.turn()
    relay = Relay(store.pool, SCHEMA, publisher, batch=5)
    while await relay.once():
        pass
    assert events(publisher.out) == await told(store)
    assert publisher.out
