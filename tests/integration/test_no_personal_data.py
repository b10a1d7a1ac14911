"""Names, contacts, accounts and tokens go through the whole system, good and bad, with refusals, faults and crashes;
then nothing that is written, answered or published but what has to hold them holds any of them.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from deploy.local.postgres_server import SUPERUSER
from services.cli.installation import run
from services.cli.log import Line, read
from services.intake.cases import applied, registered
from services.payments.cases import enterprise
from shared.contracts.topics import APPLICATIONS, TAX, topics
from shared.devkeys import issue_development_token
from shared.keyfiles import DIGEST_KEY_BYTES
from tests.faults.matrix.load import wait_until
from tests.integration.canaries import (
    ACCOUNT,
    CANARIES,
    CONTACT,
    HOLDER,
    PAYEE,
    PERSON,
    PHONE,
    in_bytes,
    in_files,
    in_processes,
    members,
    spelt,
)
from tests.integration.conftest import Site
from tests.integration.money import Money
from tests.integration.running import STAGES, Running

pytestmark = [pytest.mark.integration, pytest.mark.timeout(420)]
A, B = enterprise(1), enterprise(2)
# Where they have to be: what came from outside, what goes to the bank, and what Kafka keeps of the former.
OPEN_TOPICS = {TAX, APPLICATIONS}
HELD_IN_THE_OPEN = ("bank", "kafka")


@dataclass
class Told:
    """What was done to the installation, and every answer that it gave."""

    running: Running
    answers: list[httpx.Response] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    def ask(self, service: str, method: str, path: str, role: str | None, **sent: Any) -> httpx.Response:
        headers = dict(sent.pop("headers", {}))
        if role is not None:
            token = issue_development_token(self.running.stack.state / "secrets", role, f"some {role}", A)
            self.tokens.append(token)
            headers.setdefault("Authorization", f"Bearer {token}")
        url = f"{self.running.url(service)}{path}"
        answer = httpx.request(method, url, headers=headers, timeout=60, trust_env=False, **sent)
        self.answers.append(answer)
        return answer


@pytest.fixture(scope="module")
def told(site: Site) -> Told:
    told = Told(site.running())
    _send(told.running)
    _ask(told)
    _pay(told)
    _break(told)
    told.running.settle()
    return told


def _send(running: Running) -> None:
    """Good records, and bad ones made of them, each of which holds something personal."""
    registration = registered(A, payee=PAYEE)
    whole = json.dumps(registration, ensure_ascii=False)
    bad = [
        whole[:-20], whole.replace(ACCOUNT, ACCOUNT + "!"), whole.replace(f'"{ACCOUNT}"', f'{{"{PERSON}": 1}}'),
        whole.replace('"payee"', f'"{PERSON}"'), whole.replace(A, HOLDER), whole.replace('"cn.tax', f'"{PERSON}.tax'),
        whole.replace('"agriculture"', f'"{HOLDER}"'), whole + ACCOUNT,
        json.dumps(registered(A, version=1, payee=PAYEE | {"account_name": PERSON})),
    ]  # fmt: skip
    lines = [Line(A.encode(), text.encode()) for text in (whole, *bad)]
    lines.append(Line(HOLDER.encode(), whole.encode()))
    lines.append(Line(A.encode(), whole.encode(), (("ce_id", PERSON.encode()), ("ce_id", PHONE.encode()))))
    running.send_records(TAX, lines)
    application = applied(A, contact=CONTACT)
    applications = [application, application | {"data": application["data"] | {"contact": [PERSON] * 9_000}}]
    running.send_records(APPLICATIONS, [Line(A.encode(), json.dumps(one).encode()) for one in applications])
    running.settle()


def _ask(told: Told) -> None:
    body = {"kind": "holdover", "uscc": A, "utilities": ["gas"], "declared_difficulty": True, "contact": CONTACT}
    key = {"Idempotency-Key": "canary-0001"}
    assert told.ask("intake", "POST", "/v1/applications", "enterprise", json=body, headers=key).status_code == 202
    bent: list[Any] = [
        body | {"contact": PERSON * 2_000}, body | {PERSON: PHONE}, body | {"uscc": HOLDER}, body | {"kind": PERSON},
        body | {"utilities": [PHONE]}, body | {"declared_difficulty": PERSON}, body | {"contact": {PERSON: 1}}, PERSON,
    ]  # fmt: skip
    for one in bent:
        told.ask("intake", "POST", "/v1/applications", "enterprise", json=one, headers=key)
    for content in (json.dumps(body)[:-5], json.dumps(body) + PERSON, json.dumps(body) * 400):
        headers = key | {"Content-Type": "application/json"}
        told.ask("intake", "POST", "/v1/applications", "enterprise", content=content.encode(), headers=headers)
    for role in (None, "supplier", "enterprise"):
        other = body | {"uscc": B}
        told.ask("intake", "POST", "/v1/applications", role, json=other, headers=key)
    told.ask("intake", "GET", f"/v1/applications/{ACCOUNT}", "operator")
    told.ask("intake", "GET", f"/{PERSON}", None, headers={"Authorization": f"Bearer {PERSON}"})
    told.ask("intake", "GET", "/livez", None, headers={"traceparent": PERSON, "X-Forwarded-For": PHONE})
    for service, path in (("payments", "/v1/batches"), ("ledger", "/v1/transactions"), ("holdover", "/v1/protection")):
        told.ask(service, "GET", path, "auditor", params={"after": PERSON, "account": HOLDER, "uscc": ACCOUNT})
    for service in STAGES:
        for path in ("/metrics", "/readyz", "/openapi.json", f"/v1/enterprises/{A}", f"/v1/enterprises/{HOLDER}"):
            told.ask(service, "GET", path, "auditor")


def _pay(told: Told) -> None:
    """One refund to the account, to the bank's file, and files of the bank that are refused."""
    money = Money(told.running)
    money.budget()
    money.decide((B, 700, ACCOUNT))
    money.start(date(2020, 3, 2))
    money.approve()
    bank = told.running.stack.state / "bank"
    assert any(ACCOUNT.encode() in path.read_bytes() for path in (bank / "out").iterdir()), "it went to the bank"
    for number, text in enumerate((f"<Document>{PERSON}</Document>", f"{ACCOUNT} {HOLDER}", f"<{PHONE}>")):
        (bank / "in" / f"{number}.xml").write_text(text)
    wait_until(lambda: not list((bank / "in").iterdir()), "the bank's files were refused")
    for path in ("/v1/bank-files", "/v1/parked", "/v1/actions", "/v1/held", f"/v1/enterprises/{B}/payments"):
        assert told.ask("payments", "GET", path, "operator").status_code == 200


def _break(told: Told) -> None:
    """Answers of 500, and processes that die with personal data in hand."""
    running = told.running
    url = make_conninfo(running.environment["RELIEF_POSTGRES_URL"], user=SUPERUSER)
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("ALTER TABLE payments.batch RENAME TO gone")
        failed = told.ask("payments", "GET", "/v1/batches", "auditor", params={"programme": "job_stabilisation"})
        db.execute("ALTER TABLE payments.gone RENAME TO batch")
    assert failed.status_code >= 500
    with running.doomed("intake", "before_commit") as process:
        record = Line(A.encode(), json.dumps(registered(A, version=2, payee=PAYEE)).encode())
        running.send_records(TAX, [record])
        process.wait(60)
    running.stack.start_service("intake")


def test_no_log_no_store_and_no_file_holds_them(told: Told) -> None:
    state = told.running.stack.state
    assert len(list((state / "logs").iterdir())) >= len(STAGES)
    assert not list(in_files(state, spelt(CANARIES), HELD_IN_THE_OPEN))
    assert not list(in_files(state, _tokens(told), ("kafka",)))
    assert not _reasons(state)
    assert not list(in_files(state / "kafka", spelt(CANARIES), ("data",)))


def _reasons(state: Path) -> list[bytes]:
    """What the sentences beside the refused files hold of them."""
    texts = [path.read_bytes() for path in (state / "bank" / "refused").iterdir() if path.name.endswith(".reason.txt")]
    assert len(texts) == 3
    return [canary for text in texts for canary in in_bytes(text, spelt(CANARIES))]


def _tokens(told: Told) -> list[bytes]:
    """The signatures, without which the rest opens nothing."""
    return sorted({token.rpartition(".")[2].encode() for token in told.tokens})


def test_what_stands_in_postgres_is_sealed(told: Told) -> None:
    url = make_conninfo(told.running.environment["RELIEF_POSTGRES_URL"], user=SUPERUSER)
    with psycopg.connect(url, autocommit=True) as db:
        (directory,) = db.execute("SHOW data_directory").fetchone() or ("",)
        db.execute("CHECKPOINT")
    assert not list(in_files(Path(str(directory)), spelt(CANARIES)))


def test_topics_behind_the_door_hold_sealed_values_alone(told: Told) -> None:
    seen, wanted = 0, [*spelt(CANARIES), *_tokens(told)]
    for topic in sorted({name for name, one in topics().items() if not one.planned} - OPEN_TOPICS):
        for value in run(_records(told.running, topic)):
            assert not in_bytes(value, wanted), topic
            seen += 1
    assert seen > 40
    # They are looked for where they are, too: else this would find nothing whatever happens.
    assert any(
        in_bytes(value, spelt(CANARIES)) for topic in OPEN_TOPICS for value in run(_records(told.running, topic))
    )


async def _records(running: Running, topic: str) -> list[bytes]:
    found = []
    async for record in read(running.kafka, topic):
        headers = b" ".join(name.encode("utf-8", "replace") + b"=" + value for name, value in record.headers)
        found.append(b" ".join((record.key or b"", record.value or b"", headers)))
    return found


def test_no_answer_repeats_what_was_sent(told: Told) -> None:
    assert {401, 403, 404, 413, 422} <= {answer.status_code for answer in told.answers}
    wanted = [*spelt(CANARIES), *_tokens(told)]
    for answer in told.answers:
        head = " ".join(f"{name}: {value}" for name, value in answer.headers.items()).encode()
        assert not in_bytes(answer.content + head, wanted), f"{answer.request.method} {answer.request.url.path}"


def test_no_secret_is_on_a_command_line_and_private_keys_are_their_owners(told: Told) -> None:
    directory = told.running.stack.state / "secrets"
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} >= {"kafka", "redis", "postgres"}
    secrets = {value.encode() for path in files for value in _private(path)}
    assert len(secrets) >= 6
    assert not list(in_processes({*secrets, *_tokens(told)}))
    assert directory.stat().st_mode & 0o777 == 0o700
    for path in files:
        if any(True for _ in _private(path)):
            assert path.stat().st_mode & 0o777 == 0o600, path.name
    assert not list(in_files(told.running.stack.state, sorted(secrets), ("secrets", "kafka")))


def _private(path: Path) -> Iterator[str]:
    """The secret parts of a key file, or all of a password's."""
    text = path.read_text()
    if not text.startswith("{"):
        assert len(text) > DIGEST_KEY_BYTES
        yield text.strip()
        return
    yield from (value for name, value in members(json.loads(text)) if name in ("d", "k"))
