import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError, OperationalError

from engine.actor import Actor, system
from engine.case import Case, Link
from engine.commands import FireTrigger, OpenCase, OpenPeriod, Recompute, Remind
from engine.definition import Catalog, Within
from engine.errors import (
    BihuanError,
    Busy,
    GuardRefused,
    InvalidInput,
    KeyReused,
    NotAllowed,
    NotPossibleNow,
    Refusal,
    StaleCase,
    UnknownCase,
)
from engine.handle import Done, Failed, Idle, Refused, handle, handle_one, recompute_preview, settled
from engine.handle.reading import MOST_AHEAD
from engine.store import answers, calendars, files, history, refusals
from engine.store.database import Database
from engine.store.refusals import RefusalRecord
from engine.store.statements import Question, ask, standing
from engine.store.tables import AnswerRow, CalendarRow, EventRow
from tests.databases import Kind, on_postgresql, on_sqlite
from tests.engine.fakes import (
    CALENDAR,
    ERRAND,
    HERE,
    MAJOR,
    PHOTO,
    START,
    STEPS,
    THERE,
    WITH_ERRANDS,
    ErrandPolicy,
    School,
    a_school,
    json_of,
    local,
)
from workflows.checking import items_of

ERRAND_ASKED = OpenCase("errand", {"title": "取快递", "department": "HQC"})


def refusal_of(outcome: object) -> Refusal:
    assert isinstance(outcome, Refused), outcome
    return outcome.refusal


def run(number: str, note: str = "") -> FireTrigger:
    return FireTrigger(number, "run", {"note": note})


def refused_log(school: School, organisation: str = HERE) -> list[RefusalRecord]:
    with school.engine.database.read_across() as connection:
        return refusals.latest(connection, organisation)


# --- a group under one commit ----------------------------------------------------------------------------------------


def test_a_refused_and_a_failing_command_undo_themselves_and_nothing_else(school: School) -> None:
    first, second, third = school.errand(), school.errand(), school.errand()
    outcomes = school.handle(
        school.asked("bob", run(first)),
        school.asked("bob", FireTrigger(second, "run", {}, expected_revision=7)),
        school.asked("bob", run(second, "break")),
        school.asked("bob", run(third)),
    )
    assert [type(outcome) for outcome in outcomes] == [Done, Refused, Failed, Done]
    assert [school.case(number).state for number in (first, second, third)] == ["closed", "reported", "closed"]
    assert [len(school.assert_history_holds(number)) for number in (first, second, third)] == [2, 1, 2]
    assert school.waiting(second), "the clock of the case that did not move still runs"


def test_a_defect_is_handed_back_as_it_is_and_is_no_refusal(school: School) -> None:
    [outcome] = school.handle(school.asked("bob", run(school.errand(), "break")))
    assert isinstance(outcome, Failed)
    with pytest.raises(ZeroDivisionError):
        settled(outcome)
    assert refused_log(school) == []


def test_a_later_command_of_a_group_sees_what_the_earlier_ones_did(school: School) -> None:
    number = school.errand()
    outcomes = school.handle(school.asked("bob", run(number)), school.asked("bob", run(number)))
    assert [type(outcome) for outcome in outcomes] == [Done, Refused]
    assert isinstance(refusal_of(outcomes[1]), NotPossibleNow)


def test_when_the_commit_fails_none_of_the_group_happened(school: School, tmp_path: Path) -> None:
    number = school.errand()
    before = school.case(number)
    database = CannotCommit(school.engine.database.url)
    engine = replace(school.engine, database=database)
    with pytest.raises(Busy) as busy:
        handle(engine, [school.asked("bob", run(number), "k1"), school.asked("bob", ERRAND_ASKED, "k2")])
    database.close()
    assert busy.value.code == "busy"
    assert school.case(number) == before
    assert school.count(EventRow) == 1
    assert school.count(AnswerRow) == 0, "a key is kept only with what it stands for"
    assert school.errand() == "BG-2019-0002", "the number drawn in vain is drawn again"


class CannotCommit(Database):
    """A database whose disk is full at the very last moment: a deferred check fails when the transaction commits."""

    def commit(self, connection: Connection) -> None:
        raise OperationalError("COMMIT", None, Exception("database or disk is full"))


@on_sqlite
def test_while_another_process_holds_the_file_the_group_is_answered_with_busy(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.store.database.BUSY_TIMEOUT_SECONDS", 0)
    other, ours = (Database(school.engine.database.url) for _ in range(2))
    with other.write_across(), pytest.raises(Busy) as busy:
        handle(replace(school.engine, database=ours), [school.asked("bob", ERRAND_ASKED)])
    assert "Nothing changed" in busy.value.sentence("en")
    other.close()
    ours.close()
    assert school.count(EventRow) == 0


def test_one_command_alone_raises_what_stood_in_its_way(school: School) -> None:
    done = handle_one(school.engine, school.asked("bob", ERRAND_ASKED))
    assert isinstance(done, Done)
    with pytest.raises(UnknownCase):
        handle_one(school.engine, school.asked("bob", run("BG-2019-0099")))


# --- idempotency keys ------------------------------------------------------------------------------------------------


def test_the_same_key_gets_the_first_answer_also_after_the_case_has_moved_on(school: School) -> None:
    number = school.report()
    first = school.do("sam", FireTrigger(number, "assign", STEPS["assign"]), key="k")
    for who, trigger in (("alice", "acknowledge"), ("alice", "fix"), ("erin", "verify"), ("helen", "approve")):
        school.later(days=1).step(who, number, trigger)
    again = school.do("sam", FireTrigger(number, "assign", STEPS["assign"]), key="k")
    assert again == replace(first, replayed=True)
    assert again.case.state == "assigned"
    assert school.case(number).state == "closed"
    assert len(school.assert_history_holds(number)) == 6, "the replay is no event"


def test_opening_under_the_same_key_opens_one_case(school: School) -> None:
    first = school.do("bob", ERRAND_ASKED, key="k")
    again = school.do("bob", ERRAND_ASKED, key="k")
    assert again == replace(first, replayed=True)
    assert not school.exists("BG-2019-0002")


def test_a_key_repeated_within_one_group_is_carried_out_once(school: School) -> None:
    outcomes = school.handle(school.asked("bob", ERRAND_ASKED, "k"), school.asked("bob", ERRAND_ASKED, "k"))
    assert [isinstance(outcome, Done) and outcome.replayed for outcome in outcomes] == [False, True]


def test_the_revision_that_was_expected_is_no_part_of_the_request(school: School) -> None:
    number = school.errand()
    school.do("bob", FireTrigger(number, "run", {"note": ""}, expected_revision=1), key="k")
    again = school.do("bob", FireTrigger(number, "run", {"note": ""}, expected_revision=2), key="k")
    assert again.replayed


@pytest.mark.parametrize(
    "other",
    [
        OpenCase("errand", {"title": "取另一件快递", "department": "HQC"}),
        OpenCase("errand", {"title": "取快递"}),
        OpenCase("errand", {"title": "取快递", "department": "HQC"}, found_at=local("2019-12-01 10:00")),
        OpenCase("errand", {"title": "取快递", "department": "HQC"}, within="BG-2019-0001"),
        OpenCase("hazard", {"title": "取快递", "department": "HQC"}),
        FireTrigger("BG-2019-0001", "run", {"title": "取快递", "department": "HQC"}),
    ],
    ids=["another answer", "an answer less", "another claim", "a mark", "another workflow", "a step instead"],
)
def test_the_same_key_for_another_request_is_refused(school: School, other: Any) -> None:
    school.do("bob", ERRAND_ASKED, key="k")
    refusal = refusal_of(school.outcome("bob", other, key="k"))
    assert isinstance(refusal, KeyReused)
    assert refusal.code == "key_reused"
    assert len(school.events("BG-2019-0001")) == 1
    assert not school.exists("BG-2019-0002")


def test_what_is_opened_inside_carries_the_mark_and_what_holds_it_records_nothing(school: School) -> None:
    holds = school.errand()
    inside = school.do("bob", OpenCase("errand", {"title": "x", "department": "HQC"}, within=holds)).case
    hazard = school.do("bob", OpenCase("hazard", {"title": "t", "place": "p"}, within=holds)).case
    assert (inside.links, inside.within, hazard.within) == ((Link("within", holds),), holds, holds)
    assert [event.trigger for event in school.assert_history_holds(holds)] == ["open"]
    school.assert_history_holds(hazard.number)
    school.step("bob", holds, "run", note="one more")
    child = school.case("BG-2019-0003")
    assert child.links == (Link("parent", holds), Link("within", holds)), "what comes out of it is not in it"


@pytest.mark.parametrize("number, why", [
    ("YH-2019-0001", "is no campaign"), ("BG-2019-0001", "has ended"), ("BG-2019-0009", "is no case you may see"),
    ("nonsense", "is no case you may see"),
])  # fmt: skip
def test_nothing_is_opened_in_what_holds_nothing(school: School, number: str, why: str) -> None:
    school.report()
    school.step("bob", school.errand(), "run", note="")
    refusal = refusal_of(school.outcome("bob", OpenCase("hazard", {"title": "t", "place": "p"}, within=number)))
    assert (refusal.code, refusal.fields[0].field) == ("invalid_input", "within")
    assert why in refusal.sentence("en")
    assert not school.exists("YH-2019-0002")


def test_another_persons_same_key_is_his_own(school: School) -> None:
    first = school.do("bob", ERRAND_ASKED, key="k")
    his = school.do("dora", ERRAND_ASKED, key="k")
    assert (his.replayed, his.case.number) == (False, "BG-2019-0002")
    assert his.case.number != first.case.number


def test_the_same_key_on_another_route_is_another_key(school: School) -> None:
    school.outcome("bob", ERRAND_ASKED, key="k", route="POST /api/v1/errands")
    elsewhere = school.outcome("bob", ERRAND_ASKED, key="k", route="POST /api/v1/cases")
    assert isinstance(elsewhere, Done) and not elsewhere.replayed


def test_the_same_key_in_another_organisation_is_another_key(school: School) -> None:
    school.do("alice", ERRAND_ASKED, key="k")
    there = school.do(school.actor("alice", THERE), ERRAND_ASKED, key="k")
    assert not there.replayed
    assert there.case.organisation == THERE


def test_an_invisible_case_is_unknown_before_the_key_is_looked_at(school: School) -> None:
    mine = school.assigned()
    other = school.do("bob", OpenCase("errand", {"title": "x", "department": "HQC"}), key="k").case.number
    charlie = school.actor("charlie")
    school.do(charlie, ERRAND_ASKED, key="k")
    hidden = refusal_of(school.outcome(charlie, run(other), key="k"))
    assert isinstance(hidden, UnknownCase), "not key_reused, which would say that there is something"
    missing = refusal_of(school.outcome(charlie, run("BG-2019-0099"), key="k"))
    assert hidden.sentence("en").replace(other, "N") == missing.sentence("en").replace("BG-2019-0099", "N")
    assert school.case(mine).state == "assigned"


def test_a_refusal_is_not_kept_under_its_key(school: School) -> None:
    number = school.report()
    fix = FireTrigger(number, "fix", STEPS["fix"])
    assert isinstance(refusal_of(school.outcome("sam", fix, key="k")), NotAllowed)
    early = refusal_of(school.outcome("sam", FireTrigger(number, "verify", STEPS["verify"]), key="k2"))
    assert isinstance(early, NotPossibleNow)
    school.step("sam", number, "assign")
    school.step("alice", number, "fix")
    later = school.do("sam", FireTrigger(number, "verify", STEPS["verify"]), key="k2")
    assert not later.replayed
    assert later.case.state == "verified"


def test_a_key_lives_for_thirty_days_and_not_longer(school: School) -> None:
    first = school.do("bob", ERRAND_ASKED, key="k")
    school.clock.advance(answers.KEPT - timedelta(seconds=1))
    assert school.do("bob", ERRAND_ASKED, key="k").replayed
    school.clock.advance(timedelta(seconds=1))
    anew = school.do("bob", ERRAND_ASKED, key="k")
    assert not anew.replayed
    assert anew.case.number != first.case.number
    assert school.do("bob", ERRAND_ASKED, key="k").event == anew.event, "from here on the key stands for the second one"


@on_postgresql
def test_a_command_is_three_journeys_whatever_it_refers_to(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask, write, and the commit that is seen here from before it."""
    journeys: list[int] = []
    database = school.engine.database
    commit = database.commit

    def counting(connection: Connection) -> None:
        journeys.append(standing(connection).journeys)
        commit(connection)

    number = school.report(category="ELEC.use")
    monkeypatch.setattr(database, "commit", counting)
    for who, trigger in (("sam", "assign"), ("alice", "fix"), ("erin", "verify")):
        school.step(who, number, trigger)
    assert [after - before for before, after in pairwise(journeys)] == [2, 2]


@on_postgresql  # where what a group asks for is asked for ahead
@pytest.mark.parametrize(
    "many",
    [{"photos": [f"{n:064x}" for n in range(1_000)]}, {f"also_{n}": f"YH-2020-{n:04d}" for n in range(1_000)}],
    ids=["pictures", "cases"],
)
def test_who_names_more_than_a_form_asks_for_keeps_nobody_of_his_group_waiting(
    school: School, monkeypatch: pytest.MonkeyPatch, many: dict[str, Any]
) -> None:
    asked: list[Question[Any]] = []

    def noting(connection: Connection, questions: Sequence[Question[Any]]) -> list[Any]:
        asked.extend(questions)
        return ask(connection, questions)

    monkeypatch.setattr("engine.handle.reading.ask", noting)
    report = {"title": "插座松动", "place": "A", "category": "ELEC.use"}
    bob = school.actor("bob")
    innocent, hostile = (school.asked(bob, OpenCase("hazard", data)) for data in (report, {**report, **many}))
    outcomes = school.handle(innocent, hostile, innocent)
    assert [type(outcome) for outcome in outcomes] == [Done, Refused, Done]
    assert MOST_AHEAD < len(asked) < 3 * MOST_AHEAD, "in a hurry, and with care once that was refused"


def test_numbers_go_on_from_where_a_group_of_two_organisations_left_each_series(school: School) -> None:
    here, there = school.actor("bob"), school.actor("mallory", THERE)
    report = OpenCase("hazard", {"title": "插座松动", "place": "A", "category": "ELEC.use"})
    for expected in (["1", "1", "2", "2", "3"], ["4", "3", "5", "4", "6"]):
        outcomes = school.handle(*(school.asked(who, report) for who in (here, there, here, there, here)))
        numbers = [str(int(outcome.case.number[-4:])) for outcome in outcomes if isinstance(outcome, Done)]
        assert numbers == expected


# --- what a form refers to -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trigger, field, wrong",
    [
        ("assign", "assignee", "nobody"),
        ("assign", "assignee", "mallory"),
        ("assign", "assignee", "retired"),
        ("assign", "department", "XXX"),
        ("merge", "into", "YH-2019-0099"),
        ("correct_on_spot", "corrected_by", "nobody"),
        ("correct_on_spot", "photos_after", ["b" * 64]),
    ],
)
def test_what_a_form_refers_to_has_to_exist_here(school: School, trigger: str, field: str, wrong: Any) -> None:
    with school.engine.database.write_across() as connection:
        connection.execute(
            text(
                "INSERT INTO person SELECT organisation, 'retired', name, department, locale, addresses, false, NULL, '', NULL FROM person WHERE person = 'alice' AND organisation = 'school'"
            )
        )
    number = school.report(who="sam")
    graded = {name: STEPS["assign"][name] for name in ("category", "criteria", "department")}
    right: Mapping[str, Any] = {
        "assign": STEPS["assign"],
        "merge": {"into": "", "reason": "重复"},
        "correct_on_spot": {**graded, "corrected_by": "alice", "measure": "已更换", "photos_after": [PHOTO]},
    }[trigger]
    refusal = refusal_of(school.outcome("sam", FireTrigger(number, trigger, {**right, field: wrong})))
    assert isinstance(refusal, InvalidInput)
    assert [fault.field.removesuffix(".0") for fault in refusal.fields] == [field]
    assert school.case(number).revision == 1


def test_every_wrong_reference_is_named_at_once(school: School) -> None:
    number = school.report()
    data = {**STEPS["assign"], "assignee": "nobody", "department": "XXX"}
    refusal = refusal_of(school.outcome("sam", FireTrigger(number, "assign", data)))
    assert {fault.field for fault in refusal.fields} == {"assignee", "department"}


def test_a_case_one_may_not_see_cannot_be_referred_to(school: School) -> None:
    mine, hidden = school.report(who="charlie"), school.report(who="alice")
    teacher = Actor(HERE, "person", person="charlie", grants=school.actor("sam").grants)
    merge = FireTrigger(mine, "merge", {"into": hidden, "reason": "重复"})
    seen = school.outcome(teacher, merge)
    assert isinstance(seen, Done), "the safety office sees both"
    also_there = school.do(school.actor("alice", THERE), OpenCase("hazard", {"title": "t", "place": "p"})).case.number
    assert also_there == "YH-2019-0001"
    across = FireTrigger(also_there, "merge", {"into": hidden, "reason": "重复"})
    refusal = refusal_of(school.outcome(school.actor("mallory", THERE), across))
    assert isinstance(refusal, InvalidInput)


def test_the_files_a_step_needs_are_marked_as_used_by_its_case(school: School) -> None:
    first, second = school.upload("b" * 64), school.upload("c" * 64)
    number = school.report(photos=[first])
    school.step("sam", number, "assign")
    school.step("alice", number, "fix", photos_after=[second])
    with school.engine.database.read_across() as connection:
        assert [files.cases_using(connection, HERE, sha) for sha in (first, second)] == [[number], [number]]


def test_a_refused_step_leaves_its_file_unused(school: School) -> None:
    photo = school.upload("b" * 64)
    number = school.assigned()
    school.outcome("bob", FireTrigger(number, "fix", {**STEPS["fix"], "photos_after": [photo]}))
    with school.engine.database.read_across() as connection:
        assert files.find(connection, HERE, photo) is not None
        assert files.cases_using(connection, HERE, photo) == []


# --- the refusal log -------------------------------------------------------------------------------------------------

TYPED = "学生王某某的电话13800000000"


def test_each_refusal_of_a_person_is_logged_with_its_code_and_reason(school: School) -> None:
    number = school.assigned()
    school.step("alice", number, "fix")
    asked: list[tuple[str, FireTrigger | OpenCase]] = [
        ("charlie", FireTrigger("YH-2019-0099", "fix", {})),
        ("bob", FireTrigger(number, "verify", STEPS["verify"])),
        ("alice", FireTrigger(number, "acknowledge")),
        ("erin", FireTrigger(number, "verify", {}, expected_revision=1)),
        ("erin", FireTrigger(number, "verify", {})),
        ("erin", FireTrigger(number, "no_such_step")),
        ("bob", OpenCase("inspection", {})),
        ("bob", OpenCase("hazard", {})),
        ("bob", OpenCase("no_such_loop", {})),
    ]
    for who, command in asked:
        assert isinstance(school.outcome(who, command, route="a route"), Refused)
    log = list(reversed(refused_log(school)))
    assert [(record.principal, record.number, record.asked, record.code, record.reason) for record in log] == [
        ("person:charlie", "YH-2019-0099", "fix", "unknown_case", ""),
        ("person:bob", number, "verify", "not_allowed", "role"),
        ("person:alice", number, "acknowledge", "not_possible_now", ""),
        ("person:erin", number, "verify", "stale_case", ""),
        ("person:erin", number, "verify", "invalid_input", ""),
        ("person:erin", number, "no_such_step", "invalid_input", ""),
        ("person:bob", None, "open", "not_allowed", "role"),
        ("person:bob", None, "open", "invalid_input", ""),
        ("person:bob", None, "open", "invalid_input", ""),
    ]
    assert {(record.at, record.route) for record in log} == {(school.clock.now(), "a route")}
    assert [event.trigger for event in school.assert_history_holds(number)] == ["open", "assign", "fix"]


def test_a_guards_name_and_the_rule_of_separation_are_the_reason(school: School) -> None:
    number = school.assigned()
    school.outcome("alice", FireTrigger(number, "fix", {"measure": "x", "photos_after": []}))
    school.step("alice", number, "fix")
    both = Actor(HERE, "person", person="sam", grants=school.actor("sam").grants, on_behalf_of="alice")
    refusal = refusal_of(school.outcome(both, FireTrigger(number, "verify", STEPS["verify"])))
    assert isinstance(refusal, NotAllowed)
    assert [record.reason for record in refused_log(school)] == ["separation", "hazard.evidence_given"]


@pytest.mark.parametrize(
    "command",
    [
        OpenCase("hazard", {"title": TYPED}),
        OpenCase("hazard", {"title": "t", "place": "p", "source": TYPED}),
        OpenCase("hazard", {"title": "t", "place": "p", "category": TYPED}),
        OpenCase("hazard", {"title": "t", "place": "p", TYPED: "x"}),
        OpenCase("hazard", {"title": "t", "place": "p", "department": TYPED}),
        FireTrigger("YH-2019-0001", "assign", {**STEPS["assign"], "assignee": TYPED}),
        FireTrigger("YH-2019-0001", "assign", {**STEPS["assign"], "time_limit": TYPED}),
        FireTrigger("YH-2019-0001", "assign", {**STEPS["assign"], "criteria": {TYPED: True}}),
        FireTrigger("YH-2019-0001", "reject", {"reason": TYPED}, expected_revision=9),
        FireTrigger(f"YH-{TYPED}-1", "reject", {"reason": "r"}),
        FireTrigger("YH-2019-0001", TYPED),
    ],
)
def test_nothing_that_was_typed_is_in_the_refusal_log(school: School, command: Any) -> None:
    school.report()
    route = f"POST /{getattr(command, 'case', '')}/{getattr(command, 'trigger', '')}"
    assert isinstance(school.outcome("sam", command, route=route), Refused)
    [record] = refused_log(school)
    assert TYPED not in repr(record)
    assert record.sentence


def test_strangers_and_the_system_leave_no_line_in_the_refusal_log(school: School) -> None:
    stranger = Actor(HERE, "anonymous", place="东门")
    assert isinstance(school.outcome(stranger, FireTrigger(school.report(), "assign", {})), Refused)
    assert isinstance(school.outcome(system(HERE), OpenCase("hazard", {})), Refused)
    assert refused_log(school) == []


def test_a_refusal_leaves_the_case_its_clock_and_the_outbox_as_they_were(school: School) -> None:
    number = school.assigned()
    before = school.case(number), school.waiting(number), school.notices(number), school.count(EventRow)
    school.outcome("bob", FireTrigger(number, "fix", STEPS["fix"]))
    school.outcome("alice", FireTrigger(number, "fix", {"measure": "x"}))
    assert (school.case(number), school.waiting(number), school.notices(number), school.count(EventRow)) == before


# --- events ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("statement", ["UPDATE event SET actor = 'person:bob'", "DELETE FROM event"])
def test_the_database_refuses_to_change_an_event(school: School, statement: str) -> None:
    number = school.closed()
    with pytest.raises(IntegrityError, match="append-only"), school.engine.database.own() as connection:
        connection.exec_driver_sql(statement)
    school.assert_history_holds(number)


def test_every_kind_of_event_keeps_the_chain_whole_and_folds_into_the_case(school: School) -> None:
    first = school.closed()
    second = school.assigned()  # the same place and item: bound to the first
    school.tick_daily("2020-01-13")
    school.revise(date(2019, 12, 4))
    school.do(system(HERE), Recompute(second))
    major = school.report()
    school.do("sam", FireTrigger(major, "assign", MAJOR))
    school.step(
        "alice", major, "file_plan", responsible_person="alice", measures="换线", fund="2000元", due_date="2020-02-10",
        emergency_plan="断电",
    )  # fmt: skip
    school.step("paul", major, "approve_plan", opinion="同意")
    school.step("alice", major, "fix")
    school.step("gao", major, "verify")
    kinds = {event.type for number in (first, second, major) for event in school.assert_history_holds(number)}
    assert kinds == {"opened", "stepped", "signed", "reminded", "linked", "recomputed"}
    assert school.case(major).signed == {"verify": ("gao@JWC",)}


def test_an_envelope_carries_commitments_and_no_word_that_was_typed(school: School) -> None:
    number = school.report(title=TYPED)
    with school.engine.database.read_across() as connection:
        [envelope] = history.envelopes_of(connection, HERE, number)
    assert TYPED not in envelope.decode()
    assert "commitments" in json_of(envelope)
    assert school.events(number)[0].data["title"] == TYPED


def test_two_equal_values_have_different_commitments(school: School) -> None:
    numbers = school.report(), school.report()
    with school.engine.database.read_across() as connection:
        digests = [json_of(history.envelopes_of(connection, HERE, n)[0])["commitments"]["kept.title"] for n in numbers]
    assert digests[0] != digests[1]


def test_an_event_is_never_recorded_before_the_one_it_follows(school: School) -> None:
    number = school.assigned()
    last = school.events(number)[-1].recorded_at
    behind = replace(school.engine, clock=Standing(last - timedelta(hours=3)))
    done = handle_one(behind, school.asked("alice", FireTrigger(number, "fix", STEPS["fix"])))
    assert isinstance(done, Done)
    assert done.event.recorded_at == last
    school.assert_history_holds(number)


class Standing:
    """A clock that stands, behind or not."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now


@pytest.mark.parametrize(
    "found_at, flagged",
    [
        (timedelta(days=-7), False),
        (timedelta(days=-7, microseconds=-1), True),
        (timedelta(minutes=5), False),
        (timedelta(minutes=5, microseconds=1), True),
        (timedelta(0), False),
    ],
    ids=["seven days ago", "longer ago", "five minutes ahead", "further ahead", "now"],
)
def test_a_claim_outside_a_week_ago_and_five_minutes_ahead_is_flagged(
    school: School, found_at: timedelta, flagged: bool
) -> None:
    claimed = school.clock.now() + found_at
    done = school.do("bob", OpenCase("errand", {"title": "取快递"}, found_at=claimed))
    assert done.event.found_at == claimed
    assert done.event.recorded_at == school.clock.now(), "a claim dates nothing back"
    assert done.case.facts.get("found_at_flagged", False) is flagged
    step = school.do("bob", FireTrigger(done.case.number, "run", {"note": ""}, found_at=claimed))
    assert step.case.facts.get("found_at_flagged", False) is flagged


def test_late_stays_late_whatever_was_claimed(school: School) -> None:
    number = school.errand()
    school.at("2019-12-20 10:00")
    assert school.case(number).overdue(school.clock.now())
    done = school.do("bob", FireTrigger(number, "run", {"note": ""}, found_at=local("2019-12-03 10:00")))
    assert done.event.recorded_at == local("2019-12-20 10:00")
    assert done.case.closed_at == local("2019-12-20 10:00")


# --- numbers ---------------------------------------------------------------------------------------------------------


def test_numbers_have_no_gaps_where_commands_are_refused_or_fail(school: School) -> None:
    wrong = OpenCase("errand", {"title": "two", "department": "HQC"}, found_at=datetime(2019, 12, 1))  # noqa: DTZ001
    outcomes = school.handle(
        school.asked("bob", ERRAND_ASKED),
        school.asked("bob", OpenCase("errand", {"title": ""})),
        school.asked("bob", wrong),
        school.asked("bob", ERRAND_ASKED),
    )
    assert [type(outcome) for outcome in outcomes] == [Done, Refused, Failed, Done]
    numbers = [outcome.case.number for outcome in outcomes if isinstance(outcome, Done)]
    assert numbers == ["BG-2019-0001", "BG-2019-0002"]


def test_a_series_begins_anew_with_the_local_year(school: School) -> None:
    school.errand()
    assert school.at("2019-12-31 23:59").errand() == "BG-2019-0002"
    assert school.at("2020-01-01 00:00").errand() == "BG-2020-0001"


def test_a_notice_number_is_drawn_when_the_notice_is_issued(school: School) -> None:
    refused = school.report()
    school.outcome("sam", FireTrigger(refused, "assign", {**STEPS["assign"], "interim": None}))
    numbers = [school.assigned(), school.assigned()]
    assert [school.case(number).facts["notice_number"] for number in numbers] == ["TZ-2019-0001", "TZ-2019-0002"]


def test_a_returned_case_keeps_its_notice_number_and_draws_none(school: School) -> None:
    number = school.assigned()
    school.step("alice", number, "fix")
    assert school.step("erin", number, "return").facts["notice_number"] == "TZ-2019-0001"
    assert school.case(school.assigned()).facts["notice_number"] == "TZ-2019-0002"


# --- cases that come out of cases ------------------------------------------------------------------------------------


def inspection_of(school: School, scope: str = "HQC") -> str:
    school.owe("dept_check_month", scope, "2019-12-01")
    school.tick()
    return next(period.number for period in school.periods() if period.scope == scope)


def answers_of(case: Case, *fails: str) -> dict[str, Any]:
    return {
        code: {"result": "fail", "note": "破损"} if code in fails else {"result": "pass"} for code in items_of(case)
    }


def test_each_failed_item_of_an_inspection_opens_a_hazard_bound_to_it(school: School) -> None:
    number = inspection_of(school)
    codes = sorted(answers_of(school.case(number)))
    fails = codes[0], codes[-1]
    submit = {
        "answers": answers_of(school.case(number), *fails),
        "summary": "两处",
        "photos": dict.fromkeys(fails, PHOTO),
    }
    case = school.step("dora", number, "submit", **submit)
    assert case.links == (Link("child", "YH-2019-0001"), Link("child", "YH-2019-0002"))
    children = [school.case(link.number) for link in case.links]
    assert [child.links for child in children] == [(Link("parent", number),)] * 2
    assert sorted(child.facts["checklist_item"] for child in children) == sorted(fails)
    assert {child.department for child in children} == {"HQC"}
    for child in children:
        school.assert_history_holds(child.number)
        assert school.waiting(child.number), "its own clock runs"
        assert [notice.reason for notice in school.notices(child.number)] == ["waiting"]
    school.assert_history_holds(number)


def test_an_inspection_without_findings_opens_nothing_and_reports_zero(school: School) -> None:
    number = inspection_of(school)
    case = school.step("dora", number, "submit", answers=answers_of(school.case(number)), summary="零报告")
    assert case.facts["findings"] == 0
    assert case.links == ()
    [period] = school.periods()
    assert (period.status, period.reported_at) == ("reported", school.clock.now())


def test_a_report_handed_in_after_the_deadline_is_late_and_stays_late(school: School) -> None:
    number = inspection_of(school)
    school.at("2019-12-21 00:00")
    assert school.periods()[0].missing(school.clock.now())
    school.step("dora", number, "submit", answers=answers_of(school.case(number)), summary="零报告")
    school.step("bob", number, "send_back", reason="补签")
    school.later(days=1).step("dora", number, "submit", answers=answers_of(school.case(number)), summary="零报告")
    [period] = school.periods()
    assert (period.status, period.reported_at) == ("late", local("2019-12-21 00:00"))


def test_a_refused_child_refuses_the_whole(school: School) -> None:
    number = school.errand()
    refusal = refusal_of(school.outcome("bob", run(number, "two more, one of them wrong")))
    assert isinstance(refusal, InvalidInput)
    assert school.case(number).state == "reported"
    assert not school.exists("BG-2019-0002"), "nor is the right child opened"
    assert school.count(EventRow) == 1
    assert school.errand() == "BG-2019-0002", "and its number is drawn again"


def test_a_case_like_one_closed_a_short_while_ago_is_bound_to_it_and_counted_there(school: School) -> None:
    old = school.closed()
    sequence, revision = school.case(old).sequence, school.case(old).revision
    new = school.later(days=20).report(category="ELEC.use")
    assert school.case(new).links == (Link("rebound_of", old),)
    assert school.case(old).links == (Link("rebounded_as", new),)
    assert school.case(old).counters["rebounds"] == 1
    assert (school.case(old).sequence, school.case(old).revision) == (sequence + 1, revision)
    assert school.waiting(old) == {}, "the closed case stays closed"
    for number in (old, new):
        school.assert_history_holds(number)


def test_merging_ties_both_ends_and_stops_the_clock(school: School) -> None:
    into, number = school.assigned(), school.report()
    clock = school.waiting(into)
    case = school.step("sam", number, "merge", into=into, reason="同一处")
    assert case.final and case.counts_as == "closed"
    assert case.links == (Link("merged_into", into),)
    assert school.case(into).links == (Link("absorbed", number),)
    assert school.waiting(into) == clock
    assert school.waiting(number) == {}
    assert set(school.rungs(number).values()) == {"cancelled"}


def test_a_finding_opens_no_second_hazard_while_the_first_is_worked_on(school: School) -> None:
    number = inspection_of(school)
    code = min(answers_of(school.case(number)))
    submit = {"answers": answers_of(school.case(number), code), "summary": "一处", "photos": {code: PHOTO}}

    def handed_in_again() -> list[str]:
        if school.case(number).state == "submitted":
            school.step("bob", number, "send_back", reason="补签")
        case = school.step("dora", number, "submit", **submit)
        return [link.number for link in case.links if link.kind == "child"]

    assert handed_in_again() == ["YH-2019-0001"]
    assert handed_in_again() == ["YH-2019-0001"], "the case's own children are looked at"
    school.step("sam", "YH-2019-0001", "reject")
    assert handed_in_again() == ["YH-2019-0001", "YH-2019-0002"], "that one is closed, and it fails still"


def test_only_a_case_closed_before_the_opening_can_come_back(school: School) -> None:
    old = school.assigned()
    new = school.later(hours=1).report()  # of which category it is, triage says
    for who, trigger in (("alice", "fix"), ("erin", "verify"), ("helen", "approve")):
        school.later(hours=1).step(who, old, trigger)
    assert not school.step("sam", new, "assign").links
    assert not school.case(old).links


# --- policy and calendar ---------------------------------------------------------------------------------------------


def test_an_organisations_numbers_are_read_at_the_step_and_their_version_is_recorded(school: School) -> None:
    by_default = school.assigned()
    assert school.set_policy("hazard", days3=5) == 1
    assert school.set_policy("hazard", days3=4, verify_workdays=1) == 2
    by_policy = school.assigned()
    assert school.case(by_default).due_at == local("2019-12-05 23:59:59")
    assert school.case(by_policy).due_at == local("2019-12-06 23:59:59")
    assert [event.policy_version for event in school.events(by_default)] == [0, 0]
    assert [event.policy_version for event in school.events(by_policy)] == [2, 2]
    school.step("alice", by_default, "fix")
    assert school.case(by_default).due_at == local("2019-12-03 23:59:59"), "the step reads the policy of its moment"
    assert school.events(by_default)[-1].policy_version == 2


def test_a_policy_moves_no_deadline_that_runs_already(school: School) -> None:
    number = school.assigned()
    before = school.case(number).due_at
    school.set_policy("hazard", days3=9)
    assert isinstance(school.outcome(system(HERE), Recompute(number)), Idle)
    assert school.case(number).due_at == before


def test_one_workflows_policy_and_one_schools_policy_concern_no_other(school: School) -> None:
    school.set_policy("hazard", verify_workdays=9)
    errand = school.do("bob", ERRAND_ASKED)
    there = school.do(school.actor("alice", THERE), OpenCase("hazard", {"title": "t", "place": "p"}))
    assert (errand.event.policy_version, there.event.policy_version) == (0, 0)


class WalkPolicy(ErrandPolicy):
    walk_workdays: int = 4


WALKED = replace(
    ERRAND, version=2, policy=WalkPolicy,
    states=[replace(ERRAND.states[0], due=Within(workdays="walk_workdays")), *ERRAND.states[1:]],
)  # fmt: skip


@pytest.mark.parametrize("old_first", [True, False])
def test_two_versions_in_one_group_each_have_their_own_numbers(school: School, old_first: bool) -> None:
    number = school.errand()
    school.engine = replace(school.engine, catalog=Catalog([ERRAND, WALKED]))
    school.set_policy("errand", run_workdays=9, walk_workdays=7)
    school.revise(date(2019, 12, 3))
    group = [school.asked("bob", ERRAND_ASKED), school.asked(system(HERE), Recompute(number))]
    outcomes = school.handle(*(reversed(group) if old_first else group))
    assert [type(outcome) for outcome in outcomes] == [Done, Done]
    new, old = (school.case(name) for name in ("BG-2019-0002", number))
    assert (old.version, old.due_at) == (1, local("2019-12-05 23:59:59")), "a running clock keeps its budget"
    assert (new.version, new.due_at) == (2, local("2019-12-12 23:59:59"))


def test_a_schools_rung_offsets_move_its_reminders(school: School) -> None:
    school.set_policy("errand", rung_offsets={"after-1": 2}, remind_at="16:30")
    number = school.errand()
    waiting = school.waiting(number)
    assert waiting["after-1"] == local("2019-12-06 16:30")
    assert waiting["due"] == local("2019-12-04 16:30")


def test_every_event_records_the_version_of_the_calendar_it_was_decided_by(school: School) -> None:
    number = school.assigned()
    school.revise(date(2019, 12, 3))
    school.step("alice", number, "fix")
    assert [event.calendar_version for event in school.events(number)] == [1, 1, 2]
    clock = school.case(number).clock
    assert clock is not None and clock.calendar_version == 2


def test_a_later_holiday_notice_moves_no_deadline_until_it_is_recomputed(school: School) -> None:
    number = school.assigned()
    before = school.case(number)
    school.revise(date(2019, 12, 4))
    assert school.case(number) == before
    assert [(now.due_at, then.due_at) for now, then in recompute_preview(school.engine, HERE)] == [
        (local("2019-12-05 23:59:59"), local("2019-12-06 23:59:59"))
    ]
    assert school.case(number) == before, "a preview writes nothing"
    done = school.do(system(HERE), Recompute(number))
    assert done.event.type == "recomputed"
    assert done.case.due_at == done.case.first_due_at == local("2019-12-06 23:59:59")
    assert done.event.data == {
        "due_at_before": "2019-12-05T15:59:59.000000Z",
        "due_at_after": "2019-12-06T15:59:59.000000Z",
        "calendar_before": 1,
        "calendar_after": 2,
    }
    assert isinstance(school.outcome(system(HERE), Recompute(number)), Idle), "and only once"
    assert recompute_preview(school.engine, HERE) == []
    school.assert_history_holds(number)


@pytest.mark.parametrize(
    "at, rung, skipped, effects",
    [
        ("2019-12-05 08:00", "due", ["receipt", "receipt-1", "before-1"], (False, None)),
        (
            "2019-12-27 08:00",
            "after-15",
            ["receipt", "receipt-1", "before-1", "due", "after-1", "after-3", "after-7"],
            (True, True),
        ),
    ],
)
def test_what_fell_due_by_the_old_deadline_is_told_before_it_moves(
    school: School, at: str, rung: str, skipped: list[str], effects: tuple[bool, bool | None]
) -> None:
    number = school.assigned()
    old = school.case(number).generation
    school.at(at).revise(date(2019, 12, 4))
    done = school.do(system(HERE), Recompute(number))
    reminded, recomputed = school.assert_history_holds(number)[-2:]
    assert (reminded.type, recomputed.type) == ("reminded", "recomputed")
    assert (reminded.data["rung"], reminded.data["skipped"]) == (rung, skipped)
    assert (done.case.supervised, done.case.facts.get("meeting_list")) == effects
    became = school.rungs(number, old)
    assert {name for name, status in became.items() if status == "skipped"} == set(skipped)
    assert [name for name, status in became.items() if status == "fired"] == [rung]
    assert "waiting" not in became.values()
    assert [notice.sequence for notice in school.notices(number)][-2:] == [reminded.sequence, recomputed.sequence]
    assert min(school.waiting(number).values()) > school.clock.now()


def test_a_deadline_that_stays_still_has_what_fell_due_told(school: School) -> None:
    number = school.assigned()
    school.at("2019-12-05 08:00").revise(date(2020, 6, 1))
    assert isinstance(school.outcome(system(HERE), Recompute(number)), Idle)
    assert [event.data["rung"] for event in school.reminders(number)] == ["due"]
    assert school.tick().reminded == 0


def test_the_reminders_of_a_deadline_that_stays_go_by_the_corrected_calendar(school: School) -> None:
    number = school.assigned()
    school.at("2019-12-05 08:00").tick()
    before, planned = school.case(number), school.waiting(number)
    assert planned["after-1"] == local("2019-12-06 07:40")
    school.revise(date(2019, 12, 6))
    assert [(now.due_at, then.due_at) for now, then in recompute_preview(school.engine, HERE)] == [(before.due_at,) * 2]
    done = school.do(system(HERE), Recompute(number))
    assert (done.case.due_at, done.case.generation) == (before.due_at, before.generation)
    assert (done.event.type, done.event.data) == (
        "recomputed",
        {
            "due_at_before": "2019-12-05T15:59:59.000000Z", "due_at_after": "2019-12-05T15:59:59.000000Z",
            "calendar_before": 1, "calendar_after": 2, "reminders": list(planned),
        },
    )  # fmt: skip
    assert school.waiting(number)["after-1"] == local("2019-12-09 07:40")
    assert school.notices(number, reasons=["recomputed"]) == [], "it is due when it was"
    assert isinstance(school.outcome(system(HERE), Recompute(number)), Idle), "and only once"
    assert recompute_preview(school.engine, HERE) == []
    assert school.at("2019-12-06 08:00").tick().reminded == 0
    assert school.at("2019-12-09 08:00").tick().reminded == 1
    assert [event.data["rung"] for event in school.reminders(number)] == ["due", "after-1"]
    school.assert_history_holds(number)


def test_the_first_limit_moves_only_with_the_clock_that_set_it(school: School) -> None:
    number = school.assigned()
    school.step("alice", number, "fix")
    school.step("erin", number, "return", time_limit="days3")  # the same day as the first limit, by coincidence
    before = school.case(number)
    assert before.due_at == before.first_due_at == local("2019-12-05 23:59:59")
    school.revise(date(2019, 12, 4))
    after = school.do(system(HERE), Recompute(number)).case
    assert (after.due_at, after.first_due_at) == (local("2019-12-06 23:59:59"), before.first_due_at)


def test_a_period_moves_with_its_cycle_in_the_case_and_in_the_ledger(school: School) -> None:
    number = inspection_of(school)
    assert school.case(number).due_at == local("2019-12-20 23:59:59")
    school.revise(date(2019, 12, 20))
    moved = local("2019-12-23 23:59:59")
    assert [then.due_at for _, then in recompute_preview(school.engine, HERE)] == [moved]
    case = school.do(system(HERE), Recompute(number)).case
    assert (case.due_at, case.first_due_at, school.periods()[0].due_at) == (moved, moved, moved)
    assert isinstance(school.outcome(system(HERE), Recompute(number)), Idle)
    school.at("2019-12-23 10:00")
    school.step("dora", number, "submit", answers=answers_of(school.case(number)), summary="零报告")
    assert school.periods()[0].status == "reported"
    school.assert_history_holds(number)


def test_a_period_that_was_handed_in_stays_in_the_ledger_as_it_was(school: School) -> None:
    number = inspection_of(school)
    school.step("dora", number, "submit", answers=answers_of(school.case(number)), summary="零报告")
    school.step("bob", number, "send_back", reason="补签")
    [before] = school.periods()
    school.revise(date(2019, 12, 20))
    case = school.do(system(HERE), Recompute(number)).case
    assert case.due_at == local("2019-12-23 23:59:59")
    assert school.periods() == [before]


def test_a_waived_period_is_neither_reported_nor_missing(school: School) -> None:
    number = inspection_of(school)
    assert school.step("helen", number, "waive", reason="放假").final
    [period] = school.at("2019-12-31 10:00").periods()
    assert (period.status, period.reported_at) == ("waived", None)
    assert not period.missing(school.clock.now())


def test_nobody_is_told_when_only_the_estimate_became_certain(school: School) -> None:
    number = school.at("2020-12-30 09:00").errand()
    before = school.case(number)
    assert before.clock is not None and before.clock.provisional
    with school.engine.database.write_across() as connection:
        grown = replace(CALENDAR, version=2, known_until=date(2021, 12, 31))
        calendars.add(connection, HERE, grown, school.clock.now())
    done = school.do(system(HERE), Recompute(number))
    assert done.event.type == "recomputed"
    assert done.case.clock is not None and not done.case.clock.provisional
    assert done.case.due_at == before.due_at
    assert school.notices(number, reasons=["recomputed"]) == []


def test_recomputing_does_not_ask_again_for_a_receipt_that_was_asked_for(school: School) -> None:
    number = school.assigned(time_limit="days15")
    school.at("2019-12-05 08:00").tick()
    assert school.rungs(number)["receipt-1"] == "fired"
    school.revise(date(2019, 12, 11))
    school.do(system(HERE), Recompute(number))
    told = len(school.notices(number))
    assert not [rung for rung in school.waiting(number) if rung.startswith("receipt")]
    school.tick()
    assert len(school.notices(number)) == told


def test_recomputing_keeps_a_receipt_that_is_still_to_be_asked_for(school: School) -> None:
    number = school.assigned(time_limit="days15")
    before = {rung: at for rung, at in school.waiting(number).items() if rung.startswith("receipt")}
    school.revise(date(2019, 12, 11))
    school.do(system(HERE), Recompute(number))
    assert {rung: at for rung, at in school.waiting(number).items() if rung.startswith("receipt")} == before


def test_a_school_without_a_calendar_is_told_to_load_one(school: School) -> None:
    with school.engine.database.write_across() as connection:
        connection.exec_driver_sql("DELETE FROM calendar")
    assert school.count(CalendarRow) == 0
    outcome = school.outcome("bob", ERRAND_ASKED)
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, BihuanError)
    assert "bihuan calendar load" in str(outcome.error)


# --- who may, and on what --------------------------------------------------------------------------------------------


def test_a_step_on_an_older_revision_is_refused_with_the_one_it_stands_at(school: School) -> None:
    number = school.assigned()
    refusal = refusal_of(school.outcome("alice", FireTrigger(number, "fix", STEPS["fix"], expected_revision=1)))
    assert isinstance(refusal, StaleCase)
    assert refusal.revision == 2


def test_who_may_not_is_told_so_before_what_is_wrong_with_his_form(school: School) -> None:
    refusal = refusal_of(school.outcome("bob", FireTrigger(school.assigned(), "fix", {"nonsense": 1})))
    assert isinstance(refusal, NotAllowed)


@pytest.mark.parametrize(
    "who, workflow, refusal",
    [
        ("bob", "inspection", NotAllowed),
        ("charlie", "drill", NotAllowed),
        ("bob", "hazard", InvalidInput),
        ("bob", "drill", InvalidInput),
    ],
)
def test_who_could_open_none_is_told_so_before_what_is_wrong_with_his_form(
    school: School, who: str, workflow: str, refusal: type[Refusal]
) -> None:
    assert type(refusal_of(school.outcome(who, OpenCase(workflow, {"nonsense": 1})))) is refusal


def test_a_step_marks_what_fell_due_untold_as_skipped_and_the_rest_as_cancelled(school: School) -> None:
    number = school.errand()
    school.at("2019-12-03 08:00").do("bob", run(number))
    assert {"before-1": "skipped", "due": "cancelled", "repeat-1": "cancelled"}.items() <= school.rungs(number).items()


def test_a_guard_is_named_when_it_refuses(school: School) -> None:
    refusal = refusal_of(school.outcome("alice", FireTrigger(school.assigned(), "fix", {"measure": "x"})))
    assert isinstance(refusal, GuardRefused)
    assert refusal.guard == "hazard.evidence_given"


def test_tenants_never_meet(school: School) -> None:
    here = school.report()
    mallory = school.actor("mallory", THERE)
    assert isinstance(refusal_of(school.outcome(mallory, FireTrigger(here, "assign", STEPS["assign"]))), UnknownCase)
    there = school.do(school.actor("alice", THERE), OpenCase("hazard", {"title": "t", "place": "p"})).case
    assert there.number == here, "numbers are a school's own"
    school.do(mallory, FireTrigger(here, "reject", {"reason": "不属实"}))
    assert (school.case(here).state, school.case(here, THERE).state) == ("reported", "rejected")


def test_nobody_verifies_or_approves_what_he_fixed_and_no_verifier_approves(school: School) -> None:
    number = school.assigned()
    school.step("alice", number, "fix")
    everything = frozenset().union(*(school.actor(who).grants for who in ("sam", "helen", "erin", "vera")))
    for person, allowed in (("alice", False), ("sam", True)):
        actor = Actor(HERE, "person", person=person, department="DZB", grants=everything)
        outcome = school.outcome(actor, FireTrigger(number, "verify", STEPS["verify"]))
        assert isinstance(outcome, Done) is allowed
    for person, allowed in (("alice", False), ("sam", False), ("helen", True)):
        actor = Actor(HERE, "person", person=person, department="DZB", grants=everything)
        outcome = school.outcome(actor, FireTrigger(number, "approve", STEPS["approve"]))
        assert isinstance(outcome, Done) is allowed


# --- the outbox ------------------------------------------------------------------------------------------------------


def test_what_is_to_be_told_is_written_with_the_event_under_a_stable_name(school: School) -> None:
    number = school.assigned()
    assert [(notice.id, notice.audience, notice.how) for notice in school.notices(number)] == [
        (f"{number}:1:waiting", ("safety_staff", "safety_head"), "digest"),
        (f"{number}:2:waiting", ("assignee",), "direct"),
    ]
    assert {notice.written_at for notice in school.notices(number)} == {local(START)}


def test_the_third_return_is_told_to_the_vice_principal_at_once(school: School) -> None:
    number = school.assigned()
    for _ in range(3):
        school.step("alice", number, "fix")
        school.step("erin", number, "return")
    escalations = school.notices(number, reasons=["escalation"])
    assert [(notice.audience, notice.how) for notice in escalations] == [(("vp_safety",), "direct")]
    assert school.case(number).counters == {"returned": 3}


# --- the engine's own commands ---------------------------------------------------------------------------------------


def test_a_reminder_of_an_earlier_generation_is_idle_and_leaves_the_running_clock_alone(school: School) -> None:
    number = school.assigned()
    stale = Remind(number, school.case(number).generation, ("due",))
    school.step("alice", number, "fix")
    school.step("erin", number, "return")
    before = school.waiting(number)
    assert "due" in before
    assert isinstance(school.outcome(system(HERE), stale), Idle)
    assert school.waiting(number) == before


def test_a_rung_is_told_once_however_often_it_is_asked_for(school: School) -> None:
    number = school.assigned()
    school.at("2019-12-05 08:00")
    remind = Remind(number, school.case(number).generation, ("due",))
    outcomes = school.handle(*[school.asked(system(HERE), remind) for _ in range(3)])
    assert [type(outcome) for outcome in outcomes] == [Done, Idle, Idle]
    assert len(school.reminders(number)) == 1


def test_a_reminder_of_a_closed_case_is_idle(school: School) -> None:
    number = school.closed()
    outcome = school.outcome(system(HERE), Remind(number, school.case(number).generation, ("due",)))
    assert isinstance(outcome, Idle)


def test_a_period_is_opened_once_with_its_case_or_not_at_all(school: School) -> None:
    command = OpenPeriod(
        "daily_round", "round", "HQC", "2019-12-02", local("2019-12-02 00:00"), local("2019-12-02 23:59:59")
    )
    outcomes = school.handle(*[school.asked(system(HERE), command) for _ in range(2)])
    assert [type(outcome) for outcome in outcomes] == [Done, Idle]
    broken = replace(command, scope="BROKEN")
    assert isinstance(school.outcome(system(HERE), broken), Failed)
    assert [(period.scope, period.number) for period in school.periods()] == [("HQC", "XC-2019-0001")]
    assert school.case("XC-2019-0001").period == "daily_round/HQC/2019-12-02"


# --- determinism -----------------------------------------------------------------------------------------------------


def test_the_same_commands_with_the_same_salts_make_the_same_bytes(tmp_path: Path, kind: Kind) -> None:
    chains = []
    for name in ("one", "two"):
        with a_school(tmp_path / name, kind, catalog=WITH_ERRANDS, seed=7) as school:
            school.engine = replace(school.engine, draw=random.Random(7).randbytes)
            number = school.closed()
            with school.engine.database.read_across() as connection:
                chains.append(history.envelopes_of(connection, HERE, number))
    assert chains[0] == chains[1]
