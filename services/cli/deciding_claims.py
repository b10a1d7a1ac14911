"""Which ids of assessments, payments and bills a file has used so far: 6 bytes and a little for each."""

# The first two bytes of a digest choose the bucket, the bucket keeps the other six.
_BUCKETS = 1 << 16
_KEPT = 6


class UsedIds:
    """A set of 8-byte digests, of which some ten million are expected.

    Two ids with one digest would be taken for one, and the second enterprise's record be rejected, with its line and
    code as any other. Among n ids the chance that this happens at all is n² / 2⁶⁵: 3 in a million for ten million.
    """

    def __init__(self) -> None:
        # Copied when they grow: the spare room of bytearrays would cost a sixth more.
        self._buckets = [b""] * _BUCKETS

    def __contains__(self, digest: bytes) -> bool:
        bucket = self._buckets[digest[0] << 8 | digest[1]]
        kept = digest[2:]
        at = bucket.find(kept)
        # Found across two neighbours it is neither of them.
        while at > 0 and at % _KEPT:
            at = bucket.find(kept, at + 1)
        return at >= 0

    def add(self, digest: bytes) -> None:
        """Of a digest that is not in it."""
        self._buckets[digest[0] << 8 | digest[1]] += digest[2:]
