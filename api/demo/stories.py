"""How the people of the campaign act: each case is a story told step by step, some of them late, some sent back.

A story is a generator: it yields what somebody asks and when, and is sent what came of it. Chance is drawn from a
generator seeded with the story's own name, so every replay tells the same.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any

from api.demo.campaign import campaign
from api.demo.school import ACCEPTANCE_MEMBERS, LOGISTICS, REPAIRERS, SECURITY, holder_in
from engine.calendar import Calendar
from engine.case import Case
from engine.commands import FireTrigger, OpenCase
from engine.handle import Done, Refused
from workflows.portal import MOST_RECEIPTS
from workflows.reference import (
    Level,
    Sample,
    checklists,
    criteria_for,
    departments,
    interim_suggestion,
    limits,
    samples,
)


@dataclass(frozen=True)
class Ask:
    """Somebody asks for something at an instant; one that already passed means as soon as possible.

    refused   the step is told because it is refused; any other refusal is a defect of the story
    also      who else asks at that instant, and for what, under the same commit; the story is sent what came of the first
    """

    at: datetime
    person: str
    command: OpenCase | FireTrigger
    refused: bool = False
    also: tuple[tuple[str, FireTrigger], ...] = ()


Answer = Done | Refused
Story = Generator[Ask, Answer, None]


@dataclass(frozen=True)
class Stage:
    """What every story needs: the calendar people live by, and the pictures they can show.

    known           gives the calendar as it is known at the moment; it changes on 27 January
    before, after   hashes of uploaded pictures
    behind          the numbers of the cases that a filing found
    bulletins       day of a meeting → the number of the bulletin for it, once that is opened
    """

    known: Callable[[], Calendar]
    before: tuple[str, ...]
    after: tuple[str, ...]
    behind: Callable[[Case], list[str]] = lambda _: []
    bulletins: dict[date, str] = field(default_factory=dict)

    @property
    def calendar(self) -> Calendar:
        return self.known()

    def at(self, day: date, hour: int, minute: int = 0) -> datetime:
        """That day and time, on the next working day if it is a day off."""
        return self.calendar.at(self.calendar.next_workday(day), time(hour, minute))

    def workdays_later(self, instant: datetime, days: int, hour: int, minute: int = 0) -> datetime:
        day = self.calendar.add_workdays(self.calendar.local_date(instant), days)
        return self.calendar.at(day, time(hour, minute))


def done(answer: Answer) -> Done:
    """The answer of a step that the story counts on."""
    if isinstance(answer, Refused):
        raise answer.refusal
    return answer


# --- hazards ---------------------------------------------------------------------------------------------------------

#: how a hazard of the ledger goes, besides the ordinary way; by sample, so that the ledger shows one of each
TWISTS: dict[str, str] = {
    "H022": "extended", "H089": "extended", "H026": "returned", "H104": "returned", "H058": "returned_thrice",
    "H033": "rejected", "H041": "merged", "H036": "rebound", "H048": "self_verify", "H006": "no_photo",
    "H115": "extended_late", "H045": "blocked", "H087": "blocked", "H119": "late", "H112": "late", "H095": "late_receipt",
    "H030": "late_triage",
}  # fmt: skip

#: samples whose day matters: a limit over the make-up Sunday of 19 January, one over the make-up Saturday of 1 February
#: that the extended holiday later took away, and one that was running then and still is
REPORTED_ON = {"H030": date(2020, 1, 13), "H065": date(2020, 1, 22), "H045": date(2020, 1, 19)}

#: the nine of 15 January: buildings, fire and other things that logistics answers for
GROUP = ("H007", "H011", "H012", "H003", "H040", "H031", "H025", "H039", "H103")


def group_samples() -> list[Sample]:
    found = [samples()[code] for code in GROUP]
    assert len(found) == campaign().hazards_of_the_group
    return found


def ledger_samples() -> list[Sample]:
    """Every other sample, in the order they come up."""
    taken = {s.code for s in group_samples()}
    rest = [s for s in samples().values() if s.code not in taken]
    Random("order of the ledger").shuffle(rest)
    return rest


def ledger_days(stage: Stage) -> list[tuple[Sample, date]]:
    """Each sample of the ledger with the day it is reported: spread over the campaign, none with the group inspection."""
    told = campaign()
    ledger = ledger_samples()
    days = (told.last - told.first).days - 6  # the last week only works off what is there
    spread = [told.first + timedelta(days=1 + n * days // len(ledger)) for n in range(len(ledger))]
    return [
        (sample, REPORTED_ON.get(sample.code) or _next(stage.calendar, day, told.group_inspection))
        for sample, day in zip(ledger, spread, strict=True)
    ]


def _next(calendar: Calendar, day: date, avoided: date) -> date:
    day = calendar.next_workday(day)
    return calendar.next_workday(day + timedelta(days=1)) if day == avoided else day


def ledger_story(stage: Stage, sample: Sample, day: date) -> Story:
    """A hazard of the ledger, from whoever saw it to whoever closes it."""
    chance = Random(f"ledger {sample.code}")
    reporter = _reporter(chance, sample)
    reported_at = stage.at(day, chance.randint(8, 16), chance.randint(0, 59))
    answer = yield Ask(reported_at, reporter, OpenCase("hazard", _report(stage, chance, sample)))
    number = done(answer).case.number
    if sample.limit == "on_spot":
        yield from _on_spot(stage, chance, sample, number, reporter, reported_at)
    else:
        yield from _worked_off(stage, chance, sample, number, reported_at)
        if TWISTS.get(sample.code) == "rebound":
            again_at = stage.workdays_later(reported_at, 18, 10)
            answer = yield Ask(again_at, reporter, OpenCase("hazard", _report(stage, chance, sample)))
            yield from _worked_off(stage, chance, sample, done(answer).case.number, again_at)


def _reporter(chance: Random, sample: Sample) -> str:
    """A safety officer of another department on his round, or a teacher of the department's own."""
    others = [d.code.lower() for d in departments().values() if not d.external and d.code != sample.department]
    if sample.limit == "on_spot":
        return f"{chance.choice(others)}.safety"
    return f"{chance.choice(others)}.{chance.choice(('safety', 'staff', 'staff'))}"


def _report(stage: Stage, chance: Random, sample: Sample) -> dict[str, Any]:
    return {
        "title": sample.title.zh,
        "place": _place(sample),
        "category": sample.category,
        "department": sample.department,
        "photos": [chance.choice(stage.before)],
        "source": "staff",
    }


#: where the samples of a department lie; a number of its own keeps two of them from being taken for one come back
BUILDINGS = {
    "HQC": "教学楼", "BWC": "校门及道路", "SXC": "实训楼", "STZX": "食堂", "SGZX": "学生宿舍", "XXZX": "图文信息楼",
    "XGC": "学生活动中心", "TYZ": "体育馆", "YWS": "医务室", "JWC": "图书馆",
}  # fmt: skip


def _place(sample: Sample) -> str:
    number = int(sample.code[1:])
    return f"{BUILDINGS.get(sample.department, '行政楼')}{number % 5 + 1}层（{number}号点）"


def _criteria(sample: Sample) -> dict[str, bool]:
    return {criterion.code: criterion.code in sample.criteria for criterion in criteria_for(sample.category)}


def _on_spot(stage: Stage, chance: Random, sample: Sample, number: str, inspector: str, at: datetime) -> Story:
    """Corrected in front of the inspector, and still on record: he shows the result and signs twice."""
    external = departments()[sample.department].external
    corrected = {
        "category": sample.category, "criteria": _criteria(sample), "department": sample.department,
        "corrected_by": holder_in(sample.department, external=external), "measure": "当场改正",
        "photos_after": [chance.choice(stage.after)],
    }  # fmt: skip
    at += timedelta(minutes=chance.randint(5, 40))
    yield Ask(at, inspector, FireTrigger(number, "correct_on_spot", corrected))
    yield Ask(at + timedelta(minutes=3), inspector, FireTrigger(number, "verify", {"finding": "已在现场确认"}))
    yield Ask(at + timedelta(minutes=5), inspector, FireTrigger(number, "approve", {"opinion": "同意销号"}))


def _worked_off(stage: Stage, chance: Random, sample: Sample, number: str, reported_at: datetime) -> Story:
    """The long way: notice, receipt, work, check, closure; with the twist this sample has."""
    twist = TWISTS.get(sample.code, "")
    triage_at = stage.workdays_later(reported_at, 2 if twist in ("late", "late_triage") else 0, 17) + timedelta(
        minutes=5
    )
    if twist == "rejected":
        yield Ask(
            triage_at, "safety.staff", FireTrigger(number, "reject", {"reason": "不属于校园安全事项，已转教务处处理"})
        )
        return
    if twist == "merged":
        answer = yield Ask(triage_at, "safety.staff", OpenCase("hazard", _report(stage, chance, sample)))
        into = {"into": done(answer).case.number, "reason": "与同日巡查登记的隐患重复"}
        yield Ask(triage_at + timedelta(minutes=4), "safety.staff", FireTrigger(number, "merge", into))
        number = done(answer).case.number
    assignee = _assignee(chance, sample)
    assigned = yield from _assigned(sample, number, assignee, triage_at)
    receipt_at = stage.workdays_later(triage_at, 3 if twist == "late_receipt" else 1, 8, 20)
    if twist == "late_receipt" or chance.random() < 0.9:  # one in ten starts work without a word
        yield Ask(receipt_at, assignee, FireTrigger(number, "acknowledge"))
    if sample.level == Level.MAJOR:
        assigned = yield from _planned(stage, number, assignee, receipt_at)
    due_at = assigned.case.due_at
    assert due_at is not None  # an assigned hazard has its limit
    if twist == "blocked":
        return  # waits for a contractor and for money from the bureau: overdue, and never silent
    if twist == "extended":
        due_at = yield from _extended(stage, number, assignee, due_at)
    yield from _fixed_and_closed(stage, chance, sample, number, assignee, due_at, twist)


def _assignee(chance: Random, sample: Sample) -> str:
    if sample.department == LOGISTICS:
        return chance.choice(REPAIRERS)
    return holder_in(sample.department, external=departments()[sample.department].external)


def _assigned(sample: Sample, number: str, assignee: str, at: datetime) -> Generator[Ask, Answer, Done]:
    interim = sample.interim or interim_suggestion(sample.category).zh
    notice = {
        "category": sample.category, "criteria": _criteria(sample), "department": sample.department,
        "assignee": assignee, "time_limit": sample.limit, "requirement": f"请按要求整改：{sample.title.zh}",
        "interim": interim if limits()[sample.limit].needs_interim else None,
    }  # fmt: skip
    answer = yield Ask(at, "safety.staff", FireTrigger(number, "assign", notice))
    return done(answer)


def _planned(stage: Stage, number: str, assignee: str, at: datetime) -> Generator[Ask, Answer, Done]:
    """A major hazard: the plan with its five items, and the principal's word."""
    filed_at = stage.workdays_later(at, 2, 15)
    plan = {
        "responsible_person": assignee, "measures": "停用相关部位，请专业单位制定并实施整改", "fund": "约 2 万元，学校维修经费",
        "due_date": stage.calendar.add_workdays(stage.calendar.local_date(filed_at), 15).isoformat(),
        "emergency_plan": "封闭隔离，专人值守，异常立即上报并疏散",
    }  # fmt: skip
    yield Ask(filed_at, assignee, FireTrigger(number, "file_plan", plan))
    decision = FireTrigger(number, "approve_plan", {"opinion": "同意，落实资金，按期完成"})
    answer = yield Ask(stage.workdays_later(filed_at, 1, 10), "principal", decision)
    return done(answer)


def _extended(stage: Stage, number: str, assignee: str, due_at: datetime) -> Generator[Ask, Answer, datetime]:
    """Asked before the limit, granted by the vice-principal; the first limit stays on record."""
    later = stage.calendar.add_workdays(stage.calendar.local_date(due_at), 5)
    asked = {"new_date": later.isoformat(), "reason": "配件缺货", "interim": "停用并设警示标识"}
    asked_at = stage.workdays_later(due_at, -1, 9)
    yield Ask(asked_at, assignee, FireTrigger(number, "ask_extension", asked))
    grant = FireTrigger(number, "grant_extension", {"opinion": "同意延期，确保防范措施到位"})
    answer = yield Ask(asked_at + timedelta(hours=6), "vp.safety", grant)
    granted = done(answer).case.due_at
    assert granted is not None  # it was asked for with a date
    return granted


def _fixed_and_closed(
    stage: Stage, chance: Random, sample: Sample, number: str, assignee: str, due_at: datetime, twist: str
) -> Story:
    fixed_at = _fixed_at(stage, chance, due_at, twist)
    if twist == "extended_late":
        late = stage.calendar.add_workdays(stage.calendar.local_date(due_at), 10).isoformat()
        asked = {"new_date": late, "reason": "人手不足", "interim": "加强巡查"}
        too_late = FireTrigger(number, "ask_extension", asked)
        yield Ask(stage.workdays_later(due_at, 1, 9), assignee, too_late, refused=True)
    if twist == "no_photo":
        forgotten = FireTrigger(number, "fix", {"measure": "已调换"})
        yield Ask(fixed_at - timedelta(minutes=10), assignee, forgotten, refused=True)
    returns = {"returned": 1, "returned_thrice": 3}.get(twist, 0)
    for _ in range(returns):
        yield Ask(fixed_at, assignee, _fix(stage, chance, sample, number))
        back = {"reason": "现场查看仍未彻底整改", "time_limit": "days3"}
        answer = yield Ask(stage.workdays_later(fixed_at, 1, 10), "safety.staff", FireTrigger(number, "return", back))
        again = done(answer).case.due_at
        assert again is not None  # returned with a new limit
        fixed_at = stage.workdays_later(again, -1, 15)
    yield Ask(fixed_at, assignee, _fix(stage, chance, sample, number))
    if twist == "self_verify":
        own = FireTrigger(number, "verify", {"finding": "已修好"})
        yield Ask(fixed_at + timedelta(minutes=2), assignee, own, refused=True)
    yield from _closed(stage, chance, sample, number, fixed_at)


def _fixed_at(stage: Stage, chance: Random, due_at: datetime, twist: str) -> datetime:
    """Mostly a little before the limit; one in six after it, and then reminders and escalations went out."""
    drawn = chance.random()
    if twist in ("late", "extended_late") or drawn < 1 / 6:
        return stage.workdays_later(due_at, chance.choice((1, 2, 4, 8)), 16)
    before = -1 if drawn > 0.5 else 0  # half of them on the very day
    return stage.workdays_later(due_at, before, 14, chance.randint(0, 59))


def _fix(stage: Stage, chance: Random, sample: Sample, number: str) -> FireTrigger:
    fixed = {"measure": f"已整改：{sample.title.zh}", "photos_after": [chance.choice(stage.after)]}
    return FireTrigger(number, "fix", fixed)


def _closed(stage: Stage, chance: Random, sample: Sample, number: str, fixed_at: datetime) -> Story:
    checked_at = stage.workdays_later(fixed_at, chance.choice((1, 1, 2, 4)), 10, chance.randint(0, 59))
    finding = FireTrigger(number, "verify", {"finding": "现场复查合格", "photos_check": [chance.choice(stage.after)]})
    approve = FireTrigger(number, "approve", {"opinion": "同意销号"})
    if sample.level == Level.MAJOR:
        for minutes, member in enumerate(ACCEPTANCE_MEMBERS[:2]):
            yield Ask(checked_at + timedelta(minutes=minutes), member, finding)
        yield Ask(stage.workdays_later(checked_at, 1, 11), chance.choice(("principal", "secretary")), approve)
        return
    answer = yield Ask(checked_at, "safety.staff", finding)
    closer = "vp.safety" if done(answer).case.mode == "general_extended" else "safety.head"
    yield Ask(stage.workdays_later(checked_at, chance.choice((0, 1, 1, 3)), 16), closer, approve)


# --- the group inspection of 15 January ------------------------------------------------------------------------------


def group_story(stage: Stage, sample: Sample, order: int) -> Story:
    """Found in groups before the break, put off to it with leave and a protective measure, fixed there, closed after it."""
    told = campaign()
    chance = Random(f"group {sample.code}")
    inspectors = [d.code.lower() for d in departments().values() if not d.external and d.code != LOGISTICS]
    found_at = stage.at(told.group_inspection, 14, order * 5)
    report = {**_report(stage, chance, sample), "source": "group"}
    found = OpenCase("hazard", report, found_at=found_at)
    answer = yield Ask(found_at + timedelta(hours=2), f"{inspectors[order]}.safety", found)
    number = done(answer).case.number
    assignee = REPAIRERS[order % len(REPAIRERS)]
    triage_at = stage.workdays_later(found_at, 1, 9, order)
    yield from _assigned(sample, number, assignee, triage_at)
    yield Ask(triage_at + timedelta(hours=2), assignee, FireTrigger(number, "acknowledge"))
    first, last = told.winter_break
    asked = {
        "until": stage.calendar.add_workdays(last, -1 - order % 3).isoformat(), "reason": "学期结束，安排假期集中整治",
        "interim": sample.interim or interim_suggestion(sample.category).zh,
    }  # fmt: skip
    asked_at = stage.workdays_later(triage_at, 1, 9, order)
    yield Ask(asked_at, assignee, FireTrigger(number, "ask_deferral", asked))
    grant = FireTrigger(number, "grant_deferral", {"opinion": "同意，行政办公会已通报，假期内完成"})
    yield Ask(asked_at + timedelta(hours=5), "vp.safety", grant)
    # logistics works through the holidays: some before the new year, most after the extended one
    early = first + timedelta(days=2 + order)
    fixed_on = early if order % 2 else last - timedelta(days=9 - order)
    fixed_at = stage.calendar.at(fixed_on, time(15, order))
    yield Ask(fixed_at, assignee, _fix(stage, chance, sample, number))
    checked_at = max(stage.workdays_later(fixed_at, 1, 10, order), stage.at(last - timedelta(days=6), 10, order))
    finding = FireTrigger(number, "verify", {"finding": "假期整治后现场复查合格"})
    yield Ask(checked_at, "safety.staff", finding)
    approve = FireTrigger(number, "approve", {"opinion": "同意销号"})
    yield Ask(stage.workdays_later(checked_at, 1, 15, order), "vp.safety", approve)


# --- drills ----------------------------------------------------------------------------------------------------------

DRILLS: tuple[dict[str, Any], ...] = (
    {
        "title": "联合火灾逃生疏散演练", "place": "教学楼与操场", "plan_name": "火灾应急疏散预案", "should_attend": 312,
        "attended": 309, "evacuation_seconds": 134, "course": "与永兴消防中队联合，含逃生疏散、灭火演练、消防知识讲座",
        "problems": [{"title": "东侧楼梯转角拥挤，缺少疏导人员", "place": "教学楼东侧楼梯", "category": "ACTV.crowd"}],
    },
    {
        "title": "寄宿生冬季消防应急疏散演练", "place": "学生宿舍区", "plan_name": "宿舍消防应急疏散预案", "should_attend": 1286,
        "attended": 1280, "evacuation_seconds": 118, "course": "中午发出信号，全体寄宿生沿疏散通道撤离至操场",
        "problems": [{"title": "宿舍四层应急照明一处不亮", "place": "学生宿舍四层", "category": "FIRE.exit"}],
    },
)  # fmt: skip


def drill_story(stage: Stage, held_on: date, facts: dict[str, Any]) -> Story:
    told = campaign()
    planned_at = max(stage.at(told.first, 9), stage.workdays_later(stage.at(held_on, 9), -10, 9))
    planned = {
        "title": facts["title"], "place": facts["place"], "plan_name": facts["plan_name"], "department": SECURITY,
        "planned_on": held_on.isoformat(),
    }  # fmt: skip
    answer = yield Ask(planned_at, "bwc.safety", OpenCase("drill", planned))
    number = done(answer).case.number
    commander = "bwc.head"
    order = {"assignee": commander, "arrangement": "通知各班和参演人员，检查通道、广播和物资"}
    yield Ask(stage.workdays_later(planned_at, 1, 10), "safety.staff", FireTrigger(number, "announce", order))
    held = {
        "held_on": held_on.isoformat(), "evacuation_seconds": facts["evacuation_seconds"],
        "should_attend": facts["should_attend"], "attended": facts["attended"], "course": facts["course"],
        "photos": [stage.after[0]],
    }  # fmt: skip
    yield Ask(stage.calendar.at(held_on, time(16, 30)), commander, FireTrigger(number, "hold", held))
    review = {"suitability": "预案适用", "sufficiency": "物资人员充分", "problems": facts["problems"]}
    reviewed_at = stage.workdays_later(stage.at(held_on, 9), 2, 14)
    yield Ask(reviewed_at, "safety.head", FireTrigger(number, "review", review))
    filed = FireTrigger(number, "archive", {"opinion": "同意归档，问题按隐患整改"})
    yield Ask(stage.workdays_later(reviewed_at, 1, 9), "vp.safety", filed)


# --- monthly inspections ---------------------------------------------------------------------------------------------

#: month → departments that hand in late, and those that never do: winter break and epidemic took their toll
LATE = {"2019-12": ("RSC",), "2020-01": ("JXJY", "CWC"), "2020-02": ("TYZ", "XB1", "XB5"), "2020-03": ("ZSJY",)}
NEVER = {"2020-01": ("XB4",), "2020-02": ("JXJY", "ZSJY")}


def inspection_story(stage: Stage, number: str, department: str, month: str, lists: list[str]) -> Story:
    """Walked, answered item by item, signed by the head. Some months nobody hands it in, and it stays missing."""
    if department in NEVER.get(month, ()):
        return
    chance = Random(f"inspection {department} {month}")
    first = date.fromisoformat(f"{month}-01")
    day = chance.randint(22, 27) if department in LATE.get(month, ()) else chance.randint(8, 17)
    walked_at = stage.at(first + timedelta(days=day - 1), chance.randint(9, 16), chance.randint(0, 59))
    while month == "2020-01" and stage.calendar.local_date(walked_at) == campaign().group_inspection:
        walked_at = stage.workdays_later(walked_at, 1, 10)
    items = [item for code in lists for item in checklists()[code].items]
    answers: dict[str, Any] = {item.code: {"result": "pass"} for item in items}
    photos: dict[str, str] = {}
    if chance.random() < 0.3:  # most rounds find nothing, and say so
        failed = chance.choice(items)
        answers[failed.code] = {"result": "fail", "note": "现场查看不符合要求"}
        photos[failed.code] = chance.choice(stage.before)
    elif chance.random() < 0.3:  # some items have no object here
        skipped = chance.choice(items)
        answers[skipped.code] = {"result": "na", "note": "本部门无此类设施"}
    summary = "发现隐患，已登记" if photos else "零报告：未发现隐患"
    sheet = {"answers": answers, "photos": photos, "summary": summary}
    key = department.lower()
    yield Ask(walked_at, f"{key}.safety", FireTrigger(number, "submit", sheet))
    signed_at = stage.workdays_later(walked_at, chance.choice((0, 1, 1, 2, 5)), 17)
    yield Ask(signed_at, f"{key}.head", FireTrigger(number, "sign", {"opinion": "情况属实"}))


# --- what is filed every week and every day ------------------------------------------------------------------------------

#: weeks handed in after their day, one that never was, and one whose table was corrected
LATE_WEEKS, MISSING_WEEK, CORRECTED_WEEK = ("2020-W02", "2020-W07"), "2020-W06", "2020-W10"
BUREAU = "市教育局安全处"


def week_story(stage: Stage, number: str, week: str) -> Story:
    """Compiled when the week is over, signed by somebody else, handed in, receipted; one is corrected afterwards."""
    if week == MISSING_WEEK:  # the second of the epidemic: nobody got round to it
        return
    chance = Random(f"week {week}")
    sunday = stage.calendar.at(date.fromisoformat(f"{week}-7"), time(12))
    compiled_at = stage.workdays_later(sunday, 3 if week in LATE_WEEKS else 1, 8, 35 + chance.randint(0, 20))
    yield from _filed(stage, chance, number, compiled_at)
    if week == CORRECTED_WEEK:
        noticed_at = stage.workdays_later(compiled_at, 2, 15)
        said = {"corrects": number, "reason": "漏计后勤处两名参与排查人员"}
        answer = yield Ask(noticed_at, "safety.staff", OpenCase("weekly", said))
        yield from _filed(stage, chance, done(answer).case.number, noticed_at + timedelta(minutes=10), more=2)


def _filed(stage: Stage, chance: Random, number: str, compiled_at: datetime, more: int = 0) -> Story:
    words = {
        "participants": chance.randint(24, 60) + more, "reasons": "配件采购或施工中，已落实临时防范措施",
        "responsible": "责任部门负责人", "finish_by": "按整改通知书时限",
    }  # fmt: skip
    yield Ask(compiled_at, "safety.staff", FireTrigger(number, "compile", words))
    signer = chance.choice(("safety.head", "safety.head", "vp.safety"))
    yield Ask(compiled_at + timedelta(hours=1), signer, FireTrigger(number, "sign", {"opinion": "情况属实，同意上报"}))
    sent = FireTrigger(number, "submit", {"to": BUREAU, "how": "mail"})
    yield Ask(compiled_at + timedelta(hours=2), "safety.staff", sent)
    receipt = FireTrigger(number, "receipt", {"receipt": f"安全周报〔{number[3:7]}〕{number[-4:]}号"})
    yield Ask(stage.workdays_later(compiled_at, chance.choice((1, 1, 2)), 10), "safety.staff", receipt)


def report_story(stage: Stage, number: str, department: str, month: str) -> Story:
    """What became of a department's hazards, compiled when the month is over, signed by its head; late where the round was."""
    if department in NEVER.get(month, ()):
        return
    chance = Random(f"report {department} {month}")
    first = date.fromisoformat(f"{month}-01")
    over = stage.calendar.at((first + timedelta(days=31)).replace(day=1) - timedelta(days=1), time(12))
    days = chance.randint(5, 8) if department in LATE.get(month, ()) else chance.randint(1, 2)
    compiled_at = stage.workdays_later(over, days, 9, chance.randint(0, 59))
    words = {"reasons": "按整改时限推进，已落实防范措施", "next_month": "消防设施、用电和校舍"}
    key = department.lower()
    yield Ask(compiled_at, f"{key}.safety", FireTrigger(number, "compile", words))
    signed_at = compiled_at + timedelta(hours=chance.randint(1, 6))
    yield Ask(signed_at, f"{key}.head", FireTrigger(number, "sign", {"opinion": "情况属实"}))


def platform_story(stage: Stage, number: str, month: str) -> Story:
    """The month's hazards, typed into the provincial platform; the numbers they got there, which two of the last month have not."""
    chance = Random(f"platform {month}")
    first = date.fromisoformat(f"{month}-01")
    over = stage.calendar.at((first + timedelta(days=31)).replace(day=1) - timedelta(days=1), time(12))
    compiled_at = stage.workdays_later(over, chance.choice((2, 3)), 14, chance.randint(0, 50))
    answer = yield Ask(compiled_at, "safety.staff", FireTrigger(number, "compile", {}))
    found = stage.behind(done(answer).case)
    signed_at = stage.workdays_later(compiled_at, 1, 9, 20)
    yield Ask(signed_at, "safety.head", FireTrigger(number, "sign", {"opinion": "同意填报"}))
    sent = FireTrigger(number, "submit", {"to": "省风险管控系统", "how": "platform"})
    yield Ask(signed_at + timedelta(minutes=30), "safety.staff", sent)
    last = month == "2020-02"
    given = [
        {"hazard": hazard, "receipt": f"SPT{month.replace('-', '')}{n:03}"}
        for n, hazard in enumerate(found[:-2] if last else found, start=1)
    ]
    for n in range(0, len(given), MOST_RECEIPTS):
        some = FireTrigger(number, "receipts", {"receipts": given[n : n + MOST_RECEIPTS]})
        yield Ask(signed_at + timedelta(hours=2, minutes=n), "safety.staff", some)
    if not last:  # two wait for the platform: the month stays open, and they are on the list
        yield Ask(
            signed_at + timedelta(hours=4), "safety.staff", FireTrigger(number, "receipt", {"receipt": f"批次{month}"})
        )


#: how many each of them looks after
PUPILS = {"XB1": 486, "XB2": 512, "XB3": 297, "XB4": 431, "XB5": 368, "XGC": 64}
#: (department, day) that was reported after half past eight, and that nobody reported
LATE_DAYS = {
    ("XB1", "2020-02-03"),
    ("XB3", "2020-02-11"),
    ("XB5", "2020-02-17"),
    ("XGC", "2020-03-02"),
    ("XB4", "2020-03-16"),
}
MISSED_DAYS = {("XB4", "2020-01-25"), ("XB2", "2020-02-09"), ("XB5", "2020-02-23")}
#: somebody of them had a fever that day
ILL_DAYS = {("XB1", "2020-02-06"), ("XB3", "2020-02-20"), ("XB2", "2020-03-18")}


def day_story(stage: Stage, number: str, department: str, day: str) -> Story:
    """Reported before half past eight, nothing to report as zero; some come late, some not at all."""
    if (department, day) in MISSED_DAYS:
        return
    chance = Random(f"day {department} {day}")
    at = time(10, 5) if (department, day) in LATE_DAYS else time(8, chance.randint(0, 25))
    ill = int((department, day) in ILL_DAYS)
    expected = PUPILS[department]
    said: dict[str, Any] = {"expected": expected, "present": expected - ill, "sick": ill, "symptoms": ill, "travel": 0}
    if ill:
        said |= {"diagnosis": "体温 37.6℃，居家观察，已就诊排除", "traced_by": "班主任、校医"}
    reported_at = stage.calendar.at(date.fromisoformat(day), at)
    yield Ask(reported_at, f"{department.lower()}.safety", FireTrigger(number, "report", said))


def found_story(stage: Stage, number: str, category: str, department: str, title: str, opened_at: datetime) -> Story:
    """A hazard that came out of an inspection or a drill: the ordinary way from triage on."""
    chance = Random(f"found {number}")
    criteria = {criterion.code: False for criterion in criteria_for(category)}
    assignee = chance.choice(REPAIRERS) if department == LOGISTICS else f"{department.lower()}.staff"
    notice = {
        "category": category, "criteria": criteria, "department": department, "assignee": assignee,
        "time_limit": "days3", "requirement": f"请整改：{title}"[:200], "interim": interim_suggestion(category).zh,
    }  # fmt: skip
    triage_at = stage.workdays_later(opened_at, 1, 9, 30)
    answer = yield Ask(triage_at, "safety.staff", FireTrigger(number, "assign", notice))
    due_at = done(answer).case.due_at
    assert due_at is not None  # three working days
    yield Ask(triage_at + timedelta(hours=3), assignee, FireTrigger(number, "acknowledge"))
    fixed_at = _fixed_at(stage, chance, due_at, "")
    fixed = {"measure": "已整改到位", "photos_after": [chance.choice(stage.after)]}
    yield Ask(fixed_at, assignee, FireTrigger(number, "fix", fixed))
    checked_at = stage.workdays_later(fixed_at, 1, 10)
    yield Ask(checked_at, "safety.staff", FireTrigger(number, "verify", {"finding": "现场复查合格"}))
    yield Ask(
        stage.workdays_later(checked_at, 1, 16), "safety.head", FireTrigger(number, "approve", {"opinion": "同意销号"})
    )
