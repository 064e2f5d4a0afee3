"""What stands in the way of closing every loop in a real school, in plain words, each with the smallest change."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from engine.actor import ANOTHER_DEPARTMENT, WHOLE_ORGANISATION
from engine.case import FIVE_STATES
from engine.definition import RELATIONS, Transition, Workflow
from engine.directory import Absence, Directory, days_of_change
from engine.errors import Text
from engine.proof.looking import Known, Look, Question
from engine.proof.play import Impasse
from engine.proof.remedies import change_for_case, smallest_change
from engine.proof.stage import naming_fields
from engine.proof.words import called_by_post, departments_in_words, roles_in_words

#: where and when something holds: (what it is as bad as, department, day)
Place = tuple[str, str, date]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to be put right. `stuck`: a case could come to stand where nobody can bring it to its end.

    key      the same as long as it is the same finding, wherever and on whatever day it is found
    since    the first day it holds, of those looked at
    until    the last day it holds; None where it holds to the last day looked at
    when     every span of days it holds, first and last included
    like     what it is as bad as, for who compares two days or two directories; whom it is about makes no difference
    behind   what no case gets to as long as it holds: it comes to light when this is mended, and is no worse then
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
    behind: tuple[str, ...] = ()

    @property
    def places(self) -> frozenset[Place]:
        return self._everywhere(self.like or (self.key,))

    def _everywhere(self, names: Iterable[str]) -> frozenset[Place]:
        days = [first + timedelta(days=n) for first, last in self.when for n in range((last - first).days + 1)]
        return frozenset((what, code, day) for what in names for code in self.departments or ("",) for day in days)

    def uncovered(self, after: frozenset[Place]) -> frozenset[Place]:
        """What comes to light where this, the last of what it is as bad as, no longer holds."""
        gone = (
            {(code, day) for what, code, day in self.places - after if what == self.like[-1]} if self.behind else set()
        )
        return frozenset((what, code, day) for what in self.behind for code, day in gone)


def check(question: Question, *, remedies: bool = True, known: Known | None = None) -> list[Finding]:
    """Every finding, those that leave a case stuck first, each with the days it holds.

    remedies   whether to try out the smallest change that removes each impasse: it takes as long as a few plays
    """
    last = question.first + timedelta(days=question.days)
    days = days_of_change(question.directory, question.first, last)
    spans = [
        (day, after - timedelta(days=1)) for day, after in zip(days, [*days[1:], last + timedelta(days=1)], strict=True)
    ]
    look = Look(question, Known() if known is None else known)
    found: list[Finding] = []
    found += _impasses(look, spans, remedies=remedies)
    found += _stuck_cases(look, spans, remedies=remedies)
    found += _of_each_day(question, spans)
    found += _of_the_directory(question)
    return sorted(found, key=lambda f: (not f.stuck, f.since, f.key))


def worse(
    after: Sequence[Finding],
    before: Iterable[Finding],
    *,
    new: frozenset[str] = frozenset(),
    empty: frozenset[str] = frozenset(),
) -> list[Finding]:
    """Those that hold somewhere, or on some day, where nothing as bad held before the change.

    new     departments there were none of before: what held in another is no worse for holding in them too
    empty   those of them with nobody in them: as long as they are, nothing of theirs is lost
    """
    now = frozenset[Place]().union(*(finding.places for finding in after))
    known: set[Place] = set()
    for finding in before:
        known |= finding.places | finding.uncovered(now)
    anywhere = {(what, day) for what, _, day in known}

    def is_known(place: Place) -> bool:
        what, code, day = place
        return place in known or (code in new and (code in empty or (what, day) in anywhere))

    return [finding for finding in after if not all(map(is_known, finding.places))]


# --- the play, day by day --------------------------------------------------------------------------------------------


def _impasses(look: Look, spans: Sequence[tuple[date, date]], *, remedies: bool) -> Iterator[Finding]:
    directory = look.question.directory
    for workflow in look.question.workflows:
        held: dict[Any, dict[str | None, list[int]]] = {}
        one_of: dict[Any, tuple[Impasse, int]] = {}
        for n, (day, _) in enumerate(spans):
            found = look.impasses(workflow, day)
            for department, impasses in found.items():
                if department is None and len(found) > 1:
                    continue  # it could be given to any of them: what is the matter with those is said of them
                for impasse in _simplest(look, workflow, impasses, day):
                    posts = tuple(sorted({called_by_post(directory, person) for person, why in impasse.barred if why}))
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


def _simplest(look: Look, workflow: Workflow, impasses: Sequence[Impasse], day: date) -> list[Impasse]:
    """Without those that others explain: who may not sign makes no difference where there are too few to sign anyway,
    and nothing else does where there is nobody to be put in charge.
    """
    empty = [one for one in impasses if _nobody_to_name(look, workflow, one, day)]
    hopeless = {(one.transition.trigger, one.state, one.mode) for one in impasses if _is_hopeless(one)}
    return empty[:1] or [
        one for one in impasses if _is_hopeless(one) or (one.transition.trigger, one.state, one.mode) not in hopeless
    ]


def _is_hopeless(impasse: Impasse) -> bool:
    """Whether there are too few for it whatever they did before."""
    return len(impasse.able) < impasse.needed


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
    look: Look,
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
    codes = tuple(code for code in departments if code is not None)
    names = departments_in_words(directory, codes)
    day = when[0][0]
    during = _during(question, when)
    unnamed = _nobody_to_name(look, workflow, impasse, day)
    said = _nobody_in_words(workflow, unnamed) if unnamed else _in_words(directory, workflow, impasse)
    text = Text(f"{names.zh}：{during.zh}{said.zh}。", f"{names.en}: {during.en}{said.en}.")
    key = "|".join(["impasse", workflow.key, *map(str, kind)])
    somebody, nobody = _as_bad_as(workflow, impasse.transition.trigger, impasse.state, impasse.mode)
    worst = unnamed is not None or _is_hopeless(impasse)
    like = (somebody, nobody) if worst else (somebody,)
    behind = _behind(workflow, impasse, everything=unnamed is not None) if worst else ()
    remedy = _FILL_IT
    if remedies:
        remedy = _to_fill_with(names, codes) if unnamed else smallest_change(look, workflow, impasse, day, codes)
    return Finding(
        key, "impasse", True, text, remedy, day, _until(question, when), workflow.key, impasse.transition.trigger,
        codes, when, like, behind,
    )  # fmt: skip


def _as_bad_as(workflow: Workflow, trigger: str, state: str, mode: str) -> tuple[str, str]:
    """That the step is barred to those who could take it; that nobody could at all, which is worse."""
    step = f"impasse|{workflow.key}|{trigger}|{state}|{mode}"
    return f"{step}|somebody", f"{step}|nobody"


def _behind(workflow: Workflow, impasse: Impasse, *, everything: bool) -> tuple[str, ...]:
    """The steps that come after this one, in the same row of the sign-off table where it is a step of that table.

    everything   all steps there are: where nobody can be put in charge, nothing of the loop can be told
    """
    modes = {mode for mode, _ in workflow.sign_off.rows} if workflow.sign_off else {""}
    if impasse.transition.sign_off and not everything:
        modes = {impasse.mode}
    here = FIVE_STATES.index(workflow.state(impasse.state).counted)
    return tuple(
        name
        for t in workflow.transitions
        for source in t.sources
        if everything or FIVE_STATES.index(workflow.state(source).counted) > here
        for mode in sorted({*modes, ""})
        for name in _as_bad_as(workflow, t.trigger, source, mode)
    )


def _during(question: Question, when: Sequence[tuple[date, date]]) -> Text:
    """From when until when, as a sentence begins; nothing where it holds already and for good."""
    day, until = when[0][0], _until(question, when)
    if day > question.first:
        ends = Text(f"至 {until}", f" until {until}") if until else Text("", "")
        return Text(f"自 {day} 起{ends.zh}，", f"from {day}{ends.en or ' on'}, ")
    return Text(f"至 {until} 为止，", f"until {until}, ") if until else Text("", "")


def _nobody_to_name(look: Look, workflow: Workflow, impasse: Impasse, day: date) -> Transition | None:
    """The step that puts somebody in charge, where what is really missing is somebody to be put in charge."""
    if impasse.able or any(name not in RELATIONS for name in impasse.by):
        return None
    company = look.company(day)
    where = company.departments if impasse.department is None else (impasse.department,)
    if not set(where).isdisjoint(company.nameable.values()):
        return None
    steps = (t for t in workflow.transitions if impasse.state in t.sources and t.target not in (None, impasse.state))
    return next((t for t in steps if naming_fields(t) and any(name not in RELATIONS for name in t.by)), None)


def _nobody_in_words(workflow: Workflow, step: Transition) -> Text:
    end = _end(workflow)
    return Text(
        f"没有人员可以指定为责任人，“{step.title.zh}”无法办理，{workflow.title.zh}永远无法{end.zh}",
        f"there is nobody to be put in charge, so {step.title.en!r} cannot be done; {workflow.title.en}: never {end.en}",
    )


def _to_fill_with(names: Text, codes: Sequence[str]) -> Text:
    if not codes:
        return Text("请先建立部门并编入人员", "Set up the departments and put people into them")
    each = Text("各", " each") if len(codes) > 1 else Text("", "")
    return Text(f"请为{names.zh}{each.zh}编入至少 1 人", f"Put at least one person into {names.en}{each.en}")


def _in_words(directory: Directory, workflow: Workflow, impasse: Impasse) -> Text:
    """What is missing, and which cases can therefore never be closed."""
    step, end = impasse.transition.title, _end(workflow)
    mode, by = _mode(workflow, impasse.mode), roles_in_words(workflow, impasse.by)
    loop = Text(f"{workflow.title.zh}{mode.zh}", f"{workflow.title.en}{mode.en}")
    if not impasse.able and all(name in RELATIONS for name in impasse.by):
        return Text(
            f"{by.zh}离校或外出后，“{step.zh}”无人可办，也没有别的出路，{loop.zh}永远无法{end.zh}",
            f"once {by.en} has left or is away, nobody can take the step {step.en!r}, and there is no other way: "
            f"{loop.en}: never {end.en}",
        )
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
    who = "、".join(dict.fromkeys(called_by_post(directory, person) for person, why in impasse.barred if why))
    if impasse.needed > 1:
        left = len(set(impasse.able) - {person for person, why in impasse.barred if why})
        if left >= impasse.needed:
            return Text(
                f"“{step.zh}”需 {impasse.needed} 名{by.zh}签字，且不能全部来自整改部门，{who + '须回避时，' if who else ''}"
                f"可签的人都属于本部门，{loop.zh}永远无法{end.zh}",
                f"{step.en!r} takes {impasse.needed} signatures ({by.en}), not all from the department that fixed it; "
                f"{f'where {who} may not sign, ' if who else ''}all who could sign belong to it; {loop.en}: never {end.en}",
            )
        can = Text(f"只有 {left} 人可签", f"only {left} can be had") if left else Text("无人可签", "none can be had")
        return Text(
            f"“{step.zh}”需 {impasse.needed} 名{by.zh}签字，{who + '须回避时' if who else ''}{can.zh}，{loop.zh}永远无法{end.zh}",
            f"{step.en!r} takes {impasse.needed} signatures ({by.en}); "
            f"{f'where {who} may not sign, ' if who else ''}{can.en}; {loop.en}: never {end.en}",
        )
    parts: dict[tuple[str, ...], list[str]] = {}  # what they did → who did it
    for person, relations in impasse.barred:
        parts.setdefault(relations, []).append(called_by_post(directory, person))
    everybody = list(dict.fromkeys(name for names in parts.values() for name in names))
    only = Text("、".join(everybody), ", ".join(everybody))
    if len(everybody) == 1 and len(parts) == 1:
        took = _did(*parts)
        return Text(
            f"唯一能办理“{step.zh}”的是{only.zh}，他{took.zh}过的{loop.zh}永远无法{end.zh}",
            f"only {only.en} can take the step {step.en!r}; what he {took.en} is never {end.en} ({loop.en})",
        )
    each = [("、".join(dict.fromkeys(names)), _did(relations)) for relations, names in parts.items()]
    took = Text("、".join(f"{who}{did.zh}" for who, did in each), " and ".join(f"{who} {did.en}" for who, did in each))
    return Text(
        f"能办理“{step.zh}”的只有{only.zh}，{took.zh}过的{loop.zh}永远无法{end.zh}",
        f"only {only.en} can take the step {step.en!r}; what {took.en} is never {end.en} ({loop.en})",
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


def _stuck_cases(look: Look, spans: Sequence[tuple[date, date]], *, remedies: bool) -> Iterator[Finding]:
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
        during = _during(question, when)
        remedy = Text(
            "请补足上述岗位，由未经办过该项的人员担任", "Fill that post with somebody who had no part in the case"
        )
        if remedies and blocked:
            remedy = change_for_case(look, workflow, case, blocked[0], day)
        yield Finding(
            f"stuck|{case.number}", "stuck_case", True,
            Text(
                f"{case.number} 停在“{state.zh}”，{during.zh}现有人员无人能将其办结：{why.zh}。",
                f"{case.number} stands at {state.en!r}, and {during.en}nobody present can bring it to its end: {why.en}.",
            ),
            remedy, day, _until(question, when), workflow.key, blocked[0].transition.trigger if blocked else None,
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
                Text(f"请再补充 {group.least - len(members)} 名成员", f"Add {group.least - len(members)} more"),
            )  # fmt: skip
        if group.seats and not any(
            s.rank == "chair" and _filled(directory, s.kind, s.holder, day) for s in group.seats
        ):
            yield _warning(
                "group_without_chair", group.code, day,
                Text(f"{group.name.zh}没有在任的组长。", f"{group.name.en} has no chair."),
                Text(f"请为{group.name.zh}指定组长", f"Name a chair of {group.name.en}"),
            )  # fmt: skip
    filled = {role: {scope for _, scope in directory.holders(role, day)} for role in question.posts}
    for department in directory.departments:
        if department.external:
            continue
        for role, title in question.posts.items():
            if department.code not in filled[role]:
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
    away, delegate = called_by_post(directory, absence.person), called_by_post(directory, str(absence.delegate))
    found = directory.people.get(str(absence.delegate))
    if found is None or not found.active:
        yield _warning(
            "delegate_gone", absence.id, day,
            Text(f"{away}外出，其代办人{delegate}已不在册。", f"{away} is away, and the delegate {delegate} has left."),
            Text(f"由{away}另行委托一名在岗人员代办", f"{away} names another delegate"),
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
            Text(f"由{away}另行委托一名在岗人员代办", f"{away} names a delegate who is there"),
        )  # fmt: skip


def _of_the_directory(question: Question) -> Iterator[Finding]:
    """What is wrong whatever the day: grants that open nothing, a calendar that ends, nobody to administer."""
    directory, first = question.directory, question.first
    titles = {name: title for w in question.workflows for name, title in w.roles.items()}
    named = question.roles or {name.removesuffix(ANOTHER_DEPARTMENT) for w in question.workflows for name in w.roles}
    codes = {department.code for department in directory.departments} | {WHOLE_ORGANISATION}
    for key, held in directory.grants.items():
        person = directory.people.get(key)
        who = called_by_post(directory, key)
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
                    Text("请改为现有部门，或收回该职责", "Name a department there is, or withdraw it"),
                )  # fmt: skip
            elif not over and grant.role not in named:
                yield _warning(
                    "grant_of_nothing", f"{key}-{grant.role}", first,
                    Text(
                        f"{who}持有“{title.zh}”，没有任何流程用到它。",
                        f"{who} holds {title.en!r}, which no loop knows.",
                    ),
                    Text("请改为现有职责，或收回", "Name a role there is, or withdraw it"),
                )  # fmt: skip
    if question.calendar is None:
        yield Finding(
            "no_calendar", "no_calendar", True, Text("尚未载入日历，期限无法计算。", "No calendar: no deadline can be worked out."),
            Text("请系统管理员载入放假安排", "Load the calendar: `bihuan calendar load`"), first,
        )  # fmt: skip
    elif question.calendar.warns_on(first):
        ends = question.calendar.known_until
        yield _warning(
            "calendar_ends", "", first,
            Text(f"日历只到 {ends}，此后的期限为暂定。", f"The calendar ends on {ends}; later deadlines are provisional."),
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


def _mode(workflow: Workflow, mode: str) -> Text:
    title = workflow.sign_off.titles.get(mode) if workflow.sign_off else None
    return Text(f"（{title.zh}）", f" ({title.en})") if title else Text("", "")
