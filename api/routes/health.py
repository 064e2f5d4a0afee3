"""Is the process alive, can it work, how is it doing? For whoever watches it; tells a stranger only the first two."""

import hmac

from fastapi import APIRouter, Request, Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api.auth import TheRuntime
from api.metrics import CONTENT_TYPE
from api.problems import not_watched, not_watching
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
        with runtime.database.read() as connection:
            connection.execute(text("SELECT 1 FROM organisation LIMIT 1"))
        runtime.writer.must_be_in_place()
    except Busy as busy:
        return json_of(Health(status=busy.obstacle.en), status=503)
    except SQLAlchemyError:
        return json_of(Health(status="the database does not answer"), status=503)
    if not runtime.writer.alive:
        return json_of(Health(status="stopping"), status=503)
    return json_of(Health(status="ok", simulated=runtime.clock.now() if runtime.simulated else None))


@router.get("/metrics", include_in_schema=False)
def metrics(request: Request, runtime: TheRuntime) -> Response:
    """What Prometheus reads, for whoever has the operator's token.

    Not for whoever asks from this machine: behind a proxy everybody does.
    Raises    NotSignedIn; NotAllowed where no token is set
    """
    wanted = runtime.settings.metrics_token
    if wanted is None:
        raise not_watched()
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    given = scheme.lower() == "bearer"
    if not (given and hmac.compare_digest(shown.strip().encode(), wanted.get_secret_value().encode())):
        runtime.strangers.count("metrics_token")
        raise not_watching(given=given)
    return Response(runtime.metrics.told(), media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})
