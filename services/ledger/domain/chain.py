"""The hash chain: every posting's link is SHA-256 over the link before it and everything the posting says.

A chain per (topic, partition) in ledger order. What is hashed is a row of netstrings (decimal length, colon, the
bytes, comma), so no two different postings have the same bytes: the previous link, then the fields of `Entry` in
their order, as the journal export writes them. docs/adr/0013 has a worked example.
"""

import hashlib
from typing import Final

import msgspec

# What stands before the first posting of a chain.
NO_LINK: Final = "0" * 64


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One posting as the journal shows it, with its link; digests in lower-case hex, `booked_on` as YYYY-MM-DD."""

    seq: int
    topic: str
    partition: int
    event_id: str
    type: str
    business_key: str
    uscc: str
    decision_id: str
    debit: str
    credit: str
    amount_fen: int
    booked_on: str
    digest: str
    link: str


class Head(msgspec.Struct, frozen=True, gc=False):
    """The end of one partition's chain: its postings, the last one's number in the ledger, and that one's link."""

    topic: str
    partition: int
    postings: int
    last_seq: int
    link: str


def link(
    previous: str, seq: str, topic: str, partition: str, event_id: str, event_type: str, business_key: str, uscc: str,
    decision_id: str, debit: str, credit: str, amount_fen: str, booked_on: str, digest: str,
) -> str:  # fmt: skip
    """The link, 64 hex digits, of the posting with these fields after `previous`. All are ASCII."""
    # One expression, because every posting pays for it.
    content = (
        f"{len(previous)}:{previous},{len(seq)}:{seq},{len(topic)}:{topic},{len(partition)}:{partition},"
        f"{len(event_id)}:{event_id},{len(event_type)}:{event_type},{len(business_key)}:{business_key},"
        f"{len(uscc)}:{uscc},{len(decision_id)}:{decision_id},{len(debit)}:{debit},{len(credit)}:{credit},"
        f"{len(amount_fen)}:{amount_fen},{len(booked_on)}:{booked_on},{len(digest)}:{digest},"
    )
    return hashlib.sha256(content.encode("ascii")).hexdigest()
