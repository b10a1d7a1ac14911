"""Whatever is asked of an API as its own OpenAPI document describes it, or not at all so: it answers as it says.

Never a 5xx but the 503 that says to come again; every error a problem document; every answer as its schema has it.
More than the usual: FUZZ_EXAMPLES=5000 pytest --timeout 0 on this file.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no types

from services import conftest as fixtures
from services.intake.api_cases import HOLDOVER
from shared.access import ROLES
from shared.devkeys import issue_development_token
from shared.uscc import with_check_character
from tests.contracts.examples import leaves
from tests.faults.hostile import VALUES, in_place
from tests.faults.http_sites import SERVICES, Site

pytestmark = pytest.mark.integration
# The services' own, which pytest finds by their names in this module.
database, redis_url, secrets = fixtures.database, fixtures.redis_url, fixtures.secrets
WANTED = os.environ.get("FUZZ_EXAMPLES")
PROFILE = settings(
    max_examples=int(WANTED or 250),
    derandomize=WANTED is None,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
USCC = with_check_character("91650100MA0000001")
TEXTS = (
    USCC, "2020-02-20", "2020-02", "2019", "0", "1", "-1", str(2**31), str(2**63 - 1), str(2**63), str(10**30), "true",
    "1e3", "NaN", "a" * 32, "f" * 64, "x", "", " ", "%00", "\x00", "..", "/", "grid-6501", "job_stabilisation",
    "exemption", "enterprise/0", "650100", "\u202e", "'; --", "x" * 3_000, "9999-12-31", "0001-01-01", "null",
)  # fmt: skip
BODIES = (
    b"", b"null", b"[]", b"{", b"\xff", b"[" * 20_000, b"{}" * 2, b'{"a":"\\ud800"}', b"9" * 5_000, b'"x"', b"NaN",
    b'{"reason":"\\u0000"}', b" " * 70_000, b'{"reason":1,"reason":"x"}',
)  # fmt: skip
LEAVES = (
    st.sampled_from(TEXTS) | st.none() | st.booleans() | st.integers() | st.sampled_from(([], {}, 1.5, -0.0, 1e300))
)


@pytest.fixture(params=SERVICES)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    database, redis_url, secrets = map(request.getfixturevalue, ("database", "redis_url", "secrets"))
    opened = Site(request.param, database, redis_url, secrets, tmp_path)
    yield opened
    opened.close()


def test_requests_of_every_kind_are_answered_as_the_document_says(site: Site) -> None:
    operations = [
        (method.upper(), path, said)
        for path, methods in sorted(site.schema["paths"].items())
        for method, said in sorted(methods.items())
    ]
    statuses: set[int] = set()
    tokens: dict[str, str] = {
        role: issue_development_token(site.secrets, role, "fuzz", USCC, supplier_id="grid-6501")
        for role in sorted(ROLES)
    }

    @PROFILE
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        method, path, said = data.draw(st.sampled_from(operations))
        headers = {"Authorization": f"Bearer {tokens[data.draw(st.sampled_from(sorted(tokens)))]}"}
        query: list[tuple[str, str]] = []
        for one in said.get("parameters", []):
            text = data.draw(_parameter(one["schema"], site.schema))
            if one["in"] == "path":
                path = path.replace("{" + one["name"] + "}", quote(text, safe="", errors="replace"))
            elif one["in"] == "query" and (one.get("required") or data.draw(st.booleans())):
                query.append((one["name"], text))
            elif one["name"].lower() == "idempotency-key" and data.draw(st.booleans()):
                headers[one["name"]] = data.draw(st.uuids().map(str))
            elif one["in"] == "header" and text.isascii() and text.isprintable():
                headers[one["name"]] = text
        sent: dict[str, Any] = {"params": query, "headers": headers}
        if "requestBody" in said:
            schema = said["requestBody"]["content"]["application/json"]["schema"]
            sent["content"] = data.draw(_body(schema, site.schema, bend=path == "/v1/applications"))
            headers["Content-Type"] = "application/json"
        answer = site.ask(method, path, **sent)
        statuses.add(answer.status_code)
        _check(answer, said, site.schema)

    holds()
    assert 422 in statuses
    assert statuses & {200, 202, 404}, f"the questions reach what is behind the checks: {statuses}"


def _check(answer: httpx.Response, said: dict[str, Any], document: dict[str, Any]) -> None:
    where = f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text[:500]}"
    if answer.status_code >= 400:
        assert answer.status_code < 500 or answer.status_code == 503, where
        if "/readyz" in str(answer.request.url):
            return  # a probe's answer lists its checks
        assert answer.headers["content-type"] == "application/problem+json", where
        problem = answer.json()
        assert {"type", "title", "status", "detail"} <= problem.keys(), where
        assert problem["status"] == answer.status_code, where
        return
    if answer.status_code == 307:
        assert answer.request.url.path.endswith("/"), where  # an empty name: the framework leads to the list above
        return
    stated = said["responses"].get(str(answer.status_code))
    assert stated is not None, f"not in the document: {where}"
    schema = stated.get("content", {}).get("application/json", {}).get("schema")
    if schema and answer.headers["content-type"] == "application/json":
        whole = {"components": document.get("components", {}), **schema}
        errors = [error.message for error in Draft202012Validator(whole).iter_errors(answer.json())]
        assert not errors, f"{where}: {errors[:3]}"


@st.composite
def _body(draw: st.DrawFn, schema: dict[str, Any], document: dict[str, Any], bend: bool) -> bytes:
    how = draw(st.integers(0, 5))
    if how == 0:
        return draw(st.sampled_from(BODIES))
    if bend and how < 4:
        paths = [path for path in leaves(HOLDOVER) if path]
        value = draw(st.sampled_from(VALUES))
        return json.dumps(HOLDOVER).encode() if how == 1 else in_place(HOLDOVER, draw(st.sampled_from(paths)), value)
    return json.dumps(draw(_value(schema, document))).encode()


def _parameter(schema: dict[str, Any], document: dict[str, Any]) -> st.SearchStrategy[str]:
    fitting = _value(schema, document).map(lambda value: value if isinstance(value, str) else json.dumps(value))
    return fitting | fitting | st.sampled_from(TEXTS) | st.text(max_size=8)


def _value(schema: dict[str, Any], document: dict[str, Any]) -> st.SearchStrategy[Any]:
    """What mostly is as the schema has it, and has something else in it now and then."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _value(document["components"]["schemas"][name], document)
    if "anyOf" in schema:
        return st.one_of([_value(one, document) for one in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"]) | LEAVES
    kind = schema.get("type")
    if kind == "object":
        members = {name: _value(one, document) for name, one in schema.get("properties", {}).items()}
        return st.fixed_dictionaries(members) | st.fixed_dictionaries({}, optional=members | {"x": LEAVES})
    if kind == "array":
        return st.lists(_value(schema.get("items", {}), document), max_size=3)
    if kind == "integer":
        least, most = schema.get("minimum", -(2**63)), schema.get("maximum", 2**63)
        return st.integers(int(least), int(most)) | st.sampled_from([least, most, int(most) + 1, int(least) - 1])
    if kind == "string" and schema.get("format") == "date":
        return st.dates().map(str) | LEAVES
    if kind == "string" and "pattern" in schema:
        return st.from_regex(schema["pattern"].replace("\\Z", "$").replace("\\p", "p"), fullmatch=True) | LEAVES
    return st.sampled_from(TEXTS) | LEAVES
