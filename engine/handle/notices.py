"""What people are told of an event: who, how, and what a message may say."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from engine.actor import Actor
from engine.calendar import Calendar
from engine.case import UNCONFIRMED, Case
from engine.decision import Setting, Told
from engine.definition import Workflow
from engine.directory import Person
from engine.events import Event, Notice, looking_after
from engine.handle.reading import Reading
from engine.store import people

UNCONFIRMED_HEADS = "unconfirmed_heads"
POSTS_IN_MESSAGE = 5  # what is longer is not read on a phone; the case has them all by name


def notices_of(
    reading: Reading, workflow: Workflow, case: Case, event: Event, told: Told, actor: Actor, setting: Setting
) -> list[Notice]:
    """One for everybody; of those who have not confirmed one for each group of heads, with nobody but their own people."""
    if UNCONFIRMED_HEADS not in told.audience:
        return [_notice(reading, workflow, case, event, told, actor, setting)]
    others = tuple(name for name in told.audience if name != UNCONFIRMED_HEADS)
    notices = (
        [_notice(reading, workflow, case, event, replace(told, audience=others), actor, setting)] if others else []
    )
    acknowledge = workflow.state(case.state).acknowledge
    waited = reading.still_here(workflow, case)
    if acknowledge is None or not waited:
        return notices
    today = setting.calendar.local_date(reading.now)
    groups = people.looked_after_together(
        reading.connection, case.organisation, waited, acknowledge.heads, today
    )  # fmt: skip
    for number, group in enumerate(groups, start=1):
        to = replace(told, audience=(looking_after(group[0].person, *acknowledge.heads),))
        notice = _notice(reading, workflow, case, event, to, actor, setting)
        about = {**notice.about, "unconfirmed": _unconfirmed(group)}
        notices.append(replace(notice, id=f"{notice.id}:{number}", about=about))
    return notices


def _notice(
    reading: Reading, workflow: Workflow, case: Case, event: Event, told: Told, actor: Actor, setting: Setting
) -> Notice:
    awaits = workflow.awaited(case)
    audience = dict.fromkeys(name for who in told.audience for name in (awaits if who == "holder" else (who,)))
    return Notice(
        id=f"{case.number}:{event.sequence}:{told.reason}",
        organisation=case.organisation,
        case=case.number,
        sequence=event.sequence,
        reason=told.reason,
        audience=tuple(audience),
        how=told.how,
        written_at=event.recorded_at,
        about=_about(reading, workflow, case, event, told, actor, setting.calendar),
    )


def _about(
    reading: Reading, workflow: Workflow, case: Case, event: Event, told: Told, actor: Actor, calendar: Calendar
) -> dict[str, Any]:
    """What a message may say: enough to act on, and nothing a passer-by should not read on a screen."""
    step = workflow.triggers[event.trigger][0].title if event.trigger in workflow.triggers else None
    by, represented = (
        reading.person(case.organisation, key) if key else None for key in (actor.person, actor.on_behalf_of)
    )
    return {
        **as_it_stands(workflow, case, calendar, reading.now),
        "trigger": event.trigger,
        "trigger_title": step.to_json() if step else None,
        "rung": told.rung,
        "skipped": list(told.skipped),
        "actor_post": _post_of(by),
        "represented_post": _post_of(represented),
        **_acknowledgement(workflow, case),
        **({"unconfirmed": _unconfirmed(reading.still_here(workflow, case))} if told.rung and case.unconfirmed else {}),
    }


def as_it_stands(workflow: Workflow, case: Case, calendar: Calendar, now: datetime) -> dict[str, Any]:
    """How a case stands at this instant, as a message may say it: plain JSON, nothing a passer-by should not read."""
    due: datetime | None = case.due_at
    today = calendar.local_date(now)
    return {
        "number": case.number,
        "workflow": workflow.key,
        "workflow_title": workflow.title.to_json(),
        "title": case.title,
        "place": case.place,
        "level": case.level,
        "state": case.state,
        "state_title": workflow.state(case.state).title.to_json(),
        "due_at": due.isoformat() if due else None,
        "provisional": bool(case.clock and case.clock.provisional),
        "days_over": calendar.workdays_between(calendar.local_date(due), today) if due else None,
        "awaits": [workflow.called(name).to_json() for name in workflow.awaited(case)],
        "path": f"/cases/{case.number}",
    }


def _acknowledgement(workflow: Workflow, case: Case) -> dict[str, Any]:
    """The step by which its reader can say straight from the message that he has got it, while nobody has."""
    step = workflow.acknowledgement(case.state) if case.acknowledged_at is None else None
    if step is None:
        return {}
    by = [UNCONFIRMED] if step.confirms else list(step.by)
    return {"acknowledge": {"trigger": step.trigger, "title": step.title.to_json(), "by": by}}


def _unconfirmed(waited: Sequence[Person]) -> dict[str, Any]:
    """Those who have not confirmed, as a message may say it: how many, and by their posts."""
    posts = Counter(str(_post_of(person)) for person in waited)
    return {"count": len(waited), "posts": [[post, number] for post, number in posts.most_common(POSTS_IN_MESSAGE)]}


def _post_of(person: Person | None) -> str | None:
    """What a message calls somebody: it is read on phones and by machines of others, where no name belongs. By name only
    whom the directory knows no post of.
    """
    return None if person is None else person.post or person.name
