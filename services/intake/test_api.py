"""Applications over HTTP: taken after the acknowledgement, the same when repeated, and told what became of them."""

import json
from typing import Any

import pytest

from services.intake.api_cases import HOLDOVER, KEY, NEED, A, B, Desk, problem
from services.intake.cases import PERSONAL
from services.intake.handlers import IntakeFold
from shared.contracts.registry import decoder
from shared.contracts.topics import APPLICATIONS, topics
from shared.streaming.errors import Retry, Stop
from shared.streaming.records import partition_of

pytestmark = pytest.mark.integration

KINDS: list[dict[str, Any]] = [
    HOLDOVER,
    {"kind": "withdrawal", "uscc": A, "application_id": "h1"},
    {"kind": "refund_decline", "uscc": A, "year": 2019},
    NEED,
]


@pytest.mark.parametrize("body", KINDS, ids=[str(body["kind"]) for body in KINDS])
async def test_202_after_the_acknowledgement_with_an_event_that_intake_accepts(
    desk: Desk, fold: IntakeFold, body: dict[str, Any]
) -> None:
    answer = await desk.apply(body)
    assert answer.status_code == 202
    application_id = answer.json()["application_id"]
    assert answer.headers["location"] == f"/v1/applications/{application_id}"
    (output,) = desk.kafka.outputs
    where = partition_of(A.encode(), topics()[APPLICATIONS].partitions)
    assert (output.topic, output.partition, output.key) == (APPLICATIONS, where, A.encode())
    event = decoder(APPLICATIONS).validate_json(output.value)
    assert (event.id, event.subject, event.time.isoformat()) == (application_id, A, desk.time[0])
    assert event.data.submitted_on.isoformat() == "2020-03-02"
    own = "h1" if body["kind"] == "withdrawal" else application_id
    assert event.data.application_id == own
    assert (await desk.status(application_id)).json()["status"] == "received"
    assert await desk.take(fold) == ["1"]
    assert (await desk.status(application_id)).json()["status"] == "accepted"


async def test_the_day_of_submission_is_shanghais(desk: Desk) -> None:
    desk.time[0] = "2020-02-29T16:30:00+00:00"
    await desk.apply()
    assert json.loads(desk.kafka.outputs[0].value)["data"]["submitted_on"] == "2020-03-01"


@pytest.mark.parametrize("why", [Retry("no acknowledgement"), Stop("Kafka does not let intake publish.")])
async def test_503_when_kafka_does_not_acknowledge_and_the_repeat_is_the_same_event(desk: Desk, why: Exception) -> None:
    desk.kafka.away = why
    refused = await desk.apply()
    assert problem(refused, 503)["type"] == "/problems/not-acknowledged"
    assert int(refused.headers["retry-after"]) >= 1
    desk.kafka.away = None
    desk.time[0] = "2020-03-05T10:00:00+08:00"
    first = await desk.apply()
    again = await desk.apply(dict(reversed(HOLDOVER.items())))
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    assert desk.kafka.outputs[0] == desk.kafka.outputs[1]
    assert b"2020-03-02" in desk.kafka.outputs[0].value, "it was submitted when it first came"


async def test_the_same_key_with_another_body_is_409_and_publishes_nothing(desk: Desk) -> None:
    await desk.apply()
    changed = HOLDOVER | {"declared_difficulty": False}
    assert problem(await desk.apply(changed), 409)["type"] == "/problems/idempotency-key-reused"
    assert len(desk.kafka.outputs) == 1
    assert (await desk.apply(changed, key="key-00000002")).status_code == 202


async def test_members_in_another_order_are_the_same_body_and_the_same_content(desk: Desk, fold: IntakeFold) -> None:
    first = await desk.apply()
    again = await desk.apply(HOLDOVER | {"contact": dict(reversed(HOLDOVER["contact"].items()))})
    assert (again.status_code, again.json()) == (202, first.json())
    assert await desk.take(fold) == ["1", "-"]


async def test_a_key_is_one_callers_for_one_enterprise(desk: Desk) -> None:
    answers = [
        await desk.apply(),
        await desk.apply(subject="another"),
        await desk.apply(HOLDOVER | {"uscc": B}, uscc=B),
    ]
    assert len({answer.json()["application_id"] for answer in answers}) == 3


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ({"role": "enterprise", "uscc": B}, 403),
        ({"role": "enterprise", "uscc": None}, 403),
        ({"role": "auditor", "uscc": None}, 403),
        ({"role": "approver", "uscc": None}, 403),
        ({"role": "liaison", "uscc": None}, 202),
        ({"role": "operator", "uscc": None}, 202),
    ],
)
async def test_who_may_apply_for_an_enterprise(desk: Desk, who: dict[str, Any], expected: int) -> None:
    answer = await desk.apply(**who)
    assert answer.status_code == expected
    if expected == 403:
        problem(answer, 403)
        assert desk.kafka.outputs == []


async def test_another_enterprise_learns_nothing_not_even_that_there_is_one(desk: Desk) -> None:
    application_id = (await desk.apply()).json()["application_id"]
    others, nobodys = await desk.status(application_id, uscc=B), await desk.status("0" * 32, uscc=B)
    assert problem(others, 404) == problem(nobodys, 404)
    assert (await desk.status(application_id, role="auditor", uscc=None)).status_code == 200


async def test_nobody_comes_in_without_a_token(desk: Desk) -> None:
    for answer in (
        await desk.http.post("/v1/applications", json=HOLDOVER, headers={"Idempotency-Key": KEY}),
        await desk.http.get("/v1/applications/x"),
        await desk.http.get("/v1/applications/x", headers={"Authorization": "Bearer nonsense"}),
    ):
        problem(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("outcome", "word"), [("pending", "accepted"), ("granted", "decided"), ("denied", "decided")])
async def test_a_decision_is_told_with_its_reasons(desk: Desk, fold: IntakeFold, outcome: str, word: str) -> None:
    application_id = (await desk.apply()).json()["application_id"]
    await desk.take(fold)
    await desk.decide(application_id, outcome)
    told = (await desk.status(application_id)).json()
    assert (told["application_id"], told["uscc"]) == (application_id, A)
    assert (told["status"], told["outcome"]) == (word, outcome)
    assert [reason["code"] for reason in told["reasons"]] == ([] if outcome == "granted" else ["NO_DIFFICULTY"])


async def test_a_rejected_application_says_why(desk: Desk, fold: IntakeFold) -> None:
    application_id = (await desk.apply()).json()["application_id"]
    # An importer was first with this id, and said something else.
    first = json.loads(desk.kafka.outputs[0].value)
    first["data"]["utilities"] = ["water"]
    first |= {"source": "//importer", "id": "other"}
    desk.kafka.outputs.insert(0, desk.kafka.outputs[0]._replace(value=json.dumps(first).encode()))
    assert await desk.take(fold) == ["1", "VERSION_CONFLICT"]
    told = (await desk.status(application_id)).json()
    assert (told["status"], told["code"]) == ("rejected", "VERSION_CONFLICT")
    assert told["reason"].endswith(".")


async def test_nothing_personal_is_kept_in_redis(desk: Desk, fold: IntakeFold) -> None:
    await desk.apply()
    await desk.take(fold)
    kept = b""
    for key in await desk.redis.keys("*"):
        kind = await desk.redis.type(key)
        kept += await desk.redis.get(key) if kind == b"string" else b"".join((await desk.redis.hgetall(key)).values())
    assert kept
    assert not [text for text in PERSONAL if text.encode() in kept]
