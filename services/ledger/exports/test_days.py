from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.exports import days as module
from services.ledger.exports.days import Days
from services.ledger.journal_cases import batches, journalled

ENTRY = journalled(batches(1)[0])[1][0]


@given(st.lists(st.sampled_from(["2020-02-29", "2020-03-01", "2020-12-31", "2021-01-01"])), st.integers(1, 5))
def test_days_in_order_and_the_ledgers_order_within_a_day(booked: list[str], buffered: int) -> None:
    entries = [msgspec.structs.replace(ENTRY, seq=seq, booked_on=day) for seq, day in enumerate(booked, 1)]
    with TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        # A small buffer goes through the same files.
        patch.setattr(module, "_BUFFERED", buffered)
        days = Days(Path(directory))
        for entry in entries:
            days.add(entry)
        for _ in range(2):
            found = [(day, one.seq) for day, booked in days for one in booked]
            assert found == sorted((entry.booked_on, entry.seq) for entry in entries)
