"""What the overview says."""

from collections.abc import Mapping

from engine.errors import Text

OVERVIEW: Mapping[str, Text] = {
    "overview": Text("总览", "Overview"),
    "overview_show": Text("查看", "Show"),
    "overview_day": Text("看哪一天的情况", "As of which day"),
    "overview_day_hint": Text("不填即现在", "Now, if left empty"),
    "overview_months": Text("看几个月", "How many months"),
    "overview_some_months": Text("近 {} 个月", "{} months"),
    "overview_loop": Text("哪类事项", "Which cases"),
    "overview_all_loops": Text("全部事项", "All of them"),
    "overview_whose": Text("哪个单位", "Which organisation"),
    "overview_all_organisations": Text("本单位及全部下属单位", "This one and all below"),
    "overview_now": Text("现在（{}）的情况。", "As of now, {}."),
    "overview_end_of": Text("{}结束时", "the end of {}"),
    "overview_then": Text(
        "{}已知的情况：之后登记的不算在内。部门叫什么、谁能看到什么当时怎样，这里不答，都按现在的。",
        "As it was known at {}: what was recorded later is not in it. What departments were called then and who saw what is not answered here; both are as today.",
    ),
    "overview_none_open": Text("没有未办结的：{}", "Nothing open: {}"),
    "overview_mine": Text(
        "只统计您能看到的事项：本部门的，以及与您有关的。",
        "Only cases that you may see are counted: your department's, and your own.",
    ),
    "overview_figures_only": Text(
        "下属单位只提供数字，具体事项由各单位自己办理。",
        "Of organisations below there are figures alone; the cases are theirs.",
    ),
    "overview_behind": Text(
        "刚刚发生的 {} 条记录还没有统计进来，过一会儿再看。",
        "{} events that were just recorded are not counted yet; look again soon.",
    ),
    "overview_empty": Text("还没有任何事项。", "There are no cases yet."),
    "overview_at_a_glance": Text("要点", "At a glance"),
    "overview_open": Text("未办结", "Open"),
    "overview_overdue": Text("逾期", "Overdue"),
    "overview_of_them_overdue": Text("其中逾期", "Overdue"),
    "overview_in_time": Text("未办结，未逾期", "Open, in time"),
    "overview_closed": Text("办结", "Closed"),
    "overview_opened": Text("新登记", "Opened"),
    "overview_closed_since": Text("近 {} 个月办结", "Closed in {} months"),
    "overview_median": Text("办结用时（中位数）", "Days to close (median)"),
    "overview_median_hint": Text(
        "从登记到办结，一半的事项不超过这些天", "From opening to closing; half took no longer"
    ),
    "overview_returned": Text("退回率", "Sent back"),
    "overview_returned_hint": Text("办结的事项中，被退回过的", "Of what was closed, sent back at least once"),
    "overview_rebounded": Text("反弹率", "Came up again"),
    "overview_rebounded_hint": Text(
        "办结的事项中，同一部位同类问题又出现的", "Of what was closed, found again at the same place"
    ),
    "overview_of_closed": Text("{}/{} 件", "{} of {}"),
    "overview_days": Text("{} 天", "{} days"),
    "overview_no_rate": Text("无", "none"),
    "overview_cases": Text("{} 件", "{}"),
    "overview_over_time": Text("逐月", "Month by month"),
    "overview_month_hint": Text(
        "横条是月末时未办结的；本月到所看的时间为止。", "Bars show what was open at the end of the month, or so far."
    ),
    "overview_lines": Text("每月新登记与办结", "Opened and closed each month"),
    "overview_lines_told": Text("{}：新登记 {}，办结 {}", "{}: {} opened, {} closed"),
    "overview_by_organisation": Text("按单位", "By organisation"),
    "overview_by_department": Text("按责任部门", "By department"),
    "overview_by_workflow": Text("按事项类型", "By kind of case"),
    "overview_by_category": Text("按类别", "By category"),
    "overview_by_level": Text("按等级", "By level"),
    "overview_bar_told": Text("{}：未办结 {}，其中逾期 {}", "{}: {} open, {} of them overdue"),
    "overview_as_table": Text("看表格", "As a table"),
    "overview_numbers_of": Text("{}的数字", "{}: the numbers"),
    "overview_month": Text("月份", "Month"),
    "overview_reports": Text("报送情况", "Who reported"),
    "overview_reports_hint": Text(
        "没有报送不等于没有问题：报了“零”才是零。", "Not reported is not zero: only a report of nothing is."
    ),
    "overview_no_reports": Text("这两个月没有应报送的。", "Nothing was owed in these two months."),
    "overview_reported": Text("按时报送", "In time"),
    "overview_late": Text("迟报", "Late"),
    "overview_missing": Text("未报", "Not reported"),
    "overview_waiting": Text("未到期", "Not due yet"),
    "overview_waived": Text("免报", "Waived"),
    "overview_zero": Text("其中零报告", "Zero reports among them"),
    "overview_corrected": Text("其中已更正", "Corrected since"),
    "overview_nobody_missing": Text("到期的都报了。", "Everybody whose time is over has reported."),
}
