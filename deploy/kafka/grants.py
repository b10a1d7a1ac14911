"""Telling a Kafka cluster who may log in and what they may do. Repeatable: afterwards it is so, whatever was before."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from deploy.kafka.acl import Right
from shared.streaming.kafka_access import MECHANISM, KafkaAccess

ITERATIONS = 4096
SECONDS = 30.0
POLL_SECONDS = 0.02
_SILENT = logging.getLogger("relief.kafka-grants")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


class GrantError(Exception):
    """The cluster did not take it; the message is a sentence."""


def grant(kafka: KafkaAccess, rights: Mapping[str, Iterable[Right]], passwords: Mapping[str, str]) -> None:
    """Principals of `passwords` log in with that one (SCRAM-SHA-512); those of `rights` may do that and nothing else.

    `kafka`: as somebody who may alter the cluster. Principals that are not named stay as they are. Raises GrantError.
    """
    admin = AdminClient(_configuration(kafka), logger=_SILENT)
    wanted = {_binding(name, right) for name, of in rights.items() for right in of}
    credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS)
    try:
        logins = [UserScramCredentialUpsertion(name, credential, word.encode()) for name, word in passwords.items()]
        waiting: list[Any] = []
        if logins:
            waiting += admin.alter_user_scram_credentials(logins, request_timeout=SECONDS).values()
        present = _present(admin, rights)
        if wanted - present:
            waiting += admin.create_acls(sorted(wanted - present, key=str), request_timeout=SECONDS).values()
        if present - wanted:
            stale = [_filter(one) for one in present - wanted]
            waiting += admin.delete_acls(stale, request_timeout=SECONDS).values()
        for answer in waiting:
            answer.result()
        _wait_in_force(lambda: _present(admin, rights) == wanted and _known(admin, passwords))
    except KafkaException as error:
        raise GrantError(f"Kafka at {kafka.bootstrap} does not take the rights of the services: {error}") from error


def _present(admin: AdminClient, rights: Mapping[str, object]) -> set[AclBinding]:
    """What a broker goes by now, of these principals."""
    known = admin.describe_acls(_everything(), request_timeout=SECONDS).result()
    return {one for one in known if one.principal.removeprefix("User:") in rights}


def _known(admin: AdminClient, users: Iterable[str]) -> bool:
    """Whether the broker has a password of each."""
    try:
        for answer in admin.describe_user_scram_credentials(list(users), request_timeout=SECONDS).values():
            answer.result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.RESOURCE_NOT_FOUND:
            return False
        raise
    return True


def _wait_in_force(holds: Callable[[], bool]) -> None:
    """What the controller has taken, a broker hears of a moment later; who logs in before that is refused."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise GrantError(f"The rights of the services at Kafka are not in force after {SECONDS:.0f} seconds.")
        time.sleep(POLL_SECONDS)


def _configuration(kafka: KafkaAccess) -> dict[str, Any]:
    found: dict[str, Any] = {"bootstrap.servers": kafka.bootstrap, "security.protocol": kafka.security}
    if kafka.security.startswith("SASL"):
        found |= {"sasl.mechanism": MECHANISM, "sasl.username": kafka.user, "sasl.password": kafka.password}
    for name, path in (("ca", kafka.ca_file), ("certificate", kafka.certificate_file), ("key", kafka.key_file)):
        if path is not None:
            found[f"ssl.{name}.location"] = str(path)
    return found


def _binding(name: str, right: Right) -> AclBinding:
    return AclBinding(
        ResourceType[right.kind.upper()],
        right.name,
        ResourcePatternType.LITERAL,
        f"User:{name}",
        "*",
        AclOperation[right.operation.upper()],
        AclPermissionType.ALLOW,
    )


def _everything() -> AclBindingFilter:
    return AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
    )


def _filter(one: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        one.restype, one.name, one.resource_pattern_type, one.principal, one.host, one.operation, one.permission_type
    )
