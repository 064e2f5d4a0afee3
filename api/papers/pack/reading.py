"""The case as a page that people read and print: what is on record, in words, with its pictures. No script, no network."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from api.papers.pack.gathering import Gathered, checkpoint_of
from api.schemas import EVENT_TITLES
from engine.case import FIVE_STATES
from engine.definition import Form, references
from engine.errors import Text
from engine.events import in_the_name_of
from engine.store.history import entry_of
from engine.store.records import Record, is_cleared
from workflows.reference import checklists, criteria, levels, limits, taxonomy

HERE = Path(__file__).parent
SHA256 = re.compile(r"[0-9a-f]{64}")

CLEARED = Text("（已清除）", "(cleared)")
NOTHING = Text("—", "—")
SYSTEM = Text("系统", "the system")
SOMEBODY = Text("本校人员", "somebody of the school")
YES, NO = Text("是", "yes"), Text("否", "no")
#: words for answers that are codes, by the field that asks for them
CODES: Mapping[str, Mapping[str, Text]] = {
    "source": {
        "self_check": Text("自查", "own check"), "group": Text("分组检查", "group check"),
        "cross": Text("交叉检查", "cross-check"), "spot_check": Text("抽查", "spot check"),
        "superior": Text("上级检查", "check from above"), "staff": Text("师生上报", "reported by staff or pupils"),
        "anonymous": Text("匿名上报", "reported anonymously"),
    },
    "result": {
        "pass": Text("合格", "pass"), "fail": Text("不合格", "fail"), "na": Text("不适用", "not applicable"),
    },
    "kind": {
        "real": Text("实战演练", "real"), "desktop": Text("桌面推演", "table-top"), "question": Text("提问式", "by question"),
    },
}  # fmt: skip
#: what events say that no form asked for
OTHER_FIELDS: Mapping[str, Text] = {
    "number": Text("关联事项", "Case bound to it"), "rung": Text("提醒节点", "Rung"), "to": Text("告知", "Told"),
    "escalated": Text("逾期提级", "Escalated"), "skipped": Text("合并的提醒", "Rungs told together"),
    "due_at_before": Text("原期限", "Deadline before"), "due_at_after": Text("新期限", "Deadline after"),
    "calendar_before": Text("原日历版本", "Calendar before"), "calendar_after": Text("新日历版本", "Calendar after"),
    "reminders": Text("改期的提醒", "Reminders that moved"),
    "result": Text("结果", "Result"), "note": Text("说明", "Note"), "place": Text("部位", "Where"),
    "value": Text("读数", "Reading"), "title": Text("问题", "Problem"), "category": Text("类别", "Category"),
    "via": Text("由消息办理，渠道", "From a message, by"),
}  # fmt: skip
LINKS: Mapping[str, Text] = {
    "merged_into": Text("并入", "merged into"), "absorbed": Text("并入本项的", "merged into this one:"),
    "rebound_of": Text("反弹自", "rebound of"), "rebounded_as": Text("反弹为", "rebounded as"),
    "corrects": Text("更正", "corrects"), "files": Text("填报", "files"), "filed_in": Text("填报于", "filed in"), "corrected_by": Text("被更正为", "corrected by"),
    "revisits": Text("回头看的是", "looks again at"), "revisited_in": Text("回头看见于", "looked at again in"),
    "read_out_at": Text("通报于会议", "read out at"), "reads_out": Text("会上通报了", "read out there"),
    "follows": Text("接续", "goes on from"), "followed_by": Text("接续本项的", "followed by"), "within": Text("属于专项行动", "opened in the campaign"),
    "parent": Text("来自", "comes from"), "child": Text("引出", "led to"),
}  # fmt: skip
ABSENT: Mapping[str, Text] = {
    "unknown": Text("没有这个文件的登记", "no such file is on record"),
    "cleared": Text("因保护个人信息已清除", "cleared to protect a person"),
    "gone": Text("内容已不在数据目录中", "its bytes are no longer kept"),
    "held_back": Text("匿名上报的照片，受理前不出示", "of an anonymous report, not shown before it is taken up"),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer as it is shown: words; or a file; or some of these, each with what it is called if it is called anything."""

    text: Text | None = None
    picture: str | None = None
    document: str | None = None
    items: Sequence[tuple[Text | None, "Shown"]] = ()


@dataclass(frozen=True, slots=True)
class Milestone:
    """One of the five states: its title in this loop, since when and by whom; blank where the case has not come to it."""

    title: Text
    at: str
    by: Text | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of the timeline."""

    sequence: int
    title: Text
    at: str
    by: Text
    state: Text | None
    found_at: str | None
    said: Sequence[tuple[Text, Shown]]
    hash: str
    position: int


def page_of(gathered: Gathered, absent: Mapping[str, str]) -> str:
    """The page. `absent`: why a file that the events name is not in the pack, by hash."""
    reader = _Reader(gathered, absent)
    case = gathered.case
    return (
        _templates()
        .get_template("page.html")
        .render(
            case=case,
            kind=gathered.workflow.title,
            organisation=gathered.organisation.name,
            state=gathered.workflow.state(case.state).title,
            facts=reader.facts(),
            milestones=reader.milestones(),
            timeline=[reader.entry(record) for record in gathered.records],
            made_at=reader.local(gathered.made_at),
            zone=gathered.zone.key,
            sealed_at=reader.local(checkpoint_of(gathered).at),
            size=gathered.size,
            key=gathered.checkpoint.key,
            with_names=gathered.with_names,
            both=both,
        )
    )


def both(text: Text) -> Markup:
    """Chinese, and English beside it where it says something else."""
    if text.zh == text.en:
        return escape(text.zh)
    return Markup('{} <span class="en" lang="en">{}</span>').format(text.zh, text.en)


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


class _Reader:
    """Turns what is on record into words."""

    def __init__(self, gathered: Gathered, absent: Mapping[str, str]) -> None:
        self._of = gathered
        self._absent = absent

    # --- the case ----------------------------------------------------------------------------------------------------

    def facts(self) -> list[tuple[Text, Text]]:
        case = self._of.case
        category = taxonomy().all[case.category].title if case.category in taxonomy().all else None
        level = levels()[case.level].title if case.level in levels() else None
        found = [
            (Text("部位", "Place"), _same(case.place)),
            (Text("类别", "Category"), category or _same(case.category)),
            (Text("等级", "Level"), level or _same(case.level)),
            (Text("责任部门", "Department"), self._department(case.department)),
            (Text("上报人", "Reported by"), self._person(case.reporter)),
            (Text("责任人", "Assignee"), self._person(case.assignee)),
            (Text("期限", "Deadline"), _same(self.local(case.due_at) if case.due_at else "")),
            (Text("首次期限", "First deadline"), _same(self.local(case.first_due_at) if case.first_due_at else "")),
            (Text("挂牌督办", "Supervised by name"), YES if case.supervised else _same("")),
        ]
        found += [(LINKS.get(link.kind, Text("关联", "Bound to")), _same(link.number)) for link in case.links]
        return [(label, value) for label, value in found if value.zh]

    def milestones(self) -> list[Milestone]:
        """The five states, as far as the loop has them and the case has come: since when, and who brought it there."""
        workflow, reached = self._of.workflow, FIVE_STATES.index(self._of.case.counts_as)
        last: dict[str, Record] = {}
        for record in self._of.records:
            if (counted := record.changes().get("counts_as")) is not None:
                last[counted] = record
        found = []
        for index, name in enumerate(FIVE_STATES):
            states = [state for state in workflow.states if state.counted == name]
            if states:
                title = next((state for state in states if state.name == name), states[0]).title
                came = last.get(name) if index <= reached else None
                at = "" if came is None else self.local(datetime.fromisoformat(came.read()["recorded_at"]))
                found.append(Milestone(title, at, None if came is None else self.by(came)))
        return found

    # --- its events --------------------------------------------------------------------------------------------------

    def entry(self, record: Record) -> Entry:
        said, workflow = record.read(), self._of.workflow
        drawn = workflow.triggers.get(said["trigger"])
        title = EVENT_TITLES.get(said["type"]) or (drawn[0].title if drawn else _same(said["trigger"]))
        moved = said["from"] != said["to"] and any(state.name == said["to"] for state in workflow.states)
        return Entry(
            sequence=record.sequence,
            title=title,
            at=self.local(datetime.fromisoformat(said["recorded_at"])),
            by=self.by(record),
            state=workflow.state(said["to"]).title if moved else None,
            found_at=self.local(datetime.fromisoformat(said["found_at"])) if said["found_at"] else None,
            said=self._said(record, self._form(said)),
            hash=record.hash,
            position=record.position,
        )

    def by(self, record: Record) -> Text:
        """Who did it and in whose name."""
        said = record.read()
        represented = said["on_behalf_of"]
        return in_the_name_of(
            self._principal(said["actor"]), None if represented is None else self._principal(represented)
        )

    def _form(self, said: Mapping[str, Any]) -> type[Form] | None:
        workflow = self._of.workflow
        if said["type"] == "opened":
            return workflow.opens_with
        if said["type"] in {"stepped", "signed"} and said["trigger"] in workflow.triggers:
            return workflow.form_of(said["trigger"])
        return None

    def _said(self, record: Record, form: type[Form] | None) -> list[tuple[Text, Shown]]:
        data = record.answers()
        named = {path: kind for path, kind, _ in references(form, data)} if form else {}
        found = []
        for name in [*(form.model_fields if form else ()), *sorted(set(data) - set(form.model_fields if form else ()))]:
            entry = entry_of(record.entries, name)
            if entry is None:
                continue
            label, shown = _label(form, name), self._shown(name, name, entry["value"], named)
            if is_cleared(entry):  # what is left may say something still, and is no longer what was recorded
                label = Text(f"{label.zh}（部分内容已清除）", f"{label.en} (cleared in part)")
                shown = Shown(CLEARED) if shown.text == NOTHING else shown
            if shown.text != NOTHING:
                found.append((label, shown))
        return found

    def _shown(self, name: str, path: str, value: Any, named: Mapping[str, str]) -> Shown:
        """An answer in words. `name`: of the field it answers; `named`: what kind of thing it refers to, by path."""
        if value is None or value in ("", [], {}):
            return Shown(NOTHING)
        if isinstance(value, bool):
            return Shown(YES if value else NO)
        if isinstance(value, list):
            return Shown(items=[(None, self._shown(name, f"{path}.{n}", item, named)) for n, item in enumerate(value)])
        if isinstance(value, dict):
            return Shown(
                items=[
                    (_item(name, key), shown)
                    for key, item in value.items()
                    if (shown := self._shown(key, f"{path}.{key}", item, named)).text != NOTHING
                ]
            )
        return self._word(name, str(value), named.get(path))

    def _word(self, name: str, value: str, kind: str | None) -> Shown:
        if kind == "person":
            return Shown(self._person(value))
        if kind == "department":
            return Shown(self._department(value))
        if SHA256.fullmatch(value):
            return self._file(value)
        if name in {"to", "skipped", "rung", "reminders"}:
            return Shown(self._told(value) if name == "to" else _rung(value))
        if name == "category" and value in taxonomy().all:
            return Shown(taxonomy().all[value].title)
        if name == "time_limit" and value in limits():
            return Shown(limits()[value].title)
        if name == "checklists" and value in checklists():
            return Shown(checklists()[value].title)
        if name.startswith("due_at_"):
            return Shown(_same(self.local(datetime.fromisoformat(value))))
        return Shown(CODES.get(name, {}).get(value) or _same(value))

    def _file(self, sha256: str) -> Shown:
        if sha256 in self._absent:
            why = ABSENT[self._absent[sha256]]
            return Shown(Text(f"{sha256[:16]}… 不在包中：{why.zh}", f"{sha256[:16]}… is not in the pack: {why.en}"))
        record, name = self._of.files.get(sha256), self._of.name_of(sha256)
        return Shown(picture=name) if record is not None and record.is_picture else Shown(document=name)

    def _told(self, audience: str) -> Text:
        try:
            return self._of.workflow.called(audience)
        except KeyError:
            return _same(audience)

    # --- who, where, when --------------------------------------------------------------------------------------------

    def _principal(self, key: str) -> Text:
        kind, _, who = key.partition(":")
        if kind == "system":
            return SYSTEM
        if kind == "anonymous":
            return Text(f"{who}的访客", f"a visitor at {who}")
        return self._person(who)

    def _person(self, key: str | None) -> Text:
        """By post, and by name where names may be told."""
        if key is None:
            return _same("")
        person = self._of.people.get(key)
        if person is None:
            return _same(key) if self._of.with_names else SOMEBODY
        if not self._of.with_names:
            return _same(person.post) if person.post else SOMEBODY
        return _same(person.name if person.post in {"", person.name} else f"{person.post}（{person.name}）")

    def _department(self, code: str | None) -> Text:
        return self._of.departments.get(code or "", _same(code or ""))

    def local(self, instant: datetime) -> str:
        return f"{instant.astimezone(self._of.zone):%Y-%m-%d %H:%M}"


def _same(text: str) -> Text:
    return Text(text, text)


def _label(form: type[Form] | None, name: str) -> Text:
    info = form.model_fields.get(name) if form else None
    if info is None or info.title is None:
        return OTHER_FIELDS.get(name, _same(name))
    extra = info.json_schema_extra
    en = extra.get("en") if isinstance(extra, dict) else None
    return Text(info.title, str(en or info.title))


def _item(name: str, key: str) -> Text:
    """What one of many answers is called: the question it answers, where there is one."""
    if name == "criteria" and key in criteria():
        return criteria()[key].question
    return _checklist_items().get(key) or OTHER_FIELDS.get(key, _same(key))


@lru_cache(maxsize=1)
def _checklist_items() -> Mapping[str, Text]:
    return {item.code: item.title for sheet in checklists().values() for item in sheet.items}


_RUNG = re.compile(r"(before|after|repeat|receipt)-(\d+)")


def _rung(name: str) -> Text:
    if name == "due":
        return Text("到期当日", "on the day it is due")
    if name == "receipt":
        return Text("签收期限", "receipt due")
    found = _RUNG.fullmatch(name)
    if found is None:
        return _same(name)
    kind, number = found.groups()
    return {
        "before": Text(f"到期前 {number} 个工作日", f"{number} working days before"),
        "after": Text(f"逾期 {number} 个工作日", f"{number} working days late"),
        "repeat": Text(f"持续逾期，第 {number} 次", f"still late, time {number}"),
        "receipt": Text(f"签收逾期 {number} 个工作日", f"receipt {number} working days late"),
    }[kind]
