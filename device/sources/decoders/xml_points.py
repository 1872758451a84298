"""Extracts raw points from XML in one pass over the elements, by their names without a prefix.

How it works. The parser is expat without namespaces, because some files declare no namespace, or a
wrong one, for a prefix that they use. Points before an error are kept, since a file that was cut
off still holds a ride. After an error, each further point is parsed alone, so that damage spoils
only the points it is in. Everything is bounded: elements, points, depth, the length of one piece,
and broken points.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple
from xml.parsers.expat import ErrorString, ExpatError, ParserCreate, XMLParserType

from shared.errors import SourceError

POINT_NAMES = ("trackpoint", "trkpt", "rtept", "wpt")
_PART_NAMES = frozenset({"trk", "trkseg", "rte", "activity", "track"})
ELEMENTS_MAX = 2_000_000
"""Ten hours at 1 Hz with 20 elements a point are 720,000. This many take a few seconds."""

POINTS_MAX = 200_000
"""More than two days at 1 Hz."""

DEPTH_MAX = 100
TEXT_MAX = 64
"""Every number and time is shorter."""

_BROKEN_MAX = 1000
"""After this many broken points the rest of the file is not searched."""

_POINT = re.compile(
    rb"<((?:[\w.-]+:)?(?:" + "|".join(POINT_NAMES).encode() + rb"))(?=[\s/>])", re.IGNORECASE
)
_PART = re.compile(rb"<(?:[\w.-]+:)?(?:trk|trkseg|rte|activity|track)[\s>]", re.IGNORECASE)
_SLICE = 1 << 20
_PIECE_MAX = 4 << 20
"""expat scans an unfinished tag or comment again with each slice, so its length is bounded."""


class RawPoint(NamedTuple):
    """A point as text: its attributes and elements by name."""

    kind: str
    part: int
    texts: dict[str, str]


@dataclass(slots=True)
class Document:
    """The name of the root, the points, and the damage of the file."""

    root: str = ""
    points: list[RawPoint] = field(default_factory=list)
    damage: str | None = None
    broken: int = 0
    """Points after the damage that could not be read."""
    _part: int = 0
    _depth: int = 0
    _elements: int = 0
    _inside: RawPoint | None = None
    _text: str = ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Handle a start tag."""
        self._depth += 1
        self._elements += 1
        if self._depth > DEPTH_MAX or self._elements > ELEMENTS_MAX:
            raise SourceError(
                f"it has more than {ELEMENTS_MAX:,} elements, or they are nested more than "
                f"{DEPTH_MAX} deep"
            )
        local = _local(name)
        self._text = ""
        if not self.root:
            self.root = local
        if self._inside is None and local in POINT_NAMES:
            texts = {_local(key): value[:TEXT_MAX].strip() for key, value in attributes.items()}
            self._inside = RawPoint(local, self._part, texts)
        elif local in _PART_NAMES:
            self._part += 1

    def data(self, text: str) -> None:
        """Handle characters, within a point only."""
        if self._inside is not None and len(self._text) <= TEXT_MAX:
            self._text += text[: TEXT_MAX + 1]

    def end(self, name: str) -> None:
        """Handle an end tag: of a value, or of a point."""
        self._depth -= 1
        inside = self._inside
        if inside is None:
            return
        local = _local(name)
        if local == inside.kind:
            self._keep(inside)
        elif text := self._text.strip():
            inside.texts.setdefault(local, text)
        self._text = ""

    def doctype(self, name: str, system: str | None, public: str | None, internal: int) -> None:
        """Refuse a document type with definitions: with entities a small file can grow large."""
        if internal:
            raise SourceError("it defines entities of its own, which no ride needs")

    @property
    def is_inside(self) -> bool:
        """Whether a point has begun and not ended."""
        return self._inside is not None

    def forget(self) -> None:
        """Drop the point that is damaged, and the elements around it."""
        self._inside, self._depth, self._text = None, 0, ""

    def pass_over(self, begins_part: bool) -> None:
        """Count a new part that began in the bytes that were skipped."""
        self._part += begins_part

    def _keep(self, point: RawPoint) -> None:
        if len(self.points) >= POINTS_MAX:
            raise SourceError(f"it has more than {POINTS_MAX:,} points")
        self.points.append(point)
        self._inside = None


def read_points(text: str) -> Document:
    """Read all points; raises :class:`SourceError` if a limit is exceeded."""
    document, data = Document(), text.encode()
    parser = _parser(document)
    try:
        for begin in range(0, len(data), _SLICE):
            parser.Parse(data[begin : begin + _SLICE], False)
            if begin + _SLICE - parser.CurrentByteIndex > _PIECE_MAX:
                raise SourceError(f"a piece of its XML is longer than {_PIECE_MAX:,} bytes")
        parser.Parse(b"", True)
    except ExpatError as error:
        document.damage = _damage(error)
        _read_singly(document, data, parser.ErrorByteIndex)
    return document


def _read_singly(document: Document, data: bytes, at: int) -> None:
    """Parse each point after an error as a document of its own."""
    tag = data.rfind(b"<", 0, at)
    document.broken += document.is_inside or _POINT.match(data, max(0, tag)) is not None
    document.forget()
    while (begin := _POINT.search(data, at)) and document.broken < _BROKEN_MAX:
        end = data.find(b"</" + begin[1], begin.end())
        stop = data.find(b">", end) + 1
        if end < 0 or stop == 0:
            document.broken += 1
            break
        *_, own = _POINT.finditer(data, begin.start(), end)  # earlier start tags have no end tag
        document.pass_over(_PART.search(data, at, own.start()) is not None)
        try:
            _parser(document).Parse(data[own.start() : min(stop, own.start() + _SLICE)], True)
        except ExpatError:
            document.broken += 1
            document.forget()
        at = stop


def _parser(document: Document) -> XMLParserType:
    parser = ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = document.start
    parser.EndElementHandler = document.end
    parser.CharacterDataHandler = document.data
    parser.StartDoctypeDeclHandler = document.doctype
    return parser


@lru_cache(maxsize=1024)
def _local(name: str) -> str:
    return name.rpartition(":")[2].lower()


def _damage(error: ExpatError) -> str:
    words = ErrorString(error.code) or ""
    if words in {"no element found", "unclosed token", "unclosed CDATA section"}:
        return f"it breaks off in line {error.lineno}"
    return f"its XML is damaged in line {error.lineno}, column {error.offset + 1} ({words})"
