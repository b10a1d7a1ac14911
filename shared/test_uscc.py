import random

import pytest
from stdnum.cn import uscc as stdnum

from shared.uscc import ALPHABET, is_valid, with_check_character

PUBLISHED = "91110000600037341L"  # the example in python-stdnum's documentation


def codes(count: int) -> list[str]:
    rng = random.Random(2020)
    return ["".join(rng.choices(ALPHABET, k=17)) for _ in range(count)]


def test_a_published_code_is_valid() -> None:
    assert is_valid(PUBLISHED)


def test_the_check_character_agrees_with_stdnum_on_random_codes_and_no_other_one_passes() -> None:
    for first17 in codes(3000):
        right = stdnum.calc_check_digit(first17)
        assert [character for character in ALPHABET if is_valid(first17 + character)] == [right]
        assert with_check_character(first17) == first17 + right


def test_a_result_of_31_is_written_0() -> None:
    # Nothing but zeros sums to 0, and 31 - 0 = 31.
    assert with_check_character("0" * 17) == "0" * 18
    assert is_valid("0" * 18)


def test_letters_in_the_first_eight_places_are_accepted() -> None:
    assert is_valid(with_check_character("A1K50100MA7AB12C4"))


@pytest.mark.parametrize(
    "code",
    [
        "",
        PUBLISHED[:-1],
        PUBLISHED + "0",
        PUBLISHED.lower(),
        f" {PUBLISHED[1:]}",
        f"{PUBLISHED} ",
        PUBLISHED.replace("6", "I", 1),
        "９" + PUBLISHED[1:],
        PUBLISHED[:-1] + "M",
        "0" * 17 + "\n",
    ],
)
def test_anything_else_is_invalid(code: str) -> None:
    assert not is_valid(code)


@pytest.mark.parametrize("first17", ["", "0" * 16, "0" * 18, "0" * 16 + "I", "0" * 16 + "a", "0" * 16 + " "])
def test_a_check_character_needs_seventeen_characters_of_the_alphabet(first17: str) -> None:
    with pytest.raises(ValueError, match="17 characters"):
        with_check_character(first17)


def test_exchanging_two_neighbours_is_noticed() -> None:
    for first17 in codes(200):
        code = with_check_character(first17)
        for place in range(17):
            exchanged = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
            assert is_valid(exchanged) == (exchanged == code)
