"""A case's loop drawn: the five states on a ring, how far it has come, and what closes it. SVG, readable without colour."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from math import cos, pi, sin
from typing import Literal

from api.pages.lettering import broken
from engine.case import FIVE_STATES, Case
from engine.definition import Workflow
from engine.errors import Locale

SIZE = 240  # of the square it is drawn in
CENTRE = SIZE / 2
RADIUS = 84.0
LABEL_DISTANCE = 20  # from the middle of a mark
BESIDE, LETTERS, LINE = 96, 13, 16  # pixels there are for a name beside the ring, its letters, from line to line
WITHIN, LARGE, LARGE_LINE = 128, 20, 24  # the same of the name inside it

Progress = Literal["done", "skipped", "here", "ahead", "ended"]

#: where a case comes to its end without what it was opened for: nothing there is ticked off
OTHERWISE = frozenset(
    {"rejected", "merged", "discarded", "withdrawn", "called_off", "cancelled", "dropped", "waived", "excused"}
)


@dataclass(frozen=True, slots=True)
class Station:
    """One of the five states on the ring, of a loop that has it. Where the case is, it is called as the case's own state is.

    number        in the order of those that the loop has
    x, y          of its mark, in the drawing
    label_x, label_y, anchor   of its name, outside the ring; of its first line
    lines         its name, broken where there is no room for it in one
    progress      done, skipped where it went on without having been there, here, ahead, or ended without what it was for
    """

    number: int
    title: str
    lines: Sequence[str]
    progress: Progress
    x: float
    y: float
    label_x: float
    label_y: float
    anchor: Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a template needs to draw the loop. `here`: the title of where the case stands, which may be none of the five, in
    lines; the first of them stands at `here_y`. What ended early has travelled as far as it came, and is closed all the same.
    `otherwise`: it ended without what it was opened for.
    """

    stations: Sequence[Station]
    travelled: str
    ahead: str
    here: Sequence[str]
    here_y: float
    closed: bool
    otherwise: bool


def drawn(workflow: Workflow, case: Case, been: Iterable[str], locale: Locale) -> Drawn:
    """been   the states it has been in, as its events tell"""
    at = FIVE_STATES.index(case.counts_as)
    passed = {FIVE_STATES.index(workflow.state(name).counted) for name in been} | {at}
    stands = workflow.state(case.state).title.in_(locale)
    titles = {place: _title(workflow, counted, locale) for place, counted in enumerate(FIVE_STATES)} | {at: stands}
    otherwise = case.final and case.state in OTHERWISE
    ends: Progress | None = None if not case.final else "ended" if otherwise else "done"
    stations = [
        _station(number, place, titles[place], _progress(place, at, passed, ends))
        for number, place in enumerate((place for place in titles if titles[place]), start=1)
    ]
    here = broken(stands, LARGE, WITHIN)
    whole = not otherwise and all(place in passed for place in range(at) if titles[place])
    reached = (len(FIVE_STATES) if whole else max(passed - {at}, default=0)) if case.final else at
    return Drawn(
        stations=stations,
        travelled=_arc(0, reached),
        ahead=_arc(reached, len(FIVE_STATES)),
        here=here,
        here_y=CENTRE + 7 - LARGE_LINE / 2 * (len(here) - 1),
        closed=case.final,
        otherwise=otherwise,
    )


def _station(number: int, place: int, title: str, progress: Progress) -> Station:
    x, y, label_x, label_y, anchor = _set(place)
    lines = [title] if anchor == "middle" else broken(title, LETTERS, BESIDE)
    return Station(
        number, title, lines, progress, x, y, label_x, round(label_y - LINE / 2 * (len(lines) - 1), 1), anchor
    )  # fmt: skip


def _progress(place: int, at: int, passed: Collection[int], ends: Progress | None) -> Progress:
    """ends    how the last is shown where it came to its end"""
    if place < at:
        return "done" if place in passed else "skipped"
    if ends is not None and place == at:
        return ends
    return "here" if place == at else "ahead"


@cache
def _title(workflow: Workflow, counted: str, locale: Locale) -> str:
    """What the loop calls the state that counts as this one: the first of them."""
    return next((state.title.in_(locale) for state in workflow.states if state.counted == counted), "")


def _on_ring(place: float, radius: float) -> tuple[float, float]:
    """Clockwise from the top."""
    angle = 2 * pi * place / len(FIVE_STATES) - pi / 2
    return round(CENTRE + radius * cos(angle), 1), round(CENTRE + radius * sin(angle), 1)


def _set(place: int) -> tuple[float, float, float, float, Literal["start", "middle", "end"]]:
    """Where a mark is, and its name: beside it, on the side away from the ring; of the topmost above it."""
    x, y = _on_ring(place, RADIUS)
    if place == 0:
        return x, y, x, y - LABEL_DISTANCE, "middle"
    if x > CENTRE:
        return x, y, x + LABEL_DISTANCE, y + 5, "start"
    return x, y, x - LABEL_DISTANCE, y + 5, "end"


def _arc(start: int, end: int) -> str:
    """A path along the ring from one station to another; "" where there is none to go."""
    points = [_on_ring(place, RADIUS) for place in range(start, end + 1)]
    if len(points) < 2:
        return ""
    legs = [f"A{RADIUS:g} {RADIUS:g} 0 0 1 {x:g} {y:g}" for x, y in points[1:]]
    return f"M{points[0][0]:g} {points[0][1]:g}" + "".join(legs)
