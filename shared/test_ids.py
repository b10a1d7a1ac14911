import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ids import batch_id, clawback_id, decision_id, derived, exemption_id, ledger_event_id, payment_id

USCC = "91650100MA7ABCDE18"

# Kept for ever: a different digit here means that a replay would pay again.
VECTORS = {
    "derived()": (derived(), "cae66941d9efbd404e4d88758ea67670"),
    "decision": (decision_id(USCC, "refund", "2019", 1), "3b30bfe21ac286c2b3f48297826dbec3"),
    "exemption": (exemption_id(USCC, "pension/2020-02"), "65eff7ed5a3b7f02a2ccaaef5d1dab76"),
    "payment": (payment_id(USCC, "contribution_return", "medical/2020-06", 2), "c3fe427475209dd907740bd7dea73c38"),
    "clawback": (clawback_id("0" * 32, 2), "a5823a1f731a8bef0352522e14d6677f"),
    "batch": (batch_id("job_stabilisation", "102", "2020-03-02", 3), "9d4f1d47ed345f2b8e5783921bf29b73"),
    "event": (ledger_event_id(exemption_id(USCC, "pension/2020-02"), "granted", 1), "6e30d50d5f20569d462218a29af660a5"),
}


def test_the_parts_are_hashed_after_their_lengths() -> None:
    spelt = b"\0\0\0\0\0\0\0\x02ab" + b"\0\0\0\0\0\0\0\x03\xe4\xb8\xad"
    assert derived("ab", "中") == hashlib.blake2b(spelt, digest_size=16).hexdigest()


@given(
    st.lists(
        st.one_of(st.text(max_size=3), st.sampled_from(["a" * 127, "a" * 128, "ä" * 64, "\x80", "\0"])), max_size=4
    )
)
def test_of_whatever_length_and_script_they_are_spelt_alike(parts: list[str]) -> None:
    spelt = b"".join(len(part.encode()).to_bytes(8, "big") + part.encode() for part in parts)
    assert derived(*parts) == hashlib.blake2b(spelt, digest_size=16).hexdigest()


@pytest.mark.parametrize(("found", "expected"), VECTORS.values(), ids=VECTORS)
def test_ids_never_change(found: str, expected: str) -> None:
    assert found == expected


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_other_parts_give_another_id(one: list[str], other: list[str]) -> None:
    assert (derived(*one) == derived(*other)) == (one == other)


def test_each_argument_counts() -> None:
    ids = {
        decision_id(USCC, "refund", "2019", 1),
        decision_id(USCC, "refund", "2019", 2),
        decision_id(USCC, "refund", "2018", 1),
        decision_id(USCC, "contribution_return", "2019", 1),
        exemption_id(USCC, "pension/2020-02"),
        exemption_id(USCC, "pension/2020-03"),
        payment_id(USCC, "refund", "2019", 3),
        ledger_event_id(exemption_id(USCC, "pension/2020-02"), "granted", 1),
        ledger_event_id(exemption_id(USCC, "pension/2020-02"), "revoked", 1),
        ledger_event_id(exemption_id(USCC, "pension/2020-02"), "granted", 3),
        clawback_id("0" * 32, 1),
        clawback_id("1" * 32, 1),
        clawback_id("1" * 32, 2),
        batch_id("job_stabilisation", "102", "2020-03-02", 1),
        batch_id("contribution_return", "102", "2020-03-02", 1),
        batch_id("job_stabilisation", "103", "2020-03-02", 1),
        batch_id("job_stabilisation", "102", "2020-03-03", 1),
        batch_id("job_stabilisation", "102", "2020-03-02", 2),
    }
    assert len(ids) == 18
    assert all(len(one) == 32 and set(one) <= set("0123456789abcdef") for one in ids)
