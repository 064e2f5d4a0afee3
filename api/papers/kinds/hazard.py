"""Papers of a hazard: the notice, the receipt, the re-check's opinion, the request for more time, the plan of a major one."""

from collections.abc import Sequence
from datetime import datetime

from api.papers.kinds.kind import Kind, by_hand, lines
from api.papers.story import Story
from engine.case import Case
from engine.errors import Text
from engine.events import Event
from workflows.hazard import days_in_words
from workflows.reference import checklists, criteria, levels, taxonomy

WORKFLOW = "hazard"
ANEW = ("assign", "retriage")  # from here on another notice holds
ON_SPOT = "当场改正，未下达通知书"
FIXING = ("fix", "correct_on_spot")
CHECKING = ("verify", "return")
ASKING = {
    "ask_extension": ("grant_extension", "refuse_extension"),
    "ask_deferral": ("grant_deferral", "refuse_deferral"),
}
DECISIONS = {
    "grant_extension": "同意延期", "refuse_extension": "不同意延期", "grant_deferral": "同意暂缓",
    "refuse_deferral": "不同意暂缓", "approve_plan": "批准", "refuse_plan": "不批准",
}  # fmt: skip


# --- what several of them say -----------------------------------------------------------------------------------------


def notice_number(story: Story, moment: Event) -> str:
    """That of the notice in force; one corrected on the spot has none unless it was sent back."""
    return str(story.at(moment).facts.get("notice_number") or "")


def what_is_wrong(story: Story, moment: Event) -> str:
    case = story.at(moment)
    return lines(f"{case.place}：{case.title}", str(case.facts.get("details") or ""))


def _limit(story: Story, moment: Event) -> datetime | None:
    return story.at(moment).due_at


def _department(story: Story, moment: Event) -> str:
    return story.department(story.at(moment).department)


def _at(event: Event | None) -> datetime | None:
    return None if event is None else event.recorded_at


def _found_on(story: Story, _: Event) -> str:
    return story.day(story.opened.found_at or story.opened.recorded_at)


# --- 整改通知书 ---------------------------------------------------------------------------------------------------------


def _notices(story: Story) -> list[Event]:
    """Each time it was assigned; and the first return of one that was corrected on the spot, which gave it its number."""
    found, numbered = [], False
    for event in story.events:
        draws = "facts.notice_number" in event.changes
        if event.trigger == "assign" or (draws and not numbered):
            found.append(event)
        numbered = numbered or draws
    return found


def _wrong_and_why(story: Story, moment: Event) -> str:
    """What is wrong, and by what it was judged: category, level, the criteria that were met, the item of the checklist."""
    case = story.at(moment)
    category = taxonomy().title(case.category) if case.category in taxonomy().all else case.category
    level = levels()[case.level].title.zh if case.level in levels() else case.level
    met = [criteria()[code] for code, yes in (case.facts.get("criteria") or {}).items() if yes and code in criteria()]
    item = _items().get(str(case.facts.get("checklist_item") or ""))
    return lines(
        what_is_wrong(story, moment),
        "；".join(
            part for part in (f"类别：{category}" if category else "", f"等级：{level}" if level else "") if part
        ),
        *(f"判定为“是”：{each.title.zh}（{each.basis}）" for each in met),
        f"检查项目：{item}" if item else "",
    )


def _items() -> dict[str, str]:
    return {item.code: item.title.zh for sheet in checklists().values() for item in sheet.items}


def _interim(story: Story, moment: Event) -> str:
    facts = story.at(moment).facts
    return str(facts.get("interim") or facts.get("emergency_plan") or "")


def _until(story: Story, moment: Event) -> str:
    """The day, and how long that was, by the number that held; of a plan the day by which the plan itself is due. And from when it
    counts, and whose day it is, where something says so.
    """
    case = story.at(moment)
    return lines(_day_and_length(story, case), *(said.zh for said in days_in_words(case)))


def _day_and_length(story: Story, case: Case) -> str:
    day, limit = story.day(case.due_at), case.facts.get("limit") or {}
    said = f"{limit['workdays']} 个工作日" if "workdays" in limit else ""
    if "days" in limit:
        said = f"{limit['days']} 天" if limit["days"] else "当日"
    if case.facts.get("time_limit") == "plan" and not case.facts.get("limit_by_plan"):
        return f"{day} 前提交治理方案，按批准的方案整改" if day else ""
    return f"{day}（{said}）" if day and said else day


def _acknowledged(story: Story, moment: Event) -> Event | None:
    return story.next(moment, "acknowledge", until=ANEW)


NOTICE = Kind(
    code="notice",
    workflow=WORKFLOW,
    stamped=True,
    moments=_notices,
    none_yet=Text("还没有下达整改通知", "no notice has been issued yet"),
    number=notice_number,
    fills={
        "文号": notice_number,
        "被通知部门": _department,
        "检查日期": _found_on,
        "检查人": lambda s, _: s.by(s.opened),
        "隐患事项及依据": _wrong_and_why,
        "整改要求": lambda s, e: s.said(e, "requirement") or s.said(e, "reason") or str(s.at(e).facts.get("requirement") or ""),
        "防范措施": _interim,
        "整改期限": _until,
        "签发人": lambda s, e: s.signed(e),
        "签发日期": lambda s, e: s.day(e.recorded_at),
        "签收人": lambda s, e: s.signed(_acknowledged(s, e)),
        "签收时间": lambda s, e: s.minute(_at(_acknowledged(s, e))),
    },
    layout=(
        ("文号", "被通知部门"), ("检查日期", "检查人"), ("隐患事项及依据",), ("整改要求",), ("防范措施",), ("整改期限",),
        ("签发日期", "签收时间"), ("签发人",), ("签收人",),
    ),
)  # fmt: skip


# --- 整改回执 -----------------------------------------------------------------------------------------------------------


def _why_not_done(story: Story, moment: Event) -> str:
    """What was still wrong when it was returned before."""
    returned = story.last("return", "send_back", before=moment)
    return "" if returned is None else f"曾于 {story.day(returned.recorded_at)} 退回：{story.said(returned, 'reason')}"


def _answered_notice(story: Story, moment: Event) -> str:
    number = notice_number(story, moment)
    return number or (ON_SPOT if moment.trigger == "correct_on_spot" else "")


def _who_fixed(story: Story, moment: Event) -> str:
    """His signature; of what was corrected in front of an inspector, who it was and that the inspector says so."""
    if moment.trigger != "correct_on_spot":
        return story.signed(moment)
    return lines(f"{story.person(moment.data.get('corrected_by'))} 当场整改", f"检查人登记：{story.signed(moment)}")


def _measures(story: Story, moment: Event) -> str:
    if moment.trigger == "correct_on_spot":
        return "当场改正"
    facts = story.at(moment).facts
    return str(facts.get("measures") or facts.get("requirement") or "")


RECEIPT = Kind(
    code="receipt",
    workflow=WORKFLOW,
    moments=lambda story: story.all(*FIXING),
    none_yet=Text("还没有上报整改完成", "it has not been reported as fixed yet"),
    number=notice_number,
    fills={
        "对应通知书文号": _answered_notice,
        "隐患事项": what_is_wrong,
        "整改措施": _measures,
        "完成情况": lambda s, e: s.said(e, "measure"),
        "未完成原因": _why_not_done,
        "投入资金": lambda s, e: s.said(e, "spent"),
        "完成日期": lambda s, e: s.day(e.found_at or e.recorded_at),
        "整改后照片": lambda s, e: s.files(e, "photos_after"),
        "责任人签字": _who_fixed,
        "部门负责人签字": by_hand,
        "申请复查日期": lambda s, e: s.day(e.recorded_at),
    },
    layout=(
        ("对应通知书文号", "完成日期"), ("隐患事项",), ("整改措施",), ("完成情况",), ("未完成原因",), ("整改后照片",),
        ("投入资金", "申请复查日期"), ("责任人签字",), ("部门负责人签字",),
    ),
)  # fmt: skip


# --- 复查意见书 ---------------------------------------------------------------------------------------------------------


def _checks(story: Story) -> list[Event]:
    """The last signature of each round: several sign one by one, and one who sends back ends it."""
    rounds: list[Event] = []
    open_ = False
    for event in story.events:
        if event.trigger in CHECKING:
            if open_:
                rounds[-1] = event
            else:
                rounds.append(event)
            open_ = event.type == "signed"
        elif event.trigger in FIXING:
            open_ = False
    return rounds


def _round(story: Story, moment: Event) -> Sequence[Event]:
    """Everybody who signed since it was fixed."""
    fixed = story.last(*FIXING, before=moment)
    since = fixed.sequence if fixed is not None else 0
    return [e for e in story.all(*CHECKING) if since < e.sequence <= moment.sequence]


def _found(story: Story, moment: Event) -> str:
    found = lines(*dict.fromkeys(story.said(each, "finding") for each in _round(story, moment)))
    return found or ("不合格，见退回要求" if moment.trigger == "return" else "")


def _conclusion(_: Story, moment: Event) -> str:
    if moment.trigger == "return":
        return "不合格，退回整改"
    return "部分签字，尚未形成结论" if moment.type == "signed" else "合格"


def _returned_with(story: Story, moment: Event) -> str:
    if moment.trigger != "return":
        return ""
    until = story.day(_limit(story, moment))
    return lines(story.said(moment, "reason"), f"再整改时限：{until}" if until else "")


RECHECK = Kind(
    code="recheck",
    workflow=WORKFLOW,
    stamped=True,
    moments=_checks,
    none_yet=Text("还没有复查", "nobody has checked it yet"),
    number=notice_number,
    fills={
        "对应通知书文号": notice_number,
        "复查日期": lambda s, e: s.day(e.recorded_at),
        "复查人（两人以上）": lambda s, e: "、".join(dict.fromkeys(s.by(each) for each in _round(s, e))),
        "现场情况": _found,
        "复查照片": lambda s, e: tuple(dict.fromkeys(p for each in _round(s, e) for p in s.files(each, "photos_check"))),
        "结论（合格/不合格/部分合格）": _conclusion,
        "退回要求": _returned_with,
        "复查人签字": lambda s, e: lines(*(s.signed(each) for each in _round(s, e))),
        "被复查部门签字": by_hand,
    },
    layout=(
        ("对应通知书文号", "复查日期"), ("复查人（两人以上）",), ("现场情况",), ("复查照片",),
        ("结论（合格/不合格/部分合格）",), ("退回要求",), ("复查人签字",), ("被复查部门签字",),
    ),
)  # fmt: skip


# --- 延期（暂缓）申请 ---------------------------------------------------------------------------------------------------


def _decision(story: Story, moment: Event) -> Event | None:
    return story.next(moment, *ASKING[moment.trigger], until=("ask_extension", "ask_deferral", "fix", *ANEW))


def _decided(story: Story, moment: Event) -> str:
    decision = _decision(story, moment)
    if decision is None:
        return ""
    return lines(f"{DECISIONS[decision.trigger]}：{story.said(decision, 'opinion')}", story.signed(decision))


def _granted_on(story: Story, moment: Event) -> str:
    decision = _decision(story, moment)
    granted = decision is not None and decision.trigger.startswith("grant_")
    return story.day(_at(decision)) if granted else ""


EXTENSION = Kind(
    code="extension",
    workflow=WORKFLOW,
    moments=lambda story: story.all(*ASKING),
    none_yet=Text("没有申请过延期或暂缓", "no extension or deferral was asked for"),
    number=notice_number,
    fills={
        "隐患编号": lambda s, _: s.case.number,
        "原时限": lambda s, e: s.day(_limit(s, e)),
        "申请新时限": lambda s, e: s.said(e, "new_date") or s.said(e, "until"),
        "原因": lambda s, e: s.said(e, "reason"),
        "期间防范措施": lambda s, e: s.said(e, "interim"),
        "申请人": lambda s, e: s.signed(e),
        "部门负责人意见": by_hand,
        "分管校领导意见": _decided,
        "批准日期": _granted_on,
    },
    layout=(
        ("隐患编号", "批准日期"), ("原时限", "申请新时限"), ("原因",), ("期间防范措施",), ("申请人",), ("部门负责人意见",),
        ("分管校领导意见",),
    ),
)  # fmt: skip


# --- 重大隐患治理方案 ---------------------------------------------------------------------------------------------------


def _plan_decision(story: Story, moment: Event) -> str:
    decision = story.next(moment, "approve_plan", "refuse_plan", until=("file_plan", *ANEW))
    if decision is None:
        return ""
    return lines(f"{DECISIONS[decision.trigger]}：{story.said(decision, 'opinion')}", story.signed(decision))


def _harm(story: Story, moment: Event) -> str:
    """The criteria that made it a major one: what could come of it; how hard it is, nobody is asked."""
    given = story.at(moment).facts.get("criteria") or {}
    met = [criteria()[code] for code, yes in given.items() if yes and code in criteria()]
    return lines(*(f"判定为“是”：{each.title.zh}（{each.basis}）" for each in met))


def _people(story: Story, moment: Event) -> str:
    return lines(
        f"责任部门：{_department(story, moment)}",
        f"责任人：{story.person(moment.data.get('responsible_person'))}",
        f"方案提交：{story.signed(moment)}",
    )


MAJOR_PLAN = Kind(
    code="major_plan",
    workflow=WORKFLOW,
    moments=lambda story: story.all("file_plan"),
    none_yet=Text("没有提交过治理方案", "no plan was filed"),
    number=notice_number,
    fills={
        "现状与原因": what_is_wrong,
        "危害与难易分析": _harm,
        "目标和任务": lambda s, e: str(s.at(e).facts.get("requirement") or ""),
        "方法和措施": lambda s, e: s.said(e, "measures"),
        "经费和物资": lambda s, e: s.said(e, "fund"),
        "机构和人员": _people,
        "时限和要求": lambda s, e: f"{s.said(e, 'due_date')} 前完成" if s.said(e, "due_date") else "",
        "安全措施和应急预案": lambda s, e: s.said(e, "emergency_plan"),
        "主要负责人签字": _plan_decision,
    },
    layout=(
        ("现状与原因",), ("危害与难易分析",), ("目标和任务",), ("方法和措施",), ("经费和物资",), ("机构和人员",), ("时限和要求",),
        ("安全措施和应急预案",), ("主要负责人签字",),
    ),
)  # fmt: skip

KINDS = (NOTICE, RECEIPT, RECHECK, EXTENSION, MAJOR_PLAN)
