"""Whether a journal export is what the ledger posted: nothing is needed but the file.

Any row that was changed, dropped, inserted, repeated or moved is found, and so is an end that was cut off. Who writes a
whole new journal with new links can be found out only by a head that somebody kept: see `earlier`.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO, Final, NamedTuple

from services.ledger.domain.chain import NO_LINK, Head, link
from services.ledger.exports.journal import HEADER, TRAILER, trailer
from services.ledger.exports.statement import Account, Statement

# A row has some 430 characters.
LONGEST_LINE: Final = 4096
# After so many findings it is another file, not a damaged one.
MOST_FINDINGS: Final = 100

Chain = tuple[str, str]
Kept = Mapping[Chain, tuple[int, str]]

_ROW = re.compile(
    r"([1-9][0-9]{0,18}),([a-z0-9.]{1,249}),(0|[1-9][0-9]{0,8}),([0-9a-f]{32}),([a-z0-9_.]{1,64}),([0-9a-f]{32}),"
    r"([0-9A-Z]{18}),([0-9a-f]{32}),([A-Za-z0-9:-]{1,256}),([A-Za-z0-9:-]{1,256}),([1-9][0-9]{0,18}),"
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}),([0-9a-f]{32}),([0-9a-f]{64})\n"
)
_HEAD = re.compile(r"head,([a-z0-9.]{1,249}),([0-9]{1,9}),([0-9]{1,19}),[0-9]{1,19},([0-9a-f]{64})\n")


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """The file's lines, or pieces of a line that is none of ours."""
    return iter(lambda: file.readline(LONGEST_LINE), b"")


class Finding(NamedTuple):
    """What is wrong at a line of the file (from 1)."""

    line: int
    sentence: str


class Verdict(NamedTuple):
    """The journal is right if there are no findings; at most MOST_FINDINGS are told."""

    postings: int
    heads: tuple[Head, ...]
    findings: tuple[Finding, ...]


def verify(lines: Iterable[bytes], earlier: Kept | None = None) -> Verdict:
    """Reads each line once. `earlier`: of an older export of the same ledger, how long each chain was and its link."""
    check = _Check(earlier or {})
    for line in lines:
        check.take(line.decode("latin-1"))
        if len(check.findings) >= MOST_FINDINGS:
            break
    else:
        check.end()
    return Verdict(check.postings, tuple(check.heads()), tuple(check.findings[:MOST_FINDINGS]))


def heads_of(lines: Iterable[bytes]) -> Kept:
    """The chain heads that an export states, for `verify` of a later one. Not itself verified."""
    matches = (_HEAD.fullmatch(line.decode("latin-1")) for line in lines if line.startswith(b"head,"))
    return {(match[1], match[2]): (int(match[3]), match[4]) for match in matches if match}


class _Check:
    def __init__(self, earlier: Kept) -> None:
        self.findings: list[Finding] = []
        self.postings = 0
        self._line = 0
        self._earlier = earlier
        self._last_seq = 0
        # Per chain: how many, the last one's number and link. Per account: debit and credit.
        self._chains: dict[Chain, tuple[int, int, str]] = {}
        self._sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        self._expected: Iterator[str] | None = None
        self._ended = False

    def take(self, line: str) -> None:
        self._line += 1
        if self._line == 1:
            if line != HEADER:
                self._find("the file does not begin as a journal export of this version does")
        elif self._expected is not None or line.startswith(TRAILER):
            self._take_trailer(line)
        else:
            self._take_row(line)

    def end(self) -> None:
        """The file is over."""
        if self._expected is None:
            self._find("the file ends without its trailer: what followed here was cut off")
        else:
            for missing in self._expected:
                self._find(f"the file ends without the line {missing.rstrip()}")
        for chain, (postings, _) in self._earlier.items():
            if self._chains.get(chain, (0,))[0] < postings:
                self._find(f"the chain of {'/'.join(chain)} is shorter than the earlier export's, {postings} postings")

    def heads(self) -> Iterator[Head]:
        for topic, partition in sorted(self._chains, key=lambda chain: (chain[0], int(chain[1]))):
            yield Head(topic, int(partition), *self._chains[topic, partition])

    def _take_row(self, line: str) -> None:
        self.postings += 1
        row = _ROW.fullmatch(line)
        if row is None:
            self._last_seq += 1
            self._find("this is no posting as the export writes it")
            return
        seq, topic, partition, *_, debit, credit, amount, _, _, told = row.groups()
        number, chain = int(seq), (topic, partition)
        if number != self._last_seq + 1:
            self._find(self._out_of_order(number))
        self._last_seq = number
        length, _, previous = self._chains.get(chain, (0, 0, NO_LINK))
        if link(previous, *row.groups()[:-1]) != told:
            self._find(f"posting {seq} was changed, or another stood before it in the chain of {topic}/{partition}")
        self._chains[chain] = (length + 1, number, told)
        kept, kept_link = self._earlier.get(chain, (0, ""))
        if kept == length + 1 and kept_link != told:
            self._find(f"posting {seq} is not what the earlier export had at this place of {topic}/{partition}")
        self._sums[debit][0] += int(amount)
        self._sums[credit][1] += int(amount)

    def _out_of_order(self, number: int) -> str:
        last = self._last_seq
        if number == last:
            return f"posting {number} comes twice"
        if number < last:
            return f"posting {number} stands after posting {last}"
        gone = f"posting {last + 1} is" if number == last + 2 else f"postings {last + 1} to {number - 1} are"
        return f"{gone} missing before posting {number}"

    def _take_trailer(self, line: str) -> None:
        if self._expected is None:
            self._expected = trailer(self._statement())
        expected = next(self._expected, None)
        if expected is None:
            self._find("something follows the end")
        elif line != expected:
            self._find(f"the trailer says {line.rstrip()!r}; the postings give {expected.rstrip()!r}")

    def _statement(self) -> Statement:
        accounts = tuple(Account(name, debit, credit) for name, (debit, credit) in sorted(self._sums.items()))
        return Statement(self.postings, accounts, tuple(self.heads()))

    def _find(self, sentence: str) -> None:
        self.findings.append(Finding(self._line, sentence))
