"""Whether Kafka lets us in, and lets us do what we are for: asked at the start, and said in a sentence.

aiokafka logs why a broker refused a connection, and then says of each that it cannot be reached; so we ask ourselves.
"""

import ssl
from collections.abc import Iterable

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from shared.streaming.errors import Retry, Stop
from shared.streaming.kafka_access import KafkaAccess

REQUEST_MILLISECONDS = 10_000
# Nothing that passes by itself: a person has to give the right, or take away the wish.
DENIALS = (TopicAuthorizationFailedError, GroupAuthorizationFailedError, ClusterAuthorizationFailedError)
_STRANGERS = (SaslAuthenticationFailed, UnsupportedSaslMechanismError, IllegalSaslStateError)


def denied(kafka: KafkaAccess, wish: str) -> str:
    """The sentence for a right that is missing: `wish` is a verb and its object."""
    who = kafka.user or "who does not log in"
    return f"Kafka at {kafka.bootstrap} does not let {who} {wish}: give it the right that topics.yaml says it has."


async def check_admitted(kafka: KafkaAccess) -> None:
    """Raises Stop where a broker does not let us in, or is not one we trust; Retry where none can be reached."""
    options = kafka.client()
    hosts = collect_hosts(options.pop("bootstrap_servers"), randomize=False)
    unreached: Exception | None = None
    for host, port, _ in hosts:
        where = f"Kafka at {host}:{port}"
        try:
            connection = await create_conn(host, port, request_timeout_ms=REQUEST_MILLISECONDS, **options)
            try:
                # A broker that wants a login still tells its versions to everybody, and hangs up at the first question.
                await connection.send(MetadataRequest([]))
            finally:
                connection.close()
            return
        except _STRANGERS as error:
            raise Stop(
                f"{where} does not let {kafka.user} in ({type(error).__name__}): correct RELIEF_KAFKA_USER, its "
                "password or RELIEF_KAFKA_SECURITY."
            ) from error
        except ssl.SSLError as error:
            why = getattr(error, "verify_message", "") or error.reason or type(error).__name__
            raise Stop(f"{where} is not trusted ({why}): correct RELIEF_KAFKA_CA_FILE or the address.") from error
        except ValueError as error:  # of SCRAM: a server that answers wrongly does not know the password
            raise Stop(f"{where} does not prove that it knows {kafka.user}: is it the right broker?") from error
        except (OSError, KafkaError) as error:
            unreached = error
    raise Retry(f"Kafka at {kafka.bootstrap} cannot be reached over {kafka.security}: {unreached!r}")


async def check_groups(kafka: KafkaAccess, groups: Iterable[str]) -> None:
    """Raises Stop where we may not be a member of one of the groups, Retry when the broker does not answer."""
    admin = AIOKafkaAdminClient(**kafka.client(), client_id="relief-groups")
    try:
        await admin.start()
        for group in groups:
            try:
                await admin.find_coordinator(group)
            except DENIALS as error:
                raise Stop(denied(kafka, f"be a member of consumer group {group}")) from error
            except KafkaError:
                continue  # the coordinator of a new cluster takes a moment; the consumer itself waits for it
    except (KafkaError, OSError) as error:
        raise Retry(f"Kafka at {kafka.bootstrap} cannot be reached: {error!r}") from error
    finally:
        await admin.close()
