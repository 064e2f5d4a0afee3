"""How addresses answer, and what OpenAPI says of what they may be asked and answer: the same words for the same thing."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from api.routes.under import PROBLEMS

GOES_ON = "`next` of the page before this one"  # of the parameter `cursor`
A_PAGE = "So many on a page at most"  # of the parameter `limit`
Limit = Annotated[int, Query(ge=1, le=200, description=A_PAGE)]
Cursor = Annotated[str | None, Query(description=GOES_ON)]


def json_of(answer: BaseModel, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(answer.model_dump_json(), status, headers, media_type=JSONResponse.media_type)


def link_to_next(request: Request, cursor: str | None) -> dict[str, str]:
    """The header that leads to the page that follows, if there is one, with everything else that was asked."""
    if cursor is None:
        return {}
    kept = [(k, v) for k, v in request.query_params.multi_items() if k != "cursor"]
    following = urlencode([*kept, ("cursor", cursor)])
    return {"Link": f'<{request.url.path}?{following}>; rel="next"'}


# --- described -----------------------------------------------------------------------------------------------------------


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that an address may answer with. 503 always: the database may be away whatever is asked."""
    return {status: PROBLEMS[status] for status in (*statuses, 503)}


def header(name: str, meaning: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": meaning, "schema": {"type": "string"}}


KEY_HEADER = header("Idempotency-Key", "The same key gets the same answer again; 1 to 128 visible characters")
REVISION_HEADER = header("If-Match", 'The revision you looked at, as "7"; 412 when the case has moved on')


def body_of(form: type[BaseModel], *headers: dict[str, Any], needed: bool = True) -> dict[str, Any]:
    """What `openapi_extra` says of an address that takes this form, and of the headers beside it."""
    schema = {"$ref": f"#/components/schemas/{form.__name__}"}
    body = {"required": needed, "content": {"application/json": {"schema": schema}}}
    return {**({"parameters": [*headers]} if headers else {}), "requestBody": body}


def component(name: str, model: type[BaseModel]) -> dict[str, Any]:
    """A model as an OpenAPI component, and those it is made of."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs", {}), name: schema}
