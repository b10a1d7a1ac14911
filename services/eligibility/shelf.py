"""The packs a running eligibility decides by: those that ship with it, and those that the log keeps by their hash."""

import structlog

from services.eligibility import packs
from services.eligibility.domain.pack import Pack
from shared.contracts.registry import decoder
from shared.contracts.topics import PACKS
from shared.streaming.errors import Retry, Stop
from shared.streaming.kafka_access import KafkaAccess
from shared.streaming.packs import follow_packs

log = structlog.get_logger()


class Shelf:
    """`by_hash` is for the fold; `run` reads the log beside it and takes up what is published later."""

    def __init__(self, kafka: KafkaAccess) -> None:
        self._kafka = kafka
        self._packs = packs.installed()

    def by_hash(self, sha256: str) -> Pack:
        """The pack that the log names. Retry while it is not there: deciding by another would be another law."""
        pack = self._packs.get(sha256)
        if pack is None:
            raise Retry(
                f"The log activates policy pack {sha256[:12]}…, which neither ships with this version nor stands in "
                f"{PACKS} yet; publish it with `relief policy activate`."
            )
        return pack

    async def run(self) -> None:
        """Follow the topic until cancelled."""
        await follow_packs(self._kafka, self.put)

    def put(self, value: bytes | None) -> None:
        """Take up one published pack; what is no pack, or not the one its hash says, is told and left out."""
        try:
            event = decoder(PACKS).validate_json(value or b"")
            if event.data.sha256 in self._packs:
                return
            pack = packs.from_content(event.data.content)
        except (ValueError, Stop) as error:
            log.error("a published pack cannot be read", error=str(error))
            return
        if pack.ref.sha256 != event.data.sha256:
            log.error("a published pack is not the one its hash says", sha256=event.data.sha256)
            return
        self._packs[event.data.sha256] = pack
        log.info("policy pack known", pack=pack.ref.pack, version=pack.ref.version, sha256=pack.ref.sha256)
