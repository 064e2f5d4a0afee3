"""A loop as a diagram: states as boxes with whom they wait for, how long, and who is told; steps as arrows with who takes them.

Drawn in words and places; the template makes SVG of it. It reads without colour: what leads back is dashed, what ends has
a double frame, and a reminder, the deadline and what goes higher up have each a shape of their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from api.pages.layers import Box, Layout, Link, Route, laid_out
from api.pages.lettering import broken, width_of
from api.pages.words import WORDS
from engine.deadlines import Ladder, Rung
from engine.definition import (
    FromFact,
    FromPeriod,
    Signing,
    State,
    Transition,
    Within,
    Workflow,
    adjusted,
)
from engine.errors import Locale, Text

Voice = Literal["name", "step", "who", "clock"]
Shape = Literal["reminder", "deadline", "escalation", "repeat"]

SIZES: Mapping[Voice, float] = {"name": 16, "step": 14, "who": 12.5, "clock": 12.5}  # as the style sheet has them
BROAD: Mapping[Voice, float] = {"name": 1.14, "step": 1.12, "who": 1, "clock": 1}  # heavy letters are wider
LEADING = 1.42  # from line to line, of the letters' size
PADDING = 12.0
INSIDE = 236.0  # most that words take in a box
LABEL = 132.0  # and beside an arrow
DOT = 11.0  # radius of a number's disc
ENTRY = 20.0  # where cases come in
TICK = 30.0  # from rung to rung
RUNGS = 44.0  # height of a ladder

UNITS = {"hours": Text("小时", "hours"), "days": Text("天", "days"), "workdays": Text("个工作日", "working days")}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of words, its baseline at `y`; where a step begins, its number."""

    voice: Voice
    words: str
    x: float
    y: float
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """A rung of a ladder: its shape, and its working days from the deadline beneath."""

    shape: Shape
    words: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class DrawnState:
    name: str
    x: float
    y: float
    width: float
    height: float
    final: bool
    lines: Sequence[Line]
    ticks: Sequence[Tick]
    rule: float | None  # where what stays begins, parted by a line


@dataclass(frozen=True, slots=True)
class Arrow:
    """A way from state to state, and the words beside it. The first arrow is the one by which cases come in."""

    path: str
    back: bool
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Diagram:
    """`slices`: (top, height) of the pieces that a sheet of paper may end behind: no word and no box is cut by them."""

    states: Sequence[DrawnState]
    arrows: Sequence[Arrow]
    entry: tuple[float, float]
    width: float
    slices: Sequence[tuple[float, float]]


#: a step with the number it has in the drawing and in the table
Numbered = tuple[int, Transition]
#: a step's number, and what is said of it, line by line
Said = tuple[int | None, list[tuple["Voice", str]]]


class Wording:
    """A loop's people, clocks and rungs in a reader's language.

    holds   the numbers in force
    """

    def __init__(self, loop: Workflow, holds: Mapping[str, Any], locale: Locale) -> None:
        self.loop, self._holds, self.locale = loop, holds, locale
        self.colon = "：" if locale == "zh" else ": "

    def one(self, name: str) -> str:
        return WORDS[name].in_(self.locale)

    def joined(self, words: Sequence[str]) -> str:
        return ("、" if self.locale == "zh" else ", ").join(words)

    def people(self, names: Sequence[str]) -> str:
        return self.joined([self.loop.called(name).in_(self.locale) for name in names])

    def due(self, state: State) -> str:
        if isinstance(state.due, Within):
            return self.within(state.due)
        if isinstance(state.due, FromFact):
            return self.one("due_from_form")
        return self.one("due_from_period") if isinstance(state.due, FromPeriod) else ""

    def within(self, allowed: Within) -> str:
        unit, amount = allowed.given
        many = self._holds.get(amount, amount) if isinstance(amount, str) else amount
        return f"{many} {UNITS[unit].in_(self.locale)}"

    def mode(self, mode: str) -> str:
        """A mode of the sign-off table in words; one that is not told apart by words has none."""
        titles = {} if self.loop.sign_off is None else self.loop.sign_off.titles
        return titles[mode].in_(self.locale) if mode in titles else ""

    def in_mode(self, mode: str, names: Sequence[str]) -> str:
        """For whom it waits in this mode."""
        return (f"{said}{self.colon}" if (said := self.mode(mode)) else "") + self.people(names)

    def who(self, step: Transition) -> str:
        """Who takes the step; where it depends on the case, that the sign-off table says so."""
        if step.sign_off is None:
            return self.people(step.by)
        table = {} if self.loop.sign_off is None else self.loop.sign_off.rows
        signers = {self.signers(row) for (_, name), row in table.items() if name == step.sign_off}
        said = signers.pop() if len(signers) == 1 else self.one("by_sign_off")
        return self.joined([said, self.people(step.by)]) if step.by else said

    def signers(self, row: Signing) -> str:
        return self.people(row.by) + (f" × {row.count}" if row.count > 1 else "")

    def excluded(self, row: Signing) -> str:
        """Who never signs."""
        never = [self.loop.called(name).in_(self.locale) for name in row.never]
        return self.joined([*never, self.one("signing_others")] if row.not_all_from else never)

    def escalates(self, step: Transition) -> str:
        if step.escalates is None:
            return ""
        at = step.escalates.at
        many = self._holds.get(at, at) if isinstance(at, str) else at
        who = self.people(step.escalates.to)
        return f"▲ 第 {many} 次起报{who}" if self.locale == "zh" else f"▲ from no. {many} on to {who}"

    def ladder(self, state: State) -> Ladder | None:
        return None if state.ladder is None else adjusted(state.ladder, self._holds.get("rung_offsets", {}))

    def rung(self, rung: Rung) -> str:
        """When it comes, in words."""
        if rung.repeats:
            every = rung.every_workdays
            return f"此后每 {every} 个工作日" if self.locale == "zh" else f"then every {every} working days"
        days = rung.offset_workdays or 0
        if not days:
            return "到期当日" if self.locale == "zh" else "on the day it is due"
        if self.locale == "zh":
            return f"{'逾期' if days > 0 else '到期前'} {abs(days)} 个工作日"
        unit = "working day" if abs(days) == 1 else "working days"
        return f"{abs(days)} {unit} {'overdue' if days > 0 else 'before it is due'}"

    def told(self, rung: Rung) -> str:
        """Whom it reaches."""
        who = self.people(rung.to)
        return f"{who} · {self.one('at_once')}" if rung.how == "direct" else who


def shape_of(rung: Rung) -> Shape:
    """It goes higher up when it is overdue and tells others than him whom the case waits for."""
    if rung.repeats:
        return "repeat"
    days = rung.offset_workdays or 0
    if not days:
        return "deadline"
    return "escalation" if days > 0 and not set(rung.to) <= {"assignee", "holder"} else "reminder"


def numbered(loop: Workflow) -> list[Numbered]:
    """In the order the loop has them; a step that leaves several states is one."""
    return list(enumerate(loop.transitions, 1))


def drawn(words: Wording) -> Diagram:
    """The loop laid out. Steps that go the same way share an arrow; what leaves a case where it is stands in its box."""
    loop, steps = words.loop, numbered(words.loop)
    places = {state.name: n for n, state in enumerate(loop.states, 1)}
    inner = [_Inside(words, state, [each for each in steps if state.name in each[1].sources]) for state in loop.states]
    moving: dict[tuple[int, int], list[Said]] = {}
    for number, step in steps:
        for source in step.sources:
            if step.target not in (None, source):
                way = (places[source], places[str(step.target)])
                moving.setdefault(way, []).append((number, _told(words, step)))
    labels = {(0, 1): _Lettered([_opening(words)])} | {way: _Lettered(said) for way, said in sorted(moving.items())}
    layout = laid_out(
        (Box(ENTRY, ENTRY), *(Box(each.width, each.height) for each in inner)),
        tuple(Link(*way, DOT + 2, label.width, label.height) for way, label in labels.items()),
    )
    return _put(layout, inner, list(labels.values()))


def _opening(words: Wording) -> Said:
    said: list[tuple[Voice, str]] = [("step", words.one("opens_case")), ("who", words.people(words.loop.opens_by))]
    said += [("who", rule.cycle.title.in_(words.locale)) for rule in words.loop.cycles]
    return None, said


def _told(words: Wording, step: Transition) -> list[tuple[Voice, str]]:
    said: list[tuple[Voice, str]] = [("step", step.title.in_(words.locale)), ("who", words.who(step))]
    return [*said, ("clock", words.escalates(step))] if step.escalates is not None else said


class _Lettered:
    """The words beside an arrow, one step under the other, from the arrow's line and the top of its label."""

    def __init__(self, steps: Sequence[Said]) -> None:
        self.lines: list[Line] = []
        x = DOT + 6
        y = 0.0
        for number, said in steps:
            first: int | None = number
            for voice, words in said:
                for line in broken(words, _broad(voice), LABEL):
                    y += SIZES[voice] * LEADING
                    self.lines.append(Line(voice, line, x, round(y - SIZES[voice] * 0.36, 1), first))
                    first = None
            y += 6
        self.height = round(y - 6 + 3, 1)
        self.width = round(x + max(width_of(line.words, _broad(line.voice)) for line in self.lines), 1)


class _Inside:
    """What stands in a state's box, from its left upper corner, and how large that makes it."""

    def __init__(self, words: Wording, state: State, steps: Sequence[Numbered]) -> None:
        self.state, self._at = state, PADDING - 4
        self.lines: list[Line] = []
        self.ticks: list[Tick] = []
        self.rule: float | None = None
        self._write("name", state.title.in_(words.locale))
        if state.final:
            self._write("who", words.one("final_state"))
        else:
            self._write("who", f"{words.one('awaits')} {words.people(state.awaits)}")
        for mode, others in state.awaits_in.items():
            self._write("who", words.in_mode(mode, others))
        if due := words.due(state):
            self._write("clock", f"{words.one('within')} {due}")
        if state.acknowledge:
            self._write("clock", f"{words.one('receipt_within')} {words.within(state.acknowledge.within)}")
        if ladder := words.ladder(state):
            self._climb(ladder)
        stays = [(number, step) for number, step in steps if step.target in (None, state.name)]
        if stays:
            self._at += 6
            self.rule = self._at
            self._at += 4
        for number, step in stays:
            for n, (voice, said) in enumerate(_told(words, step)):
                self._write(voice, said, None if n else number, indented=True)
        widths = [line.x + width_of(line.words, _broad(line.voice)) for line in self.lines]
        widths += [tick.x + TICK / 2 for tick in self.ticks]
        self.width = round(max(widths) + PADDING, 1)
        self.height = round(self._at + PADDING - 4, 1)

    def _write(self, voice: Voice, words: str, number: int | None = None, *, indented: bool = False) -> None:
        aside = 2 * DOT + 6 if indented else 0
        for line in broken(words, _broad(voice), INSIDE - aside):
            self._at += SIZES[voice] * LEADING
            self.lines.append(Line(voice, line, PADDING + aside, round(self._at - SIZES[voice] * 0.36, 1), number))
            number = None

    def _climb(self, ladder: Ladder) -> None:
        for n, rung in enumerate(ladder.rungs):
            offset = rung.offset_workdays or 0
            words = f"/{rung.every_workdays}" if rung.repeats else f"{offset:+d}".replace("-", "−") if offset else "0"
            self.ticks.append(Tick(shape_of(rung), words, PADDING + TICK * (n + 0.5), round(self._at + 18, 1)))
        self._at += RUNGS


def _broad(voice: Voice) -> float:
    """The size of letters as wide as these."""
    return SIZES[voice] * BROAD[voice]


def _put(layout: Layout, inner: Sequence[_Inside], labels: Sequence[_Lettered]) -> Diagram:
    entry, *boxes = layout.boxes
    states = [
        DrawnState(
            each.state.name, box.x, box.y, box.width, box.height, each.state.final,
            [_moved(line, box.x, box.y) for line in each.lines],
            [Tick(tick.shape, tick.words, round(box.x + tick.x, 1), round(box.y + tick.y, 1)) for tick in each.ticks],
            None if each.rule is None else round(box.y + each.rule, 1),
        )
        for each, box in zip(inner, boxes, strict=True)
    ]  # fmt: skip
    arrows = [_arrow(route, label) for route, label in zip(layout.routes, labels, strict=True)]
    middle = (round(entry.x + ENTRY / 2, 1), round(entry.y + ENTRY / 2, 1))
    slices = [(top, round(bottom - top, 1)) for top, bottom in pairwise([0.0, *layout.cuts[1:], layout.height])]
    return Diagram(states, arrows, middle, layout.width, slices)


def _arrow(route: Route, label: _Lettered) -> Arrow:
    lines = [_moved(line, route.axis, route.label.y) for line in label.lines]
    return Arrow(route.path, route.back, lines)


def _moved(line: Line, x: float, y: float) -> Line:
    return Line(line.voice, line.words, round(line.x + x, 1), round(line.y + y, 1), line.number)
