"""For this service's tests: records of both topics, made with the contract's own models, and taking them."""

import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from joserfc.jwk import KeySet, OKPKey

from services.holdover.domain.enterprise import Held
from services.holdover.domain.identity import Account
from services.holdover.domain.terms import Terms
from services.holdover.handlers import DecisionsFold, FactsFold
from services.holdover.orders import Signer
from shared.contracts import registry, topics
from shared.contracts.registry import AnyEvent
from shared.contracts.topics import ORDERS
from shared.ids import decision_id
from shared.streaming.records import Output, Record, States
from shared.uscc import with_check_character

PARTITION = 3
TIME = datetime(2020, 2, 20, 9, 30, tzinfo=timezone(timedelta(hours=8)))
PACK = "a" * 64
TERMS = Terms(date(2020, 2, 1), date(2020, 6, 30), date(2020, 7, 1), 6, 15, 7)
POWER = Account("electricity", "grid-6501", "0001")
WATER = Account("water", "waterworks", "17")
FUND = Account("provident_fund", "fund-6501", "9")


def enterprise(number: int) -> str:
    """A valid unified social credit code."""
    return with_check_character(f"91650100MA{number:07d}")


USCC = enterprise(1)


def key_files(directory: Path) -> tuple[Path, Path]:
    """Private and public keys of orders, written there."""
    key = OKPKey.generate_key("Ed25519", {"use": "sig"})
    key.ensure_kid()
    private, public = directory / "holdover.private.jwks.json", directory / "holdover.jwks.json"
    private.write_text(json.dumps(KeySet([key]).as_dict(private=True)))
    public.write_text(json.dumps(KeySet([key]).as_dict(private=False)))
    return private, public


@cache
def _signing() -> tuple[Signer, str]:
    with TemporaryDirectory() as directory:
        private, public = key_files(Path(directory))
        return Signer(private), public.read_text()


def signer() -> Signer:
    return _signing()[0]


def public_keys() -> str:
    """What checks the signatures of `signer`, as the file has it."""
    return _signing()[1]


def _terms(sha256: str) -> Terms:
    assert sha256 == PACK
    return TERMS


class Logs:
    """The two logs of one partition: what is added gets the next offset there, and an origin that ascends."""

    def __init__(self, partition: int = PARTITION) -> None:
        self.partition = partition
        self.facts: list[Record] = []
        self.decisions: list[Record] = []

    def applied(self, application_id: str, *utilities: str, uscc: str = USCC, on: date = date(2020, 2, 10)) -> Record:
        data = {"application_id": application_id, "utilities": list(utilities or ["electricity"])}
        return self._fact("relief.holdover.applied.v1", uscc, data | {"declared_difficulty": True, "submitted_on": on})

    def withdrawn(self, application_id: str, on: date, uscc: str = USCC) -> Record:
        data = {"application_id": application_id, "submitted_on": on}
        return self._fact("relief.holdover.withdrawal.v1", uscc, data)

    def bill(
        self, bill_id: str, amount_fen: int, *, due_on: date = date(2020, 4, 20), account: Account = POWER,
        version: int = 1, production_use: bool = True, uscc: str = USCC,
    ) -> Record:  # fmt: skip
        data = {"bill_id": bill_id, "version": version, **account._asdict(), "period": f"{due_on:%Y-%m}"}
        data |= {"amount_fen": amount_fen, "due_on": due_on, "production_use": production_use}
        return self._fact("cn.utility.bill.issued.v1", uscc, data)

    def paid(self, payment_id: str, bill_id: str, amount_fen: int, on: date, uscc: str = USCC) -> Record:
        data = {"bill_id": bill_id, "payment_id": payment_id, "amount_fen": amount_fen, "paid_on": on}
        return self._fact("cn.utility.bill.paid.v1", uscc, data)

    def asked(self, request_id: str, account: Account = POWER, on: date = date(2020, 5, 6), uscc: str = USCC) -> Record:
        data = {"request_id": request_id, **account._asdict(), "reason": "unpaid", "requested_on": on}
        return self._fact("cn.utility.disconnection.requested.v1", uscc, data)

    def decided(self, application_id: str, outcome: str = "granted", revision: int = 1, uscc: str = USCC) -> Record:
        data = {
            "decision_id": decision_id(uscc, "holdover", application_id, revision),
            "measure": "holdover",
            "key": application_id,
            "prefecture": "650100",
            "size_class": "small",
            "revision": revision,
            "outcome": outcome,
            "amount_fen": 0,
            "delta_fen": 0,
            "effective_on": date(2020, 2, 10),
            "reasons": [],
            "facts": [],
            "policy": {"pack": "xinjiang-2020", "version": "1", "sha256": PACK},
        }
        return self._add(self.decisions, topics.DECISIONS, "relief.decision.made.v1", uscc, data)

    def known(self, day: date) -> Record:
        """The day starts among the facts."""
        return self._add(self.facts, topics.FACTS, "relief.day.started.v1", f"day-{day}", {"date": day})

    def passed_on(self, day: date) -> Record:
        """The day starts among the decisions."""
        return self._add(self.decisions, topics.DECISIONS, "relief.day.started.v1", f"day-{day}", {"date": day})

    def day(self, day: date) -> list[Record]:
        """The day starts in both."""
        return [self.known(day), self.passed_on(day)]

    def _fact(self, kind: str, uscc: str, data: dict[str, Any]) -> Record:
        return self._add(self.facts, topics.FACTS, kind, uscc, {"uscc": uscc, **data})

    def _add(self, log: list[Record], topic: str, kind: str, subject: str, data: dict[str, Any]) -> Record:
        offset = len(log)
        origin = {"topic": "upstream.utility.v1", "partition": 0, "offset": offset, "index": 0}
        uscc = {} if kind == "relief.day.started.v1" else {"uscc": subject}
        event = registry.models(topic)[kind].model_validate(
            {
                "specversion": "1.0",
                "id": f"{kind}-{offset}",
                "source": "/test",
                "type": kind,
                "subject": subject,
                "time": TIME,
                "data": {"origin": origin, **uscc, **data},
            }
        )
        log.append(Record(topic, self.partition, offset, subject.encode(), event.model_dump_json().encode()))
        return log[-1]


FACTS, DECISIONS = FactsFold(signer()), DecisionsFold(_terms, signer())


def take(states: States[Held], records: Iterable[Record]) -> list[Output]:
    """The records through the folds, in this order, without a store."""
    told: list[Output] = []
    for record in records:
        if record.topic == topics.FACTS:
            told += FACTS.step(states, FACTS.decode(record), record)
        else:
            told += DECISIONS.step(states, DECISIONS.decode(record), record)
    return told


def events(outputs: Sequence[Output]) -> list[AnyEvent]:
    """As a reader with the contract sees them."""
    return [registry.decoder(ORDERS).validate_json(output.value) for output in outputs]


def kinds(outputs: Sequence[Output]) -> list[str]:
    return [event.type.removeprefix("relief.holdover.").removesuffix(".v1") for event in events(outputs)]
