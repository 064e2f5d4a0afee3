"""The campaign comes out as the founding document says, the same every time, and counted from the cases."""

from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from api.demo.campaign import ORGANISATION, ZONE, first_calendar, second_calendar
from api.demo.campaign import campaign as campaign_file
from api.demo.figures import figures
from api.demo.messages import as_messages, every_delivery, outside_hours, went
from api.demo.school import PEOPLE, everyone
from api.demo.stories import GROUP, TWISTS
from engine.actor import Visibility
from engine.audit import verify_chain
from engine.case import Case
from engine.store import cases, history, outbox, people, worklists
from engine.store.database import Connection, Database
from engine.store.worklists import Filter
from notifications.message import GROUP as TO_A_GROUP
from notifications.routing import SchoolSettings
from tests.conftest import Played
from workflows.reference import samples

ENDED = datetime(2020, 3, 31, 10, 0, tzinfo=UTC)  # 18:00 at the school
EVERYTHING = Visibility(ORGANISATION, everything=True)


def hazards(connection: Connection) -> list[Case]:
    return worklists.all_cases(connection, EVERYTHING, Filter(workflow="hazard"), ENDED)


def removed(database: Database) -> int:
    with database.read_across() as connection:
        counted: int = figures(connection, ORGANISATION, ENDED)["figures"]["hazards_removed_in_winter_break"]
        return counted


def group_of_nine(database: Database) -> list[Case]:
    with database.read_across() as connection:
        return [case for case in hazards(connection) if case.facts.get("source") == "group"]


# --- the document's figures ----------------------------------------------------------------------------------------------


def test_nine_hazards_were_removed_in_the_winter_break(campaign: Played) -> None:
    assert campaign.counted["figures"]["hazards_removed_in_winter_break"] == 9


def test_two_drills_were_held_on_the_documents_days(campaign: Played, campaign_database: Database) -> None:
    assert campaign.counted["figures"]["drills_held"] == 2
    with campaign_database.read_across() as connection:
        drills = worklists.all_cases(connection, EVERYTHING, Filter(workflow="drill"), ENDED)
    assert [drill.facts["held_on"] for drill in drills] == ["2019-11-28", "2019-12-27"]
    assert all(drill.state == "closed" and drill.facts["problems_found"] for drill in drills)


def test_its_papers_and_meetings_are_those_of_the_document(campaign: Played, campaign_database: Database) -> None:
    told = campaign_file().raw["figures"]
    for name in ("school_meetings", "superior_notices", "plans_and_schemes", "duty_rosters"):
        assert campaign.counted["figures"][name] == told[name]["count"], name
    with campaign_database.read_across() as connection:
        found = worklists.all_cases(connection, EVERYTHING, Filter(workflow="notice"), ENDED)
    held = [case.facts["dated_on"] for case in found if case.facts["kind"] == "school_meeting"]
    assert held == [day.isoformat() for day in told["school_meetings"]["dates"]]
    assert {case.state for case in found} == {"closed"}


def test_each_meeting_has_its_rate_and_whoever_was_late_was_told_to_his_head(
    campaign: Played, campaign_database: Database
) -> None:
    rates = campaign.counted["acknowledgement"]
    assert [rate["asked"] for rate in rates.values()] == [300, 300, 46, 46]
    for rate in rates.values():
        assert rate["rate"] == round(100 * rate["confirmed"] / rate["asked"], 1) > 99
    first = next(iter(rates))
    with campaign_database.read_across() as connection:
        case = cases.load(connection, ORGANISATION, first)
        events = history.events_of(connection, ORGANISATION, first)
        told = [n for n in outbox.notices_of(connection, ORGANISATION, first) if n.reason == "receipt"]
    assert case is not None
    confirmed = [person for event in events for person in event.changes.get("acted.confirmed+", ())]
    assert len(confirmed) == len(set(confirmed)) == rates[first]["confirmed"]
    assert set(confirmed).isdisjoint(case.who_acted("excused")) and len(case.who_acted("excused")) == 2
    late = [n.about["unconfirmed"] for n in told if n.audience[0].startswith("looks_after:")]
    assert len(late) > 2 and all(0 < each["count"] < 10 for each in late)


def test_what_was_found_on_the_fifteenth_was_read_out_on_the_seventeenth(
    campaign: Played, campaign_database: Database
) -> None:
    assert campaign.counted["figures"]["bulletins_read_out"] == 1
    with campaign_database.read_across() as connection:
        [bulletin] = worklists.all_cases(connection, EVERYTHING, Filter(workflow="bulletin"), ENDED)
        [link] = bulletin.links
        meeting = cases.load(connection, ORGANISATION, link.number)
        known = hazards(connection)
    assert meeting is not None and (link.kind, meeting.facts["dated_on"]) == ("read_out_at", "2020-01-17")
    assert ("reads_out", bulletin.number) in {(each.kind, each.number) for each in meeting.links}
    since, before = (datetime.fromisoformat(bulletin.facts[name]) for name in ("covers_from", "covers_before"))
    kept = bulletin.facts["figures"]
    closed = [each for each in known if each.state == "closed" and each.closed_at and since <= each.closed_at < before]
    assert kept["numbers"]["closed"]["count"] == len(closed) > 30
    nine = [each for each in known if each.facts.get("source") == "group"]
    assert len(nine) <= kept["departments"]["HQC"]["found"] + sum(
        numbers["found"] for code, numbers in kept["departments"].items() if code != "HQC"
    )
    assert bulletin.state == "closed" and not bulletin.unconfirmed


def test_what_an_accident_elsewhere_made_the_school_look_at_was_looked_at(campaign_database: Database) -> None:
    with campaign_database.read_across() as connection:
        checks = worklists.all_cases(connection, EVERYTHING, Filter(workflow="comparison"), ENDED)
        tasks = worklists.all_cases(connection, EVERYTHING, Filter(workflow="task"), ENDED)
    assert len(checks) == 4 and {check.state for check in checks} == {"closed"}
    assert {answer["note"] for c in checks for answer in c.facts["answers"].values() if answer["result"] == "na"} == {
        "本部位不存放化学品"
    }
    assert len(tasks) == 3 and {(task.state, task.first_due_at) for task in tasks} == {
        ("closed", datetime(2019, 12, 31, 15, 59, 59, tzinfo=UTC))  # the day the city asked for
    }


def test_twenty_departments_owe_every_month_and_what_never_came_stays_missing(campaign: Played) -> None:
    months = campaign.counted["inspections"]
    assert list(months) == ["2019-12", "2020-01", "2020-02", "2020-03"]
    for figures_of in months.values():
        assert figures_of["due"] == 20
        assert figures_of["reported"] + figures_of["missing"] == 20
        assert figures_of["late"] <= figures_of["reported"]
    assert [months[month]["missing"] for month in months] == [0, 1, 2, 0]
    assert [months[month]["late"] for month in months] == [1, 2, 3, 1]


def test_people_are_late_now_and_then_so_reminders_and_escalations_really_fire(campaign: Played) -> None:
    reminders = campaign.counted["reminders"]
    assert reminders["sent"] == sum(reminders["by_rung"].values())
    assert 0 < reminders["escalated"] < reminders["sent"]
    assert set(reminders["by_rung"]) == {
        "before-3", "before-1", "due", "after-1", "after-3", "after-7", "after-15", "repeat", "receipt", "receipt-1",
    }  # fmt: skip
    assert campaign.counted["figures"]["overdue_now"] > 0


def test_the_ledger_holds_every_sample_and_what_rounds_and_drills_found(
    campaign: Played, campaign_database: Database
) -> None:
    with campaign_database.read_across() as connection:
        found = hazards(connection)
    assert campaign.counted["figures"]["hazards_found"] == len(found)
    assert campaign.counted["figures"]["hazards_closed"] == sum(case.state == "closed" for case in found)
    assert {sample.title.zh for sample in samples().values()} <= {case.title for case in found}
    assert {case.level for case in found if case.level} == {"general", "major"}
    states = {case.state for case in found}
    assert {"rejected", "merged", "closed", "assigned"} <= states


def test_every_twist_of_the_ledger_leaves_its_mark(campaign_database: Database) -> None:
    with campaign_database.read_across() as connection:
        found = hazards(connection)
    counters = [case.counters for case in found]
    assert any(counted.get("extended") for counted in counters)
    assert any(counted.get("returned") == 3 for counted in counters)
    assert any(counted.get("rebounds") for counted in counters)
    assert any(link.kind == "rebound_of" for case in found for link in case.links)
    assert any(link.kind == "merged_into" for case in found for link in case.links)
    assert sum(case.mode == "on_spot" and case.state == "closed" for case in found) > 10
    assert set(TWISTS) <= set(samples())


# --- its messages --------------------------------------------------------------------------------------------------------


def test_three_hundred_people_get_one_digest_a_day_at_most_and_nothing_at_night_but_majors(
    campaign: Played, campaign_database: Database
) -> None:
    with campaign_database.read_across() as connection:
        assert len(people.people(connection, ORGANISATION)) == PEOPLE == 300
        every = as_messages(every_delivery(connection, ORGANISATION), ZoneInfo(ZONE)).values()
    a_day = Counter((message.addressee, message.channel, message.day) for message in every if message.how == "digest")
    assert set(a_day.values()) == {1}
    assert campaign.counted["messages"]["max_per_person_per_day"] == 1
    at_night = [message for message in every if outside_hours(message, SchoolSettings())]
    assert all(message.majors for message in at_night)
    assert campaign.counted["messages"]["outside_window"] == len(at_night)
    calendar, second = first_calendar(), second_calendar()
    for message in every:
        known = calendar if message.day < campaign_file().second_calendar else second
        assert message.how == "direct" or known.is_workday(message.day)


def test_each_reader_has_his_desk_and_one_channel_outside(campaign: Played, campaign_database: Database) -> None:
    with campaign_database.read_across() as connection:
        every = list(every_delivery(connection, ORGANISATION))
    ways: dict[tuple[str, str], set[str]] = {}
    for line in filter(went, every):
        ways.setdefault((line.notice.id, line.addressee.key), set()).add(line.channel)
    for (_, addressee), channels in ways.items():
        if addressee.startswith(TO_A_GROUP):
            assert channels == {"wecom_robot"}
        else:
            assert "inbox" in channels and len(channels) <= 2
    assert set(campaign.counted["messages"]["by_channel"]) == {"inbox", "wecom_app", "email", "sms", "wecom_robot"}


def test_every_rung_that_fired_is_in_exactly_one_message_of_each_of_its_readers(campaign: Played) -> None:
    told = campaign.counted["messages"]
    still_to_come = campaign.counted["reminders"]["sent"] - told["rungs_fired"]
    assert told["rungs_fired"] == told["rungs_told_once"] > 600
    assert 0 <= still_to_come < 5, "what fired on the last day goes with the next day's digest"


# --- counted, not kept ---------------------------------------------------------------------------------------------------


def test_the_nine_are_counted_from_the_cases_so_an_altered_history_gives_another_number(
    campaign_database: Database,
) -> None:
    nine = group_of_nine(campaign_database)
    assert len(nine) == len(GROUP) == removed(campaign_database) == 9
    with campaign_database.write_across() as connection:
        connection.exec_driver_sql("DROP TRIGGER event_no_update")
        connection.exec_driver_sql(
            "UPDATE event SET recorded_at = '2020-02-20 07:00:00.000000' WHERE number = ? AND trigger = 'fix'",
            (nine[0].number,),
        )
    assert removed(campaign_database) == 8  # one was fixed after the break


@pytest.mark.parametrize(
    ("column", "value"),
    [("$.department", "BWC"), ("$.state", "verified")],
    ids=["another department answers for it", "it was never closed"],
)
def test_each_clause_of_the_definition_counts(campaign_database: Database, column: str, value: str) -> None:
    number = group_of_nine(campaign_database)[0].number
    with campaign_database.write_across() as connection:
        connection.exec_driver_sql(
            "UPDATE case_record SET body = json_set(body, ?, ?) WHERE number = ?", (column, value, number)
        )
    assert removed(campaign_database) == 8


# --- one engine ----------------------------------------------------------------------------------------------------------


def test_every_history_of_the_demo_is_chained_and_folds_into_its_case(campaign_database: Database) -> None:
    with campaign_database.read_across() as connection:
        every = worklists.all_cases(connection, EVERYTHING, Filter(), ENDED)
        for case in every:
            envelopes = history.envelopes_of(connection, ORGANISATION, case.number)
            assert verify_chain(envelopes, organisation=ORGANISATION, case=case.number) == []
            folded, _ = history.as_of(connection, ORGANISATION, case.number, case.sequence)
            assert folded == cases.load(connection, ORGANISATION, case.number)


def test_every_step_was_taken_by_the_person_who_would_take_it(campaign_database: Database) -> None:
    known = {f"person:{post.person}" for post in everyone()} | {"system"}
    with campaign_database.read_across() as connection:
        actors = set(connection.exec_driver_sql("SELECT DISTINCT actor FROM event").scalars())
        own = connection.exec_driver_sql(
            "SELECT count(*) FROM event a JOIN event f USING (organisation, number, actor) "
            "WHERE f.trigger = 'fix' AND a.trigger IN ('verify', 'approve')"
        ).scalar_one()
    assert actors <= known
    assert own == 0  # nobody approved his own work


def test_nobody_of_the_demo_has_a_persons_name() -> None:
    endings = ("校长", "书记", "主任", "专职", "负责人", "安全员", "教职工", "维修人员", "管理员")
    assert [post.name for post in everyone() if not post.name.rstrip("0123456789").endswith(endings)] == []


# --- the calendar --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "first", "second"),
    [
        (date(2020, 1, 19), True, True),  # a Sunday worked for the Spring Festival
        (date(2020, 1, 24), False, False),  # the Spring Festival
        (date(2020, 1, 31), True, False),
        (date(2020, 2, 1), True, False),  # a Saturday that was to be worked, until the notice of 27 January
        (date(2020, 2, 2), False, False),
        (date(2020, 2, 3), True, True),
    ],
)
def test_the_second_calendar_takes_back_what_the_notice_took_back(day: date, first: bool, second: bool) -> None:
    assert first_calendar().is_workday(day) is first
    assert second_calendar().is_workday(day) is second


def test_deadlines_fell_on_worked_weekends_and_never_on_the_festival(campaign_database: Database) -> None:
    calendar = first_calendar()
    with campaign_database.read_across() as connection:
        events = [
            event
            for case in hazards(connection)
            for event in history.events_of(connection, ORGANISATION, case.number)
            if event.calendar_version == 1 and (event.changes.get("clock") or {}).get("budget", {}).get("workdays")
        ]
    due = {calendar.local_date(datetime.fromisoformat(event.changes["clock"]["due_at"])) for event in events}
    assert {date(2020, 1, 19), date(2020, 2, 1)} <= due
    assert not due & calendar.days_off


def test_the_campaign_file_says_when_the_second_calendar_came(tmp_path: Path) -> None:
    assert campaign_file().second_calendar == date(2020, 1, 27)
    assert campaign_file().winter_break == (date(2020, 1, 18), date(2020, 2, 16))
