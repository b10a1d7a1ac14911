"""`relief rejected`: what intake could not accept, seen and sent again."""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from services.cli.installation import AUTHORITIES, DEFAULT_STATE, AsJson, Installation, State, installation, run
from services.cli.log import Line, Sendable, read, read_one, send
from services.cli.terminal import CommandError, err, out, print_json, sentence_on_failure
from shared.contracts.registry import decoder
from shared.contracts.rejected import RecordRejected
from shared.contracts.topics import REJECTED, UPSTREAM, topics
from shared.keyfiles import KeyFileError
from shared.sealing import Unsealer, UnsealError
from shared.streaming.kafka_access import KafkaAccess
from shared.streaming.records import partition_of

Position = Annotated[str, typer.Argument(help="Where it lies, as `list` says: topic/partition/offset.")]
OPERATORS_PRIVATE = "operators.private.jwks.json"


def register(app: typer.Typer) -> None:
    rejected = typer.Typer(no_args_is_help=True)
    rejected.callback()(_group)
    rejected.command("list")(list_rejected)
    rejected.command("show")(show)
    rejected.command("replay")(replay)
    app.add_typer(rejected, name="rejected")


def _group() -> None:
    """See what intake could not accept, and send it again once it is repaired."""


@sentence_on_failure
def list_rejected(
    code: Annotated[str | None, typer.Option(help="only those of this code")] = None,
    topic: Annotated[str | None, typer.Option(help="only those that came from this topic")] = None,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Every rejected record: where it lies, when it came, why. Nothing of its content is shown."""
    found = [one for one in run(_rejects(installation(state).kafka)).values() if _fits(one, code, topic)]
    if as_json:
        print_json([_listed(one) for one in found])
        return
    table = Table(title=f"{len(found):,} rejected" if found else "Nothing was rejected.")
    for name in ("position", "came", "code", "why"):
        table.add_column(name, overflow="fold")
    for one in found:
        table.add_row(one.subject, one.time.isoformat(), one.data.code, escape(one.data.message))
    out.print(table)
    for name, number in Counter(one.data.code for one in found).most_common():
        out.print(f"{number:>8,} {name}", highlight=False)


@sentence_on_failure
def show(position: Position, state: State = DEFAULT_STATE, as_json: AsJson = False) -> None:
    """One rejected record with its bytes, opened with the operators' key. It may hold personal data."""
    site = installation(state)
    one = _reject_at(site, position)
    raw = _opened(site, one)
    content = None if raw is None else raw.decode("utf-8", "backslashreplace")
    if as_json:
        print_json(_listed(one) | {"digest": one.data.digest, "size_bytes": one.data.size_bytes, "content": content})
        return
    out.print(f"{one.data.code}: {one.data.message}", markup=False, highlight=False, soft_wrap=True)
    out.print(f"at {position}, {one.data.size_bytes:,} bytes, SHA-256 {one.data.digest}", highlight=False)
    if content is None:
        out.print("Its bytes were not kept: there were none, or too many.")
    else:
        out.print(content, markup=False, highlight=False, soft_wrap=True)


@sentence_on_failure
def replay(
    position: Position,
    repaired: Annotated[
        Path | None, typer.Option("--with", help="the repaired event, structured mode, one JSON object")
    ] = None,
    state: State = DEFAULT_STATE,
) -> None:
    """Send it to its topic again: as it was, or repaired. Sending twice changes nothing; what is wrong is rejected."""
    site = installation(state)
    one = _reject_at(site, position)
    topic = one.data.origin.topic
    if topic not in UPSTREAM:
        raise CommandError(f"{topic} is written by our own services; what is wrong there is theirs to mend.")
    record: Sendable = _repaired(repaired) if repaired is not None else run(_original(site, one))
    run(send(installation(state, AUTHORITIES).kafka, topic, [record], lambda n: None))
    err.print(f"Sent to {topic}. Look with `relief rejected list`: a record that is still wrong is rejected again.")


async def _rejects(kafka: KafkaAccess, partition: int | None = None) -> dict[str, RecordRejected]:
    """By position, as first told, in order of time."""
    adapter = decoder(REJECTED)
    found: dict[str, RecordRejected] = {}
    async for record in read(kafka, REJECTED, None if partition is None else [partition]):
        event = adapter.validate_json(record.value or b"")
        if isinstance(event, RecordRejected):
            found.setdefault(event.subject, event)
    return dict(sorted(found.items(), key=lambda item: (item[1].time, item[0])))


def _fits(one: RecordRejected, code: str | None, topic: str | None) -> bool:
    return code in (None, one.data.code) and topic in (None, one.data.origin.topic)


def _listed(one: RecordRejected) -> dict[str, Any]:
    return {"position": one.subject, "came": one.time.isoformat(), "code": one.data.code, "message": one.data.message}


def _reject_at(site: Installation, position: str) -> RecordRejected:
    partition = partition_of(position.encode(), topics()[REJECTED].partitions)
    one = run(_rejects(site.kafka, partition)).get(position)
    if one is None:
        raise CommandError(f"Nothing was rejected at {position}; see `relief rejected list`.")
    return one


def _opened(site: Installation, one: RecordRejected) -> bytes | None:
    if one.data.raw_sealed is None:
        return None
    try:
        return Unsealer(site.secrets / OPERATORS_PRIVATE).unseal(one.data.raw_sealed, one.subject.encode())
    except (KeyFileError, UnsealError) as error:
        raise CommandError(f"The record's bytes cannot be opened: {error}") from error


async def _original(site: Installation, one: RecordRejected) -> Sendable:
    """From the topic while it still has it, with key and headers; else from what was sealed, if that says it all."""
    origin = one.data.origin
    record = await read_one(site.kafka, origin.topic, origin.partition, origin.offset)
    if record is not None:
        return Line(record.key, record.value, tuple(record.headers))
    raw = _opened(site, one)
    subject = _subject(raw)
    if raw is None or subject is None:
        raise CommandError(
            f"{origin.topic} no longer holds it, and its bytes alone do not say what it was: repair it, --with FILE."
        )
    return Line(subject.encode(), raw)


def _repaired(file: Path) -> Line:
    if file.is_dir():
        raise CommandError(f"{file} is a directory; name the event's file.")
    value = file.read_bytes()
    subject = _subject(value)
    if subject is None:
        raise CommandError(f"{file} is no event in structured mode: one JSON object with a subject.")
    return Line(subject.encode(), value)


def _subject(value: bytes | None) -> str | None:
    try:
        event = json.loads(value or b"")
    except (ValueError, RecursionError):
        return None
    subject = event.get("subject") if isinstance(event, dict) and "specversion" in event else None
    return subject if isinstance(subject, str) else None
