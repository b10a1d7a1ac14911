"""Who is let in to a route: with which token and role, and how often."""

from pathlib import Path
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI

from shared import problems
from shared.access import Principal
from shared.devkeys import issue_development_token, write_development_keys
from shared.gate import Gate
from shared.gate_cases import development_gate

USCC = "91420100MA4KXXXX0X"


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("gate") / "secrets"
    write_development_keys(directory)
    return directory


class Door:
    """One application with a route for operators and auditors, one for suppliers and operators, one for anybody."""

    def __init__(self, secrets: Path) -> None:
        self._secrets, self.app, gate = secrets, FastAPI(), development_gate(secrets)
        problems.install(self.app)
        self._route("/staff", gate, "operator", "auditor")
        self._route("/suppliers", gate, "supplier", "operator")
        self._route("/anybody", gate)
        self._route("/seldom", gate, "operator", rate="2/minute")

    def _route(self, path: str, gate: Gate, *roles: str, rate: str = "1000/minute") -> None:
        let_in = gate.require(*roles, rate=rate)

        @self.app.get(path)
        async def who(principal: Annotated[Principal, Depends(let_in)]) -> str:
            return principal.subject

    def token(self, role: str = "operator", subject: str = "s") -> dict[str, str]:
        token = issue_development_token(self._secrets, role, subject, USCC, supplier_id="grid")
        return {"Authorization": f"Bearer {token}"}

    async def ask(self, path: str, headers: dict[str, str], address: str = "192.0.2.1") -> httpx.Response:
        transport = httpx.ASGITransport(self.app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get(path, headers=headers)


@pytest.fixture
def door(secrets: Path) -> Door:
    return Door(secrets)


async def test_a_route_lets_in_its_roles(door: Door) -> None:
    answer = await door.ask("/staff", door.token())
    assert (answer.status_code, answer.json()) == (200, "s")
    assert (await door.ask("/suppliers", door.token("supplier"))).status_code == 200


@pytest.mark.parametrize("path", ["/staff", "/anybody"])
async def test_a_supplier_comes_in_only_where_it_is_named(door: Door, path: str) -> None:
    assert (await door.ask(path, door.token("supplier"))).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer"}, {"Authorization": "Bearer x"}],
    ids=str,
)
async def test_a_route_answers_401_with_a_challenge_and_a_problem(door: Door, headers: dict[str, str]) -> None:
    answer = await door.ask("/staff", headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_route_answers_403_to_the_wrong_role(door: Door) -> None:
    answer = await door.ask("/staff", door.token("enterprise"))
    assert answer.status_code == 403
    assert answer.json()["detail"] == "This needs the role auditor or operator."


def test_a_role_that_does_not_exist_is_a_wiring_error(secrets: Path) -> None:
    with pytest.raises(ValueError, match="Unknown roles: root"):
        development_gate(secrets).require("root")


async def test_a_caller_that_asks_too_often_is_told_when_to_come_back(door: Door) -> None:
    statuses = [(await door.ask("/seldom", door.token(), f"192.0.2.{n}")).status_code for n in range(2)]
    refused = await door.ask("/seldom", door.token(), "192.0.2.9")
    assert [*statuses, refused.status_code] == [200, 200, 429]
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.json()["type"] == "/problems/too-many-requests"
    assert refused.json()["detail"].startswith("The limit is 2 in 1 minute;")
    assert (await door.ask("/seldom", door.token(subject="another"), "192.0.2.9")).status_code == 200


async def test_who_is_refused_for_the_role_is_counted_too(door: Door) -> None:
    statuses = [(await door.ask("/seldom", door.token("enterprise"))).status_code for _ in range(3)]
    assert statuses == [403, 403, 429]


async def test_bad_tokens_are_counted_by_address_and_good_ones_go_through_beside_them(door: Door) -> None:
    bad = {"Authorization": "Bearer x"}
    statuses = [(await door.ask("/staff", bad, "2001:db8::1")).status_code for _ in range(60)]
    assert statuses == [401] * 60
    refused = await door.ask("/staff", {}, "2001:db8::2")  # the same /64
    assert (refused.status_code, 1 <= int(refused.headers["retry-after"]) <= 60) == (429, True)
    assert (await door.ask("/staff", door.token(), "2001:db8::1")).status_code == 200
    assert (await door.ask("/staff", bad, "2001:db8:0:1::1")).status_code == 401
