"""What a command refers to: the people, departments, files and cases its form names, the case it repeats."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from engine.actor import Actor
from engine.authority import may_see, may_see_evidence, visibility
from engine.case import CASE_NUMBER, REBOUND_OF, WITHIN, Case, Link
from engine.decision import Decision, Setting
from engine.definition import Transition, Workflow
from engine.directory import AT
from engine.errors import FieldFault, InvalidInput, Text
from engine.handle.reading import Reading
from engine.store import cases, files, people

#: what a form's answers refer to, as `definition.references` finds it: (dotted field, kind, value)
Referred = Sequence[tuple[str, str, str]]


def look_up(reading: Reading, actor: Actor, referred: Referred, asked: Text) -> dict[str, Case]:
    """Everything the answers refer to exists. Gives the cases among it; raises InvalidInput naming the rest."""
    faults: list[FieldFault] = []
    related: dict[str, Case] = {}
    looked_up: dict[tuple[str, str], str | None] = {}  # a sheet may name one file for each of its hundred items
    for name, kind, value in referred:
        if kind == "case":
            case = reading.locked(actor.organisation, value)
            if case is not None and may_see(case, visibility(actor, reading.engine.catalog.overseers)):
                related[value] = case
                continue
            missing: str | None = kind
        else:
            if (kind, value) not in looked_up:
                looked_up[kind, value] = _missing(reading, actor, kind, value)
            missing = looked_up[kind, value]
        if missing is not None:
            what = _MISSING[missing]
            faults.append(FieldFault(name, Text(f"{value!r} {what.zh}", f"{value!r} {what.en}")))
    if faults:
        raise InvalidInput(
            asked=asked,
            obstacle=Text("；".join(f.what.zh for f in faults), "; ".join(f.what.en for f in faults)),
            remedy=Text("请核对后重新提交", "Correct these fields and send it again"),
            fields=faults,
        )
    return related


def who_is_named(reading: Reading, organisation: str, referred: Referred) -> dict[str, str | None]:
    """person → department of everybody the answers name; they exist, since they were looked up."""
    keys = [value for _, kind, value in referred if kind == "person"]
    found = {key: reading.person(organisation, key) for key in keys}
    return {key: person.department for key, person in found.items() if person is not None}


def who_is_addressed(
    reading: Reading, organisation: str, data: Mapping[str, Any], transition: Transition, asked: Text
) -> tuple[str, ...]:
    """Whom the form's audience means today. Raises InvalidInput where that is nobody."""
    name = transition.addresses
    if name is None or not data:
        return ()
    today = reading.calendar(organisation).local_date(reading.now)
    found = people.addressed(reading.connection, organisation, data[name], today)
    if not found:
        nobody = Text("目前没有在册人员", "means nobody who is here today")
        raise InvalidInput(
            asked=asked,
            obstacle=Text(f"所选范围{nobody.zh}", f"the audience {nobody.en}"),
            remedy=Text("请另选知晓范围", "Choose whom it is for anew"),
            fields=[FieldFault(name, nobody)],
        )
    return tuple(found)


def must_hold(reading: Reading, actor: Actor, number: str, asked: Text) -> None:
    """Raises InvalidInput unless this is an open campaign that the actor may see. Nobody locks it: hundreds open cases in it
    at once, and one that is opened while it ends was opened in it all the same.
    """
    known = CASE_NUMBER.fullmatch(number) is not None
    case = cases.load(reading.connection, actor.organisation, number) if known else None
    if case is None or not may_see(case, visibility(actor, reading.engine.catalog.overseers)):
        what = _MISSING["case"]
    elif not reading.engine.catalog.of(case).holds:
        what = Text("不是可以在其中登记事项的专项行动", "is no campaign that cases are opened in")
    elif case.final:
        what = Text("已经结束，不能再在其中登记", "has ended, and nothing is opened in it any more")
    else:
        return
    raise InvalidInput(
        asked=asked,
        obstacle=Text(f"{number!r} {what.zh}", f"{number!r} {what.en}"),
        remedy=Text("请核对专项行动的编号，或去掉它再登记", "Check the campaign's number, or leave it out"),
        fields=[FieldFault(WITHIN, Text(f"{number!r} {what.zh}", f"{number!r} {what.en}"))],
    )


def with_rebound(
    reading: Reading, workflow: Workflow, before: Case | None, decision: Decision, setting: Setting
) -> Decision:
    """The decision, bound to the case this one repeats: the same place and item, closed a short while ago.

    Asked whenever these become known or change: at the opening, or at triage when the reporter left them out.
    """
    rule, case = workflow.rebound, decision.case
    if rule is None or case.final or any(link.kind == REBOUND_OF for link in (*case.links, *decision.links)):
        return decision
    alike = tuple(getattr(case, name) for name in rule.same)
    if not all(alike) or (before and alike == tuple(getattr(before, name) for name in rule.same)):
        return decision
    since = case.opened_at - timedelta(days=setting.policy[rule.within_days])
    found = [n for n in cases.closed_alike(reading.connection, case, rule.same, since) if n != case.number]
    return replace(decision, links=(*decision.links, Link(REBOUND_OF, found[0]))) if found else decision


def _missing(reading: Reading, actor: Actor, kind: str, value: str) -> str | None:
    """What there is to say of a name that leads to nothing of this kind; None where it does."""
    organisation = actor.organisation
    if kind == "person":
        found = reading.person(organisation, value)
        return None if found is not None and found.active else kind
    if kind == "addressee":
        return None  # the case says who that is
    if kind == "audience":
        return None if _is_audience(reading, actor, value) else kind
    if kind == "department":
        return None if reading.has_department(organisation, value) else kind
    file = reading.file(organisation, value, actor.principal)
    if file is None or not (file.sent or _is_shown(reading, actor, value)):
        return "file"
    if file.is_picture != (kind == "file"):
        return "picture" if kind == "file" else "document"
    return None


def _is_audience(reading: Reading, actor: Actor, value: str) -> bool:
    """Whether there is what this names: a department, a role that can be held, a group, somebody who is here."""
    sort, _, name = value.partition(":")
    if sort == "person" and AT in name:
        return False  # who is of another organisation is not addressed here, and must not be left out in silence
    if sort in ("person", "department"):
        return _missing(reading, actor, sort, name) is None
    if sort == "role":
        return any(name in workflow.roles for workflow in reading.engine.catalog.newest())
    if sort == "group":
        return any(group.code == name for group in people.groups(reading.connection, actor.organisation))
    return True


def _is_shown(reading: Reading, actor: Actor, sha256: str) -> bool:
    """Whether the file is evidence in a case that shows it to him. Who only knows its name may not make it his own
    evidence: he could then fetch it.
    """
    seen = visibility(actor, reading.engine.catalog.overseers)
    for number in files.cases_using(
        reading.connection, actor.organisation, sha256
    ):  # one at a time: the first often does
        case = cases.load(reading.connection, actor.organisation, number)
        if case is None or not may_see(case, seen):
            continue
        if may_see_evidence(reading.engine.catalog.of(case), case, (actor,)):
            return True
    return False


_MISSING = {
    "person": Text("不是本单位在册人员", "is nobody active in this organisation"),
    "department": Text("不是本单位的部门", "is no department of this organisation"),
    "file": Text("不是您上传的，也不是您可查看的证据", "is neither uploaded by you nor evidence you may see"),
    "picture": Text("是文件，此处应为照片", "is a document, and a picture is asked for"),
    "document": Text("是照片，此处应为文件（PDF、Word、Excel）", "is a picture, and a document is asked for"),
    "case": Text("查无此项", "is no case you may see"),
    "audience": Text("不是本单位的部门、岗位、工作组或在册人员", "is no department, role, group or active person here"),
}
