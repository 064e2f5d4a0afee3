"""Boxes in layers with links between them, laid out so that nothing lies over anything: pure geometry, in pixels.

1. Links that lead back are found, and turned round until the end.
2. Each box goes as many layers down as the longest way to it has links.
3. A link's label gets a place of its own between two layers, and a link that passes a layer gets room to pass there.
4. Each layer is put in order so that few links cross: by the middle of their neighbours, then by swapping two.
5. Each is moved below and above its neighbours as far as the others in its layer leave room; the longest way of all, first of
   all, goes straight down.
6. A link goes straight down through a layer, and bends only between two: so it never runs over a box.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

BESIDE = 18.0  # between two in a layer
BETWEEN = 32.0  # between two layers, at least
ARRIVES = 9.0  # of it, straight before and behind each layer: an arrow's head needs a straight end
SLOPE = 0.14  # what is added to it for each pixel that a link goes aside there
STEEPEST = 40.0  # and no more than that
PITCH = 30.0  # between two links at the same side of a box
CORNER = 14.0  # of a side of a box, where no link begins
PASSING = 6.0  # room on either side of a link that passes a layer
MARGIN = 4.0
SORTING = 12  # times down and up; more changed nothing in the loops there are
SETTLING = 60
BACK, ONWARDS, SPINE = 1.0, 3.0, 60.0  # how much a link pulls straight what it binds
PASSAGE = 8.0  # how much more where it only passes
BACKED = 24.0  # what a label's place costs for each layer that it lies off its link's beginning


@dataclass(frozen=True, slots=True)
class Box:
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Link:
    """From one box to another, by their places in the list, and the size of its label.

    before, after   the label's extent on either side of the line that it stands at
    """

    source: int
    target: int
    before: float
    after: float
    height: float


@dataclass(frozen=True, slots=True)
class Place:
    """Left, top, width and height."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Run:
    """A link's straight piece, upright at `x` from one height to another; from run to run it bends."""

    x: float
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Route:
    """A link as it is drawn, from its source to its target. `axis` is where its line passes its label; `back` leads back."""

    runs: Sequence[Run]
    label: Place
    axis: float
    back: bool

    @property
    def path(self) -> str:
        """As the `d` of an SVG path."""
        first = self.runs[0]
        said = f"M{first.x:g} {first.start:g}V{first.end:g}"
        for one, other in pairwise(self.runs):
            middle = round((one.end + other.start) / 2, 1)
            said += f"C{one.x:g} {middle:g} {other.x:g} {middle:g} {other.x:g} {other.start:g}V{other.end:g}"
        return said


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is, in the order it was given. `cuts`: heights below each layer of boxes where only links pass, in whole
    pixels, since a screen draws what lies between two anew.
    """

    boxes: Sequence[Place]
    routes: Sequence[Route]
    cuts: Sequence[int]
    width: float
    height: float


@lru_cache(maxsize=64)  # a loop is drawn with the same words and numbers for whoever looks
def laid_out(boxes: tuple[Box, ...], links: tuple[Link, ...]) -> Layout:
    """The first box is where everything begins. No link leads from a box to itself: nothing moves there."""
    if any(link.source == link.target for link in links):
        raise ValueError("a link from a box to itself is no way")
    back = _leading_back(len(boxes), links)
    ways = [(link.target, link.source) if n in back else (link.source, link.target) for n, link in enumerate(links)]
    drawing = _Drawing(boxes, links, ways, back)
    drawing.put_in_order()
    drawing.settle()
    return drawing.layout()


def _leading_back(boxes: int, links: Sequence[Link]) -> frozenset[int]:
    """Those that lead to a box on the way from the first box to their own; without them nothing goes round."""
    leaving: list[list[int]] = [[] for _ in range(boxes)]
    for n, link in enumerate(links):
        leaving[link.source].append(n)
    for each in leaving:
        each.sort(key=lambda n: links[n].target)
    back: set[int] = set()
    seen: set[int] = set()
    for root in range(boxes):
        if root in seen:
            continue
        seen.add(root)
        on_way = {root}
        way = [(root, iter(leaving[root]))]
        while way:
            box, rest = way[-1]
            for n in rest:
                target = links[n].target
                if target in on_way:
                    back.add(n)
                elif target not in seen:
                    seen.add(target)
                    on_way.add(target)
                    way.append((target, iter(leaving[target])))
                    break
            else:
                way.pop()
                on_way.discard(box)
    return frozenset(back)


def _ranks(boxes: int, ways: Sequence[tuple[int, int]]) -> list[int]:
    """How many links the longest way to each box has. `ways` go round nowhere."""
    ranks, waits = [0] * boxes, [0] * boxes
    for _, lower in ways:
        waits[lower] += 1
    ready = [box for box in range(boxes) if not waits[box]]
    while ready:
        box = ready.pop()
        for upper, lower in ways:
            if upper == box:
                ranks[lower] = max(ranks[lower], ranks[box] + 1)
                waits[lower] -= 1
                if not waits[lower]:
                    ready.append(lower)
    return ranks


def _spine(ranks: Sequence[int], ways: Sequence[tuple[int, int]], back: frozenset[int]) -> frozenset[int]:
    """The links of the longest way there is, from layer to layer."""
    at, spine = max(range(len(ranks)), key=lambda box: ranks[box]), set()
    while ranks[at]:
        n = next(
            n
            for n, (upper, lower) in enumerate(ways)
            if lower == at and ranks[upper] == ranks[at] - 1 and n not in back
        )
        spine.add(n)
        at = ways[n][0]
    return frozenset(spine)


@dataclass(slots=True, eq=False)
class _Element:
    """What takes room in a layer: a box, a label, or a link that passes. `axis` is its middle, or where its line is."""

    left: float
    right: float
    height: float
    layer: int
    is_box: bool = False
    axis: float = 0.0
    top: float = 0.0
    above: "list[_Segment]" = field(default_factory=list)
    below: "list[_Segment]" = field(default_factory=list)

    @property
    def place(self) -> Place:
        return Place(round(self.axis - self.left, 1), round(self.top, 1), self.left + self.right, self.height)


@dataclass(slots=True, eq=False)
class _Segment:
    """A link's piece from a layer to the next. `at_upper` and `at_lower`: how far off the axes it begins and ends."""

    upper: _Element
    lower: _Element
    weight: float
    at_upper: float = 0.0
    at_lower: float = 0.0


class _Drawing:
    def __init__(
        self,
        boxes: Sequence[Box],
        links: Sequence[Link],
        ways: Sequence[tuple[int, int]],
        back: frozenset[int],
    ) -> None:
        self._links, self._back = links, back
        ranks = _ranks(len(boxes), ways)
        self._boxes = [
            _Element(box.width / 2, box.width / 2, box.height, 2 * rank, is_box=True)
            for box, rank in zip(boxes, ranks, strict=True)
        ]
        self._layers: list[list[_Element]] = [[] for _ in range(2 * max(ranks) + 1)]
        for element in self._boxes:
            self._layers[element.layer].append(element)
        self._labels: list[_Element] = []
        self._chains: list[list[_Segment]] = []  # of each link, from its upper end to its lower
        loads = [0.0] * len(self._layers)
        spine = _spine(ranks, ways, back)
        for n, (link, (upper, lower)) in enumerate(zip(links, ways, strict=True)):
            pull = BACK if n in back else SPINE if n in spine else ONWARDS
            self._lay(link, self._boxes[upper], self._boxes[lower], loads, pull, back=n in back)

    def _lay(
        self, link: Link, upper: _Element, lower: _Element, loads: list[float], pull: float, *, back: bool
    ) -> None:
        """A link's label and passages. The label goes where little stands yet, rather near the link's beginning."""
        begins = lower.layer - 1 if back else upper.layer + 1

        def cost(layer: int) -> float:
            return loads[layer] + BACKED * abs(layer - begins)

        labelled = min(range(upper.layer + 1, lower.layer, 2), key=cost)
        loads[labelled] += link.before + link.after + BESIDE
        above, chain = upper, []
        for layer in range(upper.layer + 1, lower.layer):
            if layer == labelled:
                element = _Element(link.before, link.after, link.height, layer)
                self._labels.append(element)
            else:
                element = _Element(PASSING, PASSING, 0, layer)
            self._layers[layer].append(element)
            chain.append(_bound(above, element, pull))
            above = element
        self._chains.append([*chain, _bound(above, lower, pull)])

    # --- order

    def put_in_order(self) -> None:
        best = [list(layer) for layer in self._layers]
        fewest = self._crossings()
        for time in range(2 * SORTING):
            down = time % 2 == 0
            places = self._places()
            for layer in self._layers if down else reversed(self._layers):
                layer.sort(key=_middle_of(places, down=down))
                places.update((element, n) for n, element in enumerate(layer))
            self._swap(places)
            crossings = self._crossings()
            if crossings < fewest:
                fewest, best = crossings, [list(layer) for layer in self._layers]
        self._layers = best
        self._spread()

    def _places(self) -> dict[_Element, int]:
        return {element: n for layer in self._layers for n, element in enumerate(layer)}

    def _crossings(self) -> int:
        places = self._places()
        total = 0
        for layer in self._layers:
            ends = [(places[s.upper], places[s.lower]) for element in layer for s in element.below]
            total += sum((a - c) * (b - d) < 0 for n, (a, b) in enumerate(ends) for c, d in ends[:n])
        return total

    def _swap(self, places: dict[_Element, int]) -> None:
        """Neighbours change places as long as fewer cross by it."""
        better = True
        while better:
            better = False
            for layer in self._layers:
                for n in range(len(layer) - 1):
                    one, other = layer[n], layer[n + 1]
                    if _crossed(one, other, places) > _crossed(other, one, places):
                        layer[n], layer[n + 1] = other, one
                        places[one], places[other] = n + 1, n
                        better = True

    def _spread(self) -> None:
        """Links begin and end side by side on a box, in the order of where they lead."""
        places = self._places()
        for box in self._boxes:
            room = box.left + box.right - 2 * CORNER
            for segments, other in ((box.above, "upper"), (box.below, "lower")):
                segments.sort(key=lambda s, other=other: places[getattr(s, other)])  # type: ignore[misc]  # a lambda's default has no type
                pitch = min(PITCH, room / max(len(segments) - 1, 1))
                for n, segment in enumerate(segments):
                    offset = (n - (len(segments) - 1) / 2) * pitch
                    if other == "lower":
                        segment.at_upper = offset
                    else:
                        segment.at_lower = offset

    # --- where

    def settle(self) -> None:
        for layer in self._layers:
            _settle(layer, [0.0] * len(layer), [1.0] * len(layer))
        for time in range(SETTLING):
            sides = (True, False) if time >= SETTLING / 3 else (time % 2 == 0,)
            for layer in self._layers if time % 2 == 0 else reversed(self._layers):
                wishes = [_wish(element, sides) for element in layer]
                _settle(layer, [wish for wish, _ in wishes], [weight for _, weight in wishes])
        left = min(element.axis - element.left for layer in self._layers for element in layer)
        for layer in self._layers:
            for element in layer:
                element.axis = round(element.axis - left + MARGIN, 1)

    def layout(self) -> Layout:
        tops, bottoms, at = [], [], MARGIN
        for layer in self._layers:
            aside = max((abs(_start(s) - _end(s)) for element in layer for s in element.above), default=0.0)
            at += min(BETWEEN + SLOPE * aside, BETWEEN + STEEPEST) if layer is not self._layers[0] else 0
            tops.append(at)
            tall = max(element.height for element in layer)
            for element in layer:
                element.top = at + (tall - element.height) / 2
            at = round(at + tall, 1)
            bottoms.append(at)
        right = max(element.axis + element.right for layer in self._layers for element in layer)
        routes = [
            Route(self._runs(chain, tops, bottoms, back=n in self._back), label.place, label.axis, n in self._back)
            for n, (chain, label) in enumerate(zip(self._chains, self._labels, strict=True))
        ]
        cuts = [round((bottoms[n] + tops[n + 1]) / 2) for n in range(0, len(tops) - 1, 2)]
        return Layout([box.place for box in self._boxes], routes, cuts, round(right + MARGIN, 1), round(at + MARGIN, 1))

    def _runs(
        self, chain: Sequence[_Segment], tops: Sequence[float], bottoms: Sequence[float], *, back: bool
    ) -> list[Run]:
        first, last = chain[0], chain[-1]
        runs = [Run(_start(first), first.upper.top + first.upper.height, bottoms[first.upper.layer] + ARRIVES)]
        runs += [Run(s.lower.axis, tops[s.lower.layer] - ARRIVES, bottoms[s.lower.layer] + ARRIVES) for s in chain[:-1]]
        runs.append(Run(_end(last), tops[last.lower.layer] - ARRIVES, last.lower.top))
        runs = [Run(round(run.x, 1), round(run.start, 1), round(run.end, 1)) for run in runs]
        return [Run(run.x, run.end, run.start) for run in reversed(runs)] if back else runs


def _bound(upper: _Element, lower: _Element, pull: float) -> _Segment:
    """What goes on from one passage to the next is pulled straight rather than what begins at a box."""
    segment = _Segment(upper, lower, pull if upper.is_box or lower.is_box else pull * PASSAGE)
    upper.below.append(segment)
    lower.above.append(segment)
    return segment


def _start(segment: _Segment) -> float:
    return segment.upper.axis + segment.at_upper


def _end(segment: _Segment) -> float:
    return segment.lower.axis + segment.at_lower


def _middle_of(places: dict[_Element, int], *, down: bool) -> Callable[[_Element], float]:
    def middle(element: _Element) -> float:
        others = [places[s.upper] for s in element.above] if down else [places[s.lower] for s in element.below]
        return sum(others) / len(others) if others else places[element]

    return middle


def _crossed(one: _Element, other: _Element, places: dict[_Element, int]) -> int:
    """How many links cross while `one` stands before `other`."""
    above = sum(places[a.upper] > places[b.upper] for a in one.above for b in other.above)
    return above + sum(places[a.lower] > places[b.lower] for a in one.below for b in other.below)


def _wish(element: _Element, sides: tuple[bool, ...]) -> tuple[float, float]:
    """Where its links would have it, and how much they pull. `sides`: True looks up, False down; nobody there, to both."""
    pulls = [(_start(s) - s.at_lower, s.weight) for s in element.above if True in sides]
    pulls += [(_end(s) - s.at_upper, s.weight) for s in element.below if False in sides]
    if not pulls:
        return element.axis, 0.1  # it stays where it is, if others let it
    weight = sum(pull for _, pull in pulls)
    return sum(at * pull for at, pull in pulls) / weight, weight


def _settle(layer: Sequence[_Element], wishes: Sequence[float], weights: Sequence[float]) -> None:
    """Each as near its wish as the order and the room of the others allow, by least squares: who want to stand in each other's
    place form a block, which stands at the mean of its wishes.
    """
    offsets = [0.0]
    for one, other in pairwise(layer):
        offsets.append(offsets[-1] + one.right + BESIDE + other.left)
    blocks: list[tuple[float, float, int]] = []  # where it stands, how much it weighs, how many they are
    for wish, weight, offset in zip(wishes, weights, offsets, strict=True):
        at, heavy, many = wish - offset, weight, 1
        while blocks and blocks[-1][0] > at:
            before, weighed, others = blocks.pop()
            at = (at * heavy + before * weighed) / (heavy + weighed)
            heavy, many = heavy + weighed, many + others
        blocks.append((at, heavy, many))
    stands = [at for at, _, many in blocks for _ in range(many)]
    for element, at, offset in zip(layer, stands, offsets, strict=True):
        element.axis = at + offset
