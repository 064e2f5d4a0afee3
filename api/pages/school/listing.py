"""A list of people taken in at a page, as `bihuan import people` takes it: what it would do is shown first, and then done whole or
not at all. Between the two the list lies in the form; it is read again as anybody's would be, and must still do what was shown.
"""

import base64
import binascii
import io
import zlib
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from sqlalchemy import Connection

from api.auth import Asker, SignedIn, TheRuntime
from api.auth.forms import Sent, TheSent
from api.bootstrap import Runtime
from api.checking import OpensDeadCorner
from api.evidence.names import as_attachment
from api.importing import (
    IMPORTING,
    ListFaulty,
    Meant,
    Overtaken,
    Plan,
    carry_out,
    fingerprint,
    plan,
    rows_beyond,
    told_of_rows,
)
from api.pages.addresses import Pages
from api.pages.naming import NamesOf
from api.pages.rendering import HEADERS, go_to, page
from api.pages.school.keeping import is_confirmed, keeper
from api.pages.school.people import FIRST_PASSWORDS, IMPORT, PEOPLE
from api.pages.words import WORDS
from api.papers.listing import MEDIA_TYPES
from api.papers.people_list import COLUMNS, LONGEST_CELL, MOST_ROWS, TITLES, Fault, PeopleList, Row, read_sent
from api.papers.people_sheets import write_template
from api.papers.workbooks import plain
from api.places import Places
from api.routes.directory import editor_of
from engine.actor import WHOLE_ORGANISATION, Grant
from engine.errors import FieldFault, FolderError, InvalidInput, NotAllowed, NotPossibleNow, Refusal, Text
from engine.store import people
from workflows.roles import ROLES

router = Pages()

TEMPLATE = f"{IMPORT}/template.xlsx"
CONFIRM = f"{IMPORT}/confirm"
SHOWN = 200  # rows, faults and notices, each: of more there is a number
LONGEST_CARRIED = 900_000  # characters of a list that lies in a form; a form takes a million
LARGEST_UNPACKED = 16_000_000  # bytes

#: a list is read whole, which takes a processor and a hundred megabytes where it is long
_AT_WORK = Places(1)
_TOO_MANY = Text("另一份名单正在处理", "another list is being dealt with")
_NOT_SEEN = Text("预览之后，名单或人员名册有了变化", "the list or the directory changed after it was shown")


class CarriedRow(BaseModel):
    model_config = ConfigDict(extra="forbid")
    number: Annotated[int, Field(ge=1, le=10_000_000)]
    said: dict[Literal["name", "staff_number", "department", "post", "phone", "email", "account"], Annotated[str, Field(min_length=1, max_length=LONGEST_CELL)]]  # fmt: skip

    @model_validator(mode="after")
    def as_read(self) -> Self:
        """Cells as a reader leaves them, which takes no blank for a staff number."""
        if any(plain(text) != text for text in self.said.values()):
            raise ValueError("cells that nobody read so")
        return self


class Carried(BaseModel):
    """A list without faults, between its preview and its import."""

    model_config = ConfigDict(extra="forbid")
    columns: list[str]
    rows: Annotated[list[CarriedRow], Field(min_length=1, max_length=MOST_ROWS)]

    @model_validator(mode="after")
    def in_order(self) -> Self:
        """Rows are told apart by their numbers."""
        numbers = [row.number for row in self.rows]
        if numbers != sorted(set(numbers)):
            raise ValueError("rows out of order")
        return self


@dataclass(frozen=True, slots=True)
class Told:
    """What would become of one row: `what` in words, beside who it is. `beyond`: a delegate does not take it in."""

    row: int
    new: bool
    name: str
    key: str
    department: str
    post: str
    what: Sequence[Text]
    beyond: bool


@router.get(IMPORT)
def import_page(request: Request, asker: SignedIn) -> Response:
    return _page(request, keeper(asker, IMPORTING))


@router.get(TEMPLATE)
def template(runtime: TheRuntime, asker: SignedIn) -> Response:
    """A blank list, with this school's departments to choose from."""
    asker = keeper(asker, IMPORTING)
    book = io.BytesIO()
    with runtime.database.read(asker.actor.organisation) as connection:
        write_template(book, people.departments(connection, asker.actor.organisation))
    return _workbook(book, WORDS["import_template_name"].zh, "people")


@router.post(IMPORT)
def preview(request: Request, runtime: TheRuntime, asker: SignedIn, sent: TheSent) -> Response:
    """What it would do; nothing is written."""
    asker = keeper(asker, IMPORTING)
    new_departments = sent.one("new_departments") == "yes"
    try:
        return _preview(request, runtime, asker, _read(sent), new_departments=new_departments)
    except Refusal as refusal:
        return _page(request, asker, refusal, new_departments=new_departments)


@router.post(CONFIRM)
def import_by_form(request: Request, runtime: TheRuntime, asker: SignedIn, sent: TheSent) -> Response:
    """As it was shown, or shown again where it would do otherwise by now."""
    asker = keeper(asker, IMPORTING)
    new_departments = sent.one("new_departments") == "yes"
    try:
        listed = _unpacked(sent.one("list"))
    except InvalidInput as refusal:
        return _page(request, asker, refusal, new_departments=new_departments)
    try:
        with _AT_WORK.one(IMPORTING, _TOO_MANY):
            added = _done(runtime, asker, listed, sent, new_departments=new_departments)
    except (ListFaulty, Overtaken):
        return _preview(request, runtime, asker, listed, _moved_on(), new_departments=new_departments)
    except Refusal as refusal:
        return _preview(request, runtime, asker, listed, refusal, new_departments=new_departments)
    return go_to(f"{FIRST_PASSWORDS if added else PEOPLE}?done=imported")


def _done(runtime: Runtime, asker: Asker, listed: PeopleList, sent: Sent, *, new_departments: bool) -> int:
    """Import it; gives how many people it added, and 0 where it was done already: sent twice, or by two."""
    here = asker.actor.organisation
    editor = editor_of(runtime, asker, confirmed=is_confirmed(sent))
    with runtime.database.read(here) as connection:
        planned = plan(connection, here, listed, editor.today(connection), new_departments=new_departments)
    if not any(each.changes for each in planned.meant) and not planned.departments:
        return 0
    return len(carry_out(editor, listed, new_departments=new_departments, seen=sent.one("seen")).added)


# --- what lies between ---------------------------------------------------------------------------------------------------


def _read(sent: Sent) -> PeopleList:
    files = sent.files.get("file", ())
    if not files:
        raise _no_list(Text("请选择一个文件", "choose a file"))
    with _AT_WORK.one(IMPORTING, _TOO_MANY):
        try:
            return read_sent(files[0].read(), files[0].name)
        except FolderError as error:
            raise _no_list(error.text) from error


def _no_list(what: Text) -> InvalidInput:
    return InvalidInput(
        asked=IMPORTING, obstacle=Text(what.zh.rstrip("。"), what.en.rstrip(".")), fields=(FieldFault("file", what),),
        remedy=Text("没有写入任何内容，请改正后重新上传", "Nothing was written; correct it and send it again"),
    )  # fmt: skip


def _of_faults(faults: Sequence[Fault]) -> InvalidInput:
    return _no_list(Text(f"有 {len(faults)} 处错误，见下", f"there are {len(faults)} mistakes, see below"))


def _moved_on() -> NotPossibleNow:
    return NotPossibleNow(
        asked=IMPORTING, obstacle=_NOT_SEEN,
        remedy=Text("没有写入任何内容，请核对下面新的预览", "Nothing was written; look at what it would do now"),
    )  # fmt: skip


def _packed(listed: PeopleList) -> str:
    rows = [CarriedRow(number=row.number, said=dict(row.said)) for row in listed.rows]  # type: ignore[arg-type]  # the keys of a row are `COLUMNS`
    text = Carried(columns=list(listed.columns), rows=rows).model_dump_json()
    packed = base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode()
    if len(packed) > LONGEST_CARRIED:
        raise _no_list(Text("名单太长，请分成几个文件", "it is too long; split it into several files"))
    return packed


def _unpacked(said: str) -> PeopleList:
    try:
        unpacking = zlib.decompressobj()
        text = unpacking.decompress(base64.urlsafe_b64decode(said.encode("ascii")), LARGEST_UNPACKED)
        if not unpacking.eof:
            raise ValueError("more than was ever packed")
        carried = Carried.model_validate_json(text)
    except (ValueError, zlib.error, binascii.Error, ValidationError) as error:
        raise _no_list(Text("名单没有完整提交", "the list did not come whole")) from error
    columns = tuple(name for name in COLUMNS if name in carried.columns)
    return PeopleList(
        "",
        columns,
        rows=[Row(row.number, {str(name): said for name, said in row.said.items()}) for row in carried.rows],
    )


# --- shown ---------------------------------------------------------------------------------------------------------------


def _page(
    request: Request, asker: Asker, refusal: Refusal | None = None, faults: Sequence[Fault] = (), *, new_departments: bool = False
) -> Response:  # fmt: skip
    return page(
        request, "school_import.html", asker=asker, active="more", because=refusal, refusal=refusal, at=IMPORT,
        template_at=TEMPLATE, back=(PEOPLE, WORDS["school_people"]), new_departments=new_departments, planned=None, barred=None,
        faults=[fault.text for fault in faults[:SHOWN]], more=max(len(faults) - SHOWN, 0),
        fault=next((each.what for each in refusal.fields if each.field == "file"), None) if refusal else None,
    )  # fmt: skip


def _preview(
    request: Request, runtime: Runtime, asker: Asker, listed: PeopleList, refusal: Refusal | None = None, *, new_departments: bool
) -> Response:  # fmt: skip
    here = asker.actor.organisation
    with runtime.database.read(here) as connection:
        today = runtime.clock.now().astimezone(people.time_zone(connection, here)).date()
        try:
            planned = plan(connection, here, listed, today, new_departments=new_departments)
        except ListFaulty as faulty:
            return _page(request, asker, _of_faults(faulty.faults), faulty.faults, new_departments=new_departments)
        beyond = rows_beyond(connection, editor_of(runtime, asker, confirmed=False), planned)
        told = _told(connection, planned, asker, beyond)
    barred = told_of_rows(beyond) if beyond else None
    return page(
        request, "school_import.html", asker=asker, active="more", because=refusal, refusal=refusal, at=IMPORT,
        template_at=TEMPLATE, back=(PEOPLE, WORDS["school_people"]), new_departments=new_departments, planned=planned,
        notices=planned.notices[:SHOWN], more_notices=max(len(planned.notices) - SHOWN, 0),
        told=told[:SHOWN], more=max(len(told) - SHOWN, 0), confirm_at=CONFIRM, packed=_packed(listed), seen=fingerprint(planned),
        barred=None if isinstance(refusal, NotAllowed) else barred, beyond=bool(beyond),
        changes=bool(told or planned.departments), meant=isinstance(refusal, OpensDeadCorner), faults=(), fault=None,
    )  # fmt: skip


def _told(connection: Connection, planned: Plan, asker: Asker, beyond: Container[int]) -> list[Told]:
    names = NamesOf(connection, asker.actor.organisation, asker.locale)
    made = {department.code: department.name.in_(asker.locale) for department in planned.departments}

    def department(code: str | None) -> str:
        return made.get(code or "") or names.department(code)

    def roles(grants: frozenset[Grant], mark: str) -> list[Text]:
        return [
            Text(f"{mark}{role.zh}{where}", f"{mark}{role.en}{where}")
            for grant in sorted(grants, key=str)
            for role in [ROLES.get(grant.role, Text(grant.role, grant.role))]
            for where in ["" if grant.scope == WHOLE_ORGANISATION else f" {department(grant.scope)}"]
        ]

    def what(each: Meant) -> list[Text]:
        fields = (
            []
            if each.before is None
            else [WORDS["import_addresses"] if f == "addresses" else TITLES[f] for f in each.fields]
        )
        return [*fields, *roles(each.given, "+"), *roles(each.ended, "−")]

    return [
        Told(each.row, each.before is None, each.after.name, each.after.person, department(each.after.department), each.after.post, what(each), each.row in beyond)
        for each in planned.meant
        if each.changes
    ]  # fmt: skip


def _workbook(book: io.BytesIO, name: str, otherwise: str) -> Response:
    headers = {**HEADERS, "Content-Disposition": as_attachment(name, ".xlsx", otherwise)}
    return Response(book.getvalue(), media_type=MEDIA_TYPES["xlsx"], headers=headers)
