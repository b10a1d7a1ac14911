"""`relief policy activate`: a pack takes effect by being in the log, and every known enterprise is decided anew."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

import typer

from services.cli.installation import DEFAULT_STATE, AsJson, State, installation, run
from services.cli.log import read
from services.cli.operate import keep_pack, operate
from services.cli.terminal import bar, err, print_json, sentence_on_failure
from services.eligibility import packs, policy_case_runs, policy_cases
from services.intake.operations import pack_activated, review_requested
from shared.calendar import SHANGHAI
from shared.contracts.topics import FACTS
from shared.streaming.kafka_access import KafkaAccess
from shared.uscc import is_valid

_REVIEWS_AT_ONCE = 2000


@sentence_on_failure
def activate(
    pack: Annotated[str, typer.Argument(help="an installed policy pack, or a pack's directory")],
    reason: Annotated[str, typer.Option(help="why, for the record of every review")] = "a policy pack was activated",
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Put a policy pack in force: keep it in the log by its hash, activate it, review every known enterprise."""
    directory = packs.directory_of(pack)
    loaded = packs.load_with_content(directory)
    if (directory / policy_cases.FOLDER).is_dir():
        policy_case_runs.check(directory, loaded.pack)
    found = installation(state)
    reviewed = run(_activate(found.kafka, loaded, reason))
    ref = loaded.pack.ref
    if as_json:
        print_json({"pack": ref.pack, "version": ref.version, "sha256": ref.sha256, "reviews": reviewed})
    else:
        err.print(f"{ref.pack} {ref.version} ({ref.sha256[:12]}…) is in force; {reviewed:,} enterprises are reviewed.")


async def _activate(kafka: KafkaAccess, loaded: packs.Loaded, reason: str) -> int:
    """The pack before its activation, the activation before the reviews: one log each, so order is kept."""
    at, ref = datetime.now(SHANGHAI), loaded.pack.ref
    await keep_pack(kafka, loaded, at)
    await operate(kafka, [pack_activated(ref.pack, ref.version, ref.sha256, at)])
    reviews, count = [], 0
    with bar("asking for reviews") as progress:
        async for uscc in _known(kafka):
            reviews.append(review_requested(uscc, f"{ref.sha256} {at.isoformat()}", reason, at))
            count += 1
            progress.advance(progress.task_ids[0])
            if len(reviews) == _REVIEWS_AT_ONCE:
                await operate(kafka, reviews)
                reviews = []
        await operate(kafka, reviews)
    return count


async def _known(kafka: KafkaAccess) -> AsyncIterator[str]:
    """Every enterprise with a fact in the log, once; an enterprise is in one partition alone."""
    partition, seen = -1, set[str]()
    async for record in read(kafka, FACTS):
        if record.partition != partition:
            partition, seen = record.partition, set()
        uscc = (record.key or b"").decode("ascii", "replace")
        if uscc not in seen and is_valid(uscc):
            seen.add(uscc)
            yield uscc
