"""What the HTTP API refuses: each as a problem document that says what to do, and nothing of what was sent."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.intake.api_cases import HOLDOVER, KEY, NEED, A, Desk, open_desk, problem
from services.intake.cases import PERSONAL

pytestmark = pytest.mark.integration

WRONG: list[tuple[str, Any, str | None]] = [
    ("no key", HOLDOVER, None),
    ("a short key", HOLDOVER, "short"),
    ("no body", None, KEY),
    ("an unknown kind", HOLDOVER | {"kind": "gift"}, KEY),
    ("no kind", {"uscc": A}, KEY),
    ("an unknown field", HOLDOVER | {"colour": "red"}, KEY),
    ("a bad check character", HOLDOVER | {"uscc": A[:-1] + "0"}, KEY),
    ("no utility", HOLDOVER | {"utilities": []}, KEY),
    ("an unknown utility", HOLDOVER | {"utilities": ["telephone"]}, KEY),
    ("a word for a truth", HOLDOVER | {"declared_difficulty": "yes"}, KEY),
    ("a contact of numbers", HOLDOVER | {"contact": {"telephone": 5}}, KEY),
    ("a year in quotes", {"kind": "refund_decline", "uscc": A, "year": "2019"}, KEY),
]


@pytest.mark.parametrize(("wrong", "body", "key"), WRONG, ids=[row[0] for row in WRONG])
async def test_422_names_the_field(desk: Desk, wrong: str, body: Any, key: str | None) -> None:
    answer = problem(await desk.apply(body, key), 422)
    assert answer["errors"], wrong
    assert not [text for text in PERSONAL if text in json.dumps(answer)]
    assert desk.kafka.outputs == []


@pytest.mark.parametrize("spoiled", ['{"pieces": NaN}', '{"pieces": 1e999}', '{"note": "\\ud800"}', '{"a": ' * 900])
async def test_what_json_cannot_carry_on_is_refused_and_not_a_fault(desk: Desk, spoiled: str) -> None:
    text = json.dumps(NEED).replace(json.dumps(NEED["details"]), spoiled)
    headers = desk.bearer() | {"Idempotency-Key": KEY, "Content-Type": "application/json"}
    answer = await desk.http.post("/v1/applications", content=text.encode(), headers=headers)
    assert answer.status_code in (400, 422)
    problem(answer, answer.status_code)


async def test_a_large_body_is_413(desk: Desk) -> None:
    problem(await desk.apply(HOLDOVER | {"contact": {"note": "x" * 70_000}}), 413)


async def test_too_many_requests_are_429_with_the_seconds_to_wait(desk: Desk) -> None:
    answers = [await desk.apply(key=f"key-{number:08}") for number in range(61)]
    assert [answer.status_code for answer in answers[:60]] == [202] * 60
    problem(answers[60], 429)
    assert 1 <= int(answers[60].headers["retry-after"]) <= 60
    assert (await desk.apply(subject="another")).status_code == 202


async def test_503_while_redis_is_away(secrets: Path) -> None:
    # Nothing listens on port 1.
    async with open_desk("redis://127.0.0.1:1/0", secrets) as desk:
        for answer in (await desk.apply(), await desk.status("0" * 32)):
            assert problem(answer, 503)["type"] == "/problems/store-unavailable"
            assert int(answer.headers["retry-after"]) >= 1
        assert desk.kafka.outputs == []
