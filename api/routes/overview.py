"""The overview as JSON: the same figures as the page, each with the query of the list that shows exactly those cases."""

from typing import Annotated

from fastapi import Depends, Query, Response

from api.auth import SignedIn, TheRuntime
from api.overview import MOST_MONTHS, USUAL_MONTHS, Asked, OverviewAnswer, overview_of
from api.requests import DayOrInstant
from api.routes.answering import json_of
from api.routes.filtering import one_of
from api.routes.under import Router
from api.trail import saying_what_is_missing

router = Router(tags=["cases"])

Months = Annotated[int, Query(ge=1, le=MOST_MONTHS, description="So many months, the present one among them")]


async def asked_of(
    runtime: TheRuntime,
    as_of: Annotated[DayOrInstant | None, Query(description="As it was known that evening, or at that instant")] = None,
    months: Months = USUAL_MONTHS,
    workflow: Annotated[str | None, Query(description="Of this loop alone, by its key")] = None,
    organisation: Annotated[str | None, Query(description="Of those one oversees, this one alone")] = None,
) -> Asked:
    one_of("workflow", workflow, [loop.key for loop in runtime.engine.catalog.newest()])
    return Asked(as_of, months, workflow, organisation)


@router.get("/overview", response_model=OverviewAnswer, summary="总览 · How it stands, over time, and how it went")
def read_overview(runtime: TheRuntime, asker: SignedIn, asked: Annotated[Asked, Depends(asked_of)]) -> Response:
    found = overview_of(runtime, asker, asked)
    return json_of(found.answer, headers=saying_what_is_missing(found.unnumbered))
