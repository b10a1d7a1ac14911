"""The topics that reconciliation reads, up to an end that was fixed before, and their records as rows."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import lru_cache
from typing import Final, TypeAlias

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord, TopicPartition
from pydantic import ValidationError

from services.cli.log import partition_numbers
from services.cli.reconcile_rows import Decided, Legs, Said, Told
from services.cli.terminal import CommandError
from services.ledger.domain.posting import LedgerEvent, Unpostable, post
from services.payments.domain.refund import PROGRAMMES
from shared.contracts.commands import ClawbackReceived, PaymentStatus
from shared.contracts.registry import decoder
from shared.contracts.topics import COMMANDS, DECISIONS, LEDGER_EXEMPTIONS, LEDGER_REFUNDS
from shared.streaming.kafka_access import KafkaAccess

LOGS: Final = (DECISIONS, LEDGER_EXEMPTIONS, LEDGER_REFUNDS, COMMANDS)
AT_ONCE = 5000
_MEASURES: Final = {programme: measure for measure, programme in PROGRAMMES.items()}
Record: TypeAlias = "ConsumerRecord[bytes | None, bytes | None]"


class Unreadable(Exception):
    """A record that its topic should not hold; the message is a clause."""


async def bounds(kafka: KafkaAccess, names: Iterable[str]) -> dict[TopicPartition, tuple[int, int]]:
    """Where each partition of the topics begins, and where it ends now."""
    numbers = await partition_numbers(kafka, list(names))
    logs = [TopicPartition(name, number) for name, of in numbers.items() for number in of]
    consumer = _consumer(kafka)
    try:
        await consumer.start()
        begins, ends = await consumer.beginning_offsets(logs), await consumer.end_offsets(logs)
    except (KafkaError, OSError) as error:
        raise _away(kafka, error) from error
    finally:
        await consumer.stop()
    return {log: (begins[log], ends[log]) for log in logs}


async def read_between(
    kafka: KafkaAccess, spans: Mapping[TopicPartition, tuple[int, int]], take: Callable[[Record], None]
) -> None:
    """Give every record of the spans to `take`, in order within each partition."""
    left = {log: end for log, (start, end) in spans.items() if start < end}
    if not left:
        return
    consumer = _consumer(kafka)
    try:
        await consumer.start()
        consumer.assign(sorted(left))
        for log in left:
            consumer.seek(log, spans[log][0])
        while left:
            for log, records in (await consumer.getmany(timeout_ms=500, max_records=AT_ONCE)).items():
                for record in records:
                    if record.offset < left.get(log, 0):
                        take(record)
            for log in [log for log in left if await consumer.position(log) >= left[log]]:
                consumer.pause(log)
                del left[log]
    except (KafkaError, OSError) as error:
        raise _away(kafka, error) from error
    finally:
        await consumer.stop()


async def group_places(kafka: KafkaAccess, group: str) -> dict[TopicPartition, int]:
    """How far a group has told Kafka to have read: never further than it has."""
    admin = AIOKafkaAdminClient(**kafka.client())
    try:
        await admin.start()
        found = await admin.list_consumer_group_offsets(group)
    except (KafkaError, OSError) as error:
        raise _away(kafka, error) from error
    finally:
        await admin.close()
    return {log: max(0, place.offset) for log, place in found.items()}


def _consumer(kafka: KafkaAccess) -> "AIOKafkaConsumer[bytes | None, bytes | None]":
    return AIOKafkaConsumer(
        **kafka.client(),
        enable_auto_commit=False,
        # Of every partition at once; a record that is larger comes all the same.
        max_partition_fetch_bytes=256 * 1024,
        # All there is to read is there: waiting at one partition's end only keeps the next one waiting.
        fetch_max_wait_ms=10,
        retry_backoff_ms=10,
    )


def _away(kafka: KafkaAccess, error: Exception) -> CommandError:
    return CommandError(f"Kafka at {kafka.bootstrap} cannot be read: {error!r}; see `relief status`.")


class _Decision(msgspec.Struct):
    uscc: str
    measure: str
    key: str
    revision: int
    outcome: str
    amount_fen: int


class _Event(msgspec.Struct):
    uscc: str
    prefecture: str
    amount_fen: int
    delta_fen: int | None = None
    insurance: str | None = None
    period: str | None = None
    programme: str | None = None
    key: str | None = None
    payment_id: str = ""
    clawback_id: str | None = None


class _Envelope(msgspec.Struct):
    id: str
    type: str
    data: msgspec.Raw


class Rows:
    """Records as rows. Only the fields that are compared are read: a region has tens of millions of records."""

    def __init__(self, legs: Legs) -> None:
        self._legs = legs
        self._envelope = msgspec.json.Decoder(_Envelope).decode
        self._decision = msgspec.json.Decoder(_Decision).decode
        self._event = msgspec.json.Decoder(_Event).decode
        # From outside: read exactly as payments reads it, for what it cannot read it parks.
        self._command = decoder(COMMANDS).validate_json
        self._pair = lru_cache(maxsize=4096)(self._chart)

    def row(self, record: Record) -> Decided | Told | Said | None:
        """None for what moves no money and never did. Raises Unreadable."""
        try:
            if record.topic == COMMANDS:
                return self._said(record)
            envelope = self._envelope(record.value or b"")
            if record.topic == DECISIONS:
                return self._decided(record, envelope)
            return self._told(record, envelope)
        except (msgspec.MsgspecError, UnicodeDecodeError, Unpostable) as error:
            raise Unreadable(" ".join(str(error).split())) from error

    def _decided(self, record: Record, envelope: _Envelope) -> Decided | None:
        if envelope.type == "relief.day.started.v1":
            return None
        if envelope.type != "relief.decision.made.v1":
            raise Unreadable(f"it is a {envelope.type}")
        data = self._decision(envelope.data)
        _check_key(record, data.uscc)
        return Decided(
            data.uscc, data.measure, data.key, data.revision, data.amount_fen, data.outcome, record.partition,
            record.offset,
        )  # fmt: skip

    def _told(self, record: Record, envelope: _Envelope) -> Told:
        data = self._event(envelope.data)
        _check_key(record, data.uscc)
        step = envelope.type.split(".")[2]
        if record.topic == LEDGER_EXEMPTIONS:
            if data.insurance is None or data.delta_fen is None:
                raise Unreadable("it names no insurance, or no difference")
            measure, key, fen, purpose = "exemption", f"{data.insurance}/{data.period}", data.delta_fen, data.insurance
        else:
            if data.programme not in _MEASURES or data.key is None or not data.payment_id:
                raise Unreadable("it names no programme that is known, no key or no payment")
            measure, key, fen, purpose = _MEASURES[data.programme], data.key, data.amount_fen, data.programme
        legs = self._pair(envelope.type, (fen > 0) - (fen < 0), purpose, data.prefecture)
        return Told(
            data.uscc, measure, key, envelope.id, step, data.payment_id, data.clawback_id or "", fen, legs,
            record.partition, record.offset,
        )  # fmt: skip

    def _chart(self, event_type: str, sign: int, purpose: str, prefecture: str) -> int:
        """The two accounts that the chart names for such an event."""
        posting = post(LedgerEvent("", event_type, "", "", prefecture, purpose, sign, "", date.min, b""))
        return self._legs.number(posting.debit, posting.credit)

    def _said(self, record: Record) -> Said | None:
        try:
            event = self._command(record.value or b"")
        except ValidationError:
            return None
        if isinstance(event, PaymentStatus):
            status = event.data
            said = Said(
                "", status.payment_id, status.status, 0, status.bank_reference or "", record.partition, record.offset
            )
        elif isinstance(event, ClawbackReceived):
            back = event.data
            said = Said(
                "", back.clawback_id, "received", back.amount_fen, back.bank_reference, record.partition, record.offset
            )
        else:
            return None
        return said if record.key == said.subject.encode() else None


def _check_key(record: Record, uscc: str) -> None:
    if record.key != uscc.encode():
        raise Unreadable("its key is not the enterprise that it names")
