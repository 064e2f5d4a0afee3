"""A kind of paper as one value: what it is called, of which loop it is made, from which events, and what fills each column; or
that it is told in sections of prose.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from api.papers.paper import Cell, Paper
from api.papers.story import Story
from engine.errors import Text
from engine.events import Event
from workflows.reference import forms

#: what stands under a heading: words, pictures by their hashes, or both
Filled = str | tuple[str, ...]
Fill = Callable[[Story, Event], Filled]


def by_hand(_: Story, __: Event) -> str:
    """No record of ours says it: to be written on the paper."""
    return ""


@dataclass(frozen=True)
class Kind:
    """A paper that is made of a case.

    code       of its form in forms.yaml, which says what it is called and which columns it has
    workflow   the key of the loop
    moments    the events it can be made of, each a paper of its own: a hazard returned twice has three opinions
    none_yet   what is said while there is no such event, and what brings one about
    fills      heading → what stands under it; every column of the form has one, and nothing else
    layout     headings by rows, all of them once: two in a row stand beside each other
    number     the document's own number
    related_at  as of when it tells of other cases, where a signature froze that; None for how they stand now
    stamped    whether it ends with where the school puts its stamp
    """

    code: str
    workflow: str
    moments: Callable[[Story], Sequence[Event]]
    none_yet: Text
    fills: Mapping[str, Fill]
    layout: tuple[tuple[str, ...], ...]
    number: Callable[[Story, Event], str] = by_hand
    related_at: Callable[[Story, Event], datetime | None] = lambda _story, _moment: None
    stamped: bool = False
    files: ClassVar[tuple[str, ...]] = ("docx", "xlsx", "html")

    def __post_init__(self) -> None:
        """Raises ValueError where a column is left out, or one is filled that the form does not have."""
        columns = forms()[self.code].columns
        drawn = [heading for row in self.layout for heading in row]
        for what, headings in (("fills", list(self.fills)), ("draws", drawn)):
            if sorted(headings) != sorted(columns):
                odd = sorted(set(headings) ^ set(columns)) or "a column twice"
                raise ValueError(f"the paper {self.code!r} {what} other columns than its form has: {odd}")

    @property
    def title(self) -> Text:
        return forms()[self.code].title

    @property
    def columns(self) -> tuple[str, ...]:
        return forms()[self.code].columns

    def missing(self, story: Story, moment: Event) -> tuple[str, ...]:
        """Headings that have to be filled before it may be issued."""
        return self.paper(story, moment, "").missing

    def paper(self, story: Story, moment: Event, school: str) -> Paper:
        """The paper as this event finished it. Nothing is looked up."""
        form, story = forms()[self.code], replace(story, school=school)
        cells = tuple(
            _cell(heading, self.fills[heading], story, moment, required=heading in form.required)
            for heading in form.columns
        )
        return Paper(
            code=self.code, title=form.title.zh, school=school, number=self.number(story, moment),
            case=story.case.number, sequence=len(story.events), cells=cells, layout=self.layout,
            made_at=story.minute(story.now),
        )  # fmt: skip


@dataclass(frozen=True)
class Prose:
    """A paper that is told in sections of prose, its numbers leading to what they count; no school lays it out itself.

    code, workflow, moments, none_yet   as those of a `Kind`
    missing   what has to happen before it may be issued
    """

    code: str
    workflow: str
    moments: Callable[[Story], Sequence[Event]]
    none_yet: Text
    missing: Callable[[Story, Event], tuple[str, ...]]
    files: ClassVar[tuple[str, ...]] = ("docx", "html")

    @property
    def title(self) -> Text:
        return forms()[self.code].title


def _cell(heading: str, fill: Fill, story: Story, moment: Event, *, required: bool) -> Cell:
    filled = fill(story, moment)
    if isinstance(filled, tuple):
        return Cell(heading, pictures=filled, required=required)
    return Cell(heading, filled, required=required, by_hand=fill is by_hand)


def lines(*said: str) -> str:
    """What was said, a line each, less what is empty."""
    return "\n".join(each for each in said if each)
