"""Nobody comes in by any route of any service without a token, with another role's, or for another enterprise; and
whatever is answered carries the headers.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from services.intake.api_cases import KEY
from shared.access import ROLES
from shared.devkeys import issue_development_token
from shared.uscc import with_check_character
from tests.faults.doors import DOORS, PUBLIC, USCC, body_of, let_in
from tests.faults.http_sites import Site

pytestmark = pytest.mark.integration
OTHER = with_check_character("91650100MA0000002")
NAMES = {
    "uscc": USCC, "application_id": "0" * 32, "batch_id": "f" * 32, "payment_id": "f" * 32, "clawback_id": "f" * 32,
    "programme": "job_stabilisation",
}  # fmt: skip
QUERY = {"supplier_id": "grid-6501", "account_no": "A-1"}
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


def doors(site: Site) -> list[str]:
    return [f"{method.upper()} {path}" for path, said in site.schema["paths"].items() for method in said]


def routes(found: Iterable[Any]) -> Iterator[tuple[str, bool]]:
    """The path of each, and whether the document has it, whatever routers they are in."""
    for route in found:
        if isinstance(route, Route):
            yield route.path, route.include_in_schema
        else:
            yield from routes(route.original_router.routes)


def knock(site: Site, door: str, token: str | None, query: dict[str, str] = QUERY) -> httpx.Response:
    method, template = door.split(" ")
    path = template
    for name, value in NAMES.items():
        path = path.replace("{" + name + "}", value)
    sent: dict[str, Any] = {"headers": {"Idempotency-Key": KEY}, "params": query if "supplier" in door else {}}
    if template.startswith(("/v1/protection", "/v1/receivables")):
        sent["params"] = query
    if token is not None:
        sent["headers"]["Authorization"] = f"Bearer {token}"
    if method != "GET":
        sent["json"] = body_of(template)
    return site.ask(method, path, **sent)


def token(site: Site, role: str, uscc: str = USCC, supplier: str = "grid-6501") -> str:
    return issue_development_token(site.secrets, role, f"{role} of {uscc}", uscc, supplier_id=supplier)


def checked(answer: httpx.Response) -> int:
    """The status; the headers are those of every answer."""
    for name, value in HEADERS.items():
        assert answer.headers[name] == value, answer.request.url
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "server" not in answer.headers
    if answer.status_code >= 400 and answer.request.url.path != "/readyz":
        assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code


def test_the_list_has_every_route_and_the_rest_is_public(site: Site) -> None:
    assert set(doors(site)) == set(DOORS[site.name])
    hidden = {path for path, shown in routes(site.app.routes) if not shown}
    assert {path for path, shown in routes(site.app.routes) if shown} == set(site.schema["paths"])
    assert hidden <= PUBLIC
    assert {"/livez", "/readyz", "/metrics", "/openapi.json"} <= hidden
    for path in sorted(hidden):
        assert checked(site.ask("GET", path)) in ({200, 503} if path == "/readyz" else {200})


def test_without_a_token_that_holds_nothing_is_answered(site: Site) -> None:
    for door in doors(site):
        answer = knock(site, door, None)
        assert checked(answer) == 401, door
        assert answer.headers["www-authenticate"] == "Bearer"
        assert checked(knock(site, door, "x")) == 401, door


def test_each_route_is_open_to_its_roles_alone(site: Site) -> None:
    for door in doors(site):
        for role in sorted(ROLES):
            status = checked(knock(site, door, token(site, role)))
            assert (status == 403) == (role not in let_in(site.name, door)), (door, role, status)
            assert status not in (401, 422, 429), (door, role, status)
            assert status < 500, (door, role, status)


def test_nobody_acts_or_looks_for_another_enterprise_or_supplier(site: Site) -> None:
    looked = 0
    for door in doors(site):
        if "enterprise" in let_in(site.name, door):
            expected = 404 if "application_id" in door else 403
            assert checked(knock(site, door, token(site, "enterprise", OTHER))) == expected, door
            looked += 1
        if "supplier" in let_in(site.name, door):
            assert checked(knock(site, door, token(site, "supplier", supplier="waterworks"))) == 403, door
            looked += 1
    assert looked == {"intake": 2, "eligibility": 1, "payments": 1, "ledger": 1, "holdover": 5}[site.name]


def test_every_kind_of_refusal_carries_the_headers(site: Site) -> None:
    assert checked(site.ask("GET", "/v1/nothing")) == 404
    assert checked(site.ask("GET", "/docs")) == 404
    for door in doors(site):
        method, path = door.split(" ")
        assert checked(site.ask("TRACE", path.replace("{", "").replace("}", ""))) in (404, 405)
        assert checked(site.ask(method, path, content=b"x" * 70_000)) == 413
        if method != "GET":
            whole = site.ask(method, path, content=b"{", headers={"Content-Type": "application/json"})
            assert checked(whole) in (401, 422)
