"""What an operator puts into the log: days and packs; and a token to look at the APIs with."""

from datetime import date, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from deploy.local.stack import DEFAULT_POLICY_PACK, Stack
from services.cli.installation import DEFAULT_STATE, State, installation, run
from services.cli.log import Line, read, send
from services.cli.terminal import err, sentence_on_failure
from services.eligibility import packs
from services.intake.operations import day_started, pack_activated
from shared.access import ROLES
from shared.contracts.registry import decoder
from shared.contracts.topics import OPERATIONS
from shared.streaming.records import Output

SHANGHAI = ZoneInfo("Asia/Shanghai")


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
    state: State = DEFAULT_STATE,
) -> None:
    """Print a bearer token of the local stack's development issuer, valid for an hour."""
    typer.echo(installation(state).token(role, uscc))


async def operate(kafka: str, operations: list[Output]) -> None:
    """Put operations into the log, in order."""
    await send(kafka, OPERATIONS, [Line(o.key, o.value) for o in operations], lambda n: None)


def first_operations(pack_name: str, first_day: date) -> list[Output]:
    """What a new installation needs before anything is decided: a day, and the pack in force."""
    at = datetime.now(SHANGHAI)
    ref = packs.named(pack_name).ref
    return [day_started(first_day, at), pack_activated(ref.pack, ref.version, ref.sha256, at)]


def activate_once(stack: Stack) -> None:
    """After `relief up`: today has started, and the configured pack is in force unless one was activated before."""
    environment = stack.environment()
    kafka = environment["RELIEF_KAFKA_BOOTSTRAP"]
    run(_activate_once(kafka, environment.get("RELIEF_POLICY_PACK", DEFAULT_POLICY_PACK)))


async def _activate_once(kafka: str, pack_name: str) -> None:
    adapter = decoder(OPERATIONS)
    async for record in read(kafka, OPERATIONS):
        if adapter.validate_json(record.value or b"null").type == "relief.pack.activated.v1":
            return
    await operate(kafka, first_operations(pack_name, datetime.now(SHANGHAI).date()))
