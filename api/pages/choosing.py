"""Filters in words: what may be chosen in a list's form, and what the address of a list says when it is read out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from api.pages.words import WORDS
from api.periods import OF_REPORTS, REPORTS
from api.schemas import EVENT_TITLES, other_step
from api.trail import NOTED_TITLES
from engine.case import FIVE_STATES
from engine.definition import Catalog, Workflow
from engine.directory import Department
from engine.errors import Locale, Text
from engine.events import LOGBOOK
from engine.store.worklists import SPAN
from workflows import asking
from workflows.reference import levels, taxonomy

#: what a parameter of a list is called
LABELS: Mapping[str, Text] = {
    "q": Text("文字", "Words"),
    "book": Text("年度台账", "Book of a year"),
    "carried_over": Text("上年结转", "Carried over"),
    "workflow": Text("类型", "Kind"),
    "state": Text("状态", "State"),
    "counts_as": Text("阶段", "Stage"),
    "level": Text("等级", "Level"),
    "category": Text("类别", "Category"),
    "department": Text("部门", "Department"),
    "assignee": Text("责任人", "Held by"),
    "overdue": Text("逾期", "Overdue"),
    "open": Text("未办结", "Open"),
    "due_before": Text("期限早于", "Due before"),
    "opened_after": Text("登记晚于", "Opened after"),
    "opened_from": Text("登记日期自", "Opened since"),
    "opened_before": Text("登记早于", "Opened before"),
    "closed_from": Text("办结不早于", "Closed from"),
    "closed_before": Text("办结早于", "Closed before"),
    "without": Text("未填", "Lacking"),
    "action": Text("步骤", "Step"),
    "report": Text("报送", "Report"),
    "cycle": Text("周期", "Cycle"),
    "period_from": Text("周期不早于", "Period from"),
    "period_before": Text("周期早于", "Period before"),
    "categories": Text("类别为其一", "One of the categories"),
    "apart_from": Text("状态不是", "Not standing at"),
    "without_action": Text("未办步骤", "Step not taken"),
    "action_from": Text("步骤不早于", "Step taken from"),
    "action_before": Text("步骤早于", "Step taken before"),
    "besides": Text("报送另注", "Besides"),
    "without_workflow": Text("类型不含", "Kinds left out"),
    "within": Text("专项行动", "Campaign"),
    "opened_with": Text("登记时填报", "Opened with"),
    "claimed_on": Text("补录的按原台账发现日期", "Taken over: found, by its ledger,"),
    "as_of": Text("当时情况", "As of"),
    "person": Text("人员", "Person"),
    "actor": Text("办理人", "Taken by"),
    "on_behalf_of": Text("被代表人", "In the name of"),
    "case": Text("事项编号", "Case"),
    "type": Text("记录类型", "Kind of record"),
    "outcome": Text("结果", "Outcome"),
    "from": Text("自", "From"),
    "to": Text("至", "To"),
    "day": Text("日", "Day"),
    "month": Text("月", "Month"),
}  # fmt: skip

#: the five stages every loop is counted by
STAGES: Mapping[str, Text] = {
    "reported": Text("已上报", "reported"),
    "assigned": Text("整改中", "being dealt with"),
    "fixed": Text("待复查", "to be checked"),
    "verified": Text("待销号", "to be closed"),
    "closed": Text("已办结", "closed"),
}
TYPES: Mapping[str, Text] = {
    "opened": EVENT_TITLES["opened"],
    "stepped": Text("办理步骤", "Step"),
    "signed": Text("签字", "Signed"),
    **EVENT_TITLES,
    "noted": Text("操作日志", "Logbook"),
}
OUTCOMES: Mapping[str, Text] = {"accepted": Text("已办理", "accepted"), "refused": Text("未办理", "refused")}
YES_NO: Mapping[str, Text] = {"true": WORDS["yes"], "false": WORDS["no"]}
#: steps that no loop draws
OTHER_STEPS: Mapping[str, Text] = {"open": Text("登记", "Open"), "read": Text("查看", "Read")}
#: what is recorded besides, by nobody's step
BESIDES: Mapping[str, Text] = {
    **NOTED_TITLES,
    "absorbed": Text("并入重复事项", "Absorbed another"),
    "rebounded_as": Text("再次出现", "Came back"),
    "corrected_by": Text("已更正", "Corrected"),
    "revisited_in": Text("已回头看", "Looked at again"),
    "filed_in": Text("已填报上级平台", "Filed in a platform"),
    "followed_by": Text("已接续", "Followed by another"),
    "reads_out": Text("会上通报", "Bulletin read out"),
    "recompute": EVENT_TITLES["recomputed"],
}
#: reminders by the names of their rungs: `before-3`, `repeat-2`
REMINDERS: Mapping[str, Text] = {
    "before": Text("到期前 {} 天提醒", "Reminder, {} days before"),
    "due": Text("到期提醒", "Reminder, due"),
    "after": Text("逾期 {} 天提醒", "Reminder, {} days late"),
    "repeat": Text("第 {} 次催办", "Reminder again, {}"),
    "receipt": Text("签收提醒", "Reminder to acknowledge"),
}
NOT_SAID = Text("未填", "not said")
_ALWAYS: Mapping[str, Mapping[str, Text]] = {
    "counts_as": {stage: STAGES[stage] for stage in FIVE_STATES}, "overdue": YES_NO, "open": YES_NO, "carried_over": YES_NO, "type": TYPES,
    "outcome": OUTCOMES, "without": LABELS, "report": {**REPORTS}, "besides": {**OF_REPORTS},
}  # fmt: skip

Group = tuple[str | None, Sequence[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Choosing:
    """A question of a list's form: a parameter, its label, and what may be answered, some under headings."""

    name: str
    label: Text
    groups: Sequence[Group]
    value: str


class Vocabulary:
    """The words of an organisation's filters in one language.

    people    key → what the reader may call him
    years     of which there is a book, the newest first
    """

    def __init__(
        self, catalog: Catalog, locale: Locale, zone: ZoneInfo, departments: Iterable[Department], people: Mapping[str, str],
        years: Iterable[int] = (),
    ) -> None:  # fmt: skip
        self._catalog, self._locale, self._zone = catalog, locale, zone
        self._years = list(years)
        self._departments = {each.code: each.name.in_(locale) for each in departments}
        self._people = people

    @property
    def locale(self) -> Locale:
        return self._locale

    def said(self, name: str, value: str) -> str:
        """The value of a parameter as people read it; as it is where nobody gave it words."""
        if name in ("assignee", "person", "actor", "on_behalf_of"):
            return self._people.get(value.removeprefix("person:"), value)
        if name == "department":
            return self._departments.get(value, value)
        if name == "categories":
            return NOT_SAID.in_(self._locale) if value == "-" else self.said("category", value)
        if name in ("state", "apart_from"):
            return next((t for _, states in self._states() for s, t in states if s == value), value)
        if name in ("action", "without_action"):
            drawn = next((t for _, steps in self._steps() for s, t in steps if s == value), None)
            return drawn or _besides(value).in_(self._locale)
        if name == "opened_with":
            return self._answer(*value.split(":", 1))
        if name == "case" and value == LOGBOOK:
            return WORDS["trail_logbook"].in_(self._locale)
        words = self._words(name).get(value)
        return words.in_(self._locale) if words is not None else self._instant(value)

    def choices(self, name: str, value: str) -> Choosing:
        """What may be chosen for a parameter, of which `value` is."""
        return Choosing(name, LABELS[name], self._groups(name), value)

    def _groups(self, name: str) -> Sequence[Group]:
        if name == "state":
            return self._states()
        if name == "action":
            return self._steps()
        if name == "department":
            return [(None, list(self._departments.items()))]
        if name in ("assignee", "person"):
            return [(None, sorted(self._people.items(), key=lambda each: each[1]))]
        if name == "category":
            return [
                (top.title.in_(self._locale), [(each.code, each.title.in_(self._locale)) for each in (top, *taxonomy().below(top.code))])
                for top in taxonomy().categories.values()
            ]  # fmt: skip
        return [(None, [(value, words.in_(self._locale)) for value, words in self._words(name).items()])]

    def _words(self, name: str) -> Mapping[str, Text]:
        if name == "book":
            return {str(year): Text(f"{year} 年", f"{year}") for year in self._years}
        if name in ("without_workflow", "workflow"):
            return {loop.key: loop.title for loop in self._catalog.newest()}
        if name == "cycle":
            return {rule.cycle.key: rule.cycle.title for _, rule in self._catalog.cycles()}
        if name == "level":
            return {code: level.title for code, level in levels().items()}
        if name == "category":
            return {code: title for code in taxonomy().all if (title := asking.words_of("category", code)) is not None}
        return _ALWAYS.get(name, {})

    def _answer(self, question: str, answer: str = "") -> str:
        """What was answered when a case was opened; days from one to another, the same day said once."""
        first, between, last = answer.partition(SPAN)
        if between:
            return "—".join(dict.fromkeys((self._instant(first), self._instant(last))))
        words = asking.words_of(question, answer)
        return self._instant(answer) if words is None else words.in_(self._locale)

    def _states(self) -> Sequence[Group]:
        return [
            self._under(loop, {state.name: state.title for state in loop.states}) for loop in self._catalog.newest()
        ]

    def _steps(self) -> Sequence[Group]:
        drawn = [
            self._under(loop, {trigger: steps[0].title for trigger, steps in loop.triggers.items()})
            for loop in self._catalog.newest()
        ]
        return [(None, [(step, words.in_(self._locale)) for step, words in OTHER_STEPS.items()]), *drawn]

    def _under(self, loop: Workflow, words: Mapping[str, Text]) -> Group:
        return loop.title.in_(self._locale), [(name, title.in_(self._locale)) for name, title in words.items()]

    def _instant(self, value: str) -> str:
        """An instant by the wall clock of the organisation, a midnight as its day; any other value as it is."""
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            return value
        if instant.tzinfo is None:
            return day_in_words(instant.date(), self._locale) if len(value) == len("2020-01-17") else value
        here = instant.astimezone(self._zone)
        if not (here.hour or here.minute):
            return day_in_words(here.date(), self._locale)
        return f"{day_in_words(here.date(), self._locale)} {here:%H:%M}"


def _besides(action: str) -> Text:
    """What is recorded that is nobody's step; by its code where nobody gave it words."""
    rung, _, number = action.partition("-")
    if rung in REMINDERS and (not number or number.isdecimal()):
        words = REMINDERS[rung]
        return Text(words.zh.format(number or 1), words.en.format(number or 1))
    return BESIDES.get(action, other_step(action))


def day_in_words(day: date, locale: Locale) -> str:
    return f"{day.year}年{day.month}月{day.day}日" if locale == "zh" else f"{day.day} {day:%b %Y}"
