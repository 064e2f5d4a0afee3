"""A school's own layout of its papers: a Word file for each kind, checked when it is sent, and the program's again whenever wanted.

Each change stands in the logbook.
"""

import hashlib
import io
import zipfile

from sqlalchemy import Connection

from api.bootstrap import Runtime
from api.evidence.documents import DOCX, media_type_of
from api.evidence.refusing import not_taken
from api.papers.kinds import BY_CODE, KINDS, LISTS, LISTS_BY_CODE, Kind, ListKind
from api.papers.making import PLACES, TOO_MANY
from api.papers.word import asking
from api.problems import unknown_address
from engine.actor import Actor
from engine.errors import FieldFault, InvalidInput, Text
from engine.handle import note_in
from engine.store import people, templates
from engine.store.templates import PaperTemplate
from workflows.roles import ADMINISTRATOR, SAFETY_OFFICE

KEEPERS = frozenset({ADMINISTRATOR, *SAFETY_OFFICE})
READERS = KEEPERS | {"auditor"}
MOST_BYTES = 2_000_000  # a form with a school's emblem has a tenth of it
MOST_UNFOLDED_BYTES = 20_000_000
FETCHING = Text("下载文书模板", "Fetch a paper's template")
KEEPING = Text("更换文书模板", "Replace a paper's template")
RESETTING = Text("恢复默认模板", "Go back to the default template")


def every() -> tuple[Kind | ListKind, ...]:
    """The kinds that can be had as Word."""
    return (*KINDS, *(kind for kind in LISTS if "docx" in kind.forms))


def kind_of(code: str) -> Kind | ListKind:
    """Raises UnknownAddress for what is no paper, or none in Word."""
    kind = BY_CODE.get(code) or LISTS_BY_CODE.get(code)
    if kind is None or kind not in every():
        raise unknown_address()
    return kind


def all_of(connection: Connection, organisation: str) -> dict[str, PaperTemplate]:
    return templates.all_of(connection, organisation)


def content_of(runtime: Runtime, organisation: str, kind: Kind | ListKind, *, default: bool = False) -> bytes:
    """The Word file that is filled in: the school's own, or the program's. Raises Busy.

    default    the program's in any case
    """
    with runtime.database.read(organisation) as connection:
        own = None if default else templates.content(connection, organisation, kind.code)
    if own is not None:
        return own
    with PLACES.one(FETCHING, TOO_MANY, organisation):
        return asking.default_of(kind)


def keep(runtime: Runtime, actor: Actor, kind: Kind | ListKind, content: bytes) -> PaperTemplate:
    """From now on this paper is laid out so. The same file again changes nothing. Raises InvalidInput, Busy."""
    _must_be_word(content)
    here = actor.organisation
    with PLACES.one(KEEPING, TOO_MANY, here):
        asking.must_fit(kind, content, KEEPING)
    kept = PaperTemplate(here, kind.code, hashlib.sha256(content).hexdigest(), runtime.clock.now(), actor.principal)
    with runtime.database.write(here) as connection:
        people.change_alone(connection, here)
        before = templates.all_of(connection, here).get(kind.code)
        if before is not None and before.sha256 == kept.sha256:
            return before
        templates.keep(connection, kept, content)
        _note(runtime, connection, actor, {"paper": kind.code, "what": "set", "sha256": kept.sha256})
    return kept


def reset(runtime: Runtime, actor: Actor, kind: Kind | ListKind) -> None:
    """Back to the layout that comes with the program; where it is used already nothing changes."""
    here = actor.organisation
    with runtime.database.write(here) as connection:
        people.change_alone(connection, here)
        if templates.drop(connection, here, kind.code):
            _note(runtime, connection, actor, {"paper": kind.code, "what": "reset"})


def _note(runtime: Runtime, connection: Connection, actor: Actor, told: dict[str, str]) -> None:
    note_in(runtime.engine, connection, actor, "template_changed", told)


def _must_be_word(content: bytes) -> None:
    """By its outside: its size, that it is whole, that it holds nothing to be run. Raises InvalidInput."""
    remedy = Text("请上传不含宏的 .docx 文件", "Send a .docx file without macros")
    if len(content) > MOST_BYTES or _unfolded(content) > MOST_UNFOLDED_BYTES:
        raise _named(not_taken(KEEPING, Text("模板文件过大", "the template is too large"), remedy))
    try:
        kind = media_type_of(content)
    except InvalidInput as refusal:
        raise _named(not_taken(KEEPING, refusal.obstacle, remedy)) from refusal
    if kind != DOCX:
        raise _named(not_taken(KEEPING, Text("不是 Word（.docx）文件", "it is no Word (.docx) file"), remedy))


def _unfolded(content: bytes) -> int:
    """By its directory, which `media_type_of` holds against what is there; 0 of what has none, which it refuses."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return sum(part.file_size for part in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return 0


def _named(refusal: InvalidInput) -> InvalidInput:
    return InvalidInput(
        asked=refusal.asked, obstacle=refusal.obstacle, remedy=refusal.remedy,
        fields=(FieldFault("template", refusal.obstacle),),
    )  # fmt: skip
