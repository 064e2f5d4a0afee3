"""What is drawn: widths in parts of a hundred, patterns beside colours, words for who does not see it."""

import re

import pytest

from api.pages.drawing import LEAST, Part, Series, bar, line_sample, lines, sample


def widths(drawn: str) -> list[tuple[float, float]]:
    return [(float(x), float(width)) for x, width in re.findall(r'x="([\d.]+)%" width="([\d.]+)%"', drawn)]


@pytest.mark.parametrize(
    "counts, most, drawn",
    [
        ((3, 7), 10, [(0, 30), (30, 70)]), ((0, 5), 10, [(0, 50)]), ((5, 0), 10, [(0, 50)]), ((0, 0), 10, []), ((0, 0), 0, []),
        ((1, 999), 1000, [(0, LEAST), (LEAST, 100 - LEAST)]), ((1, 0), 100_000, [(0, LEAST)]),
    ],
)  # fmt: skip
def test_a_bar_is_as_wide_as_its_numbers_and_never_too_narrow_to_be_seen(
    counts: tuple[int, int], most: int, drawn: list[tuple[float, float]]
) -> None:
    late, open_ = counts
    assert widths(bar([Part("late", late), Part("open", open_)], most, "x")) == drawn


def test_what_is_overdue_is_hatched_and_not_only_red() -> None:
    assert 'fill="url(#pattern-late)"' in bar([Part("late", 1)], 1, "x") and "pattern" not in bar(
        [Part("open", 1)], 1, "x"
    )
    assert 'fill="url(#pattern-late)"' in sample("late")


def test_words_of_others_stay_words() -> None:
    for drawn in (bar([], 1, "<b>&"), lines([], ["<b>&"], "<b>&", "<b>&")):
        assert "<b>" not in drawn and "&lt;b&gt;&amp;" in drawn and "style=" not in drawn


def test_lines_go_from_month_to_month_and_say_the_most() -> None:
    drawn = lines(
        [Series("opened", "新登记", [0, 4, 2]), Series("closed", "办结", [1, 1, 1])],
        ["1月", "2月", "3月"],
        "每月",
        "逐月",
    )
    assert drawn.count('<line class="opened"') == 2 and drawn.count('<line class="closed"') == 2
    assert drawn.count("<circle") == 3 and drawn.count('class="closed point"') == 3, "round and square"
    assert "<title>每月</title><desc>逐月</desc>" in drawn and ">4</text>" in drawn
    assert re.findall(r'text-anchor="middle">(.+?)<', drawn) == ["1月", "2月", "3月"]
    assert 'class="closed point"' in line_sample("closed")


def test_of_many_months_some_are_written_and_the_last_is_among_them() -> None:
    names = [str(n) for n in range(24)]
    drawn = lines([Series("opened", "x", [0] * 24)], names, "x", "x")
    assert re.findall(r'text-anchor="middle">(.+?)<', drawn) == ["3", "7", "11", "15", "19", "23"]
    assert lines([Series("opened", "x", [5])], ["1月"], "x", "x").count("<circle") == 1, "one month is a point"
