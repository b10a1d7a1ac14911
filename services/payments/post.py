"""To the bank and back: messages out to the mailbox, replies in, each file once.

A message is built from what was approved, always to the same bytes, and its digest is kept with the submission: sent
again after a crash it is the same file under the same name. A reply is taken whole or refused whole; what it says goes
into the log of commands first, so that it can be read again after a restore.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import NamedTuple

import msgspec
import structlog

from services.payments.bank import pain001, replies
from services.payments.bank.mailbox import Mailbox
from services.payments.bank.replies import Answer, Received, Refused, Reply
from services.payments.domain.refund import Programme
from services.payments.store import posting
from services.payments.vault import Vault
from shared.calendar import SHANGHAI
from shared.contracts import topics
from shared.ids import derived
from shared.observability import metrics
from shared.streaming import crash, progress
from shared.streaming.errors import Stop
from shared.streaming.postgres_store import Connection, Pool, append, transaction
from shared.streaming.records import Output, partition_of

log = structlog.get_logger()
SOURCE = "/relief/payments/bank"


class Payee(msgspec.Struct, frozen=True):
    """A payee as intake sealed it."""

    account_name: str
    account_number: str
    bank_code: str


def instruction(payment_id: str, amount_fen: int, payee: Payee) -> pain001.Instruction:
    return pain001.Instruction(payment_id, amount_fen, payee.account_name, payee.account_number, payee.bank_code)


class NotOurs(Exception):
    """The file is sound, and yet does not answer what we sent; the message is one sentence."""


class Message(NamedTuple):
    content: bytes
    sha256: bytes


class Post:
    """`debtors`: whose account pays, by programme. The mailbox is the bank's side: see bank/mailbox.py."""

    def __init__(
        self, pool: Pool, schema: str, mailbox: Mailbox, vault: Vault, debtors: Mapping[Programme, pain001.Debtor]
    ) -> None:
        self._pool, self._schema, self._mailbox = pool, schema, mailbox
        self._vault, self._debtors = vault, debtors
        self._partitions = topics.topics()[topics.COMMANDS].partitions
        # By batch that waits to be sent: the number of the last event there was when it was first seen waiting.
        self._waiting: dict[str, int] = {}

    async def message(self, db: Connection, batch_id: str, day: date) -> Message:
        """The batch as the bank gets it, dated `day`. Raises Stop where it cannot be built as approved."""
        programme = await posting.programme_of(db, batch_id)
        instructions = []
        for payment_id, amount_fen, stored in await posting.approved(db, batch_id):
            payee = msgspec.json.decode(self._vault.get(stored, payment_id), type=Payee)
            instructions.append(instruction(payment_id, amount_fen, payee))
        wanted = pain001.Message(batch_id, programme, day, self._debtors[programme], instructions)
        try:
            # Apart from the loop that records wait for: a full batch takes a third of a second.
            built = await asyncio.to_thread(pain001.build, wanted)
        except pain001.Unsound as unsound:
            raise Stop(f"The message of batch {batch_id} is not fit to be sent: {unsound.faults[0]}") from None
        return Message(built, hashlib.sha256(built).digest())

    async def once(self) -> bool:
        """Send what is submitted and take what came in; whether there was anything."""
        return await self._send() | await self._collect()

    async def _send(self) -> bool:
        async with transaction(self._pool) as db:
            last, relayed = await progress.told_and_relayed(db)
            unsent = await posting.unsent(db)
        self._waiting = {batch_id: self._waiting.get(batch_id, last) for batch_id, *_ in unsent}
        going = [one for one in unsent if self._waiting[one[0]] <= relayed]
        for batch_id, day, sha256 in going:
            async with transaction(self._pool) as db:
                message = await self.message(db, batch_id, day)
                if message.sha256 != bytes(sha256):
                    raise Stop(
                        f"The message of batch {batch_id} comes out in other bytes than when it was submitted; it is "
                        "not sent. Compare versions and settings (debtor accounts) with the day of its submission."
                    )
                crash.reached("file_before_write")
                self._mailbox.put(f"{batch_id}.pain.001.xml", message.content)
                crash.reached("file_after_write")
                await posting.mark_sent(db, batch_id)
            metrics.BANK_FILES.labels("sent").inc()
        return bool(going)

    async def _collect(self) -> bool:
        names = list(self._mailbox.incoming())
        for name in names:
            content = self._mailbox.read(name)
            sentence = await self._take(name, content)
            # After the commit: a crash in between finds the file again, and its digest in the tables.
            if sentence is None:
                self._mailbox.accept(name)
            else:
                log.warning("a bank file is refused", name=name, reason=sentence)
                self._mailbox.refuse(name, sentence)
        return bool(names)

    async def _take(self, name: str, content: bytes) -> str | None:
        """None when the file is taken, by now or before; else why not, in one sentence."""
        sha256 = hashlib.sha256(content).digest()
        async with transaction(self._pool) as db:
            known = await posting.file_known(db, sha256)
        if known is not None:
            return None if known.accepted and known.name == name else known.again()
        try:
            # Apart from the loop, and from a transaction: a very large file takes many seconds.
            reply = await asyncio.to_thread(replies.read, content)
            async with transaction(self._pool) as db:
                answers = await self._checked(db, reply)
                await posting.keep_file(db, sha256, name, reply.message_id, "")
                await append(db, self._schema, [self._command(reply, one) for one in answers])
                crash.reached("answer_before_commit")
            crash.reached("answer_after_commit")
        except (Refused, NotOurs) as refused:
            async with transaction(self._pool) as db:
                await posting.keep_file(db, sha256, name, None, str(refused))
            metrics.BANK_FILES.labels("refused").inc()
            return str(refused)
        metrics.BANK_FILES.labels("accepted").inc()
        return None

    async def _checked(self, db: Connection, reply: Reply) -> list[Answer | Received]:
        """What the file says, if it can be ours: every id known, every amount as submitted, not processed before."""
        if await posting.message_known(db, reply.message_id):
            raise NotOurs(f"Message {reply.message_id} was processed before, with other content.")
        answers: list[Answer | Received] = [*reply.answers, *reply.received]
        if reply.original_message_id is not None:
            answers += await self._of_the_rest(db, reply)
        known = await posting.submitted(db, [one.payment_id for one in answers if isinstance(one, Answer)])
        claims = await posting.claims_known(db, [one.clawback_id for one in answers if isinstance(one, Received)])
        for one in answers:
            if isinstance(one, Received):
                if one.clawback_id not in claims:
                    raise NotOurs(f"Nothing was claimed back under {one.clawback_id}.")
            elif one.payment_id not in known:
                raise NotOurs(f"No payment {one.payment_id} was given to the bank.")
            elif one.amount_fen is not None and one.amount_fen != known[one.payment_id].amount_fen:
                raise NotOurs(f"Payment {one.payment_id} was given to the bank with another amount.")
            elif reply.original_message_id not in (None, known[one.payment_id].batch_id):
                raise NotOurs(f"Payment {one.payment_id} was not in message {reply.original_message_id}.")
        return answers

    async def _of_the_rest(self, db: Connection, reply: Reply) -> list[Answer]:
        """The answers of a status report for the payments that it does not name, where it speaks of them all."""
        batch_id = reply.original_message_id or ""
        sent = await posting.submitted_in(db, batch_id)
        if not sent:
            raise NotOurs(f"No message {batch_id} was given to the bank.")
        total_fen = sum(sent.values())
        if reply.original_count not in (None, len(sent)) or reply.original_total_fen not in (None, total_fen):
            raise NotOurs(f"The bank counts or adds message {batch_id} up in another way than it was sent.")
        if reply.whole is None:
            return []
        named = {one.payment_id for one in reply.answers}
        return [Answer(one, reply.whole, None, reply.reason_code, None, reply.on) for one in sent if one not in named]

    def _command(self, reply: Reply, one: Answer | Received) -> Output:
        if isinstance(one, Received):
            kind, subject = "relief.clawback.received.v1", one.clawback_id
            data: dict[str, object] = {
                "clawback_id": subject,
                "amount_fen": one.amount_fen,
                "bank_reference": one.bank_reference,
                "on": one.on,
            }
            identity = derived(SOURCE, subject, one.bank_reference)
        else:
            kind, subject = "relief.payment.status.v1", one.payment_id
            data = {
                "payment_id": subject,
                "status": one.status,
                "reason_code": one.reason_code,
                "bank_reference": one.bank_reference,
                "on": one.on,
            }
            identity = derived(SOURCE, reply.message_id, subject, one.status)
        event = {
            "specversion": "1.0",
            "id": identity,
            "source": SOURCE,
            "type": kind,
            "subject": subject,
            "time": datetime.combine(one.on, time(), SHANGHAI),
            "datacontenttype": "application/json",
            "data": data,
        }
        key = subject.encode()
        return Output(topics.COMMANDS, partition_of(key, self._partitions), key, msgspec.json.encode(event))
