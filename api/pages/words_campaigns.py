"""What the pages say of campaigns and surveys."""

from collections.abc import Mapping

from engine.errors import Text

WORDS: Mapping[str, Text] = {
    "in_campaign": Text("属于专项行动", "Opened in the campaign"),
    "inside": Text("行动进展", "What was done inside"),
    "inside_phases": Text("阶段", "Phases"),
    "inside_cases": Text("在本行动中登记的事项", "Cases opened inside"),
    "inside_none": Text("还没有在本行动中登记任何事项。", "Nothing was opened inside yet."),
    "inside_all": Text("在台账中查看全部", "All of them in the ledger"),
    "inside_overdue": Text("逾期", "overdue"),
    "inside_departments": Text("各部门报送情况", "What departments reported"),
    "inside_department": Text("部门", "Department"),
    "inside_opened": Text("其他事项", "Other cases"),
    "inside_silent": Text("到期未报一件的部门", "Departments that reported nothing"),
    "inside_silent_hint": Text("未报不等于零；没有情况也应填报。", "Nothing reported is not zero: whoever has nothing says so."),
    "inside_open": Text("在本行动中登记", "Open inside this campaign"),
    "survey_answers": Text("汇总表", "Put together"),
    "survey_missing": Text("未报部门", "Departments that have not answered"),
    "survey_nobody_missing": Text("没有逾期未报的部门。", "No department is past its day."),
    "survey_department": Text("部门", "Department"),
    "survey_came": Text("填报情况", "What came"),
    "survey_at": Text("填报时间", "Answered at"),
    "survey_corrected": Text("已更正", "corrected"),
    "survey_take": Text("导出汇总表", "Take it away"),
}  # fmt: skip
