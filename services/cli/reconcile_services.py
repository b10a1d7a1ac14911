"""What services answer over HTTP, page by page, for reconciliation; of payments and the ledger, all that it asks."""

from collections.abc import Iterator, Sequence
from typing import Final

import httpx
import msgspec

from services.cli.installation import Installation
from services.cli.terminal import CommandError
from services.payments.store.books import EnterpriseBooks
from shared.streaming.progress import PlaceRead

ENTERPRISES_AT_ONCE: Final = 200
NAMED_AT_ONCE: Final = 50
POSTINGS_AT_ONCE: Final = 5000
PARKED_AT_ONCE: Final = 500


class Page(msgspec.Struct):
    """Whole enterprises as payments held them at one moment; everything below `places` was in."""

    enterprises: list[EnterpriseBooks]
    next_after: str | None
    places: list[PlaceRead]
    events_told: int
    events_relayed: int


class ParkedWord(msgspec.Struct):
    topic: str
    partition: int
    offset: int
    subject: str


class Entry(msgspec.Struct):
    """One posting."""

    seq: int
    event_id: str
    type: str
    uscc: str
    debit: str
    credit: str
    amount_fen: int


class Account(msgspec.Struct):
    account: str
    debit_fen: int
    credit_fen: int


class Balance(msgspec.Struct):
    accounts: list[Account]
    at_seq: int


class _Parked(msgspec.Struct):
    parked: list[ParkedWord]
    next_after: str | None


class _Postings(msgspec.Struct):
    transactions: list[Entry]
    next_after: int | None


class Asking:
    """The read APIs of services, as an auditor, over one connection to each. Close it."""

    def __init__(self, found: Installation) -> None:
        self._found = found
        self._client = httpx.Client(timeout=120.0)

    def close(self) -> None:
        self._client.close()

    def get(self, service: str, path: str, **parameters: str | int | list[str]) -> bytes:
        """The answer's body. Raises CommandError."""
        url = self._found.urls.get(service)
        if url is None:
            raise CommandError(f"The service {service} does not run; see `relief status`.")
        # A token of its own for each page: all of them may take longer than one is good for.
        headers = {"Authorization": f"Bearer {self._found.token('auditor')}"}
        try:
            answer = self._client.get(f"{url}{path}", params=parameters, headers=headers)
        except httpx.HTTPError as error:
            raise CommandError(f"{service} at {url} does not answer: {error}; see `relief status`.") from error
        if answer.is_error:
            raise CommandError(f"{service} answers {answer.status_code} to {path}: {answer.text}")
        return answer.content


class Services:
    """Every request may raise CommandError."""

    def __init__(self, asking: Asking) -> None:
        self._get = asking.get
        self._page = msgspec.json.Decoder(Page).decode
        self._postings = msgspec.json.Decoder(_Postings).decode

    def all_books(self) -> Iterator[Page]:
        after: str | None = ""
        while after is not None:
            page = self._page(self._get("payments", "/v1/books", after=after, limit=ENTERPRISES_AT_ONCE))
            yield page
            after = page.next_after

    def books(self, enterprises: Sequence[str]) -> Iterator[Page]:
        for start in range(0, len(enterprises), NAMED_AT_ONCE):
            named = list(enterprises[start : start + NAMED_AT_ONCE])
            yield self._page(self._get("payments", "/v1/books", uscc=named))

    def payments_now(self) -> Page:
        """For the places alone."""
        return self._page(self._get("payments", "/v1/books", limit=1))

    def parked(self) -> Iterator[ParkedWord]:
        after: str | None = None
        while True:
            asked = {} if after is None else {"after": after}
            page = msgspec.json.decode(self._get("payments", "/v1/parked", limit=PARKED_AT_ONCE, **asked), type=_Parked)
            yield from page.parked
            after = page.next_after
            if after is None:
                return

    def balance(self, at_seq: int | None = None) -> Balance:
        asked = {} if at_seq is None else {"at_seq": at_seq}
        return msgspec.json.decode(self._get("ledger", "/v1/accounts", **asked), type=Balance)

    def postings(self, after: int, until: int) -> Iterator[list[Entry]]:
        """Those numbered above `after` up to `until`, in order, by the page."""
        place: int | None = after if after < until else None
        while place is not None:
            asked = self._get("ledger", "/v1/transactions", after=place, at_seq=until, limit=POSTINGS_AT_ONCE)
            page = self._postings(asked)
            yield page.transactions
            place = page.next_after
