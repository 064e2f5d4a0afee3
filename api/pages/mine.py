"""Mine: what waits for me, worst first; what I reported and where it stands; what lies on my desk unread."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import islice

from fastapi import Request, Response
from sqlalchemy import Connection

from api.auth import Asker, SignedIn, TheRuntime
from api.bootstrap import Runtime
from api.pages.addresses import Pages
from api.pages.rendering import MINE, page
from api.pages.words import WORDS
from api.reading import asks_nothing, by_deadline, each_once, most_pressing_first, read_now, waiting_for
from api.schemas import CaseAnswer
from engine.actor import Actor
from engine.authority import stands_as
from engine.case import Case
from engine.errors import Text
from engine.handle import offers
from engine.store import people, worklists
from notifications import deliveries

router = Pages()

SHOWN = 50  # cases that wait; whoever has more works from the top
WITH_STEPS = 10  # of them with the steps he can take: judging them costs a millisecond each
REPORTED = 10


@dataclass(frozen=True, slots=True)
class Card:
    """A case on a list.

    late      past its deadline
    for_whom  in whose place it waits for the reader; "" for himself
    steps     (trigger, title, whether a button is all it needs) he can take now
    to_know   it waits for nothing but that he says he knows of it
    """

    case: CaseAnswer
    kind: str
    late: bool
    for_whom: str
    steps: Sequence[tuple[str, str, bool]]
    to_know: bool = False


@router.get(MINE)
def mine(request: Request, runtime: TheRuntime, asker: SignedIn) -> Response:
    now, locale = runtime.clock.now(), asker.locale
    with runtime.database.read(asker.actor.organisation) as connection:
        streams = [
            waiting_for(runtime.engine.catalog, connection, asker, actor, None, SHOWN + 1) for actor in asker.actors
        ]
        waiting = list(islice(each_once(merge(*streams, key=by_deadline)), SHOWN + 1))
        more, waiting = len(waiting) > SHOWN, waiting[:SHOWN]
        cards = list(_cards(runtime, connection, asker, waiting, now))
        me = str(asker.actor.person)
        series = [loop.prefix for loop in runtime.engine.catalog.newest()]
        mine = worklists.reported_by(connection, asker.seen, me, series, limit=REPORTED)
        reported = read_now(runtime, connection, asker, mine, now)
        unread = len(deliveries.inbox_of(connection, asker.actor.organisation, me, unread_only=True, limit=100))
    kinds = _kinds(runtime, asker)
    return page(
        request, "mine.html", asker=asker, active="mine", cards=[card for card in cards if not card.to_know], more=more,
        to_know=[card for card in cards if card.to_know], reported=reported, kinds=kinds,
        unread=unread, greeting=_greeting(cards, locale == "zh"), keep=True,
    )  # fmt: skip


def _cards(
    runtime: Runtime, connection: Connection, asker: Asker, waiting: Sequence[tuple[Case, Actor]], now: datetime
) -> Iterator[Card]:
    answers = read_now(runtime, connection, asker, [case for case, _ in waiting], now)
    called = {
        actor.on_behalf_of: _called(connection, asker, actor.on_behalf_of)
        for _, actor in waiting if actor.on_behalf_of is not None
    }  # fmt: skip
    for place, ((case, actor), answer) in enumerate(zip(waiting, answers, strict=True)):
        workflow, locale = runtime.engine.catalog.of(case), asker.locale
        for_whom = called.get(actor.on_behalf_of or "", "")
        confirm = workflow.confirmation(case.state)
        if confirm is not None and not stands_as("holder", actor, case, workflow):
            steps = [(confirm.trigger, confirm.title.in_(locale), True)]  # nobody is barred from knowing of it
            yield Card(answer, workflow.title.in_(locale), False, for_whom, steps, to_know=True)
            continue
        offered = offers(runtime.engine, connection, (actor,), case) if place < WITH_STEPS else []
        steps = [
            (step.trigger, step.title.in_(locale), asks_nothing(step))
            for step in (o.transition for o in most_pressing_first(workflow, case, offered) if o.why_not is None)
        ]
        yield Card(answer, workflow.title.in_(locale), answer.overdue, for_whom, steps)


def _called(connection: Connection, asker: Asker, key: str) -> str:
    found = asker.known.get(key) or people.person(connection, asker.actor.organisation, key)
    return key if found is None else found.name


def _kinds(runtime: Runtime, asker: Asker) -> Mapping[str, str]:
    return {loop.key: loop.title.in_(asker.locale) for loop in runtime.engine.catalog.newest()}


def _greeting(cards: Sequence[Card], zh: bool) -> str:
    """One sentence that says how the day stands."""
    late = sum(card.late for card in cards)
    if not cards:
        said: Text = WORDS["nothing_waits"]
    elif late:
        said = Text(f"{len(cards)} 项待办，其中 {late} 项已逾期", f"{len(cards)} waiting, {late} of them overdue")
    else:
        said = Text(f"{len(cards)} 项待办，都在期限内", f"{len(cards)} waiting, all in time")
    return said.zh if zh else said.en
