"""Tries out, with the play itself, by which smallest change an impasse is gone."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date

from engine.actor import ANOTHER_DEPARTMENT, WHOLE_ORGANISATION
from engine.case import Case
from engine.definition import RELATIONS, Workflow
from engine.directory import Directory
from engine.errors import Text
from engine.proof.looking import Look, More, Question
from engine.proof.play import Impasse, Play
from engine.proof.stage import Stage
from engine.proof.words import called_by_post, departments_in_words, roles_in_words

MOST_NEW = 3  # new holders tried before we say that it takes more than that


def smallest_change(
    look: Look, workflow: Workflow, impasse: Impasse, day: date, departments: Sequence[str] = ()
) -> Text:
    """The smallest change with which this impasse is gone, tried out with the play itself: where somebody is away, a
    delegate for him; the fewest new holders of one role.

    departments   all those it is said of; the first one stands for them
    """

    def gone(stage: Stage) -> bool:
        found = look.impasses_with(stage, impasse.department)
        return not any(one.transition is impasse.transition and one.mode == impasse.mode for one in found)

    others = [one for one in look.impasses(workflow, day).get(impasse.department, ()) if one is not impasse]
    return _tried(look, workflow, impasse, day, departments, gone, [name for one in others for name in one.by])


def _tried(
    look: Look,
    workflow: Workflow,
    impasse: Impasse,
    day: date,
    departments: Sequence[str],
    gone: Callable[[Stage], bool],
    others: Iterable[str] = (),
) -> Text:
    """others   roles to try after those that the impasse itself speaks of"""
    directory = look.question.directory
    roles = _roles_at(workflow, impasse, others)
    by = Text(f"{day} 前", f"Before {day}: ") if day > look.question.first else Text("", "")
    for away in _away_with(directory, roles, day):
        if gone(look.delegated(workflow, day, away)):
            return _joined_words(by, _delegate(called_by_post(directory, away)))
    for more in _changes(look, roles, impasse.department):
        if gone(look.grown(workflow, day, more)):
            within = replace(more, department=impasse.department)
            outside = within != more and not gone(look.grown(workflow, day, within))
            return _joined_words(by, _appoint(directory, workflow, more, day, departments, outside=outside))
    listed = roles_in_words(workflow, roles)
    return Text(
        f"仅补一个岗位还不够：请先解决其他各条，再补足{listed.zh}后重新检查",
        f"One post alone is not enough: mend the other findings, fill {listed.en}, then check again",
    )


def _joined_words(*texts: Text) -> Text:
    return Text("".join(t.zh for t in texts), "".join(t.en for t in texts))


def _roles_at(workflow: Workflow, impasse: Impasse, others: Iterable[str]) -> tuple[str, ...]:
    """Roles that could help there: those called upon for the step, for another step from there, for other steps."""
    names = [*impasse.by, *(name for t in workflow.transitions if impasse.state in t.sources for name in t.by), *others]
    return tuple(dict.fromkeys(name for name in names if name not in RELATIONS))


def _changes(look: Look, roles: Iterable[str], department: str | None) -> Iterator[More]:
    for count in range(1, MOST_NEW + 1):
        for name in roles:
            for scope, belongs in _places(look.question, name, department):
                yield More(name.removesuffix(ANOTHER_DEPARTMENT), count, scope, belongs)


def _places(question: Question, name: str, department: str | None) -> Iterator[tuple[str, str | None]]:
    """(scope of the grant, department of its new holder) worth trying for a role."""
    directory = question.directory
    if name.endswith(ANOTHER_DEPARTMENT):
        other = next((d.code for d in directory.departments if d.code != department), None)
        if other is not None:
            yield other, other
        return
    scoped = name in question.posts or any(
        g.role == name and g.scope != WHOLE_ORGANISATION for held in directory.grants.values() for g in held
    )
    if scoped and department is not None:
        yield department, department
    else:
        yield WHOLE_ORGANISATION, None


def _away_with(directory: Directory, names: Iterable[str], day: date) -> list[str]:
    """Who is away that day and holds one of these roles."""
    roles = {name.removesuffix(ANOTHER_DEPARTMENT) for name in names}
    away = dict.fromkeys(absence.person for absence in directory.absences if absence.covers(day))
    return [person for person in away if any(grant.role in roles for grant in directory.grants_on(person, day))]


def _delegate(away: str) -> Text:
    return Text(f"由{away}委托一名未参与这些事项的人员代办", f"{away} names a delegate who has no part in these cases")


def _appoint(
    directory: Directory, workflow: Workflow, new: More, day: date, departments: Sequence[str], *, outside: bool
) -> Text:
    """outside   it helps only if they do not belong to the departments it is said of"""
    role, codes = workflow.called(new.role), list(departments)
    where = Text("", "")
    if new.scope != WHOLE_ORGANISATION:
        codes = codes if new.scope in codes else [new.scope]
        names = departments_in_words(directory, codes)
        where = Text(names.zh, f" ({names.en})")
    each = Text("各", " each") if len(codes) > 1 and where.zh else Text("", "")
    whose = Text("", "")
    if outside:
        everywhere = {department.code for department in directory.departments} <= {*codes}
        names = Text("任何部门", "every department") if everywhere else departments_in_words(directory, codes)
        whose = Text(f"（由不属于{names.zh}的人员担任）", f", from outside {names.en}")
    others = any(new.scope in (scope, WHOLE_ORGANISATION) for _, scope in directory.holders(new.role, day))
    return Text(
        f"{where.zh}{each.zh}{'另' if others else ''}请 {new.count} 人担任{role.zh}{whose.zh}",
        f"Appoint {new.count}{' more' if others else ''}{each.en}: {role.en}{where.en}{whose.en}",
    )


def change_for_case(look: Look, workflow: Workflow, case: Case, impasse: Impasse, day: date) -> Text:
    """The smallest change with which those present can bring this very case to its end."""
    impasse = replace(impasse, department=case.department)
    codes = [case.department] if case.department else []
    return _tried(look, workflow, impasse, day, codes, lambda stage: Play(stage).closes(case))
