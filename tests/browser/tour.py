"""A walk past every page there is, on a campus where something is going on: for pictures, and for what audits pages."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from api import anonymous, labels
from api.anonymous import Report
from api.first_visit import code_of
from api.policies import set_numbers
from engine.actor import Actor
from engine.store import periods
from notifications import accounts
from notifications.accounts import SetUp
from tests.browser.desk import Desk, a_desk, an_empty_desk
from tests.browser.month import LAST, a_month_gone_by
from tests.builders import School, a_session
from tests.journeys.campus import PHOTO, SCHOOL, Campus, a_campus
from tests.pictures import a_photo, as_sent
from workflows import CATALOG
from workflows.inspection import CYCLE
from workflows.reference import checklists

PEOPLE = ("officer", "teacher", "fixer", "head", "vice", "keeper", "xb1_safety", "xb2_head")
OFFICE = [item.code for item in checklists()["office"].items]  # what XB1 and XB2 look at

#: loops of which the month that is over left a case
LOOKS_BACK = (
    "weekly", "daily", "portal", "hazard_report", "bulletin", "stage_summary", "spot_check", "revisit",
    "cross_inspection", "cross_check", "group_inspection", "task", "comparison", "record",
)  # fmt: skip


@dataclass(frozen=True)
class Stop:
    """A page on the walk. `who` looks at it, nobody if None; `status` is what it answers with.

    elsewhere   the desk it is on, where that is none of the busy one's
    """

    name: str
    path: str
    who: str | None = "officer"
    status: int = 200
    elsewhere: Desk | None = None

    def url(self, desk: Desk) -> str:
        return f"{(self.elsewhere or desk).url}{self.path}"


#: addresses that show no page of their own, or one that the walk cannot come by, and why
PASSED_BY = {
    "/": "leads on",
    "/static/{name}": "a file",
    "/service-worker.js": "a file",
    "/manifest.webmanifest": "a file",
    "/language/{locale}": "leads on",
    "/desk/token": "for scripts",
    "/report/suggest": "for scripts",
    "/r": "needs the link of a message",
    "/account/away/{absence}/end": "a form like the others of absences",
    "/school/people/{person}/away/{absence}/end": "a form like the others of absences",
    "/school/new-people/template.xlsx": "a file",
    "/school/people/{person}/withdraw": "a form like the one that grants",
    "/school/groups/{code}/seats/{number}": "a form like the one that seats",
}


@contextmanager
def a_busy_desk() -> Iterator[tuple[Desk, list[Stop]]]:
    """The desk, and its pages: one of each kind, as somebody sees it who has something to do there."""
    with (
        TemporaryDirectory(prefix="bihuan-tour-") as folder,
        a_campus(Path(folder), "sqlite") as campus,
        a_desk(campus) as desk,
        an_empty_desk(Path(folder) / "empty") as empty,
    ):
        campus.administrator("keeper")
        of_month = a_month_gone_by(campus)
        desk.let_in(*PEOPLE)
        _lay_down_the_photo(desk)
        numbers = {name: campus.hazard(name).rsplit("/", 1)[1] for name in ("assigned", "fixed", "verified")}
        major = campus.hazard("verified", major=True).rsplit("/", 1)[1]
        reported = campus.done(
            "teacher", "/api/v1/hazards", title="三楼东侧安全出口被杂物堵塞", place="教学楼三楼东侧楼梯口",
            photos=[PHOTO], category="FIRE.exit",
        )["number"]  # fmt: skip
        ticked = "&".join(f"number={number}" for number in numbers.values())
        token = _a_label(desk)
        _a_channel(desk)
        campus_report = Report("看台下的储物间门锁坏了", "a stranger's", "192.0.2.1", [as_sent(a_photo("red"))])
        anonymous.take(campus.runtime, labels.scanned(campus.runtime, token), campus_report)
        walked, signed = (a_round_of(desk.campus, department) for department in ("XB1", "XB2"))
        desk.campus.give("clerk", "dept_safety", "XB2")
        every = {code: {"result": "pass"} for code in OFFICE} | {OFFICE[1]: {"result": "fail", "note": "压力不足"}}
        desk.campus.done("clerk", f"/api/v1/inspections/{signed}/submit", answers=every, summary="一处压力不足")
        _links(campus, officer="HQC", fixer=None)
        conveyed, received = a_meeting(campus), a_paper(campus)
        campaign, survey, asked = a_campaign(campus)
        yield (
            desk,
            [
                Stop("sign-in", "/sign-in", None),
                Stop("setup-code", "/setup", None, elsewhere=empty),
                Stop("setup", f"/setup?code={code_of(empty.campus.runtime.folder)}", None, elsewhere=empty),
                Stop("mine", "/mine"),
                Stop("mine-empty", "/mine", "vice"),
                Stop("report", "/report", "teacher"),
                Stop("open-drill", "/open/drill"),
                Stop("case-reported", f"/cases/{reported}"),
                Stop("case-major", f"/cases/{major}", "head"),
                Stop("paper", f"/cases/{major}/papers/receipt", "head"),
                Stop("paper-draft", f"/cases/{numbers['assigned']}/papers/notice", "fixer"),
                Stop("paper-not-yet", f"/cases/{reported}/papers/receipt", status=409),
                Stop("step-assign", f"/cases/{reported}/assign"),
                Stop("step-fix", f"/cases/{numbers['assigned']}/fix", "fixer"),
                Stop("step-approve", f"/cases/{numbers['verified']}/approve", "head"),
                Stop("round", f"/cases/{walked}/submit", "xb1_safety"),
                Stop("round-sign", f"/cases/{signed}/sign", "xb2_head"),
                Stop("not-mine", f"/cases/{numbers['fixed']}/verify", "fixer"),
                Stop("case-notice", f"/cases/{conveyed}"),
                Stop("case-campaign", f"/cases/{campaign}"),
                Stop("open-inside", f"/open/survey?within={campaign}"),
                Stop("case-survey", f"/cases/{survey}"),
                Stop("step-answer", f"/cases/{asked}/answer", "xb2_head"),
                *(Stop(f"case-{loop}", f"/cases/{of_month[loop]}") for loop in LOOKS_BACK),
                Stop("case-bulletin-to-read", f"/cases/{of_month['bulletin']}", "teacher"),
                Stop("case-group_check", f"/cases/{of_month['group_check']}", "head"),
                Stop("step-receipts", f"/cases/{of_month['portal']}/receipts"),
                Stop("step-fail", f"/cases/{of_month['revisit']}/fail", of_month["visitor"]),
                Stop("round-compare", f"/cases/{of_month['comparison']}/submit", "xb1_safety"),
                Stop("step-convey", f"/cases/{received}/convey"),
                Stop("mine-to-know", "/mine", "teacher"),
                Stop("no-such-case", "/cases/YH-2020-9999", status=404),
                Stop("ledger", "/cases", "head"),
                Stop("ledger-filtered", f"/cases?q=插座&department=HQC&as_of={LAST}", "head"),
                Stop("ledger-misasked", "/cases?due_before=0202-01-01&state=无&q=插座", "head", status=422),
                Stop("ledger-nothing", "/cases?level=major&state=merged", "head"),
                Stop("book", "/cases/books", "head"),
                Stop("ledger-views", "/cases/views?query=state%3Dassigned%26overdue%3Dtrue", "head"),
                Stop("ledger-bulk", f"/cases/bulk?{ticked}", "head"),
                Stop("ledger-bulk-step", f"/cases/bulk/approve?{ticked}", "head"),
                Stop("trail", "/trail", "head"),
                Stop("trail-misasked", "/trail?from=2020-02-31&by=无", "head", status=422),
                Stop("trail-counts", "/trail?by=month&by=action", "head"),
                Stop("overview", "/overview"),
                Stop("overview-misasked", "/overview?as_of=2999-01-01&months=99", status=422),
                Stop("overview-then", f"/overview?as_of={LAST}"),
                Stop("inbox", "/inbox"),
                Stop("account", "/account"),
                Stop("away", "/account/away", "fixer"),
                Stop("away-form", "/account/away/new", "fixer"),
                Stop("more", "/more"),
                Stop("help", "/help", "teacher"),
                Stop("calendar", "/calendar"),
                Stop("calendar-week", "/calendar?view=week&of=mine", "fixer"),
                Stop("school", "/school", "keeper"),
                Stop("dead-corners", "/school/dead-corners", "keeper"),
                Stop("people", "/school/people", "keeper"),
                Stop("person", "/school/people/fixer", "keeper"),
                Stop("person-form", "/school/people/fixer/change", "keeper"),
                Stop("grant-form", "/school/people/fixer/grant", "keeper"),
                Stop("person-new", "/school/new-person", "keeper"),
                Stop("people-import", "/school/new-people", "keeper"),
                Stop("first-passwords", "/school/first-passwords", "keeper"),
                Stop("person-active", "/school/people/fixer/active", "keeper"),
                Stop("person-password", "/school/people/fixer/password", "keeper"),
                Stop("person-away", "/school/people/fixer/away", "keeper"),
                Stop("people-not-mine", "/school/people", "teacher", status=403),
                Stop("groups", "/school/groups", "keeper"),
                Stop("group", "/school/groups/acceptance_group", "keeper"),
                Stop("group-seat", "/school/groups/acceptance_group/seat", "keeper"),
                Stop("group-least", "/school/groups/acceptance_group/least", "keeper"),
                Stop("department-form", "/school/department", "keeper"),
                Stop("departments", "/school/departments", "keeper"),
                Stop("channels", "/school/channels", "keeper"),
                Stop("channel-form", "/school/new-channel?kind=email", "keeper"),
                Stop("channel", "/school/channels/post", "keeper"),
                Stop("channel-change", "/school/channels/post/change", "keeper"),
                Stop("channel-remove", "/school/channels/post/remove", "keeper"),
                Stop("dead-letters", "/school/dead-letters", "keeper"),
                Stop("workflows", "/school/workflows"),
                Stop("workflow", "/school/workflows/hazard", "keeper"),
                Stop("workflow-drill", "/school/workflows/drill", "teacher"),
                Stop("workflow-inspection", "/school/workflows/inspection", "teacher"),
                Stop("workflow-numbers", "/school/workflows/hazard/policy", "keeper"),
                Stop("cycles", "/school/cycles"),
                Stop("holidays", "/school/calendars", "keeper"),
                Stop("holidays-form", "/school/calendars/new", "keeper"),
                Stop("paper-templates", "/school/papers", "officer"),
                Stop("labels", "/school/labels", "officer"),
                Stop("label-sheet", "/school/labels/print", "officer"),
                Stop("stranger", f"/q/{token}", None),
                Stop("stranger-thanks", f"/q/{token}?done=sent", None),
                Stop("no-such-label", "/q/none", None, 404),
                Stop("case-anonymous", f"/cases/{reported[:-4]}{int(reported[-4:]) + 1:04}", "vice"),
            ],
        )


def _a_channel(desk: Desk) -> None:
    """A mail server that nobody asks for anything."""
    runtime = desk.campus.runtime
    settings = {"host": "smtp.example.org", "sender": "safety@example.org"}
    secret = accounts.closed(runtime.vault, SCHOOL, "post", {"password": "s3cret"})
    with runtime.database.write(SCHOOL) as connection:
        post = SetUp(SCHOOL, "post", "email", "", None, settings, secret, True, False, False, runtime.clock.now())
        accounts.put(connection, post)


def _links(campus: Campus, **of: str | None) -> None:
    """To calendars: made by who is signed in, since a token makes none."""
    for who, department in of.items():
        headers = a_session(campus.runtime, School(SCHOOL), who)
        assert campus.client.post("/api/v1/feeds", json={"department": department}, headers=headers).status_code == 201


def _a_label(desk: Desk) -> str:
    """What the code of a label holds, where strangers may report; beside it another place's, and one that was revoked."""
    runtime, officer = desk.campus.runtime, Actor(SCHOOL, "person", "officer")
    loop = CATALOG.get("hazard")
    assert loop is not None
    set_numbers(runtime.engine, officer, loop, {"anonymous_reports": True}, "officer", confirmed=True)
    made = [labels.make(runtime, officer, place) for place in ("体育馆东侧看台", "学生宿舍 3 号楼 2 层楼梯口", "西门")]
    labels.revoke(runtime, officer, made.pop().id)
    return labels.printed(runtime, made[0]).address.rpartition("/")[2]


def a_round_of(campus: Campus, department: str) -> str:
    """The number of an inspection that this department owes this month."""
    with campus.runtime.database.write_across() as connection:
        periods.owe(connection, periods.Obligation(SCHOOL, CYCLE, department, campus.today.replace(day=1)))
    campus.runtime.tick()
    opened = campus.get("officer", "/api/v1/inspections")["items"]
    return str(next(case["number"] for case in opened if case["department"] == department))


def a_meeting(campus: Campus) -> str:
    """The number of a meeting that some have confirmed, one is excused from, and a few have not."""
    said = {
        "title": "校园安全专项整治工作会议",
        "kind": "school_meeting",
        "dated_on": campus.today.isoformat(),
        "place": "报告厅",
    }
    number = str(campus.done("officer", "/api/v1/notices", **said)["number"])
    path = f"/api/v1/notices/{number}"
    campus.done("officer", f"{path}/convey", audience=["everyone"], key_points="人人知晓会议精神，月底前完成排查并建账")
    for who in (
        "officer",
        "head",
        "vice",
        "hqc_head",
        "hqc_safety",
        "xb1_safety",
        "acceptor_hqc",
        "acceptor_hqc2",
        "fixer",
    ):
        campus.done(who, f"{path}/confirm")
    campus.done("head", f"{path}/excuse", persons=["second"], reason="长期病假")
    return number


def a_paper(campus: Campus) -> str:
    """The number of a superior's paper that was just received."""
    said = {"title": "关于开展冬季校园安全检查的通知", "kind": "superior_notice", "dated_on": campus.today.isoformat()}
    more = {"tier": "city", "issuer": "市教育局", "reply_by": "2020-04-20"}
    return str(campus.done("officer", "/api/v1/notices", **said, **more)["number"])


def a_campaign(campus: Campus) -> tuple[str, str, str]:
    """The numbers of a campaign that runs, of a survey inside it that some departments have answered, and of an answer that is
    still to come.
    """
    last = (campus.today + timedelta(days=18)).isoformat()
    reports = [{"title": "自查情况报告", "department": code, "due_on": last} for code in ("HQC", "XB1")]
    phases = [
        {
            "title": "动员自查",
            "first_day": campus.today.isoformat(),
            "last_day": (campus.today + timedelta(days=4)).isoformat(),
        },
        {"title": "集中整治", "first_day": (campus.today + timedelta(days=5)).isoformat(), "last_day": last},
    ]
    campaign = str(
        campus.done(
            "officer", "/api/v1/campaigns", title="校园和校车安全专项整治", departments=["HQC", "XB1", "XB2"],
            phases=phases, reports=reports,
        )["number"]
    )  # fmt: skip
    campus.done("vice", f"/api/v1/campaigns/{campaign}/begin", opinion="同意")
    campus.done("xb1_safety", "/api/v1/hazards", title="疏散门上锁", place="实训楼", within=campaign)
    questions = [
        {"text": "现有应急预案几份", "kind": "number"},
        {"text": "是否明确了值班领导", "kind": "yes_no"},
        {"text": "预案修订情况", "kind": "choice", "options": "已修订；正在修订；没有"},
        {"text": "存在的困难", "kind": "text"},
    ]
    survey = campus.done(
        "officer", "/api/v1/surveys", title="应急预案体系建设调查", departments=["HQC", "XB1", "XB2"],
        questions=questions, due_on=last, within=campaign,
    )  # fmt: skip
    first, _, third = (link["number"] for link in survey["links"] if link["kind"] == "child")
    answers = {"1": "3", "2": "yes", "3": "正在修订", "4": "缺少演练场地"}
    campus.done("hqc_head", f"/api/v1/survey_answers/{first}/answer", answers=answers)
    return campaign, str(survey["number"]), str(third)


def _lay_down_the_photo(desk: Desk) -> None:
    """The campus knows a photo by name alone; here somebody looks at it."""
    runtime = desk.campus.runtime
    target = runtime.files.path_of("school", PHOTO)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(a_photo())
