"""Charts as SVG, drawn on the server: bars and lines that read without colour, wide as the place they stand in.

What is across goes in parts of a hundred, what is upright in pixels: so a chart fits a phone and a wall, and nothing in it is
stretched. Colours and fonts are the style sheet's; a pattern is said where it is used, since a style sheet of its own file
could not name one of the page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from markupsafe import Markup

Mark = Literal["late", "open", "closed", "opened"]

BAR = 22  # pixels
LEAST = 0.8  # parts of a hundred that one case takes, however many the others are: it has to be seen
LINES = 150  # pixels from the top of a chart of lines to its ground
EDGE = 7  # parts of a hundred kept free on either side, for the names below
LABELS = 6  # that have room below on a phone

#: hatched, full, and dotted; their strokes and fills are the style sheet's
PATTERNS = Markup(
    '<svg class="patterns" width="0" height="0" aria-hidden="true" focusable="false"><defs>'
    '<pattern id="pattern-late" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect class="ground" width="7" height="7"/><rect class="hatch" width="3" height="7"/></pattern>'
    '<pattern id="pattern-closed" width="7" height="7" patternUnits="userSpaceOnUse">'
    '<rect class="ground" width="7" height="7"/><circle class="dot" cx="3.5" cy="3.5" r="1.4"/></pattern>'
    "</defs></svg>"
)
FILLS: Mapping[str, Markup] = {
    "late": Markup(' fill="url(#pattern-late)"'),
    "closed": Markup(' fill="url(#pattern-closed)"'),
}
FULL = Markup()  # what the style sheet fills


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a stacked bar: how it is marked, and how many it stands for."""

    mark: Mark
    count: int


@dataclass(frozen=True, slots=True)
class Series:
    """Numbers over the same months, in the order of time."""

    mark: Mark
    title: str
    numbers: Sequence[int]


def bar(parts: Sequence[Part], most: int, title: str) -> Markup:
    """One bar, its parts one behind the other.

    most     how many the whole width stands for
    title    the bar in words, for who does not see it
    """
    drawn, at = Markup(), 0.0
    for part in parts:
        if not part.count:
            continue
        width = max(LEAST, 100 * part.count / max(most, 1))
        width = min(width, 100 - at)
        drawn += Markup('<rect class="{}" x="{}%" width="{}%" y="1" height="{}"{}/>').format(
            part.mark, _short(at), _short(width), BAR - 2, FILLS.get(part.mark, FULL)
        )
        at += width
    return Markup('<svg class="chart bar-of" role="img" width="100%" height="{}"><title>{}</title>{}</svg>').format(
        BAR, title, drawn
    )


def sample(mark: Mark) -> Markup:
    """A piece of a bar, beside the word it stands for."""
    return Markup(
        '<svg class="chart sample" width="24" height="16" aria-hidden="true" focusable="false">'
        '<rect class="{}" x="1" y="1" width="22" height="14"{}/></svg>'
    ).format(mark, FILLS.get(mark, FULL))


def lines(series: Sequence[Series], names: Sequence[str], title: str, told: str) -> Markup:
    """Lines over months, each with a stroke and points of its own.

    names    of the months; where there are many, only some of them are written
    told     the chart in a sentence
    """
    most = max((number for one in series for number in one.numbers), default=0) or 1
    across = [EDGE + (100 - 2 * EDGE) * (n / max(len(names) - 1, 1)) for n in range(len(names))]
    step = -(-len(names) // LABELS)
    drawn = Markup()
    for share in (0, 0.5, 1):
        height = _height(most * share, most)
        drawn += Markup('<line class="grid" x1="0%" x2="100%" y1="{0}" y2="{0}"/>').format(height)
    for n, name in enumerate(names):
        if (len(names) - 1 - n) % step == 0:
            drawn += Markup('<text class="below" x="{}%" y="{}" text-anchor="middle">{}</text>').format(
                _short(across[n]), LINES + 22, name
            )
    drawn += Markup('<text class="scale" x="0" y="{}">{}</text>').format(_height(most, most) - 4, most)
    for one in series:
        drawn += _line(one, across, most)
    return Markup(
        '<svg class="chart lines" role="img" width="100%" height="{}"><title>{}</title><desc>{}</desc>{}</svg>'
    ).format(LINES + 32, title, told, drawn)


def _line(series: Series, across: Sequence[float], most: int) -> Markup:
    places = [(at, _height(number, most)) for at, number in zip(across, series.numbers, strict=True)]
    drawn = Markup()
    for (x1, y1), (x2, y2) in pairwise(places):
        drawn += Markup('<line class="{}" x1="{}%" y1="{}" x2="{}%" y2="{}"/>').format(
            series.mark, _short(x1), y1, _short(x2), y2
        )
    for x, y in places:
        drawn += _point(series.mark, x, y)
    return drawn


def _point(mark: Mark, x: float, y: float) -> Markup:
    if mark == "closed":  # a square; the other is round
        return Markup(
            '<svg x="{}%" y="{}" overflow="visible"><rect class="{} point" x="-4" y="-4" width="8" height="8"/></svg>'
        ).format(_short(x), y, mark)
    return Markup('<circle class="{} point" cx="{}%" cy="{}" r="4.5"/>').format(mark, _short(x), y)


def line_sample(mark: Mark) -> Markup:
    return Markup(
        '<svg class="chart sample" width="32" height="16" aria-hidden="true" focusable="false">'
        '<line class="{}" x1="0" x2="32" y1="8" y2="8"/>{}</svg>'
    ).format(
        mark,
        Markup('<rect class="closed point" x="12" y="4" width="8" height="8"/>')
        if mark == "closed"
        else Markup('<circle class="{} point" cx="16" cy="8" r="4.5"/>').format(mark),
    )


def _height(number: float, most: int) -> float:
    return round(LINES - (LINES - 24) * number / most, 1)


def _short(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")
