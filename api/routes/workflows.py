"""The loops there are: states, steps, forms, numbers, diagram; their cycles, and what came of each period."""

from functools import partial
from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api.auth import SignedIn, TheRuntime
from api.periods import shown, take_periods
from api.policies import set_numbers
from api.problems import not_for_you, unknown_address
from api.requests import Answers, read_as, takes_nothing
from api.routes.answering import json_of, refusals
from api.routes.taking import FILES, AsFile, file_of, headers_alone
from api.routes.under import Router
from api.schemas import (
    CycleList,
    PeriodList,
    WorkflowAnswer,
    WorkflowList,
    cycle_answer,
    period_answer,
    workflow_answer,
    workflow_line,
)
from api.trail import Reader
from engine.errors import Text
from engine.store import periods, policies
from engine.store.marks import Report
from workflows.roles import ADMINISTRATOR

router = Router(tags=["workflows"])


@router.get("/workflows", response_model=WorkflowList, summary="流程 · Loops")
def list_workflows(runtime: TheRuntime, asker: SignedIn) -> Response:
    lines = [workflow_line(workflow, asker.locale) for workflow in runtime.engine.catalog.newest()]
    return json_of(WorkflowList(items=lines))


@router.get("/workflows/{key}", response_model=WorkflowAnswer, summary="流程定义 · A loop's definition")
def read_workflow(
    runtime: TheRuntime,
    asker: SignedIn,
    key: str,
    version: Annotated[int | None, Query(ge=1, description="The newest where it is left out")] = None,
) -> Response:
    workflow = runtime.engine.catalog.get(key, version)
    if workflow is None:
        raise unknown_address()
    with runtime.database.read(asker.actor.organisation) as connection:
        policy_version, overrides = policies.in_force(connection, asker.actor.organisation, key)
    return json_of(workflow_answer(workflow, asker.locale, policy_version, overrides))


class SetNumbers(BaseModel):
    """Only what is named changes; null takes a number back to what it is by itself. `confirmed`: meant, although it opens a
    dead corner.
    """

    model_config = ConfigDict(extra="forbid")
    set: Annotated[dict[str, Any], Field(min_length=1, max_length=50)]
    confirmed: Annotated[bool, Field(strict=True)] = False


#: the bodies of these addresses, as components of the OpenAPI document
FORMS: dict[str, type[BaseModel]] = {SetNumbers.__name__: SetNumbers}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{SetNumbers.__name__}"}}},
    }
}


@router.patch(
    "/workflows/{key}/policy", response_model=WorkflowAnswer, summary="设置规则 · Set numbers of a loop",
    openapi_extra=_BODY, responses=refusals(403, 404, 409, 413, 415, 422),
)  # fmt: skip
def set_policy(runtime: TheRuntime, asker: SignedIn, key: str, answers: Answers) -> Response:
    """For steps from now on, in the organisation where the asker asks; a deadline that runs stays."""
    if not asker.actor.holds_any({ADMINISTRATOR}):
        raise not_for_you(Text("本单位系统管理员", "the administrator of the organisation"))
    workflow = runtime.engine.catalog.get(key)
    if workflow is None:
        raise unknown_address()
    form = read_as(SetNumbers, answers, runtime.engine.words)
    runtime.writer.must_be_in_place()
    by = str(asker.account.person)
    version, numbers = set_numbers(runtime.engine, asker.actor, workflow, form.set, by, confirmed=form.confirmed)
    return json_of(workflow_answer(workflow, asker.locale, version, numbers))


@router.get("/cycles", response_model=CycleList, summary="周期 · Cycles and who owes them")
def list_cycles(runtime: TheRuntime, asker: SignedIn) -> Response:
    with runtime.database.read(asker.actor.organisation) as connection:
        owed = periods.obligations(connection, asker.actor.organisation)
    answers = []
    for workflow, rule in runtime.engine.catalog.cycles():
        scopes = [o.scope for o in owed if o.cycle == rule.cycle.key and _shown(asker, o.scope)]
        answers.append(cycle_answer(workflow, rule, scopes, asker.locale))
    return json_of(CycleList(items=answers))


@router.get(
    "/periods", response_model=PeriodList, summary="周期台账 · What each period owed and what came of it",
    responses={200: FILES},
)  # fmt: skip
def list_periods(
    request: Request,
    runtime: TheRuntime,
    asker: SignedIn,
    cycle: Annotated[str | None, Query(description="Of this cycle alone, by its key")] = None,
    key: Annotated[str | None, Query(description="The period by its civil key, as `2026-03` or `2026-W11`")] = None,
    scope: Annotated[
        str | None, Query(description="Who owes it: a department's code, or `*` for the organisation")
    ] = None,
    report: Annotated[Report | None, Query(description="Only those of which this came, as `missing`")] = None,
    form: AsFile = None,
) -> Response:
    now, reader = runtime.clock.now(), Reader.of(asker)
    wanted = {"cycle": cycle, "key": key, "scope": scope, "report": report}
    if form is not None:
        if takes_nothing(request):
            return headers_alone(form)
        return file_of(partial(take_periods, runtime, reader, wanted), form)
    with runtime.database.read(asker.actor.organisation) as connection:
        found = shown(connection, reader, now, wanted)
    return json_of(PeriodList(items=[period_answer(record, now) for record in found]))


def _shown(asker: SignedIn, scope: str) -> bool:
    """Overseers see every scope, others their own departments."""
    return asker.seen.everything or scope in asker.seen.departments
