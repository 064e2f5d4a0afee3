import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.channels.fitting import CUT, Measure, characters, fitted, in_json, utf8, whole, without_link
from notifications.message import Words

LINK = "https://a.example/1"


def test_what_fits_stays_as_it_is() -> None:
    assert fitted("一\n二", LINK, 100) == "一\n二"


def test_whole_lines_are_kept_and_the_line_with_the_link_stands_last() -> None:
    text = "\n".join(["头", *(f"{n} 行" for n in range(50)), "", f"打开：{LINK}"])
    assert fitted(text, LINK, 60) == f"头\n0 行\n1 行\n2 行\n{CUT}\n打开：{LINK}"


def test_a_link_in_a_long_line_is_kept_without_the_line() -> None:
    text = "\n".join([*(f"{n} 行" for n in range(50)), f"{'很' * 50}{LINK}"])
    assert fitted(text, LINK, 60).split("\n")[-2:] == [CUT, LINK]


def test_a_link_that_leaves_no_room_for_words_is_left_out() -> None:
    assert fitted("一二三四五六七八九十" * 3, LINK, 21, characters) == f"{('一二三四五六七八九十' * 2)[:19]}{CUT}"


def test_a_first_line_that_is_too_long_is_cut_within() -> None:
    assert fitted("一二三四五六七八九十", None, 20) == f"一二三四{CUT[:0]}{CUT}"


@given(
    st.lists(st.text(st.characters(exclude_characters="\n"), max_size=40), min_size=1, max_size=30),
    st.sampled_from([utf8, characters, in_json]),
    st.integers(40, 400),
    st.booleans(),
)
def test_whatever_is_written_fits(lines: list[str], measure: Measure, limit: int, linked: bool) -> None:
    link = LINK if linked else None
    text = "\n".join([*lines, *([LINK] if linked else [])])
    fit = fitted(text, link, limit, measure)
    assert measure(fit) <= limit
    assert fit == text or CUT in fit
    if linked:
        assert LINK in fit


@pytest.mark.parametrize(
    "body, as_one, apart",
    [
        (f"正文\n打开：{LINK}", f"题\n正文\n打开：{LINK}", "正文"),
        ("正文", f"题\n正文\n{LINK}", "正文"),
        ("", f"题\n{LINK}", ""),
    ],
)
def test_the_link_is_said_once(body: str, as_one: str, apart: str) -> None:
    words = Words("题", body, LINK)
    assert whole(words) == as_one
    assert without_link(words) == apart
