"""How I want to be told: channel, quiet hours, language; within what the organisation allows."""

import re
from datetime import date, time
from typing import Annotated, Any, Literal

from fastapi import Response
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from api import preferences
from api.auth import Asker, SignedIn, TheRuntime
from api.directory import Editor
from api.preferences import Choice, Reading, told
from api.requests import Answers, read_as
from api.routes.answering import json_of, refusals
from api.routes.under import PROBLEMS, Router
from engine.definition import said
from engine.errors import Locale, Text

router = Router(tags=["people"])

CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)


def _time(value: Any) -> time | None:
    """A local time as 21:30 and nothing looser."""
    if value is None:
        return None
    if not isinstance(value, str) or not CLOCK.fullmatch(value):
        raise said(Text("应为时间，如 21:30", "has to be a time, as 21:30"))
    return time.fromisoformat(value)


LocalTime = Annotated[
    time | None, BeforeValidator(_time, json_schema_input_type=str | None), Field(description="Local, as 21:30")
]


class ChooseMessages(BaseModel):
    """What is null or left out is as the organisation does it. Nobody can silence a major hazard or an escalation.

    channel      one of those the organisation lets people choose; `inbox` for the desk alone
    quiet_from   quiet hours may go over midnight
    language     of messages; left out, it stays
    """

    model_config = ConfigDict(extra="forbid")
    channel: Annotated[str, Field(max_length=32)] | None = None
    quiet_from: LocalTime = None
    quiet_until: LocalTime = None
    language: Literal["zh", "en"] | None = None


#: the bodies of these addresses, as components of the OpenAPI document
FORMS: dict[str, type[BaseModel]] = {"ChooseMessages": ChooseMessages}


class PossibleAnswer(BaseModel):
    kind: str
    title: str
    why_not: str | None


class HoursAnswer(BaseModel):
    """When the organisation sends. Local times."""

    digest_at: str
    window_from: str
    window_until: str


class NextDigest(BaseModel):
    """The day's one message, if anything waits for me then."""

    day: date
    leaves_at: AwareDatetime


class MessagesAnswer(BaseModel):
    """How I am told. My desk gets everything.

    possible      what I may choose; `why_not` while I cannot
    quiet_hours   whether I may have them
    goes_by       the channel by which I am reached outside now; null for my desk alone
    """

    channel: str | None
    quiet_from: str | None
    quiet_until: str | None
    language: Literal["zh", "en"]
    possible: list[PossibleAnswer]
    quiet_hours: bool
    goes_by: str | None
    hours: HoursAnswer
    next_digest: NextDigest


RESPONSES: dict[int | str, dict[str, Any]] = refusals(404)


@router.get(
    "/account/messages", response_model=MessagesAnswer, summary="我的消息设置 · How I am told", responses=RESPONSES
)
def read_messages(runtime: TheRuntime, asker: SignedIn) -> Response:
    """With what I may choose, and when my next message of the day comes."""
    here = asker.actor.organisation
    with runtime.database.read(here) as connection:
        found = preferences.reading(runtime, connection, here, str(asker.actor.person))
    return json_of(messages_answer(found, asker.locale))


@router.put(
    "/account/messages", response_model=MessagesAnswer, summary="更改我的消息设置 · Choose how I am told",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ChooseMessages"}}},
        }
    },
    responses={**RESPONSES, **{status: PROBLEMS[status] for status in (409, 413, 415)}},
)  # fmt: skip
def choose_messages(runtime: TheRuntime, asker: SignedIn, answers: Answers) -> Response:
    """Whole anew. Saying the same twice changes nothing."""
    form = read_as(ChooseMessages, answers, runtime.engine.words)
    runtime.writer.must_be_in_place()
    here, person = asker.actor.organisation, str(asker.actor.person)
    language = form.language
    if language is None:
        with runtime.database.read(here) as connection:
            language = preferences.reading(runtime, connection, here, person).choice.language
    choice = Choice(form.channel, form.quiet_from, form.quiet_until, language)
    found = preferences.choose(runtime, _himself(runtime, asker), person, choice)
    return json_of(messages_answer(found, asker.locale))


def _himself(runtime: TheRuntime, asker: Asker) -> Editor:
    actor = asker.actor
    return Editor(runtime.database, actor.organisation, f"person:{actor.person}", runtime.clock.now())


def messages_answer(found: Reading, locale: Locale) -> MessagesAnswer:
    school = found.situation.school
    return MessagesAnswer.model_validate(
        {
            **told(found.choice),
            "possible": [
                PossibleAnswer(
                    kind=each.kind, title=each.title.in_(locale),
                    why_not=None if each.why_not is None else each.why_not.in_(locale),
                )
                for each in found.possible
            ],
            "quiet_hours": school.quiet_hours,
            "goes_by": found.goes_by,
            "hours": HoursAnswer(
                digest_at=f"{school.digest_at:%H:%M}", window_from=f"{school.window_from:%H:%M}",
                window_until=f"{school.window_until:%H:%M}",
            ),
            "next_digest": NextDigest(day=found.next_digest.day, leaves_at=found.next_digest.leaves_at),
        }
    )  # fmt: skip
