"""The published XSDs, from the files of the `pain001` package, which is never imported: its schemas are all we need."""

from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from io import BytesIO

from lxml import etree

_FILES = {
    "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09": "pain001/templates/pain.001.001.09/pain.001.001.09.xsd",
    "urn:iso:std:iso:20022:tech:xsd:pain.002.001.12": "pain001/pain002/schemas/pain.002.001.12.xsd",
}


class SchemaMissing(Exception):
    """A published schema is not installed; the message is one sentence that says what to install."""


def fault(namespace: str, content: bytes) -> str | None:
    """What the published XSD holds against a document without a DTD; None if nothing, or if there is no such XSD.

    The first fault's kind and line, not its value: that could be a payee's. Raises SchemaMissing.
    """
    if namespace not in _FILES:
        return None
    # Without the schema in the parser itself (a target parser, say) the library would check nothing, and say nothing.
    events = etree.iterparse(
        BytesIO(content),
        events=("end",),
        schema=_schema(namespace),
        encoding="utf-8",
        resolve_entities=False,
        remove_comments=True,
        remove_pis=True,
        no_network=True,
    )
    try:
        for _, element in events:
            element.clear()
    except etree.XMLSyntaxError:
        first = events.error_log[0] if len(events.error_log) else None
        where = f"{first.type_name} in line {first.line}" if first is not None else "it cannot be parsed"
        return f"The document is not valid by its published schema: {where}."
    return None


def load() -> None:
    """Reads every schema, so that a service finds one missing when it starts. Raises SchemaMissing."""
    for namespace in _FILES:
        _schema(namespace)


@cache
def _schema(namespace: str) -> etree.XMLSchema:
    file = _FILES[namespace]
    try:
        path = distribution("pain001").locate_file(file)
        return etree.XMLSchema(etree.parse(str(path)))
    except (PackageNotFoundError, OSError, etree.LxmlError) as problem:
        raise SchemaMissing(
            f"The schema {file} of the package pain001 cannot be read: install the version that the lock file pins."
        ) from problem
