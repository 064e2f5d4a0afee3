"""Twenty-odd broken schools: each is found and named in plain Chinese with the smallest change, and that change mends it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

import pytest

from engine.actor import Grant
from engine.directory import Directory
from engine.proof import Known, Question, check
from engine.proof.play import Play
from engine.proof.stage import Stage, company_on
from tests.engine.fakes import CALENDAR
from tests.engine.proof.corners import (
    a_question,
    absent,
    changed,
    group_of,
    holding,
    linked,
    one_department,
    two_departments,
    with_person,
)
from workflows import CATALOG
from workflows.roles import ROLES

LEAVES, RETURNS = date(2020, 3, 16), date(2020, 3, 20)
VICE, HEAD, OFFICE = ("vp_safety", "*"), ("safety_head", "*"), ("safety_staff", "*")
SAFETY = ("dept_safety", "XB5")
ENDING = Grant("vp_safety", "*", valid_until=date(2020, 3, 31))
SUCCEEDING = Grant("vp_safety", "*", valid_from=date(2020, 4, 1))

KNOWN = Known()  # of the mended schools, which are much alike
Found = tuple[str, str, str]  # code, sentence, remedy


@dataclass(frozen=True)
class Corner:
    """A school broken in one way, all that is found in it, and the same school after what the remedies ask for."""

    name: str
    broken: Directory
    mended: Directory
    found: tuple[Found, ...]
    asked: Callable[[Directory], Question] = a_question


SCHOOL = one_department()


def vice_is_away(delegate: str | None = None, school: Directory = SCHOOL) -> Directory:
    return absent(school, "vice", LEAVES, RETURNS, delegate)


def of_drills(directory: Directory) -> Question:
    drill = CATALOG.get("drill")
    assert drill is not None
    return a_question(directory, workflows=[drill], owed={})


def without_inspections(directory: Directory) -> Question:
    return a_question(directory, owed={})


CORNERS = [
    Corner(
        "the only safety officer is the only one who verifies",
        holding(SCHOOL, staff=(), xb5_safety=(SAFETY, OFFICE)),
        with_person(holding(SCHOOL, staff=(), xb5_safety=(SAFETY, OFFICE)), "new", "新专职", "XB5", OFFICE),
        (
            (
                "impasse",
                "汽修系：检查人离校或外出后，“同意销号”无人可办，也没有别的出路，隐患整改（当场改正）永远无法销号。",
                "另请 1 人担任安稳办专职",
            ),
            (
                "impasse",
                "汽修系：唯一能办理“复查合格”的是汽修系安全员，他负责过的隐患整改（延期或暂缓的一般隐患）永远无法销号。",
                "另请 1 人担任安稳办专职",
            ),
            (
                "impasse",
                "汽修系：唯一能办理“复查合格”的是汽修系安全员，他负责过的隐患整改（一般隐患）永远无法销号。",
                "另请 1 人担任安稳办专职",
            ),
            (
                "impasse",
                "汽修系：检查人离校或外出后，“复查合格”无人可办，也没有别的出路，隐患整改（当场改正）永远无法销号。",
                "另请 1 人担任安稳办专职",
            ),
        ),
    ),
    Corner(
        "no principal and no secretary",
        holding(SCHOOL, principal=(), secretary=()),
        with_person(
            with_person(
                with_person(holding(SCHOOL, secretary=(), principal=()), "new", "新校长", None, ("principal", "*")),
                "second",
                "副校长二",
                "XB5",
                VICE,
            ),
            "third",
            "副校长三",
            "XB5",
            VICE,
        ),
        (
            (
                "impasse",
                "汽修系：唯一能办理“归档”的是分管副校长，他复核过的应急演练永远无法归档。",
                "另请 2 人担任分管安全副校长",
            ),
            (
                "impasse",
                "汽修系：没有在岗的校长（第一责任人）或党委书记（第一责任人）来办理“同意销号”，隐患整改（重大隐患）永远无法销号。",
                "请 1 人担任校长（第一责任人）（由不属于任何部门的人员担任）",
            ),
        ),
    ),
    Corner(
        "safety head and vice-principal are one person of the department",
        changed(holding(SCHOOL, vice=(), head=(VICE, HEAD)), "head", department="XB5"),
        with_person(
            with_person(
                changed(holding(SCHOOL, vice=(), head=(VICE, HEAD)), "head", department="XB5"),
                "new",
                "新副校长",
                "XB5",
                VICE,
            ),
            "second",
            "新主任",
            "XB5",
            HEAD,
        ),
        (
            (
                "impasse",
                "汽修系：唯一能办理“同意销号”的是安稳办主任，他负责过的隐患整改（延期或暂缓的一般隐患）永远无法销号。",
                "另请 1 人担任分管安全副校长",
            ),
            (
                "impasse",
                "汽修系：唯一能办理“同意销号”的是安稳办主任，他负责过的隐患整改（一般隐患）永远无法销号。",
                "另请 1 人担任安稳办主任／保卫处长",
            ),
            (
                "impasse",
                "汽修系：检查人离校或外出后，“同意销号”无人可办，也没有别的出路，隐患整改（当场改正）永远无法销号。",
                "另请 1 人担任分管安全副校长",
            ),
        ),
    ),
    Corner(
        "an acceptance group of two, one of whom fixed it",
        group_of(SCHOOL, "staff", "xb5_head"),
        group_of(SCHOOL, "staff", "xb5_head", "xb5_safety"),
        (
            (
                "impasse",
                "汽修系：“复查合格”需 2 名验收组成员签字，汽修系主任须回避时只有 1 人可签，隐患整改（重大隐患）永远无法销号。",
                "另请 1 人担任验收组成员",
            ),
        ),
    ),
    Corner(
        "an acceptance group all from the department that fixed it",
        group_of(SCHOOL, "xb5_head", "xb5_safety", "xb5_teacher"),
        group_of(SCHOOL, "xb5_head", "xb5_safety", "xb5_teacher", "staff"),
        (
            (
                "impasse",
                "汽修系：“复查合格”需 2 名验收组成员签字，且不能全部来自整改部门，可签的人都属于本部门，隐患整改（重大隐患）永远无法销号。",
                "另请 1 人担任验收组成员（由不属于任何部门的人员担任）",
            ),
        ),
    ),
    Corner(
        "the only verifier is the only approver",
        holding(SCHOOL, staff=(), vice=(VICE, OFFICE)),
        with_person(holding(SCHOOL, staff=(), vice=(VICE, OFFICE)), "new", "新副校长", None, VICE),
        (
            (
                "impasse",
                "汽修系：唯一能办理“同意销号”的是分管副校长，他复核过的隐患整改（延期或暂缓的一般隐患）永远无法销号。",
                "另请 1 人担任分管安全副校长（由不属于任何部门的人员担任）",
            ),
            (
                "impasse",
                "汽修系：检查人离校或外出后，“同意销号”无人可办，也没有别的出路，隐患整改（当场改正）永远无法销号。",
                "另请 1 人担任分管安全副校长（由不属于任何部门的人员担任）",
            ),
        ),
    ),
    Corner(
        "verifier and approver are two accounts of one human being",
        linked(SCHOOL, "staff", "vice"),
        with_person(linked(SCHOOL, "staff", "vice"), "new", "新副校长", None, VICE),
        (
            (
                "impasse",
                "汽修系：唯一能办理“同意销号”的是分管副校长，他复核过的隐患整改（延期或暂缓的一般隐患）永远无法销号。",
                "另请 1 人担任分管安全副校长（由不属于任何部门的人员担任）",
            ),
            (
                "impasse",
                "汽修系：检查人离校或外出后，“同意销号”无人可办，也没有别的出路，隐患整改（当场改正）永远无法销号。",
                "另请 1 人担任分管安全副校长（由不属于任何部门的人员担任）",
            ),
        ),
    ),
    Corner(
        "the approver goes away without a delegate",
        vice_is_away(),
        vice_is_away("head"),
        (
            (
                "impasse",
                "汽修系：自 2020-03-16 起至 2020-03-20，没有在岗的分管安全副校长来办理“同意销号”，隐患整改（延期或暂缓的一般隐患）永远无法销号。",
                "2020-03-16 前由分管副校长委托一名未参与这些事项的人员代办",
            ),
            (
                "impasse",
                "汽修系：自 2020-03-16 起至 2020-03-20，检查人离校或外出后，“同意销号”无人可办，也没有别的出路，隐患整改（当场改正）永远无法销号。",
                "2020-03-16 前由分管副校长委托一名未参与这些事项的人员代办",
            ),
        ),
    ),
    Corner(
        "the delegate is the one who fixed it",
        vice_is_away("xb5_teacher"),
        vice_is_away("head"),
        (
            (
                "impasse",
                "汽修系：自 2020-03-16 起至 2020-03-20，唯一能办理“同意销号”的是汽修系教师，他负责过的隐患整改（延期或暂缓的一般隐患）永远无法销号。",
                "2020-03-16 前由分管副校长委托一名未参与这些事项的人员代办",
            ),
        ),
    ),
    Corner(
        "two are away and stand in for each other",
        absent(vice_is_away("head"), "head", LEAVES, RETURNS, "vice"),
        absent(
            vice_is_away("new", with_person(with_person(SCHOOL, "new", "甲", None), "second", "乙", None)),
            "head",
            LEAVES,
            RETURNS,
            "second",
        ),
        (
            (
                "impasse",
                "汽修系：自 2020-03-16 起至 2020-03-20，唯一能办理“评估”的是安稳办专职，他负责过的应急演练永远无法归档。",
                "2020-03-16 前由分管副校长委托一名未参与这些事项的人员代办",
            ),
            (
                "impasse",
                "汽修系：自 2020-03-16 起至 2020-03-20，没有在岗的分管安全副校长来办理“同意销号”，隐患整改（延期或暂缓的一般隐患）永远无法销号。",
                "2020-03-16 前由分管副校长委托一名未参与这些事项的人员代办",
            ),
            (
                "impasse",
                "汽修系：自 2020-03-16 起至 2020-03-20，没有在岗的安稳办主任／保卫处长来办理“同意销号”，隐患整改（一般隐患）永远无法销号。",
                "2020-03-16 前由分管副校长委托一名未参与这些事项的人员代办",
            ),
            (
                "impasse",
                "汽修系：自 2020-03-16 起至 2020-03-20，检查人离校或外出后，“同意销号”无人可办，也没有别的出路，隐患整改（当场改正）永远无法销号。",
                "2020-03-16 前由分管副校长委托一名未参与这些事项的人员代办",
            ),
            (
                "delegation_loop",
                "分管副校长与安稳办主任同时外出并互为代办人，等于无人代办。",
                "由分管副校长另行委托一名在岗人员代办",
            ),
        ),
    ),
    Corner(
        "the delegate has left",
        changed(vice_is_away("xb5_teacher"), "xb5_teacher", active=False),
        changed(vice_is_away("head"), "xb5_teacher", active=False),
        (
            (
                "impasse",
                "汽修系：自 2020-03-16 起至 2020-03-20，没有在岗的分管安全副校长来办理“同意销号”，隐患整改（延期或暂缓的一般隐患）永远无法销号。",
                "2020-03-16 前由分管副校长委托一名未参与这些事项的人员代办",
            ),
            (
                "impasse",
                "汽修系：自 2020-03-16 起至 2020-03-20，检查人离校或外出后，“同意销号”无人可办，也没有别的出路，隐患整改（当场改正）永远无法销号。",
                "2020-03-16 前由分管副校长委托一名未参与这些事项的人员代办",
            ),
            (
                "delegate_gone",
                "分管副校长外出，其代办人汽修系教师已不在册。",
                "由分管副校长另行委托一名在岗人员代办",
            ),
        ),
    ),
    Corner(
        "the delegate is away too",
        absent(vice_is_away("xb5_teacher"), "xb5_teacher", LEAVES, RETURNS),
        absent(vice_is_away("head"), "xb5_teacher", LEAVES, RETURNS),
        (
            (
                "impasse",
                "汽修系：自 2020-03-16 起至 2020-03-20，没有在岗的分管安全副校长来办理“同意销号”，隐患整改（延期或暂缓的一般隐患）永远无法销号。",
                "2020-03-16 前由分管副校长委托一名未参与这些事项的人员代办",
            ),
            (
                "impasse",
                "汽修系：自 2020-03-16 起至 2020-03-20，检查人离校或外出后，“同意销号”无人可办，也没有别的出路，隐患整改（当场改正）永远无法销号。",
                "2020-03-16 前由分管副校长委托一名未参与这些事项的人员代办",
            ),
            (
                "delegate_away",
                "分管副校长外出，其代办人汽修系教师同时外出。",
                "由分管副校长另行委托一名在岗人员代办",
            ),
        ),
    ),
    Corner(
        "a term that ends without a successor",
        holding(SCHOOL, vice=(ENDING,)),
        with_person(holding(SCHOOL, vice=(ENDING,)), "new", "新副校长", None, SUCCEEDING),
        (
            (
                "impasse",
                "汽修系：自 2020-04-01 起，没有在岗的分管安全副校长来办理“同意销号”，隐患整改（延期或暂缓的一般隐患）永远无法销号。",
                "2020-04-01 前请 1 人担任分管安全副校长（由不属于任何部门的人员担任）",
            ),
            (
                "impasse",
                "汽修系：自 2020-04-01 起，检查人离校或外出后，“同意销号”无人可办，也没有别的出路，隐患整改（当场改正）永远无法销号。",
                "2020-04-01 前请 1 人担任分管安全副校长",
            ),
        ),
    ),
    Corner(
        "nobody to hand in the inspection",
        holding(SCHOOL, xb5_safety=()),
        SCHOOL,
        (
            (
                "impasse",
                "汽修系：没有在岗的部门安全员来办理“提交检查表”，部门安全检查永远无法归档。",
                "汽修系请 1 人担任部门安全员",
            ),
            (
                "department_without_dept_safety",
                "汽修系没有安全员。",
                "请为该部门指定安全员",
            ),
        ),
    ),
    Corner(
        "nobody to review a drill",
        holding(SCHOOL, staff=(), vice=()),
        with_person(holding(SCHOOL, staff=(), vice=()), "new", "新专职", "XB5", OFFICE),
        (
            (
                "impasse",
                "汽修系：唯一能办理“评估”的是安稳办主任，他负责过的应急演练永远无法归档。",
                "请 1 人担任安稳办专职",
            ),
        ),
        of_drills,
    ),
    Corner(
        "a group too small for its quorum",
        group_of(SCHOOL, "staff"),
        group_of(with_person(SCHOOL, "new", "督导", None), "staff", "new"),
        (
            (
                "impasse",
                "汽修系：“复查合格”需 2 名验收组成员签字，只有 1 人可签，隐患整改（重大隐患）永远无法销号。",
                "另请 1 人担任验收组成员（由不属于任何部门的人员担任）",
            ),
            (
                "group_too_small",
                "验收组需要至少 2 人，现只有 1 人。",
                "请再补充 1 名成员",
            ),
        ),
    ),
    Corner(
        "a department with nobody in it",
        replace(SCHOOL, people={key: replace(person, department=None) for key, person in SCHOOL.people.items()}),
        SCHOOL,
        (
            (
                "impasse",
                "汽修系：没有人员可以指定为责任人，“下达整改通知”无法办理，隐患整改永远无法销号。",
                "请为汽修系编入至少 1 人",
            ),
        ),
    ),
    Corner(
        "no departments",
        replace(holding(SCHOOL, xb5_head=(), xb5_safety=()), departments=()),
        SCHOOL,
        (
            (
                "impasse",
                "尚未确定部门的事项：没有人员可以指定为责任人，“下达整改通知”无法办理，隐患整改永远无法销号。",
                "请先建立部门并编入人员",
            ),
            (
                "no_departments",
                "尚无部门。",
                "请先建立部门",
            ),
        ),
    ),
    Corner(
        "a department without a head",
        holding(SCHOOL, xb5_head=()),
        SCHOOL,
        (
            (
                "department_without_dept_head",
                "汽修系没有负责人。",
                "请为该部门指定负责人",
            ),
        ),
    ),
    Corner(
        "a department without a safety officer",
        holding(SCHOOL, xb5_safety=()),
        SCHOOL,
        (
            (
                "department_without_dept_safety",
                "汽修系没有安全员。",
                "请为该部门指定安全员",
            ),
        ),
        without_inspections,
    ),
    Corner(
        "a duty still held by somebody who left",
        changed(with_person(SCHOOL, "old", "前任安稳办主任", None, HEAD), "old", active=False),
        changed(with_person(SCHOOL, "old", "前任安稳办主任", None), "old", active=False),
        (
            (
                "dormant_grant",
                "前任安稳办主任已停用，仍持有“安稳办主任／保卫处长”。",
                "请收回该职责，另行任命",
            ),
        ),
    ),
    Corner(
        "a duty in a department there is none of",
        holding(SCHOOL, xb5_safety=(SAFETY, ("dept_safety", "XB9"))),
        SCHOOL,
        (
            (
                "grant_nowhere",
                "汽修系安全员的“部门安全员”限于“XB9”，没有这个部门。",
                "请改为现有部门，或收回该职责",
            ),
        ),
    ),
    Corner(
        "a duty that no loop knows",
        holding(SCHOOL, xb5_safety=(SAFETY, ("safty_staff", "*"))),
        SCHOOL,
        (
            (
                "grant_of_nothing",
                "汽修系安全员持有“safty_staff”，没有任何流程用到它。",
                "请改为现有职责，或收回",
            ),
        ),
    ),
    Corner(
        "a group without a chair",
        group_of(SCHOOL, "staff", "xb5_head", "xb5_safety", chair=False),
        SCHOOL,
        (
            (
                "group_without_chair",
                "验收组没有在任的组长。",
                "请为验收组指定组长",
            ),
        ),
    ),
]


@pytest.mark.parametrize("corner", CORNERS, ids=lambda corner: corner.name)
def test_a_dead_corner_is_named_with_the_change_that_removes_it(corner: Corner) -> None:
    found = [(finding.code, finding.text.zh, finding.remedy.zh) for finding in check(corner.asked(corner.broken))]
    assert found == list(corner.found)


@pytest.mark.parametrize("corner", CORNERS, ids=lambda corner: corner.name)
def test_after_that_change_the_school_is_clean(corner: Corner) -> None:
    assert check(corner.asked(corner.mended), known=KNOWN) == []


def test_the_school_they_were_made_from_is_clean() -> None:
    assert check(a_question(one_department())) == []
    assert check(a_question(two_departments())) == []


def test_a_calendar_that_ends_soon_and_none_at_all() -> None:
    [ends] = check(a_question(SCHOOL, calendar=replace(CALENDAR, known_until=date(2020, 4, 1))))
    assert (ends.code, ends.stuck) == ("calendar_ends", False)
    assert ends.text.zh == "日历只到 2020-04-01，此后的期限为暂定。" and ends.remedy.zh == "请载入下一年的放假安排"
    [none] = check(a_question(SCHOOL, calendar=None))
    assert (none.code, none.stuck) == ("no_calendar", True)
    assert none.text.zh == "尚未载入日历，期限无法计算。" and none.remedy.zh == "请系统管理员载入放假安排"


#: what was typed wrong is shown as it was typed
TYPED = {"a duty in a department there is none of", "a duty that no loop knows"}


@pytest.mark.parametrize("corner", [c for c in CORNERS if c.name not in TYPED], ids=lambda corner: corner.name)
def test_chinese_sentences_hold_no_key_and_no_english(corner: Corner) -> None:
    for _, said, remedy in corner.found:
        assert not re.search("[A-Za-z]", said + remedy)
        assert not any(role in said + remedy for role in ROLES)


@pytest.mark.parametrize(
    "name", ["the only safety officer is the only one who verifies", "the delegate is the one who fixed it"]
)
def test_what_was_asked_before_changes_no_answer(name: str) -> None:
    """The search goes on from what it knows: in whatever order cases are asked for, each has a way or none."""
    [corner] = [corner for corner in CORNERS if corner.name == name]
    question = corner.asked(corner.broken)
    company = company_on(question.directory, question.first)
    for workflow in question.workflows:
        stage = Stage(workflow, question.policy_of(workflow), company)
        forth, back = Play(stage), Play(stage)
        left = list(dict.fromkeys(forth._as_left(stand) for stand in forth._reached("XB5")))
        one_way = {stand: forth._ways[0].lead_on(stand) for stand in left}
        other_way = {stand: back._ways[0].lead_on(stand) for stand in reversed(left)}
        assert one_way == other_way
        in_short = Play(stage)._at_first  # the hardest first, and none looked at that is easier than one that has a way
        hardest = sorted(left, key=lambda stand: -sum(map(len, stand.acted)))
        assert {stand: in_short.lead_on(stand) for stand in hardest} == one_way
        assert all(Play(stage)._ways[0].lead_on(stand) is one_way[stand] for stand in left[::29])


@pytest.mark.parametrize(
    "name", ["the only safety officer is the only one who verifies", "the delegate is the one who fixed it"]
)
def test_what_is_known_of_the_people_in_a_case_holds_in_every_other(name: str) -> None:
    """Whoever works out anew for each case who may do what finds the same deeds as who asks once for the same people."""
    [corner] = [corner for corner in CORNERS if corner.name == name]
    question = corner.asked(corner.broken)
    company = company_on(question.directory, LEAVES)
    hazard = CATALOG.get("hazard")
    assert hazard is not None
    steps = [replace(t, by=("holder",)) if t.trigger == "fix" else t for t in hazard.transitions]
    states = [replace(s, awaits=("vp_safety",), awaits_in={}) if s.name == "deferred" else s for s in hazard.states]
    for workflow in (*CATALOG.newest(), replace(hazard, transitions=steps, states=states)):
        stage = Stage(workflow, question.policy_of(workflow), company)
        knowing, anew = Play(stage), Play(stage)
        reached = list(knowing._reached("XB5"))
        for stand in (*reached[::13], *reached[-3:]):
            anew._parties.clear()
            anew._permits.clear()
            assert list(anew._done_by_anyone(stand)) == list(knowing._done_by_anyone(stand))
            left = knowing._as_left(stand)
            assert list(anew.choices(left, cross=False)) == list(knowing.choices(left, cross=False))
            assert all(
                anew._may(step, stand, player) == knowing._may(step, stand, player)
                for step in knowing._steps[stand.state]
                for player in stage.now.all
            )
