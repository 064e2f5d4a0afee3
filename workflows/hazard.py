"""Hazard rectification 隐患整改: reported, assigned with a limit, fixed with evidence, verified by another, closed.

Source: rules.md §1.2 a-n in the project's reference (order 16, order 61, Safety Production Law); the sign-off table,
the limits and the ladder are those of `reference/scheme.yaml`.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StrictBool, model_validator

from engine.case import Case, Link
from engine.deadlines import Budget, due_at
from engine.definition import (
    Acknowledge,
    CaseRef,
    Day,
    DepartmentRef,
    DocumentRef,
    Effect,
    Escalation,
    FileRef,
    Form,
    FromFact,
    Line,
    PersonRef,
    Policy,
    Rebound,
    Series,
    SignOff,
    State,
    Transition,
    Within,
    Words,
    Workflow,
    asks,
    said,
)
from engine.errors import Text
from engine.guards import Situation, guard
from workflows.imported import Imported, by_the_safety_office
from workflows.imported import source_is_so as from_older_ledger
from workflows.ladders import OFFICE_LADDER, OVERDUE_LADDER, is_major, signing_rows
from workflows.reference import Level, LevelUndecided, decide_level, limits, taxonomy
from workflows.reference.reading import NotInReference
from workflows.roles import LEADERS, LOOP_ROLES, SAFETY_OFFICE

LONGEST_LIMIT_DAYS = 365  # of an extension, counted from the opening: published supervision rules allow at most a year

#: posts that inspect, and so may record what was corrected in front of them (rules.md 1.2 f, order 61 ch. 5)
INSPECTING = (
    "dept_safety", "safety_staff", "safety_head", "dept_head", "guard_captain", "duty_leader", "duty_staff", "infosec",
    "doctor", "food_officer", "food_director", "vp_safety", "vp_other", "principal", "secretary",
)  # fmt: skip

#: kinds of hazard whose evidence may be words: there is nothing to photograph in a missing signature (rules.md 3.2, 31)
WRITTEN_EVIDENCE = ("INFO", "MGMT", "STUD", "HLTH", "ACTV")


def _known_category(code: str) -> str:
    try:
        taxonomy().category(code)
    except NotInReference as error:
        raise said(error.text) from error
    return code


Category = Annotated[str, AfterValidator(_known_category)]
Photos = Annotated[list[FileRef], Field(max_length=9)]
Attachments = Annotated[list[DocumentRef], Field(max_length=5)]


# --- forms -----------------------------------------------------------------------------------------------------------


class ReportHazardFromAList(Form):
    """What opened it may say from which day its limit counts, and by which day a superior wants it done, by which paper."""

    title: Line = asks("隐患描述", "What is wrong")
    place: Line = asks("部位", "Where")
    category: Category | None = asks("类别", "Category", default=None)
    department: DepartmentRef | None = asks(
        "责任部门（如知道）", "Department that answers for it, if known", default=None
    )
    details: Words | None = asks("补充说明", "More about it", default=None)
    photos: Photos = asks("整改前照片", "Photos", default_factory=list)
    source: Literal["self_check", "group", "cross", "spot_check", "superior", "staff", "anonymous", "older_ledger"] = (
        asks("来源", "Where it comes from", default="staff")
    )
    checklist_item: Annotated[str, Field(max_length=32)] | None = asks("检查项目", "Checklist item", default=None)
    imported: Imported | None = asks("原有台账", "Older ledger", default=None, typed=False)
    limit_from: Day | None = asks("限期起算日", "Day its limit counts from", default=None, typed=False)
    due_by: Day | None = asks("上级要求的完成日期", "Day a superior asked for", default=None, typed=False)
    due_paper: Line | None = asks("上级要求的依据", "By which paper", default=None, typed=False)


class Graded(Form):
    """A form that decides the level: by answering every criterion that applies, never by free choice."""

    category: Category = asks("类别", "Category")
    criteria: dict[str, StrictBool] = asks("判定标准（逐项回答）", "Criteria, each answered yes or no")

    @model_validator(mode="after")
    def criteria_decide_the_level(self) -> Self:
        try:
            decide_level(self.category, self.criteria)
        except LevelUndecided as error:
            raise said(error.text) from error
        return self

    @property
    def level(self) -> Level:
        return decide_level(self.category, self.criteria)


class Assign(Graded):
    department: DepartmentRef = asks("责任部门", "Department that answers for it")
    assignee: PersonRef = asks("整改责任人", "Person to fix it")
    time_limit: Literal["same_day", "days3", "days7", "days15", "days30", "plan"] = asks("整改时限", "Limit")
    requirement: Words = asks("整改要求", "What has to be done")
    interim: Words | None = asks("防范措施（不需要的写明理由）", "Interim measure, or why none is needed", default=None)


class CorrectOnSpot(Graded):
    department: DepartmentRef = asks("责任部门", "Department that answers for it")
    corrected_by: PersonRef = asks("当场整改人", "Who corrected it in front of you")
    measure: Words = asks("整改情况", "What was done")
    photos_after: Photos = asks("整改后照片", "Photos after", default_factory=list)


class Reject(Form):
    reason: Words = asks("不予受理的理由", "Why it is not taken up")


class Merge(Form):
    into: CaseRef = asks("并入", "Merged into")
    reason: Words = asks("合并理由", "Why")


#: where a superior wants it done by a day, and a later one is asked for
_CONSENT = ("上级同意的依据（晚于上级要求日期的必填）", "By what the superior agrees, if it is later than he asked")


class FilePlanWithConsent(Form):
    # 五落实 of a major hazard
    responsible_person: PersonRef = asks("责任：责任人", "Responsible person")
    measures: Words = asks("措施：治理方法和措施", "Measures")
    fund: Words = asks("资金：数额和来源", "Money: how much, from where")
    due_date: Day = asks("时限：完成日期", "To be done by")
    emergency_plan: Words = asks("预案：安全措施和应急预案", "Safety measures and emergency plan")
    attachments: Attachments = asks(
        "附件（治理方案原件等）", "Papers (the plan itself and the like)", default_factory=list
    )
    consent: Line | None = asks(*_CONSENT, default=None)


class PlanDecision(Form):
    opinion: Words = asks("审批意见", "Decision")


class ReportFixWithPapers(Form):
    measure: Words = asks("整改情况", "What was done")
    photos_after: Photos = asks("整改后照片", "Photos after", default_factory=list)
    spent: Annotated[str, Field(max_length=100)] | None = asks("整改资金", "Money spent", default=None)
    attachments: Attachments = asks(
        "附件（检测报告、验收单等）", "Papers (test reports and the like)", default_factory=list
    )


class AskExtensionWithConsent(Form):
    new_date: Day = asks("申请延至", "Asked until")
    reason: Words = asks("延期原因", "Why")
    interim: Words = asks("期间防范措施", "Interim measure meanwhile")
    consent: Line | None = asks(*_CONSENT, default=None)


class AskDeferralWithConsent(Form):
    until: Day = asks("暂缓至（假期内）", "Deferred until, within a school break")
    reason: Words = asks("暂缓原因", "Why")
    interim: Words = asks("期间防范措施", "Interim measure meanwhile")
    consent: Line | None = asks(*_CONSENT, default=None)


class Decision(Form):
    opinion: Words = asks("意见", "Decision")


class Verify(Form):
    finding: Words = asks("现场情况", "What was found on site")
    photos_check: Photos = asks("复查照片", "Photos of the check", default_factory=list)


class Return(Form):
    reason: Words = asks("退回要求", "What is still wrong")
    time_limit: Literal["same_day", "days3", "days7", "days15"] = asks("再整改时限", "New limit", default="days3")
    interim: Words | None = asks("防范措施（不需要的写明理由）", "Interim measure, or why none is needed", default=None)


class Reassign(Form):
    department: DepartmentRef = asks("责任部门", "Department that answers for it")
    assignee: PersonRef = asks("整改责任人", "Person to fix it")
    reason: Words = asks("改派理由", "Why")


class HandOn(Form):
    assignee: PersonRef = asks("接手的同事", "Colleague who goes on with it")
    reason: Words = asks("转交理由", "Why")


class TakeOver(Form):
    reason: Words = asks("接手理由", "Why")


class Retriage(Form):
    reason: Words = asks("重新分级交办的理由", "Why it is graded and assigned anew")


class Supervise(Form):
    reason: Words = asks("挂牌督办的理由", "Why it is supervised by name")


# --- policy ----------------------------------------------------------------------------------------------------------

Few = Annotated[int, Field(ge=1, le=365)]
ADay = Annotated[int, Field(ge=1, le=1000)]


class HazardPolicyWithStrangers(Policy):
    """Whether somebody who is not signed in may report by a place's label, and how much of it is taken in a day: at one
    place, from one address, in the whole school.
    """

    # no national rule fixes days for a general hazard: the law says *at once*. All of these a school may change
    triage_hours: Few = 24
    receipt_hours: Few = 24
    days3: Few = 3
    days7: Few = 7
    days15: Few = 15
    days30: Few = 30
    plan_workdays: Few = 5
    verify_workdays: Few = 3
    approve_workdays: Few = 2
    returns_before_escalation: Annotated[int, Field(ge=1, le=20)] = 3
    rebound_days: Few = 30
    verifier_may_approve: bool = False

    anonymous_reports: StrictBool = False
    anonymous_per_place: ADay = 10
    anonymous_per_address: ADay = 20  # all pupils of a school may come from one
    anonymous_per_day: ADay = 50


def allowance_of(code: str, policy: Any) -> dict[str, int]:
    """A limit of the scheme as a budget; the numbers marked *policy* are the school's own."""
    if code == "plan":
        return {"workdays": policy["plan_workdays"]}
    limit = limits()[code]
    unit = "workdays" if limit.workdays is not None else "days"
    return {unit: policy[code] if limit.policy else int(limit.days or 0)}


# --- guards ----------------------------------------------------------------------------------------------------------


@guard(
    "hazard.limit_fits_level",
    obstacle=Text(
        "重大隐患必须按治理方案整改，一般隐患不用治理方案", "a major hazard goes by a plan, a general one does not"
    ),
    remedy=Text("请按判定结果选择整改时限", "Choose the limit that fits the level the criteria gave"),
    reads_form=True,
)
def limit_fits_level(s: Situation) -> bool:
    by_plan: bool = s.data["time_limit"] == "plan"
    return by_plan == (decide_level(s.data["category"], s.data["criteria"]) is Level.MAJOR)


@guard(
    "hazard.interim_given",
    obstacle=Text(
        "整改时限超过当日，须填写防范措施", "the limit is longer than the same day, so a protective measure is needed"
    ),
    remedy=Text("请填写防范措施；确不需要的，写明“不需要，因为……”", "Name one, or write: none needed, because …"),
    reads_form=True,
)
def interim_given(s: Situation) -> bool:
    return bool(s.data["interim"]) or not limits()[s.data["time_limit"]].needs_interim


@guard(
    "hazard.interim_kept",
    obstacle=Text(
        "再整改时限超过当日，而本项还没有防范措施",
        "the new limit is longer than the same day, and no protective measure stands",
    ),
    remedy=Text("请填写防范措施；确不需要的，写明“不需要，因为……”", "Name one, or write: none needed, because …"),
    reads_form=True,
)
def interim_kept(s: Situation) -> bool:
    return interim_given.holds(s) or bool(s.case.facts.get("interim"))


@guard(
    "hazard.inspects",
    obstacle=Text(
        "当场改正只能由有检查职责的人员登记", "only somebody whose post inspects may record a correction on the spot"
    ),
    remedy=Text("请保留上报，由安稳办受理", "Leave it reported; the safety office takes it up"),
    of_people=True,
    roles=INSPECTING,
)
def inspects(s: Situation) -> bool:
    return s.actor.holds_any(INSPECTING)


@guard(
    "hazard.nothing_absorbed",
    obstacle=Text("已有其他隐患并入本项", "other hazards were merged into this one"),
    remedy=Text("请按整改流程办理", "Take it the ordinary way"),
)
def nothing_absorbed(s: Situation) -> bool:
    return not any(link.kind == "absorbed" for link in s.case.links)


@guard(
    "hazard.never_assigned",
    obstacle=Text("本项已交办过，正在重新分级", "it was assigned before and is being graded anew"),
    remedy=Text("请重新分级交办", "Grade and assign it again"),
)
def never_assigned(s: Situation) -> bool:
    return not s.case.counters.get("retriaged")


@guard(
    "hazard.into_no_lesser_one",
    obstacle=Text(
        "不能并入等级更低或尚未交办的隐患",
        "it cannot be merged into one of a lower level, or one that nobody was assigned to yet",
    ),
    remedy=Text("请先交办对方，或并入同级隐患", "Assign the other one first, or merge into one of the same level"),
    reads_form=True,
)
def into_no_lesser_one(s: Situation) -> bool:
    target = s.related[s.data["into"]]
    return target.state != "reported" and (is_major(target) or not is_major(s.case))


@guard(
    "hazard.asked_date_ahead",
    obstacle=Text("申请的日期已过", "the date that was asked for has passed"),
    remedy=Text("请不予同意，由责任人重新申请", "Refuse it, and let the assignee ask again"),
)
def asked_date_ahead(s: Situation) -> bool:
    return date.fromisoformat(s.case.facts["asked"]["until"]) > s.today


@guard(
    "hazard.plan_in_time",
    obstacle=Text(
        "已批准方案的时限已过，不能用新方案改期", "the approved plan's date is over, so a new plan cannot move it"
    ),
    remedy=Text("请尽快整改；逾期情况将如实记录", "Fix it as soon as you can; late stays late"),
)
def plan_in_time(s: Situation) -> bool:
    return not s.case.facts.get("limit_by_plan") or (s.case.clock is not None and s.now <= s.case.clock.due_at)


@guard(
    "hazard.plan_still_ahead",
    obstacle=Text("方案的完成日期已过", "the plan's date has passed"),
    remedy=Text("请不予批准，由责任人重新提交方案", "Refuse it, and let the assignee file it anew"),
)
def plan_still_ahead(s: Situation) -> bool:
    return date.fromisoformat(s.case.facts["due_date"]) >= s.today


@guard(
    "hazard.general_on_spot",
    obstacle=Text(
        "判定为重大隐患，不能当场改正了结", "the criteria make it a major hazard, which is not settled on the spot"
    ),
    remedy=Text("请登记后由安稳办下达整改通知", "Leave it reported; the safety office issues a notice"),
    reads_form=True,
)
def general_on_spot(s: Situation) -> bool:
    return decide_level(s.data["category"], s.data["criteria"]) is Level.GENERAL


@guard(
    "hazard.assignee_of_department",
    obstacle=Text(
        "整改责任人不是责任部门的人员", "whoever is to fix it does not belong to the department that answers"
    ),
    remedy=Text(
        "请从责任部门中指定，或将责任部门改为其所在部门",
        "Name somebody of that department, or let his own department answer for it",
    ),
    of_people=True,
    reads_form=True,
)
def assignee_of_department(s: Situation) -> bool:
    """Who fixes is a person in a department that answers for the hazard (the reference's relations)."""
    named = str(s.data.get("assignee") or s.data.get("corrected_by"))
    return s.people.get(named) == str(s.data["department"])


@guard(
    "hazard.corrected_by_somebody_else",
    obstacle=Text("当场整改人不能是检查人本人", "whoever corrected it cannot be the inspector himself"),
    remedy=Text(
        "如系本人整改，请由安稳办按一般流程受理",
        "If you fixed it yourself, let the safety office take it the ordinary way",
    ),
    of_people=True,
    reads_form=True,
)
def corrected_by_somebody_else(s: Situation) -> bool:
    """Under whichever of his accounts the inspector names himself."""
    return s.data["corrected_by"] not in s.actor.selves


@guard(
    "hazard.to_a_colleague",
    obstacle=Text(
        "接手的不是责任部门的人员", "whoever is to go on with it does not belong to the department that answers"
    ),
    remedy=Text(
        "请转交本部门的同事；应由其他部门整改的，请安稳办改派",
        "Hand it on within the department, or ask the safety office to assign it to another one",
    ),
    of_people=True,
    reads_form=True,
)
def to_a_colleague(s: Situation) -> bool:
    return s.people.get(s.data["assignee"]) == s.case.department


@guard(
    "hazard.to_another",
    obstacle=Text("本项已由此人负责整改", "it is in this person's hands already"),
    remedy=Text("请另选一位同事，或无需转交", "Name somebody else, or leave it as it is"),
    reads_form=True,
)
def to_another(s: Situation) -> bool:
    return bool(s.data["assignee"] != s.case.assignee)


@guard(
    "hazard.in_his_own_name",
    obstacle=Text("接手整改须以本人名义", "whoever takes it over does so in his own name"),
    remedy=Text("请以本人名义办理，或将其转交给同事", "Act as yourself, or hand it on to a colleague"),
    of_people=True,
)
def in_his_own_name(s: Situation) -> bool:
    return s.actor.on_behalf_of is None


@guard(
    "hazard.of_the_department",
    obstacle=Text("您不是责任部门的人员", "you do not belong to the department that answers"),
    remedy=Text(
        "请由责任部门的人员接手；应由其他部门整改的，请安稳办改派",
        "Leave it to that department, or ask the safety office to assign it to another one",
    ),
    of_people=True,
)
def of_the_department(s: Situation) -> bool:
    return s.actor.department is not None and s.actor.department == s.case.department


@guard(
    "hazard.not_his_already",
    obstacle=Text("本项已由您负责整改", "it is in your hands already"),
    remedy=Text("请直接整改并上报", "Fix it and report"),
)
def not_his_already(s: Situation) -> bool:
    return s.case.assignee not in s.actor.selves


@guard(
    "hazard.receipt_open",
    obstacle=Text("该通知书已签收", "the notice was acknowledged already"),
    remedy=Text("无需再次签收", "Nothing more to do"),
)
def receipt_open(s: Situation) -> bool:
    return s.case.acknowledged_at is None


@guard(
    "hazard.is_major",
    obstacle=Text("一般隐患不需要治理方案", "a general hazard needs no plan"),
    remedy=Text("请直接整改并上报", "Fix it and report"),
)
def major_only(s: Situation) -> bool:
    return is_major(s.case)


@guard(
    "hazard.plan_date_ahead",
    obstacle=Text(
        "方案的完成日期须是今后的工作日，且自登记起不超过一年",
        "the plan's date has to be a working day ahead, within a year of the opening",
    ),
    remedy=Text("请改填完成日期", "Choose another date"),
    reads_form=True,
)
def plan_date_ahead(s: Situation) -> bool:
    by = date.fromisoformat(s.data["due_date"])
    latest = s.calendar.local_date(s.case.opened_at) + timedelta(days=LONGEST_LIMIT_DAYS)
    return s.today <= by <= latest and s.calendar.is_workday(by)


@guard(
    "hazard.plan_filed",
    obstacle=Text("尚未提交治理方案", "no plan has been filed"),
    remedy=Text("请责任人先提交五落实治理方案", "Let the assignee file the plan with its five items first"),
)
def plan_filed(s: Situation) -> bool:
    return _five_items(s.case)


@guard(
    "hazard.plan_awaits_decision",
    obstacle=Text("没有待审批的治理方案", "no plan is waiting for a decision"),
    remedy=Text("如需修改请重新提交方案", "File it anew to change it"),
)
def plan_awaits_decision(s: Situation) -> bool:
    return bool(s.case.facts.get("plan_waits"))


@guard(
    "hazard.five_items_filled",
    obstacle=Text(
        "重大隐患的责任、措施、资金、时限、预案尚未全部落实",
        "of a major hazard, person, measures, money, date and plan are not all filled",
    ),
    remedy=Text("请先提交治理方案（五落实）", "File the plan with its five items first"),
)
def five_items_filled(s: Situation) -> bool:
    return not is_major(s.case) or _five_items(s.case)


@guard(
    "hazard.plan_approved",
    obstacle=Text("治理方案尚未经校长（书记）批准", "the plan has not been approved by the principal or the secretary"),
    remedy=Text("请等待批准", "Wait for the approval"),
)
def plan_approved(s: Situation) -> bool:
    return not is_major(s.case) or bool(s.case.facts.get("plan_approved"))


@guard(
    "hazard.evidence_given",
    obstacle=Text("缺少整改后照片", "the photo after is missing"),
    remedy=Text("请上传至少一张整改后照片", "Upload at least one photo of the result"),
    reads_form=True,
)
def evidence_given(s: Situation) -> bool:
    return bool(s.data["photos_after"]) or s.case.category.startswith(WRITTEN_EVIDENCE)


@guard(
    "hazard.on_spot_evidence_given",
    obstacle=Text("缺少整改后照片", "the photo after is missing"),
    remedy=Text("请当场拍一张整改后照片", "Take one of the result on the spot"),
    reads_form=True,
)
def on_spot_evidence_given(s: Situation) -> bool:
    return bool(s.data["photos_after"]) or s.data["category"].startswith(WRITTEN_EVIDENCE)


@guard(
    "hazard.before_limit",
    obstacle=Text("整改时限已过，不能再申请", "the limit is over, so it is too late to ask"),
    remedy=Text("请尽快整改；逾期情况将如实记录", "Fix it as soon as you can; late stays late"),
)
def before_limit(s: Situation) -> bool:
    return s.case.clock is not None and s.now <= s.case.clock.due_at


@guard(
    "hazard.nothing_asked",
    obstacle=Text("已有一项申请待审批", "a request is waiting for a decision already"),
    remedy=Text("请等待分管校领导审批", "Wait for the vice-principal's decision"),
)
def nothing_asked(s: Situation) -> bool:
    return not s.case.facts.get("asked")


@guard(
    "hazard.new_date_later",
    obstacle=Text(
        "新时限须是晚于现时限的工作日，且自登记起不超过一年",
        "the new date has to be a working day later than the limit, within a year of the opening",
    ),
    remedy=Text("请改填日期", "Choose another date"),
    reads_form=True,
)
def new_date_later(s: Situation) -> bool:
    if s.case.clock is None:
        return False
    asked = date.fromisoformat(s.data["new_date"])
    latest = s.calendar.local_date(s.case.opened_at) + timedelta(days=LONGEST_LIMIT_DAYS)
    return s.calendar.local_date(s.case.clock.due_at) < asked <= latest and s.calendar.is_workday(asked)


@guard(
    "hazard.within_a_break",
    obstacle=Text(
        "暂缓日期须是学校假期内、晚于现时限的工作日",
        "the date has to be a working day of a school break, later than the limit",
    ),
    remedy=Text("请填写寒暑假内的工作日", "Choose a working day of the coming break"),
    reads_form=True,
)
def within_a_break(s: Situation) -> bool:
    asked = date.fromisoformat(s.data["until"])
    limit = s.calendar.local_date(s.case.clock.due_at) if s.case.clock else s.today
    return asked > max(s.today, limit) and s.calendar.break_at(asked) is not None and s.calendar.is_workday(asked)


@guard(
    "hazard.extension_asked",
    obstacle=Text("没有待审批的延期申请", "no extension has been asked for"),
    remedy=Text("无需审批", "There is nothing to decide"),
)
def extension_asked(s: Situation) -> bool:
    return (s.case.facts.get("asked") or {}).get("what") == "extension"


@guard(
    "hazard.deferral_asked",
    obstacle=Text("没有待审批的暂缓申请", "no deferral has been asked for"),
    remedy=Text("无需审批", "There is nothing to decide"),
)
def deferral_asked(s: Situation) -> bool:
    return (s.case.facts.get("asked") or {}).get("what") == "deferral"


@guard(
    "hazard.into_another_open_one",
    obstacle=Text("只能并入另一项尚未销号的隐患", "it can only be merged into another hazard that is still open"),
    remedy=Text("请核对编号", "Check the number"),
    reads_form=True,
)
def into_another_open_one(s: Situation) -> bool:
    target = s.related[s.data["into"]]
    return target.workflow == s.case.workflow and target.number != s.case.number and not target.final


@guard(
    "hazard.strangers_may_report",
    obstacle=Text("本单位没有开放匿名上报", "this organisation takes no anonymous reports"),
    remedy=Text("请登录后上报，或直接告诉老师", "Sign in to report, or tell a teacher"),
)
def strangers_may_report(s: Situation) -> bool:
    return s.actor.kind != "anonymous" or bool(s.policy["anonymous_reports"])


@guard(
    "hazard.source_is_so",
    obstacle=Text(
        "来源“匿名上报”只用于访客扫码上报", "*anonymous* as the source belongs to what a stranger reports by a label"
    ),
    remedy=Text("请改选来源", "Choose another source"),
    reads_form=True,
)
def source_is_so(s: Situation) -> bool:
    return bool(s.data["source"] == "anonymous") == (s.actor.kind == "anonymous")


@guard(
    "hazard.days_come_from_what_opened_it",
    obstacle=Text(
        "限期起算日和上级要求的日期由联合检查清单或上级文件带来，不能自行填写",
        "from when a limit counts, and a superior's day, come with a joint list or a superior's paper; nobody writes them",
    ),
    remedy=Text("请去掉这些日期", "Leave these days out"),
    reads_form=True,
)
def days_come_from_what_opened_it(s: Situation) -> bool:
    said = any(s.data[name] is not None for name in ("limit_from", "due_by", "due_paper"))
    return not said or any(link.kind == "parent" for link in s.case.links)


@guard(
    "hazard.superior_agrees_to_a_later_day",
    obstacle=Text(
        "申请的日期晚于上级要求的完成日期，没有写明上级同意的依据",
        "the date is later than a superior asked for, and nothing says that he agrees",
    ),
    remedy=Text(
        "请填写上级同意的文号或答复，或改填不晚于上级要求的日期；上级要求的日期和依据见本项",
        "Give the paper or the answer by which he does, or a date not after his; the case says which that is, and by what paper",
    ),
    reads_form=True,
)
def superior_agrees_to_a_later_day(s: Situation) -> bool:
    asked = next(s.data[name] for name in ("new_date", "until", "due_date") if name in s.data)
    due_by = s.case.facts.get("due_by")
    return due_by is None or asked <= due_by or s.data["consent"] is not None


def _five_items(case: Case) -> bool:
    items = ("responsible_person", "measures", "fund", "due_date", "emergency_plan")
    return all(case.facts.get(item) for item in items)


# --- effects ---------------------------------------------------------------------------------------------------------


def grade_and_limit_by_its_days(s: Situation, case: Case) -> Effect:
    """Triage: the level the criteria give, the limit the mode allows; from the day the list was issued, and never beyond a
    superior's day.
    """
    level = decide_level(s.data["category"], s.data["criteria"])
    since = date.fromisoformat(case.facts.get("limit_from") or s.today.isoformat())
    limit = _earlier(s, case, allowance_of(s.data["time_limit"], s.policy), since)
    return Effect(replace(case, level=level.value).with_facts({"limit": limit}))


def _earlier(s: Situation, case: Case, allowance: Mapping[str, int], since: date) -> Mapping[str, Any]:
    """The allowance from a day on, or the day a superior asked for where that comes first, even if it has passed: what is late by
    then is late. What counts from today stays an allowance, so that a later calendar can move it.
    """
    ends = s.calendar.local_date(
        due_at(
            Budget.from_json(allowance), s.now if since == s.today else s.calendar.start_of(since), s.calendar
        ).due_at
    )
    due_by = case.facts.get("due_by")
    if due_by is not None and date.fromisoformat(due_by) <= ends:
        return {"until": due_by}
    return allowance if since == s.today else {"until": ends.isoformat()}


def note_on_spot(s: Situation, case: Case) -> Effect:
    level = decide_level(s.data["category"], s.data["criteria"])
    fixer = s.data["corrected_by"]
    case = replace(case, level=level.value, assignee=fixer).with_facts({"on_spot": True, "time_limit": "on_spot"})
    return Effect(case.with_acted("fixer", fixer).with_acted("assignee", fixer))


def merge_into(s: Situation, case: Case) -> Effect:
    return Effect(case, links=(Link("merged_into", s.data["into"]),))


def wait_for_approval(s: Situation, case: Case) -> Effect:
    """The plan waits for the principal; whoever answers for it counts as one who fixes it, and so never accepts it."""
    case = case.with_acted("fixer", s.data["responsible_person"])
    return Effect(case.with_facts({"plan_approved": False, "plan_waits": True}))


def refuse_plan(_: Situation, case: Case) -> Effect:
    return Effect(case.with_facts({"plan_waits": False}))


def start_plan_with_consent(_: Situation, case: Case) -> Effect:
    """The approved plan's date becomes the limit, and the first one: until now only the plan itself was due.

    A plan filed anew moves the limit, so it is counted as an extension and the first limit stays. What was asked of the
    limit before is void: granting it later would put an older date over this one.
    What was approved beyond a superior's day is his day from now on, by the paper in which he agreed.
    """
    again = bool(case.facts.get("limit_by_plan"))
    limit = {
        "plan_approved": True, "plan_waits": False, "limit_by_plan": True,
        "limit": {"until": case.facts["due_date"]}, "asked": None,
    }  # fmt: skip
    if again:
        case = case.counted("extended")
    elif not case.counters.get("retriaged"):
        case = replace(case, first_due_at=None)
    started = replace(case, supervised=True).with_facts(limit)
    return Effect(_agreed(started, case.facts["due_date"], case.facts.get("consent")))


def ask_extension_with_consent(s: Situation, case: Case) -> Effect:
    return _asked(s, case, "extension", s.data["new_date"])


def ask_deferral_with_consent(s: Situation, case: Case) -> Effect:
    return _asked(s, case, "deferral", s.data["until"])


def _asked(s: Situation, case: Case, what: str, until: str) -> Effect:
    asked = {"what": what, "until": until, "interim": s.data["interim"]}
    consent = s.data["consent"]
    return Effect(case.with_facts({"asked": asked if consent is None else {**asked, "consent": consent}}))


def grant_asked_with_consent(_: Situation, case: Case) -> Effect:
    """What was asked for holds from now on, date and protective measure; the first limit stays on record. What was
    granted beyond a superior's day is his day from now on, by the paper in which he agreed.
    """
    asked = case.facts["asked"]
    granted = {"limit": {"until": asked["until"]}, "interim": asked["interim"], "asked": None}
    return Effect(_agreed(case.with_facts(granted), asked["until"], asked.get("consent")))


def _agreed(case: Case, until: str, consent: str | None) -> Case:
    due_by = case.facts.get("due_by")
    if due_by is None or until <= due_by:
        return case
    return case.with_facts({"due_by": until, "due_paper": consent})


def refuse_asked(_: Situation, case: Case) -> Effect:
    return Effect(case.with_facts({"asked": None}))


def limit_again_by_its_days(s: Situation, case: Case) -> Effect:
    """Sent back: a new limit from today and never beyond a superior's day, and what was asked of the old one is void; what was
    corrected on the spot goes the ordinary way from here.
    """
    limit = _earlier(s, case, allowance_of(s.data["time_limit"], s.policy), s.today)
    return Effect(case.with_facts({"limit": limit, "asked": None, "on_spot": False}))


def hand_over(s: Situation, case: Case) -> Effect:
    """Somebody else fixes it, by the same limit as before; he acknowledges the notice in his turn."""
    return Effect(replace(case, receipt_since=s.now, acknowledged_at=None).with_facts({"asked": None}))


def grade_anew(_: Situation, case: Case) -> Effect:
    """Back to triage: what the old grading brought along is void, the first limit and the history stay."""
    void = {"asked": None, "plan_approved": False, "plan_waits": False, "limit_by_plan": False}
    return Effect(replace(case, level="", assignee=None).with_facts(void))


def deciders(case: Case) -> tuple[str, ...]:
    """Whom a request within the loop waits for."""
    if case.facts.get("asked"):
        return ("vp_safety",)
    return LEADERS if case.facts.get("plan_waits") else ()


def put_under_supervision(_: Situation, case: Case) -> Effect:
    return Effect(replace(case, supervised=True))


def mode_of(case: Case) -> str:
    """The row of the sign-off table."""
    if case.facts.get("on_spot"):
        return "on_spot"
    if is_major(case):
        return "major"
    if case.counters.get("extended") or case.counters.get("deferred"):
        return "general_extended"
    return "general"


def not_taken_up(case: Case) -> bool:
    """A stranger's report before triage, and one that was rejected: what he sent along may show anything."""
    before_triage = case.state == "reported" and not case.counters.get("retriaged")
    return case.facts.get("source") == "anonymous" and (before_triage or case.state == "rejected")


# --- in words --------------------------------------------------------------------------------------------------------


def days_in_words(case: Case) -> list[Text]:
    """From when its limit counts, and by when a superior wants it done, where something that opened it says so."""
    told = []
    if (limit_from := case.facts.get("limit_from")) is not None:
        told.append(
            Text(f"限期自{_day_in_words(limit_from)}印发之日起算", f"Its limit counts from {limit_from}, when the list was issued")
        )  # fmt: skip
    if (due_by := case.facts.get("due_by")) is not None:
        paper = case.facts.get("due_paper")
        told.append(
            Text(
                f"上级要求{_day_in_words(due_by)}前完成" + (f"（依据：{paper}）" if paper else ""),
                f"A superior asked for it by {due_by}" + (f" ({paper})" if paper else ""),
            )
        )
    return told


def _day_in_words(said: str) -> str:
    day = date.fromisoformat(said)
    return f" {day.year} 年 {day.month} 月 {day.day} 日"


# --- what its effects mean for who signs, told to `engine.proof` -----------------------------------------------------


def either_level(case: Case, _: Mapping[str, Any]) -> tuple[Case, ...]:
    """The criteria decide, and nobody else."""
    return tuple(replace(case, level=level.value) for level in Level)


def as_corrected_on_spot(case: Case, data: Mapping[str, Any]) -> tuple[Case, ...]:
    fixer = data["corrected_by"]
    case = replace(case, level=Level.GENERAL.value, assignee=fixer).with_facts({"on_spot": True})
    return (case.with_acted("fixer", fixer).with_acted("assignee", fixer),)


def the_ordinary_way(case: Case, _: Mapping[str, Any]) -> tuple[Case, ...]:
    return (case.with_facts({"on_spot": False}),)


def without_level(case: Case, _: Mapping[str, Any]) -> tuple[Case, ...]:
    return (replace(case, level="", assignee=None),)


def answered_for_by(case: Case, data: Mapping[str, Any]) -> tuple[Case, ...]:
    return (case.with_acted("fixer", data["responsible_person"]),)


# --- the loop --------------------------------------------------------------------------------------------------------

#: who decides on extensions and deferrals: the vice-principal, and the leaders above him where he is the assignee
DECIDERS = ("vp_safety", *LEADERS)

MODES: Mapping[str, Text] = {
    "on_spot": Text("当场改正", "corrected on the spot"),
    "general": Text("一般隐患", "general"),
    "general_extended": Text("延期或暂缓的一般隐患", "general, extended or deferred"),
    "major": Text("重大隐患", "major"),
}

#: what a joint list or a superior's paper opened knows from which day its limit counts and by which day the superior wants it
#: done: the limit ends with whichever comes first, and a later day needs that the superior agrees, besides all that an
#: extension, a deferral or a plan needs (rules.md 3.2, 8 and 33). What the versions before were: `workflows.hazard_earlier`
HAZARD = Workflow(
    key="hazard",
    plural="hazards",
    version=5,
    prefix="YH",
    title=Text("隐患整改", "Hazard rectification"),
    opens_with=ReportHazardFromAList,
    opens_by=("anyone", "stranger"),
    opening_guards=(
        strangers_may_report, source_is_so, by_the_safety_office, from_older_ledger, days_come_from_what_opened_it,
    ),
    roles=LOOP_ROLES,
    policy=HazardPolicyWithStrangers,
    sign_off=SignOff(signing_rows(), mode_of, MODES, reads=("extended", "deferred")),
    rebound=Rebound(same=("place", "category"), within_days="rebound_days"),
    always_direct=is_major,
    holds_back=not_taken_up,
    states=[
        State(
            "reported", Text("已上报", "Reported"), awaits=SAFETY_OFFICE,
            due=Within(hours="triage_hours"), ladder=OFFICE_LADDER,
        ),
        State(
            "assigned", Text("整改中", "Being fixed"), awaits=("assignee",), also_awaits=deciders, due=FromFact("limit"),
            ladder=OVERDUE_LADDER, tell="direct",
            acknowledge=Acknowledge(Within(hours="receipt_hours"), (("assignee", "dept_head"), ("safety_head",))),
        ),
        State(
            "deferred", Text("暂缓整改", "Deferred"), counts_as="assigned", awaits=("assignee",),
            due=FromFact("limit"), ladder=OVERDUE_LADDER,
        ),
        State(
            "fixed", Text("待复查", "To be verified"), awaits=("safety_staff",),
            awaits_in={"major": ("acceptance_group",), "on_spot": ("inspector",)},
            due=Within(workdays="verify_workdays"), ladder=OFFICE_LADDER,
        ),
        State(
            "verified", Text("待销号", "To be closed"), awaits=("safety_head",),
            awaits_in={"general_extended": ("vp_safety",), "major": LEADERS, "on_spot": ("inspector",)},
            due=Within(workdays="approve_workdays"), ladder=OFFICE_LADDER,
        ),
        State("closed", Text("已销号", "Closed"), final=True),
        State("rejected", Text("不予受理", "Not taken up"), counts_as="closed", final=True),
        State("merged", Text("重复合并", "Merged"), counts_as="closed", final=True),
    ],
    transitions=[
        Transition(
            "assign", "reported", "assigned", Text("下达整改通知", "Issue the notice"), by=SAFETY_OFFICE, form=Assign,
            guards=(limit_fits_level, interim_given, assignee_of_department), effect=grade_and_limit_by_its_days,
            outcomes=either_level, acts_as="assigner", numbers=Series("notice_number", "TZ"),
        ),
        Transition(
            "correct_on_spot", "reported", "fixed", Text("当场改正", "Record as corrected on the spot"),
            by=("inspector",), form=CorrectOnSpot,
            guards=(
                inspects, general_on_spot, corrected_by_somebody_else, on_spot_evidence_given, assignee_of_department,
            ),
            effect=note_on_spot, outcomes=as_corrected_on_spot, tells=("assignee", "dept_head", "safety_head"),
        ),
        Transition(
            "reject", "reported", "rejected", Text("不予受理", "Do not take up"), by=SAFETY_OFFICE, form=Reject,
            guards=(never_assigned, nothing_absorbed), tells=("reporter", "safety_head"),
        ),
        Transition(
            "merge", "reported", "merged", Text("并入另一项", "Merge into another"), by=SAFETY_OFFICE, form=Merge,
            guards=(never_assigned, into_another_open_one), effect=merge_into, tells=("reporter",),
        ),
        Transition(
            "merge", ("assigned", "deferred"), "merged", Text("并入另一项", "Merge into another"),
            by=("safety_head", "vp_safety"), never=("assignee", "fixer"), form=Merge,
            guards=(into_another_open_one, into_no_lesser_one), effect=merge_into, tells=("reporter", "assignee"),
        ),
        Transition(
            "acknowledge", "assigned", None, Text("签收通知书", "Acknowledge the notice"), by=("assignee",),
            guards=(receipt_open,), acknowledges=True,
        ),
        Transition(
            "reassign", ("assigned", "deferred"), None, Text("改派责任人", "Assign to somebody else"),
            by=(*SAFETY_OFFICE, "vp_safety"), form=Reassign, guards=(assignee_of_department,), effect=hand_over,
            hands_over=True, acts_as="assigner", tells=("assignee", "dept_head"),
        ),
        Transition(
            "retriage", ("assigned", "deferred"), "reported", Text("退回重新分级交办", "Grade and assign anew"),
            by=("safety_head", "vp_safety"), form=Retriage, effect=grade_anew, outcomes=without_level,
            counts="retriaged", tells=("reporter",),
        ),
        Transition(
            "file_plan", "assigned", None, Text("提交治理方案", "File the plan"), by=("assignee", "dept_head"),
            form=FilePlanWithConsent,
            guards=(major_only, plan_date_ahead, plan_in_time, superior_agrees_to_a_later_day),
            effect=wait_for_approval, outcomes=answered_for_by, acts_as="asker", tells=LEADERS,
        ),
        Transition(
            "approve_plan", "assigned", None, Text("批准治理方案", "Approve the plan"), by=LEADERS,
            never=("asker", "assignee"), form=PlanDecision,
            guards=(plan_filed, plan_awaits_decision, plan_still_ahead), effect=start_plan_with_consent,
            restarts=True, tells=("assignee", "vp_safety"),
        ),
        Transition(
            "refuse_plan", "assigned", None, Text("不批准治理方案", "Refuse the plan"), by=LEADERS,
            never=("asker", "assignee"), form=PlanDecision, guards=(plan_filed, plan_awaits_decision),
            effect=refuse_plan, tells=("assignee",),
        ),
        Transition(
            "ask_extension", "assigned", None, Text("申请延期", "Ask for an extension"), by=("assignee",),
            form=AskExtensionWithConsent,
            guards=(nothing_asked, before_limit, new_date_later, superior_agrees_to_a_later_day), quiet=True,
            effect=ask_extension_with_consent, acts_as="asker", tells=("vp_safety",),
        ),
        Transition(
            "grant_extension", "assigned", None, Text("批准延期", "Grant the extension"), by=DECIDERS,
            never=("asker", "assignee"), form=Decision, guards=(extension_asked, asked_date_ahead),
            effect=grant_asked_with_consent, counts="extended", restarts=True, tells=("assignee",),
        ),
        Transition(
            "refuse_extension", "assigned", None, Text("不同意延期", "Refuse the extension"), by=DECIDERS,
            form=Decision, guards=(extension_asked,), effect=refuse_asked, tells=("assignee",),
        ),
        Transition(
            "ask_deferral", "assigned", None, Text("申请暂缓至假期", "Ask for deferral to a break"), by=("assignee",),
            # a plan is filed and approved in *assigned* only: a major one deferred without it could never be fixed
            form=AskDeferralWithConsent,
            guards=(plan_approved, nothing_asked, before_limit, within_a_break, superior_agrees_to_a_later_day),
            quiet=True, effect=ask_deferral_with_consent, acts_as="asker", tells=("vp_safety",),
        ),
        Transition(
            "grant_deferral", "assigned", "deferred", Text("批准暂缓", "Grant the deferral"), by=DECIDERS,
            never=("asker", "assignee"), form=Decision, guards=(deferral_asked, plan_approved, asked_date_ahead),
            effect=grant_asked_with_consent, counts="deferred",
        ),
        Transition(
            "refuse_deferral", "assigned", None, Text("不同意暂缓", "Refuse the deferral"), by=DECIDERS,
            form=Decision, guards=(deferral_asked,), effect=refuse_asked, tells=("assignee",),
        ),
        Transition(
            "supervise", ("assigned", "deferred"), None, Text("挂牌督办", "Supervise by name"),
            by=("vp_safety", *LEADERS), form=Supervise, effect=put_under_supervision, tells=("assignee", "dept_head"),
        ),
        Transition(
            "fix", ("assigned", "deferred"), "fixed", Text("上报整改完成", "Report it fixed"), by=("assignee",),
            form=ReportFixWithPapers, guards=(five_items_filled, plan_approved, evidence_given), acts_as="fixer",
        ),
        Transition(
            "verify", "fixed", "verified", Text("复查合格", "Verify"), sign_off="verify", form=Verify,
            acts_as="verifier",
        ),
        Transition(
            "return", "fixed", "assigned", Text("复查退回", "Return"), sign_off="verify", by=SAFETY_OFFICE, alone=True,
            form=Return, guards=(interim_kept,), effect=limit_again_by_its_days, outcomes=the_ordinary_way,
            numbers=Series("notice_number", "TZ", once=True), counts="returned", reason="returned",
            escalates=Escalation("returned", "returns_before_escalation", ("vp_safety",)),
        ),
        Transition(
            "approve", "verified", "closed", Text("同意销号", "Approve the closure"), sign_off="approve",
            form=Decision, acts_as="approver", tells=("reporter", "assignee"),
        ),
        Transition(
            "send_back", "verified", "assigned", Text("不同意销号，退回整改", "Send back"), sign_off="approve",
            by=("vp_safety", *LEADERS), alone=True, form=Return, guards=(interim_kept,),
            effect=limit_again_by_its_days, outcomes=the_ordinary_way,
            numbers=Series("notice_number", "TZ", once=True), counts="returned", reason="returned",
            escalates=Escalation("returned", "returns_before_escalation", ("vp_safety",)),
        ),
        Transition(
            "hand_on", ("assigned", "deferred"), None, Text("转交本部门同事", "Hand on to a colleague"),
            by=("assignee", "dept_head"), form=HandOn, guards=(to_a_colleague, to_another), effect=hand_over,
            hands_over=True, acts_as="assigner", tells=("assignee", "dept_head"),
        ),
        Transition(
            "take_over", ("assigned", "deferred"), None, Text("接手整改", "Take over"), by=("dept_head", "dept_safety"),
            form=TakeOver, guards=(in_his_own_name, of_the_department, not_his_already), effect=hand_over,
            hands_over=True, takes_over=True, acts_as="assigner", tells=("dept_head", "safety_head"),
        ),
    ],
)  # fmt: skip
