"""Money on a running installation, driven from outside: decisions into the log, officers, the bank's words."""

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from datetime import date
from typing import Any

import psycopg
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.structs import TopicPartition
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner, Result

from deploy.local.postgres_server import SUPERUSER
from services.cli.app import app
from services.cli.reconcile_logs import bounds
from services.payments.cases import day, made
from shared.contracts.topics import COMMANDS, DECISIONS, LEDGER_EXEMPTIONS, LEDGER_REFUNDS, topics
from shared.ids import derived
from shared.keyfiles import read_digest_key
from shared.sealing import Sealer, payee_digest
from shared.streaming.publisher import Publisher
from shared.streaming.records import Output, partition_of
from tests.integration.running import Running

WHY = {"reason": "a test looked at it"}
PARTITIONS = topics()[DECISIONS].partitions
_SECONDS = 60.0


def home(key: str) -> int:
    """The partition of an enterprise, a payment or a claim."""
    return partition_of(key.encode(), PARTITIONS)


class Money:
    """Eligibility, officers and bank of one installation."""

    def __init__(self, running: Running) -> None:
        self.running, self.found = running, running.found
        self._revisions: dict[tuple[str, str], int] = {}
        self._numbers: dict[str, int] = {}

    def budget(self, total_fen: int = 10**9) -> None:
        for programme in ("job_stabilisation", "contribution_return"):
            body = {"total_fen": total_fen} | WHY
            self.found.act("PUT", "payments", f"/v1/budgets/{programme}", "approver", "ayse", body)

    def decision(self, uscc: str, fen: int, account: str | None = "6222000011112222", key: str = "2019") -> Output:
        """The next revision on the refund for 2019, or on an exemption when the key is one's."""
        measure = "exemption" if "/" in key else "refund"
        revision = self._revisions[uscc, key] = self._revisions.get((uscc, key), 0) + 1
        paid_to = {} if account is None else self._payee(uscc, account)
        record = made(
            uscc, measure, key, revision, fen, offset=self._number(DECISIONS), partition=home(uscc), **paid_to
        )
        return Output(DECISIONS, home(uscc), uscc.encode(), record.value or b"")

    def decide(self, *decisions: tuple[Any, ...]) -> None:
        """Each as `decision` takes it."""
        self.publish([self.decision(*one) for one in decisions])

    def start(self, started: date) -> None:
        """The day starts everywhere, and the clerk works through it."""
        outputs = []
        for partition in range(PARTITIONS):
            record = day(started, offset=self._number(DECISIONS), partition=partition)
            outputs.append(Output(DECISIONS, partition, b"day", record.value or b""))
        self.publish(outputs)
        self.eventually(lambda: self.found.get("payments", "/v1/clerk")["worked"] == started.isoformat())

    def approve(self) -> None:
        """All that is prepared goes to the bank."""
        for batch in self.found.get("payments", "/v1/batches", state="prepared", limit="500")["batches"]:
            self.found.act("POST", "payments", f"/v1/batches/{batch['batch_id']}/approve", "approver", "ayse", WHY)
        self.eventually(lambda: not self.found.get("payments", "/v1/batches", state="approved")["batches"])
        self.eventually(lambda: self.found.get("payments", "/v1/clerk")["unsent"] == 0)

    def say(self, payment: str, status: str, **more: str) -> None:
        self._command("relief.payment.status.v1", payment, {"payment_id": payment, "status": status} | more)

    def receive(self, claim: str, fen: int, reference: str) -> None:
        data = {"clawback_id": claim, "amount_fen": fen, "bank_reference": reference}
        self._command("relief.clawback.received.v1", claim, data)

    def write_off(self, claim: str) -> None:
        for officer in ("ayse", "bek"):
            self.found.act("POST", "payments", f"/v1/clawbacks/{claim}/write-off", "approver", officer, WHY)

    def claims(self, uscc: str) -> list[str]:
        return [one["clawback_id"] for one in self.found.get("payments", "/v1/clawbacks", uscc=uscc)["clawbacks"]]

    def states(self, uscc: str) -> list[str]:
        return [one["state"] for one in self.found.get("payments", f"/v1/enterprises/{uscc}/payments")["payments"]]

    def payment(self, uscc: str) -> str:
        """The id of the enterprise's newest payment."""
        payments = self.found.get("payments", f"/v1/enterprises/{uscc}/payments")["payments"]
        return str(payments[-1]["payment_id"])

    def publish(self, outputs: Iterable[Output]) -> None:
        async def send() -> None:
            publisher = Publisher(self.found.kafka, "test-money")
            async with AsyncExitStack() as stack:
                stack.push_async_callback(publisher.stop)
                await publisher.publish(list(outputs))

        asyncio.run(send())

    def settle(self) -> None:
        """Payments and the ledger have read all there is, and all is told."""
        self.eventually(lambda: not any(self._behind()))

    def cut(self, log: TopicPartition) -> None:
        """What the log holds by now is gone."""

        async def delete() -> None:
            end = (await bounds(self.found.kafka, [log.topic]))[log][1]
            admin = AIOKafkaAdminClient(bootstrap_servers=self.found.kafka)
            await admin.start()
            await admin.delete_records({log: RecordsToDelete(before_offset=end)})
            await admin.close()

        asyncio.run(delete())

    def force(self, schema: str, *statements: str) -> None:
        """As one whom neither rights nor triggers hold back."""
        with psycopg.connect(make_conninfo(self.running.environment["RELIEF_POSTGRES_URL"], user=SUPERUSER)) as db:
            db.execute(f"SET session_replication_role = replica; SET search_path = {schema}".encode())
            for statement in statements:
                changed = db.execute(statement.encode()).rowcount
                assert changed == 1, f"{statement}: {changed} rows"

    def reconcile(self, *options: str) -> Result:
        return CliRunner().invoke(app, ["reconcile", "--state", str(self.running.stack.state), *options])

    def eventually(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _SECONDS
        while not holds():
            assert time.monotonic() < deadline, f"it did not come true in time. {self.found.wrong()}"
            time.sleep(0.1)

    def _behind(self) -> list[int]:
        """Records that each has to do, in the order in which they pass."""
        logs = (DECISIONS, COMMANDS, LEDGER_EXEMPTIONS, LEDGER_REFUNDS)
        with psycopg.connect(self.running.environment["RELIEF_POSTGRES_URL"], autocommit=True) as db:
            behind = []
            for schema, names in (("payments", logs[:2]), ("ledger", logs[2:])):
                ends = asyncio.run(bounds(self.found.kafka, names))
                rows = db.execute(f"SELECT topic, partition, next_offset FROM {schema}.inbox".encode()).fetchall()
                places = {TopicPartition(topic, partition): place for topic, partition, place in rows}
                behind.append(sum(end - places.get(log, 0) for log, (_, end) in ends.items()))
                if schema == "payments":
                    query = "SELECT last - relayed FROM payments.outbox_counter, payments.outbox_pointer"
                    behind += [row[0] for row in db.execute(query).fetchall()]
        return behind

    def _payee(self, uscc: str, account: str) -> dict[str, str]:
        secrets = self.found.secrets
        secret = read_digest_key(secrets / "digest.key")
        named = {"account_name": "Tarim Trading", "account_number": account, "bank_code": "102881000015"}
        plain = json.dumps(named).encode()
        sealed = Sealer(secrets / "payments.public.jwk.json", secret).seal(plain, uscc.encode())
        return {"payee_sealed": sealed, "payee_digest": payee_digest(secret, plain)}

    def _command(self, kind: str, subject: str, data: dict[str, Any]) -> None:
        number = self._number(COMMANDS)
        event = {
            "specversion": "1.0", "id": derived(kind, str(number)), "source": "//test/bank", "type": kind,
            "subject": subject, "time": "2020-03-03T00:00:00+08:00", "data": data | {"on": "2020-03-03"},
        }  # fmt: skip
        self.publish([Output(COMMANDS, home(subject), subject.encode(), json.dumps(event).encode())])

    def _number(self, log: str) -> int:
        # Above what the real eligibility has told by itself: a lower origin would count as a repeat.
        self._numbers[log] = self._numbers.get(log, 1000) + 1
        return self._numbers[log]
