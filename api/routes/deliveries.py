"""What was sent to whom, when, by which channel and with which answer: to each his own, to the safety office all of it."""

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel
from sqlalchemy import Connection

from api.auth import Asker, SignedIn, TheRuntime
from api.deliveries import STATUS_WORDS, message_in_words, unknown_delivery
from api.problems import not_for_you
from api.reading import LONGEST_NAME
from api.requests import no_cursor, without_nul
from api.routes.answering import GOES_ON, Limit, json_of, link_to_next, refusals
from api.routes.filtering import one_of
from api.routes.under import Router
from api.trail import called
from engine.authority import may_see
from engine.definition import Catalog, Workflow
from engine.errors import Locale, Text
from engine.events import LOGBOOK
from engine.handle import unknown_case
from engine.store import cases, people
from notifications import accounts, deliveries
from notifications.answers import in_words
from notifications.message import NOBODY, ORGANISATION, STATUSES, Delivery, Status

router = Router(tags=["deliveries"])

OVERSEERS = Text("安稳办和校领导", "the safety office and leaders")
MOST_OF_A_CASE = 1_000
Word = Annotated[str | None, Query(max_length=130), AfterValidator(without_nul)]

EVERYBODY = Text("单位接口", "the organisation's own address")
NO_ONE = Text("无人", "nobody")


class DeliveryAnswer(BaseModel):
    """One notice to one addressee by one channel.

    case           null where it is about none: the day's message of what waits, somebody who cannot be reached
    to             a person's key; `*` for the organisation's own address, empty where nobody could be found
    name           by name, or for who may not see names, by post
    account        which of the organisation's channels
    message        what it leaves in: a digest's lines have it in common
    not_before     when it goes, or is tried again
    answer         what the channel said last, as it said it, or why it was not sent, in the reader's language; of others' only for
                   who oversees
    acknowledged_at  when it was acknowledged from the message itself
    """

    id: str
    case: str | None
    reason: str
    to: str
    name: str
    channel: str
    account: str
    how: Literal["digest", "direct"]
    status: Status
    status_text: str
    message: str | None
    attempts: int
    planned_at: AwareDatetime
    not_before: AwareDatetime
    sent_at: AwareDatetime | None
    answer: str | None
    acknowledged_at: AwareDatetime | None


class DeliveryPage(BaseModel):
    """The latest planned first. `next` is the cursor of the page that follows, null on the last one."""

    items: list[DeliveryAnswer]
    next: str | None


class MessageAnswer(DeliveryAnswer):
    """With the message as it went, or as it would go now; null where it cannot be written any more."""

    subject: str | None
    body: str | None
    link: str | None


class Told(BaseModel):
    """What one addressee was sent of a case."""

    to: str
    name: str
    items: list[DeliveryAnswer]


class CaseDeliveries(BaseModel):
    """Person by person, whoever was told last first. `more`: only the latest are shown."""

    case: str
    items: list[Told]
    more: bool


# --- all of them ---------------------------------------------------------------------------------------------------------


@router.get(
    "/deliveries", response_model=DeliveryPage, summary="投递 · What was sent to whom", responses=refusals(403, 422)
)
def list_deliveries(
    request: Request,
    runtime: TheRuntime,
    asker: SignedIn,
    case: Annotated[Word, Query(description="A case's number")] = None,
    person: Annotated[Word, Query(description="A person's key; `me` for oneself")] = None,
    status: Annotated[str | None, Query(description="Only those that stand so")] = None,
    channel: Annotated[Word, Query(description="A kind of channel")] = None,
    account: Annotated[Word, Query(description="One of the organisation's channels by its name")] = None,
    dead: Annotated[bool, Query(description="Only what goes nowhere by itself: given up, or nobody to reach")] = False,
    limit: Limit = 50,
    cursor: Annotated[str | None, Query(max_length=64, description=GOES_ON)] = None,
) -> Response:
    """One's own; whoever oversees sees everybody's."""
    one_of("status", status, STATUSES)
    himself = str(asker.actor.person)
    wanted = himself if person == "me" else person
    if not asker.seen.everything:
        if wanted not in (None, himself):
            raise not_for_you(OVERSEERS)
        wanted = himself
    here = asker.actor.organisation
    found_status: Status | None = next((each for each in STATUSES if each == status), None)
    with runtime.database.read(here) as connection:
        if cursor is not None:
            last = deliveries.find(connection, here, cursor)
            if last is None or not _may_see(last, asker):
                no_cursor()
        found = deliveries.list_deliveries(
            connection, here, status=found_status, dead=dead, case=case, person=wanted, channel=channel, account=account,
            limit=limit + 1, after=cursor,
        )  # fmt: skip
        words = _Words(connection, asker)
        items = [words.answer(each) for each in found[:limit]]
    following = items[-1].id if len(found) > limit else None
    return json_of(DeliveryPage(items=items, next=following), headers=link_to_next(request, following))


@router.get(
    "/deliveries/{delivery}", response_model=MessageAnswer, summary="消息内容 · A message as it went",
    responses=refusals(404),
)  # fmt: skip
def read_delivery(runtime: TheRuntime, asker: SignedIn, delivery: str) -> Response:
    """One's own; whoever oversees reads everybody's."""
    here = asker.actor.organisation
    with runtime.database.read(here) as connection:
        found = deliveries.find(connection, here, delivery)
        if found is None or not _may_see(found, asker):
            raise unknown_delivery(delivery)
        told = _Words(connection, asker).answer(found)
        said = message_in_words(runtime, connection, found)
    return json_of(MessageAnswer.model_validate({**dict(told), **said}))


def _may_see(delivery: Delivery, asker: Asker) -> bool:
    return asker.seen.everything or delivery.addressee.key == asker.actor.person


# --- of a case -----------------------------------------------------------------------------------------------------------


def routers(catalog: Catalog) -> list[APIRouter]:
    """An address under every loop."""
    return [_of(workflow) for workflow in catalog.newest()]


def _of(workflow: Workflow) -> APIRouter:
    routes = Router()
    routes.add_api_route(
        f"/{workflow.plural}/{{number}}/deliveries", _told(workflow), methods=["GET"], response_model=CaseDeliveries,
        tags=[workflow.key], summary=f"通知情况 · Who was told: {workflow.title.zh} · {workflow.title.en}",
        operation_id=f"deliveries_of_{workflow.key}", responses=refusals(401, 404),
    )  # fmt: skip
    return routes


def _told(workflow: Workflow) -> Callable[..., Response]:
    def who_was_told(runtime: TheRuntime, asker: SignedIn, number: str) -> Response:
        """For whoever may see the case."""
        here = asker.actor.organisation
        with runtime.database.read(here) as connection:
            case = cases.load(connection, here, number)
            if case is None or case.workflow != workflow.key or not may_see(case, asker.seen):
                raise unknown_case(number[:LONGEST_NAME])
            found = deliveries.list_deliveries(connection, here, case=number, limit=MOST_OF_A_CASE + 1)
            words = _Words(connection, asker)
            by_addressee: dict[str, Told] = {}
            for each in found[:MOST_OF_A_CASE]:
                answer = words.answer(each)
                told = by_addressee.setdefault(answer.to, Told(to=answer.to, name=answer.name, items=[]))
                told.items.append(answer)
        answer_ = CaseDeliveries(case=number, items=list(by_addressee.values()), more=len(found) > MOST_OF_A_CASE)
        return json_of(answer_)

    return who_was_told


# --- in words ------------------------------------------------------------------------------------------------------------


class _Words:
    """Deliveries in the reader's language. Whom the directory was asked for once is not asked for again."""

    def __init__(self, connection: Connection, asker: Asker) -> None:
        self._connection = connection
        self._asker = asker
        self._names: dict[str, str] = {}
        self._titles = {
            each.id: each.title or each.id for each in accounts.all_of(connection, asker.actor.organisation)
        }

    def answer(self, delivery: Delivery) -> DeliveryAnswer:
        locale: Locale = self._asker.locale
        return DeliveryAnswer(
            id=delivery.id,
            case=None if delivery.notice.case == LOGBOOK else delivery.notice.case,
            reason=delivery.notice.reason,
            to=delivery.addressee.key,
            name=self._name(delivery),
            channel=delivery.channel,
            account=delivery.account,
            how=delivery.how,
            status=delivery.status,
            status_text=STATUS_WORDS[delivery.status].in_(locale),
            message=delivery.message,
            attempts=delivery.attempts,
            planned_at=delivery.planned_at,
            not_before=delivery.not_before,
            sent_at=delivery.sent_at,
            answer=in_words(delivery.answer).in_(locale)
            if delivery.answer and _may_see(delivery, self._asker)
            else None,
            acknowledged_at=delivery.acknowledged_at,
        )

    def _name(self, delivery: Delivery) -> str:
        key, locale = delivery.addressee.key, self._asker.locale
        if key == NOBODY:
            return NO_ONE.in_(locale)
        if key == ORGANISATION:
            return EVERYBODY.in_(locale)
        if key not in self._names:
            here = self._asker.actor.organisation
            person = people.person(self._connection, here, key)
            if person is None:  # a group, reached by its robot
                self._names[key] = self._titles.get(delivery.account, delivery.account)
            else:
                names = self._asker.seen.everything or key == self._asker.actor.person
                self._names[key] = called(f"person:{key}", lambda _: person, names=names).in_(locale)
        return self._names[key]
