"""A bank's file, read whole or refused whole: status reports (pain.002) and notices of bookings (camt.054)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pyiso20022.camt.camt_054_001_08 import Document as Notification08
from pyiso20022.pain.pain_002_001_10 import Document as Status10
from pyiso20022.pain.pain_002_001_12 import Document as Status12

from services.payments.bank import notification, published, status, stream
from services.payments.bank.answers import Answer, Received, Reply
from services.payments.bank.refused import ReasonCode, Refused, quoted
from services.payments.bank.schema import ElementType, document_type
from services.payments.bank.stream import MAX_BYTES, Node

__all__ = ["MAX_BYTES", "Answer", "ReasonCode", "Received", "Refused", "Reply", "read"]


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one kind of file is read: its schema, what is cut out of it, and who understands the parts."""

    document: ElementType
    cut: frozenset[str]
    read: Callable[[Iterable[Node]], Reply]


_KINDS = {
    binding.Meta.namespace: _Kind(document_type(binding), reader.CUT, reader.read)
    for binding, reader in ((Status10, status), (Status12, status), (Notification08, notification))
}


def read(content: bytes) -> Reply:
    """What the bank told. Raises Refused, and SchemaMissing if the installation lacks an XSD.

    The amounts of a status report are checked where it gives them. Whether an id is known, a batch's total is what we
    sent, or a file was read before, only the payments themselves can tell.
    """
    found = stream.namespace(content)
    kind = _KINDS.get(found)
    if kind is None:
        known = ", ".join(name.rpartition(":")[2] for name in sorted(_KINDS))
        raise Refused("UNKNOWN_SCHEMA", f"The file is of the schema {quoted(found)}; read are {known}.")
    reply = kind.read(stream.parts(content, kind.document, found, kind.cut))
    invalid = published.fault(found, content)
    if invalid is not None:
        raise Refused("NOT_OF_SCHEMA", invalid)
    return reply
