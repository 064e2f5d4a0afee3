"""A loop drawn: every state, every step with its number and who takes it, and nothing over anything, whatever the loop."""

from collections.abc import Iterator, Mapping
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.pages.lettering import width_of
from api.pages.school.diagram import SIZES, Diagram, Line, Wording, drawn, numbered
from engine.definition import State, Transition, Within, Workflow
from engine.errors import Locale, Text
from tests.builders import REPAIR, REPAIR_LADDER, REPAIR_ROLES, ReportRepair
from workflows import CATALOG
from workflows.hazard import HAZARD

LOOPS = [*CATALOG.every(), REPAIR]
IDS = [f"{loop.key} {loop.version}" for loop in LOOPS]
LANGUAGES: tuple[Locale, ...] = ("zh", "en")


def a_diagram(loop: Workflow, locale: Locale = "zh", numbers: Mapping[str, object] | None = None) -> Diagram:
    return drawn(Wording(loop, {**loop.defaults(), **(numbers or {})}, locale))


def rectangles(diagram: Diagram) -> Iterator[tuple[float, float, float, float]]:
    """Left, top, right and bottom of every box, and of the words beside every arrow."""
    for state in diagram.states:
        yield state.x, state.y, state.x + state.width, state.y + state.height
    for arrow in diagram.arrows:
        yield from (around(line) for line in arrow.lines)


def around(line: Line) -> tuple[float, float, float, float]:
    size = SIZES[line.voice]
    return line.x, line.y - size, line.x + width_of(line.words, size), line.y + size * 0.3


def is_tidy(diagram: Diagram) -> None:
    for one, other in combinations(rectangles(diagram), 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart, f"{one} lies over {other}"
    for state in diagram.states:
        for line in state.lines:
            left, top, right, bottom = around(line)
            inside = state.x < left and right < state.x + state.width
            assert inside and state.y < top and bottom < state.y + state.height, line
        assert all(state.x < tick.x - 14 and tick.x + 14 < state.x + state.width for tick in state.ticks)
    assert max(right for _, _, right, _ in rectangles(diagram)) <= diagram.width
    assert max(bottom for *_, bottom in rectangles(diagram)) <= sum(height for _, height in diagram.slices)


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("loop", LOOPS, ids=IDS)
def test_every_loop_there_is_is_drawn_whole_and_tidy(loop: Workflow, locale: Locale) -> None:
    diagram = a_diagram(loop, locale)
    is_tidy(diagram)
    assert [(state.name, state.final) for state in diagram.states] == [(s.name, s.final) for s in loop.states]
    for state, told in zip(loop.states, diagram.states, strict=True):
        assert told.lines[0].words.startswith(state.title.in_(locale)[:4])
    numbers = sorted(number for number, step in numbered(loop) for source in step.sources)
    lines = [line for state in diagram.states for line in state.lines]
    lines += [line for arrow in diagram.arrows for line in arrow.lines]
    assert sorted(line.number for line in lines if line.number) == numbers, "each step once for each state it leaves"


#: who may take a step of a random loop
POSTS = tuple(REPAIR_ROLES)


@st.composite
def loops(draw: st.DrawFn) -> Workflow:
    """Any loop: up to eight states in and out of each other, some final, steps that stay, long titles and short ones."""
    many = draw(st.integers(1, 6))
    finals = draw(st.integers(1, 2))
    titles = st.text(alphabet="隐患整改复查 wide iron", min_size=1, max_size=24).filter(str.strip)
    title = titles.map(lambda words: Text(words, words))
    who = st.lists(st.sampled_from(POSTS), min_size=1, max_size=4, unique=True).map(tuple)
    states = [
        State(
            f"s{n}", draw(title), draw(who), due=Within(workdays=3), counts_as="reported" if not n else "assigned",
            ladder=draw(st.sampled_from([None, REPAIR_LADDER])),
        )
        for n in range(many)
    ]  # fmt: skip
    states += [State(f"s{many + n}", draw(title), counts_as="closed", final=True) for n in range(finals)]
    ways = {(draw(st.integers(0, min(n, many) - 1)), n) for n in range(1, many + finals)}
    ways |= {(n, many) for n in range(many)}
    place = st.integers(0, many - 1)
    ways |= set(draw(st.lists(st.tuples(place, place), max_size=10)))
    steps = [
        Transition(f"t{n}", f"s{source}", f"s{target}" if target != source else None, draw(title), draw(who))
        for n, (source, target) in enumerate(sorted(ways))
    ]
    return Workflow(
        key="any", plural="anys", version=1, prefix="ANY", title=Text("某", "some"), opens_with=ReportRepair,
        opens_by=draw(who), states=states, transitions=steps, roles=REPAIR_ROLES,
    )  # fmt: skip


@settings(max_examples=60)
@given(loops(), st.sampled_from(LANGUAGES))
def test_any_loop_that_can_be_defined_is_drawn_tidily(loop: Workflow, locale: Locale) -> None:
    is_tidy(a_diagram(loop, locale))


def test_what_leads_back_is_marked_and_a_case_comes_in_once() -> None:
    diagram = a_diagram(HAZARD)
    back = {line.number for arrow in diagram.arrows if arrow.back for line in arrow.lines if line.number}
    titles = {step.trigger for number, step in numbered(HAZARD) if number in back}
    assert titles == {"return", "send_back", "retriage"}
    assert [all(line.number is None for line in arrow.lines) for arrow in diagram.arrows].index(True) == 0
    assert diagram.arrows[0].lines[0].words == "登记"


def test_numbers_an_organisation_set_are_the_ones_drawn() -> None:
    def said(numbers: Mapping[str, object]) -> str:
        return "".join(line.words for state in a_diagram(HAZARD, "zh", numbers).states for line in state.lines)

    assert "时限 24 小时" in said({}) and "时限 36 小时" in said({"triage_hours": 36})


def test_rungs_are_drawn_where_the_organisation_put_them_each_by_its_shape() -> None:
    reported, assigned, *_ = a_diagram(HAZARD, "zh", {"rung_offsets": {"before-3": -5}}).states
    assert [(tick.shape, tick.words) for tick in assigned.ticks] == [
        ("reminder", "−5"), ("reminder", "−1"), ("deadline", "0"), ("escalation", "+1"), ("escalation", "+3"),
        ("escalation", "+7"), ("escalation", "+15"), ("repeat", "/5"),
    ]  # fmt: skip
    assert reported.ticks[3].shape == "reminder", "the day after it is still he alone who hears of it"


def test_who_signs_is_said_where_it_is_always_the_same_and_else_the_table_is_named() -> None:
    words = Wording(HAZARD, HAZARD.defaults(), "zh")
    by_trigger = {step.trigger: words.who(step) for _, step in numbered(HAZARD)}
    assert by_trigger["verify"] == "按会签规定" and by_trigger["return"].startswith("按会签规定、")
    drill = CATALOG.get("drill")
    assert drill is not None
    words = Wording(drill, drill.defaults(), "zh")
    assert "分管" in {step.trigger: words.who(step) for _, step in numbered(drill)}["archive"]
