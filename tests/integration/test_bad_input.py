"""What a sender gets who sends what cannot be taken: on a real broker, in one batch with good records around each.

Every bad record here would move money if it were accepted.
"""

import asyncio
import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from services.cli.installation import run
from services.cli.log import LARGEST_BYTES, Line, read
from shared.contracts.rejected import RAW_MAX_BYTES
from shared.contracts.topics import FACTS, OPERATIONS, REJECTED, TAX, topics
from shared.streaming.kafka_access import KafkaAccess
from shared.streaming.records import partition_of
from shared.uscc import with_check_character
from tests.integration.conftest import Site
from tests.integration.outcome import decided, net_fen
from tests.integration.region import Upstream, expected
from tests.integration.running import Running

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

USCC = with_check_character("91650100MABAD0001")
OTHER = with_check_character("91650100MABAD0002")
STRUCTURED = [("content-type", b"application/cloudevents+json")]
Headers = list[tuple[str, bytes]]


class Bad(NamedTuple):
    name: str
    code: str
    value: bytes | None
    headers: Headers = STRUCTURED
    key: bytes = USCC.encode()


class NoText(str):
    """A header's name that goes out as bytes which are no UTF-8."""

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"ce_\xff\xfe"


def event(kind: str, name: str, data: dict[str, Any], **envelope: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": name,
        "source": "//tax.example/xinjiang",
        "type": kind,
        "subject": USCC,
        "time": "2020-03-02T10:00:00+08:00",
        "datacontenttype": "application/json",
        "data": {"uscc": USCC, "version": 1} | data,
    } | envelope


def registration(name: str, **changed: Any) -> dict[str, Any]:
    data = {
        "name": "阿克苏某农业有限公司",
        "industry": "agriculture",
        "prefecture": "652900",
        "registered_on": "2015-05-06",
        "effective_on": "2019-01-01",
        "employees": 10,
        "annual_revenue_fen": 90_000_000,
        "total_assets_fen": 50_000_000,
        "payee": None,
    }
    return event("cn.tax.enterprise.registered.v1", name, data | changed)


def assessment(name: str, fen: int = 40_000_000, **changed: Any) -> dict[str, Any]:
    data = {
        "assessment_id": name,
        "insurance": "pension",
        "period": "2020-02",
        "employer_amount_fen": fen,
        "due_on": "2020-03-15",
    }
    return event("cn.tax.contribution.assessed.v1", name, data | changed)


def text(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def without(value: dict[str, Any], *path: str) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(text(value))
    place = copy
    for name in path[:-1]:
        place = place[name]
    del place[path[-1]]
    return copy


def binary(**spoilt: bytes) -> Headers:
    """Binary mode's headers, some of them with other values."""
    plain = {name: str(assessment("b")[name]).encode() for name in ("specversion", "id", "source", "type", "time")}
    named = plain | {"subject": USCC.encode()} | spoilt
    return [("content-type", b"application/json"), *((f"ce_{name}", value) for name, value in named.items())]


WRONG_CHECK = USCC[:-1] + ("0" if USCC[-1] != "0" else "1")
DATA = text(assessment("b")["data"])
BAD = [
    Bad("malformed JSON", "NOT_JSON", text(assessment("b1"))[:-20]),
    Bad("JSON with a comma too many", "NOT_JSON", text(assessment("b2"))[:-1] + b",}"),
    Bad("an empty value", "NOT_JSON", b""),
    Bad("an unknown type", "UNKNOWN_TYPE", text(assessment("b3") | {"type": "cn.tax.contribution.assessed.v9"})),
    Bad("another topic's operation", "UNKNOWN_TYPE", text(assessment("b4") | {"type": "relief.day.started.v1"})),
    Bad("a missing field", "MISSING_FIELD", text(without(assessment("b5"), "data", "employer_amount_fen"))),
    Bad("a missing id", "MISSING_FIELD", text(without(assessment("b6"), "id"))),
    Bad("a bad check character", "BAD_USCC", text(assessment("b7", uscc=WRONG_CHECK) | {"subject": WRONG_CHECK})),
    Bad("a negative amount", "OUT_OF_RANGE", text(assessment("b8", -1))),
    Bad("an absurd amount", "OUT_OF_RANGE", text(assessment("b9", 10**20))),
    Bad("an unknown prefecture", "UNKNOWN_PREFECTURE", text(registration("b10", version=2, prefecture="999900"))),
    Bad("an unknown industry", "UNKNOWN_INDUSTRY", text(registration("b11", version=2, industry="alchemy"))),
    Bad("a wrong key", "WRONG_KEY", text(assessment("b12")), key=OTHER.encode()),
    Bad("another enterprise in the data", "WRONG_KEY", text(assessment("b13", uscc=OTHER))),
    Bad("a tombstone", "TOMBSTONE", None),
    Bad("invalid UTF-8", "NOT_UTF8", text(assessment("b14")).replace(b"//tax", b"//t\xc3(x")),
    Bad("a header that is no UTF-8", "BAD_HEADERS", DATA, binary(source=b"//tax\xff\xfe")),
    Bad("a header's name that is no UTF-8", "BAD_HEADERS", text(assessment("b15")), [*STRUCTURED, (NoText("x"), b"1")]),
    Bad("a time that is none in a header", "BAD_HEADERS", DATA, binary(time=b"yesterday")),
    Bad("a header twice", "BAD_HEADERS", DATA, [*binary(), ("ce_id", b"b16")]),
    Bad("a record of 2 MB", "TOO_LARGE", text(assessment("b17", remark="x" * 2_000_000))),
]
GOOD = [registration("good-registration"), *(assessment(f"good-{n}", 100_000 + n) for n in range(len(BAD) + 1))]


@dataclass(frozen=True)
class Sent:
    """What came of the batch: rejected events by the offset that they name, ids of the facts in their order."""

    running: Running
    offsets: dict[str, int]
    rejected: dict[tuple[str, int, int], list[dict[str, Any]]]
    facts: list[str]


@pytest.fixture(scope="module")
def sent(site: Site) -> Sent:
    running = site.running()
    records: list[tuple[bytes, bytes | None, Headers]] = []
    offsets: dict[str, int] = {}
    for good in GOOD[:2]:
        records.append((USCC.encode(), text(good), STRUCTURED))
    for bad, good in zip(BAD, GOOD[2:], strict=True):
        offsets[bad.name] = len(records)
        records.append((bad.key, bad.value, bad.headers))
        records.append((USCC.encode(), text(good), STRUCTURED))
    base = asyncio.run(_send_as_one(running.kafka, TAX, partition_of(USCC.encode(), topics()[TAX].partitions), records))
    running.settle()
    rejected: dict[tuple[str, int, int], list[dict[str, Any]]] = defaultdict(list)
    for found in _all(running, REJECTED):
        origin = found["data"]["origin"]
        rejected[origin["topic"], origin["partition"], origin["offset"]].append(found)
    facts = [fact["id"] for fact in _all(running, FACTS) if fact["subject"] == USCC]
    return Sent(running, {name: base + offset for name, offset in offsets.items()}, rejected, facts)


@pytest.mark.parametrize("bad", BAD, ids=[bad.name for bad in BAD])
def test_it_is_rejected_once_with_a_code_and_a_sentence(sent: Sent, bad: Bad) -> None:
    partition = partition_of(USCC.encode(), topics()[TAX].partitions)
    (found,) = sent.rejected[TAX, partition, sent.offsets[bad.name]]
    data, value = found["data"], bad.value or b""
    assert data["code"] == bad.code, data["message"]
    message = data["message"]
    assert message.endswith(".")
    assert len(message.split()) > 2
    assert "\n" not in message
    assert "Traceback" not in message
    assert (data["size_bytes"], data["digest"]) == (len(value), hashlib.sha256(value).hexdigest())
    assert (data["raw_sealed"] is not None) == (0 < len(value) <= RAW_MAX_BYTES)


def test_nothing_else_is_rejected(sent: Sent) -> None:
    partition = partition_of(USCC.encode(), topics()[TAX].partitions)
    assert set(sent.rejected) == {(TAX, partition, offset) for offset in sent.offsets.values()}


def test_the_good_records_around_them_go_through_once_and_in_order(sent: Sent) -> None:
    assert sent.facts == [good["id"] for good in GOOD]
    assert not any(sent.running.wrong(service) for service in ("intake", "eligibility", "payments", "ledger"))


def test_the_money_is_that_of_the_good_records_alone(sent: Sent) -> None:
    implied = expected(Upstream(TAX, _NO_RECORD, text(good)) for good in GOOD)
    assert implied.net_fen[USCC, "exemption", "pension/2020-02"] == sum(range(100_000, 100_000 + len(BAD) + 1))
    assert decided(sent.running, {USCC}) == implied.standing
    assert net_fen(sent.running, {USCC}) == implied.net_fen


def test_what_operators_send_is_no_exception(sent: Sent) -> None:
    base = asyncio.run(
        _send_as_one(sent.running.kafka, OPERATIONS, 0, [(b"day-x", b'{"date": "tomorrow"}', STRUCTURED)])
    )
    sent.running.settle()
    (found,) = [e for e in _all(sent.running, REJECTED) if e["data"]["origin"]["topic"] == OPERATIONS]
    assert found["data"]["origin"]["offset"] == base
    assert found["data"]["code"] == "MISSING_FIELD"


_NO_RECORD = Line(USCC.encode(), None)


def _all(running: Running, topic: str) -> list[dict[str, Any]]:
    """Every record as it stands in the log, repeats and all."""

    async def collect() -> list[dict[str, Any]]:
        return [json.loads(record.value or b"null") async for record in read(running.kafka, topic)]

    return run(collect())


async def _send_as_one(
    kafka: KafkaAccess, topic: str, partition: int, records: Sequence[tuple[bytes, bytes | None, Headers]]
) -> int:
    """One batch as a foreign client could build it; the offset of its first record."""
    batch = _DefaultRecordBatchBuilderPy(2, 0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1, batch_size=LARGEST_BYTES)  # fmt: skip  # noqa: E501
    for offset, (key, value, headers) in enumerate(records):
        assert batch.append(offset, None, key, value, headers) is not None
    producer = AIOKafkaProducer(**kafka.client(), max_batch_size=LARGEST_BYTES, max_request_size=LARGEST_BYTES)
    await producer.start()
    try:
        built = producer.create_batch()
        built._buffer, built._relative_offset = bytes(batch.build()), len(records)
        acknowledged = await (await producer.send_batch(built, topic, partition=partition))
        return int(acknowledged.offset)
    finally:
        await producer.stop()
