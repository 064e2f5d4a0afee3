"""The ring on a case's page: whatever a loop calls its states, in whichever language, there is room for it."""

import pytest

from api.pages.lettering import width_of
from api.pages.loop import BESIDE, CENTRE, LARGE, LETTERS, OTHERWISE, SIZE, WITHIN, drawn
from engine.definition import Workflow
from engine.errors import Locale
from engine.proof.stage import case_of
from workflows import CATALOG

FREE = 80  # pixels of the drawing on each side of the square the ring is in


def every(workflow: Workflow) -> list[str]:
    return [state.name for state in workflow.states]


@pytest.mark.parametrize("locale", ["zh", "en"])
@pytest.mark.parametrize("workflow", CATALOG.newest(), ids=lambda loop: loop.key)
def test_every_name_is_seen_whole(workflow: Workflow, locale: Locale) -> None:
    for state in workflow.states:
        ring = drawn(workflow, case_of(workflow, state.name), every(workflow), locale)
        for station in ring.stations:
            widest = max(width_of(line, LETTERS) for line in station.lines)
            if station.anchor != "middle":
                room = SIZE + FREE - station.label_x if station.anchor == "start" else station.label_x + FREE
                assert widest <= BESIDE <= room, station.title
            else:
                assert widest / 2 <= CENTRE + FREE, station.title
        assert len(ring.here) <= 3 and max(width_of(line, LARGE) for line in ring.here) <= WITHIN, ring.here
        if locale == "en":
            assert " ".join(ring.here) == state.title.en, "broken where words end"


@pytest.mark.parametrize("workflow", CATALOG.newest(), ids=lambda loop: loop.key)
def test_where_a_case_is_the_ring_calls_as_the_case_does_and_counts_without_gaps(workflow: Workflow) -> None:
    for state in workflow.states:
        stations = drawn(workflow, case_of(workflow, state.name), every(workflow), "zh").stations
        here = [each.title for each in stations if each.progress == "here"] or [stations[-1].title]
        assert here == [state.title.zh]
        assert [each.number for each in stations] == list(range(1, len(stations) + 1))


#: where a hazard has been, last where it is → how each of the five is shown, and how many of the five legs are drawn as gone
SHOWN: dict[tuple[str, ...], tuple[str, int]] = {
    ("reported",): ("here ahead ahead ahead ahead", 0),
    ("reported", "assigned"): ("done here ahead ahead ahead", 1),
    ("reported", "assigned", "fixed", "assigned"): ("done here ahead ahead ahead", 1),
    ("reported", "assigned", "fixed", "verified", "closed"): ("done done done done done", 5),
    ("reported", "rejected"): ("done skipped skipped skipped ended", 0),
    ("reported", "assigned", "merged"): ("done done skipped skipped ended", 1),
}


@pytest.mark.parametrize("been", SHOWN, ids=" ".join)
def test_what_it_did_not_come_through_is_not_ticked(been: tuple[str, ...]) -> None:
    hazard = next(loop for loop in CATALOG.newest() if loop.key == "hazard")
    ring = drawn(hazard, case_of(hazard, been[-1]), been, "zh")
    assert (" ".join(each.progress for each in ring.stations), ring.travelled.count("A")) == SHOWN[been]
    assert ring.travelled.count("A") + ring.ahead.count("A") == 5


#: final states that are no loop's first and yet bring what a case was opened for: the other half of an answer
SECOND_ENDS = {"failed"}


@pytest.mark.parametrize("workflow", CATALOG.newest(), ids=lambda loop: loop.key)
def test_what_ended_as_void_is_drawn_neither_as_done_nor_as_a_whole_ring(workflow: Workflow) -> None:
    first, *others = [state.name for state in workflow.states if state.final]
    assert {*others} - OTHERWISE <= SECOND_ENDS and first not in OTHERWISE, "each other end is known to be one"
    for name in others:
        for been in ([], [name], every(workflow)):  # whoever may see the case may see none of its steps
            ring = drawn(workflow, case_of(workflow, name), been, "zh")
            last = ring.stations[-1]
            expected = ("ended", True) if name in OTHERWISE else ("done", False)
            assert (last.progress, ring.otherwise) == expected, (name, been)
            assert not ring.otherwise or ring.travelled.count("A") < 5
    assert drawn(workflow, case_of(workflow, first), every(workflow), "zh").stations[-1].progress == "done"
