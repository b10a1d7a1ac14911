"""`relief export`: the ledger as a file that other programs check, or that proves itself."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import httpx
import msgspec
import typer

from services.cli.installation import DEFAULT_STATE, AsJson, Installation, State, installation
from services.cli.terminal import CommandError, bar, err, print_json, sentence_on_failure
from services.ledger.domain.chain import Entry, Head
from services.ledger.exports import beancount, hledger, journal
from services.ledger.exports.days import Days
from services.ledger.exports.statement import Account, Disagreement, Statement

_PAGE = 5000


class Format(StrEnum):
    hledger = "hledger"
    beancount = "beancount"
    csv = "csv"


class _Page(msgspec.Struct):
    transactions: list[Entry]
    next_after: int | None


class _Balances(msgspec.Struct):
    accounts: tuple[Account, ...]
    at_seq: int


class _Heads(msgspec.Struct):
    heads: tuple[Head, ...]


_HOW_TO_CHECK = {
    Format.hledger: "hledger -f {} check -s ordereddates",
    Format.beancount: "bean-check {}",
    Format.csv: "relief ledger verify {}",
}


def register(app: typer.Typer) -> None:
    app.command("export")(export)


@sentence_on_failure
def export(
    form: Annotated[Format, typer.Option("--format", help="for which program")],
    to: Annotated[Path, typer.Option("--out", help="the file; it is there once it is whole")],
    at_seq: Annotated[int | None, typer.Option(min=0, help="up to this posting; without it, up to the last")] = None,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Write the ledger to a file that hledger or beancount checks, or as CSV for `relief ledger verify`."""
    if to.is_dir():
        raise CommandError(f"{to} is a directory; name a file in it.")
    if not to.absolute().parent.is_dir():
        raise CommandError(f"There is no directory {to.parent}; make it, or name another.")
    statement = write_export(installation(state), form, to, at_seq)
    if as_json:
        print_json({"format": form, "out": to, "at_seq": statement.at_seq, "accounts": len(statement.accounts)})
    else:
        how = _HOW_TO_CHECK[form].format(to)
        err.print(f"{statement.at_seq:,} postings are in {to}; check them with `{how}`.", markup=False, soft_wrap=True)


def write_export(found: Installation, form: Format, to: Path, at_seq: int | None, page: int = _PAGE) -> Statement:
    """Write `to` whole or not at all; gives what the ledger stated of the postings in it."""
    with _Ledger(found, page) as ledger:
        statement = ledger.statement(at_seq)
        # Beside the file: the draft becomes it by a rename, and the days need as much room as it does.
        with tempfile.TemporaryDirectory(prefix=".relief-export-", dir=to.parent) as directory:
            draft = Path(directory) / "draft"
            with bar("exporting", statement.at_seq or 1) as progress:
                entries = ledger.entries(statement.at_seq, partial(progress.advance, progress.task_ids[0]))
                try:
                    _write(draft, _pieces(form, statement, entries, Path(directory)))
                except Disagreement as error:
                    raise CommandError(f"{error} Export as csv and let `relief ledger verify` say where.") from error
            draft.replace(to)
    return statement


def _pieces(form: Format, statement: Statement, entries: Iterable[Entry], directory: Path) -> Iterator[str]:
    if form is Format.csv:
        yield from journal.journal(statement, entries)
        return
    days = Days(directory)
    for entry in entries:
        days.add(entry)
    yield from (hledger if form is Format.hledger else beancount).journal(statement, days)


def _write(path: Path, pieces: Iterable[str]) -> None:
    with path.open("w", encoding="ascii", newline="\n", buffering=1 << 20) as file:
        file.writelines(pieces)


class _Ledger:
    """The ledger's read API, over one connection. What is read is fixed by its number, whatever is posted meanwhile."""

    def __init__(self, found: Installation, page: int) -> None:
        self._found, self._page = found, page
        url = found.urls.get("ledger")
        if url is None:
            raise CommandError("The service ledger does not run; see `relief status`.")
        self._client = httpx.Client(base_url=url, timeout=120.0)

    def __enter__(self) -> "_Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def statement(self, at_seq: int | None) -> Statement:
        asked = {} if at_seq is None else {"at_seq": at_seq}
        balances = msgspec.json.decode(self._get("/v1/accounts", **asked), type=_Balances)
        heads = msgspec.json.decode(self._get("/v1/chain-heads", at_seq=balances.at_seq), type=_Heads)
        return Statement(balances.at_seq, balances.accounts, heads.heads)

    def entries(self, at_seq: int, step: Callable[[int], None]) -> Iterator[Entry]:
        """Every posting up to `at_seq` in the ledger's order; `step` is told how many came."""
        decode = msgspec.json.Decoder(_Page).decode
        after: int | None = 0
        while after is not None:
            found = decode(self._get("/v1/transactions", after=after, at_seq=at_seq, limit=self._page))
            yield from found.transactions
            step(len(found.transactions))
            after = found.next_after

    def _get(self, path: str, **parameters: int) -> bytes:
        # A token of its own for each page: an export may take longer than one is good for.
        headers = {"Authorization": f"Bearer {self._found.token('auditor')}"}
        try:
            answer = self._client.get(path, params=parameters, headers=headers)
        except httpx.HTTPError as error:
            raise CommandError(
                f"The ledger does not answer ({error}); see `relief status`, then export anew."
            ) from error
        if answer.is_error:
            raise CommandError(_sentence(answer))
        return answer.content


def _sentence(answer: httpx.Response) -> str:
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = answer.text
    return f"The ledger answers {answer.status_code}: {detail}"
