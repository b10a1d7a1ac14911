import pytest

from shared.observability.tracing import current_trace_id, follow_trace

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_valid_traceparent_is_followed() -> None:
    assert follow_trace(f"00-{TRACE}-00f067aa0ba902b7-01") == TRACE == current_trace_id()


@pytest.mark.parametrize(
    "header",
    [None, "", "junk", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"00-{TRACE.upper()}-00f067aa0ba902b7-01", f"{TRACE}\n"],
)
def test_anything_else_starts_a_trace_of_its_own(header: str | None) -> None:
    first, second = follow_trace(header), follow_trace(header)
    assert first != second
    assert len(first) == 32
    assert TRACE not in (first, second)
