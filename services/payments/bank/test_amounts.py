import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.bank.amounts import fen, written


@given(st.integers(0, 10**18), st.integers(0, 6), st.integers(0, 6))
def test_no_digit_is_lost_on_the_way(amount_fen: int, zeros_before: int, zeros_after: int) -> None:
    assert fen("0" * zeros_before + written(amount_fen) + "0" * zeros_after) == amount_fen


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("+1", 100),
        ("1.", 100),
        (".5", 50),
        ("1.5", 150),
        ("01.50000", 150),
        ("0.01", 1),
        ("123456.78", 12345678),
    ],
)
def test_a_decimal_is_written_in_many_ways(text: str, expected: int) -> None:
    assert fen(text) == expected


@pytest.mark.parametrize(
    "text", ["", ".", "+", "-1", "-0.00", "1.001", "1,00", "1e2", " 1", "NaN", "١", "1.2.3", "++1"]
)
def test_what_is_negative_finer_than_a_fen_or_no_number_is_none(text: str) -> None:
    assert fen(text) is None
