"""One way to run every service: settings, store, topics, publisher, consumers, HTTP. `app.py` says what differs.

A service that cannot start says why in one sentence on standard error and exits with 1.
"""

import asyncio
import functools
import gc
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import structlog
from fastapi import APIRouter, FastAPI
from faststream.kafka import KafkaBroker
from pydantic import Field, SecretStr, ValidationError

from shared import web
from shared.access import TokenVerifier
from shared.contracts import registry
from shared.devkeys import DEVELOPMENT_ISSUER, ISSUER_PUBLIC
from shared.gate import Gate
from shared.keyfiles import KeyFileError
from shared.limits import Limiter
from shared.observability import asyncapi, logging
from shared.observability.health import Check, Health
from shared.redis_address import redis_address
from shared.streaming.admission import DENIALS, check_admitted, check_groups, denied
from shared.streaming.edge import STALLED_SECONDS, Edge
from shared.streaming.errors import Retry, Stop
from shared.streaming.kafka_access import KafkaAccess
from shared.streaming.publisher import Publisher
from shared.streaming.records import Fold
from shared.streaming.runner import Runner
from shared.streaming.settings import KafkaSettings
from shared.streaming.store import Store
from shared.streaming.topics import check_topics

log = structlog.stdlib.get_logger(__name__)


class ServiceSettings(KafkaSettings):
    """What every service is told, from RELIEF_ variables; a service's own settings class adds to it."""

    http_port: int = Field(ge=1, le=65_535)
    http_host: str = "127.0.0.1"
    # The name of this replica, for Kafka's static membership; two replicas never share one. None: dynamic membership.
    instance: str | None = None
    secrets_dir: Path
    token_issuer: str = DEVELOPMENT_ISSUER
    # Where the replicas count callers together; without it, each counts for itself.
    redis_url: SecretStr | None = Field(default=None, min_length=1)
    redis_password_file: Path | None = None
    redis_passwords_dir: Path | None = None
    log_level: Literal["debug", "info", "warning", "error", "critical"] = "info"

    @property
    def token_keys(self) -> Path:
        """The issuer's public keys, that bearer tokens are checked against."""
        return self.secrets_dir / ISSUER_PUBLIC


G = TypeVar("G", bound=ServiceSettings)


@dataclass(frozen=True, slots=True)
class Backing:
    """A store and what goes with it. `opened`: inside, the store can serve; it raises Retry, Stop or KeyFileError.

    `look`: asked once store and broker are there, before anything is read or told; it raises Stop, or Retry.
    `tasks` run until cancelled, beside the consumers; `checks` are for readiness, beside the store's own.
    """

    store: Store[Any]
    opened: Callable[[], AbstractAsyncContextManager[None]]
    tasks: Sequence[Callable[[], Awaitable[None]]] = ()
    checks: Mapping[str, Check] = field(default_factory=dict)
    look: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class Input:
    """One consumer group: the topics it reads through one fold into one store."""

    group: str
    topics: tuple[str, ...]
    fold: Fold[Any, Any]
    backing: Backing


@dataclass(frozen=True, slots=True)
class Service:
    """A whole service, wired but not started. `writes`: the topics that `publisher` is for, none when it has none.

    `also_reads`: topics that it follows beside its inputs. `gate`: the one that its `routers` let callers in by, from
    `gate_of`.
    """

    name: str
    settings: ServiceSettings
    kafka: KafkaAccess
    gate: Gate
    inputs: Sequence[Input]
    publisher: Publisher | None = None
    writes: tuple[str, ...] = ()
    also_reads: tuple[str, ...] = ()
    routers: Sequence[APIRouter] = ()


def gate_of(name: str, settings: ServiceSettings) -> Gate:
    """Who is let in to the service's routes, and how often. Raises KeyFileError, Stop."""
    counters = None
    if settings.redis_url is not None:
        url = settings.redis_url.get_secret_value()
        counters = redis_address(url, name, settings.redis_password_file, settings.redis_passwords_dir)
    return Gate(TokenVerifier(settings.token_keys, settings.token_issuer), Limiter(counters, name))


def run(name: str, settings_type: type[G], build: Callable[[G], Service]) -> int:
    """Run a service until it is told to end; the exit status."""
    try:
        settings = settings_type()
    except ValidationError as error:
        return _refuse(name, _about_settings(error))
    logging.configure(name, settings.instance or name, settings.log_level)
    try:
        app = application(build(settings))
    except (Stop, KeyFileError) as error:
        return _refuse(name, str(error))
    _calm_collector()
    status = web.serve(app, settings.http_port, settings.http_host)
    if app.state.failure is not None:
        return _refuse(name, app.state.failure)
    if status != 0:
        where = f"{settings.http_host}:{settings.http_port}"
        return _refuse(name, f"it cannot listen on {where}; free the port or change RELIEF_HTTP_PORT.")
    return status


def _calm_collector() -> None:
    """What is loaded by now lives as long as the process, and a batch makes tens of thousands of objects that form no
    cycles: the collector's default would look through all of them many times per batch, for nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def application(service: Service) -> FastAPI:
    """The HTTP application of a service; its lifespan starts and stops all the rest."""
    health = Health()
    broker = KafkaBroker(**service.kafka.broker(), logger=None)
    edges = [_edge(service, source, broker) for source in service.inputs]
    for topic in service.writes:
        broker.publisher(topic)  # for the AsyncAPI page: records go out through the service's own publisher
    _add_checks(service, edges, health)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            try:
                await _start(service, broker, edges, stack, functools.partial(web.stop, app))
            except Exception as error:  # noqa: BLE001  # whatever it is: the process ends, and a person is told why
                web.stop(app, _sentence(error))
            else:
                log.info("started", service=service.name)
            yield
            health.drain()

    names = {topic for source in service.inputs for topic in source.topics} | set(service.writes)
    events = {topic: registry.models(topic) for topic in sorted(names)}
    page = asyncapi.routes(broker, f"relief {service.name}", "1", events)
    app = web.build_app(f"relief {service.name}", lifespan, health, (*service.routers, page))
    for source, edge in zip(service.inputs, edges, strict=True):
        edge.on_turn = health.heartbeat(f"{source.group}-loop", STALLED_SECONDS)
        edge.on_fatal = functools.partial(web.stop, app)  # exit status 1: whoever runs us starts us again
    return app


def _edge(service: Service, source: Input, broker: KafkaBroker) -> Edge:
    store = source.backing.store
    publisher = service.publisher if store.publishes_first else None
    runner: Runner[Any, Any] = Runner(source.group, source.fold, store, publisher)
    still_admitted = functools.partial(check_admitted, service.kafka)
    return Edge(broker, runner, source.topics, source.group, service.settings.instance, still_admitted=still_admitted)


def _backings(service: Service) -> list[Backing]:
    return list({id(source.backing): source.backing for source in service.inputs}.values())


def _add_checks(service: Service, edges: Sequence[Edge], health: Health) -> None:
    for source, edge in zip(service.inputs, edges, strict=True):
        health.add(source.group, edge.problem)
    for number, backing in enumerate(_backings(service)):
        suffix = f"-{number}" if number else ""
        health.add(f"store{suffix}", backing.store.check)
        for name, check in backing.checks.items():
            health.add(f"{name}{suffix}", check)
    if service.publisher is not None:
        health.add("publisher", service.publisher.check)


async def _start(
    service: Service, broker: KafkaBroker, edges: Sequence[Edge], stack: AsyncExitStack, end: Callable[[str], None]
) -> None:
    """Each step registers its own end with `stack`; they end in the opposite order. `end`: of the process, with why."""
    stack.push_async_callback(service.gate.close)
    await service.gate.check()
    read = {topic for source in service.inputs for topic in source.topics} | set(service.also_reads)
    backings = _backings(service)
    for backing in backings:
        await stack.enter_async_context(backing.opened())
    try:
        # First: whoever looks reads topics, and would not say why it cannot.
        await check_admitted(service.kafka)
        await check_topics(service.kafka, read | set(service.writes))
        await check_groups(service.kafka, [source.group for source in service.inputs])
        for backing in backings:
            if backing.look is not None:
                await backing.look()
        if service.publisher is not None:
            stack.push_async_callback(service.publisher.stop)
            await service.publisher.start()
    except Retry as error:
        raise Stop(f"{error}; start the broker or correct RELIEF_KAFKA_BOOTSTRAP.") from error
    for backing in backings:
        for task in backing.tasks:
            await stack.enter_async_context(_beside(task, end))
    stack.push_async_callback(broker.stop)
    try:
        await broker.start()
    except DENIALS as error:
        raise Stop(denied(service.kafka, f"read ({error!r})")) from error
    for edge in edges:
        await stack.enter_async_context(edge.running())


@asynccontextmanager
async def _beside(task: Callable[[], Awaitable[None]], end: Callable[[str], None]) -> AsyncIterator[None]:
    async def watched() -> None:
        try:
            await task()
        except Stop as error:  # it would end unseen; what nobody foresaw is the task's own to tell
            end(_sentence(error))

    running = asyncio.ensure_future(watched())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def _sentence(error: Exception) -> str:
    if isinstance(error, Stop | Retry | KeyFileError):
        return " ".join(str(error).split())
    log.error("it failed in a way nobody foresaw", exc_info=error)
    return f"it failed with {type(error).__name__}; the log has more."


def _about_settings(error: ValidationError) -> str:
    found = error.errors(include_input=False, include_url=False)
    # Never the value: a URL may hold a password.
    wrong = [f"RELIEF_{'_'.join(map(str, item['loc'])).upper()} ({item['msg'].lower()})" for item in found]
    return f"set {' and '.join(wrong)} right."


def _refuse(name: str, sentence: str) -> int:
    sys.stderr.write(f"relief {name} does not start: {sentence}\n")
    return 1
