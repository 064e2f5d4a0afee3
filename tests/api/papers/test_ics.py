"""A calendar as telephones read it: whatever stands in a title stays in it."""

import re
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from api.papers.ics import Entry, calendar_of

SHANGHAI, AT = ZoneInfo("Asia/Shanghai"), datetime(2020, 3, 2, 1, 0, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


def read(content: bytes) -> Any:
    """As somebody else's program reads it, once it is known that no line is longer than it may be, or cut in a character."""
    assert content.endswith(b"\r\n")
    for line in content.split(b"\r\n"):
        assert len(line) <= 75 and b"\n" not in line and b"\r" not in line
        line.decode("utf-8")
    return Calendar.from_ical(content)


def unescaped(text: str) -> str:
    """Text by RFC 5545 3.3.11, of a property of which this reader does not know that it is text."""
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] in "nN" else found[1], text)


def an_entry(**changed: Any) -> Entry:
    values: dict[str, Any] = {
        "uid": "YH-2020-0001@school",
        "begins": date(2020, 3, 2),
        "summary": "x",
        "changed_at": AT,
    }
    return Entry(**{**values, **changed})


@given(title=TEXTS, place=TEXTS, about=TEXTS, name=TEXTS)
def test_any_words_come_back_as_they_were_and_never_as_something_else(
    title: str, place: str, about: str, name: str
) -> None:
    content = calendar_of(name, about, [an_entry(summary=title, place=place, description=about)], SHANGHAI)
    calendar = read(content)
    [event] = calendar.walk("VEVENT")
    assert len(calendar.walk()) == 2, "the calendar and its one entry"
    assert event["uid"] == "YH-2020-0001@school" and event["dtstart"].dt == date(2020, 3, 2)
    told_of = (title, event["summary"]), (name, unescaped(calendar["x-wr-calname"])), (about, calendar["description"])
    for said, told in told_of:
        assert not CONTROLS.search(told)
        if not CONTROLS.search(said) and said.splitlines() in ([], [said]):
            assert told == said
    lines = re.findall(rb"^[A-Z][A-Z-]*(?=[:;])", content.replace(b"\r\n ", b""), re.MULTILINE)
    assert lines.count(b"SUMMARY") == lines.count(b"UID") == lines.count(b"BEGIN") - 1 == 1


@pytest.mark.parametrize(
    "written, told",
    [
        ("一行\n二行", "一行\n二行"), ("一行\r\n二行", "一行\n二行"), ("a\u2028b", "a\nb"), ("a\x00b\x1b[31m\x7f", "a b [31m "),
        ("END:VEVENT\r\nEND:VCALENDAR", "END:VEVENT\nEND:VCALENDAR"), ("甲，乙;丙,丁\\", "甲，乙;丙,丁\\"),
    ],
)  # fmt: skip
def test_lines_stay_lines_and_what_nobody_can_see_is_left_out(written: str, told: str) -> None:
    [event] = read(calendar_of("n", "a", [an_entry(summary=written)], SHANGHAI)).walk("VEVENT")
    assert event["summary"] == told


def test_the_zone_is_told_whole_where_a_time_of_day_stands_and_nowhere_else() -> None:
    timed = an_entry(uid="1", begins=datetime(2020, 3, 2, 17, 30, tzinfo=SHANGHAI))
    calendar = read(calendar_of("n", "a", [timed, an_entry()], SHANGHAI))
    assert [each["tzid"] for each in calendar.walk("VTIMEZONE")] == ["Asia/Shanghai"]
    told = next(each for each in calendar.walk("VEVENT") if each["uid"] == "1")
    assert told["dtstart"].dt == datetime(2020, 3, 2, 9, 30, tzinfo=UTC) and "dtend" not in told
    assert read(calendar_of("n", "a", [an_entry()], SHANGHAI)).walk("VTIMEZONE") == []
    utc = ZoneInfo("UTC")
    in_utc = calendar_of("n", "a", [an_entry(begins=datetime(2020, 3, 2, 17, 30, tzinfo=utc))], utc)
    assert read(in_utc).walk("VTIMEZONE") == [] and b"DTSTART:20200302T173000Z" in in_utc


def test_a_zone_with_summer_time_tells_both_sides_of_the_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    days = [datetime(2020, month, 2, 12, 0, tzinfo=berlin) for month in (3, 7)]
    calendar = read(calendar_of("n", "a", [an_entry(uid=str(day), begins=day) for day in days], berlin))
    [zone] = calendar.walk("VTIMEZONE")
    assert {str(each["tzname"]) for each in zone.subcomponents} == {"CET", "CEST"}
    assert [event["dtstart"].dt.astimezone(UTC) for event in calendar.walk("VEVENT")] == days
