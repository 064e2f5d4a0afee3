import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.calendar import DAY, Break, Calendar, CalendarFault, taken_in

WINTER = Break("寒假", date(2020, 1, 18), date(2020, 2, 16))
SUMMER = Break("暑假", date(2020, 7, 4), date(2020, 8, 30))

#: January 2020 as it was published in November 2019
VERSION_1 = Calendar(
    version=1,
    time_zone="Asia/Shanghai",
    days_off=frozenset({date(2020, 1, 1), *(date(2020, 1, day) for day in range(24, 31))}),
    working_weekend_days=frozenset({date(2020, 1, 19), date(2020, 2, 1)}),
    known_from=date(2019, 1, 1),
    known_until=date(2020, 12, 31),
    breaks=(WINTER, SUMMER),
    estimated_days_off=frozenset({date(2021, 1, 1)}),
)

#: and after the notice of 27 January 2020, which lengthened the holiday
VERSION_2 = VERSION_1.revised(add_days_off=[date(2020, 1, 31), date(2020, 2, 1), date(2020, 2, 2)])


@pytest.mark.parametrize(
    "day, in_version_1, in_version_2, because",
    [
        (date(2020, 1, 17), True, True, "a plain Friday"),
        (date(2020, 1, 18), False, False, "a plain Saturday, also in a break"),
        (date(2020, 1, 19), True, True, "a Sunday worked in exchange for the holiday"),
        (date(2020, 1, 20), True, True, "a school break is no holiday"),
        (date(2020, 1, 24), False, False, "New Year's Eve, a Friday"),
        (date(2020, 1, 25), False, False, "a holiday on a Saturday"),
        (date(2020, 1, 31), True, False, "a Friday, added to the holiday later"),
        (date(2020, 2, 1), True, False, "a make-up Saturday, taken back later"),
        (date(2020, 2, 2), False, False, "a Sunday either way"),
        (date(2020, 2, 3), True, True, "the first Monday after"),
        (date(2021, 1, 1), False, False, "an estimated holiday past the end"),
        (date(2021, 1, 4), True, True, "a plain Monday past the end"),
        (date(2018, 12, 31), True, True, "a plain Monday before the beginning"),
    ],
)
def test_which_days_are_worked(day: date, in_version_1: bool, in_version_2: bool, because: str) -> None:
    assert VERSION_1.is_workday(day) is in_version_1, because
    assert VERSION_2.is_workday(day) is in_version_2, because


def test_an_instant_is_not_mistaken_for_a_day() -> None:
    with pytest.raises(TypeError, match="is an instant"):
        VERSION_1.is_workday(datetime(2020, 1, 24, tzinfo=UTC))


@pytest.mark.parametrize(
    "day, n, expected, because",
    [
        (date(2020, 1, 17), 1, date(2020, 1, 19), "over a Saturday to a make-up Sunday"),
        (date(2020, 1, 23), 1, date(2020, 1, 31), "over the whole holiday"),
        (date(2020, 1, 31), -1, date(2020, 1, 23), "and back over it"),
        (date(2020, 1, 22), 3, date(2020, 2, 1), "to a make-up Saturday"),
        (date(2020, 1, 25), 0, date(2020, 1, 25), "nothing added is the day itself, even a holiday"),
        (date(2020, 1, 25), 1, date(2020, 1, 31), "from a day off, the next worked one is the first"),
        (date(2020, 1, 25), -1, date(2020, 1, 23), "the same backwards"),
        (date(2020, 2, 28), 1, date(2020, 3, 2), "over 29 February, a Saturday in 2020"),
    ],
)
def test_adding_working_days(day: date, n: int, expected: date, because: str) -> None:
    assert VERSION_1.add_workdays(day, n) == expected, because


@pytest.mark.parametrize(
    "a, b, expected, because",
    [
        (date(2020, 1, 17), date(2020, 1, 17), 0, "the day one stands on never counts"),
        (date(2020, 1, 17), date(2020, 1, 20), 2, "the make-up Sunday and the Monday"),
        (date(2020, 1, 20), date(2020, 1, 17), -2, "backwards: the Sunday and the Friday"),
        (date(2020, 1, 24), date(2020, 1, 30), 0, "inside the holiday"),
        (date(2020, 1, 30), date(2020, 1, 23), -1, "backwards over it: the Thursday before"),
    ],
)
def test_counting_working_days(a: date, b: date, expected: int, because: str) -> None:
    assert VERSION_1.workdays_between(a, b) == expected, because


DAYS = st.dates(date(2019, 6, 1), date(2021, 6, 1))


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    weekend = st.sets(DAYS.filter(lambda day: day.weekday() >= 5), max_size=12)
    worked = frozenset(draw(weekend))
    return Calendar(
        version=draw(st.integers(1, 9)),
        time_zone=draw(st.sampled_from(["Asia/Shanghai", "UTC", "America/Sao_Paulo", "Asia/Beirut", "Pacific/Apia"])),
        days_off=frozenset(draw(st.sets(DAYS, max_size=60))) - worked,
        working_weekend_days=worked,
        known_from=date(2019, 6, 1),
        known_until=date(2021, 6, 1),
    )


@given(calendars(), DAYS, st.integers(-80, 80))
def test_counting_undoes_adding(calendar: Calendar, day: date, n: int) -> None:
    there = calendar.add_workdays(day, n)
    assert calendar.workdays_between(day, there) == n
    assert n == 0 or calendar.is_workday(there)


@given(calendars(), DAYS, st.integers(0, 40), st.integers(0, 40))
def test_adding_twice_is_adding_the_sum(calendar: Calendar, day: date, m: int, n: int) -> None:
    assert calendar.add_workdays(calendar.add_workdays(day, m), n) == calendar.add_workdays(day, m + n)


@given(calendars(), DAYS)
def test_the_next_working_day_is_the_nearest_not_earlier(calendar: Calendar, day: date) -> None:
    found = calendar.next_workday(day)
    assert calendar.is_workday(found)
    assert not any(calendar.is_workday(day + timedelta(days=n)) for n in range((found - day).days))


@given(calendars(), DAYS, DAYS)
def test_make_up_days_are_those_that_were_counted(calendar: Calendar, a: date, b: date) -> None:
    low, high = min(a, b), max(a, b)
    passed = [low + timedelta(days=n) for n in range((high - low).days + 1)]
    counted = [day for day in passed if day != a and day in calendar.working_weekend_days]
    assert list(calendar.makeup_days_between(a, b)) == counted


@given(calendars(), DAYS)
def test_a_local_day_runs_from_its_start_to_its_end(calendar: Calendar, day: date) -> None:
    assert calendar.end_of(day) + timedelta(seconds=1) == calendar.start_of(day + DAY)
    assert calendar.local_date(calendar.start_of(day)) == day
    assert calendar.local_date(calendar.start_of(day) - timedelta(microseconds=1)) == day - DAY
    assert calendar.local_date(calendar.end_of(day)) == day


@pytest.mark.parametrize(
    "zone, day, start, end, because",
    [
        ("Asia/Shanghai", date(2020, 1, 19), "2020-01-18T16:00:00Z", "2020-01-19T15:59:59Z", "eight hours ahead"),
        (
            "Asia/Shanghai",
            date(1988, 4, 17),
            "1988-04-16T16:00:00Z",
            "1988-04-17T14:59:59Z",
            "China's summer time of 1988",
        ),
        (
            "America/Sao_Paulo",
            date(2018, 2, 17),
            "2018-02-17T02:00:00Z",
            "2018-02-18T02:59:59Z",
            "23:00 to midnight twice",
        ),
        (
            "America/Sao_Paulo",
            date(2018, 11, 4),
            "2018-11-04T03:00:00Z",
            "2018-11-05T01:59:59Z",
            "a day without a midnight",
        ),
    ],
)
def test_a_local_day_in_utc(zone: str, day: date, start: str, end: str, because: str) -> None:
    calendar = replace(VERSION_1, time_zone=zone)
    assert calendar.start_of(day) == datetime.fromisoformat(start), because
    assert calendar.end_of(day) == datetime.fromisoformat(end), because


def test_a_local_time_becomes_utc() -> None:
    assert VERSION_1.at(date(2020, 1, 19), time(7, 40)) == datetime(2020, 1, 18, 23, 40, tzinfo=UTC)
    assert VERSION_1.at(date(2020, 1, 19), time(7, 40)).tzinfo is UTC
    assert VERSION_1.local_date(datetime(2020, 1, 18, 16, tzinfo=UTC)) == date(2020, 1, 19)


def test_the_hour_that_a_clock_shows_twice_may_be_two_days_elsewhere() -> None:
    elsewhere = replace(VERSION_1, time_zone="America/Guatemala")
    first = datetime(2020, 11, 1, 1, 30, tzinfo=ZoneInfo("America/New_York"))
    assert elsewhere.local_date(first) == date(2020, 10, 31)
    assert elsewhere.local_date(first.replace(fold=1)) == date(2020, 11, 1)


@pytest.mark.parametrize(
    "day, running",
    [
        (date(2020, 1, 17), None),
        (date(2020, 1, 18), WINTER),
        (date(2020, 2, 16), WINTER),
        (date(2020, 2, 17), None),
        (date(2020, 7, 4), SUMMER),
        (date(2020, 12, 1), None),
    ],
)
def test_breaks_by_day(day: date, running: Break | None) -> None:
    assert VERSION_1.break_at(day) is running


@pytest.mark.parametrize(
    "day, warned",
    [
        (date(2020, 10, 31), False),
        (date(2020, 11, 1), True),  # 60 days before 31 December
        (date(2020, 12, 31), True),
        (date(2021, 5, 1), True),
    ],
)
def test_a_calendar_that_ends_soon_warns(day: date, warned: bool) -> None:
    assert VERSION_1.warns_on(day) is warned


@pytest.mark.parametrize(
    "day, known",
    [(date(2018, 12, 31), False), (date(2019, 1, 1), True), (date(2020, 12, 31), True), (date(2021, 1, 1), False)],
)
def test_a_calendar_knows_until_when_it_knows(day: date, known: bool) -> None:
    assert VERSION_1.knows(day) is known


@pytest.mark.parametrize(
    "build, complaint",
    [
        (lambda: replace(VERSION_1, version=0), "count from 1"),
        (lambda: replace(VERSION_1, time_zone="Asia/Nantong"), "'Asia/Nantong' is no time zone"),
        (lambda: replace(VERSION_1, time_zone="../etc/passwd"), "passwd' is no time zone"),
        (lambda: replace(VERSION_1, time_zone="Asia"), "'Asia' is no time zone"),
        (lambda: replace(VERSION_1, known_from=date(2021, 1, 1)), "ends on 2020-12-31 before it begins"),
        (lambda: replace(VERSION_1, working_weekend_days=frozenset({date(2020, 1, 20)})), "these are not: 2020-01-20"),
        (
            lambda: replace(VERSION_1, working_weekend_days=frozenset({date(2020, 1, 25)})),
            "both off and worked: 2020-01-25",
        ),
        (lambda: replace(VERSION_1, days_off=frozenset({date(2021, 10, 1)})), "cannot be known: 2021-10-01"),
        (
            lambda: replace(VERSION_1, estimated_days_off=frozenset({date(2020, 10, 1)})),
            "Nothing is estimated up to 2020-12-31",
        ),
        (lambda: replace(VERSION_1, breaks=(SUMMER, WINTER)), "'暑假' and '寒假' are out of order or overlap"),
        (
            lambda: replace(VERSION_1, breaks=(WINTER, replace(WINTER, name="again"))),
            "'寒假' and 'again' are out of order or overlap",
        ),
        (
            lambda: replace(VERSION_1, breaks=(WINTER, Break("春假", date(2020, 4, 4), date(2020, 4, 8)))),
            "between_terms=False",
        ),
        (lambda: Break("寒假", date(2020, 2, 16), date(2020, 1, 18)), "'寒假' ends on 2020-01-18 before"),
        (lambda: Break("", date(2020, 2, 16), date(2020, 2, 18)), "needs a name"),
    ],
)
def test_a_calendar_built_wrong_is_refused(build: Callable[[], object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        build()


def test_a_spring_week_ends_no_term() -> None:
    spring = Break("春假", date(2020, 4, 4), date(2020, 4, 8), between_terms=False)
    assert replace(VERSION_1, breaks=(WINTER, spring, SUMMER)).break_at(date(2020, 4, 6)) == spring


def test_two_terms_may_begin_in_one_year_when_each_has_its_half() -> None:
    breaks = (Break("a", date(2020, 6, 1), date(2020, 6, 29)), Break("b", date(2020, 7, 1), date(2020, 7, 5)))
    assert replace(VERSION_1, breaks=breaks).breaks == breaks  # beginning on 30 June and on 6 July


def test_a_later_notice_makes_a_new_version_and_wins() -> None:
    assert (VERSION_1.version, VERSION_2.version) == (1, 2)
    assert date(2020, 2, 1) in VERSION_1.working_weekend_days
    assert VERSION_2.working_weekend_days == {date(2020, 1, 19)}
    assert VERSION_2.breaks == VERSION_1.breaks
    worked_after_all = VERSION_2.revised(add_working_weekend_days=[date(2020, 2, 1)])
    assert worked_after_all.is_workday(date(2020, 2, 1))


def test_a_year_that_becomes_known_drops_its_estimates() -> None:
    grown = VERSION_1.revised(add_days_off=[date(2021, 1, 2)], known_until=date(2021, 12, 31), breaks=(WINTER,))
    assert grown.estimated_days_off == frozenset()
    assert grown.is_workday(date(2021, 1, 1))
    assert grown.breaks == (WINTER,)


@given(calendars())
def test_a_calendar_survives_json(calendar: Calendar) -> None:
    assert Calendar.from_json(json.loads(json.dumps(calendar.to_json()))) == calendar


def test_a_calendar_with_breaks_and_estimates_survives_json() -> None:
    spring = Break("春假", date(2020, 4, 4), date(2020, 4, 8), between_terms=False)
    full = replace(VERSION_1, breaks=(WINTER, spring, SUMMER))
    assert Calendar.from_json(json.loads(json.dumps(full.to_json()))) == full


@pytest.mark.parametrize(
    "day, zh, en",
    [
        (date(2020, 1, 19), "2020 年 1 月 19 日（星期日，补班）", "Sunday 19 January 2020 (make-up workday)"),
        (date(2020, 1, 24), "2020 年 1 月 24 日（星期五，放假）", "Friday 24 January 2020 (public holiday)"),
        (
            date(2021, 1, 1),
            "2021 年 1 月 1 日（星期五，推定放假）",
            "Friday 1 January 2021 (public holiday, estimated)",
        ),
        (date(2020, 1, 20), "2020 年 1 月 20 日（星期一）", "Monday 20 January 2020"),
    ],
)
def test_a_day_in_words(day: date, zh: str, en: str) -> None:
    assert VERSION_1.in_words(day, "zh") == zh
    assert VERSION_1.in_words(day, "en") == en


# --- a notice for other days ---------------------------------------------------------------------------------------------


def a_year(year: int, off: list[date], worked: list[date], *breaks: Break) -> Calendar:
    return Calendar(
        1, "Asia/Shanghai", frozenset(off), frozenset(worked), date(year, 1, 1), date(year, 12, 31), tuple(breaks)
    )


OLD = a_year(2020, [date(2020, 10, 1)], [date(2020, 9, 27)], Break("寒假", date(2020, 1, 18), date(2020, 2, 16)))
NEW = a_year(2021, [date(2021, 1, 1)], [date(2021, 2, 7)], Break("寒假", date(2021, 1, 30), date(2021, 2, 21)))


def test_the_notice_for_a_new_year_leaves_the_old_ones_as_they_were() -> None:
    joined = OLD.joined_with(NEW)
    assert (joined.version, joined.known_from, joined.known_until) == (2, date(2020, 1, 1), date(2021, 12, 31))
    assert joined.days_off == {date(2020, 10, 1), date(2021, 1, 1)}
    assert joined.working_weekend_days == {date(2020, 9, 27), date(2021, 2, 7)}
    assert [pause.first for pause in joined.breaks] == [date(2020, 1, 18), date(2021, 1, 30)]


def test_a_notice_holds_for_every_day_it_speaks_of() -> None:
    corrected = a_year(2020, [date(2020, 10, 2)], [])
    joined = OLD.joined_with(NEW).joined_with(corrected)
    assert joined.days_off == {date(2020, 10, 2), date(2021, 1, 1)}
    assert joined.working_weekend_days == {date(2021, 2, 7)}
    assert [pause.first for pause in joined.breaks] == [date(2021, 1, 30)]
    assert joined.known_until == date(2021, 12, 31)


def test_estimates_give_way_to_the_notice_that_comes() -> None:
    estimated = replace(OLD, estimated_days_off=frozenset({date(2021, 2, 12), date(2022, 2, 1)}))
    assert estimated.joined_with(NEW).estimated_days_off == {date(2022, 2, 1)}


@pytest.mark.parametrize("year", [2018, 2022])
def test_a_notice_that_leaves_a_gap_is_refused(year: int) -> None:
    with pytest.raises(ValueError, match="gap"):
        OLD.joined_with(a_year(year, [], []))


@pytest.mark.parametrize("where", ["calendar", "break"])
def test_a_misspelt_field_is_refused_by_its_name(where: str) -> None:
    said = OLD.to_json()
    (said if where == "calendar" else said["breaks"][0])["brekas"] = []
    with pytest.raises(ValueError, match="'brekas'"):
        Calendar.from_json(said)


@pytest.mark.parametrize(
    "change, zh, en",
    [
        ({"days_off": ["31.1.2020"]}, "不是 2027-01-31 这样的日期", "is no day such as"),
        ({"days_off": "2020-01-01"}, "应为列表", "is a list"),
        ({"days_off": [20200101]}, "这样的日期", "is no day"),
        ({"known_until": None}, "这样的日期", "is no day"),
        ({"breaks": ["寒假"]}, "不是键值对照", "is not a mapping"),
        ({"breaks": [{"name": "寒假"}]}, "缺少 'first', 'last'", "'first', 'last' is missing"),
        ({"breaks": [{"name": "a", "first": "2020-01-01", "last": "2020-01-02", "between_terms": "no"}]}, "或", "or"),
        ({"version": "2"}, "应为整数", "whole number"),
        ({"known_until": "2018-01-01"}, "早于起始日", "before it begins"),
    ],
)
def test_what_makes_no_calendar_is_told_in_both_languages(change: dict[str, object], zh: str, en: str) -> None:
    with pytest.raises(CalendarFault) as refused:
        Calendar.from_json({**OLD.to_json(), **change})
    assert zh in refused.value.text.zh and en in refused.value.text.en


def test_a_notice_for_another_time_zone_is_refused() -> None:
    with pytest.raises(CalendarFault, match="is not the one that holds"):
        OLD.joined_with(replace(NEW, time_zone="Asia/Urumqi"))


# --- a notice that cannot be right ---------------------------------------------------------------------------------------

TODAY = date(2020, 12, 1)
FOUR = [date(2021, 1, 1), date(2021, 2, 11), date(2021, 2, 12), date(2021, 5, 3)]
SPOKEN = taken_in(OLD, a_year(2021, FOUR, []), TODAY)


def told(known_from: str, known_until: str, *off: str, pause: Break | None = None) -> Calendar:
    days, breaks = frozenset(map(date.fromisoformat, off)), (pause,) if pause else ()
    return replace(
        NEW, days_off=days, working_weekend_days=frozenset(), breaks=breaks,
        known_from=date.fromisoformat(known_from), known_until=date.fromisoformat(known_until),
    )  # fmt: skip


@pytest.mark.parametrize(
    "notice, field, zh, en",
    [
        (told("0001-01-01", "2021-12-31", "2021-01-01"), "known_from", "不在 1900 至 2022", "speaks of 0001-01-01"),
        (told("0001-01-01", "0001-01-02", "0001-01-01"), "known_from", "不在 1900 至 2022", "speaks of 0001-01-01"),
        (told("2021-01-01", "9999-12-31", "2021-01-01"), "known_until", "不在 1900 至 2022", "speaks of 9999-12-31"),
        (told("2021-01-01", "2120-12-31", "2021-01-01"), "known_until", "不在 1900 至 2022", "speaks of 2120-12-31"),
        (told("2019-01-01", "2021-12-31", "2021-01-01"), "known_until", "有 1096 天", "are 1096 days"),
        (told("2021-01-01", "2022-02-05", "2021-01-01"), "known_until", "有 401 天", "are 401 days"),
        (told("2022-01-01", "2022-12-31"), "days_off", "没有填写任何放假日", "names no day off"),
        (told("2020-12-01", "2021-12-31", "2020-12-31"), "days_off", "2021 年已知的 4 个放假日只剩 0 个", "Of 4 days off"),
        (told("2021-01-01", "2021-12-31", "2021-01-01"), "days_off", "只剩 1 个", "it would leave 1"),
        (told("2022-01-01", "2022-12-31", "2022-01-01", pause=Break("长", date(2022, 1, 2), date(9999, 12, 31))),
         "breaks", "假期“长”", "The break '长'"),
        (told("2022-01-01", "2022-12-31", "2022-01-01", pause=Break("远", date(1, 1, 1), date(1, 1, 2))),
         "breaks", "假期“远”", "The break '远'"),
    ],
)  # fmt: skip
def test_a_notice_that_cannot_be_right_is_refused_where_it_is_wrong(
    notice: Calendar, field: str, zh: str, en: str
) -> None:
    with pytest.raises(CalendarFault) as refused:
        taken_in(SPOKEN, notice, TODAY)
    assert refused.value.field == field
    assert zh in refused.value.text.zh and en in refused.value.text.en
    assert refused.value.remedy.zh and refused.value.remedy.en


@pytest.mark.parametrize(
    "notice",
    [
        told("2021-01-01", "2022-02-04", *map(str, FOUR)),  # 400 days
        told("2022-01-01", "2022-12-31", "2022-01-03"),
        told("2021-02-01", "2021-02-28", "2021-02-15"),  # Spring Festival moved
        told("2021-01-01", "2021-12-31", "2021-02-15", "2021-06-14"),
        told("2022-01-01", "2022-12-31", "2022-01-03", pause=Break("寒假", date(2021, 12, 27), date(2022, 2, 20))),
    ],
)
def test_a_notice_that_can_be_right_is_taken_in(notice: Calendar) -> None:
    taken = taken_in(SPOKEN, notice, TODAY)
    assert taken.version == SPOKEN.version + 1
    assert {day for day in taken.days_off if notice.knows(day)} == notice.days_off
    assert taken.known_until == max(date(2021, 12, 31), notice.known_until)


def test_a_whole_year_stands_in_the_place_of_one_with_far_too_many_days_off() -> None:
    too_many = [date(2021, 2, 5) + timedelta(days=n) for n in range(150)]
    right = [date(2021, 2, 11) + timedelta(days=n) for n in range(11)]
    wrong = taken_in(OLD, a_year(2021, too_many, []), TODAY)
    with pytest.raises(CalendarFault, match="would leave 10"):
        taken_in(wrong, a_year(2021, right[1:], []), TODAY)
    assert taken_in(wrong, a_year(2021, right, []), TODAY).days_off == {date(2020, 10, 1), *right}


@pytest.mark.parametrize(
    "wrong, until",
    [
        (told("0001-01-01", "2021-12-31"), date(2020, 12, 31)),  # every day off is gone
        (told("0001-01-01", "9999-12-31"), date(2020, 12, 31)),
        (told("0001-01-01", "0001-01-31", "0001-01-02"), date(2020, 12, 31)),
        (told("2020-01-01", "9999-12-31", "2020-10-01"), date(2020, 12, 31)),
        (told("2019-01-01", "2120-12-31", "2019-10-01", "2020-10-01", "2120-10-01"), date(2020, 12, 31)),
        (told("0001-01-01", "2021-12-31", "2021-10-01"), date(2021, 12, 31)),
    ],
)
def test_a_school_whose_calendar_was_wrong_before_takes_the_right_years_in(wrong: Calendar, until: date) -> None:
    """As versions before this one have kept it, which took anything."""
    wrong = replace(Calendar.from_json({**wrong.to_json(), "breaks": []}), version=7)
    assert wrong.warns_on(TODAY) is (until < date(2021, 1, 30)), "and is told to"
    this_year = taken_in(wrong, a_year(2020, [date(2020, 1, 1)], []), TODAY)
    assert (this_year.version, this_year.known_until) == (8, until)
    assert date(2019, 1, 1) <= this_year.known_from <= date(2020, 1, 1)
    both = taken_in(this_year, NEW, TODAY)
    assert (both.version, both.known_until) == (9, date(2021, 12, 31))
    assert both.warns_on(date(2021, 11, 1)) and not both.warns_on(date(2021, 10, 31))
    assert {date(2020, 1, 1), date(2021, 1, 1)} <= both.days_off and not both.is_workday(date(2021, 1, 1))


def test_a_calendar_that_speaks_of_years_yet_to_come_is_believed_where_it_names_their_days() -> None:
    """A school that plays the past knows later years."""
    joined = OLD.joined_with(NEW)
    assert joined.believed(date(2015, 6, 1)) == joined
