"""At the real broker: everybody tries everything, and what is not on this list is refused.

The table is written by hand and not made from topics.yaml, so that a slip there is found here.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    NoError,
    TopicAuthorizationFailedError,
    UnknownMemberIdError,
    for_code,
)
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import HeartbeatRequest
from faststream.kafka import KafkaBroker

from deploy.kafka.acl import Right, rights
from deploy.kafka.grants import grant
from shared.contracts.topics import DECISIONS, FACTS, LEDGER_REFUNDS, PACKS, topics
from shared.streaming.admission import check_admitted, check_groups
from shared.streaming.edge import Edge
from shared.streaming.errors import Stop
from shared.streaming.fakes import Adding, RecordingPublisher, memory_store
from shared.streaming.kafka_access import KafkaAccess
from shared.streaming.publisher import Publisher
from shared.streaming.records import Output
from shared.streaming.runner import Runner
from shared.streaming.topics import check_topics
from tests.integration.secured import Secured

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

# By topic: who may write it, who may read it.
MAY: dict[str, tuple[set[str], set[str]]] = {
    "upstream.tax.v1": ({"upstream"}, {"intake"}),
    "upstream.insurance.v1": ({"upstream"}, {"intake"}),
    "upstream.utility.v1": ({"upstream"}, {"intake"}),
    "intake.applications.v1": ({"intake"}, {"intake"}),
    "intake.operations.v1": ({"intake", "cli"}, {"intake", "cli"}),
    "relief.packs.v1": ({"cli"}, {"eligibility", "holdover", "cli"}),
    "relief.facts.v1": ({"intake"}, {"eligibility", "holdover", "cli"}),
    "relief.rejected.v1": ({"intake"}, {"cli"}),
    "relief.decisions.v1": ({"eligibility"}, {"intake", "payments", "holdover", "cli"}),
    "ledger.exemptions.v1": ({"payments"}, {"ledger", "payments", "cli"}),
    "ledger.refunds.v1": ({"payments"}, {"ledger", "payments", "cli"}),
    "payments.commands.v1": ({"payments", "bank"}, {"payments", "cli"}),
    "holdover.orders.v1": ({"holdover"}, {"utilities", "holdover", "cli"}),
}
# By consumer group: its only member.
MEMBER = {
    "relief-intake": "intake",
    "relief-intake-status": "intake",
    "relief-eligibility": "eligibility",
    "relief-payments": "payments",
    "relief-payments-commands": "payments",
    "relief-holdover-facts": "holdover",
    "relief-holdover-decisions": "holdover",
    "relief-ledger": "ledger",
    "relief-utilities": "utilities",
}
PRINCIPALS = ("upstream", "intake", "eligibility", "payments", "ledger", "holdover", "bank", "utilities", "cli")


@asynccontextmanager
async def connected(access: KafkaAccess) -> AsyncIterator[AIOKafkaClient]:
    client = AIOKafkaClient(**access.client())
    await client.bootstrap()
    try:
        yield client
    finally:
        await client.close()


async def writes(access: KafkaAccess, names: list[str]) -> set[str]:
    """Of the topics, those that took a record; every other one refused it for want of a right, or this fails."""
    took = set()
    # Not idempotent: who may write nothing at all gets no further than to its first question.
    producer = AIOKafkaProducer(**access.client(), acks="all")
    await producer.start()
    try:
        for name in names:
            try:
                await producer.send_and_wait(name, b"{}", partition=0)
                took.add(name)
            except TopicAuthorizationFailedError:
                continue
    finally:
        await producer.stop()
    return took


async def reads(access: KafkaAccess, names: list[str]) -> set[str]:
    """Of the topics, those whose first partition was handed out; every other one was refused for want of a right."""
    async with connected(access) as client:
        wanted = [(name, [(0, 0, 1_000_000)]) for name in names]
        answer = await client.send(client.get_random_node(), FetchRequest(10, 0, 50_000_000, 0, wanted))
    codes = {topic[0]: for_code(topic[1][0][1]) for topic in answer.topics}
    assert set(codes) == set(names)
    assert set(codes.values()) <= {NoError, TopicAuthorizationFailedError}
    return {name for name, error in codes.items() if error is NoError}


async def joins(access: KafkaAccess) -> set[str]:
    """Of the groups, those that heard the principal out as a member who is not known."""
    heard = set()
    async with connected(access) as client:
        for group in MEMBER:
            answer = await client.send(client.get_random_node(), HeartbeatRequest(group, 1, "nobody"))
            error = for_code(answer.error_code)
            assert error in (UnknownMemberIdError, GroupAuthorizationFailedError), error
            if error is UnknownMemberIdError:
                heard.add(group)
    return heard


async def sees(access: KafkaAccess) -> set[str]:
    """Of the groups, those whose place was told."""
    told = set()
    admin = AIOKafkaAdminClient(**access.client())
    await admin.start()
    try:
        for group in MEMBER:
            try:
                await admin.list_consumer_group_offsets(group)
                told.add(group)
            except GroupAuthorizationFailedError:
                continue
    finally:
        await admin.close()
    return told


@pytest.fixture(scope="module")
def broker(kafka: Secured) -> Secured:
    """With a place for groups, which Kafka makes when it is first asked."""

    async def ready() -> None:
        admin = AIOKafkaAdminClient(**kafka.door.client())
        await admin.start()
        try:
            for group in MEMBER:
                while True:
                    try:
                        await admin.list_consumer_group_offsets(group)
                        break
                    except KafkaError:
                        await asyncio.sleep(0.1)
        finally:
            await admin.close()

    asyncio.run(asyncio.wait_for(ready(), 120))
    return kafka


def test_the_table_is_of_every_served_topic_and_of_everybody() -> None:
    assert set(MAY) == {name for name, topic in topics().items() if not topic.planned}
    assert {name for pair in MAY.values() for names in pair for name in names} == set(PRINCIPALS)


@pytest.mark.parametrize("principal", PRINCIPALS)
async def test_writes_what_it_may_and_nothing_else(broker: Secured, principal: str) -> None:
    allowed = {name for name, (writers, _) in MAY.items() if principal in writers}
    assert await writes(broker.as_user(principal), list(MAY)) == allowed


@pytest.mark.parametrize("principal", PRINCIPALS)
async def test_reads_what_it_may_and_nothing_else(broker: Secured, principal: str) -> None:
    allowed = {name for name, (_, readers) in MAY.items() if principal in readers}
    assert await reads(broker.as_user(principal), list(MAY)) == allowed


@pytest.mark.parametrize("principal", PRINCIPALS)
async def test_joins_its_own_groups_and_no_other(broker: Secured, principal: str) -> None:
    own = {group for group, member in MEMBER.items() if member == principal}
    assert await joins(broker.as_user(principal)) == own
    assert await sees(broker.as_user(principal)) == (set(MEMBER) if principal == "cli" else own)


async def test_nobody_may_make_or_delete_a_topic_or_change_the_rights(broker: Secured) -> None:
    for principal in PRINCIPALS:
        admin = AIOKafkaAdminClient(**broker.as_user(principal).client())
        await admin.start()
        try:
            made = await admin.create_topics([NewTopic("relief.more.v1", 1, 1)])
            gone = await admin.delete_topics([FACTS])
        finally:
            await admin.close()
        assert for_code(made.topic_errors[0][1]) is TopicAuthorizationFailedError, principal
        assert for_code(gone.topic_error_codes[0][1]) is TopicAuthorizationFailedError, principal


async def test_a_wrong_password_or_an_unknown_name_is_refused_in_a_sentence(broker: Secured) -> None:
    intake = broker.as_user("intake")
    for wrong in (replace(intake, password="guessed"), replace(intake, user="auditor"), replace(intake, user="Intake")):
        with pytest.raises(Stop) as refused:
            await check_admitted(wrong)
        assert f"does not let {wrong.user} in" in str(refused.value)
        assert wrong.password not in str(refused.value)
    await check_admitted(intake)


async def test_nobody_comes_in_without_a_password_where_users_log_in(broker: Secured) -> None:
    with pytest.raises(KafkaError):
        async with connected(KafkaAccess(broker.as_user("intake").bootstrap)):
            pass


async def test_a_publisher_without_the_right_stops_with_a_sentence(broker: Secured) -> None:
    """Also where a producer cannot even begin: the ledger may write nothing."""
    wishes = {"eligibility": FACTS, "intake": LEDGER_REFUNDS, "holdover": DECISIONS, "ledger": FACTS}
    for principal, topic in wishes.items():
        publisher = Publisher(broker.as_user(principal), "test-rights")
        try:
            with pytest.raises(Stop) as refused:
                await publisher.publish([Output(topic, 0, b"k", b"{}")])
        finally:
            await publisher.stop()
        assert f"does not let {principal} publish" in str(refused.value)


async def test_a_service_learns_at_its_start_what_it_may_not_see(broker: Secured) -> None:
    intake = broker.as_user("intake")
    await check_topics(intake, {FACTS, DECISIONS})
    with pytest.raises(Stop, match=f"let intake see topic {PACKS}"):
        await check_topics(intake, {FACTS, PACKS})
    await check_groups(intake, ["relief-intake"])
    with pytest.raises(Stop, match="let intake be a member of consumer group relief-ledger"):
        await check_groups(intake, ["relief-intake", "relief-ledger"])


@asynccontextmanager
async def reading(access: KafkaAccess, group: str, topic: str) -> AsyncIterator[tuple[Edge, list[str]]]:
    """A consumer as services have it; what it says when only a new process can help."""
    runner = Runner("adder", Adding(), memory_store(), RecordingPublisher())
    broker = KafkaBroker(**access.broker(), logger=None)
    edge, told = Edge(broker, runner, [topic], group, None), list[str]()
    edge.on_fatal = told.append
    await broker.start()
    try:
        async with edge.running():
            yield edge, told
    finally:
        await broker.stop()


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110  # aiokafka sets no event
            await asyncio.sleep(0.05)


async def test_a_member_whose_group_is_taken_away_ends_with_a_sentence(broker: Secured) -> None:
    gone = Right("group", "relief-ledger", "Read")
    left = {"ledger": [right for right in rights()["ledger"] if right != gone]}
    async with reading(broker.as_user("ledger"), "relief-ledger", LEDGER_REFUNDS) as (edge, told):
        await until(lambda: len(edge.runner._cursors) == topics()[LEDGER_REFUNDS].partitions)
        grant(broker.door, left, {})
        try:
            await until(lambda: told)
            assert "does not let us be a member of the group" in told[0]
            assert "relief-ledger" in told[0]
            assert edge.problem() is not None
        finally:
            grant(broker.door, {"ledger": rights()["ledger"]}, {})


async def test_a_right_that_is_taken_away_stops_the_partitions_with_a_sentence(broker: Secured) -> None:
    gone = Right("topic", LEDGER_REFUNDS, "Read")
    left = {"ledger": [right for right in rights()["ledger"] if right != gone]}
    async with reading(broker.as_user("ledger"), "relief-ledger", LEDGER_REFUNDS) as (edge, _):
        await until(lambda: len(edge.runner._cursors) == topics()[LEDGER_REFUNDS].partitions)
        grant(broker.door, left, {})
        try:
            await until(lambda: edge.runner.stopped)
            [sentence, *_] = edge.runner.stopped.values()
            assert f"does not let us read {LEDGER_REFUNDS}" in sentence
            assert "stopped" in (edge.problem() or "")
        finally:
            grant(broker.door, {"ledger": rights()["ledger"]}, {})


async def test_a_password_that_is_changed_is_asked_for_at_the_next_login(broker: Secured) -> None:
    old = broker.as_user("utilities")
    try:
        grant(broker.door, {}, {"utilities": "another-password-of-theirs"})
        with pytest.raises(Stop, match="does not let utilities in"):
            await check_admitted(old)
        await check_admitted(replace(old, password="another-password-of-theirs"))
    finally:
        grant(broker.door, {}, {"utilities": old.password})
