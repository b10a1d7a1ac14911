"""Hostile requests, which no schema describes: never a 5xx but the 503 that says to come again, and a problem each.

What the documents describe is asked by `test_schemathesis`. More than the usual: FUZZ_EXAMPLES=5000 pytest --timeout 0
on this file.
"""

import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.devkeys import issue_development_token
from tests.contracts.examples import leaves
from tests.faults.doors import USCC, body_of, let_in
from tests.faults.fuzzing import profile
from tests.faults.hostile import VALUES, in_place
from tests.faults.http_sites import Site

pytestmark = pytest.mark.integration
PROFILE = profile(150)
TEXTS = (
    USCC, "2020-02-20", "2020-02", "2019", "0", "1", "-1", str(2**31), str(2**63 - 1), str(2**63), str(10**30), "true",
    "1e3", "NaN", "a" * 32, "f" * 64, "x", "", " ", "%00", "\x00", "..", "/", "grid-6501", "job_stabilisation",
    "exemption", "enterprise/0", "650100", "\u202e", "'; --", "x" * 3_000, "9999-12-31", "0001-01-01", "null",
)  # fmt: skip
BODIES = (
    b"", b"null", b"[]", b"{", b"\xff", b"[" * 20_000, b"{}" * 2, b'{"a":"\\ud800"}', b"9" * 5_000, b'"x"', b"NaN",
    b'{"reason":"\\u0000"}', b" " * 70_000, b'{"reason":1,"reason":"x"}',
)  # fmt: skip


def test_hostile_requests_are_answered_with_what_is_wrong(site: Site) -> None:
    operations = [
        (method.upper(), path, said)
        for path, methods in sorted(site.schema["paths"].items())
        for method, said in sorted(methods.items())
    ]
    statuses: set[int] = set()

    @PROFILE
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        method, path, said = data.draw(st.sampled_from(operations))
        role = data.draw(st.sampled_from(sorted(let_in(site.name, f"{method} {path}"))))
        # Somebody else for each role and route: how often one may ask is another test's.
        token = issue_development_token(site.secrets, role, f"{role} {path}", USCC, supplier_id="grid-6501")
        sent: dict[str, Any] = {"headers": {"Authorization": f"Bearer {token}"}, "params": []}
        if "requestBody" in said:
            sent["content"] = data.draw(_body(path))
            sent["headers"]["Content-Type"] = "application/json"
        for one in said.get("parameters", []):
            text = data.draw(st.sampled_from(TEXTS) | st.text(max_size=8))
            if one["in"] == "path":
                path = path.replace("{" + one["name"] + "}", quote(text, safe="", errors="replace"))
            elif one["in"] == "query" and (one.get("required") or data.draw(st.booleans())):
                sent["params"].append((one["name"], text))
            elif one["name"].lower() == "idempotency-key" and data.draw(st.booleans()):
                sent["headers"][one["name"]] = data.draw(st.uuids().map(str))
            elif one["in"] == "header" and text.isascii() and text.isprintable():
                sent["headers"][one["name"]] = text
        answer = site.ask(method, path, **sent)
        statuses.add(answer.status_code)
        _check(answer, said)

    holds()
    assert 422 in statuses
    assert statuses & {200, 202, 404}, f"the questions reach what is behind the checks: {statuses}"


def _check(answer: httpx.Response, said: dict[str, Any]) -> None:
    where = f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text[:500]}"
    assert answer.status_code < 500 or answer.status_code == 503, where
    # A name that is empty, or parts the path in two, leads elsewhere or nowhere.
    assert answer.status_code in (404, 405) or str(answer.status_code) in said["responses"], where
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json", where
        problem = answer.json()
        assert {"type", "title", "status", "detail"} <= problem.keys(), where
        assert problem["status"] == answer.status_code, where


@st.composite
def _body(draw: st.DrawFn, path: str) -> bytes:
    """One that is understood, as it is or with something else in one place; or no body at all."""
    whole = body_of(path)
    how = draw(st.sampled_from(("bytes", "whole", "bent", "bent", "bent")))
    if how == "bytes":
        return draw(st.sampled_from(BODIES))
    if how == "whole":
        return json.dumps(whole).encode()
    return in_place(
        whole, draw(st.sampled_from([place for place in leaves(whole) if place])), draw(st.sampled_from(VALUES))
    )
