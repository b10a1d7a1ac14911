import re
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.types import Receive, Scope, Send

from shared.observability import metrics
from shared.observability.metrics import REGISTRY, HttpMetrics, catalogue, markdown


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_the_page_in_the_docs_is_the_catalogue() -> None:
    page = Path(__file__).with_name("METRICS.md").read_text(encoding="utf-8")
    assert page == markdown(), "run: python -m shared.observability.metrics > shared/observability/METRICS.md"


def test_the_catalogue_is_all_there_is() -> None:
    ours = {metric.name.removesuffix("_total") for metric in catalogue()}
    registered = {family.name for family in REGISTRY.collect() if family.name.startswith("relief_")}
    assert registered == ours


@pytest.mark.parametrize("metric", catalogue(), ids=lambda metric: metric.name)
def test_every_metric_has_a_proper_name_a_sentence_and_bounded_labels(metric: metrics.MetricInfo) -> None:
    assert re.fullmatch(r"relief_[a-z_]+", metric.name)
    assert re.fullmatch(r"[A-Z].+\.|Fen .+", metric.meaning)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.kind != "histogram" or metric.name.endswith("_seconds")
    assert not {"uscc", "id", "path", "instance", "subject"} & set(metric.labels)


def test_the_names_are_unique() -> None:
    names = [metric.name for metric in catalogue()]
    assert len(names) == len(set(names))


def application() -> FastAPI:
    app = FastAPI()
    router = APIRouter(prefix="/v1")

    @router.get("/enterprises/{uscc}")
    async def enterprise(uscc: str) -> str:
        if uscc == "crash":
            raise RuntimeError
        return uscc

    app.include_router(router)
    app.add_middleware(HttpMetrics)
    return app


async def ask(method: str, path: str) -> None:
    transport = httpx.ASGITransport(application(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        await client.request(method, path)


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", "/v1/enterprises/91420100MA4KXXXX0X", "/v1/enterprises/{uscc}", None),
        ("GET", "/v1/enterprises/crash", "/v1/enterprises/{uscc}", "500"),
        ("POST", "/v1/enterprises/1", "/v1/enterprises/{uscc}", "405"),
        ("GET", "/wp-login.php", "unmatched", "404"),
        ("BREW", "/coffee", "unmatched", "404"),
    ],
)
async def test_requests_are_counted_by_route_template(method: str, path: str, route: str, status: str | None) -> None:
    labels = {"method": "other" if method == "BREW" else method, "route": route}
    names = ("relief_http_requests_total", "relief_http_request_seconds_count")
    before = [value(name, **labels) for name in names]
    errors = value("relief_http_errors_total", **labels, status=status or "200")
    await ask(method, path)
    assert [value(name, **labels) for name in names] == [count + 1 for count in before]
    assert value("relief_http_errors_total", **labels, status=status or "200") == errors + (status is not None)


async def test_what_is_not_http_passes_by() -> None:
    seen: list[str] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def nothing(*_: object) -> dict[str, object]:
        return {}

    await HttpMetrics(inner)({"type": "lifespan"}, nothing, nothing)  # type: ignore[arg-type]
    assert seen == ["lifespan"]
