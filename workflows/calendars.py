"""The public calendar of China as far as the libraries know it, and labelled estimates for the two years after.

chinesecalendar    the State Council's notices with make-up workdays, but only as each year ended up: the January 2020
                   that people planned with is gone. Raises outside its years
holidays           any year up to 2100, silently estimated (no make-up days) where no notice exists; nothing at all later
"""

from collections.abc import Collection
from datetime import date

import chinese_calendar
import holidays

from engine.calendar import Break, Calendar

CHINA = "Asia/Shanghai"
ESTIMATED_YEARS = 2  # far enough for a deadline of a year set late in the last known one


def known_years() -> tuple[int, ...]:
    """The years whose notices the library carries, in order."""
    # By National Day and not by the first and last entry: a notice may reach into the neighbouring year's days
    # (2007-12-31 was given by the notice for 2008), and one such day does not make a year known.
    return tuple(sorted({day.year for day in chinese_calendar.holidays if (day.month, day.day) == (10, 1)}))


def official(
    years: Collection[int] | None = None, zone: str = CHINA, breaks: tuple[Break, ...] = (), version: int = 1
) -> Calendar:
    """The calendar of these years in their final state, estimates after them.

    years     known ones without a gap; all known ones if None
    Returns   known until 31 December of the last. Its last days may still change: the notice for the next year can
              touch them (it did in 2007, 2018, 2022 and 2023), which then comes as a new version.
    Raises    ValueError for a year without data, or a gap
    """
    known = known_years()
    wanted = sorted(set(known if years is None else years))
    if not wanted:
        raise ValueError("A calendar needs at least one year.")
    if unknown := [year for year in wanted if year not in known]:
        raise ValueError(f"No calendar data for {unknown}; the library knows {known[0]} to {known[-1]}.")
    first, last = wanted[0], wanted[-1]
    if gap := set(range(first, last + 1)) - set(wanted):
        raise ValueError(f"A calendar has no gaps; {sorted(gap)} are missing between {first} and {last}.")
    return Calendar(
        version=version,
        time_zone=zone,
        days_off=frozenset(day for day in chinese_calendar.holidays if first <= day.year <= last),
        working_weekend_days=frozenset(day for day in chinese_calendar.workdays if first <= day.year <= last),
        known_from=date(first, 1, 1),
        known_until=date(last, 12, 31),
        breaks=breaks,
        estimated_days_off=estimated_days_off(range(last + 1, last + 1 + ESTIMATED_YEARS)),
    )


def estimated_days_off(years: Collection[int]) -> frozenset[date]:
    """The public holidays these years should have, without make-up workdays.

    Raises    ValueError where the library answers with nothing (after 2100): a year without holidays is no estimate
    """
    found: set[date] = set()
    for year in years:
        # expand=False: otherwise looking at a day of another year adds that year
        days = set(holidays.country_holidays("CN", years=year, expand=False))
        if not days:
            raise ValueError(f"The library has no holidays for {year}.")
        found |= days
    return frozenset(found)
