"""Is the process alive, and can it work? For whoever watches it; tells a stranger nothing else."""

from fastapi import APIRouter, Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api.auth import TheRuntime
from api.routes.cases import json_of
from api.schemas import Health

router = APIRouter(tags=["health"])


@router.get("/healthz", response_model=Health, summary="存活 · Alive")
def alive() -> Response:
    return json_of(Health(status="ok"))


@router.get("/readyz", response_model=Health, summary="就绪 · Ready to work", responses={503: {"model": Health}})
def ready(runtime: TheRuntime) -> Response:
    try:
        with runtime.database.read() as connection:
            connection.execute(text("SELECT 1 FROM organisation LIMIT 1"))
    except SQLAlchemyError:
        return json_of(Health(status="the database does not answer"), status=503)
    if not runtime.writer.alive:
        return json_of(Health(status="stopping"), status=503)
    return json_of(Health(status="ok", simulated=runtime.clock.now() if runtime.simulated else None))
