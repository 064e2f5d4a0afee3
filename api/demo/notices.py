"""The campaign's papers and meetings: three superior ones, four of the school, four plans, three rosters, an accident elsewhere.

Each is conveyed to whom it concerns; most confirm within a day, a few late enough for their heads to hear of them, and who
cannot is excused.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from api.demo.campaign import campaign
from api.demo.stories import Answer, Ask, Stage, Story, done
from engine.case import Case
from engine.commands import FireTrigger, OpenCase

OFFICE, HEAD, DEAN = "safety.staff", "safety.head", "vp.safety"
#: hours after it was conveyed, and how many of a hundred have confirmed by then
WAVES = ((2, 40), (5, 75), (24, 92), (30, 98))
LATE_WORKDAYS = 3  # the others: their heads have heard of it by then
EXCUSED_OF_EVERYBODY = 2  # of a whole school somebody is always away for long
MIDDLE_MANAGERS = ("role:dept_head", "role:dept_safety", "group:leading_group")


@dataclass(frozen=True)
class Paper:
    """A notice of the campaign: what it is, whom it is for, what comes of it.

    opened_before   working days before its day that it is entered: a roster is made before the holiday
    minutes         should attend, attended, what was said; of a meeting
    tasks           (title, department) given out
    """

    on: date
    kind: str
    title: str
    audience: tuple[str, ...]
    key_points: str
    opened_before: int = 0
    more: dict[str, Any] = field(default_factory=dict)
    minutes: tuple[int, int, str] | None = None
    read_out: str | None = None
    tasks: tuple[tuple[str, str], ...] = ()
    reply: str | None = None


def papers() -> Iterator[Paper]:
    """In the order of their days, as the campaign's timeline and figures have them."""
    figures = campaign().raw["figures"]
    rosters = [line["on"] for line in campaign().raw["timeline"] if line["kind"] == "roster"]
    yield from map(_superior, figures["superior_notices"]["dates"], _SUPERIOR)
    yield from map(_meeting, figures["school_meetings"]["dates"], _MEETINGS)
    yield from _PLANS
    yield from map(_roster, rosters, _ROSTERS)


#: (day the school was inspected, first day counted, day of the meeting): checked on the 15th, reported on the 17th
BULLETIN = date(2020, 1, 15), date(2019, 12, 17), date(2020, 1, 17)


_SUPERIOR: tuple[dict[str, Any], ...] = (
    {
        "kind": "superior_meeting", "title": "全省安全生产警示教育电视电话会议（27个行业领域）",
        "more": {"tier": "province", "issuer": "省安委会"}, "audience": ("group:leading_group",),
        "key_points": "深刻吸取事故教训，立即部署校园和校车安全专项整治", "reply": None,
    },
    {
        "kind": "superior_meeting", "title": "全省教育系统校园安全工作视频会议",
        "more": {"tier": "province", "issuer": "省教育厅"}, "audience": ("group:leading_group", "role:dept_safety"),
        "key_points": "专项整治全覆盖，隐患清单化管理，逐项销号", "reply": None,
    },
    {
        "kind": "superior_notice", "title": "市教育局校园和校车安全专项整治实施方案",
        "more": {"tier": "city", "issuer": "市教育局", "reply_by": "2019-12-31", "document_number": "通教安〔2019〕（示例）号"},
        "audience": ("group:leading_group", "role:dept_safety"),
        "key_points": "制定学校方案，逐周上报自查情况表，开展应急预案体系建设调查",
        "tasks": (
            ("排查校车及接送车辆，建立台账", "HQC"), ("梳理校园内外及消防隐患，列出清单", "BWC"), ("开展安全教育主题班会", "XGC"),
        ),
        "reply": "我校已制定实施方案并全面动员，自查情况按周上报",
    },
)  # fmt: skip
_MEETINGS: tuple[dict[str, Any], ...] = (
    {
        "title": "校园和校车安全专项整治工作会议", "audience": ("everyone",), "minutes": (300, 291, "通报近期两起事故，部署12月隐患排查，要求各部门开会传达并建立台账"),
        "key_points": "人人知晓会议精神，各部门12月底前完成排查并建账", "read_out": None,
    },
    {
        "title": "专项整治全体教职工动员大会", "audience": ("everyone",), "minutes": (300, 286, "宣读学校实施方案，签订安全责任书"),
        "key_points": "落实“党政同责、一岗双责”，发现隐患立即上报", "read_out": None,
    },
    {
        "title": "学期结束行政办公会", "audience": MIDDLE_MANAGERS, "minutes": (46, 45, "通报1月15日分组排查和整改情况，安排假期集中整治和值班"),
        "key_points": "隐患责任部门、整改要求逐条明确，假期完成整改", "read_out": "2020年1月隐患整改情况通报",
    },
    {
        "title": "研究开学工作行政办公会", "audience": MIDDLE_MANAGERS, "minutes": (46, 46, "研究返校开学方案、错峰报到和防控物资"),
        "key_points": "按方案逐项落实，未经允许不返校", "read_out": "2020年3月隐患整改情况通报",
    },
)  # fmt: skip
_PLANS = (
    Paper(date(2019, 12, 17), "plan", "学校校园和校车安全专项整治实施方案", (*MIDDLE_MANAGERS, "role:repairer"), "对照任务分工落实"),
    Paper(date(2020, 1, 9), "plan", "2020年度应急演练计划", MIDDLE_MANAGERS, "按月组织，演练后评估并登记问题"),
    Paper(date(2020, 1, 28), "plan", "新冠肺炎疫情防控应急预案", MIDDLE_MANAGERS, "明确工作组职责，实行日报告、零报告"),
    Paper(date(2020, 3, 16), "plan", "疫情防控期间返校开学方案", MIDDLE_MANAGERS, "错峰返校，凭批准入校"),
)  # fmt: skip
_ROSTERS = ("2020年元旦值班安排", "2020年寒假值班安排", "延迟开学期间值班安排")


def _superior(on: date, told: dict[str, Any]) -> Paper:
    return Paper(on=on, **told)


def _meeting(on: date, told: dict[str, Any]) -> Paper:
    return Paper(on=on, kind="school_meeting", more={"place": "行政楼报告厅", "issuer": "校长室"}, **told)


def _roster(on: date, title: str) -> Paper:
    return Paper(
        on, "roster", title, ("group:leading_group", "department:BWC"), "按时到岗，值班领导带班", opened_before=2
    )


# --- how they go -----------------------------------------------------------------------------------------------------


def notice_story(stage: Stage, paper: Paper) -> Story:
    """Entered, conveyed, confirmed in waves, carried out and answered where somebody asked for it, closed."""
    chance = Random(f"notice {paper.title}")
    opened_at = (
        stage.workdays_later(stage.at(paper.on, 16), -paper.opened_before, 16)
        if paper.opened_before
        else stage.at(paper.on, 16)
    )
    opened = {"title": paper.title, "kind": paper.kind, "dated_on": paper.on.isoformat(), **paper.more}
    answer = yield Ask(opened_at, OFFICE, OpenCase("notice", opened))
    number = done(answer).case.number
    if paper.minutes is not None:
        should, came, points = paper.minutes
        minutes = {"should_attend": should, "attended": came, "points": points, "read_out": paper.read_out}
        yield Ask(opened_at + timedelta(minutes=20), OFFICE, FireTrigger(number, "minute", minutes))
    if (bulletin := stage.bulletins.get(paper.on)) is not None and paper.minutes is not None:
        yield Ask(opened_at + timedelta(minutes=25), OFFICE, FireTrigger(bulletin, "read_out", {"meeting": number}))
    conveyed_at = opened_at + timedelta(minutes=40)
    tasks = [{"title": title, "department": department} for title, department in paper.tasks]
    convey = {"audience": list(paper.audience), "key_points": paper.key_points, "tasks": tasks}
    answer = yield Ask(conveyed_at, OFFICE, FireTrigger(number, "convey", convey))
    last_at = yield from _confirmed(stage, chance, number, done(answer).case.unconfirmed, conveyed_at)
    if paper.kind in ("superior_notice", "superior_meeting"):
        yield from _answered(stage, number, last_at, paper)
        return
    filed_at = stage.workdays_later(last_at, 1, 16)
    yield Ask(filed_at, HEAD, FireTrigger(number, "file"))


def _confirmed(
    stage: Stage, chance: Random, number: str, persons: Sequence[str], conveyed_at: datetime
) -> Generator[Ask, Answer, datetime]:
    """Everybody confirms in waves, a few days late; of a whole school two are excused. Gives when the last did."""
    order = list(persons)
    chance.shuffle(order)
    excused = order[-EXCUSED_OF_EVERYBODY:] if len(order) > 200 else []
    able = order[: len(order) - len(excused)]
    begun = 0
    for hours, share in WAVES:
        until = max(begun, len(able) * share // 100)
        at = conveyed_at + timedelta(hours=hours)
        yield from _together(number, able[begun:until], at)
        begun = until
    late_at = stage.workdays_later(conveyed_at, LATE_WORKDAYS, 11)
    yield from _together(number, able[begun:], late_at)
    if excused:
        late_at += timedelta(hours=1)
        reason = {"persons": excused, "reason": "长期病假，无法确认，返校后补学"}
        yield Ask(late_at, HEAD, FireTrigger(number, "excuse", reason))
    return late_at


def _together(number: str, persons: Sequence[str], at: datetime) -> Generator[Ask, Answer, None]:
    """All of them at one instant, under one commit."""
    if persons:
        first, *others = persons
        confirm = FireTrigger(number, "confirm")
        yield Ask(at, first, confirm, also=tuple((person, confirm) for person in others))


def _answered(stage: Stage, number: str, known_at: datetime, paper: Paper) -> Story:
    """What was given out is done by now; the answer goes out, and the vice-principal closes it."""
    done_at = stage.workdays_later(known_at, 6 if paper.tasks else 1, 15)
    yield Ask(done_at, OFFICE, FireTrigger(number, "carry_out", {"done": f"已传达并落实：{paper.key_points}"}))
    yield Ask(done_at + timedelta(minutes=30), OFFICE, FireTrigger(number, "report_back", {"reply": paper.reply}))
    yield Ask(stage.workdays_later(done_at, 1, 10), DEAN, FireTrigger(number, "close", {"opinion": "同意办结"}))


def task_story(stage: Stage, number: str, department: str, title: str, opened_at: datetime) -> Story:
    """Given to somebody of the department, done, looked at, closed, all before the superior's day."""
    key = department.lower()
    assignee = "hqc.repair1" if key == "hqc" else f"{key}.staff"
    given_at = stage.workdays_later(opened_at, 1, 9)
    yield Ask(given_at, f"{key}.head", FireTrigger(number, "assign", {"assignee": assignee}))
    done_at = stage.workdays_later(given_at, 3, 15)
    yield Ask(done_at, assignee, FireTrigger(number, "fix", {"done": f"已完成：{title}"}))
    yield Ask(stage.workdays_later(done_at, 1, 10), OFFICE, FireTrigger(number, "verify", {"finding": "情况属实"}))
    yield Ask(stage.workdays_later(done_at, 1, 16), HEAD, FireTrigger(number, "approve"))


# --- the bulletin ----------------------------------------------------------------------------------------------------


def bulletin_story(stage: Stage) -> Story:
    """Begun when the school was inspected, counted and signed on the morning of the meeting, published when it was read out
    there (`notice_story`), and filed when everybody addressed has read it.
    """
    checked_on, first_day, held_on = BULLETIN
    opened = {
        "title": "2020年1月隐患整改情况通报", "held_as": "administration", "held_on": held_on.isoformat(),
        "first_day": first_day.isoformat(),
    }  # fmt: skip
    answer = yield Ask(stage.at(checked_on, 18), OFFICE, OpenCase("bulletin", opened))
    number = stage.bulletins[held_on] = done(answer).case.number
    said = {"requirements": "责任部门利用寒假集中整改，逾期的先落实防范措施"}
    yield Ask(stage.at(held_on, 9), OFFICE, FireTrigger(number, "compile", said))
    yield Ask(stage.at(held_on, 10), HEAD, FireTrigger(number, "sign", {"opinion": "数字属实，同意通报"}))
    published_at = stage.at(held_on, 17)
    audience = [*MIDDLE_MANAGERS, "role:repairer"]
    answer = yield Ask(published_at, OFFICE, FireTrigger(number, "publish", {"audience": audience}))
    last_at = yield from _confirmed(stage, Random("bulletin"), number, done(answer).case.unconfirmed, published_at)
    yield Ask(stage.workdays_later(last_at, 1, 16), HEAD, FireTrigger(number, "close"))


# --- the accident ----------------------------------------------------------------------------------------------------

_ITEMS = (
    ("危险化学品、易燃品是否专柜存放、双人双锁", "LABT.chem"), ("用火用电用气设备是否有人值守", "ELEC.wire"),
    ("疏散通道和安全出口是否畅通", "FIRE.exit"),
)  # fmt: skip
_SITES = (("SXC", "实训楼"), ("XB3", "化工实验室"), ("SGZX", "学生宿舍"), ("STZX", "食堂操作间"))


def accident_story(stage: Stage) -> Story:
    """The two accidents told of at the meeting of 5 December: every place of their kind looks whether it could happen there."""
    on = campaign().raw["figures"]["school_meetings"]["dates"][0]
    opened_at = stage.at(on, 17)
    opened = {
        "title": "近期两起校园安全事故情况通报", "kind": "accident", "dated_on": on.isoformat(), "tier": "province",
        "issuer": "省教育厅",
    }  # fmt: skip
    answer = yield Ask(opened_at, OFFICE, OpenCase("notice", opened))
    number = done(answer).case.number
    convey = {
        "audience": [*MIDDLE_MANAGERS], "key_points": "举一反三，对照检查同类部位",
        "items": [{"title": title, "category": category} for title, category in _ITEMS],
        "sites": [{"department": department, "place": place} for department, place in _SITES],
    }  # fmt: skip
    conveyed_at = opened_at + timedelta(minutes=20)
    answer = yield Ask(conveyed_at, OFFICE, FireTrigger(number, "convey", convey))
    told = done(answer)
    last_at = yield from _confirmed(stage, Random("accident"), number, told.case.unconfirmed, conveyed_at)
    carried_at = stage.workdays_later(last_at, 5, 15)
    yield Ask(carried_at, OFFICE, FireTrigger(number, "carry_out", {"done": "同类部位已全部对照检查，未发现同类隐患"}))
    yield Ask(carried_at + timedelta(minutes=30), OFFICE, FireTrigger(number, "report_back", {}))
    yield Ask(stage.workdays_later(carried_at, 1, 10), DEAN, FireTrigger(number, "close", {"opinion": "同意办结"}))


def comparison_story(stage: Stage, number: str, department: str, opened_at: datetime) -> Story:
    """Nothing failed, so that the ledger holds the hazards it held; what there is none of is said with the reason."""
    chance = Random(f"comparison {department}")
    answers: dict[str, Any] = {str(n): {"result": "pass"} for n in range(1, len(_ITEMS) + 1)}
    if department in ("SGZX", "STZX"):
        answers["1"] = {"result": "na", "note": "本部位不存放化学品"}
    key = department.lower()
    looked_at = stage.workdays_later(opened_at, chance.choice((1, 2, 3)), 10)
    sheet = {"answers": answers, "summary": "已逐项对照，未发现同类隐患"}
    yield Ask(looked_at, f"{key}.safety", FireTrigger(number, "submit", sheet))
    yield Ask(
        stage.workdays_later(looked_at, 1, 9), f"{key}.head", FireTrigger(number, "sign", {"opinion": "情况属实"})
    )


def given_story(stage: Stage, case: Case) -> Story | None:
    """How what a notice gave out goes on; None for what is none of these."""
    if case.workflow == "task":
        return task_story(stage, case.number, str(case.department), case.title, case.opened_at)
    if case.workflow == "comparison":
        return comparison_story(stage, case.number, str(case.department), case.opened_at)
    return None
