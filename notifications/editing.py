"""What a school's own text may say and has to say: every fault told in a sentence. Pure.

A text is checked when it is saved, so that nothing can go wrong with it when a message leaves: it names only what is known
then, it still says who, what, where, until when and what to do, it fits a phone's screen, and nothing in it can pass for
another line of a letter's head.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from engine.errors import Locale, Text
from notifications.rendering import PROVISIONAL, SCREEN_ROWS, Template, TemplateFault, in_a_list, parse, rows

LONGEST_TEXT = 1500  # characters
LONGEST_SUBJECT = 120  # characters, facts by their names
MOST_LINES = 20

#: what is known of a notice about a case, and how it may look at its longest
OF_A_CASE: Mapping[str, Text] = {
    "name": Text("后勤处维修班王师傅", "Logistics, repair team"),
    "number": Text("YH-2020-0012", "YH-2020-0012"),
    "workflow": Text("隐患整改", "Hazard rectification"),
    "title": Text("三楼东侧走廊插座面板破损并有烧焦痕迹，旁边堆…", "Socket plate broken and scorched, third flo…"),
    "place": Text("教学楼三楼东侧走廊", "Teaching block, third floor"),
    "level": Text("重大", "major"),
    "major": Text("重大", "major"),
    "state": Text("整改中", "Being fixed"),
    "step": Text("下达整改通知", "Issue the notice"),
    "actor": Text("安稳办主任", "head of the safety office"),
    "awaits": Text("整改责任人", "the assignee"),
    "due": Text("1月19日（周日）", "Sun 19 Jan"),
    "left": Text("还有 3 天", "3 days left"),
    "provisional": PROVISIONAL,
    "skipped": Text("2", "2"),
    "kind": Text("待办", "Waiting for you"),
    "to_do": Text(
        "按期整改，完成后拍照提交复查；按期完不成的，到期前申请延期。",
        "fix it in time and send photos for the check; ask for an extension before it is due if you need one.",
    ),
    "link": Text("https://safety.school.example/c", "https://safety.school.example/c"),
    "when": Text("1月16日（周四）", "Thu 16 Jan"),
    "acknowledge": Text("签收通知书", "Acknowledge the notice"),
    "unconfirmed": Text("12人（教职工11人、部门安全员1人）", "12 (11 teachers, 1 safety officer)"),
}
LINES = Text(
    "1. 插座面板破损（教学楼三楼）\n待办，还有 3 天：https://safety.school.example/c",
    "1. Socket (hall)\n3 days left: https://x",
)
OF_A_LIST: Mapping[str, Text] = {
    "name": OF_A_CASE["name"], "today": OF_A_CASE["when"], "link": OF_A_CASE["link"], "lines": LINES,
    "count": Text("12", "12"), "overdue": Text("3", "3"), "more": Text("8", "8"),
}  # fmt: skip
OTHERS: Mapping[str, Text] = {
    "position": Text("1", "1"), "department": Text("总务后勤处", "Logistics"), "person": Text("王师傅", "Mr Wang"),
    "from": Text("1月6日（周一）", "Mon 6 Jan"), "until": Text("1月10日（周五）", "Fri 10 Jan"),
    "done_count": Text("3", "3"), "waiting_count": Text("2", "2"), "who": Text("王师傅", "Mr Wang"),
    "cause": Text("没有登记手机号和邮箱", "no phone number and no e-mail address is known"),
    "since": Text("1月13日（周一）", "Mon 13 Jan"),
}  # fmt: skip
KNOWN: Mapping[str, Text] = {**OF_A_CASE, **OF_A_LIST, **OTHERS}

_ALWAYS_OF_A_CASE = frozenset({"number", "title", "to_do", "link", "kind", "when"})
_WHO_WHAT_WHERE = frozenset({"name", "number", "title", "place", "link"})


@dataclass(frozen=True, slots=True)
class Demand:
    """What a kind of text may name, which of it is always known, and what it has to say.

    of_one_workflow   whether a workflow may have its own; lists speak of many
    line              whether it is one line of a list
    """

    title: Text
    may: frozenset[str]
    always: frozenset[str]
    must: frozenset[str]
    of_one_workflow: bool = False
    line: bool = False


def _of_a_case(title: Text, *must: str) -> Demand:
    return Demand(title, frozenset(OF_A_CASE), _ALWAYS_OF_A_CASE, _WHO_WHAT_WHERE | set(must), of_one_workflow=True)


def _list(title: Text, *must: str, also: tuple[str, ...] = ()) -> Demand:
    may = frozenset(OF_A_LIST) | set(also)
    return Demand(title, may, (frozenset(also) | {"today", "count", "link", "lines"}), frozenset(must))


def _line(title: Text, *must: str, also: tuple[str, ...] = ()) -> Demand:
    may = (frozenset(OF_A_CASE) - {"name", "skipped", "acknowledge"}) | {"position", *also}
    return Demand(title, may, _ALWAYS_OF_A_CASE | {"position"}, frozenset(must), line=True)


DEMANDS: Mapping[str, Demand] = {
    "waiting": _of_a_case(Text("待办", "Waiting for you"), "due", "to_do"),
    "reminder": _of_a_case(Text("到期提醒", "Reminder"), "due", "to_do"),
    "escalation": _of_a_case(Text("逾期提级", "Escalation"), "due", "to_do"),
    "attention": _of_a_case(Text("请关注", "Needs your attention"), "due", "to_do"),
    "receipt": _of_a_case(Text("签收提醒", "Receipt not acknowledged"), "due", "to_do"),
    "returned": _of_a_case(Text("复查退回", "Returned"), "due", "to_do"),
    "recomputed": _of_a_case(Text("时限调整", "Deadline moved"), "due", "to_do"),
    "informed": _of_a_case(Text("办理情况", "For your information"), "when"),
    "digest": _list(Text("每日汇总", "Digest of the day"), "name", "today", "count", "lines", "link"),
    "digest_line": _line(Text("每日汇总的一项", "A line of the digest"), "title", "place", "left", "link"),
    "daily_list": _list(
        Text("部门每日清单", "A department's list of the day"), "department", "today", "count", "lines", "link",
        also=("department",),
    ),
    "daily_line": _line(
        Text("部门清单的一项", "A line of that list"), "person", "title", "place", "left", also=("person",)
    ),
    "back": Demand(
        Text("外出归来", "On somebody's return"),
        frozenset({*OF_A_LIST, "from", "until", "done_count", "waiting_count"}),
        frozenset({"link", "from", "until", "done_count", "waiting_count", "today", "count"}),
        frozenset({"name", "from", "until", "done_count", "waiting_count", "link"}),
    ),
    "back_line": _line(Text("归来汇总的一项", "A line of that summary"), "title", "place", "when"),
    "group": Demand(
        Text("发到部门群", "To a department's group"),
        frozenset({"number", "workflow", "major", "state", "due", "left", "kind", "link", "when", "who"}),
        frozenset({"number", "kind", "link", "when"}),
        frozenset({"number", "who", "due", "link"}),
    ),
    "unreached": Demand(
        Text("联系不上", "Somebody cannot be reached"),
        frozenset({"name", "who", "department", "cause", "since", "to_do", "link", "when", "kind"}),
        frozenset({"who", "cause", "to_do", "link", "when", "kind"}),
        frozenset({"name", "who", "department", "cause", "when", "to_do", "link"}),
    ),
    "unreached_line": Demand(
        Text("每日汇总中联系不上的一项", "A line of the digest about somebody who cannot be reached"),
        frozenset({"who", "department", "cause", "since", "to_do", "link", "when", "kind", "position"}),
        frozenset({"who", "cause", "to_do", "link", "when", "kind", "position"}),
        frozenset({"who", "cause", "link"}),
        line=True,
    ),
    "sealed": Demand(
        Text("检查点", "Checkpoint"),
        frozenset({"name", "title", "place", "when", "to_do", "link", "kind"}),
        frozenset({"title", "when", "to_do", "link", "kind"}),
        frozenset({"title", "when", "link"}),
    ),
}  # fmt: skip


def tidied(source: str) -> str:
    """As it is kept: one kind of line end, nothing around it."""
    return "\n".join(line.rstrip(" ") for line in source.replace("\r\n", "\n").split("\n")).strip("\n")


def check(name: str, locale: Locale, source: str) -> list[Text]:
    """Everything that is wrong with a text under this name, each in a sentence; nothing where it can be used."""
    demand = DEMANDS[name]
    faults = _letters(source) + _lengths(source)
    if faults:
        return faults
    template, faults = _parsed(name, source)
    if template is None:
        return faults
    faults = _facts(demand, template)
    if not demand.line:
        faults += _head_and_body(template)
    return faults or _screen(demand, template, locale)


def sample(demand: Demand, template: Template, locale: Locale) -> str:
    """What it makes of everything that may be known, at its longest."""
    facts = {fact: KNOWN[fact].in_(locale) for fact in demand.may}
    subject, body = template.fill(in_a_list(facts) if demand.line else facts)
    return f"{subject}\n{body}" if demand.line else body


def _letters(source: str) -> list[Text]:
    """Nothing but what can be seen: no control characters, no other line ends, nothing that turns the writing round."""
    faults = []
    for number, line in enumerate(source.split("\n"), start=1):
        odd = [letter for letter in line if unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}]
        if odd:
            code = f"U+{ord(odd[0]):04X}"
            faults.append(
                Text(
                    f"第 {number} 行含有看不见的控制字符（{code}）",
                    f"line {number} holds a character that cannot be seen ({code})",
                )
            )
    return faults


def _lengths(source: str) -> list[Text]:
    lines = source.split("\n")
    faults = []
    if len(source) > LONGEST_TEXT:
        faults.append(
            Text(
                f"最多 {LONGEST_TEXT} 字，现有 {len(source)} 字",
                f"it has {len(source)} characters and may have {LONGEST_TEXT}",
            )
        )
    if len(lines) > MOST_LINES:
        faults.append(
            Text(f"最多 {MOST_LINES} 行，现有 {len(lines)} 行", f"it has {len(lines)} lines and may have {MOST_LINES}")
        )
    if len(lines[0]) > LONGEST_SUBJECT:
        faults.append(
            Text(
                f"标题（第一行）最多 {LONGEST_SUBJECT} 字",
                f"its subject, the first line, may have {LONGEST_SUBJECT} characters",
            )
        )
    return faults


def _parsed(name: str, source: str) -> tuple[Template | None, list[Text]]:
    """The template, or what is wrong with each of its lines."""
    try:
        return parse(name, source), []
    except TemplateFault as fault:
        first = fault.text
    faults = []
    for number, line in enumerate(source.split("\n"), start=1):
        try:
            parse(
                name, "x\n" * (number - 1) + line if line.strip() else "x"
            )  # so that the number in the sentence is its own
        except TemplateFault as fault:
            faults.append(fault.text)
    return None, faults or [first]


def _facts(demand: Demand, template: Template) -> list[Text]:
    faults = []
    if strange := sorted(template.named - demand.may):
        known = sorted(demand.may)
        faults.append(
            Text(
                f"这类消息里没有 {_all(strange, '、')}，可用的有 {_all(known, '、')}",
                f"messages of this kind know no {_all(strange)}; they know {_all(known)}",
            )
        )
    faults += [
        Text(
            f"{{{fact}}} 不是每次都有：请写成 [{{{fact}}}|没有时的说法]，或连同前后文字放进 [ ]",
            f"{{{fact}}} is not always known: write [{{{fact}}}|words for that], or put it in [ ] with the words around it",
        )
        for fact in sorted((template.required - demand.always) & demand.may)
    ]
    faults += [
        Text(f"缺少 {{{fact}}}：收件人必须看到它", f"{{{fact}}} is missing, and its reader has to see it")
        for fact in sorted(demand.must - template.named)
    ]
    # of what is always known nothing has to stand in its place; it may yet be left out with another fact of its group
    return faults + [
        Text(
            f"{{{fact}}} 可能不出现：请写成 [{{{fact}}}|没有时的说法]，不与别的内容放在同一个 [ ] 里",
            f"{{{fact}}} may be left out: write [{{{fact}}}|words for that], in brackets of its own",
        )
        for fact in sorted((demand.must & template.named) - template.surely_said - {"lines"})
        if fact not in template.required
    ]


def _all(facts: list[str], separator: str = ", ") -> str:
    return separator.join(f"{{{fact}}}" for fact in facts)


def _head_and_body(template: Template) -> list[Text]:
    faults = []
    if not template.subject_without_facts.strip():
        faults.append(
            Text("标题可能为空：请在 [ ] 之外写些文字", "the subject could be empty: write some words outside of [ ]")
        )
    if any("lines" in part.needs for part in template.lines[0]):
        faults.append(Text("标题只有一行，不能放 {lines}", "the subject is one line and cannot hold {lines}"))
    if not any(part.text.strip() for line in template.lines[1:] for part in line):
        faults.append(Text("只有标题，没有正文", "it has a subject and no body"))
    return faults


def _screen(demand: Demand, template: Template, locale: Locale) -> list[Text]:
    taken = rows(sample(demand, template, locale))
    most = 3 if demand.line else SCREEN_ROWS
    if taken <= most:
        return []
    return [
        Text(
            f"太长：内容齐全时在手机上要占 {taken} 行，最多 {most} 行",
            f"it is too long: with everything in it, it takes {taken} rows of a phone and may take {most}",
        )
    ]
