"""Help: the core tasks tap by tap, with small pictures of the screens; one page that can be printed and hung on a wall.

What is tapped is named by the pages' own words, and how many taps a task takes is said once, in `TAPS`: `tests/browser`
does each task with a real browser and counts them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import Request, Response

from api.auth import SignedIn
from api.pages.addresses import Pages
from api.pages.forms import label_of
from api.pages.rendering import AREAS, HELP, page
from api.pages.sketches import Part, Screen, sketched
from api.pages.words import WORDS
from engine.errors import Text
from workflows.asking import CHOICE_WORDS
from workflows.hazard import HAZARD

router = Pages()

#: how often a finger touches the screen, from the page where the task begins until it is done: a tap into a field counts,
#: the typing that follows and the camera's own buttons do not
TAPS: Mapping[str, int] = {
    "stranger": 3, "report": 5, "acknowledge": 1, "fix": 4, "verify": 3, "approve": 3, "pass": 1, "fail": 3,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Task:
    """`counted`: the names in `TAPS`, each with what it counts where there are several."""

    title: Text
    counted: Sequence[tuple[str, Text | None]]
    steps: Sequence[Text]
    screens: Sequence[Screen] = ()


def _said(zh: str, en: str, *words: Text) -> Text:
    return Text(zh.format(*(each.zh for each in words)), en.format(*(each.en for each in words)))


def _asked(trigger: str | None, name: str) -> Text:
    """A field's label: of the form that opens a hazard, or of a step's."""
    form = HAZARD.opens_with if trigger is None else HAZARD.form_of(trigger)
    return label_of(name, form.model_fields[name])


def _step(trigger: str) -> Text:
    return HAZARD.triggers[trigger][0].title


def _card(trigger: str) -> Screen:
    """Mine with one card, whose first button is the step."""
    return Screen(
        (
            Part("title", WORDS["area_mine"]),
            Part("card", EXAMPLE),
            Part("small", PLACE),
            Part("button", _step(trigger), 1),
        ),
        "mine",
    )


def _form(trigger: str, *parts: Part, send: int) -> Screen:
    return Screen((Part("title", _step(trigger)), *parts, Part("button", _step(trigger), send)))


EXAMPLE = Text("疏散指示灯不亮", "An exit sign is dark")
PLACE = Text("教学楼二楼东侧", "Teaching block, 2nd floor, east")
ITEM = Text("灭火器压力正常，在有效期内", "The extinguisher has pressure and is in date")
PASS, FAIL, NA = (CHOICE_WORDS["result"][name] for name in ("pass", "fail", "na"))

TASKS: Sequence[Task] = (
    Task(
        Text("扫码上报，不用登录", "Report by a label, without signing in"),
        [("stranger", None)],
        [
            Text("用手机扫墙上的部位标签", "Scan the label on the wall with your phone"),
            _said("点“{}”，拍下看到的问题", "Tap “{}”", WORDS["stranger_photo"]),
            Text("点下面的空格，写一句话", "Tap the line below it and write one sentence"),
            _said("点“{}”", "Tap “{}”", WORDS["stranger_send"]),
        ],
        [
            Screen(
                (
                    Part("title", WORDS["stranger_title"]),
                    Part("small", _said("{} {}", "{} {}", WORDS["you_are_at"], PLACE)),
                    Part("camera", WORDS["stranger_photo"], 1),
                    Part("field", WORDS["stranger_what"], 2),
                    Part("button", WORDS["stranger_send"], 3),
                )
            )
        ],
    ),
    Task(
        WORDS["report_title"],
        [("report", None)],
        [
            _said("点“{}”", "Tap “{}”", WORDS["area_report"]),
            _said("点“{}”，拍下隐患", "Tap “{}” and take a picture of it", _asked(None, "photos")),
            _said("点“{}”，写明在哪里", "Tap “{}” and say where", _asked(None, "place")),
            _said("点“{}”，用一句话说明问题", "Tap “{}” and say it in one line", _asked(None, "title")),
            _said("点“{}”", "Tap “{}”", WORDS["send"]),
        ],
        [
            Screen((Part("title", WORDS["area_mine"]), Part("note", WORDS["nothing_waits_hint"])), "mine", ("report", 1)),
            Screen(
                (
                    Part("title", WORDS["report_title"]),
                    Part("camera", _asked(None, "photos"), 2),
                    Part("field", _asked(None, "place"), 3),
                    Part("field", _asked(None, "title"), 4),
                    Part("button", WORDS["send"], 5),
                ),
                "report",
            ),
        ],
    ),
    Task(
        _step("acknowledge"),
        [("acknowledge", None)],
        [
            _said("在“{}”中找到通知书，点“{}”", "Under “{}” find the notice and tap “{}”", WORDS["area_mine"], _step("acknowledge")),
            Text("也可直接点消息里的链接签收", "Or tap the link in the message about it"),
        ],
        [_card("acknowledge")],
    ),
    Task(
        _step("fix"),
        [("fix", None)],
        [
            _said("在“{}”中点“{}”", "Under “{}” tap “{}”", WORDS["area_mine"], _step("fix")),
            _said("点“{}”，写明采取的措施", "Tap “{}” and say what you did", _asked("fix", "measure")),
            _said("点“{}”，拍下整改后的样子", "Tap “{}” and show how it looks now", _asked("fix", "photos_after")),
            _said("点“{}”，等待复查", "Tap “{}”; it waits to be verified", _step("fix")),
        ],
        [
            _card("fix"),
            _form(
                "fix", Part("field", _asked("fix", "measure"), 2), Part("camera", _asked("fix", "photos_after"), 3),
                send=4,
            ),
        ],
    ),
    Task(
        _step("verify"),
        [("verify", None)],
        [
            _said(
                "到现场核对；在“{}”中点“{}”，不合格的点“{}”", "Look at the place; under “{}” tap “{}”, or “{}”", WORDS["area_mine"],
                _step("verify"), _step("return"),
            ),
            _said("点“{}”，写明看到的情况", "Tap “{}” and say what you saw", _asked("verify", "finding")),
            _said("点“{}”", "Tap “{}”", _step("verify")),
        ],
        [_card("verify"), _form("verify", Part("field", _asked("verify", "finding"), 2), send=3)],
    ),
    Task(
        _step("approve"),
        [("approve", None)],
        [
            _said("在“{}”中点“{}”", "Under “{}” tap “{}”", WORDS["area_mine"], _step("approve")),
            _said("点“{}”，写明意见", "Tap “{}” and give it", _asked("approve", "opinion")),
            _said("点“{}”，隐患即销号", "Tap “{}”, and the hazard is closed", _step("approve")),
        ],
        [_card("approve"), _form("approve", Part("field", _asked("approve", "opinion"), 2), send=3)],
    ),
    Task(
        Text("检查一项", "Check an item of a round"),
        [("pass", PASS), ("fail", FAIL)],
        [
            _said("看过后点“{}”、“{}”或“{}”", "Look at it, then tap “{}”, “{}” or “{}”", PASS, FAIL, NA),
            _said(
                "“{}”的点开“{}”写明问题，再拍照", "Where it is “{}”, tap “{}”, then take a picture", FAIL, WORDS["what_is_wrong"]
            ),
            Text("全部答完后提交；没有网络也可以做，联网后自动发送", "Hand it in at the end; it works without a network, too"),
        ],
        [
            Screen((Part("note", ITEM), Part("choice", PASS, 1), Part("choice", FAIL, beside=True), Part("choice", NA, beside=True))),
            Screen(
                (
                    Part("note", ITEM),
                    Part("choice", PASS), Part("choice", FAIL, 1, beside=True), Part("choice", NA, beside=True),
                    Part("field", WORDS["what_is_wrong"], 2),
                    Part("camera", WORDS["add_photos"], 3),
                )
            ),
        ],
    ),
    Task(
        Text("不能按期完成", "When the time is too short"),
        [],
        [
            _said(
                "在事项中点“{}”，写明新日期、原因和临时措施",
                "In the case tap “{}”, with the new date, why, and what holds meanwhile", _step("ask_extension"),
            ),
            Text("在批准之前，原期限不变", "The first deadline holds until it is granted"),
        ],
    ),
    Task(
        Text("外出或请假", "When you are away"),
        [],
        [
            _said("点“{}”，再点“{}”", "Tap “{}”, then “{}”", WORDS["area_more"], WORDS["be_away"]),
            Text("填写起止日期，选定代办人，登记", "Give the days, choose a delegate, and write it down"),
            Text("代办人办理的每一步，都记明是代您办理", "Each step the delegate takes is on record as taken for you"),
        ],
    ),
)  # fmt: skip

QUESTIONS: tuple[tuple[Text, Text], ...] = (
    (
        Text("登录不了怎么办？", "I cannot sign in."),
        Text(
            "请本单位系统管理员重置密码；首次登录后须改为自己的密码。",
            "Ask the administrator for a new first password; you change it when you sign in.",
        ),
    ),
    (
        Text("为什么有的步骤不能点？", "Why can I not take a step?"),
        Text(
            "事项页面“其他步骤”中写明了原因，以及可由谁办理。",
            "The case says why under Other steps, and who could take it.",
        ),
    ),
    (
        Text("自己整改的能自己复查吗？", "May I verify what I fixed?"),
        Text(
            "不能。整改人和复查人必须是不同的人，代办也一样。",
            "No. Somebody else verifies it, also where one acts for another.",
        ),
    ),
    (
        Text("“还剩 2 个工作日”怎么算？", "How are working days counted?"),
        Text(
            "法定节假日不算，调休上班的周末要算；见“日历”。",
            "Public holidays do not count, weekend days worked in exchange do; see the calendar.",
        ),
    ),
    (
        Text("期限能显示在手机日历里吗？", "Can my phone's calendar show the deadlines?"),
        Text(
            "能。打开“日历”，在“订阅到手机日历”中点“生成链接”，再点“加入日历”。",
            "Yes. Open the calendar, make a link under On your phone's calendar, and tap Add to calendar.",
        ),
    ),
    (
        Text("写错了能删吗？", "Can something be deleted?"),
        Text(
            "不能删除，可在下一步中说明更正；办理记录保存不少于三年。",
            "Nothing is deleted; say what is right in the next step. Records are kept three years and longer.",
        ),
    ),
)


@router.get(HELP)
def help_page(request: Request, asker: SignedIn) -> Response:
    areas = [(name, WORDS[words]) for name, _, words in AREAS]
    tasks = [
        (
            task.title, [(name, TAPS[name], what) for name, what in task.counted], task.steps,
            [sketched(screen, areas, asker.locale) for screen in task.screens],
        )
        for task in TASKS
    ]  # fmt: skip
    return page(request, "help.html", asker=asker, active="more", tasks=tasks, questions=QUESTIONS)
