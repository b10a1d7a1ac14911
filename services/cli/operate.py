"""What an operator puts into the log: days and packs; and a token to look at the APIs with."""

import json
from datetime import date, datetime
from typing import Annotated

import typer

from deploy.local.stack import DEFAULT_POLICY_PACK, Stack
from services.cli.installation import DEFAULT_STATE, State, installation, run
from services.cli.log import Line, read, send
from services.cli.terminal import err, sentence_on_failure
from services.eligibility import packs
from services.intake.operations import day_started, pack_activated
from shared.access import ROLES
from shared.calendar import SHANGHAI
from shared.contracts.registry import decoder
from shared.contracts.topics import OPERATIONS, PACKS
from shared.streaming.kafka_access import KafkaAccess
from shared.streaming.records import Output


def register(app: typer.Typer) -> None:
    app.command("day")(day)
    app.command("token")(token)


@sentence_on_failure
def day(
    started: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="every day up to this one has started")],
    state: State = DEFAULT_STATE,
) -> None:
    """Start a day: what is due up to it happens."""
    run(operate(installation(state).kafka, [day_started(started.date(), datetime.now(SHANGHAI))]))
    err.print(f"Day {started.date()} is in the log.")


@sentence_on_failure
def token(
    role: Annotated[str, typer.Option(help=f"one of: {', '.join(sorted(ROLES))}")] = "auditor",
    uscc: Annotated[str | None, typer.Option(help="the enterprise, for the role enterprise")] = None,
    supplier: Annotated[str | None, typer.Option(help="the supplier's id, for the role supplier")] = None,
    state: State = DEFAULT_STATE,
) -> None:
    """Print a bearer token of the local stack's development issuer, valid for an hour."""
    typer.echo(installation(state).token(role, uscc, supplier))


async def operate(kafka: KafkaAccess, operations: list[Output]) -> None:
    """Put operations into the log, in order."""
    await send(kafka, OPERATIONS, [Line(o.key, o.value) for o in operations], lambda n: None)


async def keep_pack(kafka: KafkaAccess, loaded: packs.Loaded, at: datetime) -> None:
    """Have the pack in the log, by its hash, once."""
    ref = loaded.pack.ref
    async for record in read(kafka, PACKS):
        if record.key == ref.sha256.encode():
            return
    event = {
        "specversion": "1.0",
        "id": ref.sha256,
        "source": "/relief/cli",
        "type": "relief.pack.published.v1",
        "subject": ref.sha256,
        "time": at.isoformat(),
        "datacontenttype": "application/json",
        "data": {"pack": ref.pack, "version": ref.version, "sha256": ref.sha256, "content": loaded.content},
    }
    await send(
        kafka, PACKS, [Line(ref.sha256.encode(), json.dumps(event, ensure_ascii=False).encode())], lambda n: None
    )


async def begin(kafka: KafkaAccess, pack_name: str, first_day: date) -> None:
    """What a new installation needs before anything is decided: a day, and a pack, kept and in force."""
    at = datetime.now(SHANGHAI)
    loaded = packs.load_with_content(packs.directory_of(pack_name))
    ref = loaded.pack.ref
    await keep_pack(kafka, loaded, at)
    await operate(kafka, [day_started(first_day, at), pack_activated(ref.pack, ref.version, ref.sha256, at)])


def activate_once(stack: Stack) -> None:
    """After `relief up`: today has started, and the configured pack is in force unless one was activated before."""
    pack = stack.environment().get("RELIEF_POLICY_PACK", DEFAULT_POLICY_PACK)
    run(_activate_once(stack.kafka(), pack))


async def _activate_once(kafka: KafkaAccess, pack_name: str) -> None:
    adapter = decoder(OPERATIONS)
    async for record in read(kafka, OPERATIONS):
        if adapter.validate_json(record.value or b"null").type == "relief.pack.activated.v1":
            return
    await begin(kafka, pack_name, datetime.now(SHANGHAI).date())
