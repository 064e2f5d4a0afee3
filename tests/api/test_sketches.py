"""The pictures of the help: what stands on them are words of the pages, and each tap has its place."""

from itertools import pairwise

import pytest

from api.pages.guide import TAPS, TASKS, Task
from api.pages.lettering import width_of
from api.pages.rendering import AREAS
from api.pages.sketches import NAV, WIDTH, Part, Screen, Sketch, sketched
from api.pages.words import WORDS
from engine.errors import Locale, Text

LANGUAGES: tuple[Locale, ...] = ("zh", "en")
NAMES = [(name, WORDS[words]) for name, _, words in AREAS]


def drawn(task: Task, locale: Locale) -> list[Sketch]:
    return [sketched(screen, NAMES, locale) for screen in task.screens]


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.title.en)
def test_everything_on_a_screen_fits_it_and_nothing_lies_over_anything(task: Task, locale: Locale) -> None:
    for sketch in drawn(task, locale):
        for part in sketch.parts:
            assert part.x > 0 and part.x + part.width < WIDTH
            assert part.y + part.height <= (sketch.navigation if sketch.entries else sketch.height)
            for x, _, words in part.lines:
                wide = width_of(words, part.size)
                left = x - wide / 2 if part.middle else x
                assert part.x <= left and left + wide <= part.x + part.width + 0.2, words
        rows = sorted({(part.y, part.y + part.height) for part in sketch.parts})
        assert all(one[1] <= other[0] for one, other in pairwise(rows))


@pytest.mark.parametrize("task", [task for task in TASKS if task.counted], ids=lambda task: task.title.en)
def test_each_tap_that_is_counted_has_its_ring(task: Task) -> None:
    rings = sorted(tap.number for sketch in drawn(task, "zh") for tap in sketch.taps)
    assert rings == sorted(number for name, _ in task.counted for number in range(1, TAPS[name] + 1))


def test_words_that_do_not_fit_are_cut_and_the_navigation_lies_below() -> None:
    long = Text("很长很长的一句话" * 6, "words without end " * 9)
    screen = Screen((Part("card", long), Part("button", long, 1)), "mine", ("report", 2))
    for locale in LANGUAGES:
        sketch = sketched(screen, NAMES, locale)
        assert [part.lines[-1][2][-1] for part in sketch.parts] == ["…", "…"]
        assert [current for *_, current in sketch.entries] == [True, False, False, False, False]
        assert sketch.height - sketch.navigation == NAV and sketch.taps[1].y > sketch.navigation
