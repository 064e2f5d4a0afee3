"""The one way in which an edge changes what an organisation's messages say, and shows beforehand how they will look.

A text is checked when it is kept (`notifications.editing`), so that nothing is wrong with it when a message leaves. Each change
stands in the logbook.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import get_args

from sqlalchemy import Connection

from api import samples
from api.problems import UnknownText
from api.samples import Sample
from engine.actor import Actor, Visibility
from engine.authority import may_see
from engine.case import CASE_NUMBER, Case
from engine.definition import Workflow
from engine.errors import FieldFault, InvalidInput, Locale, Text
from engine.events import Notice
from engine.handle import Engine, as_it_stands, note_in, unknown_case
from engine.store import calendars, cases, people
from notifications import texts
from notifications.editing import DEMANDS, Demand, check, tidied
from notifications.message import Addressee, Words
from notifications.rendering import Wording, direct, parse, standard_names, standard_text
from notifications.routing import SchoolSettings
from notifications.texts import OwnText

LOCALES: tuple[Locale, ...] = get_args(Locale)
SETTING = Text("设置消息文字", "Set a message's text")
RESETTING = Text("恢复消息文字", "Take a text back to the program's own")
PREVIEWING = Text("预览消息文字", "Preview a message's text")


@dataclass(frozen=True, slots=True)
class Shown:
    """A text as it is used. `workflow` is empty where it speaks of all of them.

    own        whether the organisation worded it; then `standard` is what comes with the program
    faults     what is wrong with it by now, since a newer program asks for more; it is passed over where it cannot be read
    """

    name: str
    workflow: str
    locale: Locale
    text: str
    standard: str
    own: bool
    changed_at: datetime | None
    faults: tuple[Text, ...]

    @property
    def demand(self) -> Demand:
        return DEMANDS[self.name]


def all_of(connection: Connection, engine: Engine, organisation: str) -> list[Shown]:
    """Every text there is by name and language: those that come with the program, and the organisation's own."""
    own = {(t.name, t.workflow, t.locale): t for t in texts.every(connection, organisation)}
    known = {(*_taken_apart(name), locale) for locale in LOCALES for name in standard_names(locale)}
    places = sorted(
        {*known, *own}, key=lambda place: (list(DEMANDS).index(place[0]), place[1], LOCALES.index(place[2]))
    )
    return [_shown(place, own.get(place)) for place in places if not place[1] or engine.catalog.get(place[1])]


def find(connection: Connection, engine: Engine, organisation: str, name: str, workflow: str, locale: str) -> Shown:
    """Raises UnknownText."""
    place = _place(engine, name, workflow, locale, Text("查看消息文字", "See a message's text"))
    own = {(t.name, t.workflow, t.locale): t for t in texts.every(connection, organisation)}
    return _shown(place, own.get(place))


def _shown(place: tuple[str, str, Locale], own: OwnText | None) -> Shown:
    name, workflow, locale = place
    special = f"{name}.{workflow}"
    standard = tidied(standard_text(locale, special if special in standard_names(locale) else name))
    if own is None:
        return Shown(name, workflow, locale, standard, standard, False, None, ())
    return Shown(name, workflow, locale, own.text, standard, True, own.changed_at, tuple(check(name, locale, own.text)))


def _taken_apart(name: str) -> tuple[str, str]:
    kind, _, workflow = name.partition(".")
    return kind, workflow


# --- changing --------------------------------------------------------------------------------------------------------


def keep(engine: Engine, actor: Actor, name: str, workflow: str, locale: str, source: str) -> Shown:
    """Word a message anew; who may is asked by the edge. What is so already changes nothing and is not noted again.

    Raises    UnknownText; InvalidInput with a sentence for every fault of the text
    """
    place = _place(engine, name, workflow, locale, SETTING)
    text = checked(place, source, SETTING)
    here, now = actor.organisation, engine.clock.now()
    with engine.database.write(here) as connection:
        people.change_alone(connection, here)
        before = {(t.name, t.workflow, t.locale): t for t in texts.every(connection, here)}.get(place)
        if before is not None and before.text == text:
            return _shown(place, before)
        own = OwnText(workflow, name, place[2], text, now)
        texts.keep(connection, here, own)
        _note(engine, connection, actor, place, "set")
    return _shown(place, own)


def reset(engine: Engine, actor: Actor, name: str, workflow: str, locale: str) -> Shown:
    """Back to the words that come with the program. Raises UnknownText where it was not worded here."""
    place = _place(engine, name, workflow, locale, RESETTING)
    here = actor.organisation
    with engine.database.write(here) as connection:
        people.change_alone(connection, here)
        if not texts.drop(connection, here, workflow, name, place[2]):
            raise UnknownText(
                asked=RESETTING,
                obstacle=Text("本单位没有改过这段文字", "the organisation has not worded it itself"),
                remedy=Text("无需恢复", "There is nothing to take back"),
            )
        _note(engine, connection, actor, place, "reset")
    return _shown(place, None)


def _note(engine: Engine, connection: Connection, actor: Actor, place: tuple[str, str, Locale], what: str) -> None:
    name, workflow, locale = place
    note_in(
        engine, connection, actor, "text_changed", {"what": what, "name": name, "workflow": workflow, "locale": locale}
    )


def checked(place: tuple[str, str, Locale], source: str, asked: Text) -> str:
    """The text as it is kept. Raises InvalidInput with a sentence for every fault."""
    name, _, locale = place
    text = tidied(source)
    if faults := check(name, locale, text):
        raise InvalidInput(
            asked=asked,
            obstacle=Text("；".join(fault.zh for fault in faults), "; ".join(fault.en for fault in faults)),
            remedy=Text(
                "请改正后重新提交；可用的写法见说明，或先恢复原文再改",
                "Correct it and send it again; begin with the program's own words if in doubt",
            ),
            fields=[FieldFault("text", fault) for fault in faults],
        )
    return text


def _place(engine: Engine, name: str, workflow: str, locale: str, asked: Text) -> tuple[str, str, Locale]:
    """Raises UnknownText for what no message is made with."""
    demand = DEMANDS.get(name)
    why: Text | None = None
    if demand is None:
        known = "、".join(DEMANDS), ", ".join(DEMANDS)
        why = Text(f"没有这样的文字，可用的有 {known[0]}", f"there is no such text; there are {known[1]}")
    elif locale not in LOCALES:
        why = Text("语言只有 zh 和 en", "the languages are zh and en")
    elif workflow and engine.catalog.get(workflow) is None:
        keys = [w.key for w in engine.catalog.newest()]
        why = Text(
            f"没有这种流程，可用的有 {'、'.join(keys)}", f"there is no such workflow; there are {', '.join(keys)}"
        )
    elif workflow and not demand.of_one_workflow:
        why = Text("这段文字涉及多种流程，不能只为一种流程设置", "it speaks of many workflows and is not set for one")
    if why is not None:
        remedy = Text("请核对名称、流程和语言", "Check name, workflow and language")
        raise UnknownText(asked=asked, obstacle=why, remedy=remedy)
    return name, workflow, "zh" if locale == "zh" else "en"


# --- previews --------------------------------------------------------------------------------------------------------


def preview(
    connection: Connection, engine: Engine, organisation: str, name: str, workflow: str, locale: str, source: str | None
) -> list[Sample]:
    """How messages of this name look with this text, or with the one in use, by state: from made-up facts, as a rule and with
    everything in it.

    Raises    UnknownText; InvalidInput as `keep`
    """
    place = _place(engine, name, workflow, locale, PREVIEWING)
    wording = _wording(connection, organisation, place, source)
    loops = [w for w in engine.catalog.newest() if workflow in ("", w.key)]
    return list(_samples_of(place, loops, wording))


def preview_of_case(
    connection: Connection,
    engine: Engine,
    actor: Actor,
    seen: Visibility | None,
    place: tuple[str, str, str],
    source: str | None,
    number: str,
    school: SchoolSettings,
) -> Words:
    """How a message of this name would look now, about a case as it stands, to the asker.

    seen      which cases he may see; all of them where it is None, at the folder itself
    Raises    UnknownText, InvalidInput, UnknownCase; InvalidInput for a list, which is about no single case
    """
    name, workflow, locale = _place(engine, *place, PREVIEWING)
    here = actor.organisation
    case = cases.load(connection, here, number) if CASE_NUMBER.fullmatch(number) else None
    if case is None or (seen is not None and not may_see(case, seen)):
        raise unknown_case(number[:64])
    if not DEMANDS[name].of_one_workflow:
        fault = Text("汇总类消息不能用单个事项预览", "a list is about many cases and is not previewed with one")
        raise InvalidInput(
            asked=PREVIEWING, obstacle=fault, remedy=Text("请改用样例预览", "Preview it with the samples"),
            fields=[FieldFault("case", fault)],
        )  # fmt: skip
    wording = _wording(connection, here, (name, workflow or case.workflow, locale), source)
    notice = _about_case(connection, engine, case, name)
    me = actor.person or ""
    reader = Addressee(me, people.names(connection, here).get(me, ""), locale)
    return direct(notice, reader, people.time_zone(connection, here), school, engine.clock.now(), wording)


def _about_case(connection: Connection, engine: Engine, case: Case, name: str) -> Notice:
    calendar = calendars.newest(connection, case.organisation)
    assert calendar is not None  # without one there is no case
    now, attention = engine.clock.now(), name == "attention"
    about = as_it_stands(engine.catalog.of(case), case, calendar, now)
    about["rung"] = None if attention else "rung"
    reason = "escalation" if attention else name
    return Notice(f"{case.number}:0:{reason}", case.organisation, case.number, 0, reason, (), "direct", now, about)


def _wording(connection: Connection, organisation: str, place: tuple[str, str, Locale], source: str | None) -> Wording:
    """What the organisation's messages are made with, this text in its place."""
    own = dict(texts.in_use(connection, organisation))
    if source is not None:
        name, workflow, locale = place
        own[workflow, name, locale] = parse(name, checked(place, source, PREVIEWING))
    return Wording(own)


def _samples_of(place: tuple[str, str, Locale], loops: Sequence[Workflow], wording: Wording) -> Iterator[Sample]:
    name, _, locale = place
    shown = _WHOLE.get(name, name)
    for fullness in samples.USUAL_AND_FULL:
        for sample in samples.messages(loops, locale, wording, fullness):
            if sample.name == shown:
                yield replace(sample, state=sample.state if fullness == "usual" else f"{sample.state}+")


#: a line is shown in the list it stands in
_WHOLE = {"digest_line": "digest", "unreached_line": "digest", "daily_line": "daily_list", "back_line": "back"}
