"""May this actor take this step on this case? Denied unless granted; separation, quorum and exclusion read the history.

Separation is between persons, not accounts or roles: it covers the person acting and the person represented, on both
steps, over the whole history of the case. An exclusion beats any membership.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from engine.actor import ANOTHER_DEPARTMENT, WHOLE_ORGANISATION, Actor, Visibility
from engine.case import ADDRESSEE, OF_ONESELF, UNCONFIRMED, Case
from engine.definition import RELATIONS, Signing, Transition, Workflow
from engine.errors import NotAllowed, Text

_FOR = " for "  # between who signed and who was represented
SENTENCES = 1_000  # lists of posts that are kept in words: a loop has some twenty


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to take a step.

    completes   False while further signatures are needed: the signature is recorded, the case does not move
    signature   `person@department`, or `person for represented@department`, when the step is one that is signed
    """

    completes: bool = True
    signature: str | None = None


def stands_as(name: str, actor: Actor, case: Case, workflow: Workflow) -> bool:
    """Does the actor hold this role in a scope that covers the case, or stand in this relation to it?"""
    if name in RELATIONS:
        return _relates(name, actor, case, workflow)
    if name.endswith(ANOTHER_DEPARTMENT):
        role, here = name.removesuffix(ANOTHER_DEPARTMENT), (case.department, WHOLE_ORGANISATION)
        for grant in actor.grants:  # noqa: SIM110  any() takes twice as long, and `engine.proof` asks this a million times
            if grant.role == role and grant.scope not in here:
                return True
        return False
    covers = (WHOLE_ORGANISATION, case.department or WHOLE_ORGANISATION)
    for grant in actor.grants:  # noqa: SIM110  the same
        if grant.role == name and grant.scope in covers:
            return True
    return False


def _relates(name: str, actor: Actor, case: Case, workflow: Workflow) -> bool:
    if name == "system":
        return actor.kind == "system"
    if name == "stranger":
        return actor.kind == "anonymous"
    if actor.kind != "person":
        return False
    if name == "anyone":
        return actor.home is None  # of this organisation: a bureau's people look on unless they were granted more
    if name == "holder":
        awaited = [who for who in workflow.awaited(case) if who != "holder"]
        return any(stands_as(who, actor, case, workflow) for who in awaited)
    if name in OF_ONESELF:
        return actor.on_behalf_of is None and not actor.selves.isdisjoint(persons_in(name, case))
    return actor.standing is not None and actor.standing in persons_in(name, case)


def is_awaited(actor: Actor, case: Case, workflow: Workflow) -> bool:
    """Whether it is this actor's move: by a role or relation, or since he has to know of it and has not said that he does."""
    if stands_as("holder", actor, case, workflow):
        return True
    return bool(workflow.waits_by_name(case)) and _relates(UNCONFIRMED, actor, case, workflow)


def persons_in(relation: str, case: Case) -> tuple[str, ...]:
    """Everyone who now stands in this relation to the case."""
    if relation == "assignee":
        return (case.assignee,) if case.assignee else ()
    if relation in ("reporter", "inspector"):
        return (case.reporter,) if case.reporter else ()
    if relation == UNCONFIRMED:
        return case.unconfirmed
    return case.who_acted(relation)


def visibility(actor: Actor, overseers: Iterable[str]) -> Visibility:
    """Which cases the actor may see: all with an overseeing role, else those of his scopes and those he is part of."""
    scopes = {grant.scope for grant in actor.grants}
    everything = actor.kind == "system" or actor.holds_any(overseers)
    persons = frozenset(person for person in (actor.person, actor.standing) if person is not None)
    return Visibility(actor.organisation, everything, frozenset(scopes - {WHOLE_ORGANISATION}), persons)


def may_see(case: Case, seen: Visibility) -> bool:
    """The same rule that `store.worklists` writes as SQL; a test holds the two against each other."""
    if case.organisation != seen.organisation:
        return False
    if seen.everything or (case.department is not None and case.department in seen.departments):
        return True
    return bool(seen.persons & people_of(case))


def may_see_evidence(workflow: Workflow, case: Case, actors: Iterable[Actor]) -> bool:
    """Whether somebody who may see the case may look at its pictures and papers as well: while they are held back, only whom
    the case waits for.
    """
    if not workflow.holds_back(case):
        return True
    awaited = workflow.awaited(case)
    return any(stands_as(name, actor, case, workflow) for actor in actors for name in awaited)


def people_of(case: Case) -> frozenset[str]:
    """Everyone who is or ever was part of the case."""
    current = {p for p in (case.reporter, case.assignee) if p is not None}
    return frozenset(current.union(*case.acted.values()))


def may_open_any(workflow: Workflow, actor: Actor, asked: Text) -> None:
    """Raises NotAllowed for who could open no case of this workflow, whatever he wrote: he is not asked to correct it."""
    roles = {name.removesuffix(ANOTHER_DEPARTMENT) for name in workflow.opens_by if name not in RELATIONS}
    related = any(_might_relate(name, actor) for name in workflow.opens_by if name in RELATIONS)
    if not related and not actor.holds_any(roles):
        raise _no_opening(workflow, asked)


def _might_relate(name: str, actor: Actor) -> bool:
    if name == "system":
        return actor.kind == "system"
    if name == "stranger":
        return actor.kind == "anonymous"
    return actor.kind == "person" and (name != "anyone" or actor.home is None)


def allow_opening(workflow: Workflow, actor: Actor, blank: Case, asked: Text) -> None:
    """Raises NotAllowed unless the actor may open a case of this workflow. `blank` is the case as the form draws it."""
    if not any(stands_as(name, actor, blank, workflow) for name in workflow.opens_by):
        raise _no_opening(workflow, asked)


def _no_opening(workflow: Workflow, asked: Text) -> NotAllowed:
    return NotAllowed(
        asked=asked,
        obstacle=_only(workflow, workflow.opens_by),
        remedy=Text("请联系上述岗位代为登记", "Ask one of these posts to open it"),
        who=workflow.opens_by,
    )


def judge(
    workflow: Workflow, transition: Transition, case: Case, actor: Actor, policy: Mapping[str, Any], asked: Text
) -> Permit:
    """Leave for this actor to take this step, or NotAllowed with the rule that denies it and the posts that could."""
    if transition.confirms:
        return _judge_confirmation(workflow, case, actor, asked)
    if not transition.sign_off:
        if not any(stands_as(name, actor, case, workflow) for name in transition.by):
            raise NotAllowed(
                asked=asked,
                obstacle=_only(workflow, transition.by),
                remedy=Text("请由上述岗位办理", "Leave the step to one of these posts"),
                who=transition.by,
            )
        _exclude(workflow, transition.never, transition.by, case, actor, asked)
        return Permit()
    return _judge_signature(workflow, transition, case, actor, policy, asked)


def _judge_confirmation(workflow: Workflow, case: Case, actor: Actor, asked: Text) -> Permit:
    """Each addressee for himself: to know of something cannot be handed on."""
    if stands_as(ADDRESSEE, actor, case, workflow):
        return Permit()
    if actor.on_behalf_of is not None:
        raise NotAllowed(
            asked=asked,
            obstacle=Text("确认知晓只能由本人办理，不能代办", "to know of it is everybody's own, and nobody does it for another"),
            remedy=Text(
                "请等其本人确认；本人长期无法确认的，请安稳办写明理由后免予确认",
                "Let him confirm himself; whoever cannot for long, the safety office may excuse",
            ),
            reason="oneself",
        )  # fmt: skip
    raise NotAllowed(
        asked=asked,
        obstacle=Text("您不在本项的知晓范围内", "you are not among those who have to know of it"),
        remedy=Text("您不用办理；您应当知晓的，请告诉安稳办", "Leave it; if you should be among them, tell the safety office"),
        reason="addressee",
    )  # fmt: skip


def _judge_signature(
    workflow: Workflow, transition: Transition, case: Case, actor: Actor, policy: Mapping[str, Any], asked: Text
) -> Permit:
    """The sign-off table, in this order: who signs, who never, not twice, how many, not all from one department."""
    assert workflow.sign_off is not None and transition.sign_off is not None  # the definition was checked
    row = workflow.sign_off.rows[workflow.sign_off.mode_of(case), transition.sign_off]
    by = tuple(dict.fromkeys((*row.by, *transition.by)))
    never = tuple(name for name in row.never if not policy.get(row.waived_by.get(name, ""), False))
    if not any(stands_as(name, actor, case, workflow) for name in by):
        raise NotAllowed(
            asked=asked,
            obstacle=_only(workflow, by),
            remedy=Text("请由上述岗位办理", "Leave the step to one of these posts"),
            who=by,
        )
    if transition.alone:
        return Permit()  # to send back lets nothing pass, so nobody has to be kept from it, and no case gets stuck here
    _exclude(workflow, never, row.by, case, actor, asked)
    return _count_signatures(transition.sign_off, row, case, actor, asked)


def _exclude(
    workflow: Workflow, never: tuple[str, ...], by: tuple[str, ...], case: Case, actor: Actor, asked: Text
) -> None:
    """Raises NotAllowed when the person acting, or the one represented, ever stood in one of these relations."""
    for relation in never:
        if actor.selves & _ever(relation, case):
            who = workflow.called(relation)
            raise NotAllowed(
                asked=asked,
                obstacle=Text(
                    f"办理人（或其所代表的人）曾是本项的{who.zh}，不能审批自己经办的事项",
                    f"you, or the person you act for, were {who.en} of this case, and nobody approves his own work",
                ),
                remedy=Text(
                    f"请由另一位{_listed(workflow, by).zh}办理",
                    f"Leave the step to another {_listed(workflow, by).en}",
                ),
                reason="separation",
                who=by,
            )


def _count_signatures(step: str, row: Signing, case: Case, actor: Actor, asked: Text) -> Permit:
    if row.count == 1:
        return Permit()
    given = case.signed.get(step, ())
    gave = frozenset(person for signature in given for person in signers_of(signature))
    if gave & actor.selves:
        raise NotAllowed(
            asked=asked,
            obstacle=Text("您已签字，需要另一位人员签字", "you have signed already, and distinct persons are needed"),
            remedy=Text(f"共需 {row.count} 人签字，请等待其他人员", f"Wait for the others: {row.count} have to sign"),
            reason="quorum",
            who=row.by,
        )
    # of the fixing department is also whoever goes to look for somebody of another one
    department = case.department if actor.own_department == case.department else actor.department
    signature = f"{_FOR.join(actor.persons)}@{department or ''}"
    signers = (*given, signature)
    if len(signers) < row.count:
        return Permit(completes=False, signature=signature)
    if row.not_all_from and {s.rsplit("@", 1)[1] for s in signers} == {case.department}:
        raise NotAllowed(
            asked=asked,
            obstacle=Text("验收人员全部来自整改部门", "all who signed belong to the department that fixed it"),
            remedy=Text("请至少一位其他部门的人员签字", "At least one signature has to come from another department"),
            reason="quorum",
            who=row.by,
        )
    return Permit(signature=signature)


def signers_of(signature: str) -> list[str]:
    """The person who signed and the person represented: neither counts a second time."""
    return signature.rsplit("@", 1)[0].split(_FOR)


def _ever(relation: str, case: Case) -> set[str]:
    """Everyone who ever stood in this relation, and now does."""
    return {*case.who_acted(relation), *persons_in(relation, case)}


@lru_cache(maxsize=SENTENCES)
def _only(workflow: Workflow, who: tuple[str, ...]) -> Text:
    listed = _listed(workflow, who)
    return Text(f"此步骤只能由{listed.zh}办理", f"this step belongs to {listed.en}")


@lru_cache(maxsize=SENTENCES)
def _listed(workflow: Workflow, who: tuple[str, ...]) -> Text:
    texts = [workflow.called(name) for name in who]
    return Text("、".join(t.zh for t in texts), " or ".join(t.en for t in texts))
