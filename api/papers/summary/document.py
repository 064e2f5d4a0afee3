"""What stands in a stage summary, before anybody knows whether it becomes Word or a page."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Said:
    """Words."""

    text: str


@dataclass(frozen=True, slots=True)
class Counted:
    """A number that was counted. `query`: of the list of exactly the cases it counts."""

    key: str
    text: str
    query: str


@dataclass(frozen=True, slots=True)
class Cited:
    """A case, by its number."""

    text: str


@dataclass(frozen=True, slots=True)
class Gap:
    """What no record says, and somebody has to write."""

    text: str


Part = Said | Counted | Cited | Gap


@dataclass(frozen=True, slots=True)
class Paragraph:
    """`item`: one of a list."""

    parts: tuple[Part, ...]
    item: bool = False

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts)


@dataclass(frozen=True, slots=True)
class Section:
    """`heading`: empty for the opening."""

    heading: str
    paragraphs: tuple[Paragraph, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A number of the table at the end."""

    title: str
    count: Counted


@dataclass(frozen=True, slots=True)
class Document:
    """A stage summary.

    span      the days it is about
    locked    what its numbers are locked to, and how that is known
    dated     the day under it
    signature   by whom it was signed, and when; of a draft that it is one; empty where nobody signs it in the program
    """

    title: str
    school: str
    span: str
    locked: str
    dated: str
    sections: tuple[Section, ...]
    numbers: tuple[Line, ...]
    signature: str = ""

    def counted(self) -> Iterator[Counted]:
        """Every number there is to follow."""
        for section in self.sections:
            for paragraph in section.paragraphs:
                yield from (part for part in paragraph.parts if isinstance(part, Counted))
        yield from (line.count for line in self.numbers)
