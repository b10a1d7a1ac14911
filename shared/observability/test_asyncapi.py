import json
import re
from typing import Literal

import httpx
from fastapi import FastAPI
from faststream.kafka import KafkaBroker
from pydantic import BaseModel, Field

from shared.observability.asyncapi import document, render, routes
from shared.problems import SecurityHeaders

EVIL = "<script src=https://evil.example></script>\"'&"


class Origin(BaseModel):
    topic: str


class Assessed(BaseModel):
    """A contribution was assessed. <b>bold</b>"""

    uscc: str = Field(description=EVIL)
    insurance: Literal["pension", "medical"]
    amount_fen: int
    origin: Origin | None = None
    parts: list[Origin] = Field(default_factory=list)


def broker() -> KafkaBroker:
    made = KafkaBroker("secret-host:9092", logger=None)

    @made.subscriber("upstream.tax.v1", batch=True, group_id="intake", description=EVIL)
    async def take(messages: list[bytes]) -> None: ...

    made.publisher("relief.facts.v1")
    return made


MESSAGES: dict[str, dict[str, type[BaseModel]]] = {
    "upstream.tax.v1": {"cn.tax.contribution.assessed.v1": Assessed},
    "relief.facts.v1": {"<b>bold": Origin},
}


async def get(path: str) -> httpx.Response:
    app = FastAPI()
    app.include_router(routes(broker(), "intake", "1", MESSAGES))
    app.add_middleware(SecurityHeaders)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.get(path)


async def test_the_page_fetches_nothing_and_runs_nothing() -> None:
    page = (await get("/asyncapi")).text
    assert not re.search(r"<(script|link|img|iframe|object|base)\b", page)
    assert not re.search(r"""(src|href)\s*=|url\(|@import""", page.replace("src=https://evil", ""))
    assert EVIL not in page
    assert "<b>bold" not in page
    assert "&lt;script src=https://evil.example&gt;" in page


async def test_its_policy_allows_its_own_style_and_nothing_else() -> None:
    answer = await get("/asyncapi")
    assert answer.headers.get_list("content-security-policy") == [answer.headers["content-security-policy"]]
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")


async def test_channels_events_and_fields_can_be_read() -> None:
    page = (await get("/asyncapi")).text
    for text in (
        "<code>upstream.tax.v1</code> reads",
        "<code>relief.facts.v1</code> writes",
        "<h3>cn.tax.contribution.assessed.v1</h3>",
        "<td><code>insurance</code></td><td>one of pension, medical</td><td>yes</td>",
        "<td><code>origin</code></td><td>Origin or null</td><td>no</td>",
        "<td><code>parts</code></td><td>list of Origin</td>",
    ):
        assert text in page


async def test_the_document_names_every_event_and_all_its_references_lead_somewhere() -> None:
    found = (await get("/asyncapi.json")).json()
    assert found["asyncapi"] == "3.0.0"
    assert "secret-host" not in json.dumps(found)

    def walk(node: object) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                target = found
                for part in node["$ref"].removeprefix("#/").split("/"):
                    target = target[part]
            for inner in node.values():
                walk(inner)
        elif isinstance(node, list):
            for inner in node:
                walk(inner)

    walk(found)


def test_a_broker_without_named_messages_and_an_odd_document_still_render() -> None:
    assert "upstream.tax.v1" in render(document(broker(), "intake", "1"))
    circle = {"a": {"$ref": "#/a"}}
    channel = {"address": "t", "messages": {"m": {"$ref": "#/a"}, "n": {"$ref": "#/nowhere/at/all"}}}
    assert "<code>t</code>" in render({"info": {"title": "x", "version": "1"}, "channels": {"t": channel}, **circle})
