"""What the OpenAPI documents say of errors: every one of them is problem details (RFC 9457)."""

from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

from shared.problems import MEDIA_TYPE


class FieldError(BaseModel):
    """One thing that was not understood; nothing of what was sent but the field's name."""

    field: str
    code: str
    message: str


class ProblemDocument(BaseModel):
    """Problem details. `errors` comes with 422, `trace_id` with 500; a kind may have members of its own."""

    model_config = ConfigDict(extra="allow", title="Problem")

    type: str
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    errors: list[FieldError] | None = None
    trace_id: str | None = None


_RETRY = {"Retry-After": {"description": "Whole seconds to wait.", "required": True, "schema": {"type": "integer"}}}
_MEANINGS: Final[dict[int, str]] = {
    400: "No JSON in UTF-8.",
    401: "No token, or none that holds here.",
    403: "The token has not the role, or is for somebody else.",
    404: "There is nothing of this name.",
    408: "The body came too slowly.",
    409: "Understood, and not possible as things stand.",
    413: "The body is too large.",
    422: "Not understood; `errors` names the fields.",
    429: "Too many requests of this caller.",
    500: "Something failed on our side.",
    503: "Not now: what stands behind does not answer, or too much is asked at once.",
}


def refusing(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: the problems it answers with, beside those that every route may."""
    return {status: _declared(status) for status in statuses}


def _declared(status: int) -> dict[str, Any]:
    # Named in the media type that is sent: `model` alone would declare application/json.
    schema = {"$ref": "#/components/schemas/Problem"}
    declared: dict[str, Any] = {"description": _MEANINGS[status], "content": {MEDIA_TYPE: {"schema": schema}}}
    return declared | ({"headers": _RETRY} if status in (429, 503) else {})


EVERYWHERE: Final = refusing(400, 401, 403, 408, 413, 422, 429, 500, 503)


class Described(FastAPI):
    """An application whose document holds the schema that the routes' problems refer to."""

    def openapi(self) -> dict[str, Any]:
        found = super().openapi()
        schema = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
        parts = schema.pop("$defs", {}) | {"Problem": schema}
        found.setdefault("components", {}).setdefault("schemas", {}).update(parts)
        return found
