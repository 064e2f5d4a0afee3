"""What `check` finds in small schools: each dead corner in plain Chinese, from which day on, and none where there is none."""

from dataclasses import replace
from datetime import date

import pytest

from engine.actor import Grant
from engine.directory import Absence, Department, Directory, Group, Person, Seat
from engine.errors import Text
from engine.proof import Finding, Known, Question, check
from tests.engine.fakes import CALENDAR
from tests.engine.proof.corners import LOOPS, holding, one_department
from tests.engine.proof.corners import a_question as a_small_question
from workflows import CATALOG
from workflows.notice import NOTICE
from workflows.roles import ROLES

FIRST = date(2020, 3, 2)
DEPARTMENTS = (
    Department("school", "DZB", Text("安稳办", "Safety office")),
    Department("school", "XB1", Text("机电系", "Mechanics")),
    Department("school", "XB5", Text("汽修系", "Automotive")),
)
#: key → post, department, roles with their scopes; enough that every loop closes, whoever fixed what
SCHOOL = {
    "principal": ("校长", None, (("principal", "*"),)),
    "secretary": ("书记", None, (("secretary", "*"),)),
    "vice": ("分管副校长", None, (("vp_safety", "*"),)),
    "head": ("安稳办主任", "DZB", (("safety_head", "*"),)),
    "head2": ("保卫处长", "DZB", (("safety_head", "*"),)),
    "staff": ("安稳办专职", "DZB", (("safety_staff", "*"),)),
    **{
        f"{code.lower()}_{key}": (f"{name}{post}", code, ((role, code),) if role else ())
        for code, name in (("DZB", "安稳办"), ("XB1", "机电系"), ("XB5", "汽修系"))
        for key, post, role in (
            ("head", "负责人", "dept_head"), ("safety", "安全员", "dept_safety"), ("teacher", "教师", ""),
        )
    },
}  # fmt: skip
KNOWN = Known()  # what one test has had played another need not: the answers are the same, see the tests of it below
MEMBERS = ("dzb_head", "xb1_head", "xb5_head", "xb1_teacher")


def a_directory() -> Directory:
    people = {key: Person("school", key, post, department, post=post) for key, (post, department, _) in SCHOOL.items()}
    grants = {key: tuple(Grant(role, scope) for role, scope in held) for key, (_, _, held) in SCHOOL.items()}
    seats = tuple(Seat("person", member, "member" if n else "chair") for n, member in enumerate(MEMBERS))
    group = Group("acceptance_group", Text("验收组", "Acceptance group"), seats, least=2)
    return Directory("school", people, grants, (group,), (), DEPARTMENTS)


def a_question(directory: Directory) -> Question:
    owed = {"inspection": frozenset(department.code for department in directory.departments)}
    return Question(LOOPS, directory, FIRST, lambda w: w.defaults(), CALENDAR, owed, ROLES)


def without(directory: Directory, *persons: str) -> Directory:
    return replace(directory, grants={key: () if key in persons else held for key, held in directory.grants.items()})


def stuck(directory: Directory, known: Known = KNOWN) -> list[Finding]:
    return [finding for finding in check(a_question(directory), remedies=False, known=known) if finding.stuck]


def test_a_school_with_enough_people_is_clean() -> None:
    question = replace(a_question(a_directory()), workflows=CATALOG.newest())
    assert [finding for finding in check(question, remedies=False) if finding.stuck] == []


#: who holds nothing any more, and what is said of it
CORNERS = [
    (("principal", "secretary"), "没有在岗的校长（第一责任人）或党委书记（第一责任人）来办理“同意销号”，隐患整改（重大隐患）永远无法销号。"),
    (("xb5_safety",), "汽修系：没有在岗的部门安全员来办理“提交检查表”，部门安全检查永远无法归档。"),
    (("vice",), "没有在岗的分管安全副校长来办理“同意销号”，隐患整改（延期或暂缓的一般隐患）永远无法销号。"),
]  # fmt: skip


@pytest.mark.parametrize("gone, said", CORNERS, ids=["-".join(row[0]) for row in CORNERS])
def test_a_dead_corner_is_named_in_plain_chinese(gone: tuple[str, ...], said: str) -> None:
    told = [finding.text.zh for finding in stuck(without(a_directory(), *gone))]
    assert any(said in text for text in told), told


AWAY = (date(2020, 3, 16), date(2020, 3, 20))


def test_an_approver_who_goes_away_without_a_delegate_is_told_beforehand() -> None:
    directory = replace(a_directory(), absences=(Absence("a", "vice", *AWAY),))
    findings = stuck(directory)
    assert findings and {(f.since, f.until) for f in findings} == {AWAY}
    assert all("自 2020-03-16 起" in finding.text.zh for finding in findings)


def test_a_delegate_who_had_no_part_in_it_keeps_it_clean() -> None:
    directory = replace(a_directory(), absences=(Absence("a", "vice", *AWAY, "dzb_teacher"),))
    assert not [f for f in stuck(directory) if "没有在岗" in f.text.zh]


def test_no_role_is_called_by_its_key() -> None:
    for gone in ("head", "staff", "vice", "principal", "xb5_head", "xb5_safety"):
        for finding in check(a_question(without(a_directory(), gone)), known=KNOWN):
            for role in ROLES:
                assert role not in finding.text.zh and role not in finding.remedy.zh, finding


def test_what_was_played_is_not_played_again() -> None:
    known = Known()
    first = stuck(without(a_directory(), "vice"), known)
    played = len(known.whole)
    assert stuck(without(a_directory(), "vice"), known) == first
    assert len(known.whole) == played


def test_what_was_found_out_is_found_again_without_the_rules() -> None:
    """Also the changes that were tried: whoever knows the answers says the same as who plays it all."""
    known, question = Known(), a_small_question(holding(one_department(), vice=()))
    first = check(question, known=known)
    played = len(known)
    again = known.without_rules()
    assert check(question, known=again) == first == check(question)
    assert len(known) == len(again) == played


def test_whom_a_corner_is_about_makes_it_no_new_one() -> None:
    """Two people barred before, the same step with nobody at all after: that is worse, and the other way round it is not."""
    some = frozenset[object]().union(*(f.places for f in stuck(without(a_directory(), "secretary"))))
    none = frozenset[object]().union(*(f.places for f in stuck(without(a_directory(), "principal", "secretary"))))
    assert not none <= some


def test_a_notice_that_nobody_may_excuse_people_from_never_closes() -> None:
    """Whoever never confirms would hold it up for good."""
    by_the_dean = [replace(t, by=("vp_safety",)) if t.excuses else t for t in NOTICE.transitions]
    notice = replace(NOTICE, transitions=by_the_dean)
    question = replace(a_question(a_directory()), workflows=[notice])
    assert [finding for finding in check(question, remedies=False) if finding.stuck] == []
    directory = without(a_directory(), "vice")
    found = [finding for finding in check(replace(question, directory=directory), remedies=False) if finding.stuck]
    assert all("没有在岗的分管安全副校长来办理“免予确认”" in finding.text.zh for finding in found) and found
