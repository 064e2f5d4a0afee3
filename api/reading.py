"""Cases as somebody reads them: found where he may see them, told in his language, with what he could do next."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import Connection

from api.auth import Asker
from api.bootstrap import Runtime
from api.problems import holders
from api.schemas import CaseAnswer, HolderAnswer, OfferedStep, WhyNot, case_answer, report_answer
from api.trail import called
from engine.actor import Actor
from engine.authority import is_awaited, may_see
from engine.calendar import Calendar
from engine.case import FIVE_STATES, Case
from engine.deadlines import in_words
from engine.definition import Catalog, Transition, Workflow, form_of, guards_of, is_known, is_typed
from engine.directory import Person
from engine.errors import Locale, NotAllowed, Text
from engine.events import Event, in_the_name_of
from engine.handle import Offer, unknown_case
from engine.store import calendars, cases, people, periods, worklists
from workflows.joint import CHECK_OF, Coverage, coverage

LONGEST_NAME = 64  # of a trigger or a number; longer ones name nothing, and would not fit the logs
NO_DEADLINE = datetime.max.replace(tzinfo=UTC)
AT_A_TIME = 200  # cases fetched from the database at once, the longest page there is


def read_now(
    runtime: Runtime, connection: Connection, asker: Asker, found: list[Case], now: datetime
) -> list[CaseAnswer]:
    """Cases as they stand this moment, with what is left of their time in words, and what came of a period that they owe."""
    here = asker.actor.organisation
    calendar = calendars.newest(connection, here)
    owed = periods.of_cases(connection, here, [case.number for case in found if case.period is not None])
    return [
        case_answer(
            runtime.engine.catalog.of(case), case, asker.locale, now,
            due_in_words=left_in_words(case, now, calendar, asker.locale),
            report=report_answer(owed.get(case.number), now),
        )
        for case in found
    ]  # fmt: skip


def left_in_words(case: Case, now: datetime, calendar: Calendar | None, locale: Locale) -> str | None:
    if case.final or case.due_at is None or calendar is None:
        return None
    return in_words(case.due_at, now, calendar, locale)


def offered_step(workflow: Workflow, offer: Offer, asker: Asker) -> OfferedStep:
    """A step as it looks to the asker: his to take, or what keeps him from it and who could take it instead."""
    transition, refusal, locale = offer.transition, offer.why_not, asker.locale
    why_not = None
    if refusal is not None:
        could = refusal.could if isinstance(refusal, NotAllowed) else None
        why_not = WhyNot(
            code=refusal.code,
            sentence=refusal.sentence(locale),
            reason=getattr(refusal, "reason", None),
            guard=getattr(refusal, "guard", None),
            could=[
                HolderAnswer.model_validate(holder)
                for holder in holders(could or (), locale, names=asker.seen.everything)
            ],
        )
    return OfferedStep(
        trigger=transition.trigger,
        title=transition.title.in_(locale),
        possible=refusal is None,
        on_behalf_of=offer.actor.on_behalf_of if refusal is None else None,
        form=workflow.form_of(transition.trigger).__name__,
        why_not=why_not,
    )


def asks_nothing(step: Transition) -> bool:
    """Whether a button is all the step needs."""
    return not any(is_typed(field) for field in form_of(step).model_fields.values())


def most_pressing_first(workflow: Workflow, case: Case, offered: Sequence[Offer]) -> list[Offer]:
    """The steps as somebody would look for them: the receipt, the answer to a request that waits, what brings the case on to the
    next of the five states, what sends it back, and then all that leaves it where it is or ends it otherwise.
    """
    return sorted(offered, key=lambda offer: _pressing(workflow, case, offer.transition))


def _pressing(workflow: Workflow, case: Case, step: Transition) -> int:
    if step.acknowledges or step.confirms:
        return 0
    further = 0
    if step.target is not None:
        further = FIVE_STATES.index(workflow.state(step.target).counted) - FIVE_STATES.index(case.counts_as)
    also_awaits = workflow.state(case.state).also_awaits
    if not further and also_awaits is not None and also_awaits(case):
        # a step within the state that only some cases allow: here, one where somebody waits for an answer
        answers = any(not guard.reads_form and not guard.of_people for guard in guards_of(step.guards))
        return 1 if answers else 5
    if further > 0:
        return 4 if workflow.state(str(step.target)).final and further > 1 else 2
    return 3 if further < 0 else 5


def who_did(connection: Connection, asker: Asker, events: Sequence[Event]) -> list[Text]:
    """Who took each of these steps and in whose name: by name for who may see names, by post for everybody else."""
    keys = {key for event in events for key in (event.actor, event.on_behalf_of) if key is not None}
    told = {key: called_to(asker, key, partial(people.person, connection, asker.actor.organisation)) for key in keys}
    return [did(told, event) for event in events]


def name_for(person: Person, asker: Asker) -> str:
    """What the asker may call somebody on a page: himself and whom he represents by name, everybody else by the post, unless he
    sees everything.
    """
    his_own = any(person.person in actor.persons for actor in asker.actors)
    return person.name if asker.seen.everything or his_own else person.post or person.name


def called_to(asker: Asker, key: str, person: Callable[[str], Person | None]) -> Text:
    """person    by his key, None for nobody"""
    return called(key, person, names=asker.seen.everything)


def did(told: Mapping[str, Text], event: Event) -> Text:
    return in_the_name_of(told[event.actor], None if event.on_behalf_of is None else told[event.on_behalf_of])


def visible_case(connection: Connection, asker: Asker, number: str, workflow: Workflow | None = None) -> Case:
    """The case, if there is one that the asker may see; of this loop, if one is named. Raises UnknownCase."""
    case = cases.load(connection, asker.actor.organisation, number)
    other = case is not None and workflow is not None and case.workflow != workflow.key
    if case is None or other or not may_see(case, asker.seen):
        raise unknown_case(number[:LONGEST_NAME])
    return case


# --- what waits ------------------------------------------------------------------------------------------------------------


def covered(connection: Connection, case: Case) -> Coverage | None:
    """How far a joint inspection has come, as it is now; None for any other case."""
    if case.workflow not in CHECK_OF:
        return None
    children = [link.number for link in case.links if link.kind == "child"]
    return coverage(case, cases.load_many(connection, case.organisation, children).values())


def waiting_for(
    catalog: Catalog,
    connection: Connection,
    asker: Asker,
    actor: Actor,
    after: tuple[datetime | None, str] | None,
    at_a_time: int,
) -> Iterator[tuple[Case, Actor]]:
    """Every open case whose next move is this actor's, worst deadline first.

    at_a_time    how many are fetched to begin with: what is shown, as the database leaves little to judge
    """
    while True:
        # SQL finds by role and department; what holding a case means exactly, the definition says
        maybe = worklists.waiting_for(connection, asker.seen, actor, limit=at_a_time, after=after)
        yield from ((case, actor) for case in maybe if _waits_for(catalog.of(case), case, actor))
        if len(maybe) < at_a_time:
            return
        after, at_a_time = (maybe[-1].due_at, maybe[-1].number), AT_A_TIME


def _waits_for(workflow: Workflow, case: Case, actor: Actor) -> bool:
    """Of a loop that this program does not know it holds what whoever wrote the case down said."""
    return not is_known(workflow) or is_awaited(actor, case, workflow)


def by_deadline(waiting: tuple[Case, Actor]) -> tuple[bool, datetime, str]:
    """The order the database gives: the earliest deadline first, cases without one last."""
    case, _ = waiting
    return case.due_at is None, case.due_at or NO_DEADLINE, case.number


def each_once(waiting: Iterator[tuple[Case, Actor]]) -> Iterator[tuple[Case, Actor]]:
    """A case that waits for him and for somebody he represents is his own: he needs nobody's name for it."""
    told: set[str] = set()
    for case, actor in waiting:
        if case.number not in told:
            told.add(case.number)
            yield case, actor
