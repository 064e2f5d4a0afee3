"""Which column of which paper comes from where: each row is a paper, a story and what stands there. Nothing here is rendered."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from api.papers.kinds import BY_CODE, KINDS, LISTS_BY_CODE, Kind, kinds_of
from api.papers.kinds.kind import by_hand
from api.papers.ledger import Told
from api.papers.making import of_story
from api.papers.paper import COMMON, Cell, Paper, field_of, fields_of_paper, short
from api.papers.pictures import HELD_BACK, MOST, holding_back, showing
from api.papers.story import Story
from engine.case import Case
from tests.workflows.school import DEPARTMENTS, OTHER_PHOTO, PEOPLE, PHOTO, SHANGHAI, School, a_school
from workflows import CATALOG
from workflows.reference import checklists, forms

NAMES = {f"person:{person}": f"{person}的姓名" for person in PEOPLE}
Play = Callable[[School], Case]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Story]]:
    """What happened, by the name of the story; each in a school of its own Monday."""
    with a_school(tmp_path_factory.mktemp("papers"), "sqlite") as school:
        yield {name: told(school, play(school)) for name, play in STORIES.items()}


def told(school: School, case: Case) -> Story:
    case = school.case(case.number)
    related = {link.number: school.case(link.number) for link in case.links}
    return Story(CATALOG.of(case), case, school.events(case), NAMES, DEPARTMENTS, SHANGHAI, school.clock.now(), related)


def _reported(school: School) -> Case:
    return school.hazard(details="三处", photos=[PHOTO])


def _assigned(school: School) -> Case:
    return school.assign(school.hazard(details="三处"))


def _extended(school: School) -> Case:
    """Acknowledged, extended, fixed, returned, fixed again and closed."""
    case = school.at("2020-01-06 10:00").assigned()
    school.at("2020-01-06 11:30").step("alice", case, "acknowledge")
    asked = {"new_date": "2020-03-20", "reason": "等配件", "interim": "断电"}
    school.at("2020-01-07 09:00").step("alice", case, "ask_extension", **asked)
    school.at("2020-01-07 10:00").step("vice", case, "grant_extension", opinion="同意，抓紧")
    school.at("2020-01-08 09:00").fix(case, spent="300 元")
    school.at("2020-01-08 10:00").step("officer", case, "return", reason="接线不牢", time_limit="days3", interim="断电")
    school.at("2020-01-09 09:00").fix(case, measure="重新接线", photos_after=[PHOTO, OTHER_PHOTO])
    school.at("2020-01-09 10:00").verify(case, photos_check=[OTHER_PHOTO])
    return school.at("2020-01-09 11:00").approve(case, "vice")


def _major(school: School) -> Case:
    """Its plan refused once; accepted by two, of whom one signed in another's name."""
    case = school.at("2020-01-10 09:00").file_plan(school.major())
    school.step("principal", case, "refuse_plan", opinion="预案不全")
    school.at("2020-01-10 10:00").file_plan(case, emergency_plan="停用三楼，断电挂牌，专人值守")
    school.at("2020-01-10 11:00").step("principal", case, "approve_plan", opinion="同意")
    school.at("2020-01-13 09:00").fix(case)
    school.at("2020-01-13 10:00").verify(case, "acceptor_of_xb1", finding="线路已更换")
    return school.at("2020-01-13 11:00").verify(case, "acceptor_of_xb2", finding="现场合格")


def _half_accepted(school: School) -> Case:
    case = school.fix(school.major_being_fixed())
    return school.verify(case, "acceptor_of_xb1", finding="线路已更换")


def _on_spot(school: School) -> Case:
    return school.corrected_on_spot()


def _drilled(school: School) -> Case:
    case = school.open(
        "officer", "drill", title="消防疏散演练", place="教学楼", department="HQC", planned_on="2020-01-14", target_seconds=120,
        plan_name="火灾应急预案",
    )  # fmt: skip
    school.step("officer", case, "announce", assignee="alice", arrangement="第二节课")
    held: dict[str, Any] = {"held_on": "2020-01-14", "evacuation_seconds": 134, "should_attend": 312, "attended": 309}
    school.at("2020-01-14 16:00").step("alice", case, "hold", **held, course="信号—疏散—清点", photos=[PHOTO])
    problems = [{"title": "楼梯拥挤", "place": "东侧楼梯"}]
    return school.step("officer", case, "review", suitability="适用", sufficiency="充分", problems=problems)


def _inspected(school: School) -> Case:
    """Handed in late, with one of its items failed; a head signed it, and after that the hazard was assigned."""
    school.owes_inspections("XB1", first_day=date(2020, 1, 1))
    school.at("2020-01-15 09:00").tick()
    [case] = [school.case(period.number) for period in school.periods() if period.number]
    items = [item.code for sheet in case.facts["checklists"] for item in checklists()[sheet].items]
    answers: dict[str, Any] = {code: {"result": "pass"} for code in items}
    answers[items[1]] = {"result": "fail", "note": "压力不足"}
    answers[items[2]] = {"result": "na", "note": "没有"}
    school.at("2020-02-20 09:00").step(
        "safety_of_xb1", case, "submit", answers=answers, photos={items[1]: PHOTO}, summary="一处压力不足"
    )
    school.at("2020-02-21 09:00").step("head_of_xb1", case, "sign", opinion="属实")
    [hazard] = school.case(case.number).links
    category = school.case(hazard.number).category
    school.at("2020-02-24 09:00").assign(
        school.case(hazard.number), category=category, department="XB1", assignee="safety_of_xb1"
    )
    return case


def _met(school: School) -> Case:
    """Conveyed to a department and a person, with a task; one of those who have to know confirmed, another is excused."""
    case = school.open(
        "officer", "notice", title="安全工作会议", kind="school_meeting", dated_on="2020-02-24", place="报告厅", issuer="校长",
        document_number="安办〔2020〕3 号",
    )  # fmt: skip
    school.step("officer", case, "minute", should_attend=30, attended=28, points="通报情况", decisions="全面排查")
    tasks = [{"title": "排查线路", "department": "HQC", "due_on": "2020-03-06"}]
    audience = ["department:HQC", "person:head_of_xb1"]
    school.step("officer", case, "convey", audience=audience, key_points="认真学习", tasks=tasks)
    school.step("alice", case, "confirm")
    return school.step("officer", case, "excuse", persons=["bob"], reason="病假")


def _briefed(school: School) -> Case:
    """A hazard that is late, and one that nobody answers for yet; told at a meeting, read by one of two."""
    school.at("2020-02-25 10:00").assign(school.hazard())
    school.hazard(place="操场")
    case = school.at("2020-03-12 16:00").open(
        "officer", "bulletin", title="3月安全例会通报", held_on="2020-03-13", first_day="2020-02-25"
    )
    school.at("2020-03-13 09:00").step("officer", case, "compile", requirements="本周内销号")
    school.step("vice", case, "sign", opinion="同意")
    meeting = school.open("officer", "notice", title="安全例会", kind="school_meeting", dated_on="2020-03-13")
    school.at("2020-03-13 16:00").step("officer", case, "read_out", meeting=meeting.number, noted="请后勤说明")
    school.step("officer", case, "publish", audience=["person:charlie", "person:alice"])
    return school.step("charlie", case, "confirm")


STORIES: dict[str, Play] = {
    "reported": _reported, "assigned": _assigned, "extended": _extended, "major": _major, "half": _half_accepted,
    "on_spot": _on_spot, "drilled": _drilled, "inspected": _inspected, "met": _met, "briefed": _briefed,
}  # fmt: skip


def paper_of(story: Story, code: str, nth: int = -1) -> Paper:
    kind = BY_CODE[code]
    moment = kind.moments(story)[nth]
    return kind.paper(story, moment, "某校")


def cells_of(paper: Paper) -> dict[str, Cell]:
    return {short(cell.heading): cell for cell in paper.cells}


@pytest.mark.parametrize(
    "code, name, nth, heading, said",
    [
        ("bulletin", "briefed", -1, "会议", "安全例会（2020-03-13）"),
        ("bulletin", "briefed", -1, "统计期间", "2020-02-25 至 2020-03-12"),
        ("bulletin", "briefed", -1, "本期新增", "2"),
        ("bulletin", "briefed", -1, "延期/暂缓", "0 / 0"),
        ("bulletin", "briefed", -1, "其中逾期", "9"),
        ("bulletin", "briefed", -1, "各部门逾期", "尚未分派 2；总务后勤处 6；机电工程系 1"),
        ("bulletin", "briefed", -1, "各部门新增和销号", "尚未分派 1/0；总务后勤处 1/0"),
        ("bulletin", "briefed", -1, "部门月报", "无"),
        ("bulletin", "briefed", -1, "下步要求", "本周内销号"),
        ("bulletin", "briefed", -1, "情况说明", "无"),
        ("bulletin", "briefed", -1, "汇总人", "officer的姓名 2020-03-13 09:00，见第 2 号记录"),
        ("bulletin", "briefed", -1, "审核签发", "vice的姓名 2020-03-13 09:00，见第 3 号记录"),
        ("bulletin", "briefed", -1, "会上通报", "2020-03-13 《安全例会》WJ-2020-0002\n请后勤说明\nofficer的姓名 2020-03-13 16:00，见第 4 号记录"),
        ("bulletin", "briefed", -1, "公示", "2020-03-13 起公示；应阅 2 人，已阅 1 人，免予确认 0 人"),
        ("notice", "extended", -1, "文号", "TZ-2020-0002"),
        ("notice", "extended", -1, "被通知部门", "总务后勤处"),
        ("notice", "extended", -1, "检查日期", "2020-01-06"),
        ("notice", "extended", -1, "检查人", "teacher的姓名"),
        ("notice", "extended", -1, "隐患事项及依据", "教学楼三楼走廊：插座面板破损\n类别：线路敷设；等级：一般隐患"),
        ("notice", "extended", -1, "整改要求", "更换面板"),
        ("notice", "extended", -1, "防范措施", "断电挂牌"),
        ("notice", "extended", -1, "整改期限", "2020-01-15（7 个工作日）"),  # as it was issued, not as it was extended
        ("notice", "extended", -1, "签发人", "officer的姓名 2020-01-06 10:00，见第 2 号记录"),
        ("notice", "extended", -1, "签收人", "alice的姓名 2020-01-06 11:30，见第 3 号记录"),
        ("notice", "extended", -1, "签收时间", "2020-01-06 11:30"),
        ("notice", "major", -1, "整改期限", "2020-01-17 前提交治理方案，按批准的方案整改"),
        ("receipt", "extended", 0, "对应通知书文号", "TZ-2020-0002"),
        ("receipt", "extended", 0, "完成情况", "已更换"),
        ("receipt", "extended", 0, "投入资金", "300 元"),
        ("receipt", "extended", 0, "未完成原因", ""),
        ("receipt", "extended", 1, "完成情况", "重新接线"),
        ("receipt", "extended", 1, "未完成原因", "曾于 2020-01-08 退回：接线不牢"),
        ("receipt", "extended", 1, "整改后照片", (PHOTO, OTHER_PHOTO)),
        ("receipt", "extended", 1, "责任人签字", "alice的姓名 2020-01-09 09:00，见第 8 号记录"),
        ("receipt", "extended", 1, "部门负责人签字", ""),
        ("receipt", "on_spot", -1, "对应通知书文号", "当场改正，未下达通知书"),
        ("receipt", "on_spot", -1, "整改措施", "当场改正"),
        ("receipt", "on_spot", -1, "责任人签字", "alice的姓名 当场整改\n检查人登记：head_of_xb1的姓名 2020-01-13 11:00，见第 2 号记录"),
        ("receipt", "on_spot", -1, "完成情况", "当场清走"),
        ("recheck", "extended", 0, "结论", "不合格，退回整改"),
        ("recheck", "extended", 0, "现场情况", "不合格，见退回要求"),
        ("recheck", "extended", 0, "退回要求", "接线不牢\n再整改时限：2020-01-13"),
        ("recheck", "extended", 1, "结论", "合格"),
        ("recheck", "extended", 1, "复查照片", (OTHER_PHOTO,)),
        ("recheck", "extended", 1, "退回要求", ""),
        ("recheck", "extended", 1, "复查日期", "2020-01-09"),
        ("recheck", "major", -1, "复查人", "acceptor_of_xb1的姓名、acceptor_of_xb2的姓名"),
        ("recheck", "major", -1, "现场情况", "线路已更换\n现场合格"),
        ("recheck", "major", -1, "复查人签字", "acceptor_of_xb1的姓名 2020-01-13 10:00，见第 8 号记录\nacceptor_of_xb2的姓名 2020-01-13 11:00，见第 9 号记录"),
        ("recheck", "half", -1, "结论", "部分签字，尚未形成结论"),
        ("extension", "extended", -1, "隐患编号", "YH-2020-0003"),
        ("extension", "extended", -1, "原时限", "2020-01-15"),
        ("extension", "extended", -1, "申请新时限", "2020-03-20"),
        ("extension", "extended", -1, "期间防范措施", "断电"),
        ("extension", "extended", -1, "分管校领导意见", "同意延期：同意，抓紧\nvice的姓名 2020-01-07 10:00，见第 5 号记录"),
        ("extension", "extended", -1, "批准日期", "2020-01-07"),
        ("major_plan", "major", 0, "主要负责人签字", "不批准：预案不全\nprincipal的姓名 2020-01-10 09:00，见第 4 号记录"),
        ("major_plan", "major", 1, "主要负责人签字", "批准：同意\nprincipal的姓名 2020-01-10 11:00，见第 6 号记录"),
        ("major_plan", "major", 0, "安全措施和应急预案", "停用三楼，断电挂牌"),
        ("major_plan", "major", 1, "安全措施和应急预案", "停用三楼，断电挂牌，专人值守"),
        ("major_plan", "major", 1, "经费和物资", "8 万元，学校预算"),
        ("major_plan", "major", 1, "时限和要求", "2020-03-20 前完成"),
        ("drill_record", "drilled", -1, "演练类别", "实战"),
        ("drill_record", "drilled", -1, "应到/实到", "312 / 309"),
        ("drill_record", "drilled", -1, "疏散用时", "134（未达标）"),
        ("drill_record", "drilled", -1, "目标用时", "120 秒"),
        ("drill_record", "drilled", -1, "适宜性评审", "适用"),
        ("drill_record", "drilled", -1, "存在问题", "1. 东侧楼梯：楼梯拥挤"),
        ("drill_record", "drilled", -1, "照片", (PHOTO,)),
        ("drill_record", "drilled", -1, "培训情况", ""),
        ("meeting", "met", -1, "会议名称", "安全工作会议"),
        ("meeting", "met", -1, "地点", "报告厅"),
        ("meeting", "met", -1, "主持人", "校长（召集）"),
        ("meeting", "met", -1, "应到/实到", "30 / 28"),
        ("meeting", "met", -1, "传达文件", "安办〔2020〕3 号"),
        ("meeting", "met", -1, "要点", "认真学习\n通报情况\n议定事项：全面排查"),
        ("meeting", "met", -1, "布置事项", "1. 排查线路（总务后勤处，2020-03-06）"),
        ("meeting", "met", -1, "应知晓人数", "6"),
        ("meeting", "met", -1, "已确认", "1（另免予确认 1）"),
        ("meeting", "met", -1, "未确认名单", "acceptor_of_hqc的姓名、head_of_hqc的姓名、head_of_xb1的姓名、second_acceptor_of_hqc的姓名"),
        ("month_report", "inspected", -1, "部门", "机电工程系"),
        ("month_report", "inspected", -1, "月份", "2020-01"),
        ("month_report", "inspected", -1, "是否迟报", "迟报"),
        ("month_report", "inspected", -1, "报送时间", "2020-02-20 09:00"),
        ("month_report", "inspected", -1, "填表人", "safety_of_xb1的姓名 2020-02-20 09:00，见第 2 号记录"),
        ("month_report", "inspected", -1, "部门负责人签字", "head_of_xb1的姓名 2020-02-21 09:00，见第 3 号记录"),
        ("month_report", "inspected", -1, "已整改", "0"),
        ("month_report", "inspected", -1, "限期内未改", "1"),
        ("month_report", "inspected", -1, "逾期未改", "0"),
    ],
)  # fmt: skip
def test_a_column_is_told_by_the_records(
    played: dict[str, Story], code: str, name: str, nth: int, heading: str, said: str | tuple[str, ...]
) -> None:
    cell = cells_of(paper_of(played[name], code, nth))[heading]
    assert (cell.pictures if isinstance(said, tuple) else cell.text) == said


def test_every_column_of_every_form_is_filled_and_drawn_once() -> None:
    for kind in KINDS:
        assert set(kind.fills) == set(kind.columns)
        assert sorted(heading for row in kind.layout for heading in row) == sorted(kind.columns)
        assert all(len(row) in (1, 2) for row in kind.layout)


def test_a_paper_that_leaves_a_column_out_cannot_be_made() -> None:
    notice = BY_CODE["notice"]
    without = {heading: fill for heading, fill in notice.fills.items() if heading != "签收人"}
    with pytest.raises(ValueError, match=r"fills other columns than its form has.*签收人"):
        replace(notice, fills=without)
    with pytest.raises(ValueError, match="draws other columns"):
        replace(notice, layout=(*notice.layout, ("签收人",)))


def test_what_is_issued_has_every_required_column_and_what_has_not_is_a_draft(played: dict[str, Story]) -> None:
    issued, draft = paper_of(played["extended"], "notice"), paper_of(played["assigned"], "notice")
    assert (issued.missing, issued.draft) == ((), "")
    assert draft.missing == ("签收人",) and draft.draft == "草稿 · 尚缺：签收人，不作为正式文书"
    by_story = {name: {each.kind.code: each for each in reversed(of_story(story))} for name, story in played.items()}
    assert by_story["assigned"]["notice"].why_not is not None and by_story["assigned"]["notice"].missing == ("签收人",)
    assert by_story["extended"]["notice"].why_not is None


@pytest.mark.parametrize(
    "name, made",
    [
        ("reported", {}),
        ("assigned", {"notice": 1}),
        ("extended", {"notice": 1, "receipt": 2, "recheck": 2, "extension": 1}),
        ("major", {"notice": 1, "receipt": 1, "recheck": 1, "major_plan": 2}),
        ("on_spot", {"receipt": 1}),
        ("drilled", {"drill_record": 1}),
        ("inspected", {"month_report": 1}),
        ("met", {"meeting": 1}),
    ],
)
def test_a_paper_is_made_of_each_event_that_finished_one(
    played: dict[str, Story], name: str, made: dict[str, int]
) -> None:
    story = played[name]
    counted = {kind.code: len(kind.moments(story)) for kind in kinds_of(story.case.workflow)}
    assert {code: n for code, n in counted.items() if n} == made
    for each in of_story(story):
        assert (each.event is None) == (each.kind.code not in made)
        assert each.event is not None or each.why_not is each.kind.none_yet


def test_a_report_signed_counts_hazards_as_they_were_then(played: dict[str, Story]) -> None:
    story, kind = played["inspected"], BY_CODE["month_report"]
    [moment] = kind.moments(story)
    assert kind.related_at(story, moment) == story.events[2].recorded_at
    unsigned = replace(story, events=story.events[:2])
    assert kind.related_at(unsigned, moment) is None, "nothing froze it yet"
    fixed = {number: replace(case, state="closed", counts_as="closed") for number, case in story.related.items()}
    assert cells_of(kind.paper(replace(story, related=fixed), moment, ""))["已整改"].text == "1"


def test_zero_is_said_and_is_not_empty(played: dict[str, Story]) -> None:
    story, kind = played["inspected"], BY_CODE["month_report"]
    [moment] = kind.moments(story)
    none = {code: {"result": "pass"} for code in moment.data["answers"]}
    nothing = replace(moment, data={**moment.data, "answers": none, "summary": "零报告"})
    events = [event if event is not moment else nothing for event in story.events]
    cells = cells_of(kind.paper(replace(story, events=events), nothing, ""))
    assert cells["发现隐患数"].text == "0（零报告）\n零报告"
    assert cells["突发情况"].empty and cells["突发情况"].by_hand, (
        "what nobody asked is left to be written, and is no zero"
    )


def test_what_no_record_says_is_left_to_be_written(played: dict[str, Story]) -> None:
    for name, code in (("extended", "receipt"), ("drilled", "drill_record")):
        kind: Kind = BY_CODE[code]
        hands = {heading for heading, fill in kind.fills.items() if fill is by_hand}
        paper = paper_of(played[name], code)
        assert hands and {cell.heading for cell in paper.cells if cell.by_hand} == hands
        assert all(cell.empty for cell in paper.cells if cell.by_hand)


def test_whoever_signed_for_another_is_named_with_him(played: dict[str, Story]) -> None:
    story = played["extended"]
    assigned = replace(story.event(2), on_behalf_of="person:vice")
    events = [*story.events[:1], assigned, *story.events[2:]]
    paper = BY_CODE["notice"].paper(replace(story, events=events), assigned, "")
    assert cells_of(paper)["签发人"].text.startswith("officer的姓名 代 vice的姓名 2020-01-06 10:00")


# --- pictures -------------------------------------------------------------------------------------------------------------


def test_what_cannot_be_shown_is_said_in_its_place(played: dict[str, Story]) -> None:
    paper = paper_of(played["extended"], "receipt")
    shown = cells_of(showing(paper, {PHOTO: "已依法清除，见操作日志第 4 条"}))["整改后照片"]
    assert (shown.text, shown.pictures) == ("照片 1：已依法清除，见操作日志第 4 条", (OTHER_PHOTO,))


def test_more_pictures_than_a_page_holds_are_counted() -> None:
    many = Cell("照片", pictures=tuple(f"{n:064x}" for n in range(MOST + 3)))
    paper = Paper("x", "", "", "", "", 1, (many,), (("照片",),), "")
    [cell] = showing(paper, {}).cells
    assert len(cell.pictures) == MOST and cell.text == "另有照片 3 张，见系统记录"


def test_evidence_that_is_held_back_is_not_even_counted(played: dict[str, Story]) -> None:
    held = holding_back(paper_of(played["extended"], "receipt"))
    assert held.pictures() == [] and cells_of(held)["整改后照片"].text == HELD_BACK
    assert cells_of(held)["完成情况"].text == "重新接线"


# --- over many cases ------------------------------------------------------------------------------------------------------


def test_the_three_lists_have_a_row_for_a_hazard(played: dict[str, Story]) -> None:
    kind = LISTS_BY_CODE["three_lists"]
    names = {person: f"{person}的姓名" for person in PEOPLE}
    stories = (played[name] for name in ("extended", "major"))
    rows = [
        dict(zip(kind.columns, kind.row(Told(s.workflow, s.case, s.events, names, DEPARTMENTS, SHANGHAI, s.now), at), strict=True))
        for at, s in enumerate(stories, start=1)
    ]  # fmt: skip
    assert [group for group, _ in kind.groups] == ["", "问题清单", "责任清单", "整改清单"]
    assert (rows[0]["序号"], rows[0]["编号"], rows[0]["问题"]) == ("1", "YH-2020-0003", "插座面板破损")
    assert (rows[0]["进度"], rows[0]["销号"]) == ("已销号", "vice的姓名\n2020-01-09")
    assert (rows[1]["等级"], rows[1]["责任领导"], rows[1]["责任部门"]) == ("重大隐患", "principal的姓名", "总务后勤处")
    assert rows[1]["资金"] == "8 万元，学校预算" and rows[1]["进度"].startswith("待销号")


# --- what templates call it -----------------------------------------------------------------------------------------------


def test_every_heading_of_every_form_has_a_name_of_its_own_in_a_template() -> None:
    for code, form in forms().items():
        names = [field_of(heading) for heading in form.columns]
        assert all(name.isidentifier() for name in names), code
        assert len(set(names)) == len(names), code
        assert set(fields_of_paper(form.columns).plain) == {*COMMON, *names}


def test_who_sees_no_names_is_told_how_many_have_not_confirmed(played: dict[str, Story]) -> None:
    cells = cells_of(paper_of(replace(played["met"], by_name=False), "meeting"))
    assert cells["未确认名单"].text == "4 人（名单供安全办公室和领导查看）"
