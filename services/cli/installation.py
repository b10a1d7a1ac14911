"""The installation a command talks to: the local stack by its state directory, and its services over HTTP."""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import httpx
import typer

from deploy.kafka.acl import OVERSEER
from deploy.local.errors import StackError
from deploy.local.stack import DEFAULT_STATE, Stack
from services.cli.terminal import CommandError
from shared.devkeys import issue_development_token
from shared.streaming.kafka_access import KafkaAccess

R = TypeVar("R")
State = Annotated[Path, typer.Option("--state", envvar="RELIEF_STATE", help="The directory of the stack's state.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
# Whom commands stand in for that send what comes from outside, where Kafka asks who writes.
AUTHORITIES = "upstream"
__all__ = ["AUTHORITIES", "DEFAULT_STATE", "AsJson", "Installation", "State", "installation", "run"]


@dataclass(frozen=True, slots=True)
class Installation:
    """Addresses of what runs; `secrets` holds the keys of the development issuer."""

    kafka: KafkaAccess
    urls: dict[str, str]
    secrets: Path

    def token(self, role: str = "operator", uscc: str | None = None, supplier_id: str | None = None) -> str:
        """A bearer token of the development issuer; CommandError for a role or a key file that is not right."""
        try:
            return issue_development_token(self.secrets, role, f"relief-{role}", uscc, supplier_id=supplier_id)
        except ValueError as error:
            raise CommandError(str(error)) from error

    def get(self, service: str, path: str, **parameters: str) -> Any:
        """JSON of a service's read API, or None for 404; CommandError with a sentence otherwise."""
        return self._ask("GET", service, path, self.token(), params=parameters)

    def download(self, service: str, path: str, file: Path, **parameters: str) -> None:
        """A text of a service's read API into a file, which is there whole or not at all.

        CommandError with a sentence otherwise.
        """
        url, headers = self._url(service), {"Authorization": f"Bearer {self.token()}"}
        draft = file.with_name(f".{file.name}.part")
        try:
            with (
                httpx.stream("GET", f"{url}{path}", headers=headers, timeout=60.0, params=parameters) as answer,
                draft.open("wb") as part,
            ):
                if answer.is_error:
                    answer.read()
                    raise CommandError(f"{service} answers {answer.status_code}: {answer.text}")
                for chunk in answer.iter_bytes():
                    part.write(chunk)
            draft.replace(file)
        except httpx.HTTPError as error:
            raise CommandError(f"{service} at {url} broke off: {error}; see `relief status`.") from error
        finally:
            draft.unlink(missing_ok=True)

    def act(self, method: str, service: str, path: str, role: str, subject: str, body: dict[str, Any]) -> Any:
        """What a service answers to a person of this role; CommandError with a sentence where it refuses."""
        token = issue_development_token(self.secrets, role, subject, None)
        return self._ask(method, service, path, token, json=body)

    def _url(self, service: str) -> str:
        url = self.urls.get(service)
        if url is None:
            raise CommandError(f"The service {service} does not run; see `relief status`.")
        return url

    def _ask(self, method: str, service: str, path: str, token: str, **sent: Any) -> Any:
        url = self._url(service)
        headers = {"Authorization": f"Bearer {token}"}
        try:
            answer = httpx.request(method, f"{url}{path}", headers=headers, timeout=60.0, **sent)
            while answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
                time.sleep(float(answer.headers["Retry-After"]))
                answer = httpx.request(method, f"{url}{path}", headers=headers, timeout=60.0, **sent)
        except httpx.HTTPError as error:
            raise CommandError(f"{service} at {url} does not answer: {error}; see `relief status`.") from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if answer.is_error:
            raise CommandError(f"{service} answers {answer.status_code}: {answer.text}")
        return answer.json()

    def wrong(self) -> str:
        """What services say keeps them from being ready, in sentences; empty when all are well."""
        sentences = []
        for name, url in self.urls.items():
            try:
                found = httpx.get(f"{url}/readyz", timeout=10.0).json()["wrong"]
            except (httpx.HTTPError, ValueError, KeyError):
                found = {name: "it does not answer"}
            sentences += [f"{name}: {sentence}. " for sentence in found.values()]
        return "".join(sentences)


def installation(state: Path, user: str = OVERSEER) -> Installation:
    """The running installation, its Kafka as that user where it asks; CommandError when it is not up."""
    stack = Stack(state)
    try:
        status = stack.status()
    except StackError as error:
        raise CommandError(str(error)) from error
    if status.kafka is None:
        raise CommandError(f"The stack in {state} is not up; start it with `relief up`.")
    urls = {name: service.url for name, service in status.services.items() if service.url is not None}
    return Installation(stack.kafka(user), urls, stack.state / "secrets")


def run(work: Coroutine[Any, Any, R]) -> R:
    """A command's asynchronous part."""
    return asyncio.run(work)
