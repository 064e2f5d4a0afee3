"""Small pictures of a phone's screens for the help: what stands on them in the pages' own words, and where the finger goes.

Placed here, drawn by a template: rectangles, lines of words, and a numbered ring at each tap.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from api.pages.lettering import broken, width_of
from engine.errors import Locale, Text

WIDTH = 180.0  # of the phone, in the drawing
LEAST = 150.0  # of its height
EDGE = 12.0
TOP = 34.0  # below the head of the page
NAV = 40.0
SMALL, LARGE = 11.0, 13.0  # of letters
ROW = 15.0  # from line to line

Look = Literal["title", "small", "button", "quiet", "field", "camera", "choice", "card", "note"]


@dataclass(frozen=True, slots=True)
class Part:
    """Something on a screen, from top to bottom. `tap`: the how manieth tap of the task hits it; `beside`: it stands in one row
    with the part before it.
    """

    look: Look
    words: Text
    tap: int | None = None
    beside: bool = False


@dataclass(frozen=True, slots=True)
class Screen:
    """A screen of the desk. `area`: the entry of the navigation that is current, "" where there is none; `tapped`: which is hit."""

    parts: Sequence[Part]
    area: str = ""
    tapped: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Drawn:
    """A part in its place, its lines of words with their baselines and their size."""

    look: Look
    x: float
    y: float
    width: float
    height: float
    lines: Sequence[tuple[float, float, str]]
    size: float
    middle: bool


@dataclass(frozen=True, slots=True)
class Tapped:
    number: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Sketch:
    """A screen as it is drawn. `navigation`: where the entries begin, each with its name, words, middle, and whether it is current."""

    parts: Sequence[Drawn]
    entries: Sequence[tuple[str, str, float, bool]]
    navigation: float
    taps: Sequence[Tapped]
    height: float


#: look → height of the part with one line, room below it, size of its letters, most lines
MEASURES: dict[Look, tuple[float, float, float, int]] = {
    "title": (20, 4, LARGE, 2),
    "small": (15, 3, SMALL, 2),
    "note": (22, 8, SMALL, 2),
    "button": (26, 8, SMALL, 1),
    "quiet": (26, 8, SMALL, 1),
    "field": (38, 8, SMALL, 1),
    "camera": (44, 8, SMALL, 1),
    "choice": (30, 8, SMALL, 1),
    "card": (20, 0, SMALL, 2),
}


def sketched(screen: Screen, areas: Sequence[tuple[str, Text]], locale: Locale) -> Sketch:
    """Placed from top to bottom. Words that do not fit are cut with an ellipsis, as on a phone."""
    drawn: list[Drawn] = []
    taps: list[Tapped] = []
    at = TOP + 8
    for row in _rows(screen.parts):
        width = (WIDTH - 2 * EDGE - 6 * (len(row) - 1)) / len(row)
        tall = 0.0
        for n, part in enumerate(row):
            placed = _placed(part, EDGE + n * (width + 6), at, width, locale)
            drawn.append(placed)
            tall = max(tall, placed.height + MEASURES[part.look][1])
            if part.tap is not None:
                taps.append(
                    Tapped(part.tap, round(placed.x + placed.width - 9, 1), round(placed.y + placed.height - 3, 1))
                )
        at += tall
    height = max(at + (NAV if screen.area else 0) + 4, LEAST)
    entries: list[tuple[str, str, float, bool]] = []
    if screen.area:
        share = WIDTH / len(areas)
        for n, (name, words) in enumerate(areas):
            entries.append((name, _cut(words.in_(locale), 9, share), round(share * (n + 0.5), 1), name == screen.area))
            if screen.tapped is not None and screen.tapped[0] == name:
                taps.append(Tapped(screen.tapped[1], round(share * (n + 0.5) + 12, 1), height - NAV + 6))
    return Sketch(drawn, entries, height - NAV, taps, height)


def _rows(parts: Sequence[Part]) -> list[list[Part]]:
    rows: list[list[Part]] = []
    for part in parts:
        if part.beside and rows:
            rows[-1].append(part)
        else:
            rows.append([part])
    return rows


def _placed(part: Part, x: float, y: float, width: float, locale: Locale) -> Drawn:
    height, _, size, most = MEASURES[part.look]
    middle = part.look in ("button", "quiet", "choice", "camera")
    inside = width - (0 if part.look in ("title", "small", "field", "card") else 12)
    words = part.words.in_(locale)
    lines = broken(words, size, inside)
    if len(lines) > most:
        rest = words
        for line in lines[: most - 1]:
            rest = rest[rest.index(line) + len(line) :]
        lines = [*lines[: most - 1], _cut(rest.strip(), size, inside)]
    height += ROW * (len(lines) - 1)
    first = {"field": 10.0, "camera": 36.0}.get(part.look, (height - ROW * (len(lines) - 1)) / 2 + size * 0.36)
    left = x + width / 2 if middle else x + (width - inside) / 2
    told = [(round(left, 1), round(y + first + ROW * n, 1), line) for n, line in enumerate(lines)]
    return Drawn(part.look, round(x, 1), round(y, 1), round(width, 1), height, told, size, middle)


def _cut(words: str, size: float, most: float) -> str:
    if width_of(words, size) <= most:
        return words
    kept = next((n for n in range(len(words), 0, -1) if width_of(words[:n] + "…", size) <= most), 1)
    return words[:kept].rstrip() + "…"
