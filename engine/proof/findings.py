"""What stands in the way of closing every loop in a real school, in plain words, each with the smallest change."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from engine.actor import ANOTHER_DEPARTMENT, WHOLE_ORGANISATION, Actor, Grant
from engine.calendar import Calendar
from engine.case import Case
from engine.definition import RELATIONS, Workflow
from engine.directory import Absence, Directory, days_of_change
from engine.errors import Text
from engine.proof.play import Impasse, Play
from engine.proof.stage import Company, Stage, company_on

DAYS_AHEAD = 90  # how far ahead the ends of grants and absences are looked at
MOST_NEW = 3  # new holders tried before we say that it takes more than that
LISTED = 5  # departments named before the rest are counted


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to be put right. `stuck`: a case could come to stand where nobody can bring it to its end.

    key      the same as long as it is the same finding, wherever and on whatever day it is found
    since    the first day it holds, of those looked at
    until    the last day it holds; None where it holds to the last day looked at
    when     every span of days it holds, first and last included
    like     what it is as bad as, for who compares two days or two directories; whom it is about makes no difference
    """

    key: str
    code: str
    stuck: bool
    text: Text
    remedy: Text
    since: date
    until: date | None = None
    workflow: str | None = None
    step: str | None = None
    departments: tuple[str, ...] = ()
    when: tuple[tuple[date, date], ...] = ()
    like: tuple[str, ...] = ()

    @property
    def places(self) -> frozenset[tuple[str, str, date]]:
        """Where and when it holds: (what it is as bad as, department, day)."""
        days = [first + timedelta(days=n) for first, last in self.when for n in range((last - first).days + 1)]
        like = self.like or (self.key,)
        return frozenset((what, code, day) for what in like for code in self.departments or ("",) for day in days)


@dataclass(frozen=True)
class Question:
    """What is asked: the loops with the numbers that hold here, the people, from which day on.

    owed    workflow → the departments a cycle opens its cases for; where a loop has no cycle, every department
    roles   everything that can be granted here, with its title; empty for what the loops name
    posts   roles that every department of one's own ought to have somebody for
    open_   cases that are open now, each with its own history
    older   loops that new cases are not opened with any more, for those of them
    """

    workflows: Sequence[Workflow]
    directory: Directory
    first: date
    policy_of: Callable[[Workflow], Mapping[str, Any]]
    calendar: Calendar | None = None
    owed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    roles: Mapping[str, Text] = field(default_factory=dict)
    posts: Mapping[str, Text] = field(default_factory=dict)
    open_: Sequence[Case] = ()
    older: Sequence[Workflow] = ()
    days: int = DAYS_AHEAD


@dataclass(frozen=True, slots=True)
class Known:
    """What was played already: whoever asks twice, as before and after a change, plays only what is new.

    clean   departments, as their cases see the people, in which every case has a way to its end without leaving it
    whole   what was found, department by department, with everybody as he stands
    """

    clean: set[Any] = field(default_factory=set)
    whole: dict[Any, Mapping[str | None, tuple[Impasse, ...]]] = field(default_factory=dict)


def check(question: Question, *, remedies: bool = True, known: Known | None = None) -> list[Finding]:
    """Every finding, those that leave a case stuck first, each with the days it holds.

    remedies   whether to try out the smallest change that removes each impasse: it takes as long as a few plays
    """
    last = question.first + timedelta(days=question.days)
    days = days_of_change(question.directory, question.first, last)
    spans = [
        (day, after - timedelta(days=1)) for day, after in zip(days, [*days[1:], last + timedelta(days=1)], strict=True)
    ]
    look = _Look(question, known or Known())
    found: list[Finding] = []
    found += _impasses(look, spans, remedies=remedies)
    found += _stuck_cases(look, spans)
    found += _of_each_day(question, spans)
    found += _of_the_directory(question)
    return sorted(found, key=lambda f: (not f.stuck, f.since, f.key))


# --- the play, day by day --------------------------------------------------------------------------------------------


class _Look:
    """What a question looks at again and again: the people of each day, and the plays with them."""

    def __init__(self, question: Question, known: Known) -> None:
        self.question = question
        self.known = known
        self._companies: dict[date, Company] = {}
        self._latest: tuple[Workflow, date, Play] | None = None

    def play(self, workflow: Workflow, day: date) -> Play:
        if day not in self._companies:
            self._companies[day] = company_on(self.question.directory, day)
        if self._latest is None or self._latest[:2] != (workflow, day):  # a play is large, and days come one by one
            stage = Stage(workflow, self.question.policy_of(workflow), self._companies[day])
            self._latest = (workflow, day, Play(stage))
        return self._latest[2]

    def impasses(self, workflow: Workflow, day: date) -> Mapping[str | None, tuple[Impasse, ...]]:
        """department → what cases of it could not get past on that day; None for those of no department yet."""
        play = self.play(workflow, day)
        stage = play.stage
        name = (workflow, repr(sorted(stage.policy.items())))
        where = tuple(_departments(self.question, workflow))
        at = (*name, stage.whole, where)
        if at not in self.known.whole:
            found: dict[str | None, tuple[Impasse, ...]] = {}
            alike: dict[Any, str | None] = {}
            for department in where:
                look = stage.signature(department)
                if (*name, look) in self.known.clean:
                    continue
                if look not in alike:
                    alike[look] = department
                    found[department] = tuple(play.impasses(department))
                    if play.clean_within(department):
                        self.known.clean.add((*name, look))
                else:
                    found[department] = _as_in(stage, found[alike[look]], alike[look], department)
            self.known.whole[at] = {department: impasses for department, impasses in found.items() if impasses}
        return self.known.whole[at]


def _as_in(
    stage: Stage, impasses: Iterable[Impasse], played: str | None, department: str | None
) -> tuple[Impasse, ...]:
    """The same for another department that looks alike, with its own people in the parts."""
    theirs, ours = stage.now.seen_from(played).classes, stage.now.seen_from(department).classes
    part = {
        str(one.actor.person): str(other.actor.person)
        for look, players in theirs.items()
        for one, other in zip(players, ours[look], strict=False)
    }
    return tuple(
        replace(
            one, department=department, able=tuple(part.get(p, p) for p in one.able),
            barred=tuple((part.get(p, p), why) for p, why in one.barred),
        )
        for one in impasses
    )  # fmt: skip


def _departments(question: Question, workflow: Workflow) -> Iterator[str | None]:
    known = [department.code for department in question.directory.departments]
    if workflow.cycles and workflow.opens_by == ("system",):
        owed = question.owed.get(workflow.key, frozenset())
        yield from (code for code in known if code in owed)
        return
    yield from known
    named = workflow.opens_with.model_fields.get("department")
    if named is None or not named.is_required():
        yield None


def _impasses(look: _Look, spans: Sequence[tuple[date, date]], *, remedies: bool) -> Iterator[Finding]:
    directory = look.question.directory
    for workflow in look.question.workflows:
        held: dict[Any, dict[str | None, list[int]]] = {}
        one_of: dict[Any, tuple[Impasse, int]] = {}
        for n, (day, _) in enumerate(spans):
            found = look.impasses(workflow, day)
            for department, impasses in found.items():
                if department is None and len(found) > 1:
                    continue  # it could be given to any of them: what is the matter with those is said of them
                for impasse in impasses:
                    posts = tuple(sorted({_called(directory, person) for person, _ in impasse.barred}))
                    kind = (impasse.transition.trigger, impasse.state, impasse.mode, posts, impasse.needed)
                    days = held.setdefault(kind, {}).setdefault(department, [])
                    if days[-1:] != [n]:
                        days.append(n)
                    one_of.setdefault((kind, n, department), (impasse, n))
        for kind, where in held.items():
            alike: dict[tuple[int, ...], list[str | None]] = {}
            for department, days in where.items():
                alike.setdefault(tuple(days), []).append(department)
            for numbers, departments in alike.items():
                impasse, _ = one_of[kind, numbers[0], departments[0]]
                yield _finding_of(
                    look, workflow, kind, impasse, departments, _joined(spans, numbers), remedies=remedies
                )


def _joined(spans: Sequence[tuple[date, date]], numbers: Iterable[int]) -> tuple[tuple[date, date], ...]:
    """These spans, those that follow on each other as one."""
    made: list[tuple[date, date]] = []
    for n in numbers:
        first, last = spans[n]
        if made and made[-1][1] + timedelta(days=1) == first:
            made[-1] = (made[-1][0], last)
        else:
            made.append((first, last))
    return tuple(made)


def _finding_of(
    look: _Look,
    workflow: Workflow,
    kind: Any,
    impasse: Impasse,
    departments: Sequence[str | None],
    when: tuple[tuple[date, date], ...],
    *,
    remedies: bool,
) -> Finding:
    question = look.question
    directory = question.directory
    names = _names_of(directory, [code for code in departments if code is not None])
    day = when[0][0]
    begins = Text(f"自 {day} 起，", f"from {day} on, ") if day > question.first else Text("", "")
    said = _in_words(directory, workflow, impasse)
    text = Text(f"{names.zh}：{begins.zh}{said.zh}。", f"{names.en}: {begins.en}{said.en}.")
    key = "|".join(["impasse", workflow.key, *map(str, kind)])
    step_in = "|".join(["impasse", workflow.key, *map(str, kind[:3])])
    like = (f"{step_in}|somebody", f"{step_in}|nobody") if not impasse.able else (f"{step_in}|somebody",)
    remedy = _smallest_change(look, workflow, impasse, day) if remedies else _FILL_IT
    return Finding(
        key, "impasse", True, text, remedy, day, _until(question, when), workflow.key, impasse.transition.trigger,
        tuple(code for code in departments if code is not None), when, like,
    )  # fmt: skip


def _in_words(directory: Directory, workflow: Workflow, impasse: Impasse) -> Text:
    """What is missing, and which cases can therefore never be closed."""
    step, end = impasse.transition.title, _end(workflow)
    mode, by = _mode(workflow, impasse.mode), _listed(workflow, impasse.by)
    loop = Text(f"{workflow.title.zh}{mode.zh}", f"{workflow.title.en}{mode.en}")
    if not impasse.able:
        return Text(
            f"没有在岗的{by.zh}来办理“{step.zh}”，{loop.zh}永远无法{end.zh}",
            f"nobody present is {by.en}, so nobody can take the step {step.en!r}; {loop.en}: never {end.en}",
        )
    if not impasse.barred and impasse.needed == 1:
        return Text(
            f"办理“{step.zh}”时没有符合条件的人员可指定，{loop.zh}永远无法{end.zh}",
            f"nobody can be named who meets the conditions of the step {step.en!r}; {loop.en}: never {end.en}",
        )
    who = "、".join(dict.fromkeys(_called(directory, person) for person, _ in impasse.barred))
    took = _did(relation for _, relations in impasse.barred for relation in relations)
    if impasse.needed > 1:
        left = len(set(impasse.able) - {person for person, _ in impasse.barred})
        return Text(
            f"“{step.zh}”需 {impasse.needed} 名{by.zh}签字，{who + '须回避时' if who else ''}只剩 {left} 人可签，{loop.zh}永远无法{end.zh}",
            f"{step.en!r} takes {impasse.needed} signatures ({by.en}); "
            f"{f'where {who} may not sign, ' if who else ''}only {left} can be had; {loop.en}: never {end.en}",
        )
    several = len(dict.fromkeys(person for person, _ in impasse.barred)) > 1
    they = Text("他们", "they") if several else Text("他", "he")
    return Text(
        f"能办理“{step.zh}”的只有{who}，{they.zh}{took.zh}过的{loop.zh}永远无法{end.zh}",
        f"only {who} can take the step {step.en!r}; what {they.en} {took.en} is never {end.en} ({loop.en})",
    )


#: what somebody did who stood in a relation to a case, as one says it of the case
_DID: Mapping[str, Text] = {
    "assignee": Text("负责", "answered for"), "fixer": Text("负责", "answered for"), "verifier": Text("复核", "checked"),
    "submitter": Text("填报", "handed in"), "asker": Text("申请", "asked for"), "reporter": Text("上报", "reported"),
    "inspector": Text("检查", "inspected"),
}  # fmt: skip


def _did(relations: Iterable[str]) -> Text:
    told = [_DID[relation] for relation in relations]
    return Text("或".join(dict.fromkeys(t.zh for t in told)), " or ".join(dict.fromkeys(t.en for t in told)))


def _end(workflow: Workflow) -> Text:
    """The end of the loop as what cannot be reached: 已销号 → 销号."""
    final = next(state for state in workflow.states if state.final)
    return Text(final.title.zh.removeprefix("已"), final.title.en.lower())


def _until(question: Question, when: Sequence[tuple[date, date]]) -> date | None:
    last = when[-1][1]
    return None if last >= question.first + timedelta(days=question.days) else last


_FILL_IT = Text("请补足能办理该步骤的岗位", "Fill a post that may take this step")


def _smallest_change(look: _Look, workflow: Workflow, impasse: Impasse, day: date) -> Text:
    """The fewest new holders of one role with whom this impasse is gone, tried out with the play itself."""
    directory = look.question.directory
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
            for scope, department in _places(directory, name, impasse.department):
                if not _still_there(look, workflow, impasse, day, Grant(role, scope), department, count):
                    return _appoint(directory, workflow.called(role), count, scope)
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
    look: _Look,
    workflow: Workflow,
    impasse: Impasse,
    day: date,
    grant: Grant,
    department: str | None,
    count: int,
) -> bool:
    company = look.play(workflow, day).stage.company
    new = tuple(
        Actor(company.organisation, "person", person=f"·new{n}", department=department, grants=frozenset({grant}))
        for n in range(count)
    )
    grown = replace(
        company,
        present=(*company.present, *new),
        nameable={**company.nameable, **{str(actor.person): department for actor in new}},
    )
    stage = Stage(workflow, look.question.policy_of(workflow), grown)
    found = Play(stage).impasses(impasse.department)
    return any(one.transition is impasse.transition and one.mode == impasse.mode for one in found)


def _appoint(directory: Directory, role: Text, count: int, scope: str) -> Text:
    where = Text("", "") if scope == WHOLE_ORGANISATION else _names_of(directory, [scope])
    zh = f"（{where.zh}）" if where.zh else ""
    en = f" ({where.en})" if where.en else ""
    return Text(
        f"再任命 {count} 名{role.zh}{zh}，或请其委托他人代办",
        f"Appoint {count} more: {role.en}{en}; for an absence, name a delegate",
    )


def _stuck_cases(look: _Look, spans: Sequence[tuple[date, date]]) -> Iterator[Finding]:
    """Open cases, with what really happened to them."""
    question = look.question
    loops = {(w.key, w.version): w for w in (*question.workflows, *question.older)}
    for case in question.open_:
        workflow = loops[case.workflow, case.version]
        numbers = [n for n, (day, _) in enumerate(spans) if not look.play(workflow, day).closes(case)]
        if not numbers:
            continue
        when = _joined(spans, numbers)
        day = when[0][0]
        state = workflow.state(case.state).title
        blocked = look.play(workflow, day).missing(case)
        why = (
            _in_words(question.directory, workflow, blocked[0])
            if blocked
            else Text("后续步骤无人可办", "a later step has nobody")
        )
        begins = Text(f"自 {day} 起，", f"from {day} on, ") if day > question.first else Text("", "")
        yield Finding(
            f"stuck|{case.number}", "stuck_case", True,
            Text(
                f"{case.number} 停在“{state.zh}”，{begins.zh}现有人员无人能将其办结：{why.zh}。",
                f"{case.number} stands at {state.en!r}, and {begins.en}nobody present can bring it to its end: {why.en}.",
            ),
            Text("请补足上述岗位，由未经办过该项的人员担任", "Fill that post with somebody who had no part in the case"),
            day, _until(question, when), workflow.key, blocked[0].transition.trigger if blocked else None,
            (case.department,) if case.department else (), when,
        )  # fmt: skip


# --- the directory by itself -----------------------------------------------------------------------------------------


def _of_each_day(question: Question, spans: Sequence[tuple[date, date]]) -> Iterator[Finding]:
    held: dict[str, list[int]] = {}
    said: dict[str, Finding] = {}
    for n, (day, _) in enumerate(spans):
        for finding in _of_the_day(question, day):
            said.setdefault(finding.key, finding)
            days = held.setdefault(finding.key, [])
            if days[-1:] != [n]:
                days.append(n)
    for key, finding in said.items():
        when = _joined(spans, held[key])
        yield replace(finding, when=when, until=_until(question, when))


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
    titles = {name: title for w in question.workflows for name, title in w.roles.items()}
    named = question.roles or {name.removesuffix(ANOTHER_DEPARTMENT) for w in question.workflows for name in w.roles}
    codes = {department.code for department in directory.departments} | {WHOLE_ORGANISATION}
    for key, held in directory.grants.items():
        person = directory.people.get(key)
        who = _called(directory, key)
        for grant in held:
            title = question.roles.get(grant.role) or titles.get(grant.role, Text(grant.role, grant.role))
            over = grant.valid_until is not None and grant.valid_until < first
            if not over and (person is None or not person.active):
                yield _warning(
                    "dormant_grant", f"{key}-{grant.role}-{grant.scope}", first,
                    Text(f"{who}已停用，仍持有“{title.zh}”。", f"{who} is no longer active and still holds {title.en!r}."),
                    Text("请收回该职责，另行任命", "Withdraw it and appoint somebody else"),
                )  # fmt: skip
            elif not over and grant.scope not in codes:
                yield _warning(
                    "grant_nowhere", f"{key}-{grant.role}-{grant.scope}", first,
                    Text(
                        f"{who}的“{title.zh}”限于“{grant.scope}”，没有这个部门。",
                        f"{who} holds {title.en!r} in {grant.scope!r}, which is no department.",
                    ),
                    Text("请改正范围", "Correct its scope"),
                )  # fmt: skip
            elif not over and grant.role not in named:
                yield _warning(
                    "grant_of_nothing", f"{key}-{grant.role}", first,
                    Text(
                        f"{who}持有“{title.zh}”，没有任何流程用到它。",
                        f"{who} holds {title.en!r}, which no loop knows.",
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
    if not codes:
        return Text("尚未确定部门的事项", "cases of no department yet")
    titles = {department.code: department.name for department in directory.departments}
    named = [titles.get(code, Text(code, code)) for code in codes[:LISTED]]
    more = len(codes) - len(named)
    zh = "、".join(t.zh for t in named) + (f"等 {len(codes)} 个部门" if more else "")
    en = ", ".join(t.en for t in named) + (f" and {more} more" if more else "")
    return Text(zh, en)
