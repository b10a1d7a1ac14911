"""The size standard at its bounds, read off the published table by hand."""

import pytest

from .oracle import judge
from .oracle_events import assessed, line, registered, uscc

A = uscc(1)
MILLION = 100_000_000  # fen in a million yuan

# industry, employees, annual revenue fen, total assets fen, class
SIZES: list[tuple[str, int, int, int, str]] = [
    ("agriculture", 0, 200 * MILLION, 0, "large"),
    ("agriculture", 9999, 200 * MILLION - 1, 9999 * MILLION, "medium"),
    ("agriculture", 0, 5 * MILLION, 0, "medium"),
    ("agriculture", 0, 5 * MILLION - 1, 0, "small"),
    ("agriculture", 0, 50_000_000, 0, "small"),
    ("agriculture", 0, 49_999_999, 0, "micro"),
    ("industry", 1000, 400 * MILLION, 0, "large"),
    ("industry", 999, 400 * MILLION, 0, "medium"),
    ("industry", 1000, 400 * MILLION - 1, 0, "medium"),
    ("industry", 300, 20 * MILLION, 0, "medium"),
    ("industry", 299, 20 * MILLION, 0, "small"),
    ("industry", 20, 3 * MILLION, 0, "small"),
    ("industry", 19, 900 * MILLION, 0, "micro"),
    ("industry", 5000, 3 * MILLION - 1, 0, "micro"),
    ("construction", 0, 800 * MILLION, 800 * MILLION, "large"),
    ("construction", 0, 800 * MILLION, 800 * MILLION - 1, "medium"),
    ("construction", 0, 60 * MILLION, 50 * MILLION, "medium"),
    ("construction", 0, 60 * MILLION, 50 * MILLION - 1, "small"),
    ("construction", 0, 3 * MILLION, 3 * MILLION, "small"),
    ("construction", 0, 3 * MILLION - 1, 3 * MILLION, "micro"),
    ("wholesale", 200, 400 * MILLION, 0, "large"),
    ("wholesale", 20, 50 * MILLION, 0, "medium"),
    ("wholesale", 19, 50 * MILLION, 0, "small"),
    ("wholesale", 5, 10 * MILLION, 0, "small"),
    ("wholesale", 4, 10 * MILLION, 0, "micro"),
    ("retail", 300, 200 * MILLION, 0, "large"),
    ("retail", 50, 5 * MILLION, 0, "medium"),
    ("retail", 10, 1 * MILLION, 0, "small"),
    ("retail", 10, 1 * MILLION - 1, 0, "micro"),
    ("transport", 1000, 300 * MILLION, 0, "large"),
    ("transport", 300, 30 * MILLION, 0, "medium"),
    ("transport", 300, 30 * MILLION - 1, 0, "small"),
    ("transport", 20, 2 * MILLION, 0, "small"),
    ("warehousing", 200, 300 * MILLION, 0, "large"),
    ("warehousing", 199, 300 * MILLION, 0, "medium"),
    ("warehousing", 99, 10 * MILLION, 0, "small"),
    ("postal", 1000, 300 * MILLION, 0, "large"),
    ("postal", 300, 20 * MILLION, 0, "medium"),
    ("postal", 19, 1 * MILLION, 0, "micro"),
    ("accommodation", 300, 100 * MILLION, 0, "large"),
    ("accommodation", 100, 20 * MILLION, 0, "medium"),
    ("catering", 299, 100 * MILLION, 0, "medium"),
    ("catering", 10, 1 * MILLION, 0, "small"),
    ("telecom", 2000, 1000 * MILLION, 0, "large"),
    ("telecom", 1999, 1000 * MILLION, 0, "medium"),
    ("telecom", 10, 1 * MILLION, 0, "small"),
    ("software", 300, 100 * MILLION, 0, "large"),
    ("software", 100, 10 * MILLION, 0, "medium"),
    ("software", 10, 50_000_000, 0, "small"),
    ("software", 10, 49_999_999, 0, "micro"),
    ("real_estate", 0, 2000 * MILLION, 100 * MILLION, "large"),
    ("real_estate", 0, 2000 * MILLION, 100 * MILLION - 1, "medium"),
    ("real_estate", 0, 10 * MILLION, 50 * MILLION, "medium"),
    ("real_estate", 0, 10 * MILLION, 50 * MILLION - 1, "small"),
    ("real_estate", 0, 1 * MILLION, 20 * MILLION - 1, "micro"),
    ("property", 1000, 50 * MILLION, 0, "large"),
    ("property", 300, 10 * MILLION, 0, "medium"),
    ("property", 100, 5 * MILLION, 0, "small"),
    ("property", 99, 5 * MILLION, 0, "micro"),
    ("leasing", 300, 0, 1200 * MILLION, "large"),
    ("leasing", 300, 9999 * MILLION, 1200 * MILLION - 1, "medium"),
    ("leasing", 100, 0, 80 * MILLION - 1, "small"),
    ("leasing", 10, 0, 1 * MILLION, "small"),
    ("leasing", 10, 0, 1 * MILLION - 1, "micro"),
    ("other", 300, 0, 0, "large"),
    ("other", 299, 9999 * MILLION, 9999 * MILLION, "medium"),
    ("other", 100, 0, 0, "medium"),
    ("other", 99, 0, 0, "small"),
    ("other", 10, 0, 0, "small"),
    ("other", 9, 0, 0, "micro"),
]


@pytest.mark.parametrize(("industry", "employees", "revenue", "assets", "expected"), SIZES)
def test_size_class_at_the_bounds(industry: str, employees: int, revenue: int, assets: int, expected: str) -> None:
    enterprise = registered(
        A, industry=industry, employees=employees, annual_revenue_fen=revenue, total_assets_fen=assets
    )
    lines = [line(enterprise), line(assessed(A, "a", "pension/2020-02", 100))]
    (decision,) = judge(lines).decisions.values()
    assert decision.size_class == expected
    assert decision.outcome == ("denied" if expected == "large" else "granted")
