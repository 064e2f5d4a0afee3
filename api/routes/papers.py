"""Papers: which there are of a case and why one is not, the files themselves, and the Word files they are filled into."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime, BaseModel

from api import paper_templates
from api.auth import Asker, SignedIn, TheRuntime
from api.evidence.names import as_attachment
from api.paper_templates import KEEPERS, READERS
from api.papers import making
from api.papers.kinds import Kind, ListKind
from api.papers.kinds.lists import Form
from api.papers.making import MEDIA_TYPES, Available
from api.papers.word import asking
from api.problems import not_for_you, unknown_address, unsupported_type
from api.requests import read_bytes, takes_nothing
from api.routes.answering import json_of, refusals
from api.routes.filtering import filter_of_all, one_of
from api.routes.under import BASE, Router
from engine.definition import Catalog, Workflow
from engine.errors import Locale, Text
from engine.store.templates import PaperTemplate
from engine.store.worklists import Filter

router = Router(tags=["papers"])

DOCX = MEDIA_TYPES["docx"]
SENT_AS = (DOCX, "application/octet-stream")
#: a file of ours that a browser may show: nothing in it is fetched, nothing runs
SHUT = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
FILE: dict[str, Any] = {
    "description": "The paper",
    "content": {media_type.partition(";")[0]: {} for media_type in MEDIA_TYPES.values()},
}
Of = Annotated[
    int | None, Query(ge=1, le=2**31 - 1, alias="event", description="Made of this event; the latest if left out")
]


class PaperAnswer(BaseModel):
    """A paper of a case. `event` is null where there is none yet; with `missing` it can be had as a draft alone."""

    code: str
    title: str
    event: int | None
    at: AwareDatetime | None
    missing: list[str]
    why_not: str | None
    files: dict[str, str]


class PaperList(BaseModel):
    items: list[PaperAnswer]


class PaperFieldAnswer(BaseModel):
    """How a template names it, and what it is."""

    name: str
    about: str


class TemplateAnswer(BaseModel):
    """The Word file a paper is filled into. `own`: the school laid it out itself; `rows`: fields of a line of its list."""

    code: str
    title: str
    own: bool
    kept_at: AwareDatetime | None
    kept_by: str | None
    sha256: str | None
    fields: list[PaperFieldAnswer]
    rows: list[PaperFieldAnswer]


class TemplateList(BaseModel):
    items: list[TemplateAnswer]


def routers(catalog: Catalog) -> list[APIRouter]:
    """Under every loop, and over the cases of a filter."""
    lists = Router(tags=["papers"])
    lists.add_api_route(
        "/cases/papers/{paper}.{form}", take_list, methods=["GET"], response_class=Response,
        summary="清单文书 · A paper over many cases", responses={200: FILE, **refusals(401, 404, 409, 422)},
    )  # fmt: skip
    return [lists, *map(_of, catalog.newest())]


def _of(workflow: Workflow) -> APIRouter:
    routes = Router()
    at, title = f"/{workflow.plural}/{{number}}/papers", f"{workflow.title.zh} · {workflow.title.en}"
    routes.add_api_route(
        at, _list(workflow), methods=["GET"], response_model=PaperList, tags=[workflow.key],
        summary=f"可用文书 · Papers: {title}", operation_id=f"papers_of_{workflow.key}", responses=refusals(401, 404),
    )  # fmt: skip
    routes.add_api_route(
        f"{at}/{{paper}}.{{form}}", _take(workflow), methods=["GET"], response_class=Response, tags=[workflow.key],
        summary=f"文书 · A paper as a file: {title}", operation_id=f"paper_of_{workflow.key}",
        responses={200: FILE, **refusals(401, 404, 409, 422)},
    )  # fmt: skip
    return routes


def _list(workflow: Workflow) -> Callable[..., Response]:
    def list_papers(runtime: TheRuntime, asker: SignedIn, number: str) -> Response:
        with runtime.database.read(asker.actor.organisation) as connection:
            found = making.available(runtime, connection, asker, workflow, number)
        at = f"{BASE}/{workflow.plural}/{number}/papers"
        return json_of(PaperList(items=[_answer(each, at, asker.locale) for each in found]))

    return list_papers


def _answer(each: Available, at: str, locale: Locale) -> PaperAnswer:
    said = f"?event={each.event}" + ("&draft=true" if each.missing else "")
    return PaperAnswer(
        code=each.kind.code, title=each.kind.title.in_(locale), event=each.event, at=each.at, missing=list(each.missing),
        why_not=None if each.why_not is None else each.why_not.in_(locale),
        files={} if each.event is None else {form: f"{at}/{each.kind.code}.{form}{said}" for form in MEDIA_TYPES if form in each.kind.files},
    )  # fmt: skip


def _take(workflow: Workflow) -> Callable[..., Response]:
    def take_paper(
        request: Request,
        runtime: TheRuntime,
        asker: SignedIn,
        number: str,
        paper: str,
        form: Form,
        event: Of = None,
        draft: Annotated[bool, Query(description="Also one that may not be issued yet, marked as a draft")] = False,
    ) -> Response:
        """Who takes it is noted."""
        drawn = making.drawn(runtime, asker, workflow, number, paper, event, draft=draft)
        if form not in drawn.kind.files:
            raise unknown_address()
        if takes_nothing(request):
            return Response(media_type=MEDIA_TYPES[form], headers={"Cache-Control": "private, no-store"})
        content = making.file_of(runtime, asker, drawn, form)
        return _file(content, form, f"{drawn.kind.title.zh} {number}", f"{paper}-{number}")

    return take_paper


def take_list(
    request: Request,
    runtime: TheRuntime,
    asker: SignedIn,
    paper: str,
    form: Form,
    wanted: Annotated[Filter, Depends(filter_of_all)],
) -> Response:
    """Of the cases the filter finds, as they stand now; who takes it is noted. A list is of one loop, whatever else is asked."""
    kind = making.list_kind(paper, form)
    one_of("workflow", wanted.workflow, [kind.workflow])
    if takes_nothing(request):
        return Response(media_type=MEDIA_TYPES[form], headers={"Cache-Control": "private, no-store"})
    return _file(making.list_of(runtime, asker, kind, wanted, form), form, kind.title.zh, paper)


def _file(content: bytes, form: Form, name: str, otherwise: str) -> Response:
    headers = {
        "Content-Disposition": as_attachment(name, f".{form}", otherwise),
        "Cache-Control": "private, no-store",
        "Content-Security-Policy": SHUT,
    }
    return Response(content, media_type=MEDIA_TYPES[form], headers=headers)


# --- templates ------------------------------------------------------------------------------------------------------------


async def _sent(request: Request, asker: SignedIn) -> bytes:
    """What was sent, as far as it may be a template: what it is, its bytes tell. Raises NotAllowed, UnsupportedType, TooLarge."""
    must_hold(asker, KEEPERS)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in SENT_AS:
        raise unsupported_type(", ".join(SENT_AS))
    return await read_bytes(request, paper_templates.MOST_BYTES)


def must_hold(asker: Asker, roles: frozenset[str]) -> None:
    """Raises NotAllowed."""
    if not asker.actor.holds_any(roles):
        raise not_for_you(Text("系统管理员和安稳办", "the administrator and the safety office"))


@router.get(
    "/papers", response_model=TemplateList, summary="文书模板 · Templates and their fields",
    responses=refusals(401, 403),
)  # fmt: skip
def list_templates(runtime: TheRuntime, asker: SignedIn) -> Response:
    must_hold(asker, READERS)
    with runtime.database.read(asker.actor.organisation) as connection:
        own = paper_templates.all_of(connection, asker.actor.organisation)
    items = [_template(kind, own.get(kind.code), asker.locale) for kind in paper_templates.every()]
    return json_of(TemplateList(items=items))


@router.get(
    "/papers/{paper}/template", response_class=Response, summary="下载模板 · Fetch a template",
    responses={200: {"description": "A Word file", "content": {DOCX: {}}}, **refusals(401, 403, 404)},
)  # fmt: skip
def fetch_template(
    runtime: TheRuntime,
    asker: SignedIn,
    paper: str,
    default: Annotated[bool, Query(description="The one that comes with the program, whichever is in use")] = False,
) -> Response:
    must_hold(asker, READERS)
    kind = paper_templates.kind_of(paper)
    content = paper_templates.content_of(runtime, asker.actor.organisation, kind, default=default)
    return _file(content, "docx", f"{kind.title.zh}模板", f"{paper}-template")


@router.put(
    "/papers/{paper}/template", response_model=TemplateAnswer, summary="更换模板 · Replace a template",
    openapi_extra={"requestBody": {"required": True, "content": {each: {"schema": {"type": "string", "format": "binary"}} for each in SENT_AS}}},
    responses=refusals(401, 403, 404, 413, 415, 422),
)  # fmt: skip
def replace_template(
    runtime: TheRuntime, asker: SignedIn, paper: str, content: Annotated[bytes, Depends(_sent)]
) -> Response:
    """It is filled in with samples first: what cannot be is refused, and which field it misspells is said."""
    kind = paper_templates.kind_of(paper)
    runtime.writer.must_be_in_place()
    kept = paper_templates.keep(runtime, asker.actor, kind, content)
    return json_of(_template(kind, kept, asker.locale))


@router.delete(
    "/papers/{paper}/template", response_model=TemplateAnswer, summary="恢复默认模板 · Go back to the default template",
    responses=refusals(401, 403, 404),
)  # fmt: skip
def reset_template(runtime: TheRuntime, asker: SignedIn, paper: str) -> Response:
    must_hold(asker, KEEPERS)
    kind = paper_templates.kind_of(paper)
    runtime.writer.must_be_in_place()
    paper_templates.reset(runtime, asker.actor, kind)
    return json_of(_template(kind, None, asker.locale))


def _template(kind: Kind | ListKind, kept: PaperTemplate | None, locale: Locale) -> TemplateAnswer:
    fields = asking.fields_of(kind)
    return TemplateAnswer(
        code=kind.code, title=kind.title.in_(locale), own=kept is not None,
        kept_at=None if kept is None else kept.kept_at, kept_by=None if kept is None else kept.kept_by,
        sha256=None if kept is None else kept.sha256,
        fields=[PaperFieldAnswer(name=name, about=about) for name, about in fields.plain.items()],
        rows=[PaperFieldAnswer(name=name, about=about) for name, about in fields.rows.items()],
    )  # fmt: skip
