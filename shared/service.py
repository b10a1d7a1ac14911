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
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared import web
from shared.contracts import registry
from shared.devkeys import DEVELOPMENT_ISSUER, ISSUER_PUBLIC
from shared.keyfiles import KeyFileError
from shared.observability import asyncapi, logging
from shared.observability.health import Check, Health
from shared.streaming.edge import STALLED_SECONDS, Edge
from shared.streaming.errors import Retry, Stop
from shared.streaming.publisher import Publisher
from shared.streaming.records import Fold
from shared.streaming.runner import Runner
from shared.streaming.store import Store
from shared.streaming.topics import check_topics

log = structlog.stdlib.get_logger(__name__)


class ServiceSettings(BaseSettings):
    """What every service is told, from RELIEF_ variables; a service's own settings class adds to it."""

    model_config = SettingsConfigDict(env_prefix="RELIEF_", frozen=True, extra="ignore")

    kafka_bootstrap: str = Field(min_length=1)
    http_port: int = Field(ge=1, le=65_535)
    http_host: str = "127.0.0.1"
    # The name of this replica, for Kafka's static membership; two replicas never share one. None: dynamic membership.
    instance: str | None = None
    secrets_dir: Path
    token_issuer: str = DEVELOPMENT_ISSUER
    log_level: Literal["debug", "info", "warning", "error", "critical"] = "info"

    @property
    def token_keys(self) -> Path:
        """The issuer's public keys, that bearer tokens are checked against."""
        return self.secrets_dir / ISSUER_PUBLIC


G = TypeVar("G", bound=ServiceSettings)


@dataclass(frozen=True, slots=True)
class Backing:
    """A store and what goes with it. `opened`: inside, the store can serve; it raises Retry, Stop or KeyFileError.

    `tasks` run until cancelled, beside the consumers; `checks` are for readiness, beside the store's own.
    """

    store: Store[Any]
    opened: Callable[[], AbstractAsyncContextManager[None]]
    tasks: Sequence[Callable[[], Awaitable[None]]] = ()
    checks: Mapping[str, Check] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Input:
    """One consumer group: the topics it reads through one fold into one store."""

    group: str
    topics: tuple[str, ...]
    fold: Fold[Any, Any]
    backing: Backing


@dataclass(frozen=True, slots=True)
class Service:
    """A whole service, wired but not started. `writes`: the topics that `publisher` is for, none when it has none."""

    name: str
    settings: ServiceSettings
    inputs: Sequence[Input]
    publisher: Publisher | None = None
    writes: tuple[str, ...] = ()
    routers: Sequence[APIRouter] = ()


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
    broker = KafkaBroker(service.settings.kafka_bootstrap.split(","), logger=None)
    edges = [_edge(service, source, broker) for source in service.inputs]
    for topic in service.writes:
        broker.publisher(topic)  # for the AsyncAPI page: records go out through the service's own publisher
    _add_checks(service, edges, health)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            try:
                await _start(service, broker, edges, stack)
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
    return Edge(broker, runner, source.topics, source.group, service.settings.instance)


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


async def _start(service: Service, broker: KafkaBroker, edges: Sequence[Edge], stack: AsyncExitStack) -> None:
    """Each step registers its own end with `stack`; they end in the opposite order."""
    backings = _backings(service)
    for backing in backings:
        await stack.enter_async_context(backing.opened())
    try:
        await check_topics(
            service.settings.kafka_bootstrap,
            {topic for source in service.inputs for topic in source.topics} | set(service.writes),
        )
        if service.publisher is not None:
            stack.push_async_callback(service.publisher.stop)
            await service.publisher.start()
    except Retry as error:
        raise Stop(f"{error}; start the broker or correct RELIEF_KAFKA_BOOTSTRAP.") from error
    for backing in backings:
        for task in backing.tasks:
            await stack.enter_async_context(_beside(task))
    stack.push_async_callback(broker.stop)
    await broker.start()
    for edge in edges:
        await stack.enter_async_context(edge.running())


@asynccontextmanager
async def _beside(task: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    running = asyncio.ensure_future(task())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def _sentence(error: Exception) -> str:
    if isinstance(error, Stop | Retry | KeyFileError):
        return " ".join(str(error).split())
    log.error("the start failed in a way nobody foresaw", exc_info=error)
    return f"the start failed with {type(error).__name__}; the log has more."


def _about_settings(error: ValidationError) -> str:
    found = error.errors(include_input=False, include_url=False)
    # Never the value: a URL may hold a password.
    wrong = [f"RELIEF_{'_'.join(map(str, item['loc'])).upper()} ({item['msg'].lower()})" for item in found]
    return f"set {' and '.join(wrong)} right."


def _refuse(name: str, sentence: str) -> int:
    sys.stderr.write(f"relief {name} does not start: {sentence}\n")
    return 1
