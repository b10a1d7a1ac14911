"""The AsyncAPI document of a service as JSON and as a plain page, with nothing fetched from outside."""

import base64
import hashlib
import html
from collections.abc import Mapping
from functools import cache
from typing import Any

from fastapi import APIRouter
from faststream.kafka import KafkaBroker
from faststream.specification.asyncapi import AsyncAPI
from pydantic import BaseModel
from starlette.responses import HTMLResponse, JSONResponse

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b}"
    "h2{margin-top:2.5rem;border-bottom:1px solid #bbb}code{background:#f1f1f1;padding:0 .2em}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.2rem .6rem;"
    "border-bottom:1px solid #ddd}"
)
# The page's only style is this one, allowed by its hash; scripts, images and fonts stay forbidden.
_POLICY = (
    "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_ACTIONS = {"receive": "reads", "send": "writes"}

# Event models by topic, then by event type.
Messages = Mapping[str, Mapping[str, type[BaseModel]]]


def routes(broker: KafkaBroker, title: str, version: str, messages: Messages | None = None) -> APIRouter:
    """/asyncapi (HTML) and /asyncapi.json.

    Batch subscribers take raw bytes, of which FastStream can tell nothing: `messages` names the event models per topic.
    A topic written past FastStream appears when the app declares `broker.publisher(topic)` for it.
    """
    router = APIRouter(include_in_schema=False)

    # Made when first asked for, since subscribers may be registered after the routes; and once, since anybody may ask.
    @cache
    def found() -> dict[str, Any]:
        return document(broker, title, version, messages)

    @cache
    def page() -> str:
        return render(found())

    @router.get("/asyncapi.json")
    async def as_json() -> JSONResponse:
        return JSONResponse(found())

    @router.get("/asyncapi")
    async def as_page() -> HTMLResponse:
        return HTMLResponse(page(), headers={"Content-Security-Policy": _POLICY})

    return router


def document(broker: KafkaBroker, title: str, version: str, messages: Messages | None = None) -> dict[str, Any]:
    """The AsyncAPI 3 document of what is registered at the broker, without its server addresses."""
    found: dict[str, Any] = AsyncAPI(broker, title=title, version=version).to_specification().to_jsonable()
    # Where the servers are and how to log in is the operator's business; the document is for who reads and writes.
    found.pop("servers", None)
    found.get("components", {}).pop("securitySchemes", None)
    for name, channel in found.get("channels", {}).items():
        channel.pop("servers", None)
        models = (messages or {}).get(channel["address"])
        if models:
            _name_messages(found, name, channel, models)
    return found


def _name_messages(
    found: dict[str, Any], name: str, channel: dict[str, Any], models: Mapping[str, type[BaseModel]]
) -> None:
    """Put the event types of a topic in place of the anonymous batch of bytes."""
    components = found.setdefault("components", {})
    texts, schemas = components.setdefault("messages", {}), components.setdefault("schemas", {})
    for old in channel["messages"].values():
        texts.pop(old["$ref"].rsplit("/", 1)[1], None)
    channel["messages"] = {}
    for event_type, model in models.items():
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
        payload = {"$ref": f"#/components/schemas/{model.__name__}"}
        texts[event_type] = {"title": event_type, "contentType": "application/cloudevents+json", "payload": payload}
        channel["messages"][event_type] = {"$ref": f"#/components/messages/{event_type}"}
    for operation in found.get("operations", {}).values():
        if operation["channel"]["$ref"] == f"#/channels/{name}":
            operation["messages"] = [{"$ref": f"#/channels/{name}/messages/{event_type}"} for event_type in models]


def render(found: Mapping[str, Any]) -> str:
    """The document as one HTML page; every text in it is escaped."""
    title = _text(f"{found['info']['title']} {found['info']['version']}")
    body = [f"<h1>{title}</h1>"]
    for name, channel in found.get("channels", {}).items():
        actions = sorted(
            _ACTIONS.get(operation["action"], operation["action"])
            for operation in found.get("operations", {}).values()
            if operation["channel"]["$ref"] == f"#/channels/{name}"
        )
        body.append(f"<h2><code>{_text(channel['address'])}</code> {_text(', '.join(actions))}</h2>")
        if channel.get("description"):
            body.append(f"<p>{_text(channel['description'])}</p>")
        for reference in channel["messages"].values():
            body.append(_render_message(found, _resolve(found, reference)))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(body)}</body></html>"
    )


def _render_message(found: Mapping[str, Any], message: Mapping[str, Any]) -> str:
    payload = _resolve(found, message.get("payload", {}))
    if payload.get("type") == "array":
        payload = _resolve(found, payload.get("items", {}))
    required = set(payload.get("required", ()))
    rows = []
    for field, schema in payload.get("properties", {}).items():
        meaning = _resolve(found, schema).get("description", "")
        cells = (
            f"<code>{_text(field)}</code>",
            _text(_kind(schema)),
            "yes" if field in required else "no",
            _text(meaning),
        )
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    head = "<tr><th>field</th><th>type</th><th>required</th><th>meaning</th></tr>"
    table = f"<table>{head}{''.join(rows)}</table>" if rows else f"<p>{_text(_kind(payload))}</p>"
    return f"<h3>{_text(message.get('title', ''))}</h3><p>{_text(payload.get('description', ''))}</p>{table}"


def _resolve(found: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow references inside the document; one that leads nowhere or round in a circle gives an empty schema."""
    for _ in range(8):
        if "$ref" not in schema:
            return schema
        target: Any = found
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target.get(part, {}) if isinstance(target, Mapping) else {}
        schema = target
    return {}


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[1]
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return f"always {schema['const']}"
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return " or ".join(_kind(option) for option in schema[choice])
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return f"{kind} ({schema['format']})" if "format" in schema else kind


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)
