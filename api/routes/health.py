"""Is the process alive, can it work, how is it doing? For whoever watches it; tells a stranger only the first two."""

import hmac

from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import SQLAlchemyError

from api import lags, migrations
from api.auth import TheRuntime
from api.bootstrap import Runtime
from api.metrics import CONTENT_TYPE
from api.problems import not_watched, not_watching
from api.routes.answering import json_of
from api.schemas import Health
from engine.errors import Busy, FolderError

LATE_SECONDS = 300  # ten ticks by default: one that fails and the next that mends it are no news
TICKS_MISSED = 10  # where they are told to be rarer

router = APIRouter(tags=["health"])


@router.get("/healthz", response_model=Health, summary="存活 · Alive", openapi_extra={"security": []})
def alive() -> Response:
    return json_of(Health(status="ok"))


@router.get(
    "/readyz", response_model=Health, summary="就绪 · Ready to work", responses={503: {"model": Health}},
    openapi_extra={"security": []},
)  # fmt: skip
def ready(runtime: TheRuntime) -> Response:
    """Whether this node should be asked. 503 for what is its own: no database, one of another revision, a folder that is gone, a
    writer or a ticking that ended, a stop under way.

    What is late is told and no more. It is late in the database all nodes share: each of them would be taken out at once, and
    nobody would be left to read and report, which goes on as well as ever. But where this node's own ticking has ended it is
    half dead and does not know how to mend it: whoever watches it shall put another in its place.
    """
    patience = max(LATE_SECONDS, TICKS_MISSED * runtime.settings.tick_seconds)
    try:
        migrations.must_be_newest(runtime.database)
        runtime.writer.must_be_in_place()
        late = _sweep_lag_seconds(runtime) > patience
    except FolderError as error:
        return _not_ready(error.text.en)
    except Busy as busy:
        return _not_ready(busy.obstacle.en)
    except SQLAlchemyError:
        return _not_ready("the database does not answer")
    if runtime.stopping.is_set() or not runtime.writer.alive:
        return _not_ready("stopping")
    pulse = runtime.heartbeat.pulse(patience) if runtime.ticks_here else "beats"
    if pulse == "stopped":
        return _not_ready("this node no longer ticks; start it again")
    why = [
        said
        for said, holds in (
            ("reminders are late: what fell due waits for a tick, of whichever node", late),
            ("a tick of this node takes long", pulse == "takes long"),
        )
        if holds
    ]
    simulated = runtime.clock.now() if runtime.simulated else None
    return json_of(Health(status="degraded" if why else "ok", why=why, simulated=simulated))


def _not_ready(why: str) -> Response:
    return json_of(Health(status=why), status=503)


def _sweep_lag_seconds(runtime: Runtime) -> float:
    now = runtime.clock.now()
    with runtime.database.read_across() as connection:
        lags.be_quick(connection)
        return lags.of_timers(connection, now).age(now).total_seconds()


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
