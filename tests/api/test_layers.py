"""Boxes and links laid out: nothing lies over anything, whatever there is to lay out."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.pages.layers import BESIDE, Box, Layout, Link, Place, Route, laid_out
from api.pages.lettering import broken, width_of

STEP = 2.0  # pixels from point to point of a link that is looked at


@st.composite
def drawings(draw: st.DrawFn) -> tuple[tuple[Box, ...], tuple[Link, ...]]:
    """Up to nine states, each entered from an earlier one, and ways between them in both directions."""
    many = draw(st.integers(2, 9))
    sizes = st.tuples(st.integers(20, 260), st.integers(20, 500))
    boxes = tuple(Box(*draw(sizes)) for _ in range(many))
    ways = [(draw(st.integers(0, lower - 1)), lower) for lower in range(1, many)]
    pairs = st.tuples(st.integers(0, many - 1), st.integers(0, many - 1)).filter(lambda way: way[0] != way[1])
    ways += [way for way in draw(st.lists(pairs, max_size=12, unique=True)) if way not in ways]
    labels = st.tuples(st.integers(12, 14), st.integers(20, 160), st.integers(16, 120))
    return boxes, tuple(Link(*way, *draw(labels)) for way in ways)


def overlap(one: Place, other: Place) -> float:
    """The area that both cover, in square pixels."""
    wide = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    high = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    return max(wide, 0) * max(high, 0)


def overlapping(layout: Layout) -> float:
    """The area where boxes and labels cover each other, of all pairs: 0, or something is wrong."""
    things = [*layout.boxes, *(route.label for route in layout.routes)]
    return sum(overlap(one, other) for one, other in combinations(things, 2))


def points(route: Route) -> list[tuple[float, float]]:
    """Along the link as it is drawn, its straight pieces and its bends."""
    found = []
    for n, run in enumerate(route.runs):
        steps = max(int(abs(run.end - run.start) / STEP), 1)
        found += [(run.x, run.start + (run.end - run.start) * k / steps) for k in range(steps + 1)]
        if n + 1 < len(route.runs):
            after = route.runs[n + 1]
            middle = (run.end + after.start) / 2
            for k in range(21):
                t = k / 20
                a, b, c, d = (1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3
                found.append((run.x * (a + b) + after.x * (c + d), run.end * a + middle * (b + c) + after.start * d))
    return found


def runs_over(layout: Layout) -> list[tuple[int, int]]:
    """(link, box) where a link runs over a box; over other links' labels: (link, −1 − that link)."""
    found = []
    for n, route in enumerate(layout.routes):
        others = [*enumerate(layout.boxes), *((-1 - m, r.label) for m, r in enumerate(layout.routes) if m != n)]
        found += [
            (n, which)
            for which, place in others
            if any(
                place.x < x < place.x + place.width and place.y + 0.2 < y < place.y + place.height - 0.2
                for x, y in points(route)
            )
        ]
    return found


@settings(max_examples=80)
@given(drawings())
def test_nothing_lies_over_anything_whatever_is_laid_out(
    drawing: tuple[tuple[Box, ...], tuple[Link, ...]],
) -> None:
    boxes, links = drawing
    layout = laid_out(boxes, links)
    assert overlapping(layout) == 0
    assert runs_over(layout) == []
    for place in (*layout.boxes, *(route.label for route in layout.routes)):
        assert place.x >= 0 and place.y >= 0
        assert place.x + place.width <= layout.width and place.y + place.height <= layout.height
    for cut in layout.cuts:
        assert all(not place.y < cut < place.y + place.height for place in layout.boxes)
        assert all(not route.label.y < cut < route.label.y + route.label.height for route in layout.routes)


@settings(max_examples=60)
@given(drawings())
def test_a_link_goes_from_its_box_past_its_label_to_the_other_and_down_unless_it_leads_back(
    drawing: tuple[tuple[Box, ...], tuple[Link, ...]],
) -> None:
    boxes, links = drawing
    layout = laid_out(boxes, links)
    for link, route in zip(links, layout.routes, strict=True):
        source, target = layout.boxes[link.source], layout.boxes[link.target]
        begins, ends = route.runs[0], route.runs[-1]
        leaves, arrives = (source.y, target.y + target.height) if route.back else (source.y + source.height, target.y)
        assert begins.start == pytest.approx(leaves, abs=0.2) and ends.end == pytest.approx(arrives, abs=0.2)
        assert source.x < begins.x < source.x + source.width and target.x < ends.x < target.x + target.width
        assert any(run.x == route.axis for run in route.runs), "its label stands at its line"
        heights = [height for run in route.runs for height in (run.start, run.end)]
        assert heights == sorted(heights, reverse=route.back), "it never turns round on its way"


def test_what_leads_back_is_told_from_what_leads_on() -> None:
    boxes = (Box(40, 40),) * 4
    links = tuple(Link(*way, 12, 40, 20) for way in ((0, 1), (1, 2), (2, 3), (2, 1), (3, 1), (0, 3)))
    assert [route.back for route in laid_out(boxes, links).routes] == [False, False, False, True, True, False]


def test_a_plain_chain_is_a_straight_line() -> None:
    boxes = (Box(20, 20), Box(200, 80), Box(90, 300), Box(120, 40))
    layout = laid_out(boxes, tuple(Link(n, n + 1, 12, 60, 40) for n in range(3)))
    assert {run.x for route in layout.routes for run in route.runs} == {layout.boxes[0].x + 10}


def test_two_ways_that_need_not_cross_do_not() -> None:
    """1→4 and 2→3 would, were all drawn in the order they come in."""
    boxes = (Box(40, 40),) * 5
    links = tuple(Link(*way, 12, 40, 20) for way in ((0, 2), (0, 1), (1, 4), (2, 3)))
    layout = laid_out(boxes, links)
    assert (layout.boxes[1].x < layout.boxes[2].x) == (layout.boxes[4].x < layout.boxes[3].x)


def test_a_way_to_where_one_is_cannot_be_laid_out() -> None:
    with pytest.raises(ValueError, match="itself"):
        laid_out((Box(1, 1),), (Link(0, 0, 1, 1, 1),))


def test_neighbours_keep_their_distance() -> None:
    boxes = (Box(20, 20), Box(100, 20), Box(100, 20))
    layout = laid_out(boxes, tuple(Link(0, n, 12, 10, 10) for n in (1, 2)))
    left, right = sorted(layout.boxes[1:], key=lambda box: box.x)
    assert right.x - (left.x + left.width) >= BESIDE - 0.2


# --- lettering ---------------------------------------------------------------------------------------------------------------


@settings(max_examples=150)
@given(st.text(alphabet="隐患整改、。（）abc WM1-", max_size=60), st.integers(30, 200))
def test_no_line_is_wider_than_it_may_be_and_no_word_is_lost(words: str, most: int) -> None:
    lines = broken(words, 12.5, most)
    assert "".join(lines).replace(" ", "") == words.replace(" ", "")
    assert all(width_of(line, 12.5) <= most for line in lines if len(line) > 1)


def test_lines_end_between_words_and_never_before_a_stop() -> None:
    assert broken("Ask for an extension", 10, 80) == ["Ask for an", "extension"]
    assert broken("校长、书记、主任", 10, 31) == ["校长、", "书记、", "主任"]
    assert broken("已汇总，待签发", 10, 62) == ["已汇总，", "待签发"], (
        "six letters would fit, and one would stand alone"
    )
    assert broken("甲、乙丙丁戊己庚辛", 10, 52) == ["甲、乙丙丁", "戊己庚辛"], (
        "behind the stop it would take a third line"
    )
    assert broken("", 10, 80) == []
