"""`relief receipt`: a decision with all that it rests on. `relief verify`: the same recomputed without a server."""

import re
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from services.cli.installation import DEFAULT_STATE, AsJson, State, installation, run
from services.cli.log import partition_numbers, read
from services.cli.terminal import CommandError, bar, err, out, print_json, sentence_on_failure
from services.eligibility import packs, receipts
from shared.contracts.decisions import DecisionMadeData
from shared.contracts.registry import decoder
from shared.contracts.topics import DECISIONS, FACTS, PACKS
from shared.money import yuan
from shared.streaming.kafka_access import KafkaAccess
from shared.streaming.records import Raw, partition_of
from shared.uscc import is_valid

# A decision rests on some hundred facts at most, a fact has 256 KiB at most.
LARGEST_BYTES = 64 * 1024 * 1024
_SHOWN_EVERY = 500


def register(app: typer.Typer) -> None:
    app.command("receipt")(receipt)
    app.command("verify")(verify)


@sentence_on_failure
def receipt(
    decision_id: str,
    to: Annotated[
        Path | None, typer.Option("--out", help="Write the receipt here, and not to standard output.")
    ] = None,
    uscc: Annotated[str | None, typer.Option(help="The enterprise: look only where its decisions are.")] = None,
    state: State = DEFAULT_STATE,
) -> None:
    """Print a decision with the facts and the policy pack it rests on, for `relief verify`."""
    if re.fullmatch("[0-9a-f]{32}", decision_id) is None:
        raise CommandError(
            f"{decision_id} is no id of a decision: 32 hex digits, as `relief trace USCC --json` shows them."
        )
    if uscc is not None and not is_valid(uscc):
        raise CommandError(f"{uscc} is no unified social credit code: 18 characters, the last a check character.")
    written = run(_made(installation(state).kafka, decision_id, uscc))
    if to is None:
        sys.stdout.buffer.write(written)
        sys.stdout.buffer.flush()
    else:
        to.write_bytes(written)
        err.print(f"The receipt is in {to}; check it with `relief verify {to}`.", markup=False, soft_wrap=True)
    differences = receipts.verify(written).differences
    if differences:
        raise CommandError(
            f"This version does not decide so from these facts: {differences[0].what} differs; see `relief verify`."
        )


@sentence_on_failure
def verify(
    receipt: Annotated[Path, typer.Argument(help="The file of a receipt; `-` for standard input.")],
    as_json: AsJson = False,
) -> None:
    """Recompute a decision from its receipt, with no server: `identical`, or what differs and exit code 1."""
    checked = receipts.verify(_contents(receipt))
    if as_json:
        differences = [difference._asdict() for difference in checked.differences]
        print_json({"identical": not differences, "differences": differences})
    elif not checked.differences:
        data = checked.decision["data"]
        amount = f", {yuan(data['amount_fen'])} CNY" if data["amount_fen"] else ""
        policy = data["policy"]
        out.print("identical", style="green")
        out.print(
            f"{data['measure']} {data['key']} of {data['uscc']}, revision {data['revision']}: {data['outcome']}{amount}"
            f", by {policy['pack']} {policy['version']} and {len(data['facts'])} facts.",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    else:
        for what, told, found in checked.differences:
            sentence = f"{what}: the receipt says {_shown(told)}; recomputed it is {_shown(found)}"
            out.print(sentence, markup=False, highlight=False, soft_wrap=True)
    if checked.differences:
        raise typer.Exit(1)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _contents(path: Path) -> bytes:
    if str(path) == "-":
        written = sys.stdin.buffer.read(LARGEST_BYTES + 1)
    else:
        if path.is_dir():
            raise CommandError(f"{path} is a directory; name the receipt's file.")
        with path.open("rb") as file:
            written = file.read(LARGEST_BYTES + 1)
    if len(written) > LARGEST_BYTES:
        raise CommandError(f"{path} has more than {LARGEST_BYTES} bytes and is no receipt.")
    return written


async def _made(kafka: KafkaAccess, decision_id: str, uscc: str | None) -> bytes:
    decision = await _decision(kafka, decision_id, uscc)
    data = decoder(DECISIONS).validate_json(decision.value or b"").data
    own, key = [], data.uscc.encode()
    until = data.origin.offset + 1
    async with aclosing(_shown_reading(kafka, FACTS, [data.origin.partition], "collecting its facts", until)) as log:
        async for record in log:
            if record.key == key:
                own.append(record)
    content = packs.content(data.policy.sha256) or await _published(kafka, data.policy.sha256)
    return receipts.build(decision, receipts.facts_named(decision, own), content)


async def _decision(kafka: KafkaAccess, decision_id: str, uscc: str | None) -> Raw:
    """Where a decision stands first; a replay may have written it again, with the same bytes."""
    numbers = (await partition_numbers(kafka, [DECISIONS]))[DECISIONS]
    wanted = numbers if uscc is None else [partition_of(uscc.encode(), len(numbers))]
    digits = decision_id.encode()
    async with aclosing(_shown_reading(kafka, DECISIONS, wanted, "looking for the decision")) as log:
        async for record in log:
            # Most records are told apart without parsing them.
            if digits in (record.value or b""):
                data = decoder(DECISIONS).validate_json(record.value or b"").data
                if isinstance(data, DecisionMadeData) and data.decision_id == decision_id:
                    return record
    where = "" if uscc is None else f" where those of {uscc} are; without --uscc all are searched"
    raise CommandError(
        f"There is no decision {decision_id}{where}. `relief trace USCC --json` shows an enterprise's decisions."
    )


async def _published(kafka: KafkaAccess, sha256: str) -> dict[str, Any]:
    """The content of a pack that does not ship with this version but was activated from its files."""
    async for record in read(kafka, PACKS):
        data = decoder(PACKS).validate_json(record.value or b"").data
        content: dict[str, Any] = data.content
        if data.sha256 == sha256 == packs.content_hash(content):
            return content
    raise CommandError(
        f"Policy pack {sha256} is neither installed here nor in {PACKS}; install the version that has it."
    )


async def _shown_reading(
    kafka: KafkaAccess, topic: str, partitions: list[int], description: str, until: int | None = None
) -> AsyncGenerator[Raw, None]:
    """The records of some partitions, or of one up to an offset, with a bar over them."""
    ends = await _ends(kafka, topic, partitions)
    before, number = 0, None
    with bar(description, until or sum(ends.values()) or 1) as shown:
        async for record in read(kafka, topic, partitions):
            if until is not None and record.offset >= until:
                return
            if record.partition != number:
                before += 0 if number is None else ends[number]
                number = record.partition
            if record.offset % _SHOWN_EVERY == 0:
                shown.update(shown.task_ids[0], completed=before + record.offset)
            yield record


async def _ends(kafka: KafkaAccess, topic: str, partitions: list[int]) -> dict[int, int]:
    consumer: AIOKafkaConsumer[bytes | None, bytes | None] = AIOKafkaConsumer(**kafka.client())
    try:
        await consumer.start()
        found = await consumer.end_offsets([TopicPartition(topic, number) for number in partitions])
    except (KafkaError, OSError) as error:
        raise CommandError(f"Kafka at {kafka.bootstrap} cannot be read: {error!r}; see `relief status`.") from error
    finally:
        await consumer.stop()
    return {where.partition: end for where, end in found.items()}
