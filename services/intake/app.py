"""The wiring of intake: upstream, applications and operations in, facts and rejects out, an API, the day clock."""

import sys
from dataclasses import replace
from datetime import datetime

from services.intake import api, status
from services.intake.clock import Clock
from services.intake.handlers import INPUTS, IntakeFold, Sealing, decode_state, encode_state
from services.intake.settings import Settings
from services.intake.submissions import Submissions
from shared.backings import on_redis
from shared.calendar import SHANGHAI
from shared.contracts import topics
from shared.devkeys import DIGEST_KEY
from shared.keyfiles import read_digest_key
from shared.sealing import Sealer, payee_digest
from shared.service import Input, Service, gate_of, run
from shared.streaming.publisher import Publisher
from shared.streaming.redis_store import connect

NAME = "intake"
GROUP = "relief-intake"
STATUS_GROUP = "relief-intake-status"


def sealing(settings: Settings) -> Sealing:
    """Raises KeyFileError."""
    secret = read_digest_key(settings.secrets_dir / DIGEST_KEY)
    payments = Sealer(settings.secrets_dir / "payments.public.jwk.json", secret)
    operators = Sealer(settings.secrets_dir / "operators.public.jwk.json", secret)
    return Sealing(payments.seal, lambda payee: payee_digest(secret, payee), operators.seal)


def build(settings: Settings) -> Service:
    """Everything put together, nothing started. Raises KeyFileError, Stop."""
    kafka, redis_url = settings.kafka(NAME), settings.redis(NAME)
    publisher = Publisher(kafka, settings.instance or GROUP)
    backing, facts = on_redis(redis_url, NAME, encode_state, decode_state)
    answers, decided = on_redis(redis_url, STATUS_GROUP, status.encode_state, status.decode_state)
    if settings.clock == "auto":
        clock = Clock(facts, publisher, lambda: datetime.now(SHANGHAI), settings.clock_days_at_most)
        backing = replace(backing, tasks=(clock.run,), checks={"clock": lambda: clock.trouble})
    submissions = Submissions(connect(redis_url))
    gate = gate_of(NAME, settings)
    secret = read_digest_key(settings.secrets_dir / DIGEST_KEY)
    return Service(
        NAME,
        settings,
        kafka,
        gate,
        inputs=(
            Input(GROUP, INPUTS, IntakeFold(sealing(settings)), backing),
            Input(STATUS_GROUP, (topics.DECISIONS,), status.StatusFold(), answers),
        ),
        publisher=publisher,
        writes=(topics.FACTS, topics.REJECTED, topics.APPLICATIONS, topics.OPERATIONS),
        routers=(api.routes(submissions, facts, decided, publisher, gate, secret),),
    )


def main() -> int:
    return run(NAME, Settings, build)


if __name__ == "__main__":
    sys.exit(main())
