"""Templates of papers: fetched, replaced by the school's own Word files, and the program's again whenever wanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Query, Request, Response

from api import paper_templates
from api.auth import Asker, SignedIn, TheRuntime
from api.auth.forms import Sent, TheSent
from api.bootstrap import Runtime
from api.pages.addresses import Pages
from api.pages.rendering import PAPERS, SCHOOL, go_to, local, page
from api.pages.school.keeping import holding
from api.pages.words import WORDS
from api.papers.kinds import Kind, ListKind
from api.papers.paper import ROW, ROWS
from api.papers.word import asking
from api.routes.papers import must_hold
from api.routes.under import BASE
from engine.errors import Busy, FieldFault, InvalidInput, Refusal, Text
from engine.store import people

router = Pages(prefix=PAPERS)

Done = Annotated[str, Query(max_length=20)]
DONE = ("set", "reset")


@dataclass(frozen=True, slots=True)
class Line:
    """A kind of paper with the template it is filled into. `since`: when the school laid it out itself; "" if it does not.

    fields    how a template names them, and what they are
    rows      the same of a line of its list
    refusal   why the file that was just sent is not taken
    """

    code: str
    title: Text
    since: str
    file: str
    default: str
    fields: Sequence[tuple[str, str]]
    rows: Sequence[tuple[str, str]]
    refusal: Refusal | None


@router.get("")
def papers_page(request: Request, runtime: TheRuntime, asker: SignedIn, done: Done = "") -> Response:
    asker = _keeper(asker, paper_templates.READERS)
    return _page(request, runtime, asker, done=done if done in DONE else "")


@router.post("/{code}")
def replace_by_form(request: Request, runtime: TheRuntime, asker: SignedIn, code: str, sent: TheSent) -> Response:
    asker = _keeper(asker, paper_templates.KEEPERS)
    kind = paper_templates.kind_of(code)
    try:
        runtime.writer.must_be_in_place()
        paper_templates.keep(runtime, asker.actor, kind, _file(sent))
    except (InvalidInput, Busy) as refusal:
        return _page(request, runtime, asker, refusal, code)
    return go_to(f"{PAPERS}?done=set")


@router.post("/{code}/reset")
def reset_by_form(request: Request, runtime: TheRuntime, asker: SignedIn, code: str) -> Response:
    asker = _keeper(asker, paper_templates.KEEPERS)
    kind = paper_templates.kind_of(code)
    try:
        runtime.writer.must_be_in_place()
        paper_templates.reset(runtime, asker.actor, kind)
    except Busy as refusal:
        return _page(request, runtime, asker, refusal, code)
    return go_to(f"{PAPERS}?done=reset")


def _file(sent: Sent) -> bytes:
    """Raises InvalidInput where none was chosen. A larger one than is taken is read no further."""
    found = next((each for each in sent.files.get("template", ()) if each.size_bytes), None)
    if found is None:
        fault = WORDS["template_no_file"]
        raise InvalidInput(
            asked=paper_templates.KEEPING, obstacle=fault, fields=(FieldFault("template", fault),),
            remedy=Text("请选择本校的 .docx 文件后提交", "Choose your .docx file and send it"),
        )  # fmt: skip
    found.file.seek(0)
    return found.file.read(paper_templates.MOST_BYTES + 1)


def _keeper(asker: Asker, roles: frozenset[str]) -> Asker:
    """The asker as whoever he is or stands in for that may. Raises NotAllowed."""
    found = holding(asker, *paper_templates.KEEPERS) or holding(asker, *roles) or asker
    must_hold(found, roles)
    return found


def _page(
    request: Request, runtime: Runtime, asker: Asker, refusal: Refusal | None = None, code: str = "", done: str = ""
) -> Response:
    here = asker.actor.organisation
    with runtime.database.read(here) as connection:
        own = paper_templates.all_of(connection, here)
        zone = people.time_zone(connection, here)
    lines = [
        _line(kind, local(own[kind.code].kept_at, zone) if kind.code in own else "", refusal if kind.code == code else None)
        for kind in paper_templates.every()
    ]  # fmt: skip
    return page(
        request, "school_papers.html", asker=asker, active="more", because=refusal, refusal=refusal, done=done, lines=lines,
        path=PAPERS, back=SCHOOL,
        around=(f"{{%tr for {ROW} in {ROWS} %}}", "{%tr endfor %}"), keeps=asker.account.session is not None and asker.actor.holds_any(paper_templates.KEEPERS),
    )  # fmt: skip


def _line(kind: Kind | ListKind, since: str, refusal: Refusal | None) -> Line:
    fields, at = asking.fields_of(kind), f"{BASE}/papers/{kind.code}/template"
    return Line(
        kind.code, kind.title, since, at, f"{at}?default=true", list(fields.plain.items()),
        [(f"{ROW}.{name}", about) for name, about in fields.rows.items()], refusal,
    )  # fmt: skip
