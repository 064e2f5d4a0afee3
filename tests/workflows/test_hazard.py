"""The hazard loop, rule by rule: each condition with rows that pass and rows that do not, then its stories."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import pytest

from engine.case import Case, Link
from engine.definition import guards_of
from engine.errors import GuardRefused, InvalidInput, NotAllowed, NotPossibleNow
from engine.handle import recompute_preview
from engine.store import people
from tests.workflows.school import (
    CALENDAR_V1,
    CALENDAR_V2,
    FIVE_ITEMS,
    ORGANISATION,
    OTHER_PHOTO,
    PHOTO,
    School,
    answers,
    local,
    local_day,
)
from workflows.calendars import official
from workflows.hazard import HAZARD, INSPECTING

# --- conditions ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Attempt:
    """A step somebody tries on a case."""

    who: str
    case: Case
    trigger: str
    data: dict[str, Any] = field(default_factory=dict)
    on_behalf_of: str | None = None

    def take(self, school: School) -> Case:
        return school.step(self.who, self.case, self.trigger, on_behalf_of=self.on_behalf_of, **self.data)


Story = Callable[[School], Attempt]


def linked(school: School, one: str, other: str) -> "Then":
    """The two accounts are one human being's."""
    with school.engine.database.write_across() as connection:
        people.link(connection, [(ORGANISATION, one), (ORGANISATION, other)])
    return Then(school)


def moved(school: School, who: str, department: str) -> "Then":
    """He belongs to another department now; his roles are as they were."""
    with school.engine.database.write_across() as connection:
        person = people.person(connection, ORGANISATION, who)
        assert person is not None
        people.update_person(connection, replace(person, department=department))
    return Then(school)


@dataclass(frozen=True)
class Then:
    school: School

    def then(self, story: Story) -> Attempt:
        return story(self.school)


def handing_on(to: str, who: str = "alice") -> Story:
    return lambda school: Attempt(who, school.assigned(), "hand_on", {"assignee": to, "reason": "本人出差"})


def taking_over(who: str, on_behalf_of: str | None = None, **data: Any) -> Story:
    return lambda school: Attempt(who, school.assigned(**data), "take_over", {"reason": "责任人请假"}, on_behalf_of)


def assigning(*yes: str, category: str = "ELEC.wire", **data: Any) -> Story:
    given = {
        "category": category, "criteria": answers(category, *yes), "department": "HQC", "assignee": "alice",
        "time_limit": "days7", "requirement": "更换面板", "interim": "断电挂牌",
    }  # fmt: skip
    return lambda school: Attempt("officer", school.hazard(), "assign", {**given, **data})


def on_spot(*yes: str, who: str = "head_of_xb1", category: str = "FIRE.exit", **data: Any) -> Story:
    given = {
        "category": category, "criteria": answers(category, *yes), "department": "HQC", "corrected_by": "alice",
        "measure": "当场清走", "photos_after": [PHOTO],
    }  # fmt: skip
    return lambda school: Attempt(who, school.hazard(who), "correct_on_spot", {**given, **data})


def fixing(prepare: Callable[[School], Case], *photos: str) -> Story:
    return lambda school: Attempt("alice", prepare(school), "fix", {"measure": "已更换", "photos_after": list(photos)})


def asking_extension(until: str, at: str | None = None, **data: Any) -> Story:
    """Assigned on Monday the 6th with seven working days: the limit is Wednesday 15 January."""

    def story(school: School) -> Attempt:
        case = school.assigned()
        if at:
            school.at(at)
        return Attempt(
            "alice", case, "ask_extension", {"new_date": until, "reason": "等配件", "interim": "断电"} | data
        )

    return story


def asking_deferral(until: str, at: str | None = None, time_limit: str = "days7") -> Story:
    def story(school: School) -> Attempt:
        case = school.assigned(time_limit=time_limit)
        if at:
            school.at(at)
        return Attempt("alice", case, "ask_deferral", {"until": until, "reason": "须停课施工", "interim": "断电"})

    return story


def with_extension_asked(school: School) -> Case:
    return asking_extension("2020-01-17")(school).take(school)


def with_deferral_asked(school: School) -> Case:
    return asking_deferral("2020-02-10")(school).take(school)


def with_major_deferral_asked(school: School) -> Case:
    case = school.major_being_fixed()
    return school.step("alice", case, "ask_deferral", until="2020-07-20", reason="须停课施工", interim="断电")


def deciding(who: str, trigger: str, prepare: Callable[[School], Case], at: str | None = None) -> Story:
    def story(school: School) -> Attempt:
        case = prepare(school)
        if at:
            school.at(at)
        return Attempt(who, case, trigger, {"opinion": "已阅"})

    return story


def as_vice(trigger: str, prepare: Callable[[School], Case], at: str | None = None) -> Story:
    return deciding("vice", trigger, prepare, at)


def as_principal(trigger: str, prepare: Callable[[School], Case], at: str | None = None) -> Story:
    return deciding("principal", trigger, prepare, at)


def deferred(school: School) -> Case:
    return as_vice("grant_deferral", with_deferral_asked)(school).take(school)


def with_refused_plan(school: School) -> Case:
    return as_principal("refuse_plan", with_plan)(school).take(school)


def graded_anew_with_a_plan(school: School) -> Case:
    """Its plan was filed before it was graded anew, and none since."""
    case = school.step("head_of_office", with_plan(school), "retriage", reason="等级有误")
    return school.assign(case, "general.beyond_school", time_limit="plan")


def with_plan_for(day: str) -> Callable[[School], Case]:
    return lambda school: filing_plan_for(day)(school).take(school)


def filing_anew(prepare: Callable[[School], Case], at: str, due_date: str = "2020-04-30") -> Story:
    def story(school: School) -> Attempt:
        case = prepare(school)
        school.at(at)
        return Attempt("alice", case, "file_plan", {**FIVE_ITEMS, "due_date": due_date})

    return story


def sending_back(trigger: str, prepare: Callable[[School], Case], **data: Any) -> Story:
    who = "officer" if trigger == "return" else "head_of_office"
    return lambda school: Attempt(who, prepare(school), trigger, {"reason": "仍松动", **data})


def fixed_the_same_day(school: School) -> Case:
    """No protective measure was ever named: the limit was the same day."""
    return school.fix(school.assigned(time_limit="same_day", interim=None))


def verified_the_same_day(school: School) -> Case:
    return school.verify(fixed_the_same_day(school))


def returned_with_a_measure(school: School) -> Case:
    case = fixed_the_same_day(school)
    return school.fix(school.step("officer", case, "return", reason="仍松动", interim="拉设警戒线"))


def merging_assigned(prepare: Callable[[School], Case], into: Callable[[School], Case]) -> Story:
    def story(school: School) -> Attempt:
        case = prepare(school)
        return Attempt("head_of_office", case, "merge", {"into": into(school).number, "reason": "同一处"})

    return story


def an_absorbing_one(school: School) -> Case:
    kept = school.hazard()
    school.step("officer", school.hazard(), "merge", into=kept.number, reason="同一处")
    return school.case(kept.number)


def with_plan(school: School) -> Case:
    return school.file_plan(school.major())


def filing_plan(prepare: Callable[[School], Case]) -> Story:
    return lambda school: Attempt("alice", prepare(school), "file_plan", FIVE_ITEMS)


def filing_plan_for(day: str) -> Story:
    return lambda school: Attempt("alice", school.major(), "file_plan", {**FIVE_ITEMS, "due_date": day})


def acknowledging(times: int) -> Story:
    def story(school: School) -> Attempt:
        case = school.assigned()
        for _ in range(times - 1):
            case = school.step("alice", case, "acknowledge")
        return Attempt("alice", case, "acknowledge")

    return story


def merging(into: Callable[[School, Case], Case]) -> Story:
    def story(school: School) -> Attempt:
        case = school.hazard()
        return Attempt("officer", case, "merge", {"into": into(school, case).number, "reason": "同一处"})

    return story


def a_drill(school: School, _: Case) -> Case:
    return school.open(
        "officer",
        "drill",
        title="疏散演练",
        place="教学楼",
        department="XB1",
        planned_on="2020-01-10",
        plan_name="火灾预案",
    )


def the_case_itself(_: School, case: Case) -> Case:
    return case


def another_open_one(school: School, _: Case) -> Case:
    return school.hazard()


def a_closed_one(school: School, _: Case) -> Case:
    return school.closed(place="车间")


def a_rejected_one(school: School, _: Case) -> Case:
    return school.step("officer", school.hazard(), "reject", reason="不属实")


def management_hazard(school: School) -> Case:
    return school.assigned(category="MGMT.duty")


@dataclass(frozen=True)
class Clause:
    """One condition: what it forbids and what it lets pass."""

    refuses: dict[str, Story]
    passes: dict[str, Story]


def from_above(school: School, day: str) -> Case:
    """Found by a comparison check that a superior's paper asked for by this day, and assigned."""
    paper = school.open("officer", "notice", title="火灾通报", kind="accident", dated_on="2020-01-06", reply_by=day)
    conveyed = school.step(
        "officer", paper, "convey", audience=["role:dept_safety"], key_points="举一反三",
        items=[{"title": "灭火器是否有效", "category": "FIRE.equip"}],
        sites=[{"department": "HQC", "place": "油漆库"}],
    )  # fmt: skip
    [check] = [school.case(link.number) for link in conveyed.links if link.kind == "child"]
    said: dict[str, Any] = {"answers": {"1": {"result": "fail", "note": "压力不足"}}, "summary": "一处不合格"}
    checked = school.step("bob", check, "submit", **said)
    [found] = [school.case(link.number) for link in checked.links if link.kind == "child"]
    return school.assign(found, category="FIRE.equip")


def asking_past_a_superior(new_date: str, **more: str) -> Story:
    def story(school: School) -> Attempt:
        case = from_above(school, "2020-01-10")
        assert local_day(case.due_at) == "2020-01-10", "his day comes before the seven working days"
        data = {"new_date": new_date, "reason": "等配件", "interim": "专人看守", **more}
        return Attempt("alice", case, "ask_extension", data)

    return story


CLAUSES: dict[str, Clause] = {
    "hazard.limit_fits_level": Clause(
        refuses={
            "a major one by days": assigning("general.needs_stop", time_limit="days30"),
            "a major one the same day": assigning("elec.burning", time_limit="same_day"),
            "a general one by a plan": assigning(time_limit="plan"),
        },
        passes={
            "a major one by a plan": assigning("general.beyond_school", time_limit="plan"),
            "a general one by days": assigning(time_limit="days15"),
        },
    ),
    "hazard.interim_given": Clause(
        refuses={
            **{f"none for {limit}": assigning(time_limit=limit, interim=None) for limit in ("days3", "days7", "days30")},
            "none for a plan": assigning("elec.burning", time_limit="plan", interim=None),
        },
        passes={
            "none for the same day": assigning(time_limit="same_day", interim=None),
            "none needed, because": assigning(time_limit="days30", interim="不需要，因为该处已封闭停用"),
            "a measure": assigning(time_limit="days3", interim="拉设警戒线"),
        },
    ),
    "hazard.interim_kept": Clause(
        refuses={
            "returned for longer than the day, with none": sending_back("return", fixed_the_same_day),
            "sent back for longer than the day, with none": sending_back(
                "send_back", verified_the_same_day, time_limit="days7"
            ),
            "corrected on the spot, where none was needed": lambda s: Attempt(
                "officer", s.corrected_on_spot(), "return", {"reason": "又堵上了"}
            ),
        },
        passes={
            "the one from the notice stands": sending_back("return", School.fixed),
            "the one from an earlier return stands": sending_back("return", returned_with_a_measure),
            "none for the same day": sending_back("return", fixed_the_same_day, time_limit="same_day"),
            "named now": sending_back("return", fixed_the_same_day, interim="拉设警戒线"),
            "named when it is sent back": sending_back("send_back", verified_the_same_day, interim="拉设警戒线"),
        },
    ),
    "hazard.inspects": Clause(
        refuses={
            "a teacher": on_spot(who="teacher"),
            "the one who repairs": on_spot(who="alice", corrected_by="bob"),
        },
        passes={
            "the head of a department": on_spot(who="head_of_xb1"),
            "a department's safety officer": on_spot(who="safety_of_xb1"),
            "the safety office": on_spot(who="officer"),
            "the principal": on_spot(who="principal"),
        },
    ),
    "hazard.general_on_spot": Clause(
        refuses={"a major one": on_spot("fire.exits")},
        passes={"a general one": on_spot()},
    ),
    "hazard.corrected_by_somebody_else": Clause(
        refuses={
            "by the inspector himself": on_spot(corrected_by="head_of_xb1"),
            "by the inspector under another account of his": lambda s: linked(s, "head_of_xb1", "bob").then(
                on_spot(corrected_by="bob")
            ),
        },
        passes={"by another": on_spot(corrected_by="bob")},
    ),
    "hazard.on_spot_evidence_given": Clause(
        refuses={"no photo of a blocked exit": on_spot(photos_after=[])},
        passes={
            "a photo": on_spot(photos_after=[OTHER_PHOTO]),
            "no photo of a missing signature": on_spot(category="MGMT.duty", photos_after=[]),
        },
    ),
    "hazard.assignee_of_department": Clause(
        refuses={
            "assigned to somebody of another department": assigning(assignee="charlie"),
            "handed to somebody of another department": lambda s: Attempt(
                "officer", s.assigned(), "reassign", {"department": "XB2", "assignee": "bob", "reason": "人员调动"}
            ),
            "corrected by somebody of another department": on_spot(corrected_by="charlie"),
        },
        passes={
            "assigned inside": assigning(assignee="bob"),
            "handed on with the department": lambda s: Attempt(
                "officer", s.assigned(), "reassign", {"department": "XB2", "assignee": "charlie", "reason": "人员调动"}
            ),
        },
    ),
    "hazard.to_a_colleague": Clause(
        refuses={"to somebody of another department": handing_on("charlie")},
        passes={"to one of his own": handing_on("bob"), "by his head": handing_on("bob", who="head_of_hqc")},
    ),
    "hazard.to_another": Clause(
        refuses={"to himself": handing_on("alice"), "by his head": handing_on("alice", who="head_of_hqc")},
        passes={"to another": handing_on("head_of_hqc")},
    ),
    "hazard.in_his_own_name": Clause(
        refuses={"for the head of the department": taking_over("bob", on_behalf_of="head_of_hqc")},
        passes={"by himself": taking_over("bob")},
    ),
    "hazard.of_the_department": Clause(
        refuses={"by the safety officer of another one": lambda s: moved(s, "bob", "XB1").then(taking_over("bob"))},
        passes={"by its head": taking_over("head_of_hqc")},
    ),
    "hazard.not_his_already": Clause(
        refuses={"from himself": taking_over("bob", assignee="bob")},
        passes={"from another": taking_over("bob")},
    ),
    "hazard.receipt_open": Clause(
        refuses={"a second time": acknowledging(2)},
        passes={"the first time": acknowledging(1)},
    ),
    "hazard.is_major": Clause(
        refuses={"a general one needs no plan": filing_plan(School.assigned)},
        passes={"a major one does": filing_plan(School.major)},
    ),
    "hazard.plan_date_ahead": Clause(
        refuses={
            "a date that has passed": filing_plan_for("2019-12-31"),
            "more than a year after the opening": filing_plan_for("2021-06-01"),
            "a Saturday": filing_plan_for("2020-03-21"),
            "New Year's Eve of the lunar year": filing_plan_for("2020-01-24"),
        },
        passes={
            "a date ahead": filing_plan_for("2020-03-20"),
            "the same day": filing_plan_for("2020-01-06"),
            "a Sunday that is worked": filing_plan_for("2020-01-19"),
        },
    ),
    "hazard.plan_in_time": Clause(
        refuses={
            "the day after the approved plan's date": filing_anew(School.major_being_fixed, "2020-03-21 00:00"),
            "a month after it": filing_anew(School.major_being_fixed, "2020-04-20 09:00"),
        },
        passes={
            "in its last second": filing_anew(School.major_being_fixed, "2020-03-20 23:59:59"),
            "the first plan, later than it was due": filing_anew(School.major, "2020-01-20 09:00"),
            "a plan that was never approved": filing_anew(with_plan, "2020-04-20 09:00"),
        },
    ),
    "hazard.plan_still_ahead": Clause(
        refuses={
            "the day after the plan's date": as_principal("approve_plan", with_plan_for("2020-01-08"), at="2020-01-09 00:00")
        },
        passes={
            "the day itself": as_principal("approve_plan", with_plan_for("2020-01-08"), at="2020-01-08 23:59:59"),
            "refusing it afterwards": as_principal("refuse_plan", with_plan_for("2020-01-08"), at="2020-01-09 00:00"),
        },
    ),
    "hazard.plan_filed": Clause(
        refuses={
            "approving what nobody filed": as_principal("approve_plan", School.major),
            "refusing what nobody filed": as_principal("refuse_plan", School.major),
        },
        passes={
            "filed with its five items": as_principal("approve_plan", with_plan),
            "refused with its five items": as_principal("refuse_plan", with_plan),
        },
    ),
    "hazard.plan_awaits_decision": Clause(
        refuses={
            "approved already": as_principal("approve_plan", School.major_being_fixed),
            "refusing what was approved": as_principal("refuse_plan", School.major_being_fixed),
            "approving what another leader refused": deciding("secretary", "approve_plan", with_refused_plan),
            "refusing it twice": as_principal("refuse_plan", with_refused_plan),
            "a plan of the grading before": as_principal("approve_plan", graded_anew_with_a_plan),
        },
        passes={
            "filed": as_principal("approve_plan", with_plan),
            "filed anew": as_principal("approve_plan", lambda s: s.file_plan(s.major_being_fixed(), fund="9 万元")),
            "filed anew after a refusal": as_principal("approve_plan", lambda s: s.file_plan(with_refused_plan(s))),
            "filed for the new grading": as_principal("approve_plan", lambda s: s.file_plan(graded_anew_with_a_plan(s))),
        },
    ),
    "hazard.five_items_filled": Clause(
        refuses={"a major one without a plan is not fixed": fixing(School.major, PHOTO)},
        passes={
            "a major one with an approved plan": fixing(School.major_being_fixed, PHOTO),
            "a general one needs none": fixing(School.assigned, PHOTO),
        },
    ),
    "hazard.plan_approved": Clause(
        refuses={
            "a plan that was only filed": fixing(with_plan, PHOTO),
            "a plan that was refused": fixing(with_refused_plan, PHOTO),
            "a major one deferred without it": lambda s: Attempt(
                "alice", s.major(), "ask_deferral", {"until": "2020-02-10", "reason": "须停课施工", "interim": "断电"}
            ),
            "a plan changed after the approval": fixing(lambda s: s.file_plan(s.major_being_fixed(), fund="9 万"), PHOTO),
        },
        passes={"an approved plan": fixing(School.major_being_fixed, PHOTO)},
    ),
    "hazard.evidence_given": Clause(
        refuses={"no photo of the result": fixing(School.assigned)},
        passes={
            "a photo": fixing(School.assigned, PHOTO),
            "two photos": fixing(School.assigned, PHOTO, OTHER_PHOTO),
            "no photo of a missing signature": fixing(management_hazard),
        },
    ),
    "hazard.nothing_asked": Clause(
        refuses={
            "an extension while one waits": lambda s: Attempt(
                "alice", with_extension_asked(s), "ask_extension",
                {"new_date": "2020-01-20", "reason": "还不够", "interim": "断电"},
            ),
            "a deferral while an extension waits": lambda s: Attempt(
                "alice", with_extension_asked(s), "ask_deferral",
                {"until": "2020-02-10", "reason": "还不够", "interim": "断电"},
            ),
        },
        passes={
            "after the first was refused": lambda s: Attempt(
                "alice", as_vice("refuse_extension", with_extension_asked)(s).take(s), "ask_extension",
                {"new_date": "2020-01-20", "reason": "配件未到", "interim": "断电"},
            ),
            "after the first was granted": lambda s: Attempt(
                "alice", as_vice("grant_extension", with_extension_asked)(s).take(s), "ask_extension",
                {"new_date": "2020-01-20", "reason": "配件未到", "interim": "断电"},
            ),
        },
    ),
    "hazard.before_limit": Clause(
        refuses={
            "an extension a second too late": asking_extension("2020-01-20", at="2020-01-16 00:00"),
            "an extension a week late": asking_extension("2020-02-10", at="2020-01-22 09:00"),
            "a deferral too late": asking_deferral("2020-02-10", at="2020-01-16 09:00"),
        },
        passes={
            "an extension in the last second": asking_extension("2020-01-20", at="2020-01-15 23:59:59"),
            "a deferral before the limit": asking_deferral("2020-02-10", at="2020-01-15 09:00"),
        },
    ),
    "hazard.new_date_later": Clause(
        refuses={
            "the day of the limit itself": asking_extension("2020-01-15"),
            "a day before it": asking_extension("2020-01-14"),
            "more than a year after the opening": asking_extension("2021-01-06"),
            "a Saturday": asking_extension("2020-01-18"),
            "a public holiday": asking_extension("2020-01-24"),
        },
        passes={
            "the day after it": asking_extension("2020-01-16"),
            "a Sunday that is worked": asking_extension("2020-01-19"),
            "a year after the opening": asking_extension("2021-01-05"),
        },
    ),
    "hazard.superior_agrees_to_a_later_day": Clause(
        refuses={"the day after his, and nothing says that he agrees": asking_past_a_superior("2020-01-13")},
        passes={
            "the day after his, and he agrees": asking_past_a_superior("2020-01-13", consent="通教安复〔2020〕3号"),
            "where no superior gave a day": asking_extension("2020-01-16"),
        },
    ),
    "hazard.within_a_break": Clause(
        refuses={
            "the day before the break": asking_deferral("2020-01-17"),
            "the day after it": asking_deferral("2020-02-17"),
            "a break that is over": asking_deferral("2019-07-19"),
            "its first day, a Saturday": asking_deferral("2020-01-18"),
            "a public holiday in it": asking_deferral("2020-01-24"),
            "the day of the limit": asking_deferral("2020-02-05", time_limit="days30"),
            "a day before the limit": asking_deferral("2020-02-04", time_limit="days30"),
        },
        passes={
            "its first working day, a Sunday that is worked": asking_deferral("2020-01-19"),
            "its last working day": asking_deferral("2020-02-14"),
            "the day after the limit": asking_deferral("2020-02-06", time_limit="days30"),
            "the summer break": asking_deferral("2020-07-20"),
        },
    ),
    "hazard.asked_date_ahead": Clause(
        refuses={
            "an extension to today": as_vice("grant_extension", with_extension_asked, at="2020-01-17 00:00"),
            "an extension to a day that has passed": as_vice("grant_extension", with_extension_asked, at="2020-01-20 09:00"),
            "a deferral to today": as_vice("grant_deferral", with_deferral_asked, at="2020-02-10 09:00"),
        },
        passes={
            "an extension the day before": as_vice("grant_extension", with_extension_asked, at="2020-01-16 23:59:59"),
            "a deferral the day before": as_vice("grant_deferral", with_deferral_asked, at="2020-02-09 09:00"),
            "refusing an extension afterwards": as_vice("refuse_extension", with_extension_asked, at="2020-01-20 09:00"),
            "refusing a deferral afterwards": as_vice("refuse_deferral", with_deferral_asked, at="2020-02-10 09:00"),
        },
    ),
    "hazard.extension_asked": Clause(
        refuses={
            "granting what nobody asked": as_vice("grant_extension", School.assigned),
            "refusing what nobody asked": as_vice("refuse_extension", School.assigned),
            "granting where a deferral was asked": as_vice("grant_extension", with_deferral_asked),
        },
        passes={
            "granting what was asked": as_vice("grant_extension", with_extension_asked),
            "refusing what was asked": as_vice("refuse_extension", with_extension_asked),
        },
    ),
    "hazard.deferral_asked": Clause(
        refuses={
            "granting what nobody asked": as_vice("grant_deferral", School.assigned),
            "refusing what nobody asked": as_vice("refuse_deferral", School.assigned),
            "granting where an extension was asked": as_vice("grant_deferral", with_extension_asked),
        },
        passes={
            "granting what was asked": as_vice("grant_deferral", with_deferral_asked),
            "refusing what was asked": as_vice("refuse_deferral", with_deferral_asked),
            "of a major one with its plan": as_vice("grant_deferral", with_major_deferral_asked),
        },
    ),
    "hazard.into_another_open_one": Clause(
        refuses={
            "into itself": merging(the_case_itself),
            "into a closed one": merging(a_closed_one),
            "into a rejected one": merging(a_rejected_one),
            "into a drill": merging(a_drill),
            "an assigned one into a closed one": merging_assigned(School.assigned, lambda s: s.closed(place="车间")),
        },
        passes={"into another open one": merging(another_open_one)},
    ),
    "hazard.into_no_lesser_one": Clause(
        refuses={
            "a major one into a general one": merging_assigned(School.major, School.assigned),
            "a major one into one that is only reported": merging_assigned(School.major, School.hazard),
            "an assigned one into one that is only reported": merging_assigned(School.assigned, School.hazard),
            "a deferred one into one that is only reported": merging_assigned(deferred, School.hazard),
        },
        passes={
            "a general one into a general one": merging_assigned(School.assigned, School.assigned),
            "a general one into a major one": merging_assigned(School.assigned, School.major),
            "a major one into a major one": merging_assigned(School.major, School.major),
            "a deferred one into one that was fixed": merging_assigned(deferred, School.fixed),
        },
    ),
    "hazard.never_assigned": Clause(
        refuses={
            "rejected while graded anew": lambda s: Attempt(
                "officer", retriage(s, s.assigned()), "reject", {"reason": "不属实"}
            ),
            "merged while graded anew": lambda s: Attempt(
                "officer", retriage(s, s.assigned()), "merge", {"into": s.hazard(place="车间").number, "reason": "同一处"}
            ),
        },
        passes={"at its first triage": lambda s: Attempt("officer", s.hazard(), "reject", {"reason": "不属实"})},
    ),
    "hazard.nothing_absorbed": Clause(
        refuses={
            "another was merged into it": lambda s: Attempt("officer", an_absorbing_one(s), "reject", {"reason": "不属实"})
        },
        passes={"it stands alone": lambda s: Attempt("officer", s.hazard(), "reject", {"reason": "不属实"})},
    ),
}  # fmt: skip


def rows(side: str) -> list[Any]:
    return [
        pytest.param(name, story, id=f"{name.removeprefix('hazard.')}: {clause}")
        for name, clauses in CLAUSES.items()
        for clause, story in getattr(clauses, side).items()
    ]


@pytest.mark.parametrize("name, story", rows("refuses"))
def test_a_condition_that_does_not_hold_is_named_and_leaves_the_case_alone(
    school: School, name: str, story: Story
) -> None:
    attempt = story(school)
    with pytest.raises(GuardRefused) as refused:
        attempt.take(school)
    assert refused.value.guard == name
    assert school.case(attempt.case.number) == attempt.case


@pytest.mark.parametrize("name, story", rows("passes"))
def test_where_the_condition_holds_the_step_is_taken(school: School, name: str, story: Story) -> None:
    attempt = story(school)
    assert attempt.take(school).revision == attempt.case.revision + 1


def test_every_condition_of_the_loop_has_its_rows() -> None:
    drawn = {guard.name for transition in HAZARD.transitions for guard in guards_of(transition.guards)}
    assert drawn == set(CLAUSES)


# --- the level is answered for, not chosen --------------------------------------------------------------------------------

LEVELS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "all no is general": ("ELEC.wire", (), "general"),
    "it must be stopped": ("ELEC.wire", ("general.needs_stop",), "major"),
    "the school cannot do it": ("ELEC.wire", ("general.beyond_school",), "major"),
    "a criterion of its kind": ("ELEC.wire", ("elec.burning",), "major"),
    "two of them": ("FIRE.exit", ("fire.exits", "fire.window_bars"), "major"),
}


@pytest.mark.parametrize("category, yes, level", LEVELS.values(), ids=LEVELS.keys())
def test_the_criteria_give_the_level(school: School, category: str, yes: tuple[str, ...], level: str) -> None:
    limit = "plan" if level == "major" else "days7"
    case = assigning(*yes, category=category, time_limit=limit)(school).take(school)
    assert case.level == level


UNDECIDED: dict[str, dict[str, Any]] = {
    "a criterion left blank": {"criteria": {"elec.burning": False}},
    "no criterion at all": {"criteria": {}},
    "a criterion of another category": {"criteria": {**answers("ELEC.wire"), "fire.exits": False}},
    "an answer that is neither": {"criteria": {**answers("ELEC.wire"), "elec.burning": "perhaps"}},
    "a level written down": {"level": "general"},
    "a category nobody knows": {"category": "ELEC.sparks"},
}


@pytest.mark.parametrize("data", UNDECIDED.values(), ids=UNDECIDED.keys())
def test_without_every_answer_there_is_no_level(school: School, data: dict[str, Any]) -> None:
    attempt = assigning(**data)(school) if "category" not in data else None
    if attempt is None:
        whole = assigning()(school)
        attempt = Attempt(whole.who, whole.case, whole.trigger, {**whole.data, **data})
    with pytest.raises(InvalidInput):
        attempt.take(school)
    assert school.case(attempt.case.number).level == ""


# --- the notice and its receipt -------------------------------------------------------------------------------------------


def test_assigning_draws_a_notice_number_and_waits_for_the_receipt(school: School) -> None:
    first, second = school.assigned(), school.assigned()
    assert (first.facts["notice_number"], second.facts["notice_number"]) == ("TZ-2020-0001", "TZ-2020-0002")
    assert first.acknowledged_at is None
    receipts = [(rung, at) for _, rung, at in school.timers(first) if rung.startswith("receipt")]
    assert receipts == [("receipt", local("2020-01-07 09:00")), ("receipt-1", local("2020-01-08 07:40"))]


def test_a_receipt_not_given_within_24_hours_climbs_first_to_the_head_then_to_the_safety_office(
    school: School,
) -> None:
    case = school.assigned()
    school.at("2020-01-07 08:59").tick()
    assert school.notices(case, "receipt") == []
    school.at("2020-01-07 09:00").tick()
    school.at("2020-01-08 07:40").tick()
    told = [(notice.audience, notice.how) for notice in school.notices(case, "receipt")]
    assert told == [(("assignee", "dept_head"), "direct"), (("safety_head",), "direct")]


def test_an_acknowledged_receipt_climbs_no_more_and_leaves_the_limit_running(school: School) -> None:
    case = school.step("alice", school.assigned(), "acknowledge")
    assert case.acknowledged_at == local("2020-01-06 09:00")
    assert not [rung for rung in school.rungs(case) if rung.startswith("receipt")]
    assert "due" in school.rungs(case)
    school.at("2020-01-09 09:00").tick()
    assert school.notices(case, "receipt") == []


def test_only_the_assignee_acknowledges(school: School) -> None:
    with pytest.raises(NotAllowed):
        school.step("bob", school.assigned(), "acknowledge")


def test_a_receipt_that_was_asked_for_is_not_asked_for_again_after_an_extension(school: School) -> None:
    case = school.assigned()
    school.at("2020-01-07 09:00").tick()
    assert len(school.notices(case, "receipt")) == 1
    school.at("2020-01-07 10:00")
    case = school.step("alice", case, "ask_extension", new_date="2020-01-17", reason="等配件", interim="断电")
    case = school.step("vice", case, "grant_extension", opinion="同意")
    assert [rung for rung in school.rungs(case) if rung.startswith("receipt")] == ["receipt-1"]
    for day in ("2020-01-08", "2020-01-09", "2020-01-10"):
        school.at(f"{day} 09:00").tick()
    assert [notice.audience for notice in school.notices(case, "receipt")] == [
        ("assignee", "dept_head"), ("safety_head",),
    ]  # fmt: skip


def test_a_returned_case_keeps_its_protective_measure_and_its_notices_number(school: School) -> None:
    case = school.step("officer", school.fixed(), "return", reason="仍松动")
    case = school.step("head_of_office", school.verify(school.fix(case)), "send_back", reason="照片不清")
    assert (case.facts["interim"], case.facts["notice_number"]) == ("断电挂牌", "TZ-2020-0001")
    assert school.assigned().facts["notice_number"] == "TZ-2020-0002"  # none was drawn in between


def test_a_returned_case_asks_for_a_receipt_again(school: School) -> None:
    case = school.step("officer", school.fixed(), "return", reason="仍松动")
    assert case.acknowledged_at is None
    assert "receipt" in school.rungs(case)


# --- limits ---------------------------------------------------------------------------------------------------------------

LIMITS: dict[str, tuple[str, str]] = {
    "the same day": ("same_day", "2020-01-06"),
    "3 working days": ("days3", "2020-01-09"),
    "7 working days": ("days7", "2020-01-15"),
    "15 working days, over the make-up Sunday and the holiday": ("days15", "2020-01-31"),
    "30 natural days": ("days30", "2020-02-05"),
}


@pytest.mark.parametrize("limit, day", LIMITS.values(), ids=LIMITS.keys())
def test_the_limit_runs_to_the_end_of_its_day(school: School, limit: str, day: str) -> None:
    case = school.assigned(time_limit=limit)
    assert case.due_at == local(f"{day} 23:59:59")
    assert case.first_due_at == case.due_at


def test_a_school_sets_its_own_numbers_for_the_next_case_and_not_for_a_running_one(school: School) -> None:
    before = school.assigned()
    school.set_policy("hazard", days7=5)
    after = school.assigned()
    assert local_day(school.case(before.number).due_at) == "2020-01-15"
    assert local_day(after.due_at) == "2020-01-13"
    assert [event.policy_version for event in school.events(after)] == [1, 1]
    assert [event.policy_version for event in school.events(before)] == [0, 0]


# --- major ----------------------------------------------------------------------------------------------------------------

FIVE = {
    "责任": "responsible_person",
    "措施": "measures",
    "资金": "fund",
    "时限": "due_date",
    "预案": "emergency_plan",
}


@pytest.mark.parametrize("missing", FIVE.values(), ids=FIVE.keys())
def test_a_plan_without_one_of_the_five_is_not_filed(school: School, missing: str) -> None:
    case = school.major()
    given = {name: value for name, value in FIVE_ITEMS.items() if name != missing}
    with pytest.raises(InvalidInput) as refused:
        school.step("alice", case, "file_plan", **given)
    assert [fault.field for fault in refused.value.fields] == [missing]


@pytest.mark.parametrize("blank", ["measures", "fund", "emergency_plan"])
def test_blank_is_not_filled(school: School, blank: str) -> None:
    with pytest.raises(InvalidInput):
        school.file_plan(school.major(), **{blank: "   "})


def test_a_major_hazard_stays_assigned_until_its_plan_is_approved_and_then_goes_by_the_plans_date(
    school: School,
) -> None:
    case = school.major()
    assert (case.level, case.mode) == ("major", "major")
    assert local_day(case.due_at) == "2020-01-13"  # five working days to make the plan
    case = school.file_plan(case)
    assert case.state == "assigned"
    case = school.step("secretary", case, "approve_plan", opinion="同意")
    assert (case.state, case.supervised) == ("assigned", True)
    assert case.due_at == case.first_due_at == local("2020-03-20 23:59:59")
    assert school.fix(case).state == "fixed"


def test_a_major_hazard_goes_direct_on_every_rung(school: School) -> None:
    case = school.major()
    school.at("2020-01-08 07:40").tick()
    [reminder] = school.notices(case, "reminder")
    assert reminder.how == "direct"


@pytest.mark.parametrize("who", ["vice", "head_of_office", "officer", "head_of_hqc"])
def test_nobody_but_the_first_responsible_persons_approves_a_plan(school: School, who: str) -> None:
    with pytest.raises(NotAllowed):
        school.step(who, with_plan(school), "approve_plan", opinion="同意")


def test_whoever_filed_the_plan_does_not_approve_it_even_through_another(school: School) -> None:
    case = school.assign(school.hazard(), "elec.burning", time_limit="plan", department="DZB", assignee="principal")
    case = school.file_plan(case, who="principal")
    with pytest.raises(NotAllowed) as refused:
        school.step("secretary", case, "approve_plan", on_behalf_of="principal", opinion="同意")
    assert refused.value.reason == "separation"
    assert school.step("secretary", case, "approve_plan", opinion="同意").facts["plan_approved"] is True


def test_a_major_hazard_without_an_approved_plan_is_not_deferred_where_no_plan_can_be_filed(school: School) -> None:
    case = school.major()
    with pytest.raises(GuardRefused) as refused:
        school.step("alice", case, "ask_deferral", until="2020-02-10", reason="须停课施工", interim="断电")
    assert refused.value.guard == "hazard.plan_approved"


def test_a_plan_filed_anew_after_the_deferral_was_asked_has_to_be_approved_first(school: School) -> None:
    case = school.file_plan(with_major_deferral_asked(school), fund="9 万元")
    with pytest.raises(GuardRefused) as refused:
        school.step("vice", case, "grant_deferral", opinion="同意")
    assert refused.value.guard == "hazard.plan_approved"


def test_a_plan_filed_anew_moves_the_limit_and_keeps_the_first(school: School) -> None:
    case = school.major_being_fixed()
    assert case.counters == {}
    case = school.file_plan(case, due_date="2020-04-30")
    assert local_day(case.due_at) == "2020-03-20"
    case = school.step("principal", case, "approve_plan", opinion="同意")
    assert local_day(case.due_at) == "2020-04-30"
    assert local_day(case.first_due_at) == "2020-03-20"
    assert case.counters == {"extended": 1}


def test_a_refused_plan_leaves_the_limit_where_it_was_and_is_told_to_the_assignee(school: School) -> None:
    filed = with_plan(school)
    case = school.step("principal", filed, "refuse_plan", opinion="资金未落实")
    assert (case.state, case.due_at, case.generation) == ("assigned", filed.due_at, filed.generation)
    assert case.facts["plan_approved"] is False
    assert school.notices(case, "informed")[-1].audience == ("assignee",)
    case = school.step("principal", school.file_plan(case, fund="10 万元"), "approve_plan", opinion="同意")
    assert local_day(case.first_due_at) == "2020-03-20"
    assert case.counters == {}


def test_whoever_answers_for_the_plan_does_not_accept_its_result(school: School) -> None:
    case = school.file_plan(school.major(), responsible_person="acceptor_of_xb1")
    case = school.fix(school.step("principal", case, "approve_plan", opinion="同意"))
    with pytest.raises(NotAllowed) as refused:
        school.verify(case, who="acceptor_of_xb1")
    assert refused.value.reason == "separation"
    case = school.verify(school.verify(case, who="acceptor_of_xb2"), who="acceptor_of_hqc")
    assert case.state == "verified"


@pytest.mark.parametrize("trigger", ["approve_plan", "refuse_plan"])
def test_a_principal_who_has_to_fix_it_decides_on_no_plan_even_one_that_another_filed(
    school: School, trigger: str
) -> None:
    case = school.assign(school.hazard(), "elec.burning", time_limit="plan", department="DZB", assignee="principal")
    case = school.file_plan(case, who="head_of_dzb")
    with pytest.raises(NotAllowed) as refused:
        school.step("principal", case, trigger, opinion="已阅")
    assert refused.value.reason == "separation"
    assert school.step("secretary", case, trigger, opinion="已阅").facts["plan_waits"] is False


# --- extension and deferral ------------------------------------------------------------------------------------------------


def test_a_granted_extension_moves_the_limit_keeps_the_first_and_starts_a_new_generation(school: School) -> None:
    asked = with_extension_asked(school)
    assert asked.due_at == local("2020-01-15 23:59:59")
    granted = school.step("vice", asked, "grant_extension", opinion="同意")
    assert granted.due_at == local("2020-01-17 23:59:59")
    assert granted.first_due_at == local("2020-01-15 23:59:59")
    assert granted.counters["extended"] == 1
    assert granted.mode == "general_extended"
    assert granted.generation == asked.generation + 1
    assert {generation for generation, _, _ in school.timers(granted)} == {granted.generation}


def test_the_second_extension_still_keeps_the_first_limit(school: School) -> None:
    case = as_vice("grant_extension", with_extension_asked)(school).take(school)
    case = school.step("alice", case, "ask_extension", new_date="2020-02-20", reason="配件未到", interim="断电")
    case = school.step("vice", case, "grant_extension", opinion="同意")
    assert local_day(case.first_due_at) == "2020-01-15"
    assert case.counters["extended"] == 2


def test_what_is_asked_for_stays_apart_from_the_facts_until_it_is_granted(school: School) -> None:
    before = school.assigned()
    asked = asking_extension("2020-01-17", reason="等配件")(school)
    asked = Attempt("alice", before, asked.trigger, {**asked.data, "interim": "改为专人看守"})
    case = asked.take(school)
    assert case.facts == {
        **before.facts, "asked": {"what": "extension", "until": "2020-01-17", "interim": "改为专人看守"},
    }  # fmt: skip
    assert school.events(case)[-1].data["reason"] == "等配件"
    refused = school.step("vice", case, "refuse_extension", opinion="不同意")
    assert refused.facts["interim"] == "断电挂牌"
    case = school.step("vice", asked.take(school), "grant_extension", opinion="同意")
    assert case.facts["interim"] == "改为专人看守"


def test_a_request_is_on_its_deciders_list_until_it_is_decided(school: School) -> None:
    case = with_extension_asked(school)
    assert school.waiting_for("vice") == [case.number]
    assert school.waiting_for("alice") == [case.number]
    school.step("vice", case, "refuse_extension", opinion="不同意")
    assert school.waiting_for("vice") == []
    assert school.waiting_for("alice") == [case.number]


@pytest.mark.parametrize("trigger", ["approve_plan", "refuse_plan"])
def test_a_plan_is_on_the_leaders_lists_until_it_is_decided(school: School, trigger: str) -> None:
    case = school.major()
    assert school.waiting_for("principal") == []
    case = school.file_plan(case)
    assert school.waiting_for("principal") == school.waiting_for("secretary") == [case.number]
    assert school.waiting_for("vice") == []
    school.step("secretary", case, trigger, opinion="已阅")
    assert school.waiting_for("principal") == school.waiting_for("secretary") == []


def test_a_leader_decides_where_the_vice_principal_asked_himself(school: School) -> None:
    case = school.assigned(department="DZB", assignee="vice")
    case = school.step("vice", case, "ask_extension", new_date="2020-01-17", reason="等配件", interim="断电")
    assert school.step("principal", case, "grant_extension", opinion="同意").counters == {"extended": 1}


def test_a_refused_extension_leaves_the_limit_where_it_was(school: School) -> None:
    case = as_vice("refuse_extension", with_extension_asked)(school).take(school)
    assert local_day(case.due_at) == "2020-01-15"
    assert "extended" not in case.counters


def test_asking_does_not_stop_the_clock(school: School) -> None:
    case = with_extension_asked(school)
    school.at("2020-01-16 07:40").tick()
    assert school.case(case.number).overdue(school.clock.now())
    assert school.notices(case, "escalation")


def test_what_was_asked_before_a_return_does_not_move_the_limit_after_it(school: School) -> None:
    case = school.fix(with_extension_asked(school))
    school.at("2020-01-20 09:00")
    case = school.step("officer", case, "return", reason="仍松动", time_limit="days3")
    assert local_day(case.due_at) == "2020-01-23"
    with pytest.raises(GuardRefused) as refused:
        school.step("vice", case, "grant_extension", opinion="同意")
    assert refused.value.guard == "hazard.extension_asked"


def test_whoever_asked_does_not_grant_it(school: School) -> None:
    case = school.assigned(department="DZB", assignee="vice")
    case = school.step("vice", case, "ask_extension", new_date="2020-01-17", reason="等配件", interim="断电")
    with pytest.raises(NotAllowed) as refused:
        school.step("vice", case, "grant_extension", opinion="同意")
    assert refused.value.reason == "separation"


def test_a_granted_deferral_waits_for_the_break_with_its_interim_measure(school: School) -> None:
    case = as_vice("grant_deferral", with_deferral_asked)(school).take(school)
    assert (case.state, case.counts_as) == ("deferred", "assigned")
    assert local_day(case.due_at) == "2020-02-10"
    assert local_day(case.first_due_at) == "2020-01-15"
    assert case.facts["interim"] == "断电"
    assert case.mode == "general_extended"
    assert school.fix(case).state == "fixed"


def test_a_deferral_without_an_interim_measure_is_not_asked(school: School) -> None:
    with pytest.raises(InvalidInput):
        school.step("alice", school.assigned(), "ask_deferral", until="2020-02-10", reason="须停课施工", interim="")


# --- assigned to another, graded anew ------------------------------------------------------------------------------------


def reassign(school: School, case: Case, who: str = "officer", **data: Any) -> Case:
    return school.step(who, case, "reassign", **{"department": "HQC", "assignee": "bob", "reason": "人员调动", **data})


def test_another_assignee_has_the_same_limit_and_acknowledges_in_his_turn(school: School) -> None:
    case = school.step("alice", school.assigned(), "acknowledge")
    school.at("2020-01-08 09:00")
    after = reassign(school, case)
    assert (after.state, after.assignee, after.acknowledged_at) == ("assigned", "bob", None)
    assert after.due_at == after.first_due_at == case.due_at
    assert (after.generation, after.counters) == (case.generation + 1, {})
    assert {rung: at for _, rung, at in school.timers(after)}["receipt"] == local("2020-01-09 09:00")
    assert school.notices(after, "informed")[-1].audience == ("assignee", "dept_head")
    assert school.waiting_for("alice") == [] and school.waiting_for("bob") == [after.number]
    with pytest.raises(NotAllowed):
        school.fix(after, who="alice")
    assert school.step("bob", after, "acknowledge").acknowledged_at == school.clock.now()
    assert school.fix(after, who="bob").state == "fixed"


def test_whoever_it_was_taken_from_never_confirms_it(school: School) -> None:
    case = reassign(school, school.assigned(department="DZB", assignee="officer"), who="head_of_office")
    assert case.who_acted("assignee") == ("officer", "bob")
    case = school.fix(case, who="bob")
    with pytest.raises(NotAllowed) as refused:
        school.verify(case, who="officer")
    assert refused.value.reason == "separation"
    assert school.verify(case, who="safety_of_xb1").state == "verified"


def test_the_receipt_stays_on_record_when_the_work_is_done(school: School) -> None:
    case = school.step("alice", school.assigned(), "acknowledge")
    assert school.fix(case).acknowledged_at == case.acknowledged_at is not None


def test_a_corrected_calendar_moves_the_limit_that_was_handed_over(school: School) -> None:
    school.at("2020-01-22 09:00")
    case = reassign(school, school.assigned(time_limit="days3"))
    assert local_day(case.due_at) == "2020-02-01"
    school.at("2020-01-27 08:00").load_calendar(CALENDAR_V2)
    school.recompute(case)
    moved = school.case(case.number)
    assert local_day(moved.due_at) == local_day(moved.first_due_at) == "2020-02-04"


def test_it_may_go_to_another_department(school: School) -> None:
    case = reassign(school, school.assigned(), department="XB1", assignee="head_of_xb1")
    assert (case.department, case.assignee) == ("XB1", "head_of_xb1")
    assert school.fix(case, who="head_of_xb1").state == "fixed"


def test_a_head_hands_it_on_within_his_department_and_the_safety_office_beyond_it(school: School) -> None:
    """The reference: a head of department may reassign within it."""
    with pytest.raises(NotAllowed):
        reassign(school, school.assigned(), who="head_of_hqc", department="XB1", assignee="head_of_xb1")


@pytest.mark.parametrize(
    "trigger, who, data",
    [
        ("hand_on", "alice", {"assignee": "bob"}),
        ("hand_on", "head_of_hqc", {"assignee": "bob"}),
        ("take_over", "bob", {}),
    ],
)
def test_it_is_handed_on_or_taken_over_with_its_limit_and_its_history(
    trigger: str, who: str, data: dict[str, Any], school: School
) -> None:
    case = school.step("alice", school.assigned(), "acknowledge")
    school.at("2020-01-08 09:00")
    after = school.step(who, case, trigger, reason="本人出差", **data)
    assert (after.state, after.department, after.assignee, after.acknowledged_at) == ("assigned", "HQC", "bob", None)
    assert after.due_at == after.first_due_at == case.due_at
    assert after.generation == case.generation + 1
    assert after.who_acted("assignee") == ("alice", "bob")
    assert {rung: at for _, rung, at in school.timers(after)}["receipt"] == local("2020-01-09 09:00")
    assert school.waiting_for("alice") == [] and school.waiting_for("bob") == [after.number]
    [*_, event] = school.events(after)
    assert (event.trigger, event.actor, event.data["reason"]) == (trigger, f"person:{who}", "本人出差")
    with pytest.raises(NotAllowed):
        school.fix(after, who="alice")
    fixed = school.fix(after, who="bob")
    assert fixed.who_acted("fixer") == ("bob",)


def test_a_deferred_one_is_taken_over_and_stays_deferred(school: School) -> None:
    case = school.step("head_of_hqc", deferred(school), "take_over", reason="责任人调离")
    assert (case.state, case.assignee, local_day(case.due_at)) == ("deferred", "head_of_hqc", "2020-02-10")


def test_what_the_old_assignee_asked_for_goes_with_him(school: School) -> None:
    case = reassign(school, with_extension_asked(school))
    assert school.waiting_for("vice") == []
    with pytest.raises(GuardRefused) as refused:
        school.step("vice", case, "grant_extension", opinion="同意")
    assert refused.value.guard == "hazard.extension_asked"


def test_a_deferred_one_stays_deferred_to_its_day(school: School) -> None:
    case = reassign(school, deferred(school))
    assert (case.state, case.assignee, local_day(case.due_at)) == ("deferred", "bob", "2020-02-10")
    assert local_day(case.first_due_at) == "2020-01-15"
    assert school.fix(case, who="bob").state == "fixed"


def test_an_overdue_one_stays_overdue_and_is_not_silent(school: School) -> None:
    case = school.assigned(time_limit="days3")
    day = date(2020, 3, 2)
    school.at(f"{day} 09:00").tick()
    case = reassign(school, school.case(case.number))
    assert case.overdue(school.clock.now())
    told = len(school.notices(case, "escalation"))
    while day < date(2020, 3, 31):
        day += timedelta(days=1)
        school.at(f"{day} 08:00").tick()
    assert len(school.notices(case, "escalation")) >= told + 3


def retriage(school: School, case: Case) -> Case:
    return school.step("head_of_office", case, "retriage", reason="等级有误")


@pytest.mark.parametrize("prepare", [School.assigned, deferred], ids=["assigned", "deferred"])
def test_graded_anew_a_case_stands_at_the_start_and_keeps_its_first_limit(
    school: School, prepare: Callable[[School], Case]
) -> None:
    before = prepare(school)
    case = retriage(school, before)
    assert (case.state, case.level, case.assignee, case.counters["retriaged"]) == ("reported", "", None, 1)
    assert case.due_at == school.clock.now() + timedelta(hours=24)
    assert local_day(case.first_due_at) == "2020-01-15"
    assert school.waiting_for("officer") == [case.number]
    case = school.assign(case, time_limit="days15", assignee="bob")
    assert (local_day(case.due_at), local_day(case.first_due_at)) == ("2020-01-31", "2020-01-15")
    assert case.who_acted("assignee") == ("alice", "bob")


def test_graded_up_it_goes_by_a_plan_and_the_first_limit_stays_the_first(school: School) -> None:
    case = school.assign(retriage(school, school.assigned()), "general.needs_stop", time_limit="plan")
    assert (case.level, case.mode) == ("major", "major")
    case = school.step("principal", school.file_plan(case), "approve_plan", opinion="同意")
    assert (local_day(case.due_at), local_day(case.first_due_at)) == ("2020-03-20", "2020-01-15")


def test_each_grading_anew_counts(school: School) -> None:
    case = retriage(school, school.assign(retriage(school, school.assigned())))
    assert case.counters["retriaged"] == 2


def test_what_was_asked_before_it_was_graded_anew_is_void(school: School) -> None:
    case = school.assign(retriage(school, with_extension_asked(school)))
    assert school.waiting_for("vice") == []
    with pytest.raises(GuardRefused) as refused:
        school.step("vice", case, "grant_extension", opinion="同意")
    assert refused.value.guard == "hazard.extension_asked"


# --- no case is stuck ------------------------------------------------------------------------------------------------------


def test_a_case_whose_only_closer_fixed_it_is_sent_back_given_to_another_and_closed(school: School) -> None:
    """There is one head of the safety office, and he fixed it: he stays excluded, so an extended one goes to the vice."""
    case = school.verify(school.fix(school.assigned(department="DZB", assignee="head_of_office"), who="head_of_office"))
    with pytest.raises(NotAllowed) as refused:
        school.approve(case, who="head_of_office")
    assert refused.value.reason == "separation"
    with pytest.raises(NotAllowed):
        school.approve(case, who="vice")

    case = school.step("head_of_office", case, "send_back", reason="本人整改，改派后重办", time_limit="days7")
    case = reassign(school, case, assignee="alice")
    case = school.step("alice", case, "ask_extension", new_date="2020-01-17", reason="重新整改", interim="断电")
    case = school.step("vice", case, "grant_extension", opinion="同意")
    case = school.verify(school.fix(case))
    with pytest.raises(NotAllowed):
        school.approve(case, who="head_of_office")
    assert school.approve(case, who="vice").state == "closed"


def test_a_case_whose_only_verifier_fixed_it_is_returned_by_himself(school: School) -> None:
    case = school.fix(school.assigned(department="DZB", assignee="officer"), who="officer")
    with pytest.raises(NotAllowed):
        school.verify(case, who="officer")
    case = school.step("officer", case, "return", reason="本人整改，改派后重办")
    case = school.fix(reassign(school, case, assignee="alice"))
    assert school.verify(case, who="safety_of_xb1").state == "verified"


@pytest.mark.parametrize("who", ["head_of_office", "vice", "principal", "secretary"])
def test_a_closure_is_refused_by_the_table_and_by_everyone_above_it(school: School, who: str) -> None:
    case = school.step(who, school.verify(school.fixed()), "send_back", reason="照片不清")
    assert case.state == "assigned"


# --- returned, rejected, merged -------------------------------------------------------------------------------------------


def test_the_third_return_goes_up_to_the_vice_principal(school: School) -> None:
    case = school.assigned()
    escalated = []
    for _ in range(4):
        case = school.step("officer", school.fix(case), "return", reason="仍松动")
        escalated.append([notice.audience for notice in school.notices(case, "escalation")])
    assert case.counters["returned"] == 4
    assert escalated == [[], [], [("vp_safety",)], [("vp_safety",), ("vp_safety",)]]


def test_a_closure_refused_counts_as_a_return(school: School) -> None:
    case = school.verify(school.fixed())
    case = school.step("head_of_office", case, "send_back", reason="照片不清", time_limit="same_day")
    assert (case.state, case.counters["returned"]) == ("assigned", 1)
    assert local_day(case.due_at) == "2020-01-06"


def test_a_return_is_told_to_the_assignee_at_once(school: School) -> None:
    case = school.step("officer", school.fixed(), "return", reason="仍松动")
    [notice] = school.notices(case, "returned")
    assert (notice.audience, notice.how) == (("assignee",), "direct")


def test_a_rejected_report_is_over_and_its_reporter_hears_of_it(school: School) -> None:
    case = school.step("officer", school.hazard(), "reject", reason="不属实")
    assert (case.final, case.counts_as, case.clock) == (True, "closed", None)
    assert [notice.audience for notice in school.notices(case, "informed")] == [("reporter", "safety_head")]
    assert school.timers(case) == []


def test_only_what_is_merely_reported_can_be_rejected(school: School) -> None:
    with pytest.raises(NotPossibleNow):
        school.step("officer", school.assigned(), "reject", reason="不属实")


def test_merging_is_recorded_at_both_ends(school: School) -> None:
    kept, double = school.assigned(), school.hazard()
    merged = school.step("officer", double, "merge", into=kept.number, reason="同一处")
    assert (merged.state, merged.final) == ("merged", True)
    assert merged.links == (Link("merged_into", kept.number),)
    other = school.case(kept.number)
    assert other.links == (Link("absorbed", double.number),)
    assert (other.state, other.revision, other.due_at) == (kept.state, kept.revision, kept.due_at)
    last = school.events(other)[-1]
    assert (last.type, last.trigger, last.data) == ("linked", "absorbed", {"number": double.number})


@pytest.mark.parametrize("prepare", [School.assigned, deferred], ids=["assigned", "deferred"])
def test_what_was_assigned_is_merged_by_the_head_of_the_office_and_its_assignee_hears_of_it(
    school: School, prepare: Callable[[School], Case]
) -> None:
    kept, double = school.assigned(), prepare(school)
    with pytest.raises(NotAllowed) as refused:
        school.step("officer", double, "merge", into=kept.number, reason="同一处")
    assert refused.value.reason == "role"
    merged = school.step("head_of_office", double, "merge", into=kept.number, reason="同一处")
    assert (merged.state, merged.clock) == ("merged", None)
    assert school.notices(merged, "informed")[-1].audience == ("reporter", "assignee")


def test_nobody_merges_away_what_he_has_to_fix_or_fixed(school: School) -> None:
    kept, his = school.assigned(), school.assigned(department="DZB", assignee="head_of_office")
    for case in (his, school.step("officer", school.fix(his, who="head_of_office"), "return", reason="仍松动")):
        with pytest.raises(NotAllowed) as refused:
            school.step("head_of_office", case, "merge", into=kept.number, reason="同一处")
        assert refused.value.reason == "separation"
    case = reassign(school, school.case(his.number), assignee="alice")
    with pytest.raises(NotAllowed):
        school.step("head_of_office", case, "merge", into=kept.number, reason="同一处")
    assert school.step("vice", case, "merge", into=kept.number, reason="同一处").final


def test_whoever_may_record_a_correction_on_the_spot_holds_a_post_that_there_is() -> None:
    assert set(INSPECTING) <= set(HAZARD.roles)


def test_a_case_one_may_not_see_cannot_be_merged_into(school: School) -> None:
    with pytest.raises(InvalidInput):
        school.step("officer", school.hazard(), "merge", into="YH-2020-0999", reason="同一处")


# --- rebound ---------------------------------------------------------------------------------------------------------------

REBOUNDS: dict[str, tuple[timedelta, dict[str, Any], bool]] = {
    "at once": (timedelta(0), {}, True),
    "30 days later": (timedelta(days=30), {}, True),
    "30 days and a second later": (timedelta(days=30, seconds=1), {}, False),
    "31 days later": (timedelta(days=31), {}, False),
    "another place": (timedelta(days=3), {"place": "车间"}, False),
    "another item": (timedelta(days=3), {"category": "ELEC.light"}, False),
    "another department, the same place and item": (timedelta(days=3), {"department": "XB1"}, True),
}


@pytest.mark.parametrize("later, changed, bound", REBOUNDS.values(), ids=REBOUNDS.keys())
def test_the_same_place_and_item_within_30_days_is_a_rebound(
    school: School, later: timedelta, changed: dict[str, Any], bound: bool
) -> None:
    old = school.closed(category="ELEC.wire")
    school.clock.advance(later)
    new = school.hazard(**{"category": "ELEC.wire", **changed})
    assert new.links == ((Link("rebound_of", old.number),) if bound else ())
    other = school.case(old.number)
    assert other.links == ((Link("rebounded_as", new.number),) if bound else ())
    assert other.counters.get("rebounds", 0) == int(bound)
    assert other.state == "closed"


def test_a_rebound_is_found_at_triage_when_the_reporter_did_not_know_the_item(school: School) -> None:
    old = school.closed()
    new = school.hazard()
    assert new.links == ()
    new = school.assign(new)
    assert new.links == (Link("rebound_of", old.number),)
    assert school.events(school.case(old.number))[-1].type == "linked"


def test_a_rebound_is_bound_once(school: School) -> None:
    old = school.closed(category="ELEC.wire")
    new = school.assign(school.hazard(category="ELEC.wire"), category="ELEC.light")
    assert new.links == (Link("rebound_of", old.number),)
    assert school.case(old.number).counters["rebounds"] == 1


def test_an_open_or_rejected_one_is_no_rebound(school: School) -> None:
    school.hazard(category="ELEC.wire")
    school.step("officer", school.hazard(category="ELEC.wire"), "reject", reason="不属实")
    assert school.hazard(category="ELEC.wire").links == ()


# --- on the spot ------------------------------------------------------------------------------------------------------------


def test_on_the_spot_is_recorded_verified_and_closed_by_its_inspector(school: School) -> None:
    case = school.corrected_on_spot()
    assert (case.state, case.mode, case.assignee) == ("fixed", "on_spot", "alice")
    assert case.who_acted("fixer") == ("alice",)
    assert school.notices(case, "informed")[0].audience == ("assignee", "dept_head", "safety_head")
    case = school.approve(school.verify(case, who="head_of_xb1"), who="head_of_xb1")
    assert (case.state, case.final) == ("closed", True)
    assert [event.trigger for event in school.events(case)] == ["open", "correct_on_spot", "verify", "approve"]


def test_only_the_inspector_himself_records_a_correction_on_the_spot(school: School) -> None:
    attempt = on_spot()(school)
    with pytest.raises(NotAllowed):
        school.step("bob", attempt.case, "correct_on_spot", **attempt.data)


def test_what_did_not_hold_on_the_spot_goes_the_ordinary_way(school: School) -> None:
    case = school.step("head_of_xb1", school.corrected_on_spot(), "return", reason="又堵上了", interim="专人看守")
    assert (case.state, case.mode, case.assignee) == ("assigned", "general", "alice")
    assert case.facts["notice_number"] == "TZ-2020-0001"  # there was none: nobody had been sent a notice
    case = school.fix(case)
    with pytest.raises(NotAllowed):
        school.verify(case, who="head_of_xb1")
    assert school.verify(case, who="officer").state == "verified"


# --- the whole way ----------------------------------------------------------------------------------------------------------


def test_a_hazard_goes_from_reported_to_closed(school: School) -> None:
    case = school.closed()
    assert [(event.type, event.from_state, event.to_state) for event in school.events(case)] == [
        ("opened", None, "reported"),
        ("stepped", "reported", "assigned"),
        ("stepped", "assigned", "fixed"),
        ("stepped", "fixed", "verified"),
        ("stepped", "verified", "closed"),
    ]
    assert (case.number, case.revision, case.final, case.clock) == ("YH-2020-0001", 5, True, None)
    assert case.closed_at == local("2020-01-06 09:00")
    assert school.timers(case) == []


def test_an_open_overdue_hazard_is_never_silent(school: School) -> None:
    case = school.assigned(time_limit="days3")
    school.step("alice", case, "acknowledge")
    day = date(2020, 1, 6)
    while day < date(2020, 5, 1):
        day += timedelta(days=1)
        school.at(f"{day} 08:00").tick()
    told = [event.trigger for event in school.events(case) if event.type == "reminded"]
    assert told[:6] == ["before-1", "due", "after-1", "after-3", "after-7", "after-15"]
    assert told[-1].startswith("repeat-") and int(told[-1].removeprefix("repeat-")) >= 8
    assert len(told) == len(set(told))
    late = school.case(case.number)
    assert (late.supervised, late.facts["meeting_list"]) == (True, True)


# --- the calendar ------------------------------------------------------------------------------------------------------------


def workday_limits_under_version_1(school: School) -> dict[str, str]:
    """The day each three-day limit falls on, by the day it was set, every day of January."""
    falls: dict[str, str] = {}
    for number in range(6, 32):
        day = f"2020-01-{number:02}"
        school.at(f"{day} 09:00")
        falls[day] = local_day(school.assigned(time_limit="days3").due_at)
    return falls


def test_under_version_1_a_deadline_falls_on_the_make_up_days_and_never_on_new_years_eve(school: School) -> None:
    falls = workday_limits_under_version_1(school)
    assert falls["2020-01-15"] == "2020-01-19"
    assert falls["2020-01-22"] == "2020-02-01"
    assert set(falls.values()).isdisjoint(
        {"2020-01-18", *(f"2020-01-{day}" for day in range(24, 31)), "2020-02-02", "2020-01-25"}
    )


def test_no_deadline_moves_by_itself_and_a_recompute_moves_it_with_an_event(school: School) -> None:
    school.at("2020-01-22 09:00")
    case = school.assigned(time_limit="days3")
    assert local_day(case.due_at) == "2020-02-01"
    school.at("2020-01-27 08:00").load_calendar(CALENDAR_V2)
    school.tick()
    assert local_day(school.case(case.number).due_at) == "2020-02-01"
    before = school.case(case.number)
    planned = school.timers(before)

    school.recompute(case)

    moved = school.case(case.number)
    assert local_day(moved.due_at) == local_day(moved.first_due_at) == "2020-02-04"
    assert (moved.generation, moved.revision) == (before.generation + 1, before.revision + 1)
    assert moved.clock is not None and moved.clock.calendar_version == 2
    event = school.events(moved)[-1]
    assert (event.type, event.trigger, event.from_state, event.to_state) == (
        "recomputed", "recompute", "assigned", "assigned",
    )  # fmt: skip
    assert event.data["due_at_before"] == "2020-02-01T15:59:59.000000Z"
    assert event.data["due_at_after"] == "2020-02-04T15:59:59.000000Z"
    assert (event.data["calendar_before"], event.data["calendar_after"]) == (1, 2)
    replanned = school.timers(moved)
    assert {generation for generation, _, _ in planned} == {before.generation}
    assert {generation for generation, _, _ in replanned} == {moved.generation}
    assert {rung: at for _, rung, at in replanned}["due"] == local("2020-02-04 07:40")
    assert [notice.reason for notice in school.notices(moved)][-1] == "recomputed"


def test_a_receipt_that_climbed_before_a_recompute_does_not_climb_again(school: School) -> None:
    school.at("2020-01-22 09:00")
    case = school.assigned(time_limit="days3")
    school.at("2020-01-27 08:00").tick()
    told = len(school.notices(case, "receipt"))
    assert told == 1
    school.load_calendar(CALENDAR_V2)
    school.recompute(case)
    school.tick()
    assert len(school.notices(case, "receipt")) == told


def test_a_recompute_that_moves_nothing_leaves_no_trace(school: School) -> None:
    case = school.assigned(time_limit="days3")
    planned = school.timers(case)
    school.load_calendar(CALENDAR_V1.revised(add_days_off=[date(2020, 10, 1)]))
    school.recompute(case)
    assert (school.case(case.number), school.timers(case)) == (case, planned)


def test_the_preview_names_each_case_with_both_dates_and_writes_nothing(school: School) -> None:
    school.at("2020-01-22 09:00")
    moving, staying = school.assigned(time_limit="days3"), school.assigned(time_limit="days30")
    assert recompute_preview(school.engine, ORGANISATION) == []
    school.load_calendar(CALENDAR_V2)
    preview = recompute_preview(school.engine, ORGANISATION)
    assert [(now.number, local_day(now.due_at), local_day(then.due_at)) for now, then in preview] == [
        (moving.number, "2020-02-01", "2020-02-04"),
        (staying.number, "2020-02-21", "2020-02-21"),  # its receipt climbs on the first working day, which is another
    ]
    assert [school.case(case.number) for case in (moving, staying)] == [moving, staying]
    for case in (moving, staying):
        school.recompute(case)
    assert recompute_preview(school.engine, ORGANISATION) == []


def test_beyond_the_last_known_year_a_deadline_is_provisional_until_the_calendar_grows(school: School) -> None:
    school.load_calendar(official([2026], version=2))
    school.at("2026-12-28 09:00")
    known, provisional = school.assigned(time_limit="days3"), school.assigned(time_limit="days7")
    by_day, far = school.assigned(time_limit="days30"), school.assigned(time_limit="days15")
    assert [case.clock and case.clock.provisional for case in (known, provisional, by_day, far)] == [
        False, True, True, True,
    ]  # fmt: skip
    notice = school.notices(provisional)[-1]
    assert notice.about["provisional"] is True

    school.load_calendar(
        official([2026], version=2).revised(known_until=date(2027, 12, 31), add_days_off=[date(2027, 1, 1)])
    )
    assert {now.number for now, _ in recompute_preview(school.engine, ORGANISATION)} == {
        provisional.number, by_day.number, far.number,
    }  # fmt: skip
    assert [now.number for now, _ in recompute_preview(school.engine, ORGANISATION, last=1)] == [by_day.number]
    school.recompute(provisional)
    settled = school.case(provisional.number)
    assert settled.clock is not None and settled.clock.provisional is False
    assert school.events(settled)[-1].type == "recomputed"
