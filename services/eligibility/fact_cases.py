"""Records of `relief.facts.v1` for this service's tests, made with the contract's own models."""

from datetime import date, datetime, timedelta, timezone
from typing import Any

from services.eligibility.cases import PACK, A, payee
from services.eligibility.handlers import EligibilityFold, State, decode_state, encode_state
from shared.contracts.registry import decoder
from shared.contracts.topics import FACTS, OPERATIONS, TAX, topics
from shared.streaming.records import Output, Record, States, partition_of

TIME = datetime(2020, 3, 2, 9, 30, tzinfo=timezone(timedelta(hours=8)))
PARTITIONS = topics()[FACTS].partitions


def record(kind: str, data: dict[str, Any], *, subject: str = A, offset: int = 0, **envelope: Any) -> Record:
    partition = partition_of(subject.encode(), PARTITIONS)
    source = OPERATIONS if subject != data.get("uscc") else TAX
    event = {
        "specversion": "1.0",
        "id": f"{kind}-{offset}",
        "source": "//example/authority",
        "type": kind,
        "subject": subject,
        "time": TIME,
        "data": {"origin": {"topic": source, "partition": 5, "offset": offset, "index": 0}} | data,
    } | envelope
    valid = decoder(FACTS).validate_python(event)
    return Record(FACTS, partition, offset, subject.encode(), valid.model_dump_json().encode())


def pack(sha256: str = PACK.ref.sha256, offset: int = 0) -> Record:
    return record(
        "relief.pack.activated.v1", {"pack": "p", "version": "1", "sha256": sha256}, subject="o", offset=offset
    )


def day(started: str, offset: int = 0) -> Record:
    return record("relief.day.started.v1", {"date": date.fromisoformat(started)}, subject="o", offset=offset)


def review(offset: int = 0, uscc: str = A) -> Record:
    return record("relief.review.requested.v1", {"uscc": uscc, "reason": "asked"}, subject=uscc, offset=offset)


def registered(offset: int = 0, account: str | None = "1", uscc: str = A, **changed: Any) -> Record:
    known = None if account is None else payee(account)
    data = {
        "uscc": uscc,
        "version": 1,
        "name": "Tarim Trading",
        "industry": "other",
        "prefecture": "650100",
        "registered_on": date(2015, 3, 2),
        "effective_on": date(2019, 1, 1),
        "employees": 50,
        "annual_revenue_fen": 0,
        "total_assets_fen": 0,
        "payee_sealed": None if known is None else known.sealed,
        "payee_digest": None if known is None else known.digest,
    }
    return record("cn.tax.enterprise.registered.v1", data | changed, subject=uscc, offset=offset)


def assessed(
    amount_fen: int, offset: int = 0, version: int = 1, uscc: str = A, period: str = "2020-02", **envelope: Any
) -> Record:
    data = {
        "uscc": uscc,
        "assessment_id": "a1",
        "version": version,
        "insurance": "pension",
        "period": period,
        "employer_amount_fen": amount_fen,
        "due_on": date(2020, 2, 15),
    }
    return record("cn.tax.contribution.assessed.v1", data, subject=uscc, offset=offset, **envelope)


def paid(amount_fen: int, offset: int = 0) -> Record:
    data = {
        "uscc": A,
        "assessment_id": "a1",
        "payment_id": "p1",
        "amount_fen": amount_fen,
        "paid_on": date(2020, 2, 14),
    }
    return record("cn.tax.contribution.paid.v1", data, offset=offset)


class Partition:
    """One facts partition; between records the states pass through the codec, as they would through Redis."""

    def __init__(self, fold: EligibilityFold) -> None:
        self.fold = fold
        self.stored: dict[str, bytes] = {}

    def take(self, *records: Record) -> list[Output]:
        outputs: list[Output] = []
        for taken in records:
            fact = self.fold.decode(taken)
            keys = dict.fromkeys(self.fold.keys(fact))
            states = States({key: decode_state(self.stored[key]) for key in keys if key in self.stored})
            outputs += self.fold.step(states, fact, taken)
            changes = states.changes()
            assert set(changes) <= set(keys), "a step may write only what it was given"
            self.stored |= {key: encode_state(state) for key, state in changes.items()}
        return outputs

    def states(self) -> dict[str, State]:
        return {key: decode_state(stored) for key, stored in self.stored.items()}
