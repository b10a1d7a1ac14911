"""Telling a Kafka cluster who may log in and what they may do. Repeatable: afterwards it is so, whatever was before."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaException
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

from deploy.access.kafka import Right
from shared.streaming.kafka_access import MECHANISM, KafkaAccess

ITERATIONS = 4096
SECONDS = 30.0
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
        known = admin.describe_acls(_everything(), request_timeout=SECONDS).result()
        present = {one for one in known if one.principal.removeprefix("User:") in rights}
        if wanted - present:
            waiting += admin.create_acls(sorted(wanted - present, key=str), request_timeout=SECONDS).values()
        if present - wanted:
            stale = [_filter(one) for one in present - wanted]
            waiting += admin.delete_acls(stale, request_timeout=SECONDS).values()
        for answer in waiting:
            answer.result()
    except KafkaException as error:
        raise GrantError(f"Kafka at {kafka.bootstrap} does not take the rights of the services: {error}") from error


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
