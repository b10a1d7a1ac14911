"""A stranger's XML, read once and piece by piece: refused before it can cost memory, time or a look at another file.

A document type declaration ends the reading at once, so there are no entities, and nothing is ever fetched. Every
element is held against the schema as it opens, so what does not belong is refused where it begins. Only one entry of
a long file is in memory at a time.
"""

import codecs
from collections.abc import Iterator, Sequence
from xml.parsers import expat

from services.payments.bank.refused import ReasonCode, Refused, quoted
from services.payments.bank.schema import Child, ElementType

MAX_BYTES = 64 * 1024 * 1024
# A tag or comment that does not end keeps the parser reading it again and again.
_MAX_TOKEN_BYTES = 1024 * 1024
_MAX_TEXT = 20_000
_MAX_DEPTH = 64
# Of one entry, or of all that is not in an entry.
_MAX_ELEMENTS = 20_000
_CHUNK_BYTES = 16 * 1024
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance "


class Node:
    """An element: local name, attributes, its text or its children."""

    __slots__ = ("attributes", "children", "tag", "text")

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.text = ""
        self.children: list[Node] = []

    def all(self, tag: str) -> Iterator["Node"]:
        """The children of that name."""
        return (child for child in self.children if child.tag == tag)

    def first(self, *path: str) -> "Node | None":
        """The first element at the end of the path."""
        node: Node | None = self
        for tag in path:
            node = next(node.all(tag), None) if node is not None else None
        return node

    def value(self, *path: str) -> str | None:
        """The text of the first element at the end of the path."""
        node = self.first(*path)
        return node.text if node is not None else None


def namespace(content: bytes) -> str:
    """The namespace of the document element, "" without one; no more than that element is read. Raises Refused."""
    if len(content) > MAX_BYTES:
        raise Refused("TOO_LARGE", f"The file is larger than {MAX_BYTES // 1024 // 1024} MiB.")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        # The parser would follow such a mark, whatever encoding it was told.
        raise Refused("NOT_XML", "The file is not XML in UTF-8: it is marked as UTF-16.")
    parser = _parser()

    def started(name: str, attributes: Sequence[str]) -> None:
        raise _Found(name.rpartition(" ")[0])

    parser.StartElementHandler = started
    try:
        for _ in _fed(parser, content):
            pass
    except _Found as found:
        return found.namespace
    raise AssertionError("XML without an element is not well formed")


def parts(content: bytes, document: ElementType, of: str, cut: frozenset[str]) -> Iterator[Node]:
    """Each element whose name is in `cut`, as soon as it is complete, without the cut ones in it; at last the document.

    `of` is the namespace, `document` the type of its document element. Raises Refused, also after some parts.
    """
    reader = _Reader(_parser(), document, of, cut)
    for _ in _fed(reader.parser, content):
        yield from reader.done
        reader.done.clear()


class _Found(Exception):
    def __init__(self, of: str) -> None:
        self.namespace = of


class _Open:
    """An element that has begun and not ended."""

    __slots__ = ("count", "elements_before", "node", "position", "text", "type")

    def __init__(self, kind: ElementType, node: Node, elements_before: int) -> None:
        self.type = kind
        self.node = node
        self.elements_before = elements_before
        self.position = -1
        self.count = 0
        self.text: list[str] = []


class _Reader:
    def __init__(self, parser: expat.XMLParserType, document: ElementType, of: str, cut: frozenset[str]) -> None:
        self.parser = parser
        self.done: list[Node] = []
        self._cut = cut
        outside = Node("", {})
        root = ElementType("file", required=[True])
        root.children[f"{of} Document"] = Child("Document", 0, 1, document)
        self._open = [_Open(root, outside, 0)]
        self._elements = 0
        # How deep inside what the schema leaves open.
        self._wild = 0
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters

    def _start(self, name: str, attributes: list[str]) -> None:
        parent = self._open[-1]
        if self._wild or parent.type.wild:
            self._start_wild(parent)
            return
        child = parent.type.children.get(name)
        if child is None:
            raise self._unfit(f"there is no {quoted(name.rpartition(' ')[2])} there")
        self._step(parent, child.position, child.most, child.tag)
        node = Node(child.tag, self._attributes(child.type, attributes))
        self._open.append(_Open(child.type, node, self._elements))
        self._count()

    def _count(self) -> None:
        self._elements += 1
        if self._elements > _MAX_ELEMENTS:
            raise self._refused("TOO_LARGE", f"one entry has more than {_MAX_ELEMENTS} elements")

    def _start_wild(self, parent: _Open) -> None:
        if not self._wild and parent.count:
            raise self._unfit("there is more than one element there")
        parent.count += not self._wild
        self._wild += 1
        self._count()
        if self._wild > _MAX_DEPTH:
            raise self._refused("TOO_LARGE", f"elements are nested more than {_MAX_DEPTH} deep")

    def _step(self, parent: _Open, position: int, most: int, tag: str) -> None:
        """One more child at `position`: in order, not too often, and nothing left out before it."""
        if position == parent.position:
            parent.count += 1
            if parent.count > most:
                raise self._unfit(f"there are more than {most} of {tag}")
            return
        if position < parent.position or (parent.type.choice and parent.position >= 0):
            raise self._unfit(f"{tag} stands in a wrong place")
        if not parent.type.choice:
            self._nothing_missing(parent, position)
        parent.position = position
        parent.count = 1

    def _nothing_missing(self, parent: _Open, before: int) -> None:
        required = parent.type.required
        for position in range(parent.position + 1, before):
            if required[position]:
                missing = next(c.tag for c in parent.type.children.values() if c.position == position)
                raise self._unfit(f"{missing} is missing")

    def _attributes(self, kind: ElementType, given: list[str]) -> dict[str, str]:
        kept: dict[str, str] = {}
        for name, value in zip(given[::2], given[1::2], strict=True):
            if name in (_INSTANCE + "schemaLocation", _INSTANCE + "noNamespaceSchemaLocation"):
                continue
            fits = kind.attributes.get(name, _nothing)(value)
            if fits is None:
                raise self._unfit(f"the attribute {quoted(name.rpartition(' ')[2])} does not belong there")
            kept[name] = fits
        if len(kept) < len(kind.attributes):
            raise self._unfit(f"{' and '.join(kind.attributes)} is missing of an element")
        return kept

    def _characters(self, text: str) -> None:
        if self._wild:
            return
        if self._open[-1].type.text is None:
            if text.strip(" \t\r\n"):
                raise self._unfit("there is text between the elements")
            return
        pieces = self._open[-1].text
        pieces.append(text)
        if sum(map(len, pieces)) > _MAX_TEXT:
            raise self._refused("TOO_LARGE", f"a text is longer than {_MAX_TEXT} characters")

    def _end(self, name: str) -> None:
        if self._wild:
            self._wild -= 1
            return
        ended = self._open[-1]
        kind, node = ended.type, ended.node
        if kind.text is not None:
            fits = kind.text("".join(ended.text))
            if fits is None:
                raise self._unfit("a value has the wrong form")
            node.text = fits
        if kind.choice or kind.wild:
            if not ended.count:
                raise self._unfit("an element is empty that must not be")
        else:
            self._nothing_missing(ended, len(kind.required))
        self._open.pop()
        if node.tag in self._cut or len(self._open) == 1:
            self.done.append(node)
            self._elements = ended.elements_before
        else:
            self._open[-1].node.children.append(node)

    def _unfit(self, what: str) -> Refused:
        return self._refused("NOT_OF_SCHEMA", what)

    def _refused(self, code: ReasonCode, what: str) -> Refused:
        path = "/".join(one.node.tag for one in self._open[1:]) or "the file"
        return Refused(code, f"In {path}, line {self.parser.CurrentLineNumber}: {what}.")


def _nothing(_: str) -> None:
    return None


def _parser() -> expat.XMLParserType:
    # UTF-8 whatever the file declares, so that no two readers of it see two documents.
    parser = expat.ParserCreate("UTF-8", " ")
    parser.buffer_text = True
    parser.ordered_attributes = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    return parser


def _refuse_doctype(*_: object) -> None:
    raise Refused(
        "FORBIDDEN_XML",
        "The file has a document type declaration or entities; a payment message has neither, so it is not read.",
    )


def _fed(parser: expat.XMLParserType, content: bytes) -> Iterator[None]:
    """Feeds the whole content, with a pause after each chunk."""
    view = memoryview(content)
    try:
        for begin in range(0, len(content), _CHUNK_BYTES):
            chunk = view[begin : begin + _CHUNK_BYTES]
            parser.Parse(chunk, False)
            if begin + len(chunk) - max(parser.CurrentByteIndex, 0) > _MAX_TOKEN_BYTES:
                raise Refused("TOO_LARGE", f"A tag or comment in line {parser.CurrentLineNumber} does not end.")
            yield
        parser.Parse(b"", True)
        yield
    except expat.ExpatError as problem:
        raise Refused(
            "NOT_XML", f"The file is not XML in UTF-8: {expat.ErrorString(problem.code)} in line {problem.lineno}."
        ) from None
