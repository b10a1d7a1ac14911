"""What holdover answers over HTTP, page by page, for reconciliation."""

from collections.abc import Iterator, Sequence

import msgspec

from services.cli.reconcile_services import ENTERPRISES_AT_ONCE, NAMED_AT_ONCE, Asking
from services.holdover.store.books import EnterpriseBooks
from shared.streaming.progress import PlaceRead


class Page(msgspec.Struct):
    """Whole enterprises as holdover held them at one moment; everything below `places` was in."""

    enterprises: list[EnterpriseBooks]
    next_after: str | None
    places: list[PlaceRead]
    events_told: int
    events_relayed: int


class HoldoverBooks:
    """Every request may raise CommandError."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._page = msgspec.json.Decoder(Page).decode

    def everybody(self) -> Iterator[Page]:
        after: str | None = ""
        while after is not None:
            page = self._get(after=after, limit=ENTERPRISES_AT_ONCE)
            yield page
            after = page.next_after

    def named(self, enterprises: Sequence[str]) -> Iterator[Page]:
        for start in range(0, len(enterprises), NAMED_AT_ONCE):
            yield self._get(uscc=list(enterprises[start : start + NAMED_AT_ONCE]))

    def now(self) -> Page:
        """For the places alone."""
        return self._get(limit=1)

    def _get(self, **parameters: str | int | list[str]) -> Page:
        return self._page(self._asking.get("holdover", "/v1/books", **parameters))
