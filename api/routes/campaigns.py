"""What was opened in a campaign, and surveys put together: as JSON, and a survey as a file."""

from collections.abc import Callable
from functools import partial

from fastapi import APIRouter, Request, Response

from api.auth import SignedIn, TheRuntime
from api.inside import AnsweredPage, InsideAnswer, answered, inside_of, take_answers
from api.reading import visible_case
from api.requests import takes_nothing
from api.routes.answering import json_of, refusals
from api.routes.taking import FILES, AsFile, file_of, headers_alone
from api.routes.under import Router
from api.trail import Reader
from engine.definition import Catalog, Workflow
from workflows.survey import SURVEY


def routers(catalog: Catalog) -> list[APIRouter]:
    """Addresses under every loop whose cases hold others, and under surveys."""
    newest = catalog.newest()
    holding = [_holding(workflow) for workflow in newest if workflow.holds]
    return [*holding, *(_asking(workflow) for workflow in newest if workflow.key == SURVEY.key)]


def _holding(workflow: Workflow) -> APIRouter:
    routes = Router()
    routes.add_api_route(
        f"/{workflow.plural}/{{number}}/inside", _read_inside(workflow), methods=["GET"], response_model=InsideAnswer,
        tags=[workflow.key], summary=f"行动进展 · What was opened inside: {workflow.title.zh} · {workflow.title.en}",
        operation_id=f"inside_of_{workflow.key}", responses=refusals(401, 404),
    )  # fmt: skip
    return routes


def _read_inside(workflow: Workflow) -> Callable[..., Response]:
    def read_inside(runtime: TheRuntime, asker: SignedIn, number: str) -> Response:
        with runtime.database.read(asker.actor.organisation) as connection:
            case = visible_case(connection, asker, number, workflow)
            answer = inside_of(connection, runtime.engine.catalog, asker, case, runtime.clock.now())
        return json_of(answer)

    return read_inside


def _asking(workflow: Workflow) -> APIRouter:
    routes = Router()
    routes.add_api_route(
        f"/{workflow.plural}/{{number}}/answers", _read_answers(workflow), methods=["GET"],
        response_model=AnsweredPage, tags=[workflow.key],
        summary=f"汇总表 · Put together: {workflow.title.zh} · {workflow.title.en}",
        operation_id=f"answers_of_{workflow.key}",
        responses={200: FILES, **refusals(401, 404, 422)},
    )  # fmt: skip
    return routes


def _read_answers(workflow: Workflow) -> Callable[..., Response]:
    def read_answers(
        request: Request, runtime: TheRuntime, asker: SignedIn, number: str, form: AsFile = None
    ) -> Response:
        with runtime.database.read(asker.actor.organisation) as connection:
            case = visible_case(connection, asker, number, workflow)
            if form is None:
                return json_of(answered(connection, asker, case, runtime.clock.now()))
        if takes_nothing(request):
            return headers_alone(form)
        return file_of(partial(take_answers, runtime, Reader.of(asker), case), form)

    return read_answers
