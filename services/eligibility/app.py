"""The wiring of eligibility: facts in, decisions out, a read API."""

import sys
from dataclasses import replace

from services.eligibility import api, packs, policy_case_runs
from services.eligibility.handlers import EligibilityFold, decode_state, encode_state
from services.eligibility.settings import Settings
from services.eligibility.shelf import Shelf
from shared.backings import on_redis
from shared.contracts import topics
from shared.service import Input, Service, gate_of, run
from shared.streaming.publisher import Publisher

NAME = "eligibility"
GROUP = "relief-eligibility"


def build(settings: Settings) -> Service:
    """Everything put together, nothing started. Raises KeyFileError, and Stop for a pack or case that is not right."""
    kafka = settings.kafka(NAME)
    for directory in packs.directories():
        policy_case_runs.check(directory, packs.load(directory))
    shelf = Shelf(kafka)
    backing, store = on_redis(settings.redis(NAME), NAME, encode_state, decode_state)
    backing = replace(backing, tasks=(shelf.run,))
    gate = gate_of(NAME, settings)
    return Service(
        NAME,
        settings,
        kafka,
        gate,
        inputs=(Input(GROUP, (topics.FACTS,), EligibilityFold(shelf.by_hash), backing),),
        publisher=Publisher(kafka, settings.instance or GROUP),
        writes=(topics.DECISIONS,),
        also_reads=(topics.PACKS,),
        routers=(api.routes(store, shelf.by_hash, gate),),
    )


def main() -> int:
    return run(NAME, Settings, build)


if __name__ == "__main__":
    sys.exit(main())
