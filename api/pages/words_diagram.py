"""What the drawing of a loop and the tables beside it say."""

from collections.abc import Mapping

from engine.errors import Text

WORDS: Mapping[str, Text] = {
    "diagram": Text("流程图", "The loop drawn"),
    "diagram_said": Text("各步骤的编号与下面的表格一致。", "Each step has the number it has in the table below."),
    "diagram_scroll": Text("左右滑动可看全图", "The drawing scrolls sideways"),
    "opens_case": Text("登记", "Opened"),
    "receipt_within": Text("签收时限", "To be acknowledged within"),
    "sign_key": Text("图例", "Signs"),
    "sign_onwards": Text("向前", "onwards"),
    "sign_back": Text("退回", "sent back"),
    "sign_final": Text("办结", "closed for good"),
    "sign_reminder": Text("提醒", "reminder"),
    "sign_deadline": Text("到期", "deadline"),
    "sign_escalation": Text("逾期提级", "overdue: goes higher up"),
    "sign_repeat": Text("此后每隔几天再报", "again and again after that"),
    "sign_days": Text("数字为距到期的工作日", "numbers are working days from the deadline"),
    "steps_told": Text("步骤", "Steps"),
    "step_number": Text("编号", "No."),
    "step_title": Text("步骤", "Step"),
    "step_stays": Text("不改变状态", "stays there"),
    "step_who": Text("由谁办理", "Who takes it"),
    "clocks_told": Text("状态和时限", "States and time limits"),
    "state_title": Text("状态", "State"),
    "state_awaits": Text("等谁办理", "Waits for"),
    "state_within": Text("时限", "Within"),
    "ladders_told": Text("提醒和上报", "Reminders, and who hears of it"),
    "ladder_when": Text("何时", "When"),
    "ladder_who": Text("发给谁", "Who is told"),
    "at_once": Text("即时", "at once"),
    "signing_told": Text("会签规定", "The sign-off table"),
    "signing_by": Text("由谁签", "Who signs"),
    "signing_never": Text("不得为", "Never"),
    "signing_others": Text("不得全部来自责任部门", "not all from the department that answers for it"),
}
