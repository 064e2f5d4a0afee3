"""A case's loop drawn: the five states on a ring, how far it has come, and what closes it. SVG, readable without colour."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import cos, pi, sin
from typing import Literal

from engine.case import FIVE_STATES, Case
from engine.definition import Workflow
from engine.errors import Locale

SIZE = 240  # of the square it is drawn in
CENTRE = SIZE / 2
RADIUS = 84.0
LABEL_DISTANCE = 20  # from the middle of a mark

Progress = Literal["done", "here", "ahead"]


@dataclass(frozen=True, slots=True)
class Station:
    """One of the five states on the ring.

    x, y          of its mark, in the drawing
    label_x, label_y, anchor   of its name, outside the ring
    progress      done, here, or ahead
    """

    number: int
    title: str
    progress: Progress
    x: float
    y: float
    label_x: float
    label_y: float
    anchor: Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a template needs to draw the loop. `here`: the title of where the case stands, which may be none of the five."""

    stations: Sequence[Station]
    travelled: str
    ahead: str
    here: str
    closed: bool


def drawn(workflow: Workflow, case: Case, locale: Locale) -> Drawn:
    at = FIVE_STATES.index(case.counts_as)
    stations = [
        Station(
            place + 1,
            _title(workflow, counted, locale),
            _progress(place, at, final=case.final),
            *_set(place),
        )
        for place, counted in enumerate(FIVE_STATES)
        if _title(workflow, counted, locale)
    ]
    reached = len(FIVE_STATES) if case.final else at
    return Drawn(
        stations=stations,
        travelled=_arc(0, reached),
        ahead=_arc(reached, len(FIVE_STATES)),
        here=workflow.state(case.state).title.in_(locale),
        closed=case.final,
    )


def _progress(place: int, at: int, *, final: bool) -> Progress:
    if place < at or (final and place == at):
        return "done"
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
