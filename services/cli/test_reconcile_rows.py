"""The rows on disk come back whole, in order and in bounded pieces; ids know their owners."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli import reconcile_rows
from services.cli.reconcile_rows import Buckets, Claimed, Decided, Legs, Owners, Paid, Row, Said, Seen, read_rows
from services.cli.reconcile_sentences import Listing, differ
from shared.ids import derived

CODES = [f"91650100MA{number:07d}X" for number in range(40)]


def rows_of(uscc: str) -> list[Row]:
    """Some of an enterprise, with every shape that a field can have."""
    return [
        Decided(uscc, "exemption", "pension/2020-02", 1, 2**62, "granted", 3, 2**40),
        Seen(uscc, 7),
        Paid(uscc, "refund", "2019", "a" * 32, 5, "held", "no_budget", False, 0),
        Paid(uscc, "refund", "2019", "b" * 32, 5, "settled", None, True, 3),
        Claimed(uscc, "b" * 32, "c" * 32, 3, 2, 0, (("R1", 1), ("R2", 1))),
        Said(uscc, "b" * 32, "settled", 0, "", 1, 2),
    ]


@given(st.lists(st.sampled_from(CODES), max_size=200), st.integers(0, 20 * reconcile_rows.ROWS_IN_FILE))
def test_every_row_comes_back_once_with_its_enterprise_and_in_order(codes: list[str], rows: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reconcile_rows, "WAITING", 3)
        with tempfile.TemporaryDirectory() as directory:
            buckets = Buckets(Path(directory), rows, read_rows)
            expected: dict[str, list[Row]] = {}
            for turn, uscc in enumerate(codes):
                for row in (*rows_of(uscc), Seen(uscc, turn)):
                    buckets.add(row)
                    expected.setdefault(uscc, []).append(row)
                if turn == len(codes) // 2:
                    list(buckets.enterprises(buckets.number(uscc)))  # to read is not to take away
            found = [pair for number in range(buckets.count) for pair in buckets.enterprises(number)]
            assert dict(found) == expected
            assert len(found) == len(expected)


def test_as_many_files_as_keep_each_small(tmp_path: Path) -> None:
    assert Buckets(tmp_path, 0, read_rows).count == 1
    assert Buckets(tmp_path, 330_000 * 114, read_rows).count == 377


def test_ids_know_their_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile_rows, "OWNERS_WAITING", 10)
    owners = Owners(tmp_path)
    ids = {derived(str(number)): CODES[number % len(CODES)] for number in range(95)}
    for identity, uscc in ids.items():
        owners.add(identity, uscc)
        owners.add(identity, uscc)
    assert {identity: owners.of(identity) for identity in ids} == ids
    assert [owners.of(one) for one in ("f" * 32, "not an id", "")] == [None, None, None]
    owners.close()


def test_legs_are_numbered_once() -> None:
    legs = Legs()
    assert [legs.number(*pair) for pair in (("A", "B"), ("B", "A"), ("A", "B"))] == [0, 1, 0]
    assert legs.pair(1) == ("B", "A")


def test_differences_are_listed_as_they_were_found(tmp_path: Path) -> None:
    listing = Listing(tmp_path)
    found = [differ("payments_do_not_add_up", uscc, "refund", "2019", 1, 2) for uscc in CODES]
    for difference in found:
        listing.add(difference)
    assert len(listing) == len(found)
    assert list(listing) == list(listing) == found
    listing.close()
