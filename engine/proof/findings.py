"""What stands in the way of closing every loop in a real school, in plain words, each with the smallest change."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from engine.actor import ANOTHER_DEPARTMENT, WHOLE_ORGANISATION, Actor, Grant
from engine.calendar import Calendar
from engine.case import Case
from engine.definition import RELATIONS, Workflow
from engine.directory import Absence, Directory, Person, days_of_change
from engine.errors import Text
from engine.proof.play import Cast, Impasse, Play

DAYS_AHEAD = 90  # how far ahead the ends of grants and absences are looked at
MOST_NEW = 3  # new holders tried before we say that it takes more than that
LISTED = 5  # departments named before the rest are counted


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to be put right. `stuck`: a case could come to stand where nobody can bring it to its end.

    key     the same as long as it is the same finding, whatever day it is found
    since   the first day it holds, of those looked at
    """

    key: str
    code: str
    stuck: bool
    text: Text
    remedy: Text
    since: date
    workflow: str | None = None
    step: str | None = None
    departments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """What is asked: the loops with the numbers that hold here, the people, from which day on.

    owed    workflow → the departments a cycle opens its cases for; where a loop has no cycle, every department
    roles   everything that can be granted here; empty for what the loops name
    posts   roles that every department of one's own ought to have somebody for
    open_   cases that are open now, each with its own history
    """

    workflows: Sequence[Workflow]
    directory: Directory
    first: date
    policy_of: Callable[[Workflow], Mapping[str, Any]]
    calendar: Calendar | None = None
    owed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    roles: frozenset[str] = frozenset()
    posts: Mapping[str, Text] = field(default_factory=dict)
    open_: Sequence[Case] = ()
    days: int = DAYS_AHEAD


def check(question: Question, *, remedies: bool = True) -> list[Finding]:
    """Every finding, those that leave a case stuck first, each with the first day it holds.

    remedies   whether to try out the smallest change that removes each impasse: it takes as long as many plays
    """
    found: dict[str, Finding] = {}
    played: dict[Any, bool] = {}
    last = question.first + timedelta(days=question.days)
    for day in days_of_change(question.directory, question.first, last):
        present = _present(question.directory, day)
        for finding in (*_impasses(question, present, day, played, remedies=remedies), *_of_the_day(question, day)):
            found.setdefault(finding.key, finding)
    for finding in (*_stuck_now(question), *_of_the_directory(question)):
        found.setdefault(finding.key, finding)
    return sorted(found.values(), key=lambda f: (not f.stuck, f.since, f.key))


# --- the play, day by day --------------------------------------------------------------------------------------------


def _present(directory: Directory, day: date) -> tuple[Actor, ...]:
    """Everyone who is there that day, as himself and as whom he stands in for."""
    found: list[Actor] = []
    for person in directory.people:
        if not directory.away(person, day):
            found += directory.actors(person, day)
    return tuple(found)


class _Casts:
    """The casts of one loop on one day, by department."""

    def __init__(self, workflow: Workflow, directory: Directory, present: tuple[Actor, ...]) -> None:
        self._workflow = workflow
        self._present = present
        self._departments_of = {key: person.department for key, person in directory.people.items()}
        self._made: dict[str | None, Cast] = {}

    def of(self, department: str | None) -> Cast:
        if department not in self._made:
            self._made[department] = Cast(self._workflow, department, self._present, self._departments_of)
        return self._made[department]


def _impasses(
    question: Question, present: tuple[Actor, ...], day: date, played: dict[Any, bool], *, remedies: bool
) -> Iterator[Finding]:
    """played   what was clean before: a day on which everybody stands as on another plays as that one did"""
    for workflow in question.workflows:
        casts = _Casts(workflow, question.directory, present)
        departments = _departments(question, workflow)
        whole = frozenset(casts.of(department).signature for department in departments)
        groups: dict[Any, list[tuple[str, Impasse]]] = {}
        for department in departments:
            cast = casts.of(department)
            name = (workflow.key, cast.signature, whole)
            if played.get(name):
                continue
            found = Play(cast, question.policy_of(workflow), casts.of).impasses()
            played[name] = not found
            for impasse in found:
                posts = tuple(_called(question.directory, person) for person in impasse.barred)
                kind = (impasse.transition.trigger, impasse.state, impasse.mode, posts)
                groups.setdefault(kind, []).append((department, impasse))
        for kind, members in groups.items():
            yield _finding_of(question, workflow, kind, members, day, remedies=remedies)


def _departments(question: Question, workflow: Workflow) -> list[str]:
    known = [department.code for department in question.directory.departments]
    if workflow.cycles and workflow.opens_by == ("system",):
        owed = question.owed.get(workflow.key, frozenset())
        return [code for code in known if code in owed]
    return known


def _finding_of(
    question: Question,
    workflow: Workflow,
    kind: Any,
    members: list[tuple[str, Impasse]],
    day: date,
    *,
    remedies: bool,
) -> Finding:
    _, impasse = members[0]
    names = _names_of(question.directory, [code for code, _ in members])
    step, state = impasse.transition.title, workflow.state(impasse.state).title
    mode = _mode(workflow, impasse.mode)
    by = _listed(workflow, impasse.by)
    if not impasse.able:
        why = Text(f"需要{by.zh}，没有这样的人在岗", f"it takes {by.en}, and nobody present is one")
    elif impasse.needed > 1:
        able = len(set(impasse.able) - set(impasse.barred))
        why = Text(
            f"需要 {impasse.needed} 人（{by.zh}），可能只剩 {able} 人",
            f"it takes {impasse.needed} persons ({by.en}), and only {able} may be left",
        )
    else:
        who = "、".join(_called(question.directory, p) for p in impasse.barred)
        why = Text(
            f"能办理的只有{who}，由其整改或经办过的事项须回避，永远无法办结",
            f"only {who} could, who may not where he fixed or handled it himself: such a case would never close",
        )
    when = Text(f"自 {day} 起，", f"from {day} on, ") if day > question.first else Text("", "")
    text = Text(
        f"{names.zh}：{when.zh}{workflow.title.zh}{mode.zh}在“{state.zh}”时可能无人能“{step.zh}”：{why.zh}。",
        f"{names.en}: {when.en}{workflow.title.en}{mode.en} at {state.en!r} may have nobody for {step.en!r}: {why.en}.",
    )
    key = "|".join(
        ["impasse", workflow.key, impasse.transition.trigger, impasse.state, impasse.mode, names.en, *kind[3]]
    )
    remedy = _smallest_change(question, workflow, impasse, day) if remedies else _FILL_IT
    return Finding(
        key, "impasse", True, text, remedy, day, workflow.key, impasse.transition.trigger,
        tuple(code for code, _ in members),
    )  # fmt: skip


_FILL_IT = Text("请补足能办理该步骤的岗位", "Fill a post that may take this step")


def _smallest_change(question: Question, workflow: Workflow, impasse: Impasse, day: date) -> Text:
    """The fewest new holders of one role with whom this impasse is gone, tried out with the play itself."""
    roles = [name for name in impasse.by if name not in RELATIONS]
    roles += [
        name
        for t in workflow.transitions
        if impasse.state in t.sources
        for name in t.by
        if name not in RELATIONS and name not in roles
    ]
    for count in range(1, MOST_NEW + 1):
        for name in roles:
            role = name.removesuffix(ANOTHER_DEPARTMENT)
            for scope, department in _places(question.directory, name, impasse.department):
                if not _still_there(question, workflow, impasse, day, Grant(role, scope), department, count):
                    return _appoint(question.directory, workflow.called(role), count, scope)
    return Text(
        f"请补足{_listed(workflow, tuple(roles)).zh}等岗位的人员后重新检查",
        f"Fill the posts of {_listed(workflow, tuple(roles)).en}, then check again",
    )


def _places(directory: Directory, name: str, department: str | None) -> Iterator[tuple[str, str | None]]:
    """(scope of the grant, department of its new holder) worth trying for a role."""
    if name.endswith(ANOTHER_DEPARTMENT):
        other = next((d.code for d in directory.departments if d.code != department), None)
        if other is not None:
            yield other, other
        return
    if any(g.role == name and g.scope != WHOLE_ORGANISATION for held in directory.grants.values() for g in held):
        yield department or WHOLE_ORGANISATION, department
    yield WHOLE_ORGANISATION, None


def _still_there(
    question: Question,
    workflow: Workflow,
    impasse: Impasse,
    day: date,
    grant: Grant,
    department: str | None,
    count: int,
) -> bool:
    directory = question.directory
    new = {f"·new{n}": Person(directory.organisation, f"·new{n}", "", department) for n in range(count)}
    grown = replace(
        directory,
        people={**directory.people, **new},
        grants={**directory.grants, **dict.fromkeys(new, (grant,))},
    )
    casts = _Casts(workflow, grown, _present(grown, day))
    found = Play(casts.of(impasse.department), question.policy_of(workflow), casts.of).impasses()
    return any(one.transition is impasse.transition and one.mode == impasse.mode for one in found)


def _appoint(directory: Directory, role: Text, count: int, scope: str) -> Text:
    where = Text("", "") if scope == WHOLE_ORGANISATION else _names_of(directory, [scope])
    zh = f"（{where.zh}）" if where.zh else ""
    en = f" ({where.en})" if where.en else ""
    return Text(
        f"再任命 {count} 名{role.zh}{zh}，或请其委托他人代办",
        f"Appoint {count} more: {role.en}{en}; for an absence, name a delegate",
    )


def _stuck_now(question: Question) -> Iterator[Finding]:
    """Open cases, with what really happened to them."""
    present = _present(question.directory, question.first)
    loops = {(w.key, w.version): w for w in question.workflows}
    casts: dict[str, _Casts] = {}
    plays: dict[tuple[str, str | None], Play] = {}
    for case in question.open_:
        workflow = loops.get((case.workflow, case.version))
        if workflow is None:
            continue
        at = casts.setdefault(workflow.key, _Casts(workflow, question.directory, present))
        where = (workflow.key, case.department)
        if where not in plays:
            plays[where] = Play(at.of(case.department), question.policy_of(workflow), at.of)
        play = plays[where]
        if play.closes(case):
            continue
        state = workflow.state(case.state).title
        blocked = play.missing(case)
        by = _listed(workflow, blocked[0].by) if blocked else None
        why = Text(f"需要{by.zh}", f"it takes {by.en}") if by else Text("后续步骤无人可办", "a later step has nobody")
        yield Finding(
            f"stuck|{case.number}", "stuck_case", True,
            Text(
                f"{case.number} 停在“{state.zh}”，现有人员无人能将其办结：{why.zh}。",
                f"{case.number} stands at {state.en!r}, and nobody present can bring it to its end: {why.en}.",
            ),
            Text("请补足上述岗位，由未经办过该项的人员担任", "Fill that post with somebody who had no part in the case"),
            question.first, workflow.key, blocked[0].transition.trigger if blocked else None,
            (case.department,) if case.department else (),
        )  # fmt: skip


# --- the directory by itself -----------------------------------------------------------------------------------------


def _of_the_day(question: Question, day: date) -> Iterator[Finding]:
    """What holds on one day: loops of delegates, delegates who are away themselves, posts that nobody fills."""
    directory = question.directory
    for absence in directory.absences:
        if not absence.covers(day) or absence.delegate is None:
            continue
        yield from _of_a_delegate(directory, absence, day)
    for group in directory.groups:
        members = {person for person, _ in directory.holders(group.code, day)}
        if len(members) < group.least:
            yield _warning(
                "group_too_small", f"{group.code}", day,
                Text(
                    f"{group.name.zh}需要至少 {group.least} 人，现只有 {len(members)} 人。",
                    f"{group.name.en} needs at least {group.least} members and has {len(members)}.",
                ),
                Text("请补充成员", "Add members"),
            )  # fmt: skip
        if group.seats and not any(
            s.rank == "chair" and _filled(directory, s.kind, s.holder, day) for s in group.seats
        ):
            yield _warning(
                "group_without_chair", group.code, day,
                Text(f"{group.name.zh}没有在任的组长。", f"{group.name.en} has no chair."),
                Text("请指定组长", "Name a chair"),
            )  # fmt: skip
    for department in directory.departments:
        if department.external:
            continue
        for role, title in question.posts.items():
            if not any(scope == department.code for _, scope in directory.holders(role, day)):
                yield _warning(
                    f"department_without_{role}", department.code, day,
                    Text(f"{department.name.zh}没有{title.zh}。", f"{department.name.en} has no {title.en}."),
                    Text(f"请为该部门指定{title.zh}", f"Name a {title.en} for it"),
                )  # fmt: skip


def _filled(directory: Directory, kind: str, holder: str, day: date) -> bool:
    if kind == "role":
        return bool(directory.holders(holder, day))
    found = directory.people.get(holder)
    return found is not None and found.active


def _of_a_delegate(directory: Directory, absence: Absence, day: date) -> Iterator[Finding]:
    away, delegate = _called(directory, absence.person), _called(directory, str(absence.delegate))
    found = directory.people.get(str(absence.delegate))
    if found is None or not found.active:
        yield _warning(
            "delegate_gone", absence.id, day,
            Text(f"{away}外出，其代办人{delegate}已不在册。", f"{away} is away, and the delegate {delegate} has left."),
            Text("请另行委托", "Name another delegate"),
        )  # fmt: skip
        return
    for other in directory.away(str(absence.delegate), day):
        loop = other.delegate == absence.person
        yield _warning(
            "delegation_loop" if loop else "delegate_away",
            "-".join(sorted((absence.id, other.id))) if loop else absence.id, day,
            Text(
                f"{away}与{delegate}同时外出并互为代办人，等于无人代办。" if loop
                else f"{away}外出，其代办人{delegate}同时外出。",
                f"{away} and {delegate} are away at once and stand in for each other: nobody does." if loop
                else f"{away} is away, and so is the delegate {delegate}.",
            ),
            Text("请另行委托在岗人员", "Name a delegate who is there"),
        )  # fmt: skip


def _of_the_directory(question: Question) -> Iterator[Finding]:
    """What is wrong whatever the day: grants that open nothing, a calendar that ends, nobody to administer."""
    directory, first = question.directory, question.first
    named = question.roles or {name.removesuffix(ANOTHER_DEPARTMENT) for w in question.workflows for name in w.roles}
    codes = {department.code for department in directory.departments} | {WHOLE_ORGANISATION}
    for key, held in directory.grants.items():
        person = directory.people.get(key)
        who = _called(directory, key)
        for grant in held:
            over = grant.valid_until is not None and grant.valid_until < first
            if not over and (person is None or not person.active):
                yield _warning(
                    "dormant_grant", f"{key}-{grant.role}-{grant.scope}", first,
                    Text(f"{who}已停用，仍持有“{grant.role}”。", f"{who} is no longer active and still holds {grant.role!r}."),
                    Text("请收回该职责，另行任命", "Withdraw it and appoint somebody else"),
                )  # fmt: skip
            elif not over and grant.scope not in codes:
                yield _warning(
                    "grant_nowhere", f"{key}-{grant.role}-{grant.scope}", first,
                    Text(
                        f"{who}的“{grant.role}”限于“{grant.scope}”，没有这个部门。",
                        f"{who} holds {grant.role!r} in {grant.scope!r}, which is no department.",
                    ),
                    Text("请改正范围", "Correct its scope"),
                )  # fmt: skip
            elif not over and grant.role not in named:
                yield _warning(
                    "grant_of_nothing", f"{key}-{grant.role}", first,
                    Text(
                        f"{who}持有“{grant.role}”，没有任何流程用到它。",
                        f"{who} holds {grant.role!r}, which no loop knows.",
                    ),
                    Text("请核对职责名称", "Check the name of the role"),
                )  # fmt: skip
    if question.calendar is None:
        yield Finding(
            "no_calendar", "no_calendar", True, Text("尚未载入日历，时限无法计算。", "No calendar: no deadline can be worked out."),
            Text("请运行 bihuan calendar load", "Run `bihuan calendar load`"), first,
        )  # fmt: skip
    elif question.calendar.warns_on(first):
        ends = question.calendar.known_until
        yield _warning(
            "calendar_ends", "", first,
            Text(f"日历只到 {ends}，此后的时限为暂定。", f"The calendar ends on {ends}; later deadlines are provisional."),
            Text("请载入下一年的放假安排", "Load the next year's holidays"),
        )  # fmt: skip
    if not directory.departments:
        yield _warning(
            "no_departments", "", first, Text("尚无部门。", "There are no departments yet."),
            Text("请先建立部门", "Set up the departments first"),
        )  # fmt: skip


def _warning(code: str, about: str, day: date, text: Text, remedy: Text) -> Finding:
    return Finding(f"{code}|{about}", code, False, text, remedy, day)


# --- words -----------------------------------------------------------------------------------------------------------


def _called(directory: Directory, key: str) -> str:
    person = directory.people.get(key)
    return key if person is None else person.post or person.name or key


def _mode(workflow: Workflow, mode: str) -> Text:
    title = workflow.sign_off.titles.get(mode) if workflow.sign_off else None
    return Text(f"（{title.zh}）", f" ({title.en})") if title else Text("", "")


def _listed(workflow: Workflow, names: Iterable[str]) -> Text:
    texts = [workflow.called(name) for name in names]
    return Text("或".join(t.zh for t in texts), " or ".join(t.en for t in texts))


def _names_of(directory: Directory, codes: Sequence[str]) -> Text:
    titles = {department.code: department.name for department in directory.departments}
    named = [titles.get(code, Text(code, code)) for code in codes[:LISTED]]
    more = len(codes) - len(named)
    zh = "、".join(t.zh for t in named) + (f"等 {len(codes)} 个部门" if more else "")
    en = ", ".join(t.en for t in named) + (f" and {more} more" if more else "")
    return Text(zh, en)
