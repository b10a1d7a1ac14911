"""Whoever lays a hand on a journal is found, without a server."""

import hashlib
import io
import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger.domain.chain import Entry
from services.ledger.exports.journal import journal
from services.ledger.exports.statement import Statement
from services.ledger.exports.verify import LONGEST_LINE, MOST_FINDINGS, Verdict, heads_of, lines_of, verify
from services.ledger.journal_cases import batches, journalled

RECORDS = [record for batch in batches(3) for record in batch]
STATEMENT, ENTRIES = journalled(RECORDS)
TEXT = "".join(journal(STATEMENT, ENTRIES)).encode()
FIRST_HEAD = 1 + len(ENTRIES)


def split(text: bytes) -> list[bytes]:
    return list(lines_of(io.BytesIO(text)))


def written(statement: Statement, entries: list[Entry]) -> list[bytes]:
    return split("".join(journal(statement, entries)).encode())


LINES = split(TEXT)


def found(lines: list[bytes]) -> list[tuple[int, str]]:
    return [(line, sentence) for line, sentence in verify(lines).findings]


def test_a_journal_is_what_the_ledger_posted() -> None:
    assert verify(LINES) == Verdict(len(ENTRIES), STATEMENT.heads, ())
    assert len(STATEMENT.heads) == 4


def test_an_empty_ledgers_journal_is_right() -> None:
    assert verify(written(Statement(0, (), ()), [])) == Verdict(0, (), ())


def test_the_links_can_be_computed_by_anyone() -> None:
    """As docs/adr/0013 says, from the file alone and without our code."""
    names = LINES[0].decode().strip().split(",")
    last: dict[tuple[str, str], str] = {}
    for line in LINES[1:FIRST_HEAD]:
        *fields, told = line.decode().strip().split(",")
        chain = (fields[names.index("topic")], fields[names.index("partition")])
        content = "".join(f"{len(part)}:{part}," for part in (last.get(chain, "0" * 64), *fields))
        assert hashlib.sha256(content.encode()).hexdigest() == told
        last[chain] = told


@settings(max_examples=400, deadline=None)
@given(place=st.integers(0, len(TEXT) - 1), other=st.binary(min_size=1, max_size=1))
def test_another_byte_anywhere_is_found(place: int, other: bytes) -> None:
    changed = TEXT[:place] + other + TEXT[place + 1 :]
    told = verify(split(changed)).findings
    assert bool(told) == (changed != TEXT)


places = st.integers(0, len(LINES) - 1)


@settings(max_examples=100, deadline=None)
@given(places)
def test_a_line_that_was_dropped_is_found(place: int) -> None:
    assert found(LINES[:place] + LINES[place + 1 :])


@settings(max_examples=100, deadline=None)
@given(places, places)
def test_a_line_that_comes_twice_is_found(place: int, to: int) -> None:
    assert found([*LINES[:to], LINES[place], *LINES[to:]])
    assert found([*LINES, LINES[place]])


@settings(max_examples=100, deadline=None)
@given(places, places)
def test_lines_that_changed_places_are_found(one: int, other: int) -> None:
    lines = list(LINES)
    lines[one], lines[other] = lines[other], lines[one]
    assert bool(found(lines)) == (one != other)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(TEXT) - 1))
def test_an_end_that_was_cut_off_is_found(length: int) -> None:
    assert found(split(TEXT[:length]))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(ENTRIES) - 1), st.sampled_from(ENTRIES[0].__struct_fields__), st.data())
def test_a_field_that_still_looks_right_is_found_at_its_line(place: int, name: str, data: st.DataObject) -> None:
    value = getattr(ENTRIES[place], name)
    others = sorted({getattr(entry, name) for entry in ENTRIES} - {value}) or [
        f"{value}1" if isinstance(value, str) else value + 1
    ]
    entries = list(ENTRIES)
    entries[place] = msgspec.structs.replace(entries[place], **{name: data.draw(st.sampled_from(others))})
    lines = written(STATEMENT, entries)
    assert min(line for line, _ in found(lines)) == place + 2


def test_the_findings_say_what_it_is() -> None:
    seventh = LINES[7]
    assert found(LINES[:7] + LINES[8:])[0] == (8, "posting 7 is missing before posting 8")
    assert found(LINES[:7] + LINES[9:])[0] == (8, "postings 7 to 8 are missing before posting 9")
    assert found([*LINES[:8], seventh, *LINES[8:]])[0] == (9, "posting 7 comes twice")
    assert found([*LINES[:8], LINES[4], *LINES[8:]])[0] == (9, "posting 4 stands after posting 7")
    fen = re.sub(rb",(\d+),2020", lambda match: b",%d,2020" % (int(match[1]) + 1), seventh)
    assert found([*LINES[:7], fen, *LINES[8:]])[0] == (
        8, "posting 7 was changed, or another stood before it in the chain of ledger.refunds.v1/3",
    )  # fmt: skip
    assert found([*LINES[:7], b"7,no\n", *LINES[8:]])[0] == (8, "this is no posting as the export writes it")
    assert found([*LINES[:7], seventh.replace(b"\n", b"\r\n"), *LINES[8:]])[0][0] == 8
    assert found(LINES[:30]) == [(30, "the file ends without its trailer: what followed here was cut off")]
    assert found(LINES[:-2]) == [
        (len(LINES) - 2, f"the file ends without the line {line.decode().rstrip()}") for line in LINES[-2:]
    ]
    assert found([*LINES, b"\n"]) == [(len(LINES) + 1, "something follows the end")]
    assert found([]) == [(0, "the file ends without its trailer: what followed here was cut off")]
    assert found(LINES[1:])[0] == (1, "the file does not begin as a journal export of this version does")
    head = LINES[FIRST_HEAD].decode().rstrip()
    changed = head.replace(",3,", ",4,", 1)
    assert found([*LINES[:FIRST_HEAD], f"{changed}\n".encode(), *LINES[FIRST_HEAD + 1 :]]) == [
        (FIRST_HEAD + 1, f"the trailer says {changed!r}; the postings give {head!r}")
    ]


def test_another_file_is_not_read_to_its_end() -> None:
    assert len(found([b"something else\n"] * (3 * MOST_FINDINGS))) == MOST_FINDINGS


@settings(max_examples=30, deadline=None)
@given(st.integers(1, len(RECORDS) - 1), st.data())
def test_a_journal_written_anew_is_found_by_whoever_kept_the_earlier_one(upto: int, data: st.DataObject) -> None:
    earlier, before = journalled(RECORDS[:upto])
    kept = heads_of(written(earlier, before))
    assert verify(LINES, kept).findings == ()
    # The same ledger without one of its records: every link is right, and it is another history.
    left_out = data.draw(st.integers(0, upto - 1))
    statement, entries = journalled(RECORDS[:left_out] + RECORDS[left_out + 1 :])
    forged = written(statement, entries)
    assert verify(forged).findings == ()
    assert "earlier export" in verify(forged, kept).findings[0].sentence


def test_a_journal_that_is_shorter_than_the_earlier_one_is_found() -> None:
    shorter = written(*journalled(RECORDS[:-1]))
    assert [sentence for _, sentence in verify(shorter, heads_of(LINES)).findings] == [
        "the chain of ledger.refunds.v1/3 is shorter than the earlier export's, 26 postings"
    ]


def test_what_states_no_chain_keeps_none() -> None:
    assert heads_of([b"head,\n", b"x\n"]) == {}


@pytest.mark.parametrize("line", [b"0" * 10 * LONGEST_LINE + b"\n", b"\xff" * 100 + b"\n", b"\0\n"])
def test_what_is_no_line_is_found_in_bounded_memory(line: bytes) -> None:
    lines = split(b"".join([*LINES[:3], line, *LINES[4:]]))
    assert max(map(len, lines)) <= LONGEST_LINE
    assert found(lines)[0] == (4, "this is no posting as the export writes it")
