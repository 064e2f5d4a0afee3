"""Working days: public holidays, make-up workdays (调休), school breaks; in versions; knows until when it knows."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from engine.clock import utc
from engine.errors import Locale, Text

K = TypeVar("K")
V = TypeVar("V")

DAY = timedelta(days=1)
WARN_BEFORE_END = timedelta(days=60)  # next year's holiday notice comes out in November: this is when to ask for it
SATURDAY = 5
REMEMBERED = 4_096  # of each; a year has a few hundred days, and a ladder some ten rungs
WEEKDAYS_ZH = "一二三四五六日"
EARLIEST = 1900  # the first year that is asked about; the year 1 has no day before it, nor a midnight in UTC
YEARS_AHEAD = 2  # a notice comes out in the November before its year; nobody knows the year after the next but one
LONGEST_NOTICE = 400  # days; a notice is for one year, and may reach into its neighbours
LONGEST_BREAK = 200  # days; the longest there is has fewer
STATUTORY = 11  # days off at least in a year: 全国年节及纪念日放假办法, 13 since 2025
CORRECTED = Text("请改正后重新提交", "Correct it and send it again")


class CalendarFault(ValueError):
    """What makes no calendar, in both languages: it is read by whoever typed a holiday notice.

    field     what of the notice is wrong; "" where it is no single one
    remedy    what to do next
    """

    def __init__(self, zh: str, en: str, *, field: str = "", remedy: Text = CORRECTED) -> None:
        self.text = Text(zh, en)
        self.field = field
        self.remedy = remedy
        super().__init__(en)


@dataclass(frozen=True, slots=True)
class Break:
    """A school break, both days included. It stops no working-day clock: staff go on working in it.

    between_terms    False for a short break inside a term (a spring or autumn week), which ends no term
    """

    name: str
    first: date
    last: date
    between_terms: bool = True

    def __post_init__(self) -> None:
        if not self.name:
            raise CalendarFault("学校假期须有名称。", "A break needs a name.")
        if self.first > self.last:
            raise CalendarFault(
                f"假期“{self.name}”的结束日 {self.last} 早于开始日 {self.first}。",
                f"The break {self.name!r} ends on {self.last} before it begins on {self.first}.",
            )

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class Calendar:
    """Which days are worked at one place, as far as one version of the public notices says.

    days_off                public holidays, weekends inside them included or not
    working_weekend_days    Saturdays and Sundays worked in exchange (调休上班)
    known_from, known_until the days the notices cover; outside, a plain week is assumed
    estimated_days_off      public holidays guessed for after known_until, so that deadlines there are provisional
    """

    version: int
    time_zone: str
    days_off: frozenset[date]
    working_weekend_days: frozenset[date]
    known_from: date
    known_until: date
    breaks: tuple[Break, ...] = ()
    estimated_days_off: frozenset[date] = frozenset()
    # every deadline and every rung of a day asks for the same few days and instants
    _counted: dict[tuple[date, int], date] = field(default_factory=dict, init=False, compare=False, repr=False)
    _between: dict[tuple[date, date], int] = field(default_factory=dict, init=False, compare=False, repr=False)
    _days: dict[datetime, date] = field(default_factory=dict, init=False, compare=False, repr=False)
    _instants: dict[tuple[date, time], datetime] = field(default_factory=dict, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.version < 1:
            raise CalendarFault(
                f"日历版本从 1 起编号，不能是 {self.version!r}。",
                f"Calendar versions count from 1, not {self.version!r}.",
            )
        try:
            ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError) as error:  # OSError: a folder's name, such as "Asia"
            raise CalendarFault(
                f"“{self.time_zone}”不是时区名称。请用 Asia/Shanghai 这样的名称。",
                f"{self.time_zone!r} is no time zone. Use a name such as 'Asia/Shanghai'.",
            ) from error
        if self.known_from > self.known_until:
            raise CalendarFault(
                f"日历的截止日 {self.known_until} 早于起始日 {self.known_from}。",
                f"The calendar ends on {self.known_until} before it begins on {self.known_from}.",
            )
        if weekdays := [day for day in self.working_weekend_days if day.weekday() < SATURDAY]:
            raise CalendarFault(
                f"补班只能在周六或周日，以下不是：{_listed(weekdays)}。",
                f"A make-up workday is a Saturday or Sunday; these are not: {_listed(weekdays)}.",
            )
        if both := self.days_off & self.working_weekend_days:
            raise CalendarFault(
                f"同一天不能既放假又补班：{_listed(both)}。", f"A day cannot be both off and worked: {_listed(both)}."
            )
        if unknown := [day for day in self.days_off | self.working_weekend_days if not self.knows(day)]:
            raise CalendarFault(
                f"{self.known_from} 至 {self.known_until} 以外的日期不能列入：{_listed(unknown)}。",
                f"Days outside {self.known_from} to {self.known_until} cannot be known: {_listed(unknown)}.",
            )
        if early := [day for day in self.estimated_days_off if day <= self.known_until]:
            raise CalendarFault(
                f"{self.known_until} 及以前以通知为准，不能推定：{_listed(early)}。",
                f"Nothing is estimated up to {self.known_until}, where the notices speak: {_listed(early)}.",
            )
        _check_breaks(self.breaks)

    # --- days -------------------------------------------------------------------------------------------------

    def is_workday(self, day: date) -> bool:
        if isinstance(day, datetime):  # it is a date to Python, but equals none: every holiday would count as worked
            raise TypeError(f"{day!r} is an instant. Ask local_date() for its day first.")
        if day.weekday() >= SATURDAY:
            return day in self.working_weekend_days
        return day not in self.days_off and day not in self.estimated_days_off

    def knows(self, day: date) -> bool:
        """Whether the public notices cover this day."""
        return self.known_from <= day <= self.known_until

    def warns_on(self, today: date) -> bool:
        """Whether it is time to load another year: what can be believed of the calendar ends within 60 days, or has ended."""
        believed = self.believed(today)
        return believed is None or today >= believed.known_until - WARN_BEFORE_END

    def believed(self, today: date) -> "Calendar | None":
        """The calendar without what nobody can know; None where nothing is left of it.

        Once a first day in the year 1, or a last one in 2120, was taken in: then only those years count, on end and next to
        today, in which it knows a day off or a make-up workday, so that the right notices fit on to it.
        """
        if self.known_from.year >= EARLIEST and self.known_until.year <= today.year + YEARS_AHEAD:
            return self
        told = {day.year for day in self.days_off | self.working_weekend_days if day.year >= EARLIEST}
        if not told:
            return None
        first = last = min(told, key=lambda year: abs(year - today.year))
        while first - 1 in told:
            first -= 1
        while last + 1 in told:
            last += 1
        return replace(
            self,
            days_off=frozenset(day for day in self.days_off if first <= day.year <= last),
            working_weekend_days=frozenset(day for day in self.working_weekend_days if first <= day.year <= last),
            known_from=max(self.known_from, date(first, 1, 1)),
            known_until=min(self.known_until, date(last, 12, 31)),
        )

    def add_workdays(self, day: date, n: int) -> date:
        """The n-th working day after `day`, or before it when n is negative; `day` itself, worked or not, when n is 0."""
        counted = self._counted.get((day, n))
        if counted is None:
            step = DAY if n > 0 else -DAY
            left, counted = abs(n), day
            while left:
                counted += step
                left -= self.is_workday(counted)
            _remember(self._counted, (day, n), counted)
        return counted

    def workdays_between(self, a: date, b: date) -> int:
        """How many working days from `a` to `b`: `a` never counts, `b` does if it is one; negative when b comes first.

        So it undoes add_workdays: workdays_between(day, add_workdays(day, n)) == n.
        """
        counted = self._between.get((a, b))
        if counted is None:
            step = DAY if b > a else -DAY
            day, counted = a, 0
            while day != b:
                day += step
                counted += self.is_workday(day)
            counted = counted if step == DAY else -counted
            _remember(self._between, (a, b), counted)
        return counted

    def next_workday(self, day: date) -> date:
        """`day` itself if it is a working day, otherwise the first one after it."""
        return day if self.is_workday(day) else self.add_workdays(day, 1)

    def makeup_days_between(self, a: date, b: date) -> tuple[date, ...]:
        """The make-up workdays that workdays_between(a, b) has counted, in order."""
        first, last = (a + DAY, b) if a <= b else (b, a - DAY)
        return tuple(sorted(day for day in self.working_weekend_days if first <= day <= last))

    # --- instants ---------------------------------------------------------------------------------------------

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)  # the library keeps one per name

    def local_date(self, instant: datetime) -> date:
        instant = utc(instant)  # of other zones two instants may be equal: where the clock is put back
        day = self._days.get(instant)
        if day is None:
            day = instant.astimezone(self.zone).date()
            _remember(self._days, instant, day)
        return day

    def at(self, day: date, clock_time: time) -> datetime:
        """That local time of that day, as aware UTC; the first of the two when the clock is put back over it."""
        if clock_time.tzinfo is not None:  # another zone's 08:00 may equal this one, and be asked for by the same name
            clock_time = clock_time.replace(tzinfo=None)
        known = self._instants.get((day, clock_time))
        if known is None:
            known = datetime.combine(day, clock_time.replace(fold=0), self.zone).astimezone(UTC)
            _remember(self._instants, (day, clock_time), known)
        return known

    def start_of(self, day: date) -> datetime:
        """Local midnight, as aware UTC."""
        return self.at(day, time.min)

    def end_of(self, day: date) -> datetime:
        """23:59:59 local, as aware UTC."""
        # Counted back from the next midnight: where the clock is put back at midnight, 23:59:59 happens twice.
        return self.start_of(day + DAY) - timedelta(seconds=1)

    # --- breaks -----------------------------------------------------------------------------------------------

    def break_at(self, day: date) -> Break | None:
        return next((pause for pause in self.breaks if day in pause), None)

    # --- words, versions, JSON ----------------------------------------------------------------------------------

    def in_words(self, day: date, locale: Locale) -> str:
        """The day with what it is: "2020 年 1 月 19 日（星期日，补班）", "Sunday 19 January 2020 (make-up workday)"."""
        made_up = day in self.working_weekend_days
        off = day in self.days_off
        estimated = day in self.estimated_days_off
        if locale == "en":
            note = (
                "make-up workday"
                if made_up
                else "public holiday"
                if off
                else "public holiday, estimated"
                if estimated
                else ""
            )
            return f"{day:%A} {day.day} {day:%B} {day.year}" + (f" ({note})" if note else "")
        note = "，补班" if made_up else "，放假" if off else "，推定放假" if estimated else ""
        return f"{day.year} 年 {day.month} 月 {day.day} 日（星期{WEEKDAYS_ZH[day.weekday()]}{note}）"

    def revised(
        self,
        *,
        add_days_off: Collection[date] = (),
        add_working_weekend_days: Collection[date] = (),
        known_until: date | None = None,
        breaks: tuple[Break, ...] | None = None,
    ) -> "Calendar":
        """The next version, after a notice. The later notice wins: a make-up workday that becomes a day off is no longer worked."""
        until = self.known_until if known_until is None else known_until
        off, worked = frozenset(add_days_off), frozenset(add_working_weekend_days)
        return replace(
            self,
            version=self.version + 1,
            days_off=(self.days_off - worked) | off,
            working_weekend_days=(self.working_weekend_days - off) | worked,
            known_until=until,
            breaks=self.breaks if breaks is None else breaks,
            estimated_days_off=frozenset(day for day in self.estimated_days_off if day > until),
        )

    def joined_with(self, notice: "Calendar") -> "Calendar":
        """The next version: the notice holds for the days it knows, what was known of other days stays. Whether the notice
        can be right is for `taken_in` to say.

        Raises    CalendarFault when days between the two would be known to neither, or they hold for different time zones
        """
        if notice.time_zone != self.time_zone:
            raise CalendarFault(
                f"时区 {notice.time_zone} 与现用的 {self.time_zone} 不同。",
                f"The time zone {notice.time_zone!r} is not the one that holds, {self.time_zone!r}.",
            )
        if (notice.known_from - self.known_until).days > 1 or (self.known_from - notice.known_until).days > 1:
            raise CalendarFault(
                f"{notice.known_from} 至 {notice.known_until} 与已知的 {self.known_from} 至 {self.known_until} 之间有空缺。"
                "请先载入其间的安排。",
                f"{notice.known_from} to {notice.known_until} leaves a gap to what is known, "
                f"{self.known_from} to {self.known_until}. Load what lies between first.",
            )
        until = max(self.known_until, notice.known_until)

        def told(old: Iterable[date], new: Iterable[date]) -> frozenset[date]:
            return frozenset({day for day in old if not notice.knows(day)} | set(new))

        kept = [pause for pause in self.breaks if not notice.known_from <= pause.first <= notice.known_until]
        estimated = {d for d in (*self.estimated_days_off, *notice.estimated_days_off) if d > until}
        return replace(
            self,
            version=self.version + 1,
            days_off=told(self.days_off, notice.days_off),
            working_weekend_days=told(self.working_weekend_days, notice.working_weekend_days),
            known_from=min(self.known_from, notice.known_from),
            known_until=until,
            breaks=tuple(sorted((*kept, *notice.breaks), key=lambda pause: pause.first)),
            estimated_days_off=frozenset(estimated),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "time_zone": self.time_zone,
            "days_off": _iso(self.days_off),
            "working_weekend_days": _iso(self.working_weekend_days),
            "known_from": self.known_from.isoformat(),
            "known_until": self.known_until.isoformat(),
            "breaks": [
                {
                    "name": pause.name,
                    "first": pause.first.isoformat(),
                    "last": pause.last.isoformat(),
                    "between_terms": pause.between_terms,
                }
                for pause in self.breaks
            ],
            "estimated_days_off": _iso(self.estimated_days_off),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Calendar":
        """Raises CalendarFault when the data makes no calendar, or names what it does not know: believed, a misspelt
        `breaks` would be a calendar without breaks.
        """
        _check_names(data, _FIELDS, ("version", "time_zone", "days_off", "working_weekend_days", *_KNOWN))
        version = data["version"]
        if not isinstance(version, int) or isinstance(version, bool):
            raise CalendarFault(f"version 应为整数，不是 {version!r}。", f"version is a whole number, not {version!r}.")
        breaks = []
        for pause in _listing(data, "breaks"):
            _check_names(pause, _BREAK_FIELDS, ("name", "first", "last"))
            between = pause.get("between_terms", True)
            if not isinstance(between, bool):
                raise CalendarFault(
                    f"between_terms 应为 true 或 false，不是 {between!r}。",
                    f"between_terms is true or false, not {between!r}.",
                )
            breaks.append(Break(str(pause["name"] or ""), _day(pause["first"]), _day(pause["last"]), between))
        return cls(
            version=version,
            time_zone=str(data["time_zone"]),
            days_off=_days(data, "days_off"),
            working_weekend_days=_days(data, "working_weekend_days"),
            known_from=_day(data["known_from"]),
            known_until=_day(data["known_until"]),
            breaks=tuple(breaks),
            estimated_days_off=_days(data, "estimated_days_off"),
        )


def taken_in(newest: Calendar | None, notice: Calendar, today: date) -> Calendar:
    """The next version after a notice that somebody typed; the notice itself where no calendar is known yet.

    newest    the version that holds
    today     when it is taken in: a notice does not come out years ahead
    Raises    CalendarFault for a notice that cannot be right, and as `joined_with`
    """
    believed = None if newest is None else newest.believed(today)
    _check_span(notice, max(today.year + YEARS_AHEAD, believed.known_until.year if believed else 0))
    if not notice.days_off:
        raise CalendarFault(
            "没有填写任何放假日，照此每个周一至周五都要上班。",
            "It names no day off: every weekday of it would be worked.",
            field="days_off",
            remedy=Text("请把通知中的放假日期填全后重新提交", "State the days off of the notice and send it again"),
        )
    if believed is not None:
        _check_what_goes(believed, notice)
        return believed.joined_with(notice)
    if newest is None:
        return notice
    kept = [pause for pause in newest.breaks if not notice.known_from <= pause.first <= notice.known_until]
    breaks = tuple(sorted((*kept, *notice.breaks), key=lambda pause: pause.first))
    return replace(notice, version=newest.version + 1, breaks=breaks)


def _check_span(notice: Calendar, latest: int) -> None:
    """Raises CalendarFault for years of which there is no notice, and for more than a notice speaks of."""
    for name, day in (("known_from", notice.known_from), ("known_until", notice.known_until)):
        if not EARLIEST <= day.year <= latest:
            raise CalendarFault(
                f"{day} 不在 {EARLIEST} 至 {latest} 年之内，不会已有放假安排。",
                f"No holiday notice speaks of {day}: its year is not one of {EARLIEST} to {latest}.",
                field=name,
                remedy=Text("请核对年份后重新提交", "Look at the year again and send it again"),
            )
    days = (notice.known_until - notice.known_from).days + 1
    if days > LONGEST_NOTICE:
        raise CalendarFault(
            f"{notice.known_from} 至 {notice.known_until} 有 {days} 天；一份放假安排约管一年，最多 {LONGEST_NOTICE} 天。",
            f"{notice.known_from} to {notice.known_until} are {days} days; a notice speaks of about one year, "
            f"{LONGEST_NOTICE} days at most.",
            field="known_until",
            remedy=Text(
                "请核对起止日期；有几年的，一年一年载入", "Look at both days again; load several years one by one"
            ),
        )
    for pause in notice.breaks:
        long = (pause.last - pause.first).days >= LONGEST_BREAK
        far = max((notice.known_from - pause.last).days, (pause.first - notice.known_until).days) > LONGEST_NOTICE
        if long or far:
            raise CalendarFault(
                f"假期“{pause.name}”{pause.first} 至 {pause.last} 超过 {LONGEST_BREAK} 天，或离这份安排太远。",
                f"The break {pause.name!r}, {pause.first} to {pause.last}, is longer than {LONGEST_BREAK} days or far from "
                "the days of this notice.",
                field="breaks",
                remedy=Text("请核对该假期的日期后重新提交", "Look at the days of that break again and send it again"),
            )


def _check_what_goes(known: Calendar, notice: Calendar) -> None:
    """Raises CalendarFault where a year would lose most days off that are known of it, as when only what changes was typed
    beside the first and last day of the year. A year with as many as the law gives is taken as a whole one that corrects.
    """
    for year in range(notice.known_from.year, notice.known_until.year + 1):
        before = sum(day.year == year and notice.knows(day) for day in known.days_off)
        after = sum(day.year == year for day in notice.days_off)
        if after < STATUTORY and after * 3 < before:
            raise CalendarFault(
                f"照此 {year} 年已知的 {before} 个放假日只剩 {after} 个：填写的放假日取代起止日期之内已知的全部。",
                f"Of {before} days off known in {year} it would leave {after}: what is stated takes the place of all "
                "that is known between the first and the last day.",
                field="days_off",
                remedy=Text(
                    "请把起止日期缩到有变化的几天，或填全这一年的放假日",
                    "Set the first and last day around what changes, or state every day off of that year",
                ),
            )


def _remember(known: dict[K, V], key: K, value: V) -> None:
    if len(known) >= REMEMBERED:
        known.clear()
    known[key] = value


_KNOWN = ("known_from", "known_until")
_FIELDS = frozenset(f.name for f in fields(Calendar) if f.init)
_BREAK_FIELDS = frozenset(Break.__dataclass_fields__)


def _check_names(given: object, known: frozenset[str], needed: tuple[str, ...]) -> None:
    if not isinstance(given, Mapping):
        raise CalendarFault(f"{given!r} 不是键值对照。", f"{given!r} is not a mapping.")
    listed = ", ".join(sorted(known))
    if unknown := ", ".join(sorted(repr(name) for name in given if name not in known)):
        raise CalendarFault(f"没有 {unknown} 这样的项目；有：{listed}。", f"unknown: {unknown}; there are {listed}.")
    if missing := ", ".join(repr(name) for name in needed if name not in given):
        raise CalendarFault(f"缺少 {missing}。", f"{missing} is missing.")


def _check_breaks(breaks: tuple[Break, ...]) -> None:
    for earlier, later in pairwise(breaks):
        if later.first <= earlier.last:
            raise CalendarFault(
                f"假期“{earlier.name}”与“{later.name}”重叠或先后颠倒。",
                f"The breaks {earlier.name!r} and {later.name!r} are out of order or overlap.",
            )
    # A term is named by the half year it begins in (cycles.Term); two with one name would lose the second one's periods.
    begun: dict[tuple[int, bool], Break] = {}
    for pause in breaks:
        if not pause.between_terms:
            continue
        begins = pause.last + DAY if pause.last < date.max else pause.last
        other = begun.setdefault((begins.year, begins.month > 6), pause)
        if other is not pause:
            raise CalendarFault(
                f"{begins.year} 年的同一个半年里，“{other.name}”和“{pause.name}”之后各开始一个学期。"
                "不在学期之间的假期请注明 between_terms: false。",
                f"Two terms would begin in one half of {begins.year}, after {other.name!r} and after {pause.name!r}. "
                "Mark the break that ends no term with between_terms=False.",
            )


def _listed(days: Iterable[date]) -> str:
    return ", ".join(_iso(days))


def _iso(days: Iterable[date]) -> list[str]:
    return [day.isoformat() for day in sorted(days)]


def _listing(data: Mapping[str, Any], name: str) -> Iterable[Any]:
    said = data.get(name, ())
    if not isinstance(said, (list, tuple)):
        raise CalendarFault(f"{name} 应为列表，不是 {said!r}。", f"{name} is a list, not {said!r}.")
    return said


def _days(data: Mapping[str, Any], name: str) -> frozenset[date]:
    return frozenset(_day(said) for said in _listing(data, name))


def _day(said: object) -> date:
    try:
        return date.fromisoformat(said)  # type: ignore[arg-type]  # what is no text is refused with the rest
    except (TypeError, ValueError) as error:
        raise CalendarFault(
            f"{said!r} 不是 2027-01-31 这样的日期。", f"{said!r} is no day such as 2027-01-31."
        ) from error
