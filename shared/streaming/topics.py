"""Topics on the broker: created from the declaration, and checked against it."""

import asyncio
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, NoError, TopicAlreadyExistsError, TopicAuthorizationFailedError, for_code

from shared.contracts.topics import Topic, topics
from shared.streaming.admission import denied
from shared.streaming.errors import Retry, Stop
from shared.streaming.kafka_access import KafkaAccess

READY_SECONDS = 20.0


async def ensure_topics(kafka: KafkaAccess, replication: int = 1) -> None:
    """Create what is missing; Stop with a sentence where a partition count differs from the declared one.

    Raises Retry when the broker does not answer.
    """
    declared = {name: topic for name, topic in topics().items() if not topic.planned}
    admin = AIOKafkaAdminClient(**kafka.client(), client_id="relief-topics")
    try:
        await admin.start()
        present = set(await admin.list_topics())
        missing = [
            NewTopic(
                name=topic.name,
                num_partitions=topic.partitions,
                replication_factor=replication,
                topic_configs=_configs(topic, replication),
            )
            for name, topic in declared.items()
            if name not in present
        ]
        if missing:
            _check_created(await admin.create_topics(missing))
        await _check(kafka, admin, {name: topic.partitions for name, topic in declared.items()})
    except (KafkaError, OSError) as error:
        raise Retry(f"Kafka at {kafka.bootstrap} cannot be reached: {error!r}") from error
    finally:
        await admin.close()


async def check_topics(kafka: KafkaAccess, names: set[str]) -> None:
    """Stop unless the topics are there with the declared partition counts: a changed count moves enterprises."""
    admin = AIOKafkaAdminClient(**kafka.client(), client_id="relief-topics")
    try:
        await admin.start()
        await _check(kafka, admin, {name: topics()[name].partitions for name in names})
    except (KafkaError, OSError) as error:
        raise Retry(f"Kafka at {kafka.bootstrap} cannot be reached: {error!r}") from error
    finally:
        await admin.close()


async def _check(kafka: KafkaAccess, admin: AIOKafkaAdminClient, wanted: dict[str, int]) -> None:
    deadline = asyncio.get_running_loop().time() + READY_SECONDS
    while True:
        described = await admin.describe_topics(list(wanted))
        hidden = sorted(t["topic"] for t in described if for_code(t["error_code"]) is TopicAuthorizationFailedError)
        if hidden:
            raise Stop(denied(kafka, f"see topic {', '.join(hidden)}"))
        found = {t["topic"]: len(t["partitions"]) for t in described}
        if all(found.get(name) == count for name, count in wanted.items()):
            return
        wrong = [name for name, count in wanted.items() if found.get(name, 0) not in (0, count)]
        # Upstream belongs to the authorities: any number of partitions is right there.
        wrong = [name for name in wrong if not name.startswith("upstream.")]
        if wrong:
            name = wrong[0]
            raise Stop(
                f"Topic {name} has {found[name]} partitions, {wanted[name]} are declared and fixed for life: "
                "restore the topic, or move to a new cluster."
            )
        if all(found.get(name, 0) > 0 for name in wanted):
            return
        if asyncio.get_running_loop().time() > deadline:
            missing = sorted(name for name in wanted if not found.get(name))
            raise Stop(
                f"Topics are missing: {', '.join(missing)}. Create them with `relief up` or the deployment's job."
            )
        await asyncio.sleep(0.1)


def _check_created(response: Any) -> None:
    """aiokafka hands the broker's refusals back without raising them."""
    for topic, code, *message in response.topic_errors:
        error = for_code(code)
        if error not in (NoError, TopicAlreadyExistsError):  # another replica was quicker: the count is checked after
            raise Stop(f"Topic {topic} cannot be created: {error.__name__} {' '.join(filter(None, message))}".rstrip())


def _configs(topic: Topic, replication: int) -> dict[str, str]:
    configs = {
        "cleanup.policy": "delete",
        # Milliseconds: for ever, or 60 days, longer than any outage we plan for.
        "retention.ms": "-1" if topic.retention == "forever" else str(60 * 24 * 3600 * 1000),
        "min.insync.replicas": "2" if replication > 2 else "1",
    }
    if topic.name.startswith("upstream."):
        configs["max.message.bytes"] = str(4 * 1024 * 1024)  # too large for us is for intake to say
    return configs
