"""Is the process alive, and can it work? For whoever watches it; tells a stranger nothing else."""

from fastapi import APIRouter, Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api.auth import TheRuntime
from api.routes.cases import json_of
from api.schemas import Health
from engine.errors import Busy

router = APIRouter(tags=["health"])


@router.get("/healthz", response_model=Health, summary="存活 · Alive", openapi_extra={"security": []})
def alive() -> Response:
    return json_of(Health(status="ok"))


@router.get(
    "/readyz", response_model=Health, summary="就绪 · Ready to work", responses={503: {"model": Health}},
    openapi_extra={"security": []},
)  # fmt: skip
def ready(runtime: TheRuntime) -> Response:
    try:
        with runtime.database.read_across() as connection:
            connection.execute(text("SELECT 1 FROM organisation LIMIT 1"))
        runtime.writer.must_be_in_place()
    except Busy as busy:
        return json_of(Health(status=busy.obstacle.en), status=503)
    except SQLAlchemyError:
        return json_of(Health(status="the database does not answer"), status=503)
    if not runtime.writer.alive:
        return json_of(Health(status="stopping"), status=503)
    return json_of(Health(status="ok", simulated=runtime.clock.now() if runtime.simulated else None))
