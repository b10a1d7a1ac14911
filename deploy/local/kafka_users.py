"""The users of the stack's own Kafka: their passwords in files, and their rights at the broker."""

from pathlib import Path

from deploy.kafka.acl import rights
from deploy.kafka.grants import GrantError, grant
from deploy.local.errors import StackError
from deploy.local.kafka_server import passwords_dir
from deploy.local.passwords import passwords
from shared.streaming.kafka_access import KafkaAccess


def let_in(state: Path, door: str) -> None:
    """Every principal may log in with the password of its file, which is made where it is missing, and has its rights.

    `door`: where nobody is asked for a password. Raises StackError.
    """
    wanted = rights()
    try:
        grant(KafkaAccess(door), wanted, passwords(passwords_dir(state), wanted))
    except GrantError as error:
        raise StackError(str(error)) from error
