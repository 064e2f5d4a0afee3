"""A step taken straight from a message: the page says what it is about, and its one button takes it.

Opening the page changes nothing, so that whatever looks at links before people do changes nothing. The step goes the way
of every command, in the name of whoever is signed in; that the delivery was acknowledged is written afterwards, in a
transaction of its own, since the engine that writes the first knows no deliveries. Where the process dies in between, the
event is there with its channel, and pressing again gets the same answer and writes the rest.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Request, Response
from sqlalchemy import Connection

from api.auth import Asker, SignedIn, TheRuntime
from api.auth.asking import asks_at
from api.auth.forms import TheFields
from api.bootstrap import Runtime
from api.links import PARAMETER, PATH, Token, token_of
from api.pages.addresses import Pages
from api.pages.rendering import CASES, local, page
from api.pages.words import WORDS
from api.problems import STATUS, LinkNotGood, LinkOver, headers_of
from engine.actor import Actor
from engine.case import CONFIRMED, Case
from engine.commands import Asked, FireTrigger
from engine.definition import Transition, Workflow
from engine.errors import Busy, NotAllowed, Refusal, Text
from engine.handle import Done, Failed, Refused, offers
from engine.store import cases, people
from notifications import deliveries
from notifications.message import Delivery
from notifications.rendering import due_in_words, left_in_words

router = Pages(prefix=PATH)

Said = Annotated[str, Query(alias=PARAMETER, max_length=200)]
ROUTE = f"POST {PATH}"

_ASKED = Text("打开消息中的链接", "Open the link of a message")


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a link speaks of, as things stand.

    actor      as whom the asker could take the step now; None where he cannot, and `why_not` says why
    """

    delivery: Delivery
    case: Case
    workflow: Workflow
    step: Transition
    actor: Actor | None
    why_not: Refusal | None

    @property
    def moved_on(self) -> bool:
        return self.case.state not in self.step.sources

    @property
    def received(self) -> bool:
        """Whether the notice was acknowledged, by this link or another way."""
        if self.delivery.acknowledged_at is not None:
            return True
        if self.step.confirms:  # each for himself
            return self.delivery.addressee.key in self.case.who_acted(CONFIRMED)
        return not self.moved_on and self.case.acknowledged_at is not None


@router.get("")
def show(request: Request, runtime: TheRuntime, asker: SignedIn, said: Said = "") -> Response:
    """What the message was about, and the button."""
    token, asker = _believed(request, asker, said)
    with runtime.database.read(token.organisation) as connection:
        spoken = _spoken(runtime, connection, asker, token)
        return _page(request, runtime, connection, asker, spoken, said)


@router.post("")
def receive(request: Request, runtime: TheRuntime, asker: SignedIn, fields: TheFields) -> Response:
    """Take the step. Once more is the same answer again."""
    said = fields.get(PARAMETER, "")
    token, asker = _believed(request, asker, said)
    with runtime.database.read(token.organisation) as connection:
        spoken = _spoken(runtime, connection, asker, token)
    refusal = None
    if spoken.delivery.acknowledged_at is None:
        refusal = _take(runtime, asker, spoken)
    with runtime.database.read(token.organisation) as connection:
        now_spoken = _spoken(runtime, connection, asker, token)
        return _page(request, runtime, connection, asker, now_spoken, said, refusal)


def _take(runtime: Runtime, asker: Asker, spoken: Spoken) -> Refusal | None:
    """The step through the writer, and its mark on the delivery; or why not.

    Who could act as several and is asked again finds his answer under whom he acted as, so all of them are asked.
    """
    delivery = spoken.delivery
    refused: Refusal | None = None
    for actor in (spoken.actor,) if spoken.actor is not None else asker.actors:
        command = FireTrigger(spoken.case.number, spoken.step.trigger, via=delivery.channel)
        asked = Asked(actor, command, ROUTE, f"link:{delivery.id}", asker.locale, asker.seen)
        [outcome] = runtime.writer.ask_all([asked])
        if isinstance(outcome, Done):
            runtime.writer.must_be_in_place()
            with runtime.database.write(delivery.organisation) as connection:
                deliveries.acknowledge(connection, delivery.organisation, delivery.id, outcome.event.recorded_at)
            return None
        if isinstance(outcome, Failed):
            raise outcome.error
        if isinstance(outcome, Refused | Busy):
            refused = refused or (outcome.refusal if isinstance(outcome, Refused) else outcome)
    return refused


# --- what a link speaks of -----------------------------------------------------------------------------------------------


def _believed(request: Request, asker: Asker, said: str) -> tuple[Token, Asker]:
    """The token as far as it can be read, and the asker where it leads."""
    token = token_of(said)
    if token is None:
        raise _not_good()
    try:
        return token, asks_at(request, asker, token.organisation)
    except Refusal:
        raise _not_good() from None  # it looks like a link of ours that leads nowhere, and is not told apart


def _spoken(runtime: Runtime, connection: Connection, asker: Asker, token: Token) -> Spoken:
    """Raises LinkNotGood for what we did not make, NotAllowed for another reader, LinkOver past its days."""
    delivery = deliveries.find(connection, token.organisation, token.delivery)
    if delivery is None or not delivery.notice.about.get("acknowledge") or not runtime.links.made(token, delivery):
        raise _not_good()
    if delivery.addressee.key != asker.actor.person:
        raise NotAllowed(
            asked=_ASKED,
            obstacle=Text(
                "这个链接是发给别人的，只有收件人本人能用", "it was sent to somebody else, and only he can use it"
            ),
            remedy=Text(
                "请转告收件人本人打开；如需由您办理，请在自己的待办中处理",
                "Let whom it was sent to open it; what is yours to do is on your own list",
            ),
            reason="recipient",
        )
    case = cases.load(connection, token.organisation, delivery.notice.case)
    if case is None:
        raise _not_good()
    workflow = runtime.engine.catalog.of(case)
    step = workflow.triggers.get(delivery.notice.about["acknowledge"]["trigger"], (None,))[0]
    if step is None or not (step.acknowledges or step.confirms):
        raise _not_good()  # by the definition of today it says more than "I have got it"
    if delivery.acknowledged_at is None and runtime.clock.now() >= token.until:
        raise LinkOver(
            asked=_ASKED,
            obstacle=Text("链接已过有效期", "it is older than it holds"),
            remedy=Text("请登录后在自己的待办中办理", "Sign in and go on from your own list"),
        )
    offered = [
        o for o in offers(runtime.engine, connection, asker.actors, case) if o.transition.trigger == step.trigger
    ]
    possible = next((offer for offer in offered if offer.why_not is None), None)
    why_not = offered[0].why_not if offered and possible is None else None
    return Spoken(delivery, case, workflow, step, None if possible is None else possible.actor, why_not)


def _not_good() -> LinkNotGood:
    return LinkNotGood(
        asked=_ASKED,
        obstacle=Text("链接不完整，或不是本系统发出的", "it is cut off, or was not made here"),
        remedy=Text(
            "请从原消息中重新打开，或登录后在自己的待办中办理",
            "Open it from the message again, or go on from your own list",
        ),
    )


# --- the page ------------------------------------------------------------------------------------------------------------


def _page(
    request: Request,
    runtime: Runtime,
    connection: Connection,
    asker: Asker,
    spoken: Spoken,
    said: str,
    refusal: Refusal | None = None,
) -> Response:
    if refusal is not None:
        runtime.metrics.refused(refusal)
    case, locale = spoken.case, asker.locale
    zone, now = people.time_zone(connection, case.organisation), runtime.clock.now()
    told: dict[str, Any] = {
        "name": spoken.delivery.addressee.name,
        "workflow": spoken.workflow.title,
        "title": case.title,
        "number": case.number,
        "place": case.place or WORDS["place_unknown"].in_(locale),
        "state": spoken.workflow.state(case.state).title.in_(locale),
        "due": WORDS["due_unknown"].in_(locale),
        "requirement": case.facts.get("requirement"),
        "case_path": f"{CASES}/{case.number}",
    }
    if case.due_at is not None:
        separator = "，" if locale == "zh" else ", "
        parts = (due_in_words(case.due_at, zone, now, locale), left_in_words(case.due_at, zone, now, locale))
        told["due"] = separator.join(parts)
    return page(
        request, "receiving.html", asker=asker, refusal=refusal, spoken=spoken, told=told, said=said, path=PATH,
        parameter=PARAMETER, received_at=_when(spoken, zone),
        status=200 if refusal is None else STATUS[type(refusal)], headers=None if refusal is None else headers_of(refusal),
    )  # fmt: skip


def _when(spoken: Spoken, zone: Any) -> str:
    at: datetime | None = spoken.delivery.acknowledged_at
    if at is None and not spoken.step.confirms:  # the receipt of many is there with the last one's
        at = spoken.case.acknowledged_at
    return "" if at is None else local(at, zone)
