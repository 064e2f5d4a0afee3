"""The month that lies behind the walk: what was found, and what a school makes of a month that is over."""

from datetime import date
from typing import Any

from engine.store import periods
from tests.journeys.campus import DAY, PHOTO, SCHOOL, Campus
from workflows import daily, hazard_report, portal, weekly
from workflows.reference import checklists, criteria_for

TODAY = date(2020, 4, 1)  # a Wednesday
LAST = date(2020, 3, 31)
IN_IT = {"first_day": DAY.isoformat(), "last_day": LAST.isoformat()}
#: what, where, category, whose, who puts it right; the campus itself finds some more in logistics
FOUND = (
    ("疏散指示标志不亮", "教学楼二层西侧", "FIRE.equip", "HQC", "fixer"),
    ("防火门闭门器脱落", "综合楼一层", "FIRE.door", "HQC", "fixer"),
    ("窨井盖破损", "北门内道路", "BLDG.ground", "HQC", "fixer"),
    ("留样记录缺两日", "第一食堂", "FOOD.cook", "HQC", "fixer"),
    ("砂轮机防护罩缺失", "机电实训室", "LABT.mach", "XB1", "xb1_head"),
    ("气瓶未固定", "焊接实训室", "LABT.cyl", "XB1", "xb1_head"),
    ("配电箱前堆放杂物", "数控实训室", "ELEC.room", "XB1", "xb1_head"),
    ("弱口令未更换", "网络机房", "INFO.acct", "XB2", "xb2_head"),
)


def a_month_gone_by(campus: Campus) -> dict[str, str]:
    """One case of each loop that looks back on it, by the loop's key; it is the morning of `TODAY` then."""
    closed = _hazards(campus)
    campus.on(TODAY)
    return _filings(campus) | {
        "bulletin": _a_bulletin(campus),
        "stage_summary": _a_summary(campus),
        **_a_spot_check(campus, closed),
        **_inspections(campus),
        **_from_outside(campus),
    }


def _hazards(campus: Campus) -> list[str]:
    """The numbers of those that were closed."""
    closed = []
    campus.hazard("assigned", extended=True)
    for _ in range(2):
        path = campus.hazard("verified")
        closed.append(campus.done("head", f"{path}/approve", opinion="同意销号")["number"])
    campus.on(date(2020, 3, 24))
    for title, place, category, department, holder in FOUND:
        number = campus.done("teacher", "/api/v1/hazards", title=title, place=place)["number"]
        campus.done(
            "officer", f"/api/v1/hazards/{number}/assign", category=category, department=department, assignee=holder,
            criteria={each.code: False for each in criteria_for(category)}, time_limit="days3" if department == "XB1" else "days30",
            requirement="按规定整改", interim="设置警示标志",
        )  # fmt: skip
    return closed


def _filings(campus: Campus) -> dict[str, str]:
    owed = (
        (weekly.CYCLE, "DZB", date(2020, 3, 23), date(2020, 3, 29)),
        (portal.CYCLE, "DZB", date(2020, 3, 1), LAST),
        (hazard_report.CYCLE, "HQC", date(2020, 3, 1), LAST),
        (hazard_report.CYCLE, "XB2", date(2020, 3, 1), LAST),
        (daily.CYCLE, "HQC", TODAY, TODAY),
    )
    with campus.runtime.database.write_across() as connection:
        for cycle, scope, first, last in owed:
            periods.owe(connection, periods.Obligation(SCHOOL, cycle, scope, first, last))
    campus.runtime.tick()
    opened = campus.get("head", "/api/v1/periods")["items"]
    numbers = {(each["cycle"], each["scope"]): str(each["number"]) for each in opened}
    week, month = numbers[weekly.CYCLE, "DZB"], numbers[portal.CYCLE, "DZB"]
    report, morning = numbers[hazard_report.CYCLE, "HQC"], numbers[daily.CYCLE, "HQC"]
    campus.done("officer", f"/api/v1/weeklies/{week}/compile", participants=9, reasons="等配件")
    campus.done("head", f"/api/v1/weeklies/{week}/sign", opinion="情况属实")
    campus.done("officer", f"/api/v1/weeklies/{week}/submit", to="市教育局", how="mail")
    campus.done("officer", f"/api/v1/portals/{month}/compile")
    campus.done("head", f"/api/v1/portals/{month}/sign", opinion="同意填报")
    campus.done("officer", f"/api/v1/portals/{month}/submit", to="省风险管控系统", how="platform")
    campus.done("hqc_safety", f"/api/v1/hazard_reports/{report}/compile", reasons="等配件", next_month="电气线路")
    ill: dict[str, Any] = {"expected": 40, "present": 38, "sick": 2, "symptoms": 1, "travel": 0}
    ill |= {"diagnosis": "发热，已就诊，居家观察", "traced_by": "班主任"}
    campus.done("hqc_safety", f"/api/v1/dailies/{morning}/report", **ill)
    return {"weekly": week, "portal": month, "hazard_report": report, "daily": morning}


def _a_bulletin(campus: Campus) -> str:
    """Published, and read by one."""
    said = {"title": "4 月安全例会通报", "held_on": TODAY.isoformat(), "first_day": DAY.isoformat()}
    number = str(campus.done("officer", "/api/v1/bulletins", **said)["number"])
    path = f"/api/v1/bulletins/{number}"
    campus.done("head", f"{path}/compile", requirements="逾期隐患本周内销号")
    campus.done("vice", f"{path}/sign", opinion="同意")
    meeting = {"title": "行政办公会", "kind": "school_meeting", "dated_on": TODAY.isoformat()}
    campus.done("officer", f"{path}/read_out", meeting=campus.done("officer", "/api/v1/notices", **meeting)["number"])
    campus.done("officer", f"{path}/publish")
    campus.done("hqc_head", f"{path}/confirm")
    return number


def _a_summary(campus: Campus) -> str:
    number = campus.done("officer", "/api/v1/stage_summaries", title="3 月阶段小结", **IN_IT)["number"]
    campus.done("officer", f"/api/v1/stage_summaries/{number}/compile")
    return str(number)


def _a_spot_check(campus: Campus, closed: list[str]) -> dict[str, str]:
    """Drawn among what there was; the revisit is to one of these that were closed."""
    said: dict[str, Any] = {"title": "3 月抽查", **IN_IT, "how_many": 10, "due_on": "2020-04-20"}
    number = campus.done("officer", "/api/v1/spot_checks", **said, visitors=["xb1_safety", "teacher"])["number"]
    drawn = campus.done("officer", f"/api/v1/spot_checks/{number}/draw")
    children = [link["number"] for link in drawn["links"] if link["kind"] == "child"]
    visits = [campus.get("officer", f"/api/v1/revisits/{each}") for each in children]
    visit = next(visit for visit in visits if visit["facts"]["hazard"] in closed)
    return {"spot_check": str(number), "revisit": str(visit["number"]), "visitor": str(visit["assignee"])}


def _inspections(campus: Campus) -> dict[str, str]:
    """One across departments, of which one check is in; one by groups; an own check after an accident elsewhere."""
    by = "2020-04-10"
    across = campus.done(
        "officer", "/api/v1/cross_inspections", title="4 月交叉检查", departments=["HQC", "XB1", "XB2"], due_on=by
    )["number"]
    drawn = campus.done("officer", f"/api/v1/cross_inspections/{across}/draw")
    check = next(link["number"] for link in drawn["links"] if link["kind"] == "child")
    one = campus.get("officer", f"/api/v1/cross_checks/{check}")
    items = [item.code for code in one["facts"]["checklists"] for item in checklists()[code].items]
    answers: dict[str, Any] = {code: {"result": "pass"} for code in items}
    answers[items[0]] = {"result": "fail", "note": "堆放杂物"}
    inspector = {"HQC": "hqc_safety", "XB1": "xb1_safety", "XB2": "xb2_head"}[one["department"]]
    campus.done(
        inspector, f"/api/v1/cross_checks/{one['number']}/submit", answers=answers, photos={items[0]: PHOTO},
        summary="一处堆物",
    )  # fmt: skip
    areas = [{"place": f"实训楼 {floor} 层", "department": "XB1"} for floor in range(1, 4)]
    groups = campus.done(
        "officer", "/api/v1/group_inspections", title="分组排查", areas=areas, leaders=["fixer", "teacher"], due_on=by
    )["number"]
    in_groups = campus.done("officer", f"/api/v1/group_inspections/{groups}/draw")
    area = next(link["number"] for link in in_groups["links"] if link["kind"] == "child")
    return {
        "cross_inspection": str(across),
        "cross_check": str(one["number"]),
        "group_inspection": str(groups),
        "group_check": str(area),
    }


def _from_outside(campus: Campus) -> dict[str, str]:
    """What a superior gave out, an accident elsewhere, a line of the ledger there was before."""
    by = "2020-04-20"
    task = campus.done(
        "officer", "/api/v1/tasks", title="更换实训楼灭火器", department="HQC", place="实训楼", due_on=by,
        basis="关于开展冬季校园安全检查的通知",
    )["number"]  # fmt: skip
    campus.done("hqc_head", f"/api/v1/tasks/{task}/assign", assignee="fixer", requirement="逐层核对压力")
    items = [
        {"title": "气瓶是否固定、有无泄漏", "category": "LABT.cyl"},
        {"title": "危险化学品是否双人双锁", "category": "LABT.chem"},
    ]
    compared = campus.done(
        "officer", "/api/v1/comparisons", title="对照检查：某校实验室火灾", place="焊接实训室", department="XB1", items=items,
        due_on=by, basis="事故通报",
    )["number"]  # fmt: skip
    line: dict[str, Any] = {
        "key": "0" * 64, "number": "27", "sheet": "台账", "row": 28, "found_on": "2019-11-12", "closed": True,
        "closed_on": "2019-11-20", "written": {"隐患描述": "楼梯扶手松动", "整改情况": "已加固"},
    }  # fmt: skip
    record = campus.done(
        "officer", "/api/v1/records", title="楼梯扶手松动", place="教学楼东侧", category="BLDG.rail", department="HQC",
        imported=line,
    )["number"]  # fmt: skip
    return {"task": str(task), "comparison": str(compared), "record": str(record)}
