"""The terms of every policy pack that the log keeps, by the pack's hash, while the service runs."""

import structlog

from services.holdover.domain.terms import Terms
from services.holdover.packs import NoTerms, terms_of
from shared.contracts.registry import decoder
from shared.contracts.topics import PACKS
from shared.streaming.errors import Retry
from shared.streaming.kafka_access import KafkaAccess
from shared.streaming.packs import follow_packs

log = structlog.get_logger()


class Shelf:
    """`by_hash` is for the fold; `run` reads the log beside it and takes up what is published later."""

    def __init__(self, kafka: KafkaAccess, remind_days: int) -> None:
        self._kafka, self._remind_days = kafka, remind_days
        self._terms: dict[str, Terms] = {}

    def by_hash(self, sha256: str) -> Terms:
        """Raises Retry while the pack is not there: deferring by another's terms would be another law."""
        terms = self._terms.get(sha256)
        if terms is None:
            raise Retry(
                f"A grant names policy pack {sha256[:12]}…, which does not stand in {PACKS} yet; publish it with "
                "`relief policy activate`."
            )
        return terms

    async def run(self) -> None:
        """Follow the topic until cancelled."""
        await follow_packs(self._kafka, self.put)

    def put(self, value: bytes | None) -> None:
        """Take up one published pack; what is no pack, or not the one its hash says, is told and left out."""
        try:
            data = decoder(PACKS).validate_json(value or b"").data
            if data.sha256 not in self._terms:
                self._terms[data.sha256] = terms_of(data.content, data.sha256, self._remind_days)
                log.info("policy pack known", pack=data.pack, version=data.version, sha256=data.sha256)
        except NoTerms as error:
            log.error("a published pack cannot be used", why=str(error))
        except ValueError as error:
            log.error("a published pack cannot be read", error=type(error).__name__)
