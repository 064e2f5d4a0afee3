"""The campaign's figures, counted from the cases and the ledgers; never kept, never typed."""

from collections import Counter
from datetime import date, datetime
from typing import Any

from api.addressees import counts
from api.demo.campaign import campaign
from api.demo.school import LOGISTICS
from api.loops import the_loops
from engine.actor import Visibility
from engine.calendar import Calendar
from engine.case import Case
from engine.store import calendars, history, periods, refusals, worklists
from engine.store.database import Connection
from engine.store.worklists import Filter
from workflows import daily, hazard_report, portal, weekly
from workflows.inspection import CYCLE


def figures(connection: Connection, organisation: str, now: datetime) -> dict[str, Any]:
    """What a stage summary over the campaign comes out with, as JSON."""
    calendar = calendars.newest(connection, organisation)
    assert calendar is not None  # the demo's school has one
    seen = Visibility(organisation, everything=True)
    hazards = worklists.all_cases(connection, seen, Filter(workflow="hazard"), now)
    drills = worklists.all_cases(connection, seen, Filter(workflow="drill"), now)
    notices = worklists.all_cases(connection, seen, Filter(workflow="notice"), now)
    bulletins = worklists.all_cases(connection, seen, Filter(workflow="bulletin"), now)
    kinds = Counter(case.facts["kind"] for case in notices if case.state != "withdrawn" and _in_campaign(case))
    removed = [case for case in hazards if _removed_in_break(connection, case, calendar)]
    return {
        "figures": {
            "hazards_removed_in_winter_break": len(removed),
            "drills_held": sum(_held(case) for case in drills),
            "school_meetings": kinds["school_meeting"],
            "superior_notices": sum(kinds[kind] for kind in SUPERIOR),
            "bulletins_read_out": sum("read_out_on" in case.facts for case in bulletins),
            "plans_and_schemes": kinds["plan"],
            "duty_rosters": kinds["roster"],
            "hazards_found": len(hazards),
            "hazards_closed": sum(case.state == "closed" for case in hazards),
            "overdue_now": worklists.count(
                connection, seen, Filter(overdue=True, without_workflow=the_loops().catalog.routine), now
            ),
            "filings": {
                "weekly": _filings(connection, organisation, weekly.CYCLE, now),
                "daily": _filings(connection, organisation, daily.CYCLE, now),
                "portal": _filings(connection, organisation, portal.CYCLE, now),
                "hazard_reports": _filings(connection, organisation, hazard_report.CYCLE, now),
            },
        },
        "acknowledgement": _acknowledgement(notices),
        "inspections": _inspections(connection, organisation, now),
        "reminders": _reminders(connection, organisation),
        "events": history.count_events(connection, organisation),
        "refused": refusals.count(connection, organisation),
    }


def _removed_in_break(connection: Connection, case: Case, calendar: Calendar) -> bool:
    """The definition of `campaign.yaml`: found on 15 January, answered for by logistics, fixed in the break, later closed."""
    told = campaign()
    if case.department != LOGISTICS or case.state != "closed":
        return False
    first, last = told.winter_break
    events = history.events_of(connection, case.organisation, case.number)
    found = calendar.local_date(events[0].found_at or events[0].recorded_at)
    fixed = [
        calendar.local_date(event.recorded_at)
        for event in events
        if event.to_state == "fixed" and event.trigger == "fix"
    ]
    return found == told.group_inspection and any(first <= day <= last for day in fixed)


#: a superior's paper or meeting; an accident he tells of is another thing
SUPERIOR = ("superior_notice", "superior_meeting")


def _in_campaign(case: Case) -> bool:
    told = campaign()
    return told.first <= date.fromisoformat(case.facts["dated_on"]) <= told.last


def _acknowledgement(notices: list[Case]) -> dict[str, dict[str, Any]]:
    """Of each meeting of the school, by number: how many had to know, how many said that they do, and the share of a hundred."""
    found: dict[str, dict[str, Any]] = {}
    for case in notices:
        counted = counts(case)
        if case.facts["kind"] == "school_meeting" and counted is not None:
            asked, confirmed = counted["asked"], counted["confirmed"]
            found[case.number] = {"asked": asked, "confirmed": confirmed, "rate": round(100 * confirmed / asked, 1)}
    return found


def _held(case: Case) -> bool:
    """A drill that was run within the campaign, whatever has become of its papers."""
    told = campaign()
    held_on = case.facts.get("held_on")
    return held_on is not None and told.first <= date.fromisoformat(held_on) <= told.last


def _inspections(connection: Connection, organisation: str, now: datetime) -> dict[str, dict[str, int]]:
    """By month: due, reported (in time or late), late, missing. Reported and missing add up to due."""
    months: dict[str, dict[str, int]] = {}
    for month in campaign().months:
        found = periods.find(connection, organisation, cycle=CYCLE, key=month)
        status = Counter(period.status for period in found)
        months[month] = {
            "due": len(found) - status["waived"],
            "reported": status["reported"] + status["late"],
            "late": status["late"],
            "missing": sum(period.missing(now) for period in found),
        }
    return months


def _filings(connection: Connection, organisation: str, cycle: str, now: datetime) -> dict[str, int]:
    """Due, handed in (in time or late), late, missing; and how many of those handed in said zero, or were corrected. What is
    handed in, what is missing and what still has time add up to what is due.
    """
    found = periods.find(connection, organisation, cycle=cycle)
    came = Counter(period.report(now) for period in found)
    return {
        "due": len(found) - came["waived"],
        "submitted": came["reported"] + came["late"],
        "late": came["late"],
        "missing": came["missing"],
        "zero": sum(period.zero for period in found),
        "corrected": sum(period.corrected_at is not None for period in found),
    }


def _reminders(connection: Connection, organisation: str) -> dict[str, Any]:
    """How many reminders went out, how many climbed past whoever is late, and from which rungs."""
    told = history.reminders(connection, organisation)
    rungs = Counter(
        event.data["rung"].split("-")[0] if event.data["rung"].startswith("repeat") else event.data["rung"]
        for event in told
    )
    return {
        "sent": len(told),
        "escalated": sum(bool(event.data["escalated"]) for event in told),
        "by_rung": dict(sorted(rungs.items())),
    }
