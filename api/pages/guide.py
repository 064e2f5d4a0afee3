"""Help: how to report, fix and verify, tap by tap; one page that can be printed and hung on a wall."""

from fastapi import APIRouter, Request, Response

from api.auth import SignedIn
from api.pages.rendering import HELP, page
from engine.errors import Text

router = APIRouter()

#: each task with its taps; `tests/browser` counts those of reporting
TASKS: tuple[tuple[Text, tuple[Text, ...]], ...] = (
    (
        Text("上报隐患", "Report a hazard"),
        (
            Text("点底部的“上报”", "Tap Report at the bottom"),
            Text("点“拍照或选择照片”，拍下隐患", "Take a picture of it"),
            Text("填写地点，用一句话说明问题", "Say where, and in one line what is wrong"),
            Text("点“提交”", "Tap Send"),
        ),
    ),
    (
        Text("整改隐患", "Fix a hazard"),
        (
            Text("点“待办”，选中要整改的事项", "Tap Mine and choose the case"),
            Text("点“上报整改完成”", "Tap Report it fixed"),
            Text("写明采取的措施，拍下整改后的照片", "Say what was done and take a picture of it"),
            Text("点“提交”，等待复查", "Tap Send; it waits to be verified"),
        ),
    ),
    (
        Text("复查和销号", "Verify and close"),
        (
            Text("点“待办”，选中要复查的事项，到现场核对", "Tap Mine, choose the case, and look at the place"),
            Text("合格点“复查合格”，不合格点“复查退回”并写明原因", "Tap Verified, or Return with the reason"),
            Text("复查合格后，由有权限的人点“同意销号”", "Whoever may close it taps Approve the closure"),
        ),
    ),
    (
        Text("不能按期完成", "When the time is too short"),
        (
            Text(
                "在事项中点“申请延期”，写明新日期、原因和临时措施",
                "Tap Ask for an extension, with the new date, why, and what holds meanwhile",
            ),
            Text("在批准之前，原期限不变", "The first deadline holds until it is granted"),
        ),
    ),
    (
        Text("外出或请假", "When you are away"),
        (
            Text("点“更多”，再点“外出与代办”", "Tap More, then Away and delegates"),
            Text("填写起止日期，选定代办人，点“登记”", "Give the days, choose a delegate, and write it down"),
            Text("代办人办理的每一步，都记明是代您办理", "Each step the delegate takes is on record as taken for you"),
        ),
    ),
)

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
    return page(request, "help.html", asker=asker, active="more", tasks=TASKS, questions=QUESTIONS)
