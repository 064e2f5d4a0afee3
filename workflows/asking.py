"""What can be answered where a form's model alone does not say it in words: choices, and questions that depend on the case."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from engine.case import Case
from engine.errors import Text
from workflows.checking import items_of
from workflows.imported import DOUBT_WORDS
from workflows.reference import checklists, criteria_for, limits, taxonomy
from workflows.roles import GROUPS, LOOP_ROLES, ROLES
from workflows.survey import numbered, options_of


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several answers. `group`: under which it stands in a long list; `note`: for whoever hesitates.

    Or a question that is answered by itself:
    needed    whether it has to be answered
    brief     whether a line is enough
    offered   what may be answered, where that is a choice
    """

    value: str
    title: Text
    group: Text | None = None
    note: Text | None = None
    needed: bool = False
    brief: bool = False
    offered: Sequence["Choice"] = ()


LEVEL_WORDS: Mapping[str, Text] = {"general": Text("一般隐患", "general"), "major": Text("重大隐患", "major")}

#: the words of the answers a form's model lists, by the name of its field; a limit's are those of the reference
CHOICE_WORDS: Mapping[str, Mapping[str, Text]] = MappingProxyType(
    {
        "source": {
            "self_check": Text("部门自查", "own inspection"),
            "group": Text("联合检查", "joint inspection"),
            "cross": Text("交叉检查", "cross inspection"),
            "spot_check": Text("抽查", "spot check"),
            "superior": Text("上级检查", "inspection from above"),
            "staff": Text("师生上报", "staff and pupils"),
            "anonymous": Text("匿名上报", "an anonymous report"),
            "older_ledger": Text("原有台账", "an older ledger"),
        },
        "kind": {
            "real": Text("实战演练", "real drill"),
            "desktop": Text("桌面推演", "table-top exercise"),
            "question": Text("提问答题", "questions and answers"),
            "superior_notice": Text("上级文件", "a superior's paper"),
            "superior_meeting": Text("上级会议", "a superior's meeting"),
            "accident": Text("事故通报", "an accident elsewhere"),
            "school_meeting": Text("学校会议", "a meeting of the school"),
            "plan": Text("方案预案", "a plan or scheme"),
            "roster": Text("值班表", "a duty roster"),
            "publication": Text("公示", "something published to the staff"),
            "text": Text("文字", "words"),
            "yes_no": Text("是/否", "yes or no"),
            "number": Text("数字", "a number"),
            "choice": Text("选择", "a choice"),
        },
        "held_as": {
            "safety_meeting": Text("安全例会", "safety meeting"),
            "administration": Text("行政办公会", "administration meeting"),
        },
        "tier": {
            "ministry": Text("国家", "national"),
            "province": Text("省", "province"),
            "city": Text("市", "city"),
            "county": Text("县区", "county"),
            "school": Text("学校", "the school itself"),
        },
        "yes_no": {"yes": Text("是", "yes"), "no": Text("否", "no")},
        "doubts": DOUBT_WORDS,
        "level": LEVEL_WORDS,
        "of_level": LEVEL_WORDS,
        "which": {
            "all": Text("已受理未销号的和已销号的", "open ones that were taken up, and closed ones"),
            "closed": Text("只抽已销号的", "closed ones alone"),
        },
        "how": {
            "platform": Text("系统平台", "a platform"),
            "mail": Text("电子邮件", "e-mail"),
            "group": Text("工作群", "a group chat"),
            "paper": Text("纸质件", "on paper"),
        },
        "result": {
            "pass": Text("合格", "pass"),
            "fail": Text("不合格", "fail"),
            "na": Text("不适用", "not applicable"),
        },
    }
)


#: answers that are never a signed-in person's to choose
NOT_OFFERED: Mapping[str, frozenset[str]] = MappingProxyType({"source": frozenset({"anonymous", "older_ledger"})})


def words_of(field: str, value: str) -> Text | None:
    """What an answer is called; None where nobody gave it words."""
    if field == "audience":
        return _audience_in_words(value)
    if field == "time_limit" and value in limits():
        return limits()[value].title
    if field in ("category", "of_category") and value in taxonomy().all:
        return taxonomy().category(value).title
    if field == "checklists" and value in checklists():
        return checklists()[value].title
    return CHOICE_WORDS.get(field, {}).get(value)


EVERYONE = Text("全体人员", "everyone")


def _audience_in_words(value: str) -> Text | None:
    """Everybody, a role or a group; departments and people are the school's own."""
    if value == "everyone":
        return EVERYONE
    sort, _, code = value.partition(":")
    return ROLES.get(code) if sort in ("role", "group") else None


def audiences() -> Sequence[Choice]:
    """Whom a notice can be for besides departments and single people."""
    roles = [Choice(f"role:{code}", title, _BY_ROLE) for code, title in LOOP_ROLES.items() if code not in GROUPS]
    return [
        Choice("everyone", EVERYONE, EVERYONE),
        *(Choice(f"group:{code}", title, _BY_GROUP) for code, title in GROUPS.items()),
        *(each for each in roles if each.value.removeprefix("role:") not in NEVER_ADDRESSED),
    ]


_BY_ROLE, _BY_GROUP = Text("按岗位", "By duty"), Text("按工作组", "By group")
#: roles of whoever only looks on from outside
NEVER_ADDRESSED = frozenset({"bureau", "auditor"})


def choices(field: str) -> Sequence[Choice] | None:
    """Every answer to a field whose model takes any text, but which has to be one of the reference; None for any other."""
    made = _LISTED.get(field)
    return None if made is None else made()


def questions(field: str, case: Case | None, said: Mapping[str, Any]) -> Sequence[Choice] | None:
    """What has to be answered one by one in a field that takes answers by name; None for a field we know nothing of.

    said    what the form's other fields hold so far, or what the case has
    """
    if field == "criteria":
        category = said.get("category") or (case.category if case else "")
        if category not in taxonomy().all:
            return ()
        return [Choice(each.code, each.question, note=each.note) for each in criteria_for(category)]
    if field == "answers" and case is not None and "questions" in case.facts:
        return [_question(number, each) for number, each in numbered(case.facts["questions"]).items()]
    if field in ("answers", "photos") and case is not None and items_of(case):
        return [Choice(code, item.title) for code, item in items_of(case).items()]
    return None


def _question(number: str, question: Mapping[str, Any]) -> Choice:
    """A survey's, as it was written: in one language only."""
    title = f"{number}. {question['text']}"
    offered = [Choice(each, words_of(question["kind"], each) or Text(each, each)) for each in options_of(question)]
    is_number = question["kind"] == "number"
    note = Text("填数字；没有的填 0", "a number; 0 where there is none") if is_number else None
    return Choice(number, Text(title, title), note=note, needed=True, brief=is_number, offered=offered)


def _categories() -> Sequence[Choice]:
    tree = taxonomy()
    found: list[Choice] = []
    for top in tree.categories.values():
        found += [Choice(sub.code, sub.title, top.title) for sub in tree.below(top.code)]
        found.append(Choice(top.code, Text(f"{top.title.zh}（其他）", f"{top.title.en} (other)"), top.title))
    return found


def _checklists() -> Sequence[Choice]:
    return [Choice(code, sheet.title) for code, sheet in checklists().items()]


_LISTED: Mapping[str, Callable[[], Sequence[Choice]]] = {
    "category": _categories, "of_category": _categories, "checklists": _checklists,
}  # fmt: skip
