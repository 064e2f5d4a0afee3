"""The rows of the founding document that are built, each with the journey that shows it working over HTTP.

What a row says of its journey is held to while the journey runs (`_shows_what_its_row_says`, in `tests/conftest.py`): a journey that no longer
steps through the loops its row names fails by that.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tests.fakes import Answered
from workflows import CATALOG

API = "/api/v1/"
STEPPED, READ = frozenset({200, 201}), 200


@dataclass(frozen=True)
class Row:
    """A system or process that the founding document names.

    journey   the test, as `module::name`
    drives    the loops that are opened or stepped through in it
    asks      addresses that are asked besides, of what is no loop but a view of them
    """

    words: str
    journey: str
    drives: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()


_NOTICES, _JOINT = "tests.journeys.test_notices::", "tests.journeys.test_joint_inspections::"
_CAMPAIGNS = "tests.journeys.test_campaigns::"
_FILINGS, _MONTH = "tests.journeys.test_filings::", "tests.journeys.test_four_departments::"

ROWS: Mapping[int, Row] = {
    1: Row("会议精神传达、人人知晓", f"{_NOTICES}test_a_meeting_is_known_by_everybody_before_it_is_filed", ("notice",)),
    2: Row(
        "上级文件、电视电话会议", f"{_NOTICES}test_a_superiors_paper_gives_its_day_to_the_tasks_and_ends_with_an_answer",
        ("notice", "task"),
    ),
    5: Row(
        "实施方案（专项行动）", f"{_CAMPAIGNS}test_a_campaign_of_two_phases_from_its_plan_to_its_end",
        ("campaign", "stage_summary", "task"),
    ),
    6: Row(
        "安全常规检查、安全月报表", f"{_MONTH}test_four_departments_and_a_month_are_four_different_things_wherever_one_looks",
        ("inspection", "hazard_report"),
    ),
    7: Row(
        "分组排查", f"{_JOINT}test_every_area_falls_to_one_group_and_coverage_is_live", ("group_inspection", "group_check"),
    ),
    8: Row(
        "交叉检查、集中汇报、限期整改", f"{_JOINT}test_departments_inspect_each_other_and_the_list_makes_hazards",
        ("cross_inspection", "cross_check"),
    ),
    9: Row(
        "抽查、督查",
        "tests.journeys.test_spot_checks::test_what_was_closed_and_fails_opens_anew_and_counts_against_its_verifier",
        ("spot_check", "revisit"),
    ),
    11: Row(
        "会议通报", "tests.journeys.test_bulletins::test_a_bulletin_is_counted_signed_read_out_published_and_read_by_all",
        ("bulletin",),
    ),
    12: Row(
        "每周上报市局自查情况表", f"{_FILINGS}test_a_week_from_due_to_corrected_and_counted_again_a_month_later", ("weekly",),
    ),
    13: Row(
        "填报省风险管控系统", f"{_FILINGS}test_a_month_is_typed_into_the_platform_and_its_numbers_come_back", ("portal",),
    ),
    14: Row(
        "应急预案体系建设调查", f"{_CAMPAIGNS}test_a_survey_knows_who_is_missing_who_was_late_and_who_has_none",
        ("survey", "survey_answer"),
    ),
    16: Row(
        "事故通报后的对照排查", f"{_NOTICES}test_an_accident_elsewhere_opens_a_comparison_at_every_place_of_its_kind",
        ("notice", "comparison"),
    ),
    25: Row(
        "疫情日报告、零报告", f"{_FILINGS}test_a_morning_in_which_each_department_does_something_else", ("daily",),
    ),
    33: Row(
        "上级检查、指导", f"{_NOTICES}test_a_superiors_paper_gives_its_day_to_the_tasks_and_ends_with_an_answer",
        ("notice", "task"),
    ),
    34: Row(
        "安全台账、留痕、履职记录", "tests.api.test_taking_over::test_every_number_of_a_book_leads_to_exactly_its_cases",
        ("hazard",), ("/api/v1/cases/books", "/api/v1/cases", "/cases/books"),
    ),
    35: Row(
        "阶段小结",
        "tests.journeys.test_stage_summary::"
        "test_a_summary_is_compiled_written_signed_and_corrected_and_what_was_signed_remains",
        ("stage_summary",),
    ),
}  # fmt: skip


def rows_of(module: str, test: str) -> list[Row]:
    return [row for row in ROWS.values() if row.journey == f"{module}::{test}"]


def not_shown(row: Row, answered: Iterable[Answered]) -> list[str]:
    """What a row says of its journey and was not to be seen in what was answered: keys of loops, and addresses."""
    plurals = {workflow.plural: workflow.key for workflow in CATALOG.newest()}
    stepped, asked = set(), set()
    for one in answered:
        if one.method == "GET" and one.status == READ:
            asked.add(one.path)
        if one.method == "POST" and one.status in STEPPED and one.path.startswith(API):
            stepped.add(plurals.get(one.path.removeprefix(API).split("/")[0]))
    return [*(key for key in row.drives if key not in stepped), *(path for path in row.asks if path not in asked)]
