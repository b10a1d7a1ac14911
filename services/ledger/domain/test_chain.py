import hashlib

from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain.chain import NO_LINK, link

FIELDS = (
    "1", "ledger.exemptions.v1", "3", "e" * 32, "relief.exemption.granted.v1", "b" * 32, "91650100MA7ABCDE18", "d" * 32,
    "Expenses:Relief:Exemption:Pension:650100", "Assets:Receivable:Contributions:Pension", "123456", "2020-02-20",
    "0" * 32,
)  # fmt: skip


def test_a_link_is_what_it_was_when_it_was_first_computed() -> None:
    """The example of docs/adr/0013. If this fails, every export ever made has become unreadable."""
    assert link(NO_LINK, *FIELDS) == "64145d7dd5dae1c4eca0f7ed991d14615235c37a9418bf9abb7790d09ef65795"


@given(st.lists(st.text(st.characters(codec="ascii")), min_size=14, max_size=14))
def test_a_link_is_the_hash_of_netstrings(parts: list[str]) -> None:
    content = b"".join(b"%d:%b," % (len(part), part.encode()) for part in parts)
    assert link(*parts) == hashlib.sha256(content).hexdigest()


@given(st.integers(0, 13), st.integers(0, 12), st.text(st.characters(codec="ascii"), min_size=1, max_size=3))
def test_a_link_depends_on_everything_and_on_where_it_stands(place: int, other: int, more: str) -> None:
    parts = [NO_LINK, *FIELDS]
    changed = list(parts)
    changed[place] += more
    assert link(*changed) != link(*parts)
    # The same text, cut elsewhere.
    moved = list(parts)
    moved[other], moved[other + 1] = moved[other][:-1], moved[other][-1] + moved[other + 1]
    assert link(*moved) != link(*parts)
