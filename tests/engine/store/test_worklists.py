import re
from functools import partial
from itertools import product
from typing import Any

import pytest
from sqlalchemy import insert, select

from engine.actor import Actor, Visibility
from engine.authority import may_see, visibility
from engine.commands import OpenCase
from engine.sealing import number
from engine.store import cases, inside, known, worklists
from engine.store.database import table_of
from engine.store.tables import WORDS, CaseRow
from engine.store.worklists import Filter
from tests.engine.fakes import HERE, PEOPLE, THERE, School, local
from tests.plans import asked_by, explained, looked_into
from workflows.roles import OVERSEERS

ALL = Visibility(HERE, everything=True)


def numbers(school: School, wanted: Filter, seen: Visibility = ALL) -> list[str]:
    with school.engine.database.read_across() as connection:
        found = worklists.all_cases(connection, seen, wanted, school.clock.now())
        assert worklists.count(connection, seen, wanted, school.clock.now()) == len(found)
    return [case.number for case in found]


def waiting(school: School, who: str | Actor) -> list[str]:
    actor = school.actor(who) if isinstance(who, str) else who
    with school.engine.database.read_across() as connection:
        return [c.number for c in worklists.waiting_for(connection, visibility(actor, OVERSEERS), actor)]


@pytest.fixture
def five(school: School) -> School:
    """1 reported, 2 assigned to Alice, 3 fixed, 4 closed, and an errand."""
    school.report(title="灭火器过期", place="实训楼", category="FIRE.equip", department="JWC")
    school.later(hours=1).assigned()
    school.later(hours=1)
    school.step("alice", school.assigned(time_limit="days15"), "fix")
    school.later(hours=1).closed(place="食堂后门")
    school.later(hours=1).errand()
    return school


@pytest.mark.parametrize(
    "wanted, expected",
    [
        ({}, "1 2 3 4 E"),
        ({"workflow": "errand"}, "E"),
        ({"state": "fixed"}, "3"),
        ({"counts_as": "reported"}, "1 E"),
        ({"level": "general"}, "2 3 4"),
        ({"category": "ELEC"}, "2 3 4"),
        ({"category": "ELEC.use"}, "2 3 4"),
        ({"category": "ELE"}, ""),
        ({"category": "FIRE"}, "1"),
        ({"department": "JWC"}, "1"),
        ({"assignee": "alice"}, "2 3 4"),
        ({"assignee": "alice", "state": "assigned"}, "2"),
        ({"due_before": local("2019-12-04 00:00")}, "1"),
        ({"opened_after": local("2019-12-02 11:00")}, "4 E"),
        ({"q": "食堂"}, "4"),
        ({"q": "插座 教学楼"}, "2 3"),
        ({"q": "YH-2019-0003"}, "3"),
        ({"q": "100%"}, ""),
        ({"q": "_"}, ""),
        ({"q": "yh-2019-0003"}, "3"),
        ({"q": ""}, "1 2 3 4 E"),
    ],
    ids=str,
)
def test_a_filter_finds_what_it_says(five: School, wanted: dict[str, Any], expected: str) -> None:
    named = [f"YH-2019-000{name}" if name != "E" else "BG-2019-0001" for name in expected.split()]
    assert sorted(numbers(five, Filter(**wanted))) == sorted(named)


def test_overdue_is_computed_from_the_clock_and_the_rest_is_the_rest(five: School) -> None:
    five.at("2019-12-06 00:00")
    late, others = numbers(five, Filter(overdue=True)), numbers(five, Filter(overdue=False))
    assert late == ["BG-2019-0001", "YH-2019-0001", "YH-2019-0002", "YH-2019-0003"]
    assert others == ["YH-2019-0004"], "a closed case is late no more"
    assert all(five.case(number).overdue(five.clock.now()) for number in late)


def test_pages_follow_each_other_newest_first_while_new_cases_are_opened(five: School) -> None:
    shown: list[str] = []
    after = None
    while True:
        with five.engine.database.read_across() as connection:
            page = worklists.page(connection, ALL, Filter(), five.clock.now(), limit=2, after=after)
        shown += [case.number for case in page.cases]
        five.errand("新开的")  # does not push anything onto the next page a second time
        if (after := page.next_after) is None:
            break
    assert shown == ["BG-2019-0001", "YH-2019-0004", "YH-2019-0003", "YH-2019-0002", "YH-2019-0001"]


def test_cases_opened_at_one_instant_are_paged_by_number(school: School) -> None:
    opened = [school.errand() for _ in range(5)]
    with school.engine.database.read_across() as connection:
        first = worklists.page(connection, ALL, Filter(), school.clock.now(), limit=5)
        assert first.next_after is None, "a full last page has no next one"
        page = worklists.page(connection, ALL, Filter(), school.clock.now(), limit=3)
        rest = worklists.page(connection, ALL, Filter(), school.clock.now(), limit=3, after=page.next_after)
    assert [case.number for case in (*page.cases, *rest.cases)] == opened[::-1]


@pytest.mark.parametrize("who", sorted(PEOPLE))
def test_a_list_shows_exactly_what_its_reader_may_see(five: School, who: str) -> None:
    seen = visibility(five.actor(who), OVERSEERS)
    everything = [five.case(number) for number in numbers(five, Filter())]
    assert numbers(five, Filter(), seen) == [case.number for case in everything if may_see(case, seen)]


def test_a_stranger_sees_nothing(five: School) -> None:
    assert numbers(five, Filter(), Visibility(HERE)) == []


def test_what_waits_for_somebody_is_his_by_relation_or_by_role_in_the_right_scope(five: School) -> None:
    assert waiting(five, "alice") == ["YH-2019-0002"]
    assert waiting(five, "sam") == ["YH-2019-0001", "YH-2019-0003"]
    assert waiting(five, "bob") == ["BG-2019-0001"], "of his department"
    assert waiting(five, "frank") == []
    assert waiting(five, "charlie") == []


def test_the_worst_deadline_comes_first(five: School) -> None:
    five.at("2019-12-20 08:00")
    late = five.report()
    assert waiting(five, "sam") == ["YH-2019-0001", "YH-2019-0003", late]


def test_what_waits_is_paged_by_deadline_and_misses_nothing(five: School) -> None:
    for days in (3, 0, 0):  # two of one deadline
        five.later(days=days).report()
    with five.engine.database.write_across() as connection:  # and two without any
        connection.exec_driver_sql(
            "UPDATE case_record SET due_at = NULL WHERE number IN ('YH-2019-0001', 'YH-2019-0003')"
        )
    sam, everything = five.actor("sam"), waiting(five, "sam")
    assert everything == [f"YH-2019-000{n}" for n in (5, 6, 7, 1, 3)]
    shown: list[str] = []
    after = None
    for _ in everything:
        with five.engine.database.read_across() as connection:
            [case] = worklists.waiting_for(connection, visibility(sam, OVERSEERS), sam, limit=1, after=after)
        shown.append(case.number)
        after = (None if case.number in {"YH-2019-0001", "YH-2019-0003"} else case.due_at, case.number)
    assert shown == everything
    with five.engine.database.read_across() as connection:
        assert worklists.waiting_for(connection, visibility(sam, OVERSEERS), sam, limit=1, after=after) == []


def test_tenants_never_meet_in_a_list(five: School) -> None:
    mallory = five.actor("mallory", THERE)
    assert numbers(five, Filter(), visibility(mallory, OVERSEERS)) == []
    assert waiting(five, mallory) == []
    five.do(five.actor("alice", THERE), OpenCase("hazard", {"title": "t", "place": "p"}))
    assert waiting(five, mallory) == ["YH-2019-0001"]
    assert "YH-2019-0001" in numbers(five, Filter(q="灭火器"))
    assert numbers(five, Filter(q="灭火器"), visibility(mallory, OVERSEERS)) == []


# --- how it is found -------------------------------------------------------------------------------------------------


def test_a_search_finds_what_stands_in_short_words_and_in_words_too_long_for_the_index(school: School) -> None:
    details = "".join(f"第{n}处插座面板有裂纹。" for n in range(60)) + "Kunststoff 孔雀"
    assert len(details) > WORDS
    numbers_of = [
        school.report(title="短 孔雀"),
        school.report(details=details),
        school.report(title="无关"),
        school.report(title="kunststoff"),
        school.report(details=details),
    ]
    peacocks, plastic = Filter(q="孔雀"), Filter(q="KUNSTSTOFF")
    assert numbers(school, peacocks) == [numbers_of[n] for n in (0, 1, 4)]
    assert numbers(school, plastic) == [numbers_of[n] for n in (1, 3, 4)], "whatever case it is written in"
    assert numbers(school, Filter(q="第0处 孔雀")) == [numbers_of[n] for n in (1, 4)], "one early, one late"

    shown: list[str] = []
    after = None
    for _ in range(3):
        with school.engine.database.read_across() as connection:
            page = worklists.page(connection, ALL, peacocks, school.clock.now(), limit=1, after=after)
        shown += [case.number for case in page.cases]
        after = page.next_after
    assert shown == [numbers_of[n] for n in (4, 1, 0)], "both kinds in one order, each once"
    assert after is None


def test_what_was_opened_in_a_campaign_is_found_now_and_as_of_then(five: School) -> None:
    campaign, at = "BG-2019-0001", five.clock.now()
    opened = [
        five.later(hours=1).do("sam", OpenCase(loop, said, within=campaign)).case.number
        for loop, said in (("hazard", {"title": "t", "place": "p"}), ("errand", {"title": "x", "department": "JWC"}))
    ]
    number(five.engine.database, HERE)
    with five.engine.database.read(HERE) as connection:
        for wanted, found in (
            (Filter(within=campaign), opened),
            (Filter(within=campaign, workflow="hazard"), opened[:1]),
        ):
            now = five.clock.now()
            assert sorted(numbers(five, wanted)) == sorted(found)
            then = known.page(connection, ALL, wanted, now)
            assert sorted(case.number for case in then.cases) == sorted(found)
            assert known.page(connection, ALL, wanted, at).cases == []
        lines = inside.counted(connection, ALL, campaign, five.later(hours=24 * 90).clock.now())
        head = inside.departments(connection, OF_A_HEAD, campaign, ())
    assert [(line.workflow, line.state, line.count, line.overdue) for line in lines] == [
        ("errand", "reported", 1, 1), ("hazard", "reported", 1, 1),
    ]  # fmt: skip
    assert not head, "who may not see them is told how many there are"


ONE_OF_EACH: list[tuple[dict[str, Any], str]] = [
    ({}, "ledger|words"),
    ({"workflow": "hazard"}, "ledger"),
    ({"state": "fixed"}, "ledger"),
    ({"counts_as": "fixed"}, "ledger"),
    ({"level": "major"}, "ledger"),
    ({"category": "ELEC"}, "ledger"),
    ({"department": "HQC"}, "ledger|words"),
    ({"assignee": "alice"}, "ledger"),
    ({"overdue": True}, "open|ledger"),
    ({"overdue": False}, "ledger"),
    ({"due_before": local("2019-12-04 00:00")}, "ledger"),
    ({"opened_after": local("2019-12-02 11:00")}, "ledger|words"),
    ({"q": "插座"}, "words"),
    ({"within": "BG-2019-0001"}, "within"),
    ({"within": "BG-2019-0001", "workflow": "hazard", "state": "reported"}, "within"),
]


OF_A_HEAD = Visibility(HERE, False, frozenset({"HQC"}), frozenset({"bob"}))
DEEP = (local("2019-12-02 11:00"), "YH-2019-0003")


@pytest.fixture
def many(five: School) -> School:
    """Enough cases to make a database think, and what a server looks into now and then."""
    database = five.engine.database
    cases_ = table_of(CaseRow)
    with database.write_across() as connection:
        rows = [dict(row) for row in connection.execute(select(cases_)).mappings()]
        copies = [{**row, "number": f"{row['number']}-{n}"} for row in rows for n in range(400)]
        connection.execute(insert(cases_), copies)
    looked_into(database, "case_record")
    return five


def test_what_a_filter_leaves_out_is_not_looked_up(many: School) -> None:
    """An index alone says which cases a page shows: where a school has 50,000 of them, looking at each costs a page each."""
    now = many.clock.now()
    with many.engine.database.read(HERE) as connection:
        for seen, after, (wanted, index) in product((ALL, OF_A_HEAD), (None, DEEP), ONE_OF_EACH):
            ask = partial(worklists.page, connection, seen, Filter(**wanted), now, after=after)
            [plan] = [explained(connection, *statement) for statement in asked_by(connection, ask)]
            alone = re.findall(r"(?:COVERING INDEX|Index Only Scan (?:Backward )?using) ix_case_record_(\w+)", plan)
            assert alone, f"{wanted}\n{plan}"
            assert set(alone) <= set(index.split("|")), f"{wanted}\n{plan}"
            looked_up = re.findall(
                r"(?<!COVERING )INDEX (\w*case_\w+)|Index Scan (?:Backward )?using (\w*case_\w+)", plan
            )
            assert {one or other for one, other in looked_up} <= LOOKED_UP, f"{wanted}\n{plan}"


#: what is shown, by its number; and the few whose words are too long for the index
LOOKED_UP = {"pk_case_record", "sqlite_autoindex_case_record_1", "ix_case_record_longer"}


def test_what_waits_is_found_among_the_open_cases_alone(many: School) -> None:
    with many.engine.database.read(HERE) as connection:
        for who in ("sam", "alice", "bob", "charlie", "frank"):
            actor = many.actor(who)
            ask = partial(worklists.waiting_for, connection, visibility(actor, OVERSEERS), actor)
            [plan] = [explained(connection, *statement) for statement in asked_by(connection, ask)]
            assert AMONG_THE_OPEN.search(plan), plan


def test_which_definitions_are_needed_is_found_among_the_open_cases_alone(many: School) -> None:
    with many.engine.database.read_across() as connection:
        [asked] = asked_by(connection, lambda: cases.definitions_in_use(connection))
        plan = explained(connection, *asked)
    assert AMONG_THE_OPEN.search(plan), plan


AMONG_THE_OPEN = re.compile(r"(COVERING INDEX|Index Only Scan using) ix_case_record_open")


def reported_by(school: School, who: str, series: tuple[str, ...] = ("YH", "BG"), limit: int = 50) -> list[str]:
    actor = school.actor(who)
    with school.engine.database.read_across() as connection:
        found = worklists.reported_by(connection, visibility(actor, OVERSEERS), who, series, limit=limit)
    return [case.number for case in found]


def test_what_one_reported_is_listed_with_what_is_open_first_and_the_newest_first(five: School) -> None:
    [reporter] = {five.case(number).reporter for number in ("YH-2019-0001", "YH-2019-0004")}
    assert reporter is not None
    mine = reported_by(five, reporter)
    assert [number for number in mine if number.startswith("YH")] == [
        "YH-2019-0003", "YH-2019-0002", "YH-2019-0001", "YH-2019-0004",
    ]  # fmt: skip
    assert reported_by(five, reporter, limit=1) == mine[:1]
    assert reported_by(five, reporter, series=("ZZ",)) == [] == reported_by(five, reporter, series=())
    assert reported_by(five, "alice") == [], "she fixes, and reported nothing"
