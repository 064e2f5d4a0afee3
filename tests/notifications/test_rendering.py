from collections.abc import Mapping
from datetime import timedelta
from importlib.resources import files
from typing import Any, get_args

import pytest

from engine.errors import Locale
from engine.events import REASONS, Notice
from notifications.message import Addressee
from notifications.rendering import (
    TemplateFault,
    digest,
    direct,
    due_in_words,
    left_in_words,
    parse,
    standard_names,
    template,
)
from tests.notifications.fakes import SCHOOL, SHANGHAI, a_notice, local
from workflows import CATALOG

ZHANG = Addressee("alice", "张伟", "zh")
ALICE = Addressee("alice", "Alice", "en")
NOW = local("2020-01-16 07:45")
LOCALES: tuple[Locale, ...] = get_args(Locale)
LISTS = ("digest", "digest_line", "group", "daily_list", "daily_line", "back", "back_line")
OF_ONE_WORKFLOW = ("waiting", "reminder", "escalation", "returned", "informed")
NAMES = sorted(
    {*REASONS, *LISTS, "attention", "unreached", "unreached_line"}
    | {f"{name}.inspection" for name in OF_ONE_WORKFLOW}
    | {f"{name}.drill" for name in ("waiting", "reminder", "returned")}
    | {"receipt.notice"}
)

#: facts that are known of every notice, and those that whoever composes a list has at hand
ALWAYS = {"number", "title", "state", "to_do", "link", "kind", "position", "count", "today", "lines", "when"}
ALWAYS_IN: Mapping[str, frozenset[str]] = {
    "daily_list": frozenset({"department"}),
    "back": frozenset({"from", "until", "done_count", "waiting_count"}),
    "unreached": frozenset({"who", "cause"}),
    "unreached_line": frozenset({"who", "cause"}),
}


def test_a_message_says_who_what_where_until_when_what_to_do_and_gives_one_link() -> None:
    notice = a_notice(level="major", actor_post="安稳办", provisional=True)
    words = direct(notice, ZHANG, SHANGHAI, SCHOOL, NOW)
    assert words.subject == "【重大】待办：YH-2020-0012 插座面板破损，还有 3 天"
    assert words.body == (
        "张伟，您好：\n"
        "隐患整改“插座面板破损”（YH-2020-0012）现在请您办理，上一步由安稳办完成。\n"
        "\n"
        "地点：教学楼三楼走廊\n"
        "期限：1月19日（周日），还有 3 天（暂定，待放假安排公布）\n"
        "请您：按期整改，完成后拍照提交复查；按期完不成的，到期前申请延期。\n"
        "打开：https://safety.school.example/cases/YH-2020-0012"
    )
    assert words.link == "https://safety.school.example/cases/YH-2020-0012"


def test_a_delegate_s_step_is_told_with_whom_he_represented() -> None:
    notice = a_notice(actor_post="安稳办主任", represented_post="分管安全副校长")
    assert "上一步由安稳办主任 代 分管安全副校长完成。" in direct(notice, ZHANG, SHANGHAI, SCHOOL, NOW).body
    told = direct(notice, ALICE, SHANGHAI, SCHOOL, NOW).body
    assert "last step: 安稳办主任 on behalf of 分管安全副…." in told


@pytest.mark.parametrize(
    "about, zh, en",
    [
        ({"count": 3, "posts": [["教职工", 2], ["部门安全员", 1]]}, "3人（教职工2人、部门安全员1人）", "3 (2 教职工, 1 部门安全员)"),
        ({"count": 9, "posts": [["教职工", 2]]}, "9人（教职工2人等）", "9 (2 教职工, …)"),
    ],
    ids=["all of them", "more than a phone takes"],
)  # fmt: skip
def test_a_head_reads_how_many_of_his_have_not_confirmed_by_their_posts(
    about: dict[str, Any], zh: str, en: str
) -> None:
    notice = a_notice(reason="receipt", workflow="notice", state="assigned", unconfirmed=about)
    assert zh in direct(notice, ZHANG, SHANGHAI, SCHOOL, NOW).body
    assert en in direct(notice, ALICE, SHANGHAI, SCHOOL, NOW).body
    assert "提醒他们尽快确认" in direct(notice, ZHANG, SHANGHAI, SCHOOL, NOW).body


def test_the_same_in_english() -> None:
    words = direct(a_notice(reason="reminder", skipped=["-3", "-1"]), ALICE, SHANGHAI, SCHOOL, NOW)
    assert words.subject == "Reminder: YH-2020-0012 插座面板破损, 3 days left"
    assert words.body == (
        "Dear Alice,\n"
        'a reminder: "插座面板破损" (YH-2020-0012) is not finished yet.\n'
        "\n"
        "Where: 教学楼三楼走廊\n"
        "Due: Sun 19 Jan, 3 days left\n"
        "State: Being fixed, with the assignee\n"
        "(Kept back by an outage: 2 before.)\n"
        "Please fix it in time and send photos for the check; ask for more time before it is due.\n"
        "Open: https://safety.school.example/cases/YH-2020-0012"
    )


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("reason", sorted(REASONS))
def test_every_reason_can_be_told_when_almost_nothing_is_known(reason: str, locale: Locale) -> None:
    bare: dict[str, Any] = {"number": "YH-2020-0012", "title": "插座面板破损", "state": "assigned"}
    for about in (bare, {**bare, "due_at": None, "place": "", "awaits": [], "skipped": [], "workflow_title": None}):
        notice = Notice("YH-2020-0012:2:x", "school", "YH-2020-0012", 2, reason, (), "direct", NOW, about)
        words = direct(notice, Addressee("alice", locale=locale), SHANGHAI, SCHOOL, NOW)
        for text in (words.subject, words.body):
            assert "None" not in text
            assert not set(text) & set("[]{}")
        assert "插座面板破损" in words.subject
        assert words.link == "https://safety.school.example/mine"
        assert "\n\n\n" not in words.body


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("name", NAMES)
def test_every_template_is_there_in_both_languages_and_requires_only_what_is_always_known(
    name: str, locale: Locale
) -> None:
    assert template(locale, *name.split(".")).required <= ALWAYS | ALWAYS_IN.get(name, frozenset())


@pytest.mark.parametrize("locale", LOCALES)
def test_no_template_lies_there_unused(locale: Locale) -> None:
    folder = files("notifications") / "templates" / locale
    assert sorted(f.name for f in folder.iterdir()) == sorted([*(f"{name}.txt" for name in NAMES), "next_steps.txt"])
    assert standard_names(locale) == set(NAMES)
    for name in NAMES:
        kind, _, workflow = name.partition(".")
        assert kind in NAMES and (not workflow or CATALOG.get(workflow) is not None)


def test_an_escalation_without_a_rung_does_not_speak_of_lateness() -> None:
    counted = a_notice(reason="escalation", rung=None, trigger_title={"zh": "复查退回", "en": "Return"})
    assert "没有按期" not in direct(counted, ZHANG, SHANGHAI, SCHOOL, NOW).body
    late = a_notice(reason="escalation", rung="+3")
    assert "没有按期" in direct(late, ZHANG, SHANGHAI, SCHOOL, NOW).body


def test_what_a_person_typed_cannot_make_a_second_subject_or_speak_as_a_template() -> None:
    notice = a_notice(title="破损\r\nBcc: everyone", place="{link}[三楼]")
    words = direct(notice, ZHANG, SHANGHAI, SCHOOL, NOW)
    assert "\n" not in words.subject
    assert "地点：{link}[三楼]" in words.body


# --- digest ----------------------------------------------------------------------------------------------------------


def test_a_digest_puts_the_worst_first_and_ends_in_one_link() -> None:
    notices = [
        a_notice("YH-2020-0001"),
        a_notice(
            "YH-2020-0002", reason="escalation", rung="+3", due_at=local("2020-01-10 23:59:59").isoformat(), place=None
        ),
        a_notice("YH-2020-0003", reason="informed", due_at=None),
        a_notice("YH-2020-0004", level="major"),
    ]
    words = digest(notices, ZHANG, SHANGHAI, SCHOOL, NOW)
    assert words.subject == "1月16日（周四）待办 4 项，其中 1 项已逾期"
    assert words.body == (
        "张伟，您好！1月16日（周四）请您留意：\n"
        "\n"
        "1. 【重大】插座面板破损（教学楼三楼走廊）\n"
        "待办，还有 3 天：https://safety.school.example/cases/YH-2020-0004\n"
        "2. 插座面板破损（地点未填）\n"
        "逾期提级，已逾期 6 天：https://safety.school.example/cases/YH-2020-0002\n"
        "3. 插座面板破损（教学楼三楼走廊）\n"
        "待办，还有 3 天：https://safety.school.example/cases/YH-2020-0001\n"
        "4. 插座面板破损（教学楼三楼走廊）\n"
        "办理结果，不用办理：https://safety.school.example/cases/YH-2020-0003\n"
        "\n"
        "全部待办：https://safety.school.example/mine"
    )


def test_of_several_words_on_one_case_the_newest_counts() -> None:
    older = a_notice(sequence=2, state_title={"zh": "整改中", "en": "Being fixed"})
    newer = a_notice(sequence=5, reason="reminder")
    words = digest([newer, older], ALICE, SHANGHAI, SCHOOL, NOW)
    assert words.subject == "Thu 16 Jan: 1 to look at"
    assert ")\nReminder, 3 days left: http" in words.body


# --- days ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "due, zh, en",
    [
        ("2020-01-19 23:59:59", "1月19日（周日）|还有 3 天", "Sun 19 Jan|3 days left"),
        ("2020-01-20 00:00", "1月19日（周日）|还有 3 天", "Sun 19 Jan|3 days left"),  # 24:00 on the 19th
        ("2020-01-17 23:59:59", "1月17日（周五）|还有 1 天", "Fri 17 Jan|1 day left"),
        ("2020-01-17 10:30", "1月17日（周五）10:30|还有 1 天", "Fri 17 Jan 10:30|1 day left"),  # near: the hour matters
        ("2020-01-16 17:30", "1月16日（周四）17:30|今天到期", "Thu 16 Jan 17:30|due today"),
        ("2020-01-16 07:00", "1月16日（周四）07:00|今天已到期", "Thu 16 Jan 07:00|due earlier today"),
        ("2020-01-15 23:59:59", "1月15日（周三）|已逾期 1 天", "Wed 15 Jan|1 day overdue"),
        ("2020-01-11 12:00", "1月11日（周六）|已逾期 5 天", "Sat 11 Jan|5 days overdue"),
        ("2019-12-31 23:59:59", "2019年12月31日（周二）|已逾期 16 天", "Tue 31 Dec 2019|16 days overdue"),
    ],
)
def test_a_deadline_is_said_as_people_say_it(due: str, zh: str, en: str) -> None:
    for locale, said in (("zh", zh), ("en", en)):
        day = due_in_words(local(due), SHANGHAI, NOW, locale)  # type: ignore[arg-type]
        left = left_in_words(local(due), SHANGHAI, NOW, locale)  # type: ignore[arg-type]
        assert f"{day}|{left}" == said


def test_days_left_are_those_of_the_moment_of_sending() -> None:
    notice = a_notice(days_over=-2)
    assert "还有 1 天" in direct(notice, ZHANG, SHANGHAI, SCHOOL, NOW + timedelta(days=2)).subject


# --- templates -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source, says",
    [
        ("{nunber}", "no fact is called 'nunber'"),
        ("{number} [{left}", "'\\[' has no partner"),
        ("{number} left]", "'\\]' has no partner"),
        ("{number} {", "a brace has no partner"),
        ("{number.__class__}", "a brace has no partner"),
        ("\n{number}", None),  # empty lines around do not matter
        ("", "has no subject"),
    ],
)
def test_a_template_with_a_fault_is_refused_with_its_place(source: str, says: str | None) -> None:
    if says is None:
        parse("zh/x.txt", source)
        return
    with pytest.raises(TemplateFault, match=f"zh/x.txt.*{says}"):
        parse("zh/x.txt", source)


def test_a_required_fact_that_is_missing_is_named() -> None:
    with pytest.raises(TemplateFault, match="x, it needs place"):
        parse("x", "{number} {place}").fill({"number": "1"})


def test_a_line_of_which_nothing_is_left_disappears() -> None:
    facts: dict[str, Any] = {"number": "1"}
    assert parse("x", "{number}\na\n[{place}]\n\nb[ {due}]").fill(facts) == ("1", "a\n\nb")


@pytest.mark.parametrize(
    "source, says",
    [
        ("{number} [{place}|{link}]", "behind the bar"),
        ("{number} [{place}|a|b]", "behind the bar"),
        ("{number} [a|b]", "no fact stands before the bar"),
    ],
)
def test_what_stands_behind_a_bar_needs_no_fact(source: str, says: str) -> None:
    with pytest.raises(TemplateFault, match=says):
        parse("x", source)


def test_what_is_not_known_gives_way_to_the_words_behind_the_bar() -> None:
    words = parse("x", "{number}\nWhere: [{place}|not stated], [{due}, {left}|not due]")
    assert words.fill({"number": "1"}) == ("1", "Where: not stated, not due")
    assert words.fill({"number": "1", "place": "Hall", "due": "Sun", "left": "3 days"}) == (
        "1",
        "Where: Hall, Sun, 3 days",
    )
