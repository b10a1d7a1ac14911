import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
from fastapi import Body, FastAPI, HTTPException, Request
from pydantic import BaseModel, Field, field_validator
from starlette.responses import StreamingResponse

from shared.problems import MEDIA_TYPE, BodyLimit, Problem, SecurityHeaders, install

ACCOUNT = "6222020200112233445"


class Payee(BaseModel, extra="forbid"):
    account_number: str = Field(max_length=10)
    bank_code: str = "1"
    amount_fen: int = 0

    @field_validator("bank_code")
    @classmethod
    def quotes_what_it_got(cls, value: str) -> str:
        if len(value) != 1:
            raise ValueError(f"no bank has the code {value}")
        return value


def application(limit: int = 100) -> FastAPI:
    app = FastAPI()
    app.add_middleware(BodyLimit, limit=limit)
    install(app)
    app.add_middleware(SecurityHeaders)

    @app.post("/payees")
    async def take(payee: Payee) -> str:
        return "taken"

    @app.post("/lists")
    async def take_lists(numbers: Annotated[dict[str, int], Body()]) -> str:
        return "taken"

    @app.get("/refused")
    async def refuse() -> None:
        raise Problem(503, "no-kafka", "Kafka is away", "Try later.", retry_after=7, extra={"status": 1, "topic": "t"})

    @app.get("/http")
    async def http_exception() -> None:
        raise HTTPException(418, "short and stout", {"X-Pot": "tea"})

    @app.get("/crash")
    async def crash() -> None:
        raise RuntimeError(f"cannot pay {ACCOUNT}")

    @app.get("/half")
    async def half() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"half"
            raise RuntimeError("gone")

        return StreamingResponse(parts())

    return app


async def ask(method: str, path: str, limit: int = 100, **arguments: object) -> httpx.Response:
    transport = httpx.ASGITransport(application(limit))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, path, **arguments)  # type: ignore[arg-type]


async def test_a_problem_has_the_members_of_the_standard_and_extras_cannot_replace_them() -> None:
    answer = await ask("GET", "/refused")
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.headers["retry-after"] == "7"
    assert answer.json() == {
        "type": "/problems/no-kafka",
        "title": "Kafka is away",
        "status": 503,
        "detail": "Try later.",
        "topic": "t",
    }
    assert answer.status_code == 503


@pytest.mark.parametrize(
    "sent",
    [
        {"account_number": ACCOUNT},
        {"account_number": "1", "bank_code": ACCOUNT},
        {"account_number": "1", "amount_fen": ACCOUNT + "x"},
        {"account_number": "1", ACCOUNT: 1},
        {"account_number": {"inner": ACCOUNT}},
    ],
    ids=["too long", "quoted by our own validator", "not a number", "as an unknown key", "nested"],
)
async def test_validation_errors_name_the_field_but_never_repeat_what_was_sent(sent: dict[str, object]) -> None:
    answer = await ask("POST", "/payees", json=sent)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.json()["errors"][0]["field"].startswith("body.")
    assert ACCOUNT not in answer.text


async def test_a_rule_is_told_where_it_does_not_quote() -> None:
    answer = await ask("POST", "/payees", json={"account_number": ACCOUNT})
    assert answer.json()["errors"] == [
        {
            "field": "body.account_number",
            "code": "string_too_long",
            "message": "String should have at most 10 characters",
        }
    ]


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b'{"account_number": ', b"[" * 90])
async def test_bytes_that_are_not_json_are_a_problem_too(body: bytes) -> None:
    answer = await ask("POST", "/payees", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == MEDIA_TYPE


async def test_many_errors_are_cut() -> None:
    answer = await ask("POST", "/lists", limit=10_000, json={f"k{number}": "x" for number in range(200)})
    assert len(answer.json()["errors"]) == 50


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/none", 404), ("DELETE", "/payees", 405)])
async def test_what_the_framework_refuses_is_a_problem_with_what_to_do(method: str, path: str, status: int) -> None:
    answer = await ask(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE)
    assert ";" in answer.json()["detail"]


async def test_an_http_exception_keeps_its_sentence_and_headers() -> None:
    answer = await ask("GET", "/http")
    assert (answer.json()["detail"], answer.headers["x-pot"]) == ("short and stout", "tea")


async def test_an_unexpected_exception_tells_nothing_of_itself() -> None:
    answer = await ask("GET", "/crash")
    assert (answer.status_code, answer.headers["content-type"]) == (500, MEDIA_TYPE)
    assert ACCOUNT not in answer.text
    assert "RuntimeError" not in answer.text


async def test_half_an_answer_breaks_instead_of_looking_whole() -> None:
    with pytest.raises(RuntimeError, match="gone"):
        await ask("GET", "/half")


def body_of(size: int) -> bytes:
    empty = b'{"account_number": "1", "bank_code": "1"}'
    return empty + b" " * (size - len(empty))


async def chunks(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 9):
        yield body[start : start + 9]


@pytest.mark.parametrize(("size", "status"), [(99, 200), (100, 200), (101, 413), (5000, 413)])
@pytest.mark.parametrize("declared", [None, "true", "7"], ids=["streamed", "declared", "declared too small"])
async def test_the_body_limit_counts_what_arrives(size: int, status: int, declared: str | None) -> None:
    headers = {"content-type": "application/json"}
    if declared:
        headers["content-length"] = str(size) if declared == "true" else declared
    answer = await ask("POST", "/payees", content=chunks(body_of(size)), headers=headers)
    assert answer.status_code == status
    if status == 413:
        assert answer.headers["content-type"] == MEDIA_TYPE
        assert "larger than 100 bytes" in answer.json()["detail"]


async def test_a_declared_length_above_the_limit_is_refused_unread() -> None:
    read: list[bytes] = []

    async def body() -> AsyncIterator[bytes]:
        read.append(b"x")
        yield b"x"

    answer = await ask("POST", "/payees", content=body(), headers={"content-length": "101"})
    assert (answer.status_code, read) == (413, [])


async def test_a_body_that_does_not_come_is_408_and_a_whole_one_has_all_the_time_it_needs() -> None:
    inner = application()
    limited = BodyLimit(inner, limit=100, seconds=0.05)

    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    @inner.post("/slow")
    async def slow(request: Request) -> bool:
        await request.body()
        await asyncio.sleep(0.1)
        return await request.is_disconnected()

    transport = httpx.ASGITransport(limited)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.post("/payees", content=never(), headers={"content-type": "application/json"})
        assert (answer.status_code, answer.headers["content-type"]) == (408, MEDIA_TYPE)
        assert answer.headers["connection"] == "close"
        answer = await client.post("/slow", content=b"x")
        assert (answer.status_code, answer.json()) == (200, False)


async def test_reading_stops_at_the_limit_however_long_the_body_is() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 10_000:
            read += 50
            yield b" " * 50

    answer = await ask("POST", "/payees", content=endless(), headers={"content-type": "application/json"})
    assert (answer.status_code, read) == (413, 150)


async def test_every_answer_carries_the_security_headers_unless_it_has_its_own() -> None:
    for path in ("/refused", "/none", "/crash"):
        answer = await ask("GET", path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
