"""Whether a valid record becomes a fact: duplicates, versions, conflicts. First accepted stands.

What is known of an enterprise is kept as short digests (8 bytes of BLAKE2b): enough to tell repeats from conflicts
within one enterprise, and a tenth of the size of the records.
"""

from enum import Enum

from msgspec import Struct, field


class Known(Struct, array_like=True, tag="k"):
    """What intake accepted for one enterprise on one topic: digests of ids and of the contents they came with."""

    # digest of (source, id) -> digest of the content
    ids: dict[bytes, bytes] = field(default_factory=dict)
    # digest of the business id -> (version, digest of the content)
    versions: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)


class Claim(Struct, array_like=True, tag="c", frozen=True):
    """What the first accepted record of an id fixed for ever: digest of its uscc (of an assessment also the
    insurance and period). Kept per id, because an id means one thing whichever enterprise sends it.
    """

    fixed: bytes


class Status(Struct, array_like=True, tag="a", frozen=True):
    """What became of one application, for the HTTP API; accepted where there is no code."""

    uscc: str
    code: str | None
    message: str | None


class Days(Struct, array_like=True, tag="d", frozen=True):
    """The last day started, `YYYY-MM-DD`."""

    last: str


class Done(Struct, array_like=True, tag="o", frozen=True):
    """An operation that was carried out, and the digest of what it asked."""

    content: bytes


class Incoming(Struct, frozen=True):
    """A valid record, reduced to what acceptance looks at."""

    event: bytes
    business: bytes
    version: int
    content: bytes
    fixed: bytes | None = None


class Outcome(Enum):
    """What happened; everything but ACCEPTED leaves decisions as they are, and all are counted."""

    ACCEPTED = "accepted"
    # the same id with the same content
    DUPLICATE = "duplicate"
    # the same business id, version and content under another id
    REPEATED = "repeated"
    # an older version after a newer
    SUPERSEDED = "superseded"
    ID_CONFLICT = "ID_CONFLICT"
    VERSION_CONFLICT = "VERSION_CONFLICT"
    # another uscc (or, of an assessment, insurance or period) than the id's first record
    CLAIM_CONFLICT = "CLAIM_CONFLICT"


class Ruling(Struct, frozen=True):
    """`against`: digest of the accepted content that a conflict contradicts."""

    outcome: Outcome
    against: bytes | None = None


def accept(known: Known, claim: Claim | None, incoming: Incoming) -> Ruling:
    """Rule on one record and remember it in `known` unless it conflicts."""
    content = known.ids.get(incoming.event)
    if content is not None:
        if content == incoming.content:
            return Ruling(Outcome.DUPLICATE)
        return Ruling(Outcome.ID_CONFLICT, content)
    held = known.versions.get(incoming.business)
    if claim is not None and claim.fixed != incoming.fixed:
        # Of another enterprise's record nothing is told, not even a digest.
        return Ruling(Outcome.CLAIM_CONFLICT, None if held is None else held[1])
    if held is not None:
        version, content = held
        if incoming.version == version and incoming.content != content:
            return Ruling(Outcome.VERSION_CONFLICT, content)
        known.ids[incoming.event] = incoming.content
        if incoming.version == version:
            return Ruling(Outcome.REPEATED)
        if incoming.version < version:
            return Ruling(Outcome.SUPERSEDED)
    known.ids[incoming.event] = incoming.content
    known.versions[incoming.business] = (incoming.version, incoming.content)
    return Ruling(Outcome.ACCEPTED)
