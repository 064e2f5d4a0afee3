"""Pictures: uploaded first and named by their hash, then named by a step. Seen by who sent them and who may see the case."""

import re

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from starlette.types import Receive, Scope, Send

from api.auth import SignedIn, TheRuntime
from api.problems import unknown_address
from api.requests import PictureBytes
from api.routes.cases import BASE, PROBLEMS, json_of
from api.schemas import FileAnswer, file_answer
from engine.authority import may_see
from engine.store import cases, files

router = APIRouter(prefix=BASE, tags=["files"])

SHA256 = re.compile(r"[0-9a-f]{64}")
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            media_type: {"schema": {"type": "string", "format": "binary"}}
            for media_type in ("image/jpeg", "image/png", "image/webp")
        },
    }
}


class Whole(FileResponse):
    """The file, and always all of it: a picture is small, and half of one is no evidence."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.headers["accept-ranges"] = "none"
        headers = [(name, value) for name, value in scope["headers"] if name not in {b"range", b"if-range"}]
        await super().__call__({**scope, "headers": headers}, receive, send)


@router.post(
    "/files", status_code=201, response_model=FileAnswer, summary="上传图片 · Upload a picture", openapi_extra=BODY,
    responses={status: PROBLEMS[status] for status in (401, 413, 415, 422, 503)},
)  # fmt: skip
def upload(runtime: TheRuntime, asker: SignedIn, content: PictureBytes) -> Response:
    actor = asker.actor
    runtime.writer.must_be_in_place()
    record = runtime.files.put(runtime.database, actor.organisation, content, actor.principal, runtime.clock.now())
    return json_of(file_answer(record), status=201, headers={"Location": f"{BASE}/files/{record.sha256}"})


@router.get(
    "/files/{sha256}", response_class=FileResponse, summary="查看图片 · Fetch a picture", responses={404: PROBLEMS[404]}
)
def fetch(request: Request, runtime: TheRuntime, asker: SignedIn, sha256: str) -> Response:
    if not SHA256.fullmatch(sha256):
        raise unknown_address()
    actor = asker.actor
    with runtime.database.read() as connection:
        record = files.find(connection, actor.organisation, sha256)
        if record is None:
            raise unknown_address()
        mine = actor.principal in files.uploaders(connection, actor.organisation, sha256)
        using = [] if mine else files.cases_using(connection, actor.organisation, sha256)
        evidence = cases.load_many(connection, actor.organisation, using).values()
    if not mine and not any(may_see(case, asker.seen) for case in evidence):
        raise unknown_address()
    headers = {
        "ETag": f'"{sha256}"',
        "Cache-Control": "private, max-age=31536000, immutable",  # the name is the content
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if _known(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Whole(runtime.files.path_of(actor.organisation, sha256), media_type=record.media_type, headers=headers)


def _known(said: str, etag: str) -> bool:
    """Whether the asker has it already (RFC 9110 13.1.2, which compares weakly)."""
    return any(tag.strip().removeprefix("W/") in {etag, "*"} for tag in said.split(","))
