"""What an organisation's messages say: its administrator words them anew, checked and previewed, or takes the program's words back."""

from typing import Annotated

from fastapi import Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api import texts
from api.auth import Asker, SignedIn, TheRuntime
from api.problems import not_for_you
from api.requests import Answers, read_as
from api.routes.answering import body_of, json_of, refusals
from api.routes.under import Router
from api.texts import Shown
from engine.errors import Locale, Text
from notifications.editing import LONGEST_TEXT
from notifications.routing import SchoolSettings
from workflows.roles import ADMINISTRATOR

router = Router(tags=["messages"])

READERS = frozenset({ADMINISTRATOR, "auditor"})
Loop = Annotated[str, Query(max_length=64, description="Of this loop alone; of all where it is left out")]
Source = Annotated[str, Field(max_length=4 * LONGEST_TEXT)]


class SetText(BaseModel):
    """The first line is the subject. `{fact}` stands for a fact; `[words {fact}]` falls away where it is not known, and
    `[{fact}|words]` gives way to what stands behind the bar.
    """

    model_config = ConfigDict(extra="forbid")
    text: Source


class PreviewText(BaseModel):
    """`text`: the one in use where it is left out. `case`: a case as it stands, instead of made-up ones."""

    model_config = ConfigDict(extra="forbid")
    text: Source | None = None
    case: Annotated[str, Field(max_length=64)] | None = None


#: the bodies of these addresses, as components of the OpenAPI document
FORMS: dict[str, type[BaseModel]] = {form.__name__: form for form in (SetText, PreviewText)}


class TextAnswer(BaseModel):
    """A text as it is used. `workflow` is empty where it speaks of all loops.

    own        whether the organisation worded it; `standard` is what comes with the program
    may, must  the facts it may name, and those its reader has to see
    faults     what a newer program finds wrong with it
    """

    name: str
    title: str
    workflow: str
    locale: Locale
    own: bool
    text: str
    standard: str
    changed_at: AwareDatetime | None
    may: list[str]
    must: list[str]
    faults: list[str]


class TextList(BaseModel):
    items: list[TextAnswer]


class PreviewAnswer(BaseModel):
    """`of`: the number of the case, or the made-up message by name, loop and state; `+` behind it where all is known."""

    of: str
    subject: str
    body: str


class PreviewList(BaseModel):
    items: list[PreviewAnswer]


def _must_be(asker: Asker, roles: frozenset[str] = frozenset({ADMINISTRATOR})) -> None:
    """Raises NotAllowed."""
    if not asker.actor.holds_any(roles):
        raise not_for_you(Text("本单位系统管理员", "the administrator of the organisation"))


@router.get("/messages", response_model=TextList, summary="消息文字 · Texts of messages", responses=refusals(403))
def list_texts(runtime: TheRuntime, asker: SignedIn) -> Response:
    """By name, loop and language."""
    _must_be(asker, READERS)
    with runtime.database.read(asker.actor.organisation) as connection:
        found = texts.all_of(connection, runtime.engine, asker.actor.organisation)
    return json_of(TextList(items=[text_answer(shown, asker.locale) for shown in found]))


@router.get(
    "/messages/{name}/{locale}", response_model=TextAnswer, summary="查看文字 · A text", responses=refusals(403, 404)
)
def read_text(runtime: TheRuntime, asker: SignedIn, name: str, locale: str, workflow: Loop = "") -> Response:
    _must_be(asker, READERS)
    with runtime.database.read(asker.actor.organisation) as connection:
        shown = texts.find(connection, runtime.engine, asker.actor.organisation, name, workflow, locale)
    return json_of(text_answer(shown, asker.locale))


@router.put(
    "/messages/{name}/{locale}", response_model=TextAnswer, summary="设置文字 · Word it anew",
    openapi_extra=body_of(SetText), responses=refusals(403, 404, 413, 415, 422),
)  # fmt: skip
def put_text(
    runtime: TheRuntime, asker: SignedIn, name: str, locale: str, answers: Answers, workflow: Loop = ""
) -> Response:
    """Refused with a sentence for every fault. Saying the same twice changes nothing."""
    _must_be(asker)
    form = read_as(SetText, answers, runtime.engine.words)
    runtime.writer.must_be_in_place()
    shown = texts.keep(runtime.engine, asker.actor, name, workflow, locale, form.text)
    return json_of(text_answer(shown, asker.locale))


@router.delete(
    "/messages/{name}/{locale}", response_model=TextAnswer, summary="恢复文字 · Back to the program's words",
    responses=refusals(403, 404),
)  # fmt: skip
def reset_text(runtime: TheRuntime, asker: SignedIn, name: str, locale: str, workflow: Loop = "") -> Response:
    _must_be(asker)
    runtime.writer.must_be_in_place()
    shown = texts.reset(runtime.engine, asker.actor, name, workflow, locale)
    return json_of(text_answer(shown, asker.locale))


@router.post(
    "/messages/{name}/{locale}/preview", response_model=PreviewList, summary="预览文字 · How it looks",
    openapi_extra=body_of(PreviewText), responses=refusals(403, 404, 413, 415, 422),
)  # fmt: skip
def preview_text(
    runtime: TheRuntime, asker: SignedIn, name: str, locale: str, answers: Answers, workflow: Loop = ""
) -> Response:
    """With the text that is sent along, or the one in use. Nothing is kept and nothing sent."""
    _must_be(asker, READERS)
    form = read_as(PreviewText, answers, runtime.engine.words)
    engine, here = runtime.engine, asker.actor.organisation
    with runtime.database.read(here) as connection:
        if form.case is None:
            samples = texts.preview(connection, engine, here, name, workflow, locale, form.text)
            items = [PreviewAnswer(of=s.file, subject=s.words.subject, body=s.words.body) for s in samples]
        else:
            school = SchoolSettings(public_url=runtime.settings.reached_at)
            place = name, workflow, locale
            words = texts.preview_of_case(
                connection, engine, asker.actor, asker.seen, place, form.text, form.case, school
            )
            items = [PreviewAnswer(of=form.case, subject=words.subject, body=words.body)]
    return json_of(PreviewList(items=items))


def text_answer(shown: Shown, locale: Locale) -> TextAnswer:
    return TextAnswer(
        name=shown.name,
        title=shown.demand.title.in_(locale),
        workflow=shown.workflow,
        locale=shown.locale,
        own=shown.own,
        text=shown.text,
        standard=shown.standard,
        changed_at=shown.changed_at,
        may=sorted(shown.demand.may),
        must=sorted(shown.demand.must),
        faults=[fault.in_(locale) for fault in shown.faults],
    )
