"""The evidence pack of a case, for whoever may see the case; of one that many have to know of, for who may see who does. That it
was taken is noted in his name.
"""

import tempfile
from collections.abc import Callable, Iterator
from typing import BinaryIO

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from api.auth import SignedIn, TheRuntime
from api.evidence.names import as_attachment
from api.papers.pack.packing import take
from api.places import Places
from api.reading import LONGEST_NAME
from api.requests import takes_nothing
from api.routes.answering import refusals
from api.routes.under import Router
from engine.authority import may_see
from engine.case import ADDRESSEE
from engine.definition import Catalog, Workflow
from engine.errors import NotAllowed, Text
from engine.handle import unknown_case
from engine.store import cases

IN_MEMORY_BYTES = 4 << 20  # of a pack; a larger one is put together on disk
CHUNK_BYTES = 1 << 18
MEDIA_TYPE = "application/zip"

_places = Places(2)  # packs made at once in a process: each is read, hashed and checked, which is work


def routers(catalog: Catalog) -> list[APIRouter]:
    """An address under every loop."""
    return [_of(workflow) for workflow in catalog.newest()]


def _of(workflow: Workflow) -> APIRouter:
    routes = Router()
    routes.add_api_route(
        f"/{workflow.plural}/{{number}}/evidence", _take(workflow), methods=["GET"], response_class=StreamingResponse,
        tags=[workflow.key], summary=f"证据包 · Evidence pack: {workflow.title.zh} · {workflow.title.en}",
        operation_id=f"evidence_of_{workflow.key}",
        responses={
            200: {"description": "A zip, with the program that checks it", "content": {MEDIA_TYPE: {}}},
            **refusals(401, 403, 404, 409),
        },
    )  # fmt: skip
    return routes


def _take(workflow: Workflow) -> Callable[..., Response]:
    def take_pack(request: Request, runtime: TheRuntime, asker: SignedIn, number: str) -> Response:
        here = asker.actor.organisation
        with runtime.database.read(here) as connection:
            case = cases.load(connection, here, number)
        if case is None or case.workflow != workflow.key or not may_see(case, asker.seen):
            raise unknown_case(number[:LONGEST_NAME])
        asked = Text(f"出具 {number} 的证据包", f"Prove {number}")
        if case.who_acted(ADDRESSEE) and not asker.seen.everything:  # it has everything: who is excused, and why
            raise NotAllowed(
                asked=asked,
                obstacle=Text(
                    "其中有全部知晓人员的确认情况和免予确认的理由",
                    "it tells of everybody who has to know whether he does, and why some are excused",
                ),
                remedy=Text("请由安稳办出具", "Leave it to the safety office"),
            )
        if takes_nothing(request):
            return Response(media_type=MEDIA_TYPE, headers={"Cache-Control": "private, no-store"})
        pack: BinaryIO = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)  # type: ignore[assignment]  # noqa: SIM115  # closed by whoever sends it
        try:
            with _places.one(asked, Text("同时出具的人太多", "too many packs are being made at once")):
                take(runtime, here, number, asker.actor, pack, with_names=asker.seen.everything)
        except BaseException:
            pack.close()
            raise
        headers = {
            "Content-Disposition": as_attachment(f"{number}.zip", ".zip", number),
            "Content-Length": str(pack.seek(0, 2)),
            "Cache-Control": "private, no-store",
        }
        return StreamingResponse(_sent(pack), media_type=MEDIA_TYPE, headers=headers)

    return take_pack


def _sent(pack: BinaryIO) -> Iterator[bytes]:
    """Its bytes; it is gone once they were sent, or nobody takes them any more."""
    with pack:
        pack.seek(0)
        while piece := pack.read(CHUNK_BYTES):
            yield piece
