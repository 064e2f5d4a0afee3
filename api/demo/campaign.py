"""The founding document's campaign as facts, read from `campaign.yaml` beside this file."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from engine.calendar import Break, Calendar
from engine.errors import Text
from workflows.calendars import official

ORGANISATION = "nantong"
ZONE = "Asia/Shanghai"


@dataclass(frozen=True)
class Campaign:
    """What happened when.

    first, last      of the campaign, local days
    group_inspection the day heads and safety officers inspected the whole school in groups
    winter_break     first and last day
    months_over      last day of the months whose reports are due before the campaign ends
    weeks            first and last day of those that the bureau is owed a table of
    days             first and last day that a health report is owed of
    second_calendar  the day the holiday was extended; what had been computed before stands on version 1
    """

    school: Text
    first: date
    last: date
    drills: tuple[date, ...]
    group_inspection: date
    hazards_of_the_group: int
    winter_break: tuple[date, date]
    second_calendar: date
    months: tuple[str, ...]
    months_over: date
    weeks: tuple[date, date]
    days: tuple[date, date]
    daily_departments: tuple[str, ...]
    raw: Mapping[str, Any]


@cache
def campaign() -> Campaign:
    raw = yaml.safe_load(files("api.demo").joinpath("campaign.yaml").read_text(encoding="utf-8"))
    filings, daily = raw["counts"]["weekly_filings"], raw["counts"]["daily_reports"]
    happened = {line["kind"]: line for line in raw["timeline"]}
    return Campaign(
        school=Text(raw["school"]["zh"], raw["school"]["en"]),
        first=raw["campaign"]["from"],
        last=raw["campaign"]["to"],
        drills=tuple(raw["figures"]["drills_held"]["dates"]),
        group_inspection=happened["group_inspection"]["on"],
        hazards_of_the_group=raw["figures"]["hazards_removed"]["count"],
        winter_break=(happened["term_break"]["on"], happened["term_break"]["until"]),
        second_calendar=raw["calendar"][1]["known_on"],
        months=tuple(raw["counts"]["months"]),
        months_over=date.fromisoformat(f"{raw['counts']['months'][-1]}-01") - timedelta(days=1),
        weeks=(_day_of(filings["first"], 1), _day_of(filings["last"], 7)),
        days=(daily["first"], raw["campaign"]["to"]),
        daily_departments=tuple(daily["departments"]),
        raw=raw,
    )


def _day_of(week: str, weekday: int) -> date:
    return date.fromisoformat(f"{week}-{weekday}")


def first_calendar() -> Calendar:
    """The arrangement published before 2020: the campaign's version 1 for the weeks that were changed later, the public
    library for the rest of both years (it holds only each year's final state)."""
    told = campaign()
    one, two = told.raw["calendar"]
    final = official([2019, 2020], ZONE)
    changed_later = max(two["adds_days_off"])
    spring = [day for day in final.days_off if day.year == 2020 and day <= changed_later]  # the year
    spring_worked = [d for d in final.working_weekend_days if d.year == 2020 and d <= changed_later]
    return Calendar(
        version=1,
        time_zone=ZONE,
        days_off=(final.days_off - set(spring)) | set(one["days_off"]),
        working_weekend_days=(final.working_weekend_days - set(spring_worked)) | set(one["working_weekend_days"]),
        known_from=final.known_from,
        known_until=final.known_until,
        breaks=(Break("寒假", *told.winter_break),),
        estimated_days_off=final.estimated_days_off,
    )


def second_calendar() -> Calendar:
    """The notice of 27 January 2020: the holiday goes on until 2 February."""
    return first_calendar().revised(add_days_off=campaign().raw["calendar"][1]["adds_days_off"])
