"""Pictures and documents: uploaded first and named by their hash, then by a step. Seen by who sent them and who may see the case."""

import re

from fastapi import Request, Response
from fastapi.responses import FileResponse
from starlette.types import Receive, Scope, Send

from api.auth import Asker, SignedIn, TheRuntime
from api.bootstrap import Runtime
from api.evidence.documents import EXTENSIONS
from api.evidence.names import as_attachment
from api.evidence.store import Kept
from api.problems import unknown_address
from api.requests import UPLOADED, Uploaded, known_tag
from api.routes.answering import json_of, refusals
from api.routes.under import BASE, PROBLEMS, Router
from api.schemas import FileAnswer, file_answer
from engine.authority import may_see, may_see_evidence
from engine.case import Case
from engine.store import cases, files
from engine.store.files import Sent

router = Router(tags=["files"])

SHA256 = re.compile(r"[0-9a-f]{64}")
NOT_TOLD = "application/octet-stream"  # of a document: what its true type is a browser might act on
BODY = {
    "requestBody": {
        "required": True,
        "content": {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in UPLOADED},
    },
    "parameters": [
        {
            "name": "Content-Disposition", "in": "header", "required": False, "schema": {"type": "string"},
            "description": "The file's name, for people to read: attachment; filename*=UTF-8''...",
        }
    ],
}  # fmt: skip


class Whole(FileResponse):
    """The file, and always all of it: a picture is small, and half of one is no evidence."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.headers["accept-ranges"] = "none"
        headers = [(name, value) for name, value in scope["headers"] if name not in {b"range", b"if-range"}]
        await super().__call__({**scope, "headers": headers}, receive, send)


@router.post(
    "/files", status_code=201, response_model=FileAnswer, summary="上传图片或文件 · Upload a picture or a document",
    openapi_extra=BODY, responses=refusals(401, 413, 415, 422),
)  # fmt: skip
def upload(runtime: TheRuntime, asker: SignedIn, sent: Uploaded) -> Response:
    actor = asker.actor
    runtime.writer.must_be_in_place()
    now = runtime.clock.now()
    kept = runtime.files.put(
        runtime.database, actor.organisation, sent.content, actor.principal, now, kind=sent.kind, name=sent.name
    )
    where = f"{BASE}/files/{kept.record.sha256}"
    return json_of(file_answer(kept.record, kept.sent), status=201, headers={"Location": where})


@router.get(
    "/files/{sha256}", response_class=FileResponse, summary="查看图片、下载文件 · Fetch a picture or a document",
    responses={status: PROBLEMS[status] for status in (404, 410)},
)  # fmt: skip
def fetch(request: Request, runtime: TheRuntime, asker: SignedIn, sha256: str) -> Response:
    found = _seen(runtime, asker, sha256)
    record = found.record
    path = runtime.files.read_from(record)
    headers = _headers(sha256)
    if known_tag(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    if record.is_picture:
        return Whole(path, media_type=record.media_type, headers=headers)
    headers["Content-Disposition"] = as_attachment(found.sent.name, EXTENSIONS[record.media_type], sha256[:12])
    return Whole(path, media_type=NOT_TOLD, headers=headers)


@router.get(
    "/files/{sha256}/thumbnail", response_class=FileResponse, summary="缩略图 · Fetch a picture's thumbnail",
    responses=refusals(404, 410),
)  # fmt: skip
def thumbnail(request: Request, runtime: TheRuntime, asker: SignedIn, sha256: str) -> Response:
    record = _seen(runtime, asker, sha256).record
    if not record.is_picture:
        raise unknown_address()
    headers = _headers(f"{sha256}-thumbnail")
    if known_tag(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Whole(runtime.files.thumbnail(record), media_type="image/jpeg", headers=headers)


@router.get(
    "/files/{sha256}/about", response_model=FileAnswer, summary="文件说明 · What is known of a file",
    responses={404: PROBLEMS[404]},
)  # fmt: skip
def about(runtime: TheRuntime, asker: SignedIn, sha256: str) -> Response:
    found = _seen(runtime, asker, sha256)
    return json_of(file_answer(found.record, found.sent))


def _seen(runtime: Runtime, asker: Asker, sha256: str) -> Kept:
    """The file, if the asker sent it or may see a case it is evidence in; one he may not see, or that is held back, is not
    there.

    With what he sent himself, else with what another did.
    """
    if not SHA256.fullmatch(sha256):
        raise unknown_address()
    actor = asker.actor
    with runtime.database.read(asker.actor.organisation) as connection:
        record = files.find(connection, actor.organisation, sha256)
        if record is None:
            raise unknown_address()
        senders = files.senders(connection, actor.organisation, sha256)
        mine = senders.get(actor.principal)
        using = [] if mine else files.cases_using(connection, actor.organisation, sha256)
        evidence = cases.load_many(connection, actor.organisation, using).values()
    if mine is None and not any(_shows(runtime, asker, case) for case in evidence):
        raise unknown_address()
    named = [sent for sent in senders.values() if sent.name]
    return Kept(record, mine or next(iter([*named, *senders.values()]), Sent(None)))


def _shows(runtime: Runtime, asker: Asker, case: Case) -> bool:
    workflow = runtime.engine.catalog.of(case)
    return may_see(case, asker.seen) and may_see_evidence(workflow, case, asker.actors)


def _headers(name: str) -> dict[str, str]:
    return {
        "ETag": f'"{name}"',
        "Cache-Control": "private, max-age=31536000, immutable",  # the name is the content
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
